"""Build the algorithms of stable-baselines3 by name, and query their policies."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from typing import Any, cast

import numpy as np
import stable_baselines3
import torch
from gymnasium import registry, spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecEnv, VecMonitor
from torch import Tensor

from advlearn.imitation.demonstrations.layout import Layout
from advlearn.imitation.demonstrations.transitions import Transitions
from advlearn.imitation.sb3.environment_checks import bounded
from advlearn.imitation.sb3.making import make_environments
from advlearn.training.device import pick

# Adam with the epsilon of the actor-critic policies of stable-baselines3, in one fused kernel.
ADAM = {"eps": 1e-5, "fused": True}
# Class of each name, and the number of environments that are built from an id.
NAMES = {
    "ppo": ("PPO", 16),
    "a2c": ("A2C", 16),
    "trpo": ("TRPO", 16),
    "sac": ("SAC", 1),
    "td3": ("TD3", 1),
    "dqn": ("DQN", 1),
    "tqc": ("TQC", 1),
}


def build(
    algorithm: str | BaseAlgorithm,
    env: str | VecEnv | None,
    seed: int,
    *,
    ent_coef: float | None = None,
    device: torch.device | str | None = None,
    env_settings: Mapping[str, Any] | None = None,
) -> BaseAlgorithm:
    """Build an algorithm with an environment, or check one that is built.

    Args:
        algorithm: A name, or an algorithm object.
        env: Environment of an algorithm by name.
        seed: Seeds an algorithm by name and its environments.
        ent_coef: Weight of the entropy bonus of PPO or A2C by name; None: the algorithm's own.
        device: Device of an algorithm by name; None: the CPU, which is fastest for its small
            networks.
        env_settings: Keyword arguments of an environment that is built from an id.

    Returns:
        The algorithm.

    Raises:
        ValueError: If the name is unknown, there is no environment or one that the algorithm cannot
            step in, or an argument does not apply to the algorithm.
        ImportError: If the algorithm is part of sb3-contrib, which is not installed.
    """
    if isinstance(algorithm, BaseAlgorithm):
        for argument, value in (("ent_coef", ent_coef), ("device", device)):
            if value is not None:
                raise ValueError(
                    f"{argument}: expected None with an algorithm object, got {value}; set "
                    f"{argument} of the object"
                )
        if env is not None:
            raise ValueError(
                "env: expected None with an algorithm object, which has its environment, got "
                f"{env if isinstance(env, str) else type(env).__name__}; call set_env of the object"
            )
        if algorithm.get_env() is None:
            raise ValueError(
                "algorithm: expected one with an environment, got one without; call set_env"
            )
        if not isinstance(algorithm, OnPolicyAlgorithm | OffPolicyAlgorithm):
            raise TypeError(
                "algorithm: expected an on-policy or off-policy algorithm of stable-baselines3, "
                f"got {type(algorithm).__name__}, which has neither a rollout buffer nor a replay "
                "buffer; use PPO or SAC"
            )
        return algorithm
    if algorithm not in NAMES:
        raise ValueError(f"algorithm: expected one of {', '.join(NAMES)}, got {algorithm!r}")
    if env is None:
        raise ValueError(
            "env: expected an environment id, since the demonstrations name none, got None; pass "
            "env="
        )
    name, count = NAMES[algorithm]
    if ent_coef is not None and name not in ("PPO", "A2C"):
        raise ValueError(
            f"ent_coef: expected None with {algorithm}, which has no entropy bonus of this form, "
            f"got {ent_coef}; leave it out"
        )
    chosen = pick("cpu" if device is None else device)
    venv = environments(env, count, seed, **(env_settings or {})) if isinstance(env, str) else env
    bounded(venv.action_space)
    # Against the defaults of stable-baselines3: shorter rollouts from more environments, in eight
    # batches, and half the passes, since the critic changes with each rollout.
    settings: dict[str, Any] = (
        {"n_steps": 128, "batch_size": 16 * venv.num_envs} if name in ("PPO", "TRPO") else {}
    )
    settings |= (
        {"n_epochs": 5, "policy_kwargs": {"optimizer_kwargs": ADAM}} if name == "PPO" else {}
    )
    settings |= {} if ent_coef is None else {"ent_coef": ent_coef}
    try:
        return named(algorithm)(
            _policy(venv.observation_space), venv, seed=seed, device=chosen, **settings
        )
    except AssertionError as error:  # stable-baselines3 asserts the kind of actions
        raise ValueError(
            f"algorithm: expected one for actions of {venv.action_space}, got {algorithm}: {error}"
        ) from None


def environments(env_id: str, count: int, seed: int, **settings: Any) -> VecEnv:
    """Build environments that step together.

    If `advlearn_envs` has the id, several environments are one batch, which takes the same steps as
    gymnasium's environments in less time. A single environment is always gymnasium's.

    Args:
        env_id: Environment id.
        count: Number of environments.
        seed: Seeds the environments.
        **settings: Keyword arguments of the environments; gymnasium's environments have them.
    """
    if not settings and find_spec("advlearn_envs") is not None:
        envs: Any = import_module("advlearn_envs")  # the import registers its ids with gymnasium
        name = env_id.removeprefix("advlearn_envs:").removeprefix("advlearn/")
        if count > 1 and name in import_module("advlearn_envs.catalogue").available():
            batch = envs.StableBaselinesVecEnv(envs.make(name, count, seed=seed))
            batch.observation_space = _declared(name, batch.observation_space)
            return VecMonitor(batch)
    return make_environments(env_id, count, seed=seed, **settings)


def log_prob_of(algorithm: BaseAlgorithm) -> Callable[[Transitions], Tensor]:
    """Return a function from transitions to the policy's log-probability (N,) of their actions."""
    policy, adapt = cast(Any, algorithm.policy), observation_adapter(algorithm)

    @torch.no_grad()
    def log_prob(steps: Transitions) -> Tensor:
        actions = steps.actions.to(policy.device)
        _, log_probs, _ = policy.evaluate_actions(adapt(steps.observations), actions)
        return log_probs.to(steps.observations)

    return log_prob


