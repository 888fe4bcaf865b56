"""Run one process of `test_elastic`: train to the end, or be killed in the first attempt."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import advlearn
from advlearn.core import distributed
from advlearn.core.callback import Callback
from advlearn.core.trainer import Trainer
from advlearn.training.launch import launched


def die() -> None:
    """Kill the second process, in the first attempt only."""
    if distributed.rank() == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)


class DieAt(Callback):
    """Kill the second process after a step."""

    def __init__(self, step: int) -> None:
        self.at = step

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == self.at:
            die()


def fitted(folder: Path, dies: bool) -> dict[str, Any]:
    points = torch.randn(32, 2, generator=torch.Generator().manual_seed(0))
    run = advlearn.fit(
        "gan", data=points, steps=10, batch_size=8, device="cpu", out=folder, save_every=4,
        callbacks=[DieAt(6)] if dies else (),
    )  # fmt: skip
    return dict(run.trainer.task.state_dict())


def imitated(folder: Path, dies: bool) -> dict[str, Any]:
    from advlearn.imitation import imitate
    from tests.imitation.joined import Drift, N, T, expert, learner_of, weights_of

    class Mortal(Drift):
        """Kill the second process in the middle of the rollout after the second checkpoint."""

        def step(self, actions: torch.Tensor) -> Any:
            if dies and self.total == T // 2 and len(list(folder.glob("*.pt"))) == 2:
                die()
            return super().step(actions)

    learner = learner_of("device", 0, N, policy="MlpPolicy")
    learner.set_env(Mortal(N * distributed.rank(), N))
    run = imitate(
        expert(), steps=6 * T * N, algorithm=learner, out=folder, save_every=2 * T, batch_size=8,
        critic_steps=2, absorbing=False, quiet=True,
    )  # fmt: skip
    return weights_of(run.policy, run.reward.adversary)


def main(kind: str, folder: Path, dies: bool) -> None:
    torch.set_num_threads(1)
    train: Callable[[Path, bool], dict[str, Any]] = {"fit": fitted, "imitate": imitated}[kind]
    with launched("cpu"):
        weights = train(folder / "run", dies)
        torch.save(weights, folder / f"{distributed.rank()}.pt")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "dies")
