"""Test the image pool: it keeps every fake once, and the critic gets half old fakes."""

import pytest
import torch

from advlearn.core.adversary import Adversary
from advlearn.regularizers.image_pool import ImagePool


def stored(pool: ImagePool) -> list[torch.Tensor]:
    return list(pool.held)


def test_size_zero_returns_the_batch() -> None:
    pool, x = ImagePool(size=0), torch.rand(4, 2)
    for _ in range(3):
        assert pool.filter_fakes(x, None)[0] is x


def test_until_full_the_pool_returns_and_stores_the_batch() -> None:
    pool = ImagePool(size=5)
    first, second = torch.rand(3, 2), torch.rand(3, 2)
    assert torch.equal(pool.filter_fakes(first, None)[0], first) and torch.equal(
        pool.filter_fakes(second, None)[0], second
    )
    assert torch.equal(stored(pool)[0], torch.cat([first, second])[:5])


def test_returned_and_stored_fakes_are_the_new_and_the_stored_ones() -> None:
    pool = ImagePool(size=10)
    numbers = iter(torch.arange(1000.0).view(-1, 4, 1))
    for _ in range(3):
        pool.filter_fakes(next(numbers), None)
    for _ in range(20):
        fresh, before = next(numbers), stored(pool)[0].clone()
        returned = pool.filter_fakes(fresh, None)[0]
        assert isinstance(returned, torch.Tensor)
        together = torch.cat([returned, stored(pool)[0]]).flatten().sort().values
        assert torch.equal(together, torch.cat([fresh, before]).flatten().sort().values)
        assert torch.equal(returned[2:], fresh[2:])
        assert (
            torch.isin(returned[:2], before).all() and torch.isin(fresh[:2], stored(pool)[0]).all()
        )


def test_every_place_of_the_pool_is_replaced() -> None:
    pool = ImagePool(size=7)
    pool.filter_fakes(torch.zeros(7, 1), None)
    for _ in range(60):
        pool.filter_fakes(torch.ones(4, 1), None)
    assert (stored(pool)[0] == 1).all()


def test_parts_and_weights_of_a_sample_stay_together() -> None:
    pool = ImagePool(size=6)
    for k in range(8):
        x = torch.rand(4, 3)
        (a, y), weights = pool.filter_fakes((x, (100 * x[:, 0]).long()), x[:, 1] + k * 0)
        assert torch.equal(y, (100 * a[:, 0]).long()) and torch.equal(weights, a[:, 1])
        assert y.dtype == torch.int64


def test_a_batch_larger_than_the_pool_replaces_all_of_it() -> None:
    pool, first, second = ImagePool(size=2), torch.rand(6, 1), torch.rand(6, 1)
    pool.filter_fakes(first, None)
    returned = pool.filter_fakes(second, None)[0]
    assert torch.equal(returned, torch.cat([first[:2], second[2:]]))
    assert torch.equal(stored(pool)[0], second[:2])


class Recorder(torch.nn.Module):
    """A critic that records its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.inputs: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.inputs.append(x.detach())
        return self.layer(x)


def test_the_critic_step_uses_old_fakes_and_the_generator_step_new_ones() -> None:
    critic = Recorder()
    adversary = Adversary(critic, "lsgan + image_pool(size=4)")
    real = torch.full((4, 1), 9.0)
    adversary.update(real, torch.full((4, 1), 1.0))
    fresh = torch.full((4, 1), 2.0, requires_grad=True)
    adversary.update(real, fresh)
    assert critic.inputs[-1].flatten().tolist() == [9.0] * 4 + [1.0, 1.0, 2.0, 2.0]
    adversary.player_loss(real, fresh).backward()
    assert critic.inputs[-1].flatten().tolist() == [2.0] * 4
    assert fresh.grad is not None and (fresh.grad != 0).all()


def test_a_saved_pool_of_another_size_is_one_line() -> None:
    pool = ImagePool(size=2)
    pool.filter_fakes(torch.rand(6, 1), None)
    with pytest.raises(
        ValueError, match=r"^size: expected that of the saved image pool, 2, got 3$"
    ):
        ImagePool(size=3).load_state_dict(pool.state_dict())


def test_a_negative_size_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"^size: expected a .* number of at least 0, got -1; "):
        ImagePool(size=-1)
