"""Test classification with few labels: its batches, its losses, and refused data."""

import copy
from collections.abc import Iterator
from typing import Any, cast

import pytest
import torch
from sklearn.datasets import make_moons
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, default_collate

from advlearn.core.grammar import resolve
from advlearn.data import ArrayDataset, SemiSupervisedDataset, batches, open_semi_supervised
from advlearn.fitting import fit
from advlearn.metrics import accuracy
from advlearn.nets import MLPPredictor
from advlearn.run import load
from advlearn.tasks.semi_supervised import SemiSupervised


class Iterated(IterableDataset[Any]):
    """A stream of samples without a length."""

    def __iter__(self) -> Iterator[Any]:
        yield from X


def doubled(items: list[Any]) -> Any:
    """Collate a batch as a user might: double it."""
    x, *y = default_collate(items)
    return (2 * x, *y)


X = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
FEW = SemiSupervisedDataset(ArrayDataset(X[:8], Y[:8], "few", 2), ArrayDataset(X, Y, "all", 2))


def test_a_batch_holds_labelled_and_unlabelled_samples() -> None:
    x, y, more = next(batches(FEW, 8))
    assert x.shape == more.shape == (8, 2)
    assert set(y.tolist()) <= {0, 1}
    task = SemiSupervised.from_data(FEW, latent=3)
    real, fake, weights, _ = task((x, y, more)).pairs["data"]
    assert real[1].tolist() == [*y.tolist(), *[-1] * 8]
    assert weights is not None and weights.tolist() == [0] * 8 + [1] * 8
    assert (fake[1] == -1).all()


def test_generator_and_classifier_are_each_trained_by_their_own_loss() -> None:
    task = SemiSupervised(nn.Linear(3, 2), nn.Linear(2, 2), latent=3, shape=(2,))
    before = {name: p.detach().clone() for name, p in task.named_parameters()}
    run = fit(task, "improved-gan", FEW, steps=1, batch_size=8, device="cpu", callbacks=())
    assert run.trainer is not None
    assert {id(p) for p in task.trainable_parameters()} == {
        id(p) for p in task.generator.parameters()
    }
    moved = {name for name, p in run.task.named_parameters() if not torch.equal(p, before[name])}
    assert moved == set(before)
    averaged = run.ema_model.classifier.weight  # type: ignore[union-attr]
    assert not torch.equal(averaged, before["classifier.weight"])


def test_objectives_without_class_totals_are_refused() -> None:
    task = SemiSupervised.from_data(FEW, latent=3)
    assert task.check_compatibility(resolve("hinge").required_objective()) is None
    for spec, reason in (("ragan", "pairs or sets"), ("mmd", "'vector'"), ("ebgan", "'energy'")):
        assert reason in str(task.check_compatibility(resolve(spec).required_objective()))


def test_a_saved_run_predicts_the_same(tmp_path: Any) -> None:
    run = fit(
        "semi_supervised(latent=2)",
        "improved-gan",
        FEW,
        steps=2,
        batch_size=8,
        device="cpu",
        callbacks=(),
    )
    assert torch.equal(load(run.save(tmp_path / "run.pt")).predict(X), run.predict(X))


def test_label_minus_one_means_unlabelled() -> None:
    y = Y.clone()
    y[6:] = -1
    data = open_semi_supervised((X.numpy(), y.numpy()))
    assert (len(data.labelled), len(data.unlabelled), data.classes) == (6, 60, 2)


def test_a_loader_is_a_stream_of_unlabelled_samples() -> None:
    labelled = ArrayDataset(X[:8], Y[:8], "few", 2)
    for others in (TensorDataset(X), TensorDataset(X, Y)):
        loader = DataLoader(others, batch_size=4, shuffle=True, collate_fn=doubled)
        data = open_semi_supervised((labelled, loader))
        more = next(batches(data, 8))[2]
        rows = (2 * X).tolist()
        assert more.shape == (8, 2) and all(row in rows for row in more.tolist())
        run = fit(
            "semi_supervised(latent=2)",
            "improved-gan",
            (labelled, loader),
            steps=2,
            device="cpu",
            callbacks=(),
        )
        assert run.predict(X).shape == (60, 2)


def test_a_stream_without_a_length_is_read_into_memory() -> None:
    data = open_semi_supervised(
        (ArrayDataset(X[:8], Y[:8], "few", 2), DataLoader(Iterated(), batch_size=4))
    )
    assert torch.equal(cast(ArrayDataset, data.unlabelled).x, X)


def test_unlabelled_samples_improve_accuracy() -> None:
    x, y = (torch.from_numpy(part) for part in make_moons(1000, noise=0.1, random_state=0))
    x = x.float()
    few = torch.cat([(y == k).nonzero()[:3, 0] for k in (0, 1)])
    net = MLPPredictor((2,), 2, (64, 64))
    alone = copy.deepcopy(net)
    optimizer = torch.optim.Adam(alone.parameters(), 5e-3)
    for _ in range(300):
        optimizer.zero_grad()
        cross_entropy(alone(x[few]), y[few]).backward()
        optimizer.step()
    generator = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 2))
    game = SemiSupervised(generator, net, latent=8, shape=(2,))
    run = fit(
        game, "improved-gan", ((x[few], y[few]), x), steps=800, lr=5e-3, device="cpu", callbacks=()
    )
    found = accuracy(alone(x), y), accuracy(run.predict(x), y)
    assert found[0] < 0.9 and found[1] > 0.94, found


def test_the_seed_chooses_equally_many_labels_of_each_class() -> None:
    first, again, other = (open_semi_supervised("digits:30", seed=s).labelled for s in (0, 0, 1))
    assert torch.bincount(first.y).tolist() == [3] * 10  # type: ignore[union-attr,arg-type]
    assert torch.equal(first.x, again.x)  # type: ignore[union-attr]
    assert not torch.equal(first.x, other.x)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (
            "digits",
            r"^data: expected 'NAME:COUNT' such as 'mnist:100', got 'digits'$",
        ),
        ("digits:15", r"^data: expected a number of labels that its 10 classes divide, got 15$"),
        (
            "digits:99990",
            r"^data: expected at most 1740 labels, because a class of 'digits' has 174 samples, "
            r"got 99990$",
        ),
        (
            (X, [-1] * 60),
            r"^labels: expected some samples with a class, got -1 \(unlabelled\) for all$",
        ),
        ((X, [0, 1]), r"^labels: expected shape \(60,\), one per sample, got \(2,\)$"),
    ],
)
def test_bad_data_is_one_line(data: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        open_semi_supervised(data)
