"""Test that exported programs equal the networks of every task, on other batch sizes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

import advlearn
from advlearn import catalogue, nets
from advlearn.cli import app
from advlearn.core import registry
from advlearn.core.identity import architecture
from advlearn.core.method import Method
from advlearn.core.task import Task, TaskOutput
from advlearn.exported_parts import parts_of
from advlearn.exporting import choose, export, traced
from advlearn.fitting import load_source
from advlearn.tasks import Generate

ROWS = [row for row in catalogue.methods().values() if row.task != catalogue.IMITATION]
_done: set[str] = set()


def assert_program_equals(part: Any) -> None:
    program = traced(part).module()
    for n in (1, 6):
        inputs = part.example(n)
        expected = part.module(*inputs)
        torch.testing.assert_close(program(*inputs), expected, rtol=1e-5, atol=1e-5)


def task_of(row: Method) -> Task:
    options = dict(row.options)
    if "base_channels" in catalogue.task_options(row.task):
        options["base_channels"] = 4
    return catalogue.build_task(row, options, load_source(row, None))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_networks_of_every_method(row: Method) -> None:
    parts = parts_of(task_of(row))
    assert parts
    for part in parts.values():
        # Many methods train the same networks, which need one export; a translator has one for
        # each direction.
        key = f"{row.task} {architecture(part.module)}"
        if key not in _done:
            assert_program_equals(part)
            _done.add(key)


# The methods above have the others without classes.
OF_METHODS = {row.options.get("architecture") for row in ROWS}
BUILT = [(name, 3) for name in nets.architectures()]
BUILT += [(name, 0) for name in nets.architectures() if name not in OF_METHODS]


@pytest.mark.parametrize(("name", "classes"), BUILT)
def test_every_architecture(name: str, classes: int) -> None:
    build = nets.architectures()[name]
    shape = (1, build.sides[0], build.sides[0])
    generator = build.generator(4, shape, base_channels=4, classes=classes)
    task = Generate(generator, latent=4, shape=shape, classes=classes)
    part = parts_of(task)["sample"]
    assert part.names == (("noise", "labels") if classes else ("noise",))
    assert_program_equals(part)
    # The generator's own noise is that of a fixed seed.
    inputs = part.example(5)
    torch.testing.assert_close(part.module(*inputs), task.decode(*inputs, noise=0))


@pytest.mark.parametrize("name", [n for n in registry.tasks() if n != catalogue.IMITATION])
def test_every_task_on_points(name: str) -> None:
    cls = registry.tasks()[name]
    for options in cls.example_options:
        task = cls.from_data(cls.example_data(), **options)
        task.train()
        for part in parts_of(task).values():
            assert_program_equals(part)
        assert task.training


def test_the_program_of_a_predictor_is_its_prediction(tmp_path: Path) -> None:
    run = advlearn.fit("dann", steps=2, batch_size=8, callbacks=())
    program = torch.export.load(run.export(tmp_path / "model.pt2")).module()
    x = torch.randn(9, *run.task.shape)
    torch.testing.assert_close(program(x), run.predict(x))
    # Exporting leaves the run as it was: it trains on.
    assert torch.equal(run.predict(x), run.predict(x)) and run.health()


def test_vectors_of_a_condition_are_inputs(tmp_path: Path) -> None:
    x, y = torch.randn(30, 2), torch.randn(30, 5)
    run = advlearn.fit("cgan", data=(x, y), steps=2, batch_size=8, callbacks=(), conditional=True)
    program = torch.export.load(run.export(tmp_path / "model.pt2")).module()
    z, vectors = torch.randn(7, run.task.latent), torch.randn(7, 5)
    torch.testing.assert_close(program(z, vectors), run.ema_model.decode(z, vectors))


@pytest.mark.parametrize(("name", "classes"), [("dcgan", 3), ("stylegan", 0), ("sagan", 3)])
def test_onnx_gives_the_samples_of_the_network(name: str, classes: int, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra export")
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    build = nets.architectures()[name]
    shape = (1, build.sides[0], build.sides[0])
    generator = build.generator(4, shape, base_channels=4, classes=classes)
    task = Generate(generator, latent=4, shape=shape, classes=classes)
    path = export(task, tmp_path / "model.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for n in (1, 6):
        z = torch.randn(n, 4)
        labels = [torch.arange(n) % classes] if classes else []
        names = [i.name for i in session.get_inputs()]
        assert names == ["noise", "labels"][: 1 + bool(classes)]
        feed = {k: v.numpy() for k, v in zip(names, [z, *labels], strict=True)}
        (got,) = session.run(None, feed)
        expected = task.decode(z, *labels, noise=0)
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_onnx_of_a_predictor(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the extra export")
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    run = advlearn.fit("laftr", steps=2, batch_size=16, callbacks=())
    path = run.export(tmp_path / "model.onnx", "predict")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    x = torch.randn(5, *run.task.shape)
    (got,) = session.run(None, {"x": x.numpy()})
    np.testing.assert_allclose(got, run.predict(x).numpy(), rtol=1e-4, atol=1e-5)


class Own(Task):
    """A task whose networks are not known."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(2, 2)

    def forward(self, batch: Any) -> TaskOutput:
        return TaskOutput({}, self.net(batch[0]).mean())

    def critic_inputs(self) -> dict[str, Any]:
        return {}


class Branches(nn.Module):
    """A generator that cannot be traced: its values decide which branch is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(3, 2)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.net(z) if bool(z.sum() > 0) else self.net(z) + 1


class Random(nn.Module):
    """A generator whose program differs from it, because it draws numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(3, 2)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.net(z) + torch.rand_like(z[:, :2])


@pytest.mark.parametrize("generator", [Branches(), Random()])
def test_what_cannot_be_exported_is_refused_in_one_line(
    generator: nn.Module, tmp_path: Path
) -> None:
    task = Generate(generator, latent=3, shape=(2,))
    with pytest.raises(ValueError, match=f"export: {type(generator).__name__} cannot be") as error:
        export(task, tmp_path / "model.pt2")
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_other_files_parts_and_tasks_are_refused(tmp_path: Path) -> None:
    task = Generate(nn.Linear(3, 2), latent=3, shape=(2,))
    with pytest.raises(ValueError, match=r"path: expected a file that ends in \.onnx or \.pt2"):
        export(task, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="part: expected one of sample for generate, got predict"):
        choose(task, "predict")
    with pytest.raises(TypeError, match="export: expected a task with a generator or a predictor"):
        export(Own(), tmp_path / "model.pt2")


def test_the_command_exports_a_saved_run(tmp_path: Path) -> None:
    run = advlearn.fit("gan", data="ring", steps=2, batch_size=8, callbacks=())
    run.save(tmp_path / "run.pt")
    words = ["export", str(tmp_path / "run.pt"), str(tmp_path / "model.pt2")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    program = torch.export.load(tmp_path / "model.pt2").module()
    z = torch.randn(4, run.task.latent)
    torch.testing.assert_close(program(z), run.ema_model.decode(z))
    done = CliRunner().invoke(app, [*words[:2], str(tmp_path / "model.txt")])
    assert done.exit_code == 1 and len(done.output.strip().splitlines()) == 1
