"""Train small runs in forked processes, and put faults into them, for `faults.py`."""

import importlib
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import gymnasium
import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv
from torch.utils.data import DataLoader, TensorDataset

from advlearn import fit
from advlearn.core.trainer import Callback, Trainer
from advlearn.data import load
from advlearn.imitation import imitate
from advlearn.nets import MLPCritic, MLPGenerator
from advlearn.tasks.generate import Generate
from advlearn.training.rng import isolated

STEPS, EVERY, BATCH = 60, 7, 32
# Environment steps of an imitation run, and between two of its checkpoints.
IMITATION_STEPS, IMITATION_EVERY = 1024, 128
SHAPE, LATENT, HIDDEN = (1, 8, 8), 8, (32,)
SPEC = "hinge + spectral_norm + r1"
# A user without rights, whose files a folder's mode protects; root may write anywhere.
NOBODY = 65534
LATE = ("torch._dynamo", "cProfile", "sysconfig", "matplotlib.figure", "torch.utils.tensorboard")


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """Say what goes wrong in a process.

    Args:
        kind: Name of the fault, one of `ACTIONS`, or empty.
        at: The step of the learner, or the number of the save, at which it happens.
        phase: Which part of a save, or whether a full disk stays full (1) or not (0).
    """

    kind: str = ""
    at: int = 0
    phase: int = 0


class Hook(Callback):
    """Report the first step to the parent process, and cause a fault at a step."""

    def __init__(self, ready: Callable[[int], None], act: Callable[[int], None]) -> None:
        self.ready, self.act = ready, act
        self.first = True

    def on_step(self, trainer: Trainer) -> None:
        if self.first:
            self.ready(trainer.step - 1)
            self.first = False
        self.act(trainer.step)


class ImitationHook(BaseCallback):
    """Do the same in a run of imitation; a step is 1 / 60 of the run."""

    def __init__(self, ready: Callable[[int], None], act: Callable[[int], None]) -> None:
        super().__init__()
        self.ready, self.act = ready, act
        self.last = -1

    def _on_step(self) -> bool:
        if self.last < 0:
            self.ready(self.num_timesteps - self.training_env.num_envs)
        step = self.num_timesteps * STEPS // IMITATION_STEPS
        if step != self.last:
            self.last = step
            self.act(step)
        return True


