"""A history of fakes: nothing is lost or doubled, half of what is shown is old, the player sees its own."""

import pytest
import torch

from advlearn.core.adversary import Adversary
from advlearn.regularizers.image_pool import ImagePool


def held(history: ImagePool) -> list[torch.Tensor]:
    return history.get_extra_state()["held"]


def test_no_history_shows_what_comes() -> None:
    history, x = ImagePool(size=0), torch.rand(4, 2)
    for _ in range(3):
        assert history.filter_fakes(x, None)[0] is x


def test_until_it_is_full_it_shows_what_comes_and_keeps_it() -> None:
    history = ImagePool(size=5)
    first, second = torch.rand(3, 2), torch.rand(3, 2)
    assert torch.equal(history.filter_fakes(first, None)[0], first) and torch.equal(
        history.filter_fakes(second, None)[0], second
    )
    assert torch.equal(held(history)[0], torch.cat([first, second])[:5])


def test_what_is_shown_and_what_is_kept_are_what_came_and_what_was_kept() -> None:
    history = ImagePool(size=10)
    numbers = iter(torch.arange(1000.0).view(-1, 4, 1))
    for _ in range(3):
        history.filter_fakes(next(numbers), None)
    for _ in range(20):
        fresh, before = next(numbers), held(history)[0]
        shown = history.filter_fakes(fresh, None)[0]
        assert isinstance(shown, torch.Tensor)
        together = torch.cat([shown, held(history)[0]]).flatten().sort().values
        assert torch.equal(together, torch.cat([fresh, before]).flatten().sort().values)
        assert torch.equal(shown[2:], fresh[2:])
        assert torch.isin(shown[:2], before).all() and torch.isin(fresh[:2], held(history)[0]).all()


def test_every_place_of_the_history_is_drawn() -> None:
    history = ImagePool(size=7)
    history.filter_fakes(torch.zeros(7, 1), None)
    for _ in range(60):
        history.filter_fakes(torch.ones(4, 1), None)
    assert (held(history)[0] == 1).all()


def test_parts_and_weights_of_a_sample_stay_together() -> None:
    history = ImagePool(size=6)
    for k in range(8):
        x = torch.rand(4, 3)
        (a, y), weights = history.filter_fakes((x, (100 * x[:, 0]).long()), x[:, 1] + k * 0)
        assert torch.equal(y, (100 * a[:, 0]).long()) and torch.equal(weights, a[:, 1])
        assert y.dtype == torch.int64


def test_a_batch_larger_than_the_history_swaps_all_of_it() -> None:
    history, first, second = ImagePool(size=2), torch.rand(6, 1), torch.rand(6, 1)
    history.filter_fakes(first, None)
    shown = history.filter_fakes(second, None)[0]
    assert torch.equal(shown, torch.cat([first[:2], second[2:]]))
    assert torch.equal(held(history)[0], second[:2])


class Watched(torch.nn.Module):
    """A critic that remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.detach())
        return self.layer(x)


def test_the_critic_is_shown_old_fakes_and_the_player_its_own() -> None:
    critic = Watched()
    adversary = Adversary(critic, "lsgan + image_pool(size=4)")
    real = torch.full((4, 1), 9.0)
    adversary.update(real, torch.full((4, 1), 1.0))
    fresh = torch.full((4, 1), 2.0, requires_grad=True)
    adversary.update(real, fresh)
    assert critic.seen[-1].flatten().tolist() == [9.0] * 4 + [1.0, 1.0, 2.0, 2.0]
    adversary.player_loss(real, fresh).backward()
    assert critic.seen[-1].flatten().tolist() == [2.0] * 4
    assert fresh.grad is not None and (fresh.grad != 0).all()


def test_a_negative_size_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"^size: expected a finite number of at least 0, got -1$"):
        ImagePool(size=-1)
