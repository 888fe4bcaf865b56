"""Build environments by their id, or like those that an algorithm trained in."""

import copy
import json
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any, final

import gymnasium
from gymnasium.envs.registration import EnvSpec
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import (
    VecCheckNan,
    VecEnv,
    VecEnvWrapper,
    VecExtractDictObs,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
)

from advlearn.imitation.on_device.environment import unwrap_batch
from advlearn.imitation.sb3.environment_checks import id_of
from advlearn.imitation.sb3.replacing import without_replaced

# Wrappers that leave observations and actions as they are.
_WITHOUT_EFFECT = (VecMonitor, VecCheckNan)


def make_environments(env: str | EnvSpec, count: int = 1, *, seed: int, **settings: Any) -> VecEnv:
    """Build environments that step together.

    Args:
        env: Environment id, or a specification of gymnasium.
        count: Number of environments.
        seed: Seeds the environments.
        **settings: Keyword arguments of the environments.

    Raises:
        ValueError: If gymnasium cannot make the environment.
    """
    maker: Any = env if isinstance(env, str) else partial(gymnasium.make, env)
    try:
        return make_vec_env(maker, n_envs=count, seed=seed, env_kwargs=settings)
    except gymnasium.error.Error as error:
        name = env if isinstance(env, str) else env.id
        raise ValueError(
            f"env: expected the id of an environment, got {name!r}: {_line(error)}; "
            "see gymnasium.registry for the ids"
        ) from None


@final
@dataclass(frozen=True)
class EnvironmentRecipe:
    """Describe how to build an environment like the one that an algorithm trains in.

    Args:
        spec: Specification of gymnasium, with keyword arguments, time limit and wrappers; None if
            the environment has none.
        observation_space: Space of the observations without the wrappers of stable-baselines3.
        action_space: Space of the actions.
        wrappers: The wrappers of stable-baselines3, from the inside out.
    """

    spec: EnvSpec | None
    observation_space: Any
    action_space: Any
    wrappers: tuple[VecEnvWrapper, ...] = ()

    @classmethod
    def of(cls, venv: VecEnv | None) -> "EnvironmentRecipe":
        """Describe a vectorised environment; only the first of several environments is read.

        Args:
            venv: The environment, with or without wrappers; None for an unknown one.
        """
        if venv is None:
            return cls(None, None, None)
        wrappers: list[VecEnvWrapper] = []
        while isinstance(venv, VecEnvWrapper):
            wrappers.append(venv)
            venv = venv.venv
        spaces = venv.observation_space, venv.action_space
        return cls(spec_of(venv), *spaces, tuple(reversed(wrappers)))

    def build(self, *, seed: int, **settings: Any) -> VecEnv:
        """Build one environment, with the scale of observations as it is now.

        Args:
            seed: Seeds the environment.
            **settings: More keyword arguments of the environment, such as ``render_mode``.

        Raises:
            ValueError: If the environment has no specification, or another one is made from it.
        """
        if self.spec is None:
            raise ValueError(
                "env: expected an environment, since the run's has no id, got None; pass env="
            )
        venv = make_environments(self.spec, seed=seed, **settings)
        for name in ("observation_space", "action_space"):
            made, trained = getattr(venv, name), getattr(self, name)
            if made.shape != trained.shape or type(made) is not type(trained):
                raise ValueError(
                    f"env: expected the {name} {trained} of the training from {self.spec.id}, got "
                    f"{made}, since a wrapper cannot be built again; pass env="
                )
        return self.wrap(venv)

    def wrap(self, venv: VecEnv) -> VecEnv:
        """Wrap an environment in copies of the wrappers; a copied scale stays fixed.

        Args:
            venv: The environment without wrappers.

        Raises:
            ValueError: If a wrapper is not one of stable-baselines3.
        """
        for wrapper in self.wrappers:
            venv = _rewrapped(wrapper, venv)
        return venv


def spec_of(venv: VecEnv) -> EnvSpec | None:
    """Return gymnasium's specification of these environments, without their monitors.

    Args:
        venv: The environment, with or without wrappers.

    Returns:
        The specification; None if they have none.

    Raises:
        ValueError: If a wrapper does not keep its arguments, so that it cannot be built again.
    """
    try:
        spec = venv.get_attr("spec", 0)[0]
    except (AttributeError, NotImplementedError):  # a batch, which gymnasium did not make
        name = id_of(venv)
        if not name:
            return None
        batch = unwrap_batch(getattr(venv.unwrapped, "env", None))
        return replace(gymnasium.spec(name), max_episode_steps=batch.time_limit)
    if not isinstance(spec, EnvSpec):
        return None
    kwargs = {name: value for name, value in spec.kwargs.items() if name != "render_mode"}
    added = tuple(w for w in spec.additional_wrappers if not _is_monitor(w.entry_point))
    return replace(copy.copy(spec), kwargs=kwargs, additional_wrappers=added)


