"""Iterations of `DevicePPO` on fixed tensors, which CUDA graphs replay."""

import math
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from advlearn_envs import CartPole, CMaze
from advlearn_envs.batched import BatchedEnv
from stable_baselines3.common.callbacks import BaseCallback

from advlearn.imitation import DevicePPO, imitate
from advlearn.imitation.on_device.environment import EpisodeCounter
from advlearn.imitation.on_device.iteration import FixedIteration
from advlearn.imitation.on_device.rollout import why_not
from advlearn.imitation.on_device.stage import (
    Stage,
    kept_tensors,
    on_the_device,
    plain_numbers,
)
from advlearn.imitation.on_device.update import Losses, Record
from advlearn.testing.no_sync import NoSync
from tests.imitation.batches import (
    Keep,
    N,
    T,
    assert_same,
    cartpole,
    expert,
    in_numpy,
    maze,
    on_device,
    tight,
)


def fixed(env: Any, **settings: Any) -> DevicePPO:
    """Return an algorithm that keeps its tensors on the CPU too."""
    learner = on_device(env, **settings)
    learner._fixed_devices = ("cpu",)
    return learner


class Redrawn(CartPole):
    """Draw start states each fourth step, so that a rollout begins with new ones as a fixed one."""

    SHORTEST = 4


def poles() -> BatchedEnv:
    return Redrawn(N, time_limit=14)


def mazes() -> BatchedEnv:
    return CMaze(N, time_limit=4)


@pytest.mark.parametrize("make", [poles, tight, mazes])
def test_a_rollout_on_fixed_tensors_is_that_of_stable_baselines3(make: Any) -> None:
    plain, device = in_numpy(make()), fixed(make())
    keeps = Keep(), Keep()
    for learner, keep in zip((plain, device), keeps, strict=True):
        learner.learn(2 * N * T, callback=keep)
    assert_same(keeps[1].rollouts, keeps[0].rollouts)


# Small limits, which some rows reach in six passes.
LIMITED: dict[str, Any] = {
    "clip_range": 0.02,
    "clip_range_vf": 0.03,
    "ent_coef": 0.1,
    "n_epochs": 6,
    "max_grad_norm": 0.1,
}