def refuse_hidden_inputs(algorithm: BaseAlgorithm, argument: str) -> None:
    """Refuse a policy whose log-probabilities need more than observations and actions.

    Args:
        algorithm: The algorithm.
        argument: The argument that needs log-probabilities, for the message.

    Raises:
        TypeError: If the policy has a memory, or reads masks of actions.
    """
    names = signature(cast(Any, algorithm.policy).evaluate_actions).parameters
    for name, what in (("lstm_states", "the state of its memory"), ("action_masks", "masks")):
        if name in names:
            raise TypeError(
                f"{argument}: expected a policy whose log-probability needs observations and "
                f"actions only, got {type(algorithm).__name__}, which needs {what} too, and "
                "demonstrations have none; use PPO, A2C or TRPO"
            )


def observation_adapter(algorithm: BaseAlgorithm) -> Callable[[Tensor], Any]:
    """Return a function from vectors (N, d) to the policy's observations.

    The result is normalised, in the form of the policy's space, and on its device.
    """
    layout, device = Layout(algorithm.observation_space), algorithm.device
    normalise: Any = algorithm.get_vec_normalize_env()

    def adapt(vectors: Tensor) -> Any:
        observations = layout.unflatten(vectors)
        if normalise is not None:
            arrays = (
                {name: part.cpu().numpy() for name, part in observations.items()}
                if layout.dicts
                else observations.cpu().numpy()
            )
            observations = normalise.normalize_obs(arrays)
        if not layout.dicts:
            return torch.as_tensor(observations, device=device)
        return {name: torch.as_tensor(part, device=device) for name, part in observations.items()}

    return adapt


def _declared(name: str, space: Any) -> Any:
    """Return a batch's space of observations in the data type that gymnasium declares for an id.

    Only the declaration is of another type: a model that is saved with it loads with gymnasium's
    environment.
    """
    entry = str(registry[name].entry_point) if name in registry else ""
    if not entry.startswith("gymnasium.envs.mujoco"):
        return space
    return spaces.Box(space.low.astype(np.float64), space.high.astype(np.float64), dtype=np.float64)


def _policy(space: Any) -> str:
    if isinstance(space, spaces.Dict):
        return "MultiInputPolicy"
    return "CnnPolicy" if is_image_space(space) else "MlpPolicy"


def named(algorithm: str) -> Any:
    """Return the class of a name in `NAMES`."""
    name = NAMES[algorithm][0]
    if hasattr(stable_baselines3, name):
        return getattr(stable_baselines3, name)
    try:
        import sb3_contrib  # type: ignore[import-not-found]
    except ImportError:
        raise ImportError(
            f"algorithm: {name} is part of sb3-contrib, which is not installed: pip install "
            "sb3-contrib"
        ) from None
    return getattr(sb3_contrib, name)
