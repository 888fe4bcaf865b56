import math

import pytest
import torch

from advlearn.data import gaussian, grid, moons, ring


def test_ring_has_its_modes_on_the_circle():
    toy = ring(n=40_000, modes=8, radius=2.0, sigma=0.05)
    assert torch.allclose(toy.centres.norm(dim=1), torch.full((8,), 2.0))
    torch.testing.assert_close(toy.centres[1], torch.tensor([math.sqrt(2), math.sqrt(2)]))
    check_mixture(toy)


def test_grid_has_its_modes_on_the_lattice():
    toy = grid(n=40_000)
    expected = {(float(i), float(j)) for i in (-4, -2, 0, 2, 4) for j in (-4, -2, 0, 2, 4)}
    assert {tuple(centre) for centre in toy.centres.tolist()} == expected
    check_mixture(toy)


def check_mixture(toy):
    x, y, modes = toy.data.x, toy.data.y, len(toy.centres)
    noise = (x - toy.centres[y]) / toy.sigma
    # Bounds of five standard errors, with a fixed seed.
    assert noise.mean().abs() < 5 / math.sqrt(noise.numel())
    assert abs(noise.std() - 1) < 5 / math.sqrt(2 * noise.numel())
    assert (y.bincount(minlength=modes) - len(x) / modes).abs().max() < 5 * math.sqrt(
        len(x) / modes
    )
    assert toy.data.classes == modes
    assert torch.equal(torch.cdist(x, toy.centres).argmin(dim=1), y)


def test_gaussian_moments():
    toy = gaussian(40_000, mean=[1.0, -2.0], std=0.5, seed=3)
    assert toy.centres.tolist() == [[1.0, -2.0]] and toy.sigma == 0.5
    check_mixture(toy)
    assert gaussian(10, mean=3.0, std=1.0).data.shape == (1,)


def test_moons_lie_on_their_half_circles():
    source = moons(n=1000, sigma=0.0)
    middle = torch.tensor([[0.0, 0.0], [1.0, 0.5]])[source.y]
    torch.testing.assert_close((source.x - middle).norm(dim=1), torch.ones(1000))
    assert bool(((source.x - middle)[:, 1] * torch.tensor([1, -1])[source.y] >= -1e-6).all())


def test_the_seed_determines_the_draws_and_the_global_state_does_not_change():
    state = torch.get_rng_state()
    assert torch.equal(ring(n=50, seed=1).data.x, ring(n=50, seed=1).data.x)
    assert not torch.equal(ring(n=50, seed=1).data.x, ring(n=50, seed=2).data.x)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ring(n=0), "n: expected a whole number of at least 1, got 0"),
        (lambda: ring(modes=0), "modes: expected a whole number of at least 1"),
        (lambda: grid(side=0), "side: expected a whole number of at least 1"),
        (lambda: gaussian(5, 0.0, -1.0), "std: expected a finite number of at least 0, got -1.0"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(ValueError, match=message):
        call()
