"""Let an algorithm learn, from its last checkpoint if there is one."""

from collections.abc import Callable
from typing import cast

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv

from advlearn.core import distributed
from advlearn.core.interrupt import between_steps
from advlearn.imitation.result import ImitationResult
from advlearn.imitation.sb3.checkpoints import Checkpoints
from advlearn.imitation.sb3.finite import RunGuard
from advlearn.imitation.sb3.workers import ENDED, ignoring_interrupts, naming_ended_workers


def learn(
    run: ImitationResult, callbacks: list[BaseCallback], steps: int, start: Callable[[], None]
) -> None:
    """Train without checkpoints.

    Args:
        run: The run.
        callbacks: Callbacks of stable-baselines3.
        steps: Environment steps in total.
        start: Called before the first step.

    Raises:
        NonFiniteError: If the state at the end, or at an error, is not finite.
        ChildProcessError: If a worker process of the environment ended.
    """
    learner, guard = run.policy, RunGuard(run, None)
    guard.start()
    with guard.explaining(), naming_ended_workers(cast(VecEnv, learner.get_env())):
        start()
        learner.learn(steps, callback=callbacks)
        guard.check()


def learn_from_checkpoint(
    checkpoints: Checkpoints, callbacks: list[BaseCallback], steps: int, start: Callable[[], None]
) -> None:
    """Train from the last checkpoint, or from the start if there is none.

    The first Ctrl-C, or SIGTERM, stops the run at the next checkpoint, a second Ctrl-C at once. If
    the same signal ended the worker processes of the environment, the run is saved as it is.

    Args:
        checkpoints: The checkpoints of the run.
        callbacks: Callbacks of stable-baselines3, including `checkpoints`.
        steps: Environment steps in total.
        start: Called before the first step of a run without a checkpoint.

    Raises:
        NonFiniteError: If the state at a save, or at an error, is not finite.
        ChildProcessError: If a worker process of the environment ended.
        KeyboardInterrupt: After Ctrl-C or SIGTERM, once a checkpoint is written.
    """
    learner, guard = checkpoints.run.policy, checkpoints.guard
    venv = cast(VecEnv, learner.get_env())
    with guard.explaining(), naming_ended_workers(venv):
        done = checkpoints.resume()
        guard.start()
        if not done:
            start()
        with between_steps() as interrupted, ignoring_interrupts(venv):
            checkpoints.interrupted = interrupted
            try:
                if done < steps:
                    learner.learn(steps - done, callback=callbacks, reset_num_timesteps=not done)
            except ENDED as error:
                # A save needs all processes, and the others are elsewhere.
                if not interrupted or distributed.world_size() > 1:
                    raise
                checkpoints.save_without_environment()
                raise KeyboardInterrupt from error
        if checkpoints.stopped:
            raise KeyboardInterrupt
        guard.check()
