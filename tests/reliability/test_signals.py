"""Test real signals to a process, and to its group as a terminal or a scheduler sends them."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from advlearn.core.interrupt import between_steps
from advlearn.training.checkpoint import load
from tests.processes import preload
from tests.reliability import signalled
from tests.script_server import ScriptServer

ROOT = Path(__file__).resolve().parents[2]


def interrupted(scripts: ScriptServer, kind: str, number: int, folder: Path, *, group: bool) -> str:
    """Send a signal in the middle of a run, and return its error output."""
    child = scripts.start("-m", "tests.reliability.signalled", kind, str(folder), cwd=ROOT)
    first_line = child.stdout.readline()
    if first_line:
        (os.killpg if group else os.kill)(child.pid, number)
    status, _, error = child.communicate("\n")
    assert first_line == "waiting\n", error
    assert status in (130, -signal.SIGINT), error
    assert error.rstrip().endswith("KeyboardInterrupt"), error
    return error


def weights(run: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in run.task.parameters()])


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize("kind", ["fit", "fit-workers"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_fit_saves_the_step_and_resumes_exactly(
    tmp_path: Path, scripts: ScriptServer, kind: str, number: int, group: bool
) -> None:
    if kind == "fit" and group:
        pytest.skip("a process without children is its own group")
    interrupted(scripts, kind, number, tmp_path, group=group)
    assert load(tmp_path)["trainer"]["step"] == signalled.WAIT
    resumed = signalled.fit(tmp_path)
    assert resumed.trainer.step == signalled.STEPS
    assert torch.equal(weights(resumed), weights(signalled.fit(None)))


@pytest.mark.parametrize(
    ("kind", "number", "group"),
    [
        ("imitate", signal.SIGTERM, False),
        ("imitate-workers", signal.SIGINT, True),
        ("imitate-workers", signal.SIGTERM, False),
    ],
)
def test_imitation_stops_at_the_next_checkpoint_and_resumes_exactly(
    tmp_path: Path, scripts: ScriptServer, kind: str, number: int, group: bool
) -> None:
    pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    from tests.imitation.counting import weights_of

    interrupted(scripts, kind, number, tmp_path / "broken", group=group)
    assert load(tmp_path / "broken")["steps"] == 64
    resumed, whole = signalled.imitate(tmp_path / "broken"), signalled.imitate(tmp_path / "whole")
    assert torch.equal(weights_of(resumed), weights_of(whole))


def test_imitation_whose_workers_ended_by_the_signal_saves_the_last_rollout(
    tmp_path: Path, scripts: ScriptServer
) -> None:
    pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    interrupted(scripts, "imitate-workers", signal.SIGTERM, tmp_path, group=True)
    assert load(tmp_path)["steps"] == 32
    assert signalled.imitate(tmp_path).policy.num_timesteps == 192


def test_a_killed_worker_of_the_environment_is_one_line() -> None:
    pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import SubprocVecEnv

    from advlearn.imitation import imitate
    from tests.imitation.counting import Counting, always_one, small

    class Kill(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps == 20:
                env.processes[1].kill()
            return True

    preload()
    env = SubprocVecEnv([Counting, Counting], start_method="forkserver")
    line = r"^env: a worker process of SubprocVecEnv ended with exit code -9; see its own .*memory"
    with pytest.raises(ChildProcessError, match=line):
        imitate(always_one(), steps=192, algorithm=small(env), callbacks=[Kill()], quiet=True)
    # It waited for an answer of the first worker, which had answered.
    env.close()
    assert not any(process.is_alive() for process in env.processes)


def test_workers_that_do_not_end_are_terminated(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    from stable_baselines3.common.vec_env import SubprocVecEnv

    from advlearn.imitation.sb3 import workers
    from tests.imitation.counting import Stuck

    monkeypatch.setattr(workers, "_PATIENCE", 0.5)
    preload()
    env = SubprocVecEnv([Stuck, Stuck], start_method="forkserver")
    env.processes[1].kill()
    message = "ended with exit code -9"
    with pytest.raises(ChildProcessError, match=message), workers.naming_ended_workers(env):
        env.reset()
    env.processes[0].join(10)
    assert env.processes[0].exitcode == -signal.SIGTERM


# --- the handlers


def test_sigterm_is_noted_and_both_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with between_steps() as received:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert received == [signal.SIGTERM, signal.SIGTERM]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_handler_of_the_program_stays_in_place() -> None:
    own: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: own.append(number))
    try:
        with between_steps() as received:
            signal.raise_signal(signal.SIGTERM)
        assert own == [signal.SIGTERM] and received == []
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_leave_the_handlers_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[Any] = []

    def use() -> None:
        with between_steps():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_process_forked_during_a_run_ends_by_sigterm() -> None:
    with between_steps() as received:
        child = os.fork()
        if child == 0:
            signal.raise_signal(signal.SIGINT)  # has no effect
            signal.raise_signal(signal.SIGTERM)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    assert received == []


def test_the_handler_of_ended_children_is_restored() -> None:
    calls: list[int] = []
    before = signal.signal(signal.SIGCHLD, lambda number, frame: calls.append(number))
    try:
        own = signal.getsignal(signal.SIGCHLD)
        with between_steps():
            signal.raise_signal(signal.SIGCHLD)
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGCHLD)
        assert calls == [signal.SIGCHLD] and signal.getsignal(signal.SIGCHLD) is own
    finally:
        signal.signal(signal.SIGCHLD, before)
