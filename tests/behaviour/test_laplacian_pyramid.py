"""Test the Laplacian pyramid and the training of its levels."""

import pytest
import torch
from torch import nn

from advlearn.core.grammar import resolve
from advlearn.critics import build as build_critics
from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.nets.families.lapgan import LAPGANCritic, LAPGANGenerator
from advlearn.nets.families.pyramid import composed, doubled, halved, laplacian
from advlearn.run import load
from advlearn.tasks.laplacian_pyramid import LaplacianPyramid

IMAGES = torch.rand(6, 2, 16, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1
SOURCE = ArrayDataset(IMAGES, torch.arange(6) % 3, "few", classes=3)
CHAIN = resolve("nsgan")


class Constant(nn.Module):
    """A generator that returns the same images for every input."""

    def __init__(self, image: torch.Tensor):
        super().__init__()
        self.image = nn.Parameter(image)

    def forward(self, z, *rest):
        return self.image.expand(len(z), *self.image.shape)


def pyramid(**settings) -> LaplacianPyramid:
    return LaplacianPyramid.from_data(SOURCE, levels=2, latent=3, base_channels=4, **settings)


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_decomposition_and_reconstruction_are_exact_inverses(levels):
    x = IMAGES.double()
    parts = laplacian(x, levels)
    assert [tuple(p.shape[2:]) for p in parts] == [(16 >> k, 12 >> k) for k in range(levels + 1)]
    torch.testing.assert_close(composed(parts), x, rtol=0, atol=1e-14)


def test_any_parts_reconstruct_to_the_enlarged_image_plus_the_residual():
    """Generated residuals need not be those of the image's pyramid, but composing them always gives
    the enlarged small image plus the residual."""
    small, residual = torch.randn(2, 1, 4, 4), torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(composed([residual, small]), doubled(small) + residual)


def test_a_constant_image_has_no_residual():
    parts = laplacian(torch.full((1, 1, 8, 8), 0.3), 2)
    assert all(part.abs().max() < 1e-6 for part in parts[:-1])
    torch.testing.assert_close(parts[-1], torch.full((1, 1, 2, 2), 0.3))


def test_both_kernels_are_those_of_the_formula():
    """Halving blurs a row of pixels by (1, 3, 3, 1) / 8; doubling splits it by (3, 1) / 4."""
    row = torch.zeros(8)
    row[4] = 1.0
    down = halved(row.expand(1, 1, 8, 8))[0, 0, 1]
    torch.testing.assert_close(down, torch.tensor([0, 1, 3, 0]) / 8 + torch.tensor([0, 0, 0, 0.0]))
    up = doubled(torch.tensor([0.0, 4.0, 0.0]).expand(1, 1, 3, 3))[0, 0, 2]
    torch.testing.assert_close(up, torch.tensor([0.0, 1, 3, 3, 1, 0]))


def test_the_real_side_of_each_level_is_the_pyramid():
    task = pyramid()
    pairs = task((IMAGES,)).pairs
    fine, middle, small = laplacian(IMAGES, 2)
    assert list(pairs) == ["level2", "level1", "level0"] and sorted(
        build_critics(task, CHAIN)
    ) == sorted(pairs)
    torch.testing.assert_close(pairs["level2"].real, small)
    for name, residual, below in (
        ("level1", middle, small),
        ("level0", fine, doubled(small) + middle),
    ):
        (h, coarse), (generated, condition) = pairs[name].real, pairs[name].fake
        torch.testing.assert_close(h, residual)
        torch.testing.assert_close(coarse, doubled(below))
        assert (
            torch.equal(coarse, condition)
            and generated.shape == h.shape
            and generated.requires_grad
        )


def test_each_critic_trains_only_the_generator_of_its_level():
    """The loss of one level's critic gives a gradient only to the generator of that level."""
    task = pyramid()
    generators = {"level2": task.coarsest, "level1": task.residuals[1], "level0": task.residuals[0]}
    for name, sides in task((IMAGES,)).pairs.items():
        fake = sides.fake if name == "level2" else sides.fake[0]
        moved = torch.autograd.grad(fake.sum(), list(task.parameters()), allow_unused=True)
        ids = {id(p) for p, g in zip(task.parameters(), moved, strict=True) if g is not None}
        assert ids == {id(p) for p in generators[name].parameters()}


def test_a_sample_is_composed_from_all_levels():
    parts = laplacian(IMAGES[:1] * 0.9, 2)
    task = LaplacianPyramid(
        Constant(parts[2][0]), [Constant(p[0]) for p in parts[:2]], latent=3, shape=(2, 16, 12)
    )
    torch.testing.assert_close(task.sample(4), IMAGES[:1].expand(4, -1, -1, -1) * 0.9)
    assert [tuple(x.shape) for x in task.stages(4)] == [(4, 2, 4, 3), (4, 2, 8, 6), (4, 2, 16, 12)]


def test_decoded_images_differ_only_by_their_latents():
    task = pyramid()
    z = torch.randn(3, 3)
    first, second, third = task.decode(torch.stack([z[0], z[0], z[1]]))
    torch.testing.assert_close(first, second)
    assert not torch.allclose(first, third, atol=1e-4)
    # The finer levels have noise, which is drawn again at each call.
    assert not torch.equal(task.decode(z), task.decode(z))
    with pytest.raises(ValueError, match="labels: expected None"):
        task.decode(z, torch.zeros(3, dtype=torch.int64))


def test_samples_are_clipped_to_the_range_of_the_data():
    loud = [Constant(torch.full((1, 4, 4), 5.0))]
    small = Constant(torch.zeros(1, 2, 2))
    for tanh_output, most in ((True, 1), (False, 5)):
        task = LaplacianPyramid(small, loud, latent=1, shape=(1, 4, 4), tanh_output=tanh_output)
        assert float(task.sample(1).max()) == most


def test_the_critic_scores_only_the_image():
    critic = LAPGANCritic((2, 8, 8), base_channels=4)
    h, coarse = torch.randn(2, 3, 2, 8, 8)
    torch.testing.assert_close(critic(h, coarse), critic(h + coarse, torch.zeros_like(h)))


def test_noise_and_the_enlarged_image_both_matter():
    net = LAPGANGenerator((2, 8, 8), base_channels=4)
    z, coarse = torch.randn(2, 3, 1, 8, 8), torch.randn(2, 3, 2, 8, 8)
    assert not torch.allclose(net(z[0], coarse[0]), net(z[1], coarse[0]))
    assert not torch.allclose(net(z[0], coarse[0]), net(z[0], coarse[1]))


def test_classes_reach_every_level_and_its_critic():
    task = pyramid(conditional=True)
    critics = build_critics(task, CHAIN)
    for name, (real, fake, *_) in task((IMAGES, SOURCE.y)).pairs.items():
        assert torch.equal(real[-1], SOURCE.y) and torch.equal(fake[-1], SOURCE.y)
        other = (*real[:-1], (SOURCE.y + 1) % 3)
        assert not torch.allclose(critics[name](*real), critics[name](*other))
    torch.manual_seed(0)
    first = task.sample(3, torch.tensor([0, 0, 0]))
    torch.manual_seed(0)
    assert not torch.allclose(task.sample(3, torch.tensor([0, 1, 0]))[1], first[1])
    assert task.sample(5).shape == (5, 2, 16, 12)


@pytest.mark.parametrize(
    "objective", ["wgan-gp", "hinge + spectral_norm", "began", "mmd", "mmd-gan", "r3gan"]
)
def test_a_loaded_run_samples_like_the_trained_one(objective, tmp_path):
    run = fit(
        "laplacian_pyramid(latent=3, base_channels=4)",
        objective,
        SOURCE,
        steps=2,
        batch_size=4,
        device="cpu",
        callbacks=(),
    )
    again = load(run.save(tmp_path / "run.pt"))
    assert torch.equal(again.sample(3, seed=1), run.sample(3, seed=1))


@pytest.mark.parametrize(
    ("shape", "levels"), [((1, 28, 28), 2), ((3, 32, 32), 2), ((3, 64, 64), 3), ((1, 8, 8), 1)]
)
def test_images_are_halved_down_to_a_few_pixels(shape, levels):
    task = LaplacianPyramid.from_data(
        ArrayDataset(torch.zeros(2, *shape)), latent=2, base_channels=2
    )
    assert len(task.residuals) == levels


def test_bad_input_is_one_line():
    with pytest.raises(ValueError, match="data: expected images"):
        LaplacianPyramid.from_data(ArrayDataset(torch.zeros(4, 2)))
    for levels, words in ((3, "at least 1, and a number of times that"), (-1, "a whole number")):
        with pytest.raises(ValueError, match=f"levels: expected {words}"):
            LaplacianPyramid.from_data(SOURCE, levels=levels)
    with pytest.raises(ValueError, match="levels: expected a number of times"):
        laplacian(IMAGES, 3)
    with pytest.raises(ValueError, match="residuals: expected a generator for at least one"):
        LaplacianPyramid(nn.Identity(), [], latent=3, shape=(1, 4, 4))
    with pytest.raises(
        ValueError, match=r"generator: expected samples of shape \(1, 2, 2\), got \(1, 4, 4\)"
    ):
        LaplacianPyramid(
            Constant(torch.zeros(1, 4, 4)), [LAPGANGenerator((1, 4, 4))], latent=3, shape=(1, 4, 4)
        )
    with pytest.raises(ValueError, match="generator: expected a module of z"):
        LaplacianPyramid(
            Constant(torch.zeros(1, 2, 2)), [LAPGANGenerator((1, 8, 8))], latent=3, shape=(1, 4, 4)
        )
    with pytest.raises(ValueError, match="labels: expected None"):
        pyramid().sample(2, torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="labels: expected 2 integers below 3"):
        pyramid(conditional=True).sample(2, torch.tensor([0, 3]))
