"""Demonstrations from what people have: a policy to roll out, trajectories of `imitation`, a Minari data set."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from advlearn.engine.files import replacing
from advlearn.imitation.demonstrations import Array, Demonstrations


def record(
    policy: Any, env: str | VecEnv, episodes: int, *, deterministic: bool = False, seed: int = 0
) -> Demonstrations:
    """Roll out a policy until so many episodes have ended.

    Args:
        policy: Whatever has ``predict(observations, deterministic=...)`` as in stable-baselines3.
        env: Environment id, or a vectorised environment that resets itself.
        episodes: How many; those of one environment after the other, so that short ones are not preferred.
        deterministic: Take the policy's mode, else draw from it.
        seed: Seeds an environment that is made here.

    Raises:
        ValueError: `episodes` is not positive.
    """
    if episodes < 1:
        raise ValueError(f"episodes: expected at least 1, got {episodes}")
    from stable_baselines3.common.env_util import make_vec_env

    venv = make_vec_env(env, n_envs=1, seed=seed) if isinstance(env, str) else env
    # As many of each environment: taking the first to end would take the short ones.
    wanted = [episodes // venv.num_envs + (i < episodes % venv.num_envs) for i in range(venv.num_envs)]
    seen: Any = venv.reset()
    running: list[list[Any]] = [[(_row(seen, i), None, 0.0)] for i in range(venv.num_envs)]
    done: list[list[tuple[list[Any], bool]]] = [[] for _ in range(venv.num_envs)]
    while any(len(found) < n for found, n in zip(done, wanted, strict=True)):
        actions, _ = policy.predict(seen, deterministic=deterministic)
        seen, rewards, ends, infos = venv.step(actions)
        for i, info in enumerate(infos):
            after = info["terminal_observation"] if ends[i] else _row(seen, i)
            running[i].append((after, np.array(actions[i]), float(rewards[i])))
            if ends[i]:
                done[i].append((running[i], not info.get("TimeLimit.truncated", False)))
                running[i] = [(_row(seen, i), None, 0.0)]
    kept = [episode for found, n in zip(done, wanted, strict=True) for episode in found[:n]]
    returns = [sum(reward for _, _, reward in steps) for steps, _ in kept]
    parts = [
        (_together([o for o, _, _ in steps], np.stack), np.stack([a for _, a, _ in steps[1:]]), terminated)
        for steps, terminated in kept
    ]
    return _joined(parts, env if isinstance(env, str) else "", float(np.mean(returns)))


def from_trajectories(trajectories: Iterable[Any], env_id: str = "") -> Demonstrations:
    """Demonstrations from trajectories as the package `imitation` has them.

    Args:
        trajectories: Objects with ``obs`` (T + 1, ...) or its ``DictObs``, ``acts`` (T, ...) and ``terminal``;
            ``rews`` if there is one.
        env_id: The environment.
    """
    given = list(trajectories)
    returns = [float(np.sum(t.rews)) for t in given if hasattr(t, "rews")]
    parts = [(_arrays(t.obs), np.asarray(t.acts), bool(t.terminal)) for t in given]
    return _joined(parts, env_id, float(np.mean(returns)) if len(returns) == len(given) > 0 else float("nan"))


def from_minari(dataset: Any) -> Demonstrations:
    """Demonstrations from a Minari data set.

    Args:
        dataset: A ``minari.MinariDataset``, or its id, which is loaded.

    Raises:
        ImportError: An id, and Minari is not installed.
    """
    if isinstance(dataset, str):
        try:
            import minari  # type: ignore[import-not-found]
        except ImportError:
            raise ImportError(f"dataset: {dataset!r} is an id, and Minari, which loads it, is not installed") from None
        dataset = minari.load_dataset(dataset)
    given = list(dataset.iterate_episodes())
    parts = [(_arrays(e.observations), np.asarray(e.actions), bool(e.terminations[-1])) for e in given]
    spec = getattr(dataset, "env_spec", None)
    return _joined(parts, getattr(spec, "id", ""), float(np.mean([np.sum(e.rewards) for e in given])))


def save_demonstrations(demonstrations: Demonstrations, path: str | Path) -> Path:
    """Write demonstrations to an npz file that `load_demonstrations` reads; the file is whole or absent."""
    path, seen = Path(path), demonstrations.observations
    named = {f"observations/{name}": part for name, part in seen.items()} if isinstance(seen, dict) else None
    with replacing(path) as file:
        np.savez_compressed(
            file,
            **(named or {"observations": seen}),
            actions=demonstrations.actions,
            episode_lengths=demonstrations.lengths,
            terminated=demonstrations.terminated,
            env_id=np.array(demonstrations.env_id),
            expert_return_mean=np.array(demonstrations.expert_return),
        )
    return path


def _joined(parts: list[tuple[Any, Array, bool]], env_id: str, expert_return: float) -> Demonstrations:
    if not parts:
        raise ValueError("demonstrations: expected at least one episode, got none")
    return Demonstrations(
        _together([observations for observations, _, _ in parts], np.concatenate),
        np.concatenate([actions for _, actions, _ in parts]),
        np.array([len(actions) for _, actions, _ in parts]),
        np.array([terminated for _, _, terminated in parts]),
        env_id,
        expert_return,
    )


def _together(observations: list[Any], join: Callable[[list[Any]], Array]) -> Any:
    """Arrays joined, or dicts of arrays by name."""
    if isinstance(observations[0], dict):
        return {name: join([one[name] for one in observations]) for name in observations[0]}
    return join(observations)


def _row(observations: Any, i: int) -> Any:
    """A copy of the observation of environment `i`."""
    return _together([observations], lambda parts: np.array(parts[0][i]))


def _arrays(observations: Any) -> Any:
    """Arrays, or a dict of them, from arrays, dicts or the ``DictObs`` of `imitation`."""
    observations = observations.unwrap() if hasattr(observations, "unwrap") else observations
    return _together([observations], lambda parts: np.asarray(parts[0]))
