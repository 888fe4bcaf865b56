"""Data of every form that people have: what is held, which classes, and in which batches."""

import random
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, WeightedRandomSampler

from advlearn._optional_imports import torchvision
from advlearn.data import (
    ArrayDataset,
    StreamedBatches,
    StreamedDataset,
    batches,
    load,
    streamed_dataset,
)


class Faces(Dataset):
    """Pictures with a transform and two classes."""

    classes = ("cat", "dog")

    def __init__(self, transform=None, blank: bool = False) -> None:
        self.transform = transform
        level = 0 if blank else 200
        self.picture = Image.new("RGB", (16, 16), (level, level // 2, 0))

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int):
        x = self.picture if self.transform is None else self.transform(self.picture)
        return x, index % 2


class Rows(IterableDataset):
    def __iter__(self):
        for index in range(6):
            yield {"x": np.full((2,), index, np.float32), "y": index % 2}


class HuggingFace:
    """A data set with the interface of Hugging Face `datasets.Dataset`."""

    column_names = ("image", "label")

    class ClassLabel:
        names = ("no", "yes")

    features = {"image": object(), "label": ClassLabel()}  # noqa: RUF012

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int):
        return {"image": Image.new("L", (8, 8), 50 * index), "label": index % 2}


def transforms():
    return torchvision().transforms


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["grey", "flip", "blur", "jitter", "nested"])
def test_random_transforms_are_recognised_whatever_they_draw(name, seed):
    t = transforms()
    made = {
        "grey": t.RandomGrayscale(0.01),
        "flip": t.RandomHorizontalFlip(),
        "blur": t.RandomApply([t.GaussianBlur(3)], p=0.01),
        "jitter": t.ColorJitter(0.1),
        "nested": t.Compose([t.Compose([t.RandomCrop(16)]), t.Resize(16)]),
    }[name]
    torch.manual_seed(seed)
    # A blank picture looks the same after most of these.
    source = load(Faces(t.Compose([made, t.ToTensor()]), blank=True))
    assert isinstance(source, StreamedDataset)
    assert any("drawn anew each epoch" in note for note in source.notes)


def test_fixed_transforms_are_held_in_memory():
    t = transforms()
    data = load(Faces(t.Compose([t.Resize(8), t.CenterCrop(8), t.ToTensor()])))
    assert isinstance(data, ArrayDataset) and data.class_names == ("cat", "dog")
    torch.testing.assert_close(data.x[0, :, 0, 0], torch.tensor([200, 100, 0]) / 127.5 - 1)


@pytest.mark.parametrize("library", ["torch", "numpy", "python", "own"])
def test_random_numbers_of_every_library_are_noticed(library):
    generator = np.random.default_rng(0)
    draw = {
        "torch": lambda: float(torch.rand(())),
        "numpy": lambda: float(np.random.rand()),
        "python": random.random,
        "own": lambda: float(generator.random()),
    }[library]

    class Rarely(Dataset):
        """Add noise to one sample only; the others draw a number without using it."""

        def __len__(self):
            return 20

        def __getitem__(self, index):
            number = draw()
            return torch.full((2,), number if index == 19 else float(index))

    assert isinstance(load(Rarely()), StreamedDataset)


def test_streamed_samples_have_the_range_of_the_first_ones():
    t = transforms()
    source = load(Faces(t.Compose([t.RandomHorizontalFlip(), t.ToTensor()])))
    x, y = next(StreamedBatches(source, 8))
    torch.testing.assert_close(x[0, :, 0, 0], torch.tensor([200, 100, 0]) / 127.5 - 1)
    assert y.dtype == torch.int64


def test_one_unscaled_sample_among_streamed_ones_is_named():
    class OneWrong(Dataset):
        def __len__(self):
            return 200

        def __getitem__(self, index):
            return torch.rand(1, 8, 8) * (255 if index == 150 else 1)

    source = load(OneWrong())
    with pytest.raises(ValueError, match=r"expected values in \[0, 1\].*in sample 150"):
        next(StreamedBatches(source, 200))


def test_hugging_face_data_sets_dicts_of_splits_and_iterables():
    data = load(HuggingFace())
    assert (data.shape, data.classes, data.class_names) == ((1, 8, 8), 2, ("no", "yes"))
    assert data.x[:, 0, 0, 0].tolist() == pytest.approx([50 * i / 127.5 - 1 for i in range(4)])
    split = load({"train": HuggingFace(), "test": HuggingFace()})
    assert isinstance(split, ArrayDataset) and len(split.test()) == 4
    rows = load(Rows())
    assert rows.x[:, 0].tolist() == [0, 1, 2, 3, 4, 5] and rows.y.tolist() == [0, 1, 0, 1, 0, 1]
    assert torch.equal(load(DataLoader(Rows(), batch_size=2)).x, rows.x)


