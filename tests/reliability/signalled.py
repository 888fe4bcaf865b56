"""Run one training that waits for a signal: ``python -m tests.reliability.signalled KIND FOLDER``.

It prints "waiting" in the middle of the run, and continues when a line arrives.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch

import advlearn
from advlearn.core.trainer import Callback, Trainer

STEPS, WAIT = 9, 4


class Indices(torch.utils.data.Dataset[torch.Tensor]):
    """64 points, read by workers."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor([index / 64, 1 - index / 64])


def wait() -> None:
    print("waiting", flush=True)
    sys.stdin.readline()


class Wait(Callback):
    """Wait after a step."""

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == WAIT:
            wait()


def fit(folder: Path | None, *callbacks: Callback, workers: int = 0) -> Any:
    data = torch.utils.data.DataLoader(Indices(), batch_size=8, shuffle=True, num_workers=workers)
    return advlearn.fit(
        "generate", "nsgan", data, steps=STEPS, device="cpu", out=folder, callbacks=callbacks
    )


def imitate(folder: Path | None, *, waits: bool = False, workers: bool = False) -> Any:
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import SubprocVecEnv

    from advlearn.imitation import imitate as call
    from tests.imitation.counting import Counting, always_one, counting, small

    class WaitInRollout(BaseCallback):
        def _on_step(self) -> bool:
            if self.num_timesteps == 52:  # the second rollout is from 33 to 64
                wait()
            return True

    env = SubprocVecEnv([Counting] * 2, start_method="fork") if workers else counting(2)
    try:
        return call(
            always_one(), steps=192, algorithm=small(env), out=folder, save_every=32, batch_size=8,
            critic_steps=1, callbacks=[WaitInRollout()] if waits else [], quiet=True,
        )  # fmt: skip
    finally:
        if workers:
            for process in env.processes:
                process.kill()


RUNS = {
    "fit": lambda folder: fit(folder, Wait()),
    "fit-workers": lambda folder: fit(folder, Wait(), workers=2),
    "imitate": partial(imitate, waits=True),
    "imitate-workers": partial(imitate, waits=True, workers=True),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    RUNS[sys.argv[1]](Path(sys.argv[2]))
