"""The result of `imitate`: the policy, its learned reward and the history of the training."""

import pickle
from pathlib import Path
from typing import Any, cast, final

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from advlearn.core.arguments import checked
from advlearn.core.chain import Chain
from advlearn.core.described import Reference
from advlearn.core.files import atomic_write
from advlearn.core.method import Method
from advlearn.imitation import papers
from advlearn.imitation.demonstrations.dataset import Demonstrations
from advlearn.imitation.rewards.learned_reward import LearnedReward
from advlearn.imitation.rewards.saving import save_reward
from advlearn.imitation.sb3.making import EnvironmentRecipe, make_environments
from advlearn.imitation.sb3.playing import measure_returns
from advlearn.imitation.sb3.replacing import without_replaced


@checked
@final
class ImitationResult:
    """Hold a trained policy, its learned reward and the history of the training.

    Args:
        policy: The algorithm of stable-baselines3, for ``policy.save`` and ``PPO.load``.
        reward: The learned reward, a function of arrays of transitions.
        demonstrations: The imitated demonstrations.
        env_id: Id of the environment that the policy trained in; empty if it has none.
        recipe: How to build an environment like the one of the training; None: the policy's.

    Attributes:
        method: The method of the catalogue; None for an objective with its own reward.
        history: For each rollout, the environment steps, the return, the critic's losses and
            scores, and the mean learned reward.
        evaluations: For each measurement in a separate environment, the environment steps, and the
            mean and the standard deviation of the returns; empty without ``evaluate``.
    """

    def __init__(
        self,
        policy: BaseAlgorithm,
        reward: LearnedReward,
        demonstrations: Demonstrations,
        env_id: str = "",
        recipe: EnvironmentRecipe | None = None,
    ) -> None:
        self.policy = policy
        self.reward = reward
        self.demonstrations = demonstrations
        self.env_id = env_id
        self.recipe = recipe or EnvironmentRecipe.of(policy.get_env())
        self.method: Method | None = None
        self.history: list[dict[str, Any]] = []
        self.evaluations: list[dict[str, Any]] = []

    def __repr__(self) -> str:
        method = None if self.method is None else self.method.name
        policy, steps = type(self.policy).__name__, self.policy.num_timesteps
        return f"ImitationResult({method=}, {policy=}, env_id={self.env_id!r}, {steps=})"

    @property
    def best(self) -> dict[str, Any] | None:
        """The first row of `evaluations` with the highest return; None without rows."""
        return max(self.evaluations, key=lambda row: row["return"], default=None)

    @property
    def reward_fn(self) -> LearnedReward:
        """The learned reward, a function of arrays; the same as `reward`."""
        return self.reward

    def returns(
        self,
        env: str | VecEnv | None = None,
        episodes: int = 20,
        *,
        deterministic: bool = True,
        seed: int = 0,
    ) -> Any:
        """Measure the policy's true returns over whole episodes.

        Args:
            env: Environment id or a vectorised environment; None: a new one like that of the
                training, with its arguments, time limit and wrappers. A new environment has the
                wrappers of stable-baselines3 that the policy was trained with; a given one gets
                the policy's scale of observations if it has no `VecNormalize`.
            episodes: Number of episodes.
            deterministic: Whether to take the policy's mode; otherwise actions are drawn.
            seed: Seeds an environment that is built from an id.

        Returns:
            The returns, float64 (episodes,).

        Raises:
            ValueError: If `env` is None and the run's environment has no id, or cannot be built
                again.
        """
        if env is None or isinstance(env, str):
            venv = (
                self.recipe.wrap(make_environments(env, seed=seed))
                if env
                else self.recipe.build(seed=seed)
            )
        else:
            venv = env
        return measure_returns(self.policy, venv, episodes, deterministic=deterministic)

    def page(self, path: str | Path) -> Path:
        """Write one HTML file with the curves, the verdict and the recipe of the run.

        Args:
            path: The file.

        Returns:
            The file.
        """
        from advlearn.imitation.page import write_page_of

        return write_page_of(self, path)

    def cited_parts(self) -> list[Method | Chain | Reference]:
        """Return what `advlearn.cite` cites: the method, the objective, and further papers."""
        adversary = self.reward.adversary
        used: list[Method | Chain | Reference] = [] if self.method is None else [self.method]
        if self.history:  # a policy that was only cloned has no critic that was trained
            used.append(adversary.chain)
            used += [papers.ABSORBING] if self.reward.absorbing else []
        return [*used, *papers.of_algorithm(self.policy)]

    def save(self, folder: str | Path) -> Path:
        """Write ``policy.zip``, for stable-baselines3, and ``reward.pt``, for `load_reward`.

        If observations are normalised, also write their scale to ``vecnormalize.pkl``, for
        ``VecNormalize.load``. These two files unpickle when they are loaded: load them only if you
        trust who wrote them. ``reward.pt`` is safe, see ``docs/security.md``.

        Args:
            folder: The folder.

        Returns:
            The folder.
        """
        folder = Path(folder)
        with atomic_write(folder / "policy.zip") as file:
            self.policy.save(cast(Any, file))
        normalise = self.policy.get_vec_normalize_env()
        if normalise is not None:
            with atomic_write(folder / "vecnormalize.pkl") as file:
                # As `VecNormalize.save` does, but an interruption leaves no partial file.
                pickle.dump(without_replaced(normalise), file)
        save_reward(self.reward, folder / "reward.pt")
        return folder