def settings_of(venv: VecEnv) -> dict[str, Any]:
    """Return the plain settings of gymnasium's environments; empty if they have none."""
    return plain_settings(spec_of(venv))


def plain_settings(spec: Any) -> dict[str, Any]:
    """Return the keyword arguments and the changed time limit of a specification.

    Args:
        spec: A specification of gymnasium, or None.

    Returns:
        The settings that JSON can hold, for `gymnasium.make`; those of the id itself are left out.
    """
    if spec is None or not getattr(spec, "id", ""):
        return {}
    registered = gymnasium.registry.get(spec.id)
    usual = {} if registered is None else registered.kwargs
    given = {name: value for name, value in (spec.kwargs or {}).items() if name != "render_mode"}
    limit = getattr(spec, "max_episode_steps", None)
    if registered is None or limit != registered.max_episode_steps:
        given["max_episode_steps"] = limit
    found = {name: _plain(value) for name, value in given.items() if usual.get(name) != value}
    return {name: value for name, value in found.items() if value is not None}


def environment_for(policy: Any, env_id: str, *, seed: int) -> VecEnv:
    """Build one environment, in the wrappers of stable-baselines3 that the policy trained with.

    Args:
        policy: An algorithm of stable-baselines3, or another policy, which has no wrappers.
        env_id: Environment id.
        seed: Seeds the environment.
    """
    venv = make_environments(env_id, seed=seed)
    trained = policy.get_env() if isinstance(policy, BaseAlgorithm) else None
    return venv if trained is None else EnvironmentRecipe.of(trained).wrap(venv)


def scaled(venv: VecEnv, policy: Any) -> VecEnv:
    """Wrap an environment in a fixed copy of the policy's `VecNormalize`, if the policy has one.

    Args:
        venv: The environment; one with a `VecNormalize` stays as it is.
        policy: An algorithm of stable-baselines3, or another policy.
    """
    normalise = policy.get_vec_normalize_env() if isinstance(policy, BaseAlgorithm) else None
    if normalise is None or scale_of(venv) is not None:
        return venv
    return _rewrapped(normalise, venv)


def scale_of(venv: VecEnv) -> VecNormalize | None:
    """Return the innermost `VecNormalize` of an environment, or None."""
    found: VecNormalize | None = None
    inner: Any = venv
    while isinstance(inner, VecEnvWrapper):
        found = inner if isinstance(inner, VecNormalize) else found
        inner = inner.venv
    return found


def _rewrapped(wrapper: VecEnvWrapper, venv: VecEnv) -> VecEnv:
    """Wrap an environment as a wrapper of another one does."""
    if isinstance(wrapper, VecNormalize):
        # A copy does not hold the environment; replaced methods would step that of the training.
        fresh = copy.deepcopy(without_replaced(wrapper))
        fresh.set_venv(venv)
        fresh.training, fresh.norm_reward = False, False
        return fresh
    if isinstance(wrapper, VecFrameStack):
        stacked = wrapper.stacked_obs
        return VecFrameStack(venv, stacked.n_stack, _order(stacked))
    if isinstance(wrapper, VecTransposeImage):
        return VecTransposeImage(venv, wrapper.skip)
    if isinstance(wrapper, VecExtractDictObs):
        return VecExtractDictObs(venv, wrapper.key)
    if isinstance(wrapper, _WITHOUT_EFFECT):
        return venv
    raise ValueError(
        "env: expected wrappers of stable-baselines3, which can be built again, got "
        f"{type(wrapper).__name__}; pass env="
    )


def _order(stacked: Any) -> Any:
    """Return the dimension along which frames are stacked, for each part of a dict."""
    parts = getattr(stacked, "sub_stacked_observations", None)
    if parts is not None:
        return {name: _order(part) for name, part in parts.items()}
    return "first" if stacked.channels_first else "last"


def _is_monitor(entry_point: str) -> bool:
    module, _, name = entry_point.partition(":")
    found = getattr(import_module(module), name, None)
    return isinstance(found, type) and issubclass(found, Monitor)


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold; None for another one."""
    value = value.tolist() if hasattr(value, "tolist") else value
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