def test_an_iterable_that_does_not_end_is_refused(monkeypatch):
    class Endless(IterableDataset):
        def __iter__(self):
            while True:
                yield np.zeros(1000, np.float32)

    monkeypatch.setattr(streamed_dataset, "RESIDENT_BYTES", 10**6)
    with pytest.raises(ValueError, match=r"at most .* samples and .* GiB, got more from Endless"):
        load(Endless())


def test_keys_of_dicts_are_found_or_asked_for():
    class Dicts(HuggingFace):
        def __getitem__(self, index):
            return {"image": np.zeros((8, 8, 3), np.uint8), "label": 0, "class": 1}

    with pytest.raises(ValueError, match=r"one key of a sample .*'class'.*keys=\('image'"):
        load(Dicts())
    assert load(Dicts(), keys=("image", None)).y is None
    with pytest.raises(ValueError, match=r"keys: expected keys of .*got 'picture'"):
        load(Dicts(), keys=("picture", None))


def test_array_files(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", pixels)
    np.savez(tmp_path / "x.npz", images=pixels, labels=np.array([0, 1] * 3))
    np.savez(tmp_path / "two.npz", left=pixels, right=pixels)
    mapped, packed = load(tmp_path / "x.npy"), load(str(tmp_path / "x.npz"))
    assert mapped.mapped and not packed.mapped and packed.classes == 2
    assert torch.equal(mapped.x, packed.x) and mapped.stored.dtype == torch.uint8
    np.testing.assert_allclose(mapped.x[2, 1, 3, 4], pixels[2, 3, 4, 1] / 127.5 - 1, atol=1e-6)
    first, second = (next(batches(data, 6, seed=3))[0] for data in (mapped, packed))
    assert torch.equal(first, second)
    with pytest.raises(ValueError, match=r"one array of samples .*left, right.*keys=\('left'"):
        load(tmp_path / "two.npz")
    (tmp_path / "bad.npy").write_bytes(b"no array")
    with pytest.raises(ValueError, match=r"cannot read '.*bad\.npy' as an array"):
        load(tmp_path / "bad.npy")


def test_lists_of_arrays():
    values = [np.full((2, 8, 8), k / 4, np.float32) for k in range(4)]
    assert load(values).shape == (2, 8, 8)
    with pytest.raises(ValueError, match=r"got \(3,\) in sample 1; pass \(x, y\) as a tuple"):
        load([np.zeros((3, 2)), np.zeros(3)])
    with pytest.raises(TypeError, match="expected a list of arrays of numbers"):
        load(["a", "b"])


def test_data_frames():
    frame = pd.DataFrame({"width": [1.0, 2.0, 3.0], "whole": [1, 2, 3], "kind": ["b", "a", "b"]})
    data = load(frame, "kind")
    assert data.x.tolist() == [[1, 1], [2, 2], [3, 3]] and data.y.tolist() == [1, 0, 1]
    assert data.class_names == ("a", "b")
    with pytest.raises(TypeError, match=r"got .* in column 'kind'; encode it"):
        load(frame)
    frame.loc[1, "width"] = np.nan
    with pytest.raises(ValueError, match="missing value in column 'width', row 1"):
        load(frame, "kind")
    with pytest.raises(ValueError, match=r"labels: expected a column among .*got 'colour'"):
        load(frame, "colour")


@pytest.mark.parametrize(
    ("labels", "indices", "names"),
    [
        (["dog", "cat", "dog"], [1, 0, 1], ("cat", "dog")),
        ([0, 5, 0], [0, 1, 0], ("0", "5")),
        ([3, 1, 2], [2, 0, 1], ("1", "2", "3")),
        ([[1], [0], [1]], [1, 0, 1], ()),
        ([[0, 1], [1, 0], [0, 1]], [1, 0, 1], ()),
        ([True, False, True], [1, 0, 1], ()),
        (pd.Series(["b", "a", "b"], dtype="category"), [1, 0, 1], ("a", "b")),
    ],
)
def test_labels_of_every_form(labels, indices, names):
    data = load(torch.zeros(3, 2), labels)
    assert data.y.tolist() == indices and data.class_names == names
    assert data.classes == max(indices) + 1


def test_labels_with_gaps_are_reported():
    data = load(torch.zeros(3, 2), [0, 5, 0])
    assert data.notes == ("labels 0, 5 mapped to 0 to 1",)


def test_a_label_that_no_class_has_is_named():
    class Wrong(Faces):
        def __getitem__(self, index):
            return self.picture, 7 if index == 3 else 0

    with pytest.raises(ValueError, match=r"labels: expected indices of the 2 classes.*got 7"):
        load(Wrong())


def test_a_split_trains_on_its_train_folder(tmp_path):
    for part, level in (("train", 0), ("val", 255)):
        for name in ("cat", "dog"):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            Image.new("L", (8, 8), level).save(folder / "a.png")
    data = load(tmp_path)
    assert data.class_names == ("cat", "dog") and data.name == tmp_path.name
    assert bool((data.x == -1).all()) and bool((data.test().x == 1).all())
    assert any("val/ is held out" in note for note in data.notes)
    (tmp_path / "val" / "bird").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "val" / "bird" / "a.png")
    with pytest.raises(ValueError, match=r"expected sub-folders cat, dog .*bird"):
        load(tmp_path).test()
    (tmp_path / "train").rename(tmp_path / "test")
    with pytest.raises(ValueError, match=r"a split with 'train', got .*rename the folder"):
        load(tmp_path)


