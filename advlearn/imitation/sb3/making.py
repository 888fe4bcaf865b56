"""Build environments of gymnasium by their id."""

import gymnasium
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnv


def make_environments(env_id: str, count: int = 1, *, seed: int) -> VecEnv:
    """Build environments that step together.

    Args:
        env_id: Environment id.
        count: Number of environments.
        seed: Seeds the environments.

    Raises:
        ValueError: If gymnasium cannot make the environment.
    """
    try:
        return make_vec_env(env_id, n_envs=count, seed=seed)
    except gymnasium.error.Error as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"env: expected the id of an environment, got {env_id!r}: {reason}; "
            "see gymnasium.registry for the ids"
        ) from None
