"""Test the bidirectional task: losses against formulas, gradients per critic, short trainings."""

import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from advlearn.core.adversary import Adversary
from advlearn.core.chain import Chain
from advlearn.core.grammar import resolve
from advlearn.core.task import Batch, Task, TaskOutput
from advlearn.critics import Inputs
from advlearn.critics import build as build_critics
from advlearn.data import ArrayDataset
from advlearn.data.priors import Gaussian, Mixture
from advlearn.fitting import fit
from advlearn.objectives.jensen_shannon import JensenShannon
from advlearn.run import load
from advlearn.tasks._codes import divergence
from advlearn.tasks.representation import Representation

X = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
Y = torch.arange(40) % 3
DATA = ArrayDataset(X, Y, "points", 3)
IMAGES = ArrayDataset(torch.rand(16, 1, 16, 16) * 2 - 1, torch.arange(16) % 2, "few", 2)


def vectors(outputs: int = 2, latent: int = 2, **settings: Any) -> Representation:
    torch.manual_seed(0)
    return Representation(
        nn.Linear(2, outputs), nn.Linear(latent, 2), latent=latent, shape=(2,), **settings
    )


def short(
    task: str | Representation, objective: str = "nsgan", data: Any = DATA, **settings: Any
) -> Any:
    return fit(
        task,
        objective,
        data,
        **{"steps": 3, "batch_size": 8, "device": "cpu", "callbacks": (), **settings},
    )


def test_the_divergence_is_that_of_torch() -> None:
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(divergence(mean, log_variance), kl)


def linear_gaussian(sigma: float) -> tuple[Representation, Tensor, Tensor]:
    """Build p(x | z) = N(w z, sigma^2) with p(z) = N(0, 1) and the exact posterior; return w, x."""
    w = torch.tensor([[1.5], [-0.5]])
    spread = 1 / (1 + w.square().sum() / sigma**2)
    encoder, generator = nn.Linear(2, 2), nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        generator.weight.copy_(w)
        encoder.weight.copy_(torch.cat([spread / sigma**2 * w.T, torch.zeros(1, 2)]))
        encoder.bias.copy_(torch.tensor([0.0, spread.log()]))
    settings: dict[str, Any] = {"compare": (), "reconstruction": 1 / sigma**2, "kl": 1.0}
    return (
        Representation(encoder, generator, latent=1, shape=(2,), **settings),
        w,
        torch.randn(4000, 2),
    )


def test_with_the_exact_posterior_the_loss_is_the_negative_log_likelihood() -> None:
    sigma = 0.7
    task, w, x = linear_gaussian(sigma)
    evidence = torch.distributions.MultivariateNormal(
        torch.zeros(2), w @ w.T + sigma**2 * torch.eye(2)
    ).log_prob(x)
    constant = math.log(2 * math.pi * sigma**2)  # of a Gaussian likelihood in two dimensions
    loss = torch.stack([cast(Tensor, task((x,)).loss).detach() for _ in range(20)]).mean()
    # The bound is tight for the exact posterior; the tolerance is the noise of 80,000 drawn codes.
    assert (loss + constant).item() == pytest.approx(-evidence.mean().item(), abs=0.01)
    with torch.no_grad():
        cast(nn.Linear, task.encoder).bias[1] += 0.5
    looser = torch.stack([cast(Tensor, task((x,)).loss).detach() for _ in range(20)]).mean()
    # A wrong variance costs KL(N(m, s^2) || N(m, e^-0.5 s^2)).
    assert (looser - loss).item() == pytest.approx((math.exp(0.5) - 1 - 0.5) / 2, abs=0.02)


def test_each_method_compares_the_pairs_of_its_paper() -> None:
    task = Representation.from_data(IMAGES, stochastic=True, latent=3, base_channels=4)
    x = IMAGES.x[:4]
    (real, codes), (fake, z) = task((x,)).pairs["joint"][:2]
    assert torch.equal(real, x) and codes.shape == z.shape == (4, 3) and fake.shape == x.shape
    assert codes.requires_grad and fake.requires_grad and not z.requires_grad
    assert task((x,)).loss is None and task.stochastic
    assert not torch.equal(task((x,)).outputs["codes"], task((x,)).outputs["codes"])
    assert not Representation.from_data(IMAGES, latent=3, base_channels=4).stochastic
    aae = Representation.from_data(
        IMAGES, compare="codes", reconstruction=0.1, latent=3, base_channels=4
    )
    real, fake = aae((x,)).pairs["codes"][:2]
    assert not real.requires_grad and fake.requires_grad and aae((x,)).loss is not None


