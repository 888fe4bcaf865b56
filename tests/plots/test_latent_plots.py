"""Test which latent plots a model provides, their images, and where they are saved."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.plots import latent_plots, spherical
from advlearn.tasks.generate import Generate
from advlearn.tasks.laplacian_pyramid import LaplacianPyramid
from advlearn.tasks.representation import Representation

X = torch.rand(20, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
DATA = ArrayDataset(X, torch.arange(20) % 3, "patterns", 3)


class Reshape(nn.Module):
    """A generator that reshapes a latent of four to an image, times the class plus one."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))
        self.layers = [0] * 6

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return (self.one * z * (1 if y is None else y[:, None] + 1)).view(-1, 1, 2, 2)

    def mixed(
        self, coarse: Tensor, fine: Tensor, crossover: int, y: Tensor | None = None
    ) -> Tensor:
        return self(torch.cat([coarse[:, :crossover], fine[:, crossover:]], 1), y)


def plots_of(classes: int = 0) -> dict[str, dict[str, Tensor]]:
    return latent_plots(Generate(Reshape(), latent=4, shape=(1, 2, 2), classes=classes))


def test_an_interpolation_is_an_arc_from_latent_to_latent() -> None:
    torch.manual_seed(0)
    expected = spherical(torch.randn(6, 4), torch.randn(6, 4), 8)
    columns = tables_with_seed(0)["interpolation"]
    assert list(columns) == ["1", "2", "3", "4", "5", "6", "7", "8"]
    assert torch.equal(torch.stack(list(columns.values()), 1).flatten(2), expected)


def test_the_internal_noise_of_a_generator_is_the_same_along_a_row() -> None:
    class Noisy(Reshape):
        def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
            return super().forward(torch.randn_like(z))

    for name, columns in latent_plots(Generate(Noisy(), latent=4, shape=(1, 2, 2))).items():
        first, *others = columns.values()
        assert first.unique(dim=0).shape[0] == 6 and all(
            torch.equal(first, column) for column in others
        ), name


def test_truncation_starts_with_equal_rows_and_widens_column_by_column() -> None:
    columns = list(plots_of()["truncation"].values())
    assert torch.equal(columns[0], torch.zeros(6, 1, 2, 2))
    for before, after in pairwise(columns[1:]):
        assert torch.equal(before.sign(), after.sign())
        assert (after.abs() > before.abs()).all()


def test_a_mix_has_the_coarse_half_of_the_row_and_the_fine_half_of_the_column() -> None:
    found = plots_of()
    assert [name for name in found if "mixing" in name] == ["mixing-2", "mixing-3", "mixing-4"]
    coarse, first, second = (found["mixing-2"][name].flatten(1) for name in ("coarse", "1", "2"))
    assert torch.equal(found["mixing-3"]["1"].flatten(1)[:, :3], coarse[:, :3])
    assert torch.equal(first[:, :2], coarse[:, :2]) and torch.equal(second[:, :2], coarse[:, :2])
    assert torch.equal(first[:, 2:], first[:1, 2:].expand(6, 2)) and not torch.equal(
        first[0, 2:], second[0, 2:]
    )


def test_a_row_of_a_conditional_generator_is_of_one_class() -> None:
    plain, conditional = (tables_with_seed(classes) for classes in (0, 3))
    for name in ("interpolation", "truncation"):
        for heading, column in plain[name].items():
            scale = (torch.arange(6) % 3 + 1).view(6, 1, 1, 1)
            torch.testing.assert_close(conditional[name][heading], column * scale)


def tables_with_seed(classes: int) -> dict[str, dict[str, Tensor]]:
    torch.manual_seed(0)
    return plots_of(classes)


