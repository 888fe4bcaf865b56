"""Test the picture of samples next to real ones, and samples written to files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import advlearn
from advlearn.data import ArrayDataset
from advlearn.plots.drawn_samples import DrawnSamples, draw
from advlearn.plots.run_samples import sample_plot
from advlearn.plots.sample_sheet import Images, sample_sheet


def flat(levels: list[float]) -> torch.Tensor:
    """Return one grey image of 64 x 64 for each level."""
    return torch.tensor(levels).view(-1, 1, 1, 1).expand(-1, 1, 64, 64)


def grey_areas(path: Path, level: int) -> list[tuple[int, int]]:
    """Return the corners of the images of a grey level, by row and column of the picture."""
    pixels = np.asarray(Image.open(path).convert("L")) == level
    inner = pixels & ~np.roll(pixels, 1, 0) & ~np.roll(pixels, 1, 1)
    corners = [(int(r), int(c)) for r, c in np.argwhere(inner)]
    return [(r, c) for r, c in corners if pixels[r : r + 64, c : c + 64].all()]


def test_each_class_has_a_row_and_real_images_are_on_the_right(tmp_path):
    samples = Images(flat([0.0, -0.5, 0.0]), torch.tensor([1, 0, 1]))
    real = Images(flat([0.5]), torch.tensor([1]))
    path = sample_sheet(samples, tmp_path / "sheet.png", real=real, class_names=("cat", "dog"))
    (cat,), dogs, (real_dog,) = (grey_areas(path, level) for level in (64, 128, 191))
    assert len(dogs) == 2 and dogs[0][0] == dogs[1][0] == real_dog[0] > cat[0]
    assert cat[1] == dogs[0][1] < dogs[1][1] < real_dog[1]


def test_the_title_the_headings_and_the_class_names_are_drawn(tmp_path):
    samples = Images(flat([1.0] * 4), torch.arange(4) % 2)

    def dark_pixels(name: str, **options: object) -> int:
        path = sample_sheet(samples, tmp_path / name, **options)
        return int((np.asarray(Image.open(path)) < 128).sum())

    plain = dark_pixels("a.png", class_names=("", ""))
    assert plain > 0  # "generated"
    assert dark_pixels("b.png", class_names=("cat", "dog")) > plain
    assert dark_pixels("c.png", class_names=("", ""), title="step 5") > plain
    assert dark_pixels("d.png", class_names=("", ""), real=samples) > plain


def test_many_images_of_a_class_take_several_rows(tmp_path):
    samples = Images(flat([0.0] * 20), torch.zeros(20, dtype=torch.int64))
    areas = grey_areas(sample_sheet(samples, tmp_path / "sheet.png"), 128)
    rows = [row for row, _ in areas]
    assert [rows.count(row) for row in sorted({*rows})] == [16, 4]


def test_bad_images_are_refused_in_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"^generated: expected images \(N, 1 or 3, H, W\), got "):
        sample_sheet(Images(torch.zeros(3, 2)), tmp_path / "sheet.png")
    with pytest.raises(ValueError, match=r"^real: expected a class for each of 1 images, got "):
        real = Images(flat([0.0]), torch.zeros(2, dtype=torch.int64))
        sample_sheet(Images(flat([0.0])), tmp_path / "sheet.png", real=real)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    x = torch.rand(24, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    data = ArrayDataset(x, torch.arange(24) % 2, "noise", 2, class_names=("cat", "a dog"))
    out = tmp_path_factory.mktemp("run")
    task = "generate(latent=4,base_channels=4,conditional=True)"
    return advlearn.fit(task, "hinge", data, steps=1, callbacks=(), out=out, device="cpu")


def test_a_conditional_run_writes_a_sheet_by_class(run):
    assert (run.out / "step-00000001.png").exists()
    data = ArrayDataset(flat([0.0, 0.1, 0.2]), torch.tensor([1, 0, 1]), "three", 2)
    plot = sample_plot(run.out, 1, run.task, lambda: run.ema_model, data, "name")
    assert plot.samples().labels.tolist() == [0] * 8 + [1] * 8
    assert plot.real.labels.tolist() == [0, 1, 1]


def test_samples_are_drawn_by_class_truncation_and_seed(run):
    drawn = draw(run, 5, seed=3, classes=["a dog", "0"], truncation=0.5)
    assert drawn.labels.tolist() == [1, 0, 1, 0, 1]
    expected = run.sample(5, drawn.labels, seed=3, truncation=0.5)
    assert torch.equal(drawn.x, expected)
    assert draw(run, 4, seed=0).labels.tolist() == [0, 1, 0, 1]
    with pytest.raises(ValueError, match=r"^class: expected cat, a dog, or a number below 2, got"):
        draw(run, 5, seed=3, classes=["horse"])


def test_files_hold_the_drawn_samples(run, tmp_path):
    drawn = draw(run, 3, seed=0)
    folder = drawn.write(tmp_path / "images")
    assert sorted(p.name for p in folder.iterdir()) == [
        "000-cat.png",
        "001-a_dog.png",
        "002-cat.png",
    ]
    with np.load(drawn.write(tmp_path / "all.npz")) as stored:
        samples, labels = stored["samples"], stored["labels"]
    assert samples.shape == (3, 16, 16, 1) and samples.dtype == np.uint8
    assert labels.tolist() == [0, 1, 0]
    levels = (drawn.x * 127.5 + 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    assert np.array_equal(samples, levels)
    assert np.array_equal(np.asarray(Image.open(folder / "001-a_dog.png")), levels[1, ..., 0])


def test_vectors_are_written_to_npz_only(tmp_path):
    drawn = DrawnSamples(torch.ones(2, 3), None, (), 0, None)
    with np.load(drawn.write(tmp_path / "all.npz")) as stored:
        assert stored["samples"].tolist() == [[1, 1, 1]] * 2 and "labels" not in stored
    with pytest.raises(ValueError, match=r"^out: expected a file that ends in .npz for samples of"):
        drawn.write(tmp_path / "images")
