import io
from itertools import chain

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, Dataset, TensorDataset

from advlearn.data import ArrayDataset, Batches, StreamedBatches, StreamedDataset, batches, load


class Plain(Dataset):
    """Twenty-three numbered vectors of class i % 4, drawn one by one."""

    targets = tuple(i % 4 for i in range(23))

    def __len__(self):
        return 23

    def __getitem__(self, index):
        return torch.tensor([float(index), 0.0]), self.targets[index]


def numbered(n: int = 23) -> ArrayDataset:
    x = torch.stack([torch.arange(n).float(), torch.zeros(n)], dim=1)
    return ArrayDataset(x, torch.arange(n) % 4, "numbered", classes=4)


def stream(kind: str, **options):
    if kind == "resident":
        return Batches(numbered(), 5, **options)
    if kind == "lazy":
        return StreamedBatches(StreamedDataset(Plain(), "plain", (2,), 4), 5, **options)
    workers = 1 if kind == "workers" else 0
    return StreamedBatches(
        load(DataLoader(Plain(), batch_size=5, shuffle=True, num_workers=workers)), **options
    )


def drawn(source, count: int) -> list[list[int]]:
    result = []
    for _ in range(count):
        x, y = next(source)
        assert torch.equal(y, x[:, 0].long() % 4)
        result.append(x[:, 0].long().tolist())
    return result


def flat(lists):
    return list(chain.from_iterable(lists))


KINDS = ["resident", "lazy", "loader"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_draws_each_sample_at_most_once_and_drops_the_rest(kind):
    source = stream(kind)
    assert source.per_epoch == 4 and iter(source) is source
    epochs = [flat(drawn(source, 4)) for _ in range(10)]
    assert all(len(set(epoch)) == 20 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 10
    assert set().union(*epochs) == set(range(23))  # each epoch drops other samples


def test_streamed_and_resident_data_have_the_same_order():
    expected = drawn(stream("resident", seed=7), 10)
    assert all(
        drawn(stream(kind, seed=7), 10) == expected for kind in ("lazy", "loader", "workers")
    )


def test_nearby_seeds_do_not_repeat_each_other():
    epochs = [
        flat(drawn(source, 4))
        for seed in range(4)
        for source in [stream("resident", seed=seed)]
        for _ in "abc"
    ]
    assert len({tuple(epoch) for epoch in epochs}) == 12


@pytest.mark.parametrize("kind", [*KINDS, "workers"])
@pytest.mark.parametrize("after", [0, 3, 4, 6])
def test_resumes_bit_for_bit_through_a_file(kind, after):
    first = stream(kind, seed=3)
    drawn(first, after)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    expected = drawn(first, 7)
    file.seek(0)
    second = stream(kind, seed=99)
    drawn(second, 2)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert drawn(second, 7) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_shares_of_all_ranks_form_the_joint_batch(kind):
    def joint(world_size: int) -> list[list[int]]:
        size = {"batch_size": 6}
        if kind == "resident":
            ranks = [
                Batches(numbered(), 6, seed=1, rank=rank, world_size=world_size)
                for rank in range(world_size)
            ]
        else:
            source = (
                StreamedDataset(Plain(), "plain", (2,), 4)
                if kind == "lazy"
                else load(DataLoader(Plain(), 6, True))
            )
            ranks = [
                StreamedBatches(source, **size, seed=1, rank=rank, world_size=world_size)
                for rank in range(world_size)
            ]
        return [flat(parts) for parts in zip(*(drawn(rank, 5) for rank in ranks), strict=True)]

    assert joint(1) == joint(2) == joint(3)


def test_a_run_resumes_with_another_number_of_processes():
    one = Batches(numbered(), 6, seed=1)
    drawn(one, 2)
    two = [Batches(numbered(), 6, seed=1, rank=rank, world_size=2) for rank in range(2)]
    for rank in two:
        rank.load_state_dict(one.state_dict())
    expected = drawn(one, 1)[0]
    assert flat(drawn(rank, 1)[0] for rank in two) == expected


def test_without_labels_a_batch_is_one_tensor():
    (x,) = next(Batches(ArrayDataset(torch.rand(4, 3)), 2))
    assert x.shape == (2, 3)
    (x,) = next(StreamedBatches(load(DataLoader(TensorDataset(torch.rand(4, 3)), batch_size=2))))
    assert x.shape == (2, 3) and x.dtype == torch.float32


def test_a_loader_in_order_stays_in_order_and_keeps_its_collation():
    def doubled(items):
        return torch.stack([2 * x for x, _ in items]).double(), [2 * y for _, y in items]

    source = StreamedBatches(load(DataLoader(Plain(), batch_size=4, collate_fn=doubled)))
    x, y = next(source)
    assert (
        x[:, 0].tolist() == [0, 2, 4, 6] and x.dtype == torch.float32 and y.tolist() == [0, 2, 4, 6]
    )


def test_raw_images_of_a_loader_are_scaled():
    images = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None].expand(2, 4, 4)
    (x,) = next(StreamedBatches(load(DataLoader(TensorDataset(images), batch_size=2))))
    assert x.shape == (2, 1, 4, 4) and x[:, 0, 0, 0].tolist() == [-1.0, 1.0]


class NoHostSync(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            raise AssertionError("the host waited for the device")
        return func(*args, **(kwargs or {}))


def test_resident_batches_do_not_synchronise_with_the_device():
    source = stream("resident")
    with NoHostSync():
        with pytest.raises(AssertionError, match="waited"):
            torch.ones(()).item()
        for _ in range(9):
            next(source)
    assert source.order.epoch == 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_global_random_state_does_not_change(kind):
    before = torch.get_rng_state()
    drawn(stream(kind), 6)
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_are_chosen_by_the_type_of_the_data():
    assert isinstance(batches(numbered(), 5), Batches)
    assert isinstance(batches(load(DataLoader(Plain(), batch_size=5))), StreamedBatches)
    assert len(next(batches(load(DataLoader(Plain(), batch_size=5)), 3))[0]) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: Batches(numbered(), 512),
            "batch_size: expected at most the 23 samples of the data, got 512",
        ),
        (
            lambda: Batches(numbered(), 0),
            "batch_size: expected a whole number of at least 1, got 0",
        ),
        (
            lambda: Batches(numbered(), 5, world_size=2),
            "batch_size: expected a positive multiple of world_size=2, got 5",
        ),
        (
            lambda: Batches(numbered(), 4, rank=2, world_size=2),
            "rank: expected 0 to 1 with world_size=2, got 2",
        ),
        (lambda: batches(numbered()), "batch_size: expected an int for data in memory, got None"),
        (
            lambda: StreamedBatches(StreamedDataset(Plain(), "plain", (2,), 4)),
            "batch_size: .*without a DataLoader",
        ),
        (
            lambda: Batches(numbered(), 4).load_state_dict(Batches(numbered(), 5).state_dict()),
            "state: expected batch_size=4 like this run, got 5",
        ),
        (
            lambda: Batches(numbered(22), 4).load_state_dict(Batches(numbered(), 4).state_dict()),
            "state: expected samples=22 like this run, got 23",
        ),
        (
            lambda: Batches(numbered(), 4).load_state_dict({"epoch": 1}),
            "state: .*got a state without batch_size, position",
        ),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(ValueError, match=message):
        call()
