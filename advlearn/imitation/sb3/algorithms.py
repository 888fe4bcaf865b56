"""The player of imitation: an algorithm of stable-baselines3, by name or as the user made it."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecEnv, VecMonitor
from torch import Tensor

from advlearn.imitation.demonstrations.layout import Layout
from advlearn.imitation.demonstrations.transitions import Transitions
from advlearn.imitation.sb3.environment_checks import bounded
from advlearn.training.device import pick

# Adam as the actor-critic policies of stable-baselines3 set it, in one kernel for all weights.
ADAM = {"eps": 1e-5, "fused": True}
# Name to class, and number of environments where an id is given.
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
) -> BaseAlgorithm:
    """The algorithm, with an environment.

    Args:
        algorithm: A name, or the algorithm itself.
        env: What one that is named steps in.
        seed: Seeds one that is named, and its environments.
        ent_coef: Weight of the entropy bonus of PPO or A2C by name; None for theirs.
        device: Device of one that is named; None for the CPU, which its small networks are fastest
            on.

    Raises:
        ValueError: An unknown name, an algorithm without environment, no environment at all or one
            that the algorithm cannot step in, or an argument that is the algorithm's own.
        ImportError: One of sb3-contrib, which is not installed.
    """
    if isinstance(algorithm, BaseAlgorithm):
        for argument, value, its in (
            ("ent_coef", ent_coef, "ent_coef"),
            ("device", device, "device"),
        ):
            if value is not None:
                raise ValueError(
                    f"{argument}: expected none with an algorithm that is made, got {value}; set its {its}"
                )
        if algorithm.get_env() is None:
            raise ValueError("algorithm: expected one with its environment, got none in it")
        return algorithm
    if algorithm not in NAMES:
        raise ValueError(f"algorithm: expected one of {', '.join(NAMES)}, got {algorithm!r}")
    if env is None:
        raise ValueError("env: expected an environment id, got none here or in the demonstrations")
    name, count = NAMES[algorithm]
    if ent_coef is not None and name not in ("PPO", "A2C"):
        raise ValueError(
            f"ent_coef: expected none with {algorithm}, which has no such bonus, got {ent_coef}"
        )
    chosen = pick("cpu" if device is None else device)
    venv = environments(env, count, seed) if isinstance(env, str) else env
    bounded(venv.action_space)
    # Shorter rollouts than theirs, from more environments, in eight batches; and half the passes,
    # since the critic has moved on by the next rollout.
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
    except AssertionError as error:  # how stable-baselines3 says that actions are of the wrong kind
        raise ValueError(
            f"algorithm: {algorithm} and {venv.action_space} do not go together: {error}"
        ) from None


def environments(env_id: str, count: int, seed: int) -> VecEnv:
    """Environments that step together: as one batch where `advlearn_envs` has the id, else one after the other.

    Such a batch does what gymnasium's environments do, step for step, and leaves more of the time
    to learning. One alone is gymnasium's in any case.
    """
    if find_spec("advlearn_envs") is not None:
        envs: Any = import_module("advlearn_envs")  # which also names its ids to gymnasium
        name = env_id.removeprefix("advlearn_envs:").removeprefix("advlearn/")
        if count > 1 and name in import_module("advlearn_envs.catalogue").available():
            return VecMonitor(envs.StableBaselinesVecEnv(envs.make(name, count, seed=seed)))
    return make_vec_env(env_id, n_envs=count, seed=seed)


def log_prob_of(player: BaseAlgorithm) -> Callable[[Transitions], Tensor]:
    """The log-probability (N,) that the algorithm's policy gives the actions of transitions."""
    policy, seen = cast(Any, player.policy), observation_adapter(player)

    @torch.no_grad()
    def log_prob(steps: Transitions) -> Tensor:
        found = policy.evaluate_actions(seen(steps.observations), steps.actions.to(policy.device))[
            1
        ]
        return found.to(steps.observations)

    return log_prob


def observation_adapter(player: BaseAlgorithm) -> Callable[[Tensor], Any]:
    """What a policy is shown of observations that are vectors (N, d): normalised, of its space, on its device."""
    layout, device = Layout(player.observation_space), player.device
    normalise: Any = player.get_vec_normalize_env()

    def seen(vectors: Tensor) -> Any:
        shown = layout.unflatten(vectors)
        if normalise is not None:
            arrays = (
                {k: v.cpu().numpy() for k, v in shown.items()}
                if layout.dicts
                else shown.cpu().numpy()
            )
            shown = normalise.normalize_obs(arrays)
        if not layout.dicts:
            return torch.as_tensor(shown, device=device)
        return {name: torch.as_tensor(part, device=device) for name, part in shown.items()}

    return seen


def _policy(space: Any) -> str:
    if isinstance(space, spaces.Dict):
        return "MultiInputPolicy"
    return "CnnPolicy" if is_image_space(space) else "MlpPolicy"


def named(algorithm: str) -> Any:
    """The class of a name in `NAMES`."""
    name = NAMES[algorithm][0]
    if hasattr(stable_baselines3, name):
        return getattr(stable_baselines3, name)
    try:
        import sb3_contrib  # type: ignore[import-not-found]
    except ImportError:
        raise ImportError(
            f"algorithm: {name} is part of sb3-contrib, which is not installed"
        ) from None
    return getattr(sb3_contrib, name)
