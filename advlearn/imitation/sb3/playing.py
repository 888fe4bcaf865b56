"""Play a policy in environments, with its scale of observations, its memory and the masks."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from inspect import Parameter, signature
from typing import Any, NamedTuple, cast, final

import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

from advlearn.imitation.sb3.making import scale_of, scaled
from advlearn.imitation.sb3.replacing import replaced


class BatchStep(NamedTuple):
    """A step of n environments in their own units, below any normalisation.

    Attributes:
        actions: Actions (n, ...).
        rewards: True rewards (n,).
        ends: Whether an episode ended, bool (n,).
        infos: An info of each environment, with the ``terminal_observation`` of an ended episode.
        after: Observations after the step, an array (n, ...) or a dict of arrays; the first of the
            next episode where one ended.
    """

    actions: Any
    rewards: Any
    ends: Any
    infos: list[dict[str, Any]]
    after: Any


@contextmanager
def playing(
    policy: Any, venv: VecEnv, *, deterministic: bool
) -> Generator[tuple[Any, Callable[[], BatchStep]]]:
    """Reset an environment, and give a function that lets a policy take one step in it.

    An environment without a `VecNormalize` gets a copy of the policy's. The scale of observations
    is fixed while the policy plays. A policy with a memory gets its state back, and a policy that
    takes ``action_masks`` gets those of the environment.

    Args:
        policy: An object with ``predict(observations, deterministic=...)``.
        venv: Vectorised environment that resets itself.
        deterministic: Whether to take the policy's mode; otherwise actions are drawn.

    Yields:
        The first observations in the environment's units, and the function.
    """
    outer = scaled(venv, policy)
    inner = below_scale(outer)
    with ExitStack() as stack:
        stack.enter_context(_fixed_scales(outer))
        tap = _Tap(inner)
        stack.enter_context(replaced(inner, reset=tap.reset, step_wait=tap.step_wait))
        actor = _Actor(policy, outer, deterministic)
        seen: Any = outer.reset()
        starts = np.ones(outer.num_envs, dtype=bool)

        def step() -> BatchStep:
            nonlocal seen, starts
            actions = actor(seen, starts)
            seen, _, starts, _ = outer.step(actions)
            return BatchStep(actions, tap.rewards, tap.ends, tap.infos, tap.observations)

        yield tap.observations, step


def measure_returns(policy: Any, venv: VecEnv, episodes: int, *, deterministic: bool) -> Any:
    """Return the true returns of whole episodes, float64 (episodes,).

    The return of a `Monitor` below any normalisation comes before the sum of the rewards, since
    wrappers may clip rewards or split episodes. Each environment contributes as many episodes,
    since the first episodes to end are the short ones.

    Args:
        policy: As in `playing`.
        venv: Vectorised environment that resets itself.
        episodes: Number of episodes.
        deterministic: Whether to take the policy's mode; otherwise actions are drawn.
    """
    monitored = is_monitored(below_scale(venv))
    shares = shared(episodes, venv.num_envs)
    found: list[list[float]] = [[] for _ in shares]
    sums = np.zeros(venv.num_envs)
    with playing(policy, venv, deterministic=deterministic) as (_, take_step):
        while any(len(of_env) < share for of_env, share in zip(found, shares, strict=True)):
            step = take_step()
            sums += step.rewards
            for i in np.flatnonzero(step.ends):
                episode = step.infos[i].get("episode")
                if episode is not None or not monitored:
                    found[i].append(float(sums[i] if episode is None else episode["r"]))
                    sums[i] = 0
    kept = [of_env[:share] for of_env, share in zip(found, shares, strict=True)]
    return np.concatenate([np.array(of_env, dtype=float) for of_env in kept])


def shared(episodes: int, environments: int) -> list[int]:
    """Return how many episodes each environment contributes.

    Example:
        >>> shared(5, 3)
        [2, 2, 1]
    """
    return [episodes // environments + (i < episodes % environments) for i in range(environments)]


def is_monitored(venv: VecEnv) -> bool:
    """Return whether infos hold the returns of episodes."""
    outer = venv
    while isinstance(venv, VecEnvWrapper):
        if isinstance(venv, VecMonitor):
            return True
        venv = venv.venv
    try:
        return any(outer.env_is_wrapped(Monitor))
    except (AttributeError, NotImplementedError):  # a batch, which gymnasium did not make
        return False


def takes(function: Any, name: str) -> bool:
    """Return whether a function has an argument of this name."""
    try:
        parameters = signature(function).parameters
    except (TypeError, ValueError):  # a function written in C
        return False
    return name in parameters or any(
        parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values()
    )


@final
class _Actor:
    """Choose actions with the memory of a policy and the masks of an environment."""

    def __init__(self, policy: Any, venv: VecEnv, deterministic: bool) -> None:
        self.policy = policy
        self.venv = venv
        self.arguments: dict[str, Any] = {"deterministic": deterministic}
        self.remembers = takes(policy.predict, "state") and takes(policy.predict, "episode_start")
        self.masked = "action_masks" in _names(policy.predict) and has_masks(venv)
        self.state: Any = None

    def __call__(self, observations: Any, starts: Any) -> Any:
        """Return the actions of a batch of observations."""
        arguments = dict(self.arguments)
        if self.remembers:
            arguments |= {"state": self.state, "episode_start": starts}
        if self.masked:
            arguments["action_masks"] = np.stack(self.venv.env_method("action_masks"))
        actions, self.state = self.policy.predict(observations, **arguments)
        return actions


def has_masks(venv: VecEnv) -> bool:
    """Return whether environments state which actions are allowed, by ``action_masks``."""
    try:
        return venv.has_attr("action_masks")
    except NotImplementedError:  # a batch, which gymnasium did not make
        return False


@final
class _Tap:
    """Keep the observations, rewards, ends and infos that an environment returns."""

    def __init__(self, venv: VecEnv) -> None:
        self._reset, self._step_wait = venv.reset, venv.step_wait
        self.observations: Any = None
        self.rewards: Any = None
        self.ends: Any = None
        self.infos: list[dict[str, Any]] = []

    def reset(self) -> Any:
        observations = self._reset()
        self.observations = _copy(observations)
        return observations

    def step_wait(self) -> Any:
        observations, rewards, ends, infos = self._step_wait()
        self.observations, self.ends = _copy(observations), np.array(ends, dtype=bool)
        self.rewards = np.array(
            [info.get("true_reward", reward) for info, reward in zip(infos, rewards, strict=True)],
            dtype=float,
        )
        # Copies, since outer wrappers write into infos.
        self.infos = [dict(info) for info in infos]
        return observations, rewards, ends, infos


def _names(function: Any) -> Any:
    try:
        return signature(function).parameters
    except (TypeError, ValueError):
        return ()


def _copy(observations: Any) -> Any:
    # Copies, since the environment may write into its arrays later.
    if isinstance(observations, dict):
        return {name: np.array(part) for name, part in observations.items()}
    return np.array(observations)


def below_scale(venv: VecEnv) -> VecEnv:
    """Return the environment below the innermost `VecNormalize`; itself without one."""
    scale = scale_of(venv)
    return venv if scale is None else cast(VecEnv, scale.venv)


@contextmanager
def _fixed_scales(venv: VecEnv) -> Iterator[None]:
    """Keep the statistics of every `VecNormalize` as they are in the block."""
    scales: list[tuple[VecNormalize, bool]] = []
    inner: Any = venv
    while isinstance(inner, VecEnvWrapper):
        if isinstance(inner, VecNormalize):
            scales.append((inner, inner.training))
            inner.training = False
        inner = inner.venv
    try:
        yield
    finally:
        for scale, training in scales:
            scale.training = training