def test_balanced_batches_draw_each_class_equally_often():
    y = torch.tensor([0] * 900 + [1] * 100)
    data = load(torch.randn(1000, 2), y, balanced=True)
    stream = batches(data, 1000, seed=0)
    drawn = torch.cat([next(stream)[1] for _ in range(10)])
    # 10,000 coin flips: five standard deviations are 250.
    assert abs(int(drawn.sum()) - 5000) < 250
    with pytest.raises(ValueError, match="balanced: expected data in memory with a class"):
        load(torch.randn(10, 2), balanced=True)


def test_weights_of_a_loader_are_kept_and_resume_exactly():
    sampler = WeightedRandomSampler([1.0] * 39 + [1000.0], 40)
    source = load(DataLoader(Faces(transforms().ToTensor()), 8, sampler=sampler))
    stream = StreamedBatches(source, seed=1)
    chosen = stream.order.indices().flatten()
    assert int((chosen == 39).sum()) > 30
    next(stream)
    state = stream.state_dict()
    again = StreamedBatches(source, seed=1)
    again.load_state_dict(state)
    assert torch.equal(next(stream)[1], next(again)[1])


def test_mirrored_images_are_flipped_half_of_the_time_and_resume_exactly():
    x = torch.zeros(100, 1, 8, 8)
    x[..., 0] = 1
    data = load(x, mirror=True)
    stream = batches(data, 50, seed=0)
    first, second = next(stream)[0], next(stream)[0]
    flipped = torch.cat([first, second])[:, 0, 0, 7] == 1
    assert 25 < int(flipped.sum()) < 75
    again = batches(data, 50, seed=0)
    again.load_state_dict({**stream.state_dict(), "position": 1})
    assert torch.equal(next(again)[0], second)
    with pytest.raises(ValueError, match="mirror: expected images"):
        load(torch.zeros(4, 2), mirror=True)


def test_options_of_the_order_survive_the_removal_of_labels():
    y = torch.tensor([0, 1, 1])
    data = load(torch.rand(3, 1, 8, 8), y, mirror=True, balanced=True).unlabelled()
    assert data.y is None and data.mirror and data.weights is not None


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_uint8_images_take_little_more_than_their_own_memory(tmp_path, torch_only):
    np.save(tmp_path / "x.npy", np.zeros((32768, 32, 32, 3), np.uint8))
    code = (
        "import sys, torch, numpy as np\n"
        "from advlearn.data import load, batches\n"
        "def peak():  # ru_maxrss would include the parent's memory\n"
        "    line = next(l for l in open('/proc/self/status') if l.startswith('VmHWM'))\n"
        "    return int(line.split()[1])\n"
        "x = np.load(sys.argv[1]) if sys.argv[2] == 'array' else sys.argv[1]\n"
        "next(batches(load(torch.rand(8, 3, 8, 8)), 4)); before = peak()\n"
        "stream = batches(load(x), 64); next(stream); print((peak() - before) / 98304)\n"
    )
    for form in ("array", "mapped"):
        done = torch_only.python("-c", code, str(tmp_path / "x.npy"), form)
        assert done.returncode == 0, done.stderr
        assert float(done.stdout) <= 1.3
