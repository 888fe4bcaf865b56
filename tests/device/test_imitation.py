"""Test imitation on a second device, with resident rollouts and with stable-baselines3's."""

from typing import Any

import pytest
from advlearn_envs import StableBaselinesVecEnv, make
from stable_baselines3 import A2C, DQN, PPO, SAC, TD3

from advlearn.imitation import DevicePPO, imitate
from advlearn.imitation.specification import methods
from tests.device.second import DEVICE, SecondDevice, devices
from tests.imitation.batches import expert

N, T = 4, 8
# Where the host synchronises, never in a step: once, and once per rollout.
ONCE = {
    "building.py build_reward",
    "demonstrations/transitions.py to",
    "on_device/ppo.py _setup_model",
}
ROLLOUT = {
    "on_device/environment.py take",
    "on_device/ppo.py _finish",
    "on_device/ppo.py collect_rollouts",
    "on_device/ppo.py _passes",
    "progress_log.py __call__",
    "rewards/learned_reward.py figures",
}

ALLOWED = {f"advlearn/imitation/{place}" for place in ONCE | ROLLOUT | {"train.py imitate"}}
# The critic is built, and the environment looked at.
ALLOWED |= {
    "advlearn_envs/convert.py host",
    "advlearn/regularizers/bottleneck.py __init__",
    "advlearn/core/head.py __init__",
    "advlearn/core/contracts.py finds_mixing",
    # The state is looked at once, at the end.
    "advlearn/core/finite_state.py _not_finite",
    "advlearn/core/finite.py failures",
}


# Every method with continuous actions; discrete ones meet a method only through its critic, which
# scores samples, whole sets of them, or the states of AIRL.
PLAYED = [
    *((name, "CMaze-v0") for name in (*methods(), "began", "sinkhorn") if name != "bc"),
    *((name, "CartPole-v1") for name in ("gail", "airl", "gmmil", "otil", "vail")),
]


@pytest.mark.parametrize(("method", "game"), PLAYED)
def test_with_resident_rollouts_everything_is_on_the_device(
    method: str, game: str, second: SecondDevice
) -> None:
    env = make(game, N, device=DEVICE)
    policy = DevicePPO("MlpPolicy", env, device=DEVICE, n_steps=T, batch_size=16, n_epochs=1)
    second.waits.clear()
    run = imitate(
        expert(make(game, N)), method, steps=2 * N * T, algorithm=policy, batch_size=8, quiet=True
    )
    assert second.waits.keys() <= ALLOWED, second.waits
    assert devices(run.policy.policy) == {DEVICE}


# stable-baselines3 advises the CPU for small networks.
@pytest.mark.filterwarnings("ignore:You are trying to run:UserWarning")
@pytest.mark.parametrize("algorithm", [PPO, A2C, SAC, TD3, DQN])
@pytest.mark.usefixtures("second")
def test_an_algorithm_of_stable_baselines3_keeps_its_device(algorithm: Any) -> None:
    game = "CartPole-v1" if algorithm is DQN else "CMaze-v0"
    on_policy = algorithm in (PPO, A2C)
    settings: dict[str, Any] = {"n_steps": T} if on_policy else {"learning_starts": 10}
    settings |= {} if algorithm is A2C else {"batch_size": 16}
    policy = algorithm("MlpPolicy", StableBaselinesVecEnv(make(game, N)), device=DEVICE, **settings)
    more: dict[str, Any] = (
        {"bc_steps": 2, "critic_replay_size": 40} if on_policy else {"absorbing": True}
    )
    run = imitate(
        expert(make(game, N)), "gail", steps=64, algorithm=policy, batch_size=8, quiet=True, **more
    )
    assert devices(run.policy.policy) == {DEVICE}