@pytest.mark.parametrize("settings", [{}, LIMITED, {"normalize_advantage": False}])
@pytest.mark.parametrize("make", [fixed, on_device])
def test_passes_are_those_of_stable_baselines3(make: Any, settings: dict[str, Any]) -> None:
    plain, device = in_numpy(mazes(), **settings), make(mazes(), **settings)
    for learner in (plain, device):
        learner.learn(3 * N * T, callback=Keep())
    for a, b in zip(device.policy.parameters(), plain.policy.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    names = [name for name in plain.logger.name_to_value if name.startswith("train/")]
    assert len(names) > 8
    for name in names:
        found, reference = (learner.logger.name_to_value[name] for learner in (device, plain))
        assert found == pytest.approx(reference, rel=1e-3, abs=1e-5), name
    episodes = [[(e["r"], e["l"]) for e in learner.ep_info_buffer] for learner in (device, plain)]
    assert np.allclose(*episodes, atol=1e-5) and len(episodes[0]) > N
    assert settings is not LIMITED or plain.logger.name_to_value["train/clip_fraction"] > 0.05


class Watched(BaseCallback):
    """Run each stage under `NoSync` from the second iteration on, and note its tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[tuple[Any, ...]] = []

    def _on_step(self) -> bool:
        return True

    def _on_training_start(self) -> None:
        learner: Any = self.model
        for stage in (learner.fixed.collect, learner.fixed.learn):
            self.watch(stage)

    def watch(self, stage: Stage) -> None:
        run, runs = stage._run, iter(range(100))

        def watched() -> None:
            if next(runs) == 0:
                run()
                return
            with NoSync():
                run()

        stage._run = watched

    def _on_rollout_start(self) -> None:
        learner: Any = self.model
        self.places.append(
            tuple(stage.key() for stage in (learner.fixed.collect, learner.fixed.learn))
        )


@pytest.mark.parametrize("method", ["gail", "gail + r1(weight=1)", "airl", "wgan-gp"])
@pytest.mark.parametrize("make", [cartpole, maze])
def test_iterations_read_nothing_back_and_keep_their_tensors(
    make: Any, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, stages = Watched(), []
    of_reward = FixedIteration.of_reward

    def watched(self: FixedIteration, *args: Any, **kwargs: Any) -> Stage:
        stage = of_reward(self, *args, **kwargs)
        watch.watch(stage)
        stages.append((stage, []))
        return stage

    monkeypatch.setattr(FixedIteration, "of_reward", watched)
    keys: list[Any] = []

    class Key(BaseCallback):
        def _on_step(self) -> bool:
            return True

        def _on_rollout_end(self) -> None:
            keys.append(stages[0][0].key())

    learner = fixed(make(), batch_size=N * T // 2)
    run = imitate(
        expert(make()),
        method,
        steps=5 * N * T,
        algorithm=learner,
        batch_size=8,
        critic_steps=2,
        callbacks=[watch, Key()],
        quiet=True,
    )
    assert len(run.history) == 5 and stages[0][0].reason == ""
    # The first iteration makes the state of the optimizers.
    assert len(set(watch.places[2:])) == 1 and len(set(keys[1:])) == 1
    assert run.reward.adversary.steps_done == 10
    assert all(math.isfinite(value) for value in run.history[-1].values())


def test_a_learned_reward_on_fixed_tensors_is_the_same() -> None:
    def go(learner: Any) -> tuple[list[Any], Any]:
        keep = Keep()
        settings: dict[str, Any] = {"steps": 2 * N * T, "critic_steps": 2, "batch_size": 8}
        run = imitate(expert(mazes()), algorithm=learner, callbacks=[keep], quiet=True, **settings)
        return keep.rollouts, run

    (found, run), (expected, other) = go(fixed(mazes())), go(in_numpy(mazes()))
    assert_same(found, expected)
    assert [row["steps"] for row in run.history] == [N * T, 2 * N * T]
    assert run.history[1]["return"] == pytest.approx(other.history[1]["return"])


def test_an_interrupted_run_on_fixed_tensors_resumes_exactly(tmp_path: Any) -> None:
    def go(folder: str, stop: int = -1) -> Any:
        class Break(BaseCallback):
            def _on_step(self) -> bool:
                if self.n_calls == stop:
                    raise OSError("interrupted")
                return True

        settings: dict[str, Any] = {"steps": 5 * N * T, "critic_steps": 2, "batch_size": 8}
        return imitate(
            expert(cartpole()),
            algorithm=fixed(cartpole()),
            out=tmp_path / folder,
            save_every=2 * N * T,
            callbacks=[Break()],
            quiet=True,
            **settings,
        )

    whole = go("whole")
    with pytest.raises(OSError, match="interrupted"):
        go("broken", stop=3 * T + 5)
    resumed = go("broken")
    for a, b in zip(
        whole.policy.policy.parameters(), resumed.policy.policy.parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_the_latest_episodes_are_those_that_the_host_would_read() -> None:
    for most in (1, 3, 50):
        counters = [EpisodeCounter(CartPole(N, time_limit=14)) for _ in range(2)]
        for counter in counters:
            counter.reset(4)
            for t in range(30):
                counter.step(torch.full((N,), t // 3 % 2))
        read = [[episode["r"], float(episode["l"])] for episode in counters[0].take(most)]
        *table, (count, _) = counters[1].latest(most).tolist()
        assert table[len(table) - len(read) :] == read and count >= len(read) > 0
        assert all(row == [0, 0] for row in table[: len(table) - len(read)])


def test_a_stop_is_seen_after_the_rollout_and_steps_show_their_tensors() -> None:
    class Stop(BaseCallback):
        def _on_step(self) -> bool:
            rollout = self.model.rollout_buffer  # type: ignore[attr-defined]
            t = self.n_calls - 1
            assert torch.equal(self.locals["obs_tensor"], rollout.observations[t])
            assert self.locals["dones"].shape == self.locals["rewards"].shape == (N,)
            assert (self.locals["rewards"] == 1).all()
            return self.n_calls < 5

    learner = fixed(cartpole()).learn(N * T, callback=Stop())
    assert learner.num_timesteps == 5 * N and learner.ep_info_buffer


def test_optimizers_have_their_settings_again_after_a_stage() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], lr=0.5)
    before = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
    with on_the_device([(optimizer, torch.tensor(0.25))]):
        assert optimizer.param_groups[0]["fused"] is True
        weight.grad = torch.ones(3)
        optimizer.step()
    assert {k: v for k, v in optimizer.param_groups[0].items() if k != "params"} == before
    # Adam's first step has the size of its rate.
    torch.testing.assert_close(weight.detach(), torch.full((3,), 0.75))


def test_a_part_that_replaces_a_tensor_or_counts_has_another_key() -> None:
    class Counts(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kept, self.steps = torch.zeros(2), 0

    inner = Counts()
    outer = torch.nn.Sequential(inner)
    stage = Stage(
        "it",
        lambda: None,
        tensors=lambda: kept_tensors(outer, None),
        key=lambda: plain_numbers(outer),
    )
    before = stage.key()
    inner.kept += 1
    assert stage.key() == before
    old = inner.kept
    inner.kept = inner.kept + 1
    assert stage.key() != before
    inner.kept = old
    inner.steps += 1
    assert stage.key() != before


def test_reasons_name_what_cannot_be_captured(capsys: pytest.CaptureFixture[str]) -> None:
    assert why_not(cartpole()) == ""

    outside = CartPole(N)
    outside.capturable = False
    assert why_not(outside) == "CartPole steps on the host"
    learner = fixed(outside)
    learner.learn(N * T)
    assert capsys.readouterr().err == (
        "capture: the rollout runs eagerly, since CartPole steps on the host\n"
    )
    imitate(
        expert(cartpole()),
        steps=N * T,
        algorithm=fixed(cartpole()),
        absorbing=True,
        quiet=True,
    )
    assert "capture: the learned reward runs eagerly, since the number" in capsys.readouterr().err


def test_without_capture_a_rollout_makes_new_tensors() -> None:
    learner = on_device(cartpole(), capture=False)
    learner._fixed_devices = ("cpu",)
    assert learner.fixed is None and fixed(cartpole()).fixed is not None
    assert on_device(cartpole()).fixed is None


@pytest.mark.parametrize("make", [on_device, fixed])
def test_target_kl_stops_the_passes_as_in_stable_baselines3(
    make: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings: dict[str, Any] = {"target_kl": 1e-4, "n_epochs": 9}
    plain, device = in_numpy(mazes(), **settings), make(mazes(), **settings)
    for learner in (plain, device):
        learner.learn(2 * N * T, callback=Keep())
    assert device._n_updates == plain._n_updates < 18
    found, reference = (
        learner.logger.name_to_value["train/approx_kl"] for learner in (device, plain)
    )
    assert found == pytest.approx(reference, rel=1e-2) and found > 1e-4
    assert ("since target_kl stops it on the host" in capsys.readouterr().err) == (make is fixed)


@pytest.mark.parametrize("sizes", [(3, 3), (3, 1)])
def test_figures_are_means_over_minibatches(sizes: tuple[int, int]) -> None:
    torch.manual_seed(0)
    record, rows = Record(), [torch.randn(size) / 4 for size in (*sizes, *sizes)]
    for i, row in enumerate(rows):
        if i % 2 == 0:
            record.start_pass()
        record.add(Losses(torch.zeros(()), tuple(torch.tensor([1.0, 2, 3, 4]) * i), row))
    values = torch.tensor([0.0, 0.0, 1.0])
    returns = torch.tensor([0.0, 2.0, 4.0])
    policy: Any = torch.nn.Linear(1, 1)
    figures = record.figures(policy, values, returns, 0.2).tolist()
    # The mean of 0, 1, 2, 3 is 1.5; the total is that of the last minibatch.
    assert figures[:4] == [1.5, 3.0, 4.5, 12.0]
    outside = [float(((row.exp() - 1).abs() > 0.2).float().mean()) for row in rows]
    diverged = [float((row.exp() - 1 - row).mean()) for row in rows[2:]]
    assert figures[4:6] == pytest.approx([sum(outside) / 4, sum(diverged) / 2])
    # The errors 0, 2, 3 vary by 14/9, the returns by 24/9.
    assert figures[6] == pytest.approx(1 - 14 / 24) and figures[7] == 0
    constant = record.figures(policy, values, torch.ones(3), 0.2)
    assert math.isnan(float(constant[6]))


def test_a_batch_continues_in_earlier_tensors() -> None:
    env, other = poles(), poles()
    for batch in (env, other):
        batch.reset(1)
    storages = env.storages()
    places = [tensor.data_ptr() for tensor in storages]
    actions = torch.ones(N, dtype=torch.int64)
    for t in range(20):
        if t % 4 == 0:  # where both draw start states
            env.continue_in(storages)
        for found, expected in zip(env.step(actions), other.step(actions), strict=True):
            assert torch.equal(found, expected)
    env.continue_in(storages)
    assert [tensor.data_ptr() for tensor in env.storages()] == places
    assert torch.equal(env.state, other.state)
