"""Test generation conditional on vectors, such as embeddings, in place of classes."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

import advlearn
from advlearn import fit
from advlearn.core.grammar import resolve
from advlearn.critics import build as build_critics
from advlearn.data import ArrayDataset, load
from advlearn.nets import DCGANCritic, MLPGenerator
from advlearn.tasks.generate import KEPT, Generate


def rings(n: int = 2000) -> ArrayDataset:
    """Draw points on a circle, each with its vector: the point turned by a right angle."""
    angle = torch.rand(n) * 2 * torch.pi
    x = torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2)
    return ArrayDataset(x, torch.stack([-angle.sin(), angle.cos()], 1), "ring")


def test_data_holds_a_vector_for_each_sample() -> None:
    source = load((torch.rand(5, 2), torch.rand(5, 3)))
    assert isinstance(source, ArrayDataset)
    assert source.vectors == 3 and source.classes == 0 and len(source.columns) == 2
    for y, error, line in (
        (torch.rand(4, 3), ValueError, "expected 5 vectors, one per sample, got 4"),
        (torch.full((5, 3), torch.nan), ValueError, "expected finite vectors"),
        (torch.rand(5, 3).double(), TypeError, "expected float32 vectors"),
    ):
        with pytest.raises(error, match=line):
            ArrayDataset(torch.rand(5, 2), y)
    with pytest.raises(ValueError, match="classes: expected 0 with vectors as labels, got 3"):
        ArrayDataset(torch.rand(5, 2), torch.rand(5, 3), classes=3)


def test_real_and_fake_have_the_same_vectors_and_samples_follow_them() -> None:
    class Echo(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shift = nn.Parameter(torch.zeros(2))

        def forward(self, z: Tensor, c: Tensor) -> Tensor:
            return c + self.shift

    known = torch.randn(3, 2)
    task = Generate(Echo(), latent=4, shape=(2,), vectors=known)
    x, c = torch.randn(5, 2), torch.randn(5, 2)
    sides = task((x, c)).pairs["data"]
    real, fake = cast(Any, sides.real), cast(Any, sides.fake)
    assert torch.equal(real[1], c) and torch.equal(fake[1], c) and torch.equal(fake[0], c)
    assert torch.equal(task.sample(5, c), c) and torch.equal(task.decode(torch.zeros(5, 4), c), c)
    assert torch.equal(task.sample(5), known[[0, 1, 2, 0, 1]])
    for wrong in (torch.randn(5, 3), torch.randn(4, 2), torch.zeros(5, dtype=torch.int64)):
        with pytest.raises(ValueError, match="labels: expected 5 float vectors of size 2"):
            task.sample(5, wrong)


def test_a_point_is_generated_at_the_place_its_vector_names() -> None:
    run = fit(
        "generate(conditional=True, latent=2, base_channels=16)",
        "hinge + r1",
        rings(),
        steps=150,
        lr=2e-3,
        callbacks=(),
    )
    c = rings().y
    assert c is not None
    samples, expected = run.ema_model.sample(len(c), c), torch.stack([c[:, 1], -c[:, 0]], 1)
    distances = (samples - expected).norm(dim=1)
    # Two random points of the ring are 4 / pi apart on average.
    assert distances.mean() < 0.4


def test_a_loaded_run_samples_the_same_images_from_vectors(tmp_path: Path) -> None:
    data = ArrayDataset(torch.rand(80, 1, 16, 16) * 2 - 1, torch.randn(80, 5), "pictures")
    task = "generate(conditional=True, latent=4, base_channels=4, architecture='cgan')"
    run = fit(task, "hinge", data, steps=2, batch_size=8, out=tmp_path, callbacks=())
    critic = run.adversaries["data"].critic
    assert (
        isinstance(critic, DCGANCritic) and critic.conditioning == "concat" and critic.classes == 5
    )
    c, back = torch.randn(3, 5), advlearn.load(tmp_path)
    assert data.y is not None and torch.equal(back.ema_model.vectors, data.y[:KEPT])
    z = torch.randn(3, 4)
    assert torch.equal(back.ema_model.decode(z, c), run.ema_model.decode(z, c))


def test_mismatched_input_is_one_line() -> None:
    generator = MLPGenerator(4, (2,), (8,), classes=3)
    with pytest.raises(ValueError, match=r"vectors: expected floats .* no classes, got"):
        Generate(generator, latent=4, shape=(2,), classes=3, vectors=torch.rand(2, 3))
    with pytest.raises(ValueError, match="generator: expected a module of z"):
        Generate(generator, latent=4, shape=(2,), vectors=torch.rand(2, 5))
    task = Generate(generator, latent=4, shape=(2,), vectors=torch.rand(2, 3))
    critic = build_critics(task, resolve("energy-distance"))["data"]
    points = critic(torch.rand(4, 2), torch.rand(4, 3))
    assert points.shape == (4, 5)


@pytest.mark.parametrize(
    "task", ["generate(conditional=True)", "laplacian_pyramid(conditional=True)"]
)
def test_a_conditional_task_needs_labels(task):
    with pytest.raises(ValueError, match=r"conditional: expected labels .*; pass \(x, y\)"):
        advlearn.fit(task, data=torch.rand(8, 1, 32, 32), conditional=True, callbacks=())