def test_a_row_of_a_vector_conditioned_generator_is_of_one_vector() -> None:
    vectors = torch.tensor([[2.0], [5.0]])
    torch.manual_seed(0)
    found = latent_plots(Generate(EqualizedScale(), latent=4, shape=(1, 2, 2), vectors=vectors))
    plain = tables_with_seed(0)
    for name in ("interpolation", "truncation"):
        for heading, column in plain[name].items():
            torch.testing.assert_close(
                found[name][heading], column * vectors.repeat(3, 1).view(6, 1, 1, 1)
            )


class EqualizedScale(nn.Module):
    """A generator that reshapes a latent of four to an image, times the vector."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        return (self.one * z * c).view(-1, 1, 2, 2)


def test_a_pyramid_shows_its_levels_from_coarse_to_fine() -> None:
    model = LaplacianPyramid.from_data(DATA, latent=4, base_channels=4, levels=2)
    found = latent_plots(model)
    assert {name: tuple(x.shape) for name, x in found["stages"].items()} == {
        "4x4": (6, 1, 4, 4),
        "8x8": (6, 1, 8, 8),
        "16x16": (6, 1, 16, 16),
    }


def test_rows_take_evenly_spaced_classes_or_repeat_few_of_them() -> None:
    for classes, expected in ((3, [0, 1, 2, 0, 1, 2]), (10, [0, 1, 3, 5, 6, 8])):
        zero, whole = (tables_with_seed(c)["interpolation"]["1"].flatten(1) for c in (0, classes))
        assert (whole / zero).mean(1).round().long().tolist() == [k + 1 for k in expected]


def test_an_encoder_without_real_samples_has_no_plots() -> None:
    model = Representation(nn.Linear(3, 2), nn.Linear(2, 3), latent=2, shape=(3,))
    assert latent_plots(model) == {}


def test_a_module_without_such_methods_has_no_plots() -> None:
    assert latent_plots(nn.Linear(2, 2)) == {}


def test_an_unrelated_decode_method_is_not_called() -> None:
    class Own(nn.Module):
        def decode(self, text: str) -> str:
            return text

    assert latent_plots(Own()) == {}


@pytest.mark.parametrize(
    ("task", "names"),
    [
        ("generate(latent=4, base_channels=4)", ["interpolation", "truncation"]),
        (
            "generate(latent=4, base_channels=4, conditional=True, architecture='stylegan')",
            ["interpolation", "mixing-2", "mixing-3", "mixing-4", "truncation"],
        ),
        ("representation(latent=4, base_channels=4)", ["interpolation", "reconstruction"]),
        (
            "disentangle(base_channels=4, codes=(3,), continuous=1, noise=4)",
            ["code-0", "code-1", "interpolation"],
        ),
        ("ac_gan(base_channels=4, latent=4)", ["interpolation"]),
        ("laplacian_pyramid(base_channels=4, latent=4)", ["interpolation", "stages"]),
    ],
)
def test_a_run_saves_the_plots_with_its_samples_and_in_tensorboard(
    task: str, names: list[str], tmp_path: Path
) -> None:
    fit(task, "nsgan", DATA, steps=2, batch_size=8, device="cpu", out=tmp_path, callbacks=())
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == sorted([*names, "step-00000002"])
    events = EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"images": 0})
    events.Reload()
    tags: Any = events.Tags()["images"]
    assert sorted(tags) == sorted(f"pictures/{name}" for name in [*names, "step"])
    for name in names:
        (image,) = events.Images(f"pictures/{name}")
        with Image.open(tmp_path / f"{name}.png") as drawn:
            assert (image.step, image.width, image.height) == (2, *drawn.size)


def test_images_of_two_channels_train_without_a_picture(tmp_path: Path) -> None:
    fit(
        "generate(latent=4, base_channels=4)",
        "nsgan",
        X.repeat(1, 2, 1, 1),
        steps=2,
        device="cpu",
        out=tmp_path,
        callbacks=(),
    )
    assert not list(tmp_path.glob("*.png"))
    assert (tmp_path / "checkpoint.pt").exists()
