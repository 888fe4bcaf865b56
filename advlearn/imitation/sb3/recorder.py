"""Record the environments of an algorithm while it imitates."""

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

from advlearn.imitation.demonstrations.layout import Layout
from advlearn.imitation.on_device.environment import DeviceRecording
from advlearn.imitation.on_device.ppo import DevicePPO
from advlearn.imitation.sb3.recording import RecordingVecEnv


@contextmanager
def record_environment(algorithm: BaseAlgorithm) -> Iterator[RecordingVecEnv | DeviceRecording]:
    """Record the algorithm's environments below any normalisation, and restore them on exit.

    On exit, the environments with their true reward, the reward statistics of a `VecNormalize` and
    the replay buffer are the original ones again.

    Args:
        algorithm: The algorithm, with its environment.

    Yields:
        The recording.

    Raises:
        TypeError: If the wrappers are in an order in which recorded observations would differ from
            the demonstrations'.
    """
    if isinstance(algorithm, DevicePPO):
        try:
            yield algorithm.record()
        finally:
            algorithm.unrecord()
        return
    outer = _wrappers(algorithm)
    owner: Any = outer[-1] if outer else algorithm
    name = "venv" if outer else "env"
    inner = getattr(owner, name)
    recording = RecordingVecEnv(inner)
    _check_order(algorithm, recording, outer)
    scales = [
        (wrapper, wrapper.ret_rms, wrapper.returns)
        for wrapper in outer
        if isinstance(wrapper, VecNormalize)
    ]
    for wrapper, moments, returns in scales:
        # Copies, since statistics of zero rewards would magnify the true rewards after the run.
        wrapper.ret_rms, wrapper.returns = copy.deepcopy(moments), returns.copy()
    buffer = getattr(algorithm, "replay_buffer", None)
    setattr(owner, name, recording)
    try:
        yield recording
    finally:
        setattr(owner, name, inner)
        for wrapper, moments, returns in scales:
            wrapper.ret_rms, wrapper.returns = moments, returns
        if buffer is not None:
            algorithm.replay_buffer = buffer  # type: ignore[attr-defined]


def _wrappers(algorithm: BaseAlgorithm) -> list[VecEnvWrapper]:
    """Return the wrappers from the outside to the innermost `VecNormalize`, or an empty list."""
    env: VecEnv | None = algorithm.env
    wrappers: list[VecEnvWrapper] = []
    while isinstance(env, VecEnvWrapper):
        wrappers.append(env)
        env = env.venv
    while wrappers and not isinstance(wrappers[-1], VecNormalize):
        wrappers.pop()
    return wrappers


def _check_order(
    algorithm: BaseAlgorithm, recording: RecordingVecEnv, outer: list[VecEnvWrapper]
) -> None:
    """Refuse wrappers that make recorded observations differ from the demonstrations'."""
    if not outer:
        return
    if isinstance(algorithm, OffPolicyAlgorithm):
        raise TypeError(
            f"env: expected no VecNormalize with {type(algorithm).__name__}, whose replay buffer "
            "stores raw observations, got one; leave it out"
        )
    outside, inside = (
        [sorted(part.shape) for part in Layout(env.observation_space).parts.values()]
        for env in (algorithm, recording)
    )
    # Sorted, since stable-baselines3 moves the channels of images, which is allowed.
    if outside != inside:
        names = ", ".join(type(wrapper).__name__ for wrapper in outer)
        raise TypeError(
            "env: expected VecNormalize outside of the wrappers that reshape observations, got "
            f"{names} from the outside in; wrap in VecNormalize last"
        )
    if any(isinstance(wrapper, VecMonitor) for wrapper in outer):
        print(
            "env: a VecMonitor outside of VecNormalize records returns of zero; put it inside to "
            "record true returns",
            file=sys.stderr,
        )
