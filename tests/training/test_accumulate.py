"""Test training on batches in parts: gradients, refusals, exact resume, and the peak of memory."""

from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import advlearn
from advlearn import Adversary
from advlearn.cli import app
from advlearn.core.grammar import resolve
from advlearn.core.inputs import Inputs
from advlearn.core.learning import split
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.core.trainer import Trainer
from tests.conformance.test_games import GAMES, REGULARIZERS, TASKS, shared


class Moved(Task):
    """Move points towards others, without random numbers: parts can be compared with a whole."""

    def __init__(self, reversal: bool = False) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
        self.gradient_reversal = reversal
        self.sizes: list[int] = []

    def forward(self, batch: Batch) -> TaskOutput:
        x, y = batch
        self.sizes.append(len(x))
        moved = self.model(x)
        return TaskOutput({"data": SamplePair(y, moved)}, loss=(moved - y).square().mean())

    def critic_inputs(self) -> dict[str, Inputs]:
        return {"data": Inputs(((2,),))}

    @classmethod
    def from_data(cls, data: Any, **options: Any) -> "Moved":
        raise NotImplementedError


class Repeated:
    """A stream that repeats batches."""

    def __init__(self, batches: list[Batch]) -> None:
        self._batches = cycle(batches)

    def __iter__(self) -> "Repeated":
        return self

    def __next__(self) -> Batch:
        return next(self._batches)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def trained(objective: str, accumulate: int, n: int = 8, **settings: Any) -> dict[str, Tensor]:
    """Return the weights of learner and critic after three steps in fp64."""
    torch.manual_seed(0)
    task = Moved(settings.pop("reversal", False)).double()
    critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    adversary = Adversary(critic, objective, lr=1e-2, **settings)
    data = [(torch.randn(n, 3).double(), torch.randn(n, 2).double()) for _ in range(3)]
    trainer = Trainer(
        task, {"data": adversary}, Repeated(data), steps=3, lr=1e-2, accumulate=accumulate
    )
    trainer.run()
    assert max(task.sizes) <= -(-n // accumulate)
    return {**task.state_dict(), **critic.state_dict()}


@pytest.mark.parametrize(
    ("objective", "settings"),
    [
        ("nsgan", {}),
        ("hinge + r1(weight=2)", {"critic_steps": 3}),
        ("wgan", {}),
        ("r3gan", {}),
        ("lsgan + r2(every=2)", {}),
        ("f-gan-pearson", {"reversal": True}),
        ("nsgan + r1", {"reversal": True, "critic_steps": 2}),
    ],
)
@pytest.mark.parametrize(("accumulate", "n"), [(2, 8), (4, 8), (3, 8), (9, 8)])
def test_parts_of_a_batch_train_like_the_whole(
    objective: str, settings: dict[str, Any], accumulate: int, n: int
) -> None:
    whole = trained(objective, 1, n, **settings)
    parts = trained(objective, accumulate, n, **settings)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-9, atol=1e-11, msg=name)


def test_a_batch_is_split_into_views() -> None:
    x, y = torch.arange(7), torch.arange(14).view(7, 2)
    parts = split((x, y), 3)
    assert [share for _, share in parts] == [3 / 7, 2 / 7, 2 / 7]
    assert torch.equal(torch.cat([a for (a, _), _ in parts]), x)
    assert torch.equal(torch.cat([b for (_, b), _ in parts]), y)
    assert all(a.untyped_storage().data_ptr() == x.data_ptr() for (a, _), _ in parts)
    assert len(split((x, y[:2]), 3)) == 2


CROSSED = [(form, "nsgan") for form in TASKS]
CROSSED += [("generate(latent=2)", objective) for objective in (*GAMES, *REGULARIZERS)]


@pytest.mark.parametrize(("form", "objective"), CROSSED)
def test_every_game_trains_in_parts_or_is_refused_with_a_reason(form: str, objective: str) -> None:
    task, data = shared(form)
    chain = resolve(objective)
    if task.check_compatibility(chain.required_objective()) is not None:
        return
    settings: dict[str, Any] = {"steps": 2, "batch_size": 8, "device": "cpu", "callbacks": ()}
    terms = (chain.required_objective(), *chain.regularizers)
    joint = [term for term in terms if not term.decomposable]
    if not joint and task.adds_gradients:
        run = advlearn.fit(form, objective, data, accumulate=2, **settings)
        assert run.trainer is not None and run.trainer.step == 2
        return
    with pytest.raises(ValueError, match=r"^accumulate: expected 1, got 2: ") as error:
        advlearn.fit(form, objective, data, accumulate=2, **settings)
    assert "\n" not in str(error.value)
    if joint:
        assert joint[0].reasons["decomposable"] in str(error.value)


@pytest.mark.parametrize(
    ("game", "settings", "message"),
    [
        (("generate", "nsgan"), {"game": "extragradient"}, "at the same weights"),
        (
            ("fairness(gradient_combination='project')", "nsgan"),
            {},
            "Fairness combines the gradients of a whole batch",
        ),
        (("generate", "nsgan"), {"accumulate": 9}, "at most the 8 samples of a batch, got 9"),
        (("generate", "nsgan"), {"accumulate": 0}, "accumulate"),
        (("generate", "nsgan"), {"accumulate": 1.5}, "accumulate"),
        (("gail",), {}, "accumulate: imitation has no such option"),
    ],
)
def test_what_does_not_add_up_is_refused_in_one_line(
    game: tuple[str, ...], settings: dict[str, Any], message: str
) -> None:
    given = {"steps": 2, "batch_size": 8, "callbacks": (), "accumulate": 2, **settings}
    with pytest.raises(ValueError, match=r"^accumulate: ") as error:
        advlearn.fit(*game, **given)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_run_in_parts_resumes_exactly_and_only_in_as_many(tmp_path: Path) -> None:
    def fit(folder: str, steps: int, accumulate: int = 2) -> Any:
        return advlearn.fit(
            "nsgan", data="ring", steps=steps, batch_size=8, callbacks=(), out=tmp_path / folder,
            accumulate=accumulate,
        )  # fmt: skip

    whole = fit("whole", 4)
    fit("parts", 2)
    resumed = fit("parts", 4)
    for name, value in whole.task.state_dict().items():
        assert torch.equal(resumed.task.state_dict()[name], value), name
    with pytest.raises(ValueError, match="accumulate") as error:
        fit("parts", 5, accumulate=1)
    assert "\n" not in str(error.value)
    assert (
        advlearn.load(tmp_path / "parts").task.state_dict().keys() == whole.task.state_dict().keys()
    )


def test_the_command_line_splits_batches(tmp_path: Path) -> None:
    arguments = ["fit", "nsgan", "--steps", "2", "--batch-size", "8", "--accumulate"]
    done = CliRunner().invoke(app, [*arguments, "2", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, [*arguments, "16"])
    assert done.exit_code != 0 and "at most the 8 samples" in done.output


def test_several_seeds_in_parts_train_one_after_another() -> None:
    with pytest.warns(UserWarning, match="accumulate= splits the batches"):
        runs = advlearn.fit(
            "nsgan", data="ring", steps=2, batch_size=8, seeds=[0, 1], accumulate=2, callbacks=()
        )
    alone = advlearn.fit(
        "nsgan", data="ring", steps=2, batch_size=8, seed=1, accumulate=2, callbacks=()
    )
    for name, value in alone.task.state_dict().items():
        assert torch.equal(runs[1].task.state_dict()[name], value), name
