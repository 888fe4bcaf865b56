"""Test scikit-learn estimators and a head on a user's model on a second device."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import advlearn
from advlearn.sklearn import (
    AdversarialFairClassifier,
    AdversarialFairRegressor,
    DomainAdversarialClassifier,
    SemiSupervisedGANClassifier,
)
from tests.device.second import DEVICE, NAME, SecondDevice, devices

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
GROUPS = RNG.integers(0, 2, 60)
ESTIMATORS = [
    (AdversarialFairClassifier, (Y,), {"sensitive_features": GROUPS}),
    (AdversarialFairRegressor, (X[:, 1],), {"sensitive_features": GROUPS}),
    (DomainAdversarialClassifier, (Y,), {"sample_domain": np.where(np.arange(60) < 30, 1, -1)}),
    (SemiSupervisedGANClassifier, (np.where(np.arange(60) < 20, Y, -1),), {}),
]


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize(("estimator", "targets", "known"), ESTIMATORS)
def test_an_estimator_trains_on_the_device_and_takes_and_returns_arrays(
    estimator: Any, targets: Any, known: Any
) -> None:
    fitted = estimator(steps=3, device=NAME, random_state=0).fit(X, *targets, **known)
    on_host = estimator(steps=3, device="cpu", random_state=0).fit(X, *targets, **known)
    np.testing.assert_allclose(fitted.predict(X), on_host.predict(X), rtol=1e-3)


@pytest.mark.parametrize("objective", ["hinge + spectral_norm", "wgan-gp", "mmd", "predictive"])
def test_a_head_on_a_layer_trains_on_the_device(objective: str, second: SecondDevice) -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).to(DEVICE)
    adversary = advlearn.Adversary(nn.Linear(8, 1).to(DEVICE), objective)
    x = torch.randn(10, 4, device=DEVICE)
    # The first call of a head finds out whether its critic mixes samples.
    adversary.update(torch.randn(5, 8, device=DEVICE), torch.randn(5, 8, device=DEVICE))
    second.waits.clear()
    with advlearn.attach(model, "1") as features:
        out = model(x)
        source, target = features.output[:5], features.output[5:]
        (out.square().mean() + adversary.reversed_loss(source, target)).backward()
        adversary.step()
        adversary.update(source, target)
        adversary.player_loss(source.detach(), target.detach().requires_grad_()).backward()
    assert not second.waits
    assert devices(adversary) <= {DEVICE}
    assert model[0].weight.grad is not None and model[0].weight.grad.device == DEVICE
    assert adversary.health().verdict
