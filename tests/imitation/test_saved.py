"""The files of a run: the learned reward, the scale of observations, the reward of AIRL."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from advlearn import Adversary
from advlearn.imitation import (
    Encoder,
    LearnedReward,
    Transitions,
    imitate,
    load_reward,
    save_reward,
)
from advlearn.imitation.rewards.airl_critic import AIRLCritic
from advlearn.imitation.sb3.making import scaled
from tests.imitation.counting import always_one, counting, small


def trained(objective: str, **settings: Any) -> Any:
    return imitate(
        always_one(),
        objective,
        steps=96,
        algorithm=small(counting()),
        **{"quiet": True, **settings},
    )


def some() -> Transitions:
    o = torch.arange(6.0)[:, None]
    return Transitions.of(o, torch.arange(6) % 2, o + 1, torch.arange(6) == 5)


@pytest.mark.parametrize(
    "objective", ["gail", "vail", "airl", "vairl", "gmmil", "gail + instance_noise", "ebgan"]
)
@pytest.mark.parametrize("absorbing", [False, True])
def test_a_saved_reward_loads_unchanged(objective: str, absorbing: bool, tmp_path: Any) -> None:
    run = trained(objective, absorbing=absorbing, critic_inputs="state-next")
    run.save(tmp_path)
    back = load_reward(tmp_path)
    assert torch.equal(back.recovered(some()), run.reward.recovered(some()))
    assert (back.reward_shape, back.gamma, back.absorbing) == (
        run.reward.reward_shape,
        run.reward.gamma,
        absorbing,
    )


def test_a_users_critic_and_reward_must_be_passed_again(tmp_path: Any) -> None:
    expert = always_one().transitions()
    encoder = Encoder(expert, choices=2)
    critic = torch.nn.Linear(encoder.width, 1)
    reward = LearnedReward(Adversary(critic, "gan"), encoder, expert, reward_shape=torch.tanh)
    file = save_reward(reward, tmp_path / "reward.pt")
    with pytest.raises(ValueError, match=r"^critic: .* pass it as critic=$"):
        load_reward(file)
    fresh = torch.nn.Linear(encoder.width, 1)
    with pytest.raises(ValueError, match=r"^reward: .* pass it as reward=$"):
        load_reward(file, critic=fresh)
    again = load_reward(file, critic=fresh, reward=torch.tanh)
    assert torch.equal(again.of(expert), reward.of(expert))


@pytest.mark.parametrize("objective", ["airl", "vairl", "airl + instance_noise"])
def test_airl_recovers_the_reward_without_shaping_and_policy(objective: str) -> None:
    run = trained(objective)
    critic = next(m for m in run.reward.adversary.critic.modules() if isinstance(m, AIRLCritic))
    critic.eval()
    with torch.no_grad():
        expected = critic.reward(run.reward.encoder(some()))
    assert torch.equal(run.reward.recovered(some()), expected)
    assert not torch.allclose(run.reward.of(some()), expected)


@pytest.mark.parametrize("objective", ["airl + r1", "vairl", "airl + gradient_penalty"])
def test_the_progress_of_airl_is_printed_and_its_critic_may_be_penalised(
    objective: str, capsys: Any
) -> None:
    trained(objective, quiet=False)
    assert "steps: return" in capsys.readouterr().err


def test_a_new_environment_gets_the_policys_scale_and_the_scale_is_saved(tmp_path: Any) -> None:
    venv = VecNormalize(make_vec_env("CartPole-v1", n_envs=2, seed=0), norm_reward=False)
    learner = small(venv)
    learner.learn(64)
    fresh = scaled(make_vec_env("CartPole-v1", n_envs=1, seed=5), learner)
    raw: Any = make_vec_env("CartPole-v1", n_envs=1, seed=5).reset()
    before = venv.obs_rms.mean.copy()  # type: ignore[union-attr]
    np.testing.assert_array_equal(fresh.reset(), venv.normalize_obs(raw))
    np.testing.assert_array_equal(before, venv.obs_rms.mean)  # type: ignore[union-attr]
    normalised = imitate(
        always_one(), steps=48, algorithm=small(VecNormalize(counting())), quiet=True
    )
    normalised.save(tmp_path)
    again = VecNormalize.load(str(tmp_path / "vecnormalize.pkl"), counting())
    scale: Any = normalised.policy.get_vec_normalize_env()
    np.testing.assert_array_equal(again.obs_rms.mean, scale.obs_rms.mean)  # type: ignore[union-attr]


def test_a_complete_run_is_returned_with_its_summary_and_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call() -> Any:
        return imitate(always_one(), steps=48, algorithm=small(counting()), out=tmp_path / "run")

    call()
    capsys.readouterr()
    again = call()
    assert "return of the expert" in capsys.readouterr().err
    assert again.page(tmp_path / "run.html").is_file()
