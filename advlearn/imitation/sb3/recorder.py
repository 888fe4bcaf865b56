"""Record the environments of an algorithm while it imitates."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor, VecNormalize

from advlearn.imitation.demonstrations.layout import Layout
from advlearn.imitation.on_device.environment import DeviceRecording
from advlearn.imitation.on_device.ppo import DevicePPO
from advlearn.imitation.sb3.playing import is_monitored
from advlearn.imitation.sb3.recording import StepRecorder
from advlearn.imitation.sb3.replacing import replaced


@contextmanager
def record_environment(
    algorithm: BaseAlgorithm, window: int = 1
) -> Iterator[StepRecorder | DeviceRecording]:
    """Record the algorithm's environments below any normalisation, and restore them on exit.

    Methods of the innermost environment with raw observations are replaced, so that there is no
    further wrapper, which callbacks of stable-baselines3 would see. On exit, the environments with
    their true reward, the reward statistics of a `VecNormalize` and the replay buffer are the
    original ones again.

    Args:
        algorithm: The algorithm, with its environment.
        window: Number of observations in a recorded vector.

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
    inner: Any = outer[-1].venv if outer else algorithm.env
    _check_order(algorithm, inner, outer)
    scales = [
        (wrapper, wrapper.ret_rms, wrapper.returns)
        for wrapper in outer
        if isinstance(wrapper, VecNormalize)
    ]
    for wrapper, moments, returns in scales:
        # Copies, since statistics of zero rewards would magnify the true rewards after the run.
        wrapper.ret_rms, wrapper.returns = copy.deepcopy(moments), returns.copy()
    buffer = getattr(algorithm, "replay_buffer", None)
    with ExitStack() as stack:
        recorder = StepRecorder(inner.num_envs, is_monitored(inner), window)
        _record(stack, inner, recorder)
        for wrapper in reversed(outer):
            if isinstance(wrapper, VecMonitor):
                _show_true_rewards(stack, wrapper)
        try:
            yield recorder
        finally:
            for wrapper, moments, returns in scales:
                wrapper.ret_rms, wrapper.returns = moments, returns
            if buffer is not None:
                algorithm.replay_buffer = buffer  # type: ignore[attr-defined]


def _record(stack: ExitStack, venv: VecEnv, recorder: StepRecorder) -> None:
    """Let a recorder see each step of an environment, and return rewards of zero."""
    reset, step_async, step_wait = venv.reset, venv.step_async, venv.step_wait

    def recorded_reset() -> Any:
        observations = reset()
        recorder.reset(observations)
        return observations

    def recorded_step_async(actions: Any) -> None:
        recorder.act(actions)
        step_async(actions)

    def recorded_step_wait() -> Any:
        observations, rewards, ends, infos = step_wait()
        return observations, recorder.arrive(observations, rewards, ends, infos), ends, infos

    methods = {"reset": recorded_reset, "step_async": recorded_step_async}
    stack.enter_context(replaced(venv, **methods, step_wait=recorded_step_wait))


def _show_true_rewards(stack: ExitStack, monitor: VecMonitor) -> None:
    """Let a monitor outside of a `VecNormalize` record true returns, and still return zeros."""
    below, above = monitor.venv.step_wait, monitor.step_wait

    def true_step_wait() -> Any:
        observations, rewards, ends, infos = below()
        true = np.array([info["true_reward"] for info in infos], dtype=rewards.dtype)
        return observations, true, ends, infos

    def hiding_step_wait() -> Any:
        observations, rewards, ends, infos = above()
        return observations, np.zeros_like(rewards), ends, infos

    stack.enter_context(replaced(monitor.venv, step_wait=true_step_wait))
    stack.enter_context(replaced(monitor, step_wait=hiding_step_wait))


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


def _check_order(algorithm: BaseAlgorithm, inner: VecEnv, outer: list[VecEnvWrapper]) -> None:
    """Refuse wrappers that make recorded observations differ from the demonstrations'."""
    if not outer:
        return
    outside, inside = (
        [sorted(part.shape) for part in Layout(env.observation_space).parts.values()]
        for env in (algorithm, inner)
    )
    # Sorted, since stable-baselines3 moves the channels of images, which is allowed.
    if outside != inside:
        names = ", ".join(type(wrapper).__name__ for wrapper in outer)
        raise TypeError(
            "env: expected VecNormalize outside of the wrappers that reshape observations, got "
            f"{names} from the outside in; wrap in VecNormalize last"
        )