def test_the_joint_critic_leaves_a_generator_and_its_inverse_unchanged() -> None:
    """At E = G^-1 and G(z) ~ data the optimal critic is constant, and all gradients are zero."""
    task = vectors()
    with torch.no_grad():
        generator, encoder = cast(nn.Linear, task.generator), cast(nn.Linear, task.encoder)
        encoder.weight.copy_(generator.weight.inverse())
        encoder.bias.copy_(-encoder.weight @ generator.bias)
    z = torch.randn(64, 2)
    x = task.decode(z)
    torch.testing.assert_close(task.encode(x), z, rtol=1e-4, atol=1e-4)
    critic = build_critics(task, resolve("nsgan"))["joint"]
    for p in cast(Any, critic).pair.layers[-1].parameters():
        nn.init.zeros_(p)
    adversary = Adversary(critic, "nsgan")
    adversary.player_loss(*task((x,)).pairs["joint"]).backward()
    assert all(p.grad is not None and not p.grad.any() for p in task.trainable_parameters())


def test_encoder_and_generator_move_in_opposite_directions() -> None:
    task = vectors()

    class SumOfCode(nn.Module):
        def forward(self, x: Tensor, z: Tensor) -> Tensor:
            return x.sum(1) + z.sum(1)

    adversary = Adversary(SumOfCode(), "wasserstein")
    adversary.player_loss(*task((X,)).pairs["joint"]).backward()
    # P = E[s(x, E(x))] - E[s(G(z), z)]: the encoder lowers and the generator raises its score.
    bias = [
        cast(Tensor, cast(nn.Linear, net).bias.grad).tolist()
        for net in (task.encoder, task.generator)
    ]
    assert bias == [pytest.approx([1.0, 1.0]), pytest.approx([-1.0, -1.0])]


def test_the_critic_of_samples_moves_only_the_generator_and_gets_half_reconstructions() -> None:
    task = vectors(4, compare="samples", reconstruction=1.0, kl=1.0)
    torch.manual_seed(1)
    real, fake = task((X[:7],)).pairs["samples"][:2]
    assert torch.equal(real, X[:7]) and fake.shape == (7, 2)
    fake.sum().backward()
    assert cast(nn.Linear, task.encoder).weight.grad is None
    assert cast(nn.Linear, task.generator).weight.grad is not None
    plain = vectors(compare="samples", reconstruction=1.0)
    _, fake = plain((X[:6],)).pairs["samples"][:2]
    assert torch.equal(
        fake[:3], cast(nn.Linear, plain.generator)(cast(nn.Linear, plain.encoder)(X[:6]))[:3]
    )
    assert not torch.equal(fake[3:], plain.reconstruct(X[:6])[3:])


def test_labels_choose_the_component_and_are_passed_to_the_critic() -> None:
    law = Mixture(2, 3, along=1e-4, across=1e-4)
    task = vectors(compare="codes", reconstruction=1.0, prior=law, classes=3)
    (z, y), (codes, same) = task((X, Y)).pairs["codes"][:2]
    assert torch.equal(y, Y) and torch.equal(same, Y) and codes.requires_grad
    angle = torch.atan2(z[:, 1], z[:, 0])
    assert torch.equal(torch.round(angle / (2 * math.pi / 3)).long() % 3, Y)
    critic = build_critics(task, resolve("nsgan"))["codes"]
    assert not torch.equal(critic(z, Y), critic(z, (Y + 1) % 3))
    assert task.sample(3, torch.arange(3)).shape == (3, 2)


def test_unlabelled_samples_draw_the_component_and_have_an_extra_class() -> None:
    law = Mixture(2, 3, along=1e-4, across=1e-4)
    task = vectors(
        compare="codes", reconstruction=1.0, prior=law, classes=4, has_unlabelled_class=True
    )
    x, y = X.repeat(10, 1), torch.cat([Y.repeat(5), torch.full((200,), 3)])
    (z, labels), (_, same) = task((x, y)).pairs["codes"][:2]
    assert torch.equal(labels, y) and torch.equal(same, y)
    component = torch.round(torch.atan2(z[:, 1], z[:, 0]) / (2 * math.pi / 3)).long() % 3
    assert torch.equal(component[:200], y[:200])
    # Five standard deviations of a proportion of 200 draws.
    assert (torch.bincount(component[200:], minlength=3) / 200 - 1 / 3).abs().max() < 5 * (
        2 / 9 / 200
    ) ** 0.5
    critic: Any = build_critics(task, resolve("nsgan"))["codes"]
    assert critic.classes == 4
    form = (
        "representation(compare='codes', reconstruction=0.1, prior='mixture', labels=True, "
        "has_unlabelled_class=True, latent=2, base_channels=4)"
    )
    again = short(form, data=ArrayDataset(IMAGES.x, torch.arange(16) % 4, "partly", 4)).task
    assert (
        again.law.components == 3 and Representation.from_config(again.config()).law.components == 3
    )
    with pytest.raises(ValueError, match="has_unlabelled_class: expected at least 2 classes"):
        vectors(compare="codes", reconstruction=1.0, has_unlabelled_class=True)


