"""An environment with a learned reward, to train a new policy on it."""

from typing import Any, final

from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from advlearn.core.arguments import checked
from advlearn.imitation.rewards.learned_reward import LearnedReward
from advlearn.imitation.sb3.recording import RecordingVecEnv


@checked
@final
class LearnedRewardVecEnv(VecEnvWrapper):
    """Return the recovered reward of each step; the true one is in ``info["true_reward"]``.

    Args:
        venv: Vectorised environment that resets itself.
        reward: The reward that `imitate` learned, ``run.reward``; it is not trained further.

    Reference: Fu et al. 2018, section 7.2 (a reward is tested by training a new policy on it).
    """

    def __init__(self, venv: VecEnv, reward: LearnedReward) -> None:
        self.recording = RecordingVecEnv(venv, reward.window)
        super().__init__(self.recording)
        self.reward = reward

    def reset(self) -> Any:
        """Reset the environments."""
        return self.venv.reset()

    def step_wait(self) -> Any:
        """End a step; return observations, learned rewards, ends and infos."""
        observations, _, ends, infos = self.venv.step_wait()
        steps = self.recording.take().to(self.reward.demonstrations.observations.device)
        return observations, self.reward.recovered(steps).cpu().numpy(), ends, infos
