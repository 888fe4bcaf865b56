"""Test critics that are proposed for their inputs or passed by the user."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from advlearn.core import registry
from advlearn.core.grammar import resolve
from advlearn.core.task import Task
from advlearn.critics import Inputs, build, propose
from advlearn.fitting import fit
from advlearn.nets import MLPCritic
from advlearn.nets.adapters.concat_critic import ConcatCritic, MultilinearMap
from advlearn.run import load

CHAIN = resolve("hinge")
SETTINGS: dict[str, Any] = {"steps": 2, "batch_size": 8, "device": "cpu", "callbacks": ()}


class Flat(nn.Module):
    """Score all parts, flattened and concatenated."""

    def __init__(self, inputs: Inputs, outputs: int = 1) -> None:
        super().__init__()
        self.net = nn.Linear(sum(part.flatten(1).shape[1] for part in vectors(inputs)), outputs)

    def forward(self, *parts: Tensor) -> Tensor:
        return self.net(torch.cat([flat(part) for part in parts], 1))


def flat(part: Tensor) -> Tensor:
    return part.reshape(len(part), -1).float()


def vectors(inputs: Inputs) -> list[Tensor]:
    return [flat(part) for part in inputs.example(1)]


def example(name: str) -> tuple[Task, Any]:
    cls: Any = registry.tasks()[name]
    data = cls.example_data()
    return cls.from_data(data, **cls.example_options[0]), data


@pytest.mark.parametrize("name", sorted(registry.tasks().keys() - {"semi_supervised"}))
def test_every_task_trains_against_a_user_critic(name: str) -> None:
    task, data = example(name)
    run = fit(task, "hinge", data, critic=Flat, **SETTINGS)
    assert run.adversaries.keys() == task.critic_inputs().keys()
    assert all(isinstance(a.critic, Flat) for a in run.adversaries.values())


def test_a_user_classifier_replaces_that_of_the_task() -> None:
    task, data = example("semi_supervised")
    classifier = nn.Linear(2, 2)
    run = fit(task, "improved-gan", data, critic=classifier, **SETTINGS)
    assert cast(Any, run.task).classifier is classifier
    assert task.config() is None


def test_missing_critics_are_proposed() -> None:
    task, _ = example("unpaired_translation")
    given = nn.Linear(2, 1)
    critics = build(task, CHAIN, {"a": given})
    assert critics["a"] is given and isinstance(critics["b"], ConcatCritic)


def test_a_run_with_a_library_critic_is_loaded_without_passing_it(tmp_path: Path) -> None:
    task, data = example("generate")
    run = fit(task, "hinge", data, critic=MLPCritic((2,), hidden=(3,)), **SETTINGS)
    again = load(run.save(tmp_path / "run.pt"))
    critic = again.adversaries["data"].critic
    x = torch.randn(4, 2)
    assert torch.equal(cast(Any, critic)(x), cast(Any, run.adversaries["data"].critic)(x))


@pytest.mark.parametrize(
    ("name", "critic", "line"),
    [
        (
            "unpaired_translation",
            nn.Linear(2, 1),
            r"expected a mapping from a, b .* got one module",
        ),
        (
            "generate",
            {"date": nn.Linear(2, 1)},
            r"expected names among data, got 'date'; did you mean 'data'\?",
        ),
        (
            "generate",
            nn.Linear(3, 1),
            r"data: expected a module that takes tensors of shape \(2, 2\)",
        ),
        ("generate", nn.Flatten(0), r"data: expected scores \(N,\) of N=2 samples, got \(4,\)"),
        ("generate", lambda _: 3, "data: expected a module, got int"),
        ("generate", 3, "expected a Module, a callable, a Mapping or None, got 3"),
        ("semi_supervised", nn.Linear(2, 3), r"expected class logits \(N, 2\), got \(2, 3\)"),
    ],
)
def test_a_mismatched_critic_is_one_line(name: str, critic: Any, line: str) -> None:
    with pytest.raises((ValueError, TypeError), match=rf"^critic: {line}") as error:
        build(example(name)[0], CHAIN, critic)
    assert "\n" not in str(error.value)


def test_a_task_without_a_critic_refuses_one() -> None:
    cls: Any = registry.tasks()["representation"]
    task = cls.from_data(cls.example_data(), latent=2, compare=(), reconstruction=1.0)
    with pytest.raises(ValueError, match=r"^critic: expected None, this task has no critic"):
        build(task, CHAIN, nn.Linear(2, 1))


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (3, 16, 16)])
@pytest.mark.parametrize(
    ("objective", "columns"), [("hinge", (1,)), ("mmd-gan", (16,)), ("began", ())]
)
def test_critics_of_codes_have_the_output_that_the_objective_needs(
    shape: tuple[int, ...], objective: str, columns: tuple[int, ...]
) -> None:
    critic = propose(Inputs((shape, (3,)), join="code", base_channels=4), resolve(objective))
    x, z = torch.randn(5, *shape), torch.randn(5, 3)
    assert critic(x, z).shape == (5, *columns)
    assert not torch.equal(critic(x, z), critic(x, z + 1))
    assert not torch.equal(critic(x, z), critic(x + 1, z))


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [
        (Inputs(((3,),), hidden=(5,)), MLPCritic),
        (Inputs(((3,), (2,)), join="concat"), ConcatCritic),
        (Inputs(((3,), (2,)), join="product"), MultilinearMap),
        (Inputs(((3,),), (2, 4), join="concat"), ConcatCritic),
        (Inputs(((2, 8, 8),), (10,)), MLPCritic),
    ],
)
@pytest.mark.parametrize("objective", ["hinge", "mmd(embedding='identity')", "began", "mmd-gan"])
def test_a_proposed_critic_takes_its_inputs(inputs: Inputs, kind: type, objective: str) -> None:
    critic = propose(inputs, resolve(objective), base_channels=4)
    assert len(critic(*inputs.example(6))) == 6
    assert objective != "hinge" or isinstance(critic, kind)


@pytest.mark.parametrize(
    ("inputs", "objective", "reason"),
    [
        (Inputs(((3,),)), "predictive", "neither an attribute nor a class to predict"),
        (Inputs(((3,), (2,)), join="code", marginal_terms=True), "began", "no marginal terms"),
    ],
)
def test_no_critic_is_proposed_where_none_works(
    inputs: Inputs, objective: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=f"^objective: .*{reason}"):
        propose(inputs, resolve(objective))


def test_a_flattened_image_gets_a_convolutional_critic() -> None:
    inputs = Inputs(((2 + 64,),), images=((2, (1, 8, 8)),))
    critic: Callable[[Tensor], Tensor] = propose(inputs, CHAIN)
    assert type(critic).__name__ == "PixelCritic" and critic(torch.zeros(5, 66)).shape == (5,)
