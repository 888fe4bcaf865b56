"""Test PairedTranslation: its loss, the inputs of its critic, and its default networks."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import advlearn
from advlearn.core.grammar import resolve
from advlearn.critics import build as build_critics
from advlearn.data import Pairs, batches, open_pairs
from advlearn.fitting import fit
from advlearn.nets import AutoencoderCritic, ConcatCritic, IdentityCritic, MLPGenerator
from advlearn.nets.adapters.channel_concat_critic import ChannelConcatCritic
from advlearn.nets.families.patchgan import PatchGANCritic
from advlearn.nets.families.translators import SRGANGenerator
from advlearn.nets.families.unet import UNetGenerator
from advlearn.tasks.paired_translation import PairedTranslation

X, Y = torch.rand(12, 1, 8, 8), torch.rand(12, 3, 8, 8)
IMAGES = Pairs(X, Y, "images")


class Constant(nn.Module):
    """A translator that returns one learned number everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.level.expand(len(x), 2)


def test_the_loss_is_the_weighted_distance_and_its_gradient_is_the_sign() -> None:
    y = torch.tensor([[1.0, 2.0], [-1.0, 3.0]])
    for norm, value, slope in (("l1", 7 / 4, -2 / 4), ("l2", 15 / 4, -2 * 5 / 4)):
        net = Constant()
        loss = PairedTranslation(net, shape=(3,), target_shape=(2,), distance_weight=10, norm=norm)(
            (torch.zeros(2, 3), y)
        ).loss
        assert loss is not None
        loss.backward()
        torch.testing.assert_close(loss.detach(), torch.tensor(10 * value))
        torch.testing.assert_close(net.level.grad, torch.tensor(10 * slope))


def test_the_distance_can_compare_frozen_features() -> None:
    features = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.9))
    net, y = Constant(), torch.tensor([[1.0, 2.0], [-1.0, 3.0]])
    task = PairedTranslation(
        net, shape=(3,), target_shape=(2,), distance_weight=10, norm="l2", perceptual=features
    )
    assert [id(p) for p in task.trainable_parameters()] == [id(net.level)] and task.config() is None
    loss = task.train()((torch.zeros(2, 3), y)).loss
    assert loss is not None
    loss.backward()
    gap = -y @ features[0].weight.T
    torch.testing.assert_close(loss.detach(), 10 * gap.square().mean())
    slope = 10 * (2 * gap * features[0].weight.sum(1)).mean()
    torch.testing.assert_close(net.level.grad, slope)
    assert features[1].training and all(p.grad is None for p in features.parameters())


def test_the_critic_gets_the_input_with_the_output_if_conditional() -> None:
    task = PairedTranslation.from_data(IMAGES, base_channels=4)
    real, fake, *_ = task((X, Y)).pairs["pairs"]
    assert all(torch.equal(a, b) for a, b in zip(real, (X, Y), strict=True))
    assert (
        torch.equal(fake[0], X)
        and torch.equal(fake[1], task.generator(X))
        and fake[1].requires_grad
    )
    critic = build_critics(task, resolve("lsgan"))["pairs"]
    assert not torch.equal(critic(X, Y), critic(X.flip(0), Y))
    unconditional = PairedTranslation.from_data(IMAGES, base_channels=4, conditional=False)(
        (X, Y)
    ).pairs["pairs"]
    assert torch.equal(unconditional.real, Y) and isinstance(unconditional.fake, torch.Tensor)


def test_adversarial_weight_zero_is_only_the_distance() -> None:
    task = PairedTranslation.from_data(IMAGES, base_channels=4, adversarial_weight=0.0)
    assert build_critics(task, resolve("lsgan")) == {} and task((X, Y)).pairs == {}


@pytest.mark.parametrize(
    ("into", "onto", "net"),
    [
        ((1, 8, 8), (3, 8, 8), UNetGenerator),
        ((1, 2, 2), (3, 8, 8), SRGANGenerator),
        ((4,), (3, 8, 8), MLPGenerator),
        ((4,), (2,), MLPGenerator),
    ],
)
def test_the_proposed_generator_matches_the_shapes(
    into: tuple[int, ...], onto: tuple[int, ...], net: type
) -> None:
    data = Pairs(torch.rand(6, *into), torch.rand(6, *onto))
    task = PairedTranslation.from_data(data, base_channels=4)
    assert isinstance(task.generator, net) and task.predict(data.x).shape == (6, *onto)
    run = fit(
        "paired_translation(base_channels=4)",
        "hinge",
        data,
        steps=2,
        batch_size=4,
        device="cpu",
        callbacks=(),
    )
    assert run.predict(data.x).shape == (6, *onto)


def test_vectors_paired_with_images_are_refused_with_their_shapes() -> None:
    with pytest.raises(
        ValueError,
        match=r"^data: expected targets as large as inputs .*, got \(1, 4, 4\) to \(1, 12, 12\)$",
    ):
        PairedTranslation.from_data(Pairs(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 12, 12)))
    with pytest.raises(
        ValueError, match=r"^data: expected vectors or images .*, got \(1, 8, 8\) to \(2,\)$"
    ):
        PairedTranslation.from_data(Pairs(torch.zeros(2, 1, 8, 8), torch.zeros(2, 2)))