def test_marginal_terms_score_the_sample_and_the_code_separately() -> None:
    task = Representation.from_data(
        DATA, stochastic=True, marginal_terms=True, latent=3, base_channels=4
    )
    critic = build_critics(task, resolve("hinge"))["joint"]
    x, z = torch.randn(5, 2), torch.randn(5, 3)
    scores = critic(x, z)
    assert scores.shape == (5, 3)
    moved_z, moved_x = critic(x, z + 1), critic(x + 1, z)
    assert torch.equal(scores[:, 1], moved_z[:, 1]) and not torch.equal(scores[:, 2], moved_z[:, 2])
    assert torch.equal(scores[:, 2], moved_x[:, 2]) and not torch.equal(scores[:, 1], moved_x[:, 1])
    assert not torch.equal(scores[:, 0], moved_x[:, 0])
    assert "marginal" in str(task.check_compatibility(resolve("began").required_objective()))


def test_an_autoencoder_trains_without_a_critic() -> None:
    line = torch.linspace(-1, 1, 64)[:, None] @ torch.tensor([[2.0, 1.0]])
    task = Representation(
        nn.Linear(2, 1), nn.Linear(1, 2), latent=1, shape=(2,), compare=(), reconstruction=1.0
    )
    run = short(task, data=line, steps=400, lr=0.02)
    assert (
        run.adversaries == {}
        and run.health() == {}
        and set(run.trainer.last_losses()) == {"task_loss"}
    )
    assert (run.ema_model.reconstruct(line) - line).square().mean() < 1e-3


def test_a_task_without_critic_and_without_loss_is_refused() -> None:
    class Nothing(Task):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(2, 2)

        def forward(self, batch: Batch) -> TaskOutput:
            return TaskOutput({})

        def critic_inputs(self) -> dict[str, Inputs]:
            return {}

    with pytest.raises(
        ValueError, match="task: expected samples for a critic or a loss, got neither"
    ):
        short(cast(Any, Nothing()))


def test_codes_match_the_prior_and_still_encode_the_sample() -> None:
    """For data on a line the codes get mean 0 and deviation 1, by the energy distance."""
    x = (
        torch.randn(512, 1, generator=torch.Generator().manual_seed(3))
        @ torch.tensor([[3.0, -1.0]])
        + 2
    )
    torch.manual_seed(0)
    task = Representation(
        nn.Linear(2, 1),
        nn.Linear(1, 2),
        latent=1,
        shape=(2,),
        compare="codes",
        reconstruction=0.1,
    )
    before = task.encode(x)
    assert abs(before.mean()) > 0.3 or abs(before.std() - 1) > 0.3
    run = short(task, "energy-distance", ArrayDataset(x), steps=500, batch_size=128, lr=1e-2)
    codes = run.ema_model.encode(x)
    assert abs(codes.mean()) < 0.15 and abs(codes.std() - 1) < 0.15
    assert (run.ema_model.reconstruct(x) - x).square().mean() < 0.05


