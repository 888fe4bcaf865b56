import torch
from torch.nn.functional import cross_entropy

from advlearn.core.critic_batch import CriticBatch
from advlearn.objectives.k_plus_one import KPlusOne
from tests.closed_form.objective_cases import normal

REAL, FAKE = normal(6, 4), normal(6, 4, seed=1)
Y = torch.tensor([0, -1, 3, -1, 1, -1])


def critic_batch(y: torch.Tensor | None = Y) -> CriticBatch:
    real = REAL if y is None else (REAL, y)
    return CriticBatch(torch.nn.Identity(), real, FAKE if y is None else (FAKE, y), REAL, FAKE)


def with_fake_class(logits: torch.Tensor) -> torch.Tensor:
    return torch.cat([logits, torch.zeros(len(logits), 1, dtype=logits.dtype)], 1)


def test_critic_loss_is_the_cross_entropy_of_k_plus_one_classes() -> None:
    fake = cross_entropy(with_fake_class(FAKE), torch.full((6,), 4))
    p_fake = with_fake_class(REAL).softmax(1)[:, 4]
    real = -torch.log1p(-p_fake).mean()
    torch.testing.assert_close(KPlusOne().critic_loss(critic_batch(None)), real + fake)


def test_labels_add_the_cross_entropy_of_the_labelled_samples() -> None:
    labelled = Y >= 0
    expected = KPlusOne().critic_loss(critic_batch(None)) + 3 * cross_entropy(
        REAL[labelled], Y[labelled]
    )
    torch.testing.assert_close(KPlusOne(label_weight=3).critic_loss(critic_batch()), expected)


def test_without_labels_only_the_adversarial_loss_is_left() -> None:
    torch.testing.assert_close(
        KPlusOne().critic_loss(critic_batch(torch.full((6,), -1))),
        KPlusOne().critic_loss(critic_batch(None)),
    )


def test_generator_weight_zero_gives_a_zero_loss() -> None:
    assert KPlusOne(generator_weight=0).player_loss(critic_batch()) == 0


def test_entropy_counts_only_the_unlabelled_samples() -> None:
    unlabelled = Y < 0
    entropy = torch.distributions.Categorical(logits=REAL[unlabelled]).entropy().mean()
    torch.testing.assert_close(
        KPlusOne(entropy=2).critic_loss(critic_batch()),
        KPlusOne().critic_loss(critic_batch()) + 2 * entropy,
    )
    everyone = torch.distributions.Categorical(logits=REAL).entropy().mean()
    expected = KPlusOne().critic_loss(critic_batch(None)) + everyone
    torch.testing.assert_close(KPlusOne(entropy=1).critic_loss(critic_batch(None)), expected)
