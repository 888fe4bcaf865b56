"""Which layers' inputs are a critic's features, found in its forward pass."""

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.features import features
from advlearn.core.modules import freeze
from advlearn.regularizers.feature_matching import FeatureMatching


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Projection(nn.Module):
    """A conditional critic with a convolution for the score and a linear embedding of classes."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 8, 3)
        self.last = nn.Conv2d(8, 1, 3)
        self.embed = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 8))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = self.body(x)
        score = self.last(h).flatten(1).mean(1, keepdim=True)
        return score + (h.mean((2, 3)) * self.embed(y)).sum(1, keepdim=True)


def test_an_embedding_of_labels_is_not_taken_for_the_features() -> None:
    torch.manual_seed(0)
    critic, y = Projection(), torch.eye(5)[:4]
    real, fake = draw(4, 3, 8, 8), draw(4, 3, 8, 8, seed=1).requires_grad_()
    adversary = Adversary(critic, "hinge + feature_matching")
    adversary.player_loss((real, y), (fake, y))
    gap = critic.body(real).mean(0) - critic.body(fake).mean(0)
    torch.testing.assert_close(
        adversary.last_losses["player_FeatureMatching"], gap.square().sum().detach()
    )


class Auxiliary(nn.Module):
    """A critic that calls a layer after the score's, and returns only the score."""

    def __init__(self) -> None:
        super().__init__()
        self.side = nn.Linear(4, 3)
        self.last = nn.Linear(4, 1)
        self.body = nn.Linear(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        score = self.last(h.relu())
        self.extra = self.side(h.tanh())
        return score


def test_the_layer_of_the_features_leads_to_the_score() -> None:
    critic, x = Auxiliary(), draw(3, 2).requires_grad_()
    with freeze(critic):
        torch.testing.assert_close(features(critic, x), critic.body(x).relu())


def test_layers_are_found_in_the_order_of_their_calls() -> None:
    class Reversed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(4, 1)
            self.first = nn.Linear(2, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(input=self.first(x))

    critic, x = Reversed(), draw(3, 2)
    torch.testing.assert_close(features(critic, x), critic.first(x))
    with torch.no_grad():
        torch.testing.assert_close(features(critic, x), critic.first(x))


def patch() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Conv2d(4, 1, 3)
    )


def value(critic: nn.Module, spec: str, real: Tensor, fake: Tensor) -> Tensor:
    adversary = Adversary(critic, f"hinge + {spec}")
    adversary.player_loss(real, fake.requires_grad_())
    return adversary.last_losses["player_FeatureMatching"]


def test_a_critic_of_convolutions_has_features() -> None:
    critic, real, fake = patch(), draw(4, 3, 9, 9), draw(4, 3, 9, 9, seed=1).requires_grad_()
    found = value(critic, "feature_matching", real, fake)
    gap = critic[:4](real).mean(0) - critic[:4](fake).mean(0)
    torch.testing.assert_close(found, gap.square().sum().detach())


def test_all_layers_in_pairs_is_the_mean_absolute_difference_of_each_map() -> None:
    critic, real, fake = patch(), draw(4, 3, 9, 9), draw(4, 3, 9, 9, seed=1).requires_grad_()
    found = value(critic, "feature_matching(layers='all', paired=True)", real, fake)
    gaps = [(critic[:n](real) - critic[:n](fake)).abs().mean() for n in (2, 4)]
    torch.testing.assert_close(found, torch.stack(gaps).mean().detach())


def test_the_real_side_of_a_pair_gets_no_gradient() -> None:
    critic = patch()
    real, fake = (draw(4, 3, 9, 9, seed=seed).requires_grad_() for seed in (0, 1))
    batch = CriticBatch(critic, real, fake, None, critic(fake))
    FeatureMatching(layers="all", paired=True).player_penalty(batch).backward()
    assert fake.grad is not None and fake.grad.any()
    assert real.grad is None


def test_pairs_of_different_number_are_refused() -> None:
    adversary = Adversary(patch(), "hinge + feature_matching(paired=True)")
    with pytest.raises(ValueError, match="fake: expected 4 samples, one for each real one"):
        adversary.player_loss(draw(4, 3, 9, 9), draw(3, 3, 9, 9, seed=1).requires_grad_())


@pytest.mark.parametrize("spec", ["feature_matching", "feature_matching(layers='all')"])
@pytest.mark.slow
def test_a_critic_compiled_by_itself_has_the_features_of_the_plain_one(spec: str) -> None:
    real, fake = draw(4, 3, 9, 9), draw(4, 3, 9, 9, seed=1)
    try:
        found = value(torch.compile(patch(), backend="aot_eager"), spec, real, fake)
    finally:
        torch._dynamo.reset()
    torch.testing.assert_close(found, value(patch(), spec, real, fake))


class Scales(nn.Module):
    """Two sub-critics that return their feature maps, with three and two of them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.bodies = nn.ModuleList(
            nn.ModuleList(nn.Conv1d(1 if i == 0 else 4, 4, 3) for i in range(n)) for n in (3, 2)
        )
        self.heads = nn.ModuleList(nn.Conv1d(4, 1, 3) for _ in range(2))

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        scores, maps = [], []
        for body, head in zip(self.bodies, self.heads, strict=True):
            h, found = x, []
            for layer in body:
                h = layer(h).tanh()
                found.append(h)
            scores.append(head(h))
            maps.append(found)
        return scores, maps


@pytest.mark.parametrize("weighted", [False, True])
def test_returned_maps_of_several_critics_are_compared_in_pairs(weighted: bool) -> None:
    critic, real, fake = Scales(), draw(4, 1, 20), draw(4, 1, 20, seed=1).requires_grad_()
    weights = torch.tensor([1.0, 0.0, 0.0, 3.0]) if weighted else None
    adversary = Adversary(critic, "lsgan + feature_matching(layers='all', paired=True)")
    adversary.player_loss(real, fake, fake_weights=weights)
    means = []
    for of_real, of_fake in zip(critic(real)[1], critic(fake)[1], strict=True):
        gaps = torch.stack(
            [(r - f).abs().mean((1, 2)) for r, f in zip(of_real, of_fake, strict=True)]
        )
        by_sample = gaps.mean(0)
        means.append(by_sample.mean() if weights is None else (by_sample * weights).sum() / 4)
    torch.testing.assert_close(
        adversary.last_losses["player_FeatureMatching"], torch.stack(means).mean().detach()
    )
