"""Whole runs of imitation with every method and algorithm, and their bad inputs."""

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import DQN
from stable_baselines3.common.vec_env import VecMonitor

from advlearn.imitation import (
    Demonstrations,
    clone_behaviour,
    imitate,
)
from advlearn.imitation.sb3 import algorithms
from advlearn.imitation.specification import methods
from tests.imitation.counting import always_one, counting, small


@pytest.mark.parametrize(
    "objective",
    [*(name for name in methods() if name != "bc"), "hinge + r1", "ebgan", "energy-distance"],
)
def test_every_method_runs_on_ppo(objective: str) -> None:
    run = imitate(
        always_one(), objective, steps=96, algorithm=small(counting()), absorbing=True, quiet=True
    )
    assert run.policy.num_timesteps == 96 and len(run.history) == 2
    steps = always_one().transitions()
    rewards = run.reward(
        steps.observations, steps.actions, steps.next_observations, steps.terminated
    )
    assert rewards.shape == (10,) and np.isfinite(rewards).all()


@pytest.mark.parametrize("kind", ["a2c", "trpo", "dqn", "sac", "tqc"])
def test_other_algorithms_run(kind: str) -> None:
    continuous = kind in ("sac", "tqc")
    shared: dict[str, Any] = {"seed": 0, "device": "cpu"}
    if kind in ("trpo", "tqc"):
        pytest.importorskip("sb3_contrib", reason="TRPO and TQC are part of sb3-contrib")
    if kind in ("a2c", "trpo"):
        shared |= {"n_steps": 16, "batch_size": 16} if kind == "trpo" else {}
        learner: Any = algorithms.named(kind)("MlpPolicy", counting(), **shared)
    else:
        shared |= {"learning_starts": 10, "batch_size": 8}
        learner = algorithms.named(kind)("MlpPolicy", counting(1, continuous), **shared)
    before = [p.clone() for p in learner.policy.parameters()]
    run = imitate(
        always_one(continuous),
        steps=60,
        algorithm=learner,
        critic_steps=5,
        batch_size=8,
        quiet=True,
    )
    assert run.reward.adversary.last_losses and run.reward_fn is run.reward
    assert not all(
        torch.equal(a, b) for a, b in zip(before, learner.policy.parameters(), strict=True)
    )


def test_a_policy_learns_the_experts_action() -> None:
    """The expert always takes 1; the trained policy does too, whatever the true reward is."""
    learner = small(counting(8), learning_rate=3e-3)
    run = imitate(
        always_one(),
        "gail",
        steps=8 * 16 * 25,
        algorithm=learner,
        reward="logit",
        absorbing=True,
        quiet=True,
    )
    states = np.arange(0, 10, 2, dtype=np.float32)[:, None]
    actions, _ = run.policy.predict(states, deterministic=True)
    assert actions.tolist() == [1] * 5


def test_cloning_makes_the_experts_actions_the_most_likely() -> None:
    learner = small(counting())
    loss = clone_behaviour(learner, always_one().transitions(), steps=200, batch_size=16, lr=1e-2)
    assert loss < 0.05
    states = np.arange(0, 10, 2, dtype=np.float32)[:, None]
    actions, _ = learner.predict(states, deterministic=True)
    assert actions.tolist() == [1] * 5
    with pytest.raises(TypeError, match="expected one with an actor-critic policy, got DQN"):
        clone_behaviour(DQN("MlpPolicy", counting(1), device="cpu"), always_one().transitions())


def test_a_seed_fixes_a_run_and_does_not_change_the_global_generators() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]

    def weights(seed: int) -> Any:
        run = imitate(
            always_one(), steps=64, algorithm="a2c", env=counting(), seed=seed, quiet=True
        )
        return torch.cat([p.detach().flatten() for p in run.policy.policy.parameters()])

    first, same, other = weights(1), weights(1), weights(2)
    assert torch.equal(first, same) and not torch.equal(first, other)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()  # type: ignore[index]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "ppoo"}, "algorithm: expected one of ppo"),
        ({"algorithm": "ppo"}, "env: expected an environment id, .*, got None; pass env="),
        ({"steps": None}, "steps: expected a number of environment steps, got None; pass steps="),
        ({"steps": 0}, "steps: expected a whole number of at least 1, got 0"),
        ({"env": "CartPole-v1"}, r"expected observations of shape \(4,\), got \(1,\)"),
        (
            {"objective": "gial + r1"},
            "method: unknown name 'gial'; did you mean 'gail' or 'gmmil'",
        ),
        (
            {"objective": "predictive", "env": "counting"},
            "objective: no critic fits .* neither an attribute nor a class to predict",
        ),
        ({"critic_inputs": "actions", "env": "counting"}, "inputs: expected one of state-action"),
    ],
)
def test_bad_input_is_one_line_before_training(settings: dict[str, Any], message: str) -> None:
    given = {"steps": 10, "quiet": True, **settings}
    if given.get("env") == "counting":
        given["env"] = counting()
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        imitate(always_one(), given.pop("objective", "gail"), **given)
    assert "\n" not in str(caught.value)


def test_a_reward_of_one_sign_with_episodes_of_many_lengths_prints_a_line(capsys: Any) -> None:
    demos = always_one()
    ragged = Demonstrations(
        demos.observations[:10], demos.actions[:8], np.array([5, 3]), np.array([True, True])
    )
    imitate(ragged, steps=48, algorithm=small(counting()), absorbing=False)
    assert "favours long episodes, and episodes last 3 to 6 steps" in capsys.readouterr().err
    imitate(ragged, steps=48, algorithm=small(counting()), absorbing=True, quiet=True)
    assert not capsys.readouterr().err
    # The expert's episodes have one length, the policy's have several; 'own' has no stated sign.
    for objective, bias in (("gan", "long"), ("nsgan", "short"), ("lsgan", "short")):
        imitate(demos, objective, steps=48, algorithm=small(VecMonitor(counting())))
        printed = capsys.readouterr().err
        assert "'own' is between" in printed and f"favours {bias} episodes" in printed
        imitate(demos, objective, steps=48, algorithm=small(counting()), quiet=True)
        assert not capsys.readouterr().err
    imitate(
        demos, "gail", reward="logit", steps=48, algorithm=small(VecMonitor(counting())), quiet=True
    )
    assert not capsys.readouterr().err
