"""What a head refuses in one line, and the values it gives where others are silently wrong."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, softplus

from advlearn import Adversary
from advlearn.core.objective import Objective, Setwise
from advlearn.testing._found import objectives
from advlearn.testing._material import critic, sides

N = 8


def small() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))


def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    real = torch.randn(N, 3, generator=generator)
    return real, torch.randn(N, 3, generator=generator) + 1


WEIGHTS = torch.linspace(0.1, 2.0, N)


def test_a_column_of_weights_is_the_weights() -> None:
    real, fake = data()
    flat = Adversary(small(), "nsgan").update(real, fake, WEIGHTS, WEIGHTS)
    column = Adversary(small(), "nsgan").update(real, fake, WEIGHTS[:, None], WEIGHTS[:, None])
    assert torch.equal(flat, column)
    scores = Adversary(small(), "nsgan").score(fake)
    expected = (softplus(scores) * WEIGHTS).sum() / WEIGHTS.sum()
    real_scores = Adversary(small(), "nsgan").score(real)
    expected = expected + (softplus(-real_scores) * WEIGHTS).sum() / WEIGHTS.sum()
    torch.testing.assert_close(flat, expected)


@pytest.mark.parametrize("shape", [(1,), (1, 1), (N - 4,), (N, 2), (1, N), (N, 1, 1)])
def test_weights_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^real_weights: expected"):
        Adversary(small(), "nsgan").update(*data(), torch.ones(shape))


class Steps(nn.Module):
    """Score each step of a sequence: (N, T, 3) to (N, T)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = small()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).squeeze(2)


@pytest.mark.parametrize("length", [5, N])
def test_weights_of_the_shape_of_the_scores_are_a_mask(length: int) -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, N, length, 3, generator=generator)
    mask = torch.rand(N, length, generator=generator) > 0.4
    head = Adversary(Steps(), "hinge")
    scores, fakes = head.score(real), head.score(fake)
    loss = head.update(real, fake, mask, mask)
    expected = (1 - scores[mask]).clamp(min=0).mean() + (1 + fakes[mask]).clamp(min=0).mean()
    torch.testing.assert_close(loss, expected)


WEIGHTED = [o for o in objectives() if o.trains_critic and not isinstance(o, Setwise)]


@pytest.mark.parametrize("objective", WEIGHTED, ids=repr)
def test_weights_that_are_all_zero_move_nothing_by_the_objective(objective: Objective) -> None:
    real, fake = sides()
    empty = real.new_zeros(len(real))
    network = critic(objective.critic_output)
    head = Adversary(network, objective, optimizer=lambda p: torch.optim.SGD(p, lr=1.0))
    loss = head.player_loss(real, fake.requires_grad_(), empty, empty)
    (gradient,) = torch.autograd.grad(loss, fake, allow_unused=True)
    assert loss.isfinite() and (gradient is None or gradient.isfinite().all())
    before = [p.detach().clone() for p in network.parameters()]
    head.update(real, fake, empty, empty)
    for p, value in zip(network.parameters(), before, strict=True):
        torch.testing.assert_close(p.detach(), value)


class BatchStatistics(nn.Module):
    """Use statistics of the batch without a layer that says so."""

    def forward(self, x: Tensor) -> Tensor:
        return batch_norm(x, None, None, training=True)


class MinibatchDeviation(nn.Module):
    """Append the mean deviation over the batch, as StyleGAN2's critic does."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, x.std(0).mean().expand(len(x), 1)], 1)


@pytest.mark.parametrize("mixing", [BatchStatistics(), MinibatchDeviation()])
def test_a_layer_that_mixes_samples_is_found_at_the_first_call(mixing: nn.Module) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.LazyLinear(8), mixing, nn.LazyLinear(1))
    real, fake = data()
    network(real)
    apart = network(real).flatten(), network(fake).flatten()
    expected = softplus(-apart[0]).mean() + softplus(apart[1]).mean()
    torch.testing.assert_close(Adversary(network, "nsgan").update(real, fake), expected.detach())


def test_dropout_does_not_mix_samples() -> None:
    head = Adversary(nn.Sequential(nn.Linear(3, 64), nn.Dropout(0.5), nn.Linear(64, 1)), "nsgan")
    state = torch.get_rng_state()
    head._check_first(*data())
    assert not head._losses.apart and torch.equal(torch.get_rng_state(), state)


def test_the_first_look_leaves_buffers_and_weights_as_they_are() -> None:
    network = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(3, 1)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Adversary(network, "nsgan")._check_first(*data())
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("verb", ["player_loss", "reversed_loss"])
def test_samples_without_gradient_are_refused(verb: str) -> None:
    head = Adversary(small(), "nsgan")
    with pytest.raises(ValueError, match=r"^fake: expected samples that carry a gradient"):
        getattr(head, verb)(*data())
    with torch.no_grad():
        assert getattr(head, verb)(*data()).isfinite()


def test_parameters_that_the_optimizer_lacks_are_named() -> None:
    network = small()
    other = torch.optim.Adam(network[0].parameters())
    with pytest.raises(ValueError, match=r"^optimizer: expected every .* 2\.weight, 2\.bias;"):
        Adversary(network, "nsgan", optimizer=other)
    network[0].requires_grad_(False)
    head = Adversary(network, "nsgan")
    head.update(*data())
    network[0].requires_grad_(True)
    with pytest.raises(ValueError, match=r"^optimizer: expected every .* 0\.weight, 0\.bias;"):
        head.update(*data())


def test_an_optimizer_of_the_critic_is_taken() -> None:
    network = small()
    own = torch.optim.AdamW(network.parameters(), lr=0.1)
    assert Adversary(network, "nsgan", optimizer=own).optimizer is own
    with pytest.raises(
        TypeError, match=r"^optimizer: expected a callable, an Optimizer, a text or None"
    ):
        Adversary(network, "nsgan", optimizer=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"returns an optimizer, got one that returns NoneType"):
        Adversary(network, "nsgan", optimizer=lambda _: None)  # type: ignore[arg-type, return-value]


def test_sides_of_another_channel_count_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^fake: expected samples of shape \(1, 9\) like real"):
        Adversary(nn.Identity(), "nsgan").update(torch.rand(2, 1, 9), torch.rand(2, 3, 9))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_samples_of_sixteen_bits_are_cast_to_the_critic(dtype: torch.dtype) -> None:
    real, fake = (x.to(dtype) for x in data())
    loss = Adversary(small(), "nsgan").update(real, fake)
    torch.testing.assert_close(loss, Adversary(small(), "nsgan").update(real.float(), fake.float()))


def test_arguments_of_another_type_are_one_line() -> None:
    real, fake = data()
    with pytest.raises(TypeError, match=r"^critic: expected a Module, got function"):
        Adversary(lambda x: x, "hinge")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^real: expected a tensor, .*, got ndarray"):
        Adversary(small(), "hinge").update(real.numpy(), fake.numpy())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^critic: cannot score samples of shape \[\(8, 3\)\]"):
        Adversary(small(), "hinge").update([real], [fake])
    with pytest.raises(TypeError, match=r"^start: expected"):
        Adversary(small(), "hinge", start="100")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^clip: expected a finite number above 0"):
        Adversary(small(), "hinge").update(real, fake, clip=-1.0)
    assert Adversary(small(), "hinge", conditions="mel").conditions == {"mel"}
