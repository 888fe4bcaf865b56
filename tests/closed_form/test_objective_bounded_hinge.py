"""The hinge loss with a bounded generator's loss."""

import torch

from advlearn import Adversary
from advlearn.core.grammar import resolve
from advlearn.objectives.bounded_hinge import BoundedHinge
from advlearn.objectives.hinge import Hinge
from advlearn.testing._material import of_scores

REAL, FAKE = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([-2.0, 0.5, 1.5, 0.0])


def test_the_critics_loss_is_the_hinge_loss() -> None:
    batch = of_scores(REAL, FAKE)
    assert BoundedHinge().critic_loss(batch) == Hinge().critic_loss(batch)


def test_the_generators_loss_is_the_mean_hinge_and_stops_at_the_margin() -> None:
    fake = FAKE.clone().requires_grad_()
    loss = BoundedHinge().player_loss(of_scores(REAL, fake))
    assert loss.item() == (3 + 0.5 + 0 + 1) / 4 + (3 + 1.5 + 0) / 3
    loss.backward()
    assert fake.grad.tolist() == [-0.25, -0.25, 0.0, -0.25]


def test_it_is_hinge2_in_a_string_and_the_loss_of_a_head() -> None:
    assert repr(resolve("hinge2")) == "BoundedHinge()"
    critic = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(critic.weight)
    fake = FAKE[:, None].clone().requires_grad_()
    loss = Adversary(critic, "hinge2").player_loss(REAL[:, None], fake)
    assert loss.item() == 4.5 / 4
