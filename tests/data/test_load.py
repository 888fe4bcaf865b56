import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
)

import advlearn.data.streamed_dataset as lazy
from advlearn.data import ArrayDataset, StreamedDataset, load, ring


class Pairs(Dataset):
    """Ten vectors (i, i) of class i % 3."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.full((2,), float(index)), index % 3


class Noisy(Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.rand(2) + np.random.rand() + random.random()


class Pictures(Dataset):
    classes = ("a", "b", "c", "d")

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return Image.new("RGB", (8, 8), (0, 255, 51 * index)), index


class Ragged(Pairs):
    def __getitem__(self, index):
        return torch.zeros(2 if index < 7 else 3), 0


def test_uint8_images_are_scaled_and_made_channel_first():
    pixels = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    pixels[0, 0, 0, 0], pixels[0, 0, 0, 1] = 0, 255
    source = load(pixels)
    assert isinstance(source, ArrayDataset) and source.shape == (3, 4, 4) and source.kind == "image"
    assert source.x[0, 0, 0, 0] == -1.0 and source.x[0, 1, 0, 0] == 1.0
    torch.testing.assert_close(
        source.x[1, 2, 3, 1], torch.tensor(pixels[1, 3, 1, 2] / 127.5 - 1.0).float()
    )


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 1, 8, 8), (5, 8, 8, 1)])
def test_uint8_grey_images_get_one_channel(shape):
    assert load(torch.zeros(shape, dtype=torch.uint8)).shape == (1, 8, 8)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ">f8"])
def test_floats_are_not_scaled(dtype):
    values = np.array([[0.5, -3.0], [1e6, 0.25]]).astype(
        dtype if dtype != np.float16 else np.float32
    )
    source = load(values)
    assert source.x.dtype == torch.float32
    assert torch.equal(source.x, torch.tensor([[0.5, -3.0], [1e6, 0.25]]))


def test_arrays_that_torch_cannot_share_are_copied():
    values = np.arange(6.0).reshape(3, 2)
    values.flags.writeable = False
    source = load(values[::-1])
    assert torch.equal(source.x, torch.tensor([[4.0, 5.0], [2.0, 3.0], [0.0, 1.0]]))


@pytest.mark.parametrize(
    "kind", [list, np.array, torch.tensor, lambda y: torch.tensor(y, dtype=torch.uint8)]
)
def test_labels_of_any_integer_form(kind):
    source = load(torch.zeros(3, 2), labels=kind([0, 1, 1]))
    assert source.y is not None and source.y.dtype == torch.int64 and source.y.tolist() == [0, 1, 1]
    assert source.classes == 2 and source.class_names == ()
    assert load((np.zeros((3, 2)), kind([0, 1, 1]))).y.tolist() == [0, 1, 1]


def test_a_tensor_that_carries_gradient_is_detached():
    assert not load(torch.zeros(3, 2, requires_grad=True)).x.requires_grad


def test_data_sets_and_toys_are_returned_unchanged():
    toy = ring(n=10)
    assert load(toy) is toy.data
    assert load(toy.data) is toy.data


def test_small_dataset_becomes_resident():
    source = load(Pairs())
    assert isinstance(source, ArrayDataset) and source.classes == 3 and source.name == "Pairs"
    assert torch.equal(source.x[:, 0], torch.arange(10.0)) and source.y.tolist() == [
        i % 3 for i in range(10)
    ]


def test_tensor_dataset_and_its_compositions_agree():
    x, y = torch.rand(6, 2), torch.tensor([0, 1, 0, 1, 2, 0])
    whole = TensorDataset(x, y)
    for dataset in (
        whole,
        Subset(whole, range(6)),
        ConcatDataset([Subset(whole, [0, 1]), Subset(whole, range(2, 6))]),
    ):
        source = load(dataset)
        assert torch.equal(source.x, x) and torch.equal(source.y, y) and source.classes == 3
    assert load(TensorDataset(x)).y is None


def test_pictures_and_named_classes():
    source = load(Pictures())
    assert source.shape == (3, 8, 8) and source.classes == 4
    torch.testing.assert_close(source.x[2, :, 0, 0], torch.tensor([-1.0, 1.0, 102 / 127.5 - 1]))


def test_too_big_or_random_datasets_are_streamed(monkeypatch):
    assert isinstance(load(Noisy()), StreamedDataset)
    monkeypatch.setattr(lazy, "RESIDENT_BYTES", 8)
    source = load(Pictures())
    assert isinstance(source, StreamedDataset)
    assert (len(source), source.shape, source.kind, source.classes) == (3, (3, 8, 8), "image", 4)
    with pytest.raises(
        ValueError, match="data: expected an attribute `classes` or `targets` on Pairs"
    ):
        load(Pairs())


def test_loading_does_not_change_global_random_states():
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    load(Noisy())
    load("moons")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all() and random.getstate() == before[2]


def test_settings_of_a_loader_are_kept():
    source = load(DataLoader(Pairs(), batch_size=4, shuffle=True))
    assert isinstance(source, StreamedDataset)
    assert (source.batch_size, source.shuffle, source.classes, source.shape) == (4, True, 3, (2,))
    assert not load(DataLoader(Pairs(), batch_size=4)).shuffle


def test_near_names_are_suggested():
    with pytest.raises(
        ValueError,
        match=r"data: expected a folder or one of digits, .*got 'mnsit'; did you mean 'mnist'",
    ):
        load("mnsit")


@pytest.mark.parametrize(
    ("data", "labels", "error", "message"),
    [
        ({"x": 1}, None, TypeError, "data: expected a name.*got dict"),
        (
            torch.zeros(10, dtype=torch.int64),
            None,
            TypeError,
            r"data: expected floats.*got int64 \(10,\)",
        ),
        (
            np.array(["a"]),
            None,
            TypeError,
            r"data: expected a tensor or a numeric array, got <U1 \(1,\)",
        ),
        (
            torch.zeros(4, 2, dtype=torch.uint8),
            None,
            TypeError,
            r"data: expected floats .* or images .*got uint8 \(4, 2\)",
        ),
        (torch.zeros(0, 2), None, ValueError, "data: expected at least one sample"),
        (
            np.full((2, 2), np.inf),
            None,
            ValueError,
            "data: expected finite values, got inf in sample 0",
        ),
        (
            torch.full((2, 1, 4, 4), 256.0),
            None,
            ValueError,
            r"data: expected images in \[-1, 1\].*256 to 256",
        ),
        (
            torch.zeros(2, 2),
            [0.0, 1.0],
            TypeError,
            r"labels: expected integers.*got float64 \(2,\)",
        ),
        (torch.zeros(2, 2), torch.zeros(2, 1, 1).long(), TypeError, r"labels: .*\(2, 1, 1\)"),
        (torch.zeros(2, 2), [0, 1, 2], ValueError, r"labels: expected shape \(2,\)"),
        (torch.zeros(2, 2), [0, -1], ValueError, "labels: .*got -1"),
        (
            "digits",
            [0, 1],
            ValueError,
            "labels: expected none except with a tensor, an array or a DataFrame, got .* str",
        ),
        (TensorDataset(torch.zeros(0, 2)), None, ValueError, "data: .*empty TensorDataset"),
        (
            TensorDataset(*[torch.zeros(4, 2)] * 3),
            None,
            TypeError,
            "data: expected items x or .*got 3 parts",
        ),
        (Ragged(), None, ValueError, r"data: .*\(2,\) like the first one, got \(3,\) in sample 7"),
        (
            DataLoader(Pairs(), batch_size=None),
            None,
            ValueError,
            "data: expected a DataLoader with a batch size",
        ),
        (
            DataLoader(Pairs(), sampler=torch.utils.data.SubsetRandomSampler([0, 1])),
            None,
            ValueError,
            "data: expected a DataLoader.*got sampler SubsetRandomSampler",
        ),
    ],
)
def test_refuses_bad_input_in_one_line(data, labels, error, message):
    with pytest.raises(error, match=message) as caught:
        load(data, labels)
    assert "\n" not in str(caught.value)
