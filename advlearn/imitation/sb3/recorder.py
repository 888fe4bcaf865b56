"""An algorithm whose environments are recorded, for as long as it imitates."""

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
def record_environment(player: BaseAlgorithm) -> Iterator[RecordingVecEnv | DeviceRecording]:
    """Put a recording at the bottom of the algorithm's environments, below any normalisation; take it away behind.

    What the algorithm was given is its own again then: the environments with their true reward, the
    spread of rewards that a `VecNormalize` had seen, the replay buffer.

    Raises:
        TypeError: An order of wrappers in which demonstrations and what is recorded would differ.
    """
    if isinstance(player, DevicePPO):
        try:
            yield player.record()
        finally:
            player.unrecord()
        return
    above = _above(player)
    owner: Any = above[-1] if above else player
    name = "venv" if above else "env"
    inner = getattr(owner, name)
    recording = RecordingVecEnv(inner)
    _check(player, recording, above)
    scales = [
        (wrapper, wrapper.ret_rms, wrapper.returns)
        for wrapper in above
        if isinstance(wrapper, VecNormalize)
    ]
    for wrapper, moments, returns in scales:
        # Rewards of zero would have it blow up the first true ones that follow.
        wrapper.ret_rms, wrapper.returns = copy.deepcopy(moments), returns.copy()
    buffer = getattr(player, "replay_buffer", None)
    setattr(owner, name, recording)
    try:
        yield recording
    finally:
        setattr(owner, name, inner)
        for wrapper, moments, returns in scales:
            wrapper.ret_rms, wrapper.returns = moments, returns
        if buffer is not None:
            player.replay_buffer = buffer  # type: ignore[attr-defined]


def _above(player: BaseAlgorithm) -> list[VecEnvWrapper]:
    """The wrappers down to the innermost `VecNormalize`; none where there is no such."""
    env: VecEnv | None = player.env
    found: list[VecEnvWrapper] = []
    while isinstance(env, VecEnvWrapper):
        found.append(env)
        env = env.venv
    while found and not isinstance(found[-1], VecNormalize):
        found.pop()
    return found


def _check(player: BaseAlgorithm, recording: RecordingVecEnv, above: list[VecEnvWrapper]) -> None:
    if not above:
        return
    if isinstance(player, OffPolicyAlgorithm):
        raise TypeError(
            "env: replayed transitions are raw, and VecNormalize would hide that; expected none with it"
        )
    seen, kept = (Layout(env.observation_space).parts for env in (player, recording))
    # Which way round stable-baselines3 has an image is the one difference that is none.
    if [sorted(part.shape) for part in seen.values()] != [
        sorted(part.shape) for part in kept.values()
    ]:
        names = ", ".join(type(wrapper).__name__ for wrapper in above)
        raise TypeError(
            f"env: expected VecNormalize above what reshapes observations, got {names} from the outside in"
        )
    if any(isinstance(wrapper, VecMonitor) for wrapper in above):
        print(
            "env: the returns of a VecMonitor above VecNormalize are zero; below it they are true",
            file=sys.stderr,
        )