class Fragile(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Raise an error in a step of the environment when a file says so."""

    flag = Path("unset")

    def step(self, action: Any) -> Any:
        if self.flag.exists():
            self.flag.unlink()
            raise RuntimeError("the simulator failed")
        return super().step(action)


def train_fit(folder: Path, hook: Callback, *, workers: int | None = None) -> None:
    """Train a generator of digits, from an array or from a DataLoader with workers."""
    digits: Any = load("digits")
    if workers is not None:
        digits = TensorDataset(digits.x)
        digits = DataLoader(digits, BATCH, shuffle=True, drop_last=True, num_workers=workers)
    with isolated(0):
        generator, critic = MLPGenerator(LATENT, SHAPE, HIDDEN), MLPCritic(SHAPE, hidden=HIDDEN)
    fit(
        Generate(generator, latent=LATENT, shape=SHAPE),
        SPEC,
        digits,
        critic=critic,
        steps=STEPS,
        batch_size=None if workers is not None else BATCH,
        save_every=EVERY,
        picture_every=20,
        device="cpu",
        callbacks=[hook],
        out=folder,
    )


def train_imitation(folder: Path, hook: BaseCallback, *, name: str) -> None:
    """Imitate the expert of CartPole with PPO, DQN, or PPO on environments in processes."""
    processes = name == "subproc"
    venv = make_vec_env(
        "CartPole-v1",
        2 if processes else 1,
        seed=0,
        wrapper_class=Fragile,
        vec_env_cls=SubprocVecEnv if processes else DummyVecEnv,
    )
    learner: BaseAlgorithm
    if name == "dqn":
        learner = DQN("MlpPolicy", venv, learning_starts=64, buffer_size=2000, seed=0)
    else:
        learner = PPO("MlpPolicy", venv, n_steps=64, batch_size=64, n_epochs=1, seed=0)
    every = IMITATION_EVERY // venv.num_envs
    try:
        imitate(
            "cartpole",
            steps=IMITATION_STEPS,
            algorithm=learner,
            out=folder,
            save_every=every,
            callbacks=[hook],
            quiet=True,
        )
    finally:
        venv.close()


def actions(fault: Fault, folder: Path) -> Callable[[int], None]:
    """Return what a hook does at each step."""

    def act(step: int) -> None:
        if step == fault.at and fault.kind in ACTIONS:
            ACTIONS[fault.kind](folder)
        if fault.kind == "full disk" and not fault.phase and step == fault.at + 12:
            limit_files(resource.RLIM_INFINITY)

    return act


def limit_files(size: int) -> None:
    """Bound the size of every file that this process writes: what a full disk does to it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def protect(folder: Path) -> None:
    """Take the right to write to a folder from this process, which may be root's."""
    # A user without rights may not read the modules that a run imports late.
    for module in LATE:
        importlib.import_module(module)
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(NOBODY)


def kill_worker(folder: Path) -> None:
    """Kill one of the worker processes."""
    child = next(iter(multiprocessing.active_children()), None)
    if child is not None and child.pid is not None:
        os.kill(child.pid, signal.SIGKILL)


def wait_for_the_second(folder: Path) -> None:
    """Hold the first writer until the second one has ended."""
    while not second_ended(folder).exists():
        time.sleep(0.01)


def second_ended(folder: Path) -> Path:
    """Return the file that says that the second writer has ended."""
    return folder.parent / "second-ended"


def raise_error(folder: Path) -> None:
    """Raise an error in a callback."""
    raise RuntimeError("the callback failed")


ACTIONS: dict[str, Callable[[Path], None]] = {
    "full disk": lambda folder: limit_files(64),
    "read-only folder": lambda folder: protect(folder),
    "deleted folder": lambda folder: shutil.rmtree(folder),
    "killed worker": kill_worker,
    "two writers": wait_for_the_second,
    "raising callback": raise_error,
    "raising environment": lambda folder: Fragile.flag.touch(),
    "stopped for good": lambda folder: os.kill(os.getpid(), signal.SIGKILL),
}


def die_in_save(number: int, phase: int) -> None:
    """Kill this process in its `number`-th save: half written, before or after the renaming."""
    saves = 0
    write, rename = torch.save, os.replace

    def half(value: Any, file: Any, *rest: Any, **named: Any) -> None:
        nonlocal saves
        saves += 1
        write(value, file, *rest, **named)
        if saves == number and phase == 0:
            file.flush()
            os.truncate(file.fileno(), max(file.tell() // 2, 1))
            os.kill(os.getpid(), signal.SIGKILL)

    def renamed(source: Any, target: Any, *rest: Any, **named: Any) -> None:
        fatal = saves == number and phase > 0
        if fatal and phase == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(source, target, *rest, **named)
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save, os.replace = half, renamed


def child(name: str, folder: Path, fault: Fault, pipe: int, log: Path, rank: int) -> None:
    """Be a forked process: train, and leave with 0, 130 after Ctrl-C, or 1 and a report.

    Args:
        name: The run.
        folder: Its folder.
        fault: What goes wrong.
        pipe: Where the first step is written to.
        log: File of the output; its name is unique among the processes of the folder.
        rank: Number of the process in a group of two.
    """
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 1
    try:
        torch.set_num_threads(1)
        if fault.kind == "kill in a save":
            die_in_save(fault.at, fault.phase)
        Fragile.flag = folder.parent / "raise"
        meet = log.with_suffix(".meet")
        run(name, folder, fault, lambda step: _tell(pipe, step), rank, meet)
        code = 0
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:
        traceback.print_exc()
        lines = str(error).splitlines()
        report = {"error": type(error).__name__, "line": lines[0] if lines else ""}
        os.seteuid(os.getuid())
        log.with_suffix(f".{rank}.json").write_text(json.dumps(report))
    finally:
        sys.stdout.flush()
        os._exit(code)


def run(
    name: str,
    folder: Path,
    fault: Fault,
    ready: Callable[[int], None],
    rank: int,
    meet: Path,
) -> None:
    """Train the run of this name."""
    act = actions(fault if rank or fault.kind != "killed rank" else Fault(), folder)
    if fault.kind == "killed rank" and rank:
        act = actions(Fault("stopped for good", fault.at), folder)
    if name == "group":
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{meet}", rank=rank, world_size=2
        )
        train_fit(folder, Hook(ready if rank == 0 else lambda _: None, act))
    elif name in ("fit", "loader"):
        train_fit(folder, Hook(ready, act), workers=2 if name == "loader" else None)
    else:
        train_imitation(folder, ImitationHook(ready, act), name=name)


def _tell(pipe: int, step: int) -> None:
    os.write(pipe, f"{step}\n".encode())
