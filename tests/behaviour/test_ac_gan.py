"""Test AC-GAN: the loss of generator and classifier, and samples of a requested class."""

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
    """A generator that returns a learned point for each class and ignores the noise."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(CENTRES.clone())

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.places[y]


def task(weight: float = 1.0) -> ACGAN:
    return ACGAN(Centres(), nn.Linear(2, 3), latent=1, shape=(2,), classifier_weight=weight)


def test_the_loss_is_the_sum_of_both_cross_entropies_with_the_batch_labels() -> None:
    ac_gan, x, y = task(0.5), CLUSTERS.x[:10], LABELS[:10]
    round = ac_gan((x, y))
    expected = cross_entropy(ac_gan.classifier(x), y) + cross_entropy(
        ac_gan.classifier(CENTRES[y]), y
    )
    assert round.loss is not None
    torch.testing.assert_close(round.loss, 0.5 * expected)
    real, fake, *_ = round.pairs["data"]
    assert torch.equal(cast(Tensor, real), x) and torch.equal(cast(Tensor, fake), CENTRES[y])


def test_latents_are_decoded_by_class() -> None:
    y = torch.tensor([2, 0, 1, 1])
    assert torch.equal(task().decode(torch.randn(4, 1), y), CENTRES[y])
    assert torch.equal(task().decode(torch.randn(4, 1)), CENTRES[[0, 1, 2, 0]])


def test_a_uniform_classifier_costs_twice_the_entropy_of_the_classes() -> None:
    ac_gan = task()
    for p in ac_gan.classifier.parameters():
        nn.init.zeros_(p)
    loss = ac_gan((CLUSTERS.x, LABELS)).loss
    assert loss is not None and loss.item() == pytest.approx(2 * math.log(3), rel=1e-6)


def test_the_loss_moves_the_generator_towards_its_class_and_the_critic_gets_no_class() -> None:
    ac_gan = task()
    with torch.no_grad():
        ac_gan.classifier.weight.copy_(CENTRES)  # type: ignore[union-attr,operator]
        ac_gan.classifier.bias.zero_()  # type: ignore[union-attr,operator]
    loss = ac_gan((CLUSTERS.x, LABELS)).loss
    assert loss is not None
    (gradient,) = torch.autograd.grad(loss, [ac_gan.generator.places])  # type: ignore[list-item]
    # Raising the logit of its class moves a point along the centre, against the gradient.
    assert ((gradient * CENTRES).sum(1) < 0).all()
    critic = build_critics(ac_gan, resolve("hinge"))["data"]
    assert critic(CLUSTERS.x).shape == (96,)


def test_samples_are_of_the_requested_class() -> None:
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


def test_mismatched_input_is_one_line() -> None:
    with pytest.raises(
        ValueError, match=r"^data: expected a class for each sample, got no labels in 'bare'$"
    ):
        ACGAN.from_data(ArrayDataset(CLUSTERS.x, None, "bare"))
    with pytest.raises(
        ValueError, match=r"^labels: expected 2 integers below 3, got \(2,\) torch.int64$"
    ):
        task().sample(2, torch.tensor([0, 3]))
    with pytest.raises(
        ValueError, match=r"^classifier_weight: expected a finite number of at least 0, got -1;"
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