def test_a_bidirectional_game_inverts_its_generator() -> None:
    """Linear generators of N(1, 4) are 1 +- 2 z, and the encoder learns to invert its generator."""
    x = 1 + 2 * torch.randn(1000, 1, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    task = Representation(nn.Linear(1, 1), nn.Linear(1, 1), latent=1, shape=(1,))
    z = torch.linspace(-2, 2, 50)[:, None]
    assert (task.encode(task.decode(z)) - z).abs().max() > 1
    run = short(task, "energy-distance", ArrayDataset(x), steps=500, batch_size=128, lr=2e-2)
    decoded = run.ema_model.decode(z)
    assert abs(decoded.mean() - 1) < 0.3 and abs(decoded.std() / z.std() - 2) < 0.3
    assert (run.ema_model.encode(decoded) - z).abs().max() < 0.3


def test_codes_interpolations_and_analogies_are_those_of_the_networks() -> None:
    task = vectors(4, compare=(), reconstruction=1.0, kl=1.0)
    encoder, generator = cast(nn.Linear, task.encoder), cast(nn.Linear, task.generator)
    x0, x1 = X[:3], X[3:6]
    with torch.no_grad():
        z0, z1 = encoder(x0)[:, :2], encoder(x1)[:, :2]
        assert torch.equal(task.encode(x0), z0)
        between = task.interpolate(x0, x1, 3)
        torch.testing.assert_close(between[:, 1], generator((z0 + z1) / 2))
        torch.testing.assert_close(
            between[:, [0, 2]], torch.stack([generator(z0), generator(z1)], 1)
        )
        torch.testing.assert_close(
            task.analogy(x0, x1, X[6:8]), generator(encoder(X[6:8])[:, :2] + (z1 - z0).mean(0))
        )
    assert not torch.equal(task.draw_codes(x0), task.draw_codes(x0))


@pytest.mark.parametrize(
    "form",
    [
        "compare='joint'",
        "stochastic=True",
        "compare='codes', reconstruction=0.1",
        "compare=(), stochastic=True, reconstruction=10.0, kl=1.0",
        "compare='samples', stochastic=True, reconstruction=10.0, kl=1.0",
    ],
)
def test_a_saved_run_encodes_and_decodes_the_same(form: str, tmp_path: Any) -> None:
    run = short(f"representation({form}, latent=2, base_channels=4)", data=IMAGES)
    again = load(run.save(tmp_path / "run.pt"))
    x = IMAGES.x[:4]
    model, other = cast(Representation, run.ema_model), cast(Representation, again.ema_model)
    assert torch.equal(model.encode(x), other.encode(x))
    assert torch.equal(model.reconstruct(x), other.reconstruct(x))
    assert torch.equal(run.sample(3, seed=1), again.sample(3, seed=1))


def test_an_architecture_gives_the_generator_and_the_encoder() -> None:
    task = Representation.from_data(
        IMAGES,
        compare=("codes", "samples"),
        reconstruction=0.1,
        latent=3,
        base_channels=4,
        architecture="dcgan",
    )
    assert type(task.generator).__name__ == "DCGANGenerator"
    critics = build_critics(task, Chain(JensenShannon()))
    assert type(critics["samples"]).__name__ == "DCGANCritic" and set(critics) == {
        "codes",
        "samples",
    }
    assert short(
        "representation(latent=2, base_channels=4, architecture='dcgan')", "hinge", IMAGES
    ).sample(2).shape == (2, 1, 16, 16)


def test_a_prior_can_be_an_object() -> None:
    task = vectors(prior=Gaussian(2))
    assert task.config() is None
    assert vectors(prior="ring").law.draw(5, X).shape == (5, 2)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"compare": ("pairs",)}, r"compare: expected one of joint, codes, samples, got 'pairs'"),
        (
            {"compare": ("codes",)},
            r"reconstruction: expected a weight above 0 without the comparison 'joint', got 0",
        ),
        (
            {"marginal_terms": True, "compare": (), "reconstruction": 1.0},
            r"marginal_terms: expected False without the comparison 'joint'",
        ),
        (
            {"kl": 1.0},
            r"kl: expected 0 unless the encoder is stochastic and the prior gaussian, got 1.0",
        ),
        ({"outputs": 4, "kl": 1.0, "prior": "ring"}, r"kl: expected 0 unless"),
        ({"classes": 3}, r"classes: expected the comparison 'codes' and a prior of 3 components"),
        (
            {"outputs": 3},
            r"encoder: expected codes \(N, 2\), or \(N, 4\) of means and log-variances, "
            r"got shape \(3,\)",
        ),
        ({"prior": "cube"}, r"prior: expected one of gaussian, ring, mixture, got 'cube'"),
        ({"prior": Gaussian(3)}, r"prior: expected codes of size 2, got Gaussian\(latent=3\)"),
        (
            {"reconstruction": -1.0},
            r"reconstruction: expected a finite number of at least 0, got -1.0",
        ),
    ],
)
def test_bad_settings_are_one_line(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=line):
        vectors(**settings)


def test_bad_data_and_objectives_are_one_line() -> None:
    with pytest.raises(
        ValueError, match=r"kll: representation has no such option; did you mean 'kl'\?"
    ):
        short("representation(kll=1.0)")
    with pytest.raises(ValueError, match="labels: expected data with classes, got tensor without"):
        short(
            "representation(compare='codes', reconstruction=0.1, prior='mixture', labels=True)",
            data=X,
        )
    with pytest.raises(ValueError, match="objective: representation cannot use"):
        short("representation(latent=2)", "predictive")
    with pytest.raises(
        ValueError, match="y: expected None for a distribution without components, got a tensor"
    ):
        vectors().sample(2, torch.zeros(2, dtype=torch.int64))
