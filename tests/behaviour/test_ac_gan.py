"""AC-GAN: what generator and classifier are told, and that the class can be asked for."""

import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from advlearn.core.grammar import resolve
from advlearn.critics import build as build_critics
from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.nets import MLPGenerator
from advlearn.run import load
from advlearn.tasks.ac_gan import ACGAN

CENTRES = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [0.0, 1.5]])
LABELS = torch.arange(96) % 3
CLUSTERS = ArrayDataset(
    CENTRES[LABELS] + 0.1 * torch.randn(96, 2, generator=torch.Generator().manual_seed(0)),
    LABELS,
    "clusters",
    3,
)


class Centres(nn.Module):
    """A generator that puts each class at its place, whatever the noise."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(CENTRES.clone())

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.places[y]


def task(weight: float = 1.0) -> ACGAN:
    return ACGAN(Centres(), nn.Linear(2, 3), latent=1, shape=(2,), classifier_weight=weight)


def test_the_loss_is_both_cross_entropies_with_the_labels_of_the_batch() -> None:
    made, x, y = task(0.5), CLUSTERS.x[:10], LABELS[:10]
    round = made((x, y))
    expected = cross_entropy(made.classifier(x), y) + cross_entropy(made.classifier(CENTRES[y]), y)
    assert round.loss is not None
    torch.testing.assert_close(round.loss, 0.5 * expected)
    real, fake, *_ = round.pairs["data"]
    assert torch.equal(cast(Tensor, real), x) and torch.equal(cast(Tensor, fake), CENTRES[y])


def test_latents_are_decoded_by_class() -> None:
    y = torch.tensor([2, 0, 1, 1])
    assert torch.equal(task().decode(torch.randn(4, 1), y), CENTRES[y])
    assert torch.equal(task().decode(torch.randn(4, 1)), CENTRES[[0, 1, 2, 0]])


def test_a_classifier_that_knows_nothing_costs_twice_the_entropy_of_the_classes() -> None:
    made = task()
    for p in made.classifier.parameters():
        nn.init.zeros_(p)
    loss = made((CLUSTERS.x, LABELS)).loss
    assert loss is not None and loss.item() == pytest.approx(2 * math.log(3), rel=1e-6)


def test_the_loss_moves_the_generator_towards_its_class_and_the_critic_sees_no_class() -> None:
    made = task()
    with torch.no_grad():
        made.classifier.weight.copy_(CENTRES)  # type: ignore[union-attr,operator]
        made.classifier.bias.zero_()  # type: ignore[union-attr,operator]
    loss = made((CLUSTERS.x, LABELS)).loss
    assert loss is not None
    (gradient,) = torch.autograd.grad(loss, [made.generator.places])  # type: ignore[list-item]
    # To raise its own class's logit is to move along its centre, against the gradient.
    assert ((gradient * CENTRES).sum(1) < 0).all()
    critic = build_critics(made, resolve("hinge"))["data"]
    assert critic(CLUSTERS.x).shape == (96,)


def test_samples_are_of_the_class_that_was_asked_for() -> None:
    labels = torch.tensor([2, 2, 0, 1])
    assert torch.equal(task().sample(4, labels), CENTRES[labels])
    assert torch.equal(task().sample(4), CENTRES[torch.tensor([0, 1, 2, 0])])


def test_a_saved_run_predicts_and_samples_the_same(tmp_path: Any) -> None:
    run = fit(
        "ac_gan(latent=2, classifier_weight=0.3)",
        "nsgan",
        CLUSTERS,
        steps=2,
        batch_size=8,
        device="cpu",
        callbacks=(),
    )
    again = load(run.save(tmp_path / "run.pt"))
    assert torch.equal(again.predict(CLUSTERS.x), run.predict(CLUSTERS.x))
    assert torch.equal(again.sample(6, seed=1), run.sample(6, seed=1))
    assert cast(ACGAN, again.ema_model).classifier_weight == 0.3


def test_what_does_not_fit_is_one_line() -> None:
    with pytest.raises(
        ValueError, match=r"^data: expected a class for each sample, got no labels in 'bare'$"
    ):
        ACGAN.from_data(ArrayDataset(CLUSTERS.x, None, "bare"))
    with pytest.raises(
        ValueError, match=r"^labels: expected 2 integers below 3, got \(2,\) torch.int64$"
    ):
        task().sample(2, torch.tensor([0, 3]))
    with pytest.raises(
        ValueError, match=r"^classifier_weight: expected a finite number of at least 0, got -1$"
    ):
        task(-1)
    with pytest.raises(
        ValueError, match=r"^generator: expected samples of shape \(2,\), got \(3,\)$"
    ):
        ACGAN(MLPGenerator(4, (3,), classes=3), nn.Linear(2, 3), latent=4, shape=(2,))
    with pytest.raises(ValueError, match=r"^generator: expected a module of z of shape \(2, 5\)"):
        ACGAN(MLPGenerator(4, (2,), classes=3), nn.Linear(2, 3), latent=5, shape=(2,))
    with pytest.raises(
        ValueError, match=r"^classifier: expected a module of samples of shape \(2,\), got"
    ):
        ACGAN(Centres(), nn.Linear(3, 3), latent=1, shape=(2,))
