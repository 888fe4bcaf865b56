"""The minibatch energy distance of OT-GAN, an energy distance between whole minibatches."""

from typing import ClassVar, Literal, final

import torch
from torch import Tensor
from torch.nn.functional import normalize

from advlearn.core.chain import Chain, Defaults
from advlearn.core.checks import check_choice, check_number
from advlearn.core.described import Reference
from advlearn.core.objective import Setwise
from advlearn.functional import transport

REFERENCE = Reference(
    "Improving GANs Using Optimal Transport",
    "Salimans et al. 2018",
    "eq. 8 and algorithm 1",
    "https://arxiv.org/abs/1803.05573",
)


@final
class MinibatchEnergy(Setwise):
    r"""Compute the energy distance of minibatches under entropic transport with cosine cost.

    Each side's batch is split into halves X, X' (real) and Y, Y' (fake):

    .. math:: P = W(X, Y) + W(X, Y') + W(X', Y) + W(X', Y') - 2 W(X, X') - 2 W(Y, Y'), \qquad
        C = -P,

    with ``c(a, b) = 1 - a.b / (|a| |b|)`` between embeddings. Independent halves make its gradient
    unbiased, unlike that of plain minibatch transport. Plans carry no gradient (envelope theorem).

    Args:
        epsilon: The temperature of the entropic plans; the cost lies between 0 and 2.
        iterations: Fixed number of Sinkhorn iterations; the number needed grows as
            ``1 / epsilon``.
        embedding: The critic that a task proposes: ``"learned"`` as published, or
            ``"identity"``.

    Raises:
        ValueError: If a number is not positive and finite, `embedding` is unknown, or a side has
            fewer than two samples.

    Example:
        >>> import torch
        >>> real = torch.tensor([[1.0, 0.0]]).expand(4, 2)
        >>> MinibatchEnergy().distance(real, -real)
        tensor(8.)

    Reference:
        Salimans et al. 2018, eq. 5 (W) and 8, algorithm 1.

    Deviations:
        W includes the entropy of the plan: the gradient for a fixed plan, which the paper uses, is
        the exact gradient of this value. The last sample of an odd batch goes to the second
        half. The paper asks for batches in the thousands.
    """

    EXEMPT: ClassVar[dict[str, str]] = {
        "order": "the first half of a batch is compared with the second"
    }

    def __init__(
        self,
        epsilon: float = 0.1,
        iterations: int = 100,
        embedding: Literal["identity", "learned"] = "learned",
    ) -> None:
        super().__init__()
        self.epsilon = check_number("epsilon", epsilon, low=0, open_low=True)
        self.iterations = int(check_number("iterations", iterations, low=1))
        self.embedding = check_choice("embedding", embedding, ("identity", "learned"))

    def distance(self, real: Tensor, fake: Tensor) -> Tensor:
        x, x2 = _halves("real", real)
        y, y2 = _halves("fake", fake)
        pairs = ((x, y), (x, y2), (x2, y), (x2, y2), (x, x2), (y, y2))
        *across, of_real, of_fake = transport.together(
            self._transport, [_cosine_cost(*pair) for pair in pairs]
        )
        return torch.stack(across).sum() - 2 * of_real - 2 * of_fake

    def witness(self, points: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        epsilon = real.new_full((), self.epsilon)
        own = transport.self_potential(_cosine_cost(fake, fake), epsilon, self.iterations)
        f, _ = transport.potentials(_cosine_cost(real, fake), epsilon, self.iterations, own)
        to_real, to_fake = _cosine_cost(points, real), _cosine_cost(points, fake)
        return transport.debiased_witness(to_real, to_fake, f, own, epsilon)

    def _transport(self, costs: Tensor) -> Tensor:
        epsilon = costs.new_full((), self.epsilon)
        f, g = transport.potentials(
            costs, epsilon, self.iterations, costs.new_zeros(costs[:, 0].shape)
        )
        return transport.value(costs, f, g, epsilon)


def _halves(name: str, side: Tensor) -> tuple[Tensor, Tensor]:
    half = side.shape[0] // 2
    if half == 0:
        raise ValueError(
            f"{name}: the minibatch energy distance needs 2 or more samples, got {side.shape[0]}"
        )
    return side[:half], side[half:]


def _cosine_cost(x: Tensor, y: Tensor) -> Tensor:
    # Without autocast: the rounding error of bf16 is as large as a small epsilon.
    with torch.autocast(x.device.type, enabled=False):
        return 1 - normalize(x, dim=1) @ normalize(y, dim=1).T


def ot_gan() -> Chain:
    """Build OT-GAN with the paper's Adam, but one generator step per critic step, not three."""
    return Chain(MinibatchEnergy(), defaults=Defaults(critic_steps=1, lr=3e-4, betas=(0.5, 0.999)))


ALIASES = {"ot-gan": ot_gan}