@pytest.mark.parametrize(
    ("spec", "scores"),
    [
        ("lsgan", 4),
        ("hinge + spectral_norm", 4),
        ("wgan-gp", None),
        ("rpgan", None),
        ("mmd-gan", 16),
    ],
)
def test_image_critics_score_each_patch(spec: str, scores: int | None) -> None:
    critic = build_critics(PairedTranslation.from_data(IMAGES, base_channels=4), resolve(spec))[
        "pairs"
    ]
    assert isinstance(critic, ChannelConcatCritic) and isinstance(critic.net, PatchGANCritic)
    assert critic(X, Y).shape == ((12,) if scores is None else (12, scores))


@pytest.mark.parametrize(
    ("spec", "kind"), [("began", AutoencoderCritic), ("mmd(embedding='identity')", nn.Identity)]
)
def test_other_outputs_get_other_critics(spec: str, kind: type) -> None:
    critic = build_critics(PairedTranslation.from_data(IMAGES, base_channels=4), resolve(spec))[
        "pairs"
    ]
    assert isinstance(critic, ChannelConcatCritic | ConcatCritic) and isinstance(critic.net, kind)
    unconditional = build_critics(
        PairedTranslation.from_data(IMAGES, base_channels=4, conditional=False),
        resolve("mmd(embedding='identity')"),
    )
    assert isinstance(unconditional["pairs"], IdentityCritic)


def test_an_incompatible_objective_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^objective: paired_translation cannot use Predictive"):
        fit(
            "paired_translation(base_channels=4)",
            "predictive",
            IMAGES,
            steps=1,
            batch_size=4,
            device="cpu",
            callbacks=(),
        )


def test_bad_settings_are_one_line() -> None:
    net = nn.Linear(3, 2)
    with pytest.raises(ValueError, match=r"^norm: expected one of l1, l2, got 'l3'$"):
        PairedTranslation(net, shape=(3,), target_shape=(2,), norm="l3")  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"^distance_weight: expected a finite number of at least 0, got -1;"
    ):
        PairedTranslation(net, shape=(3,), target_shape=(2,), distance_weight=-1)
    with pytest.raises(ValueError, match=r"^generator: expected outputs of \(5,\), got \(2,\)$"):
        PairedTranslation(net, shape=(3,), target_shape=(5,))


def test_a_saved_run_predicts_the_same(tmp_path: Path) -> None:
    spec = "paired_translation(base_channels=4, distance_weight=5.0, norm='l2', conditional=False)"
    run = fit(spec, "lsgan", IMAGES, steps=2, batch_size=4, device="cpu", callbacks=())
    loaded = advlearn.load(run.save(tmp_path / "run.pt"))
    assert torch.equal(loaded.predict(X), run.predict(X))
    task: Any = loaded.task
    assert (task.distance_weight, task.norm, task.conditional, task.adversarial_weight) == (
        5.0,
        "l2",
        False,
        1.0,
    )


def test_training_learns_an_affine_map() -> None:
    x = torch.randn(256, 3)
    y = x @ torch.tensor([[1.0, 0.0], [0.5, -1.0], [0.0, 2.0]])
    task = PairedTranslation(nn.Linear(3, 2), shape=(3,), target_shape=(2,), base_channels=8)
    run = fit(task, "lsgan", (x, y), steps=400, lr=2e-2, device="cpu", callbacks=())
    assert float((run.predict(x) - y).abs().mean()) < 0.05


def test_the_picture_has_columns_for_input_output_and_target() -> None:
    videos = Pairs(torch.rand(5, 4, 8, 8), torch.rand(5, 1, 8, 8))
    columns = PairedTranslation.from_data(videos, base_channels=4).before_after(videos, 2)
    assert list(columns) == ["input 1", "input 2", "input 3", "input 4", "output", "truth"]
    assert all(c.shape == (2, 1, 8, 8) for c in columns.values())
    assert list(PairedTranslation.from_data(IMAGES, base_channels=4).before_after(IMAGES)) == [
        "input",
        "output",
        "truth",
    ]


def test_shuffling_keeps_the_pairs() -> None:
    stream = batches(Pairs(X, X.expand(-1, 3, -1, -1).contiguous()), 6)
    x, y = next(stream)
    assert torch.equal(x.expand_as(y), y)


def test_known_pixels_are_kept_and_only_the_hole_is_learned() -> None:
    pairs = open_pairs("hole:digits")
    x, y = pairs.x[:4], pairs.y[:4]
    task = PairedTranslation(
        nn.Conv2d(2, 1, 1), shape=(2, 8, 8), target_shape=(1, 8, 8), norm="l1", keep_known=True
    )
    hole = x[:, 1:] < 0
    output = task.predict(x)
    assert torch.equal(output[~hole], y[~hole])
    assert torch.equal(output[hole], task.generator(x)[hole])
    loss = task((x, y)).loss.detach()
    expected = 100 * (output - y)[hole].abs().sum() / y.numel()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert {name: images.shape[1] for name, images in task.before_after(pairs).items()} == {
        "input": 1,
        "output": 1,
        "truth": 1,
    }
    with pytest.raises(ValueError, match=r"^keep_known: expected inputs of the targets' pixels"):
        PairedTranslation(nn.Identity(), shape=(2,), target_shape=(2,), keep_known=True)
