"""Weights of an adversarial loss that follow the gradient of the model's own loss."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from typing import Literal, cast, final

import torch
from torch import Tensor, nn

from advlearn.core.checks import check_choice, check_number
from advlearn.core.samples import Conditions, Samples, count, moving, rows

AdversarialWeight = float | Literal["adaptive", "balanced"]
EPSILON = 1e-4
LARGEST = 1e4


def last_layer_ratio(task_loss: Tensor, adversarial_loss: Tensor, last_layer: Tensor) -> Tensor:
    r"""Compute the ratio of two losses' gradient norms at the model's last layer.

    .. math::
        \lambda = \frac{\|\nabla_w L\|}{\|\nabla_w P\| + 10^{-4}}, \quad
        0 \le \lambda \le 10^4

    Args:
        task_loss: L, a scalar with graph.
        adversarial_loss: P, a scalar with graph.
        last_layer: w, the weight of the last layer of the model.

    Returns:
        The ratio, a scalar without graph.

    Example:
        >>> import torch
        >>> w = torch.ones(1, requires_grad=True)
        >>> last_layer_ratio((6 * w).sum(), (2 * w).sum(), w)
        tensor(2.9999)

    Reference:
        Esser et al., "Taming Transformers for High-Resolution Image Synthesis", 2021, eq. 7. The
        paper has 1e-6 in the denominator; the published code has 1e-4 and the bound, as here.
    """
    norms = [
        torch.autograd.grad(loss, last_layer, retain_graph=True)[0].norm()
        for loss in (task_loss, adversarial_loss)
    ]
    return (norms[0] / (norms[1] + EPSILON)).clamp(0, LARGEST).detach()


@final
class Weighting(nn.Module):
    """Weigh the adversarial loss of a model: by a number, or by gradients of the task loss.

    Args:
        value: A number, ``"adaptive"`` (`last_layer_ratio`) or ``"balanced"`` (`OutputBalance`).

    Raises:
        ValueError: If `value` is neither a finite number nor one of the two names.
    """

    def __init__(self, value: AdversarialWeight) -> None:
        super().__init__()
        if isinstance(value, str):
            check_choice("adversarial_weight", value, ("adaptive", "balanced"))
        else:
            check_number("adversarial_weight", value)
        self.value: AdversarialWeight = value
        self.balance = OutputBalance() if value == "balanced" else None

    def fixed(self) -> float:
        """Return the weight as a number, or raise a one-line error if it follows a gradient."""
        if isinstance(self.value, str):
            raise ValueError(
                f"adversarial_weight: expected a number with gradient reversal, got "
                f"{self.value!r}; use player_loss, or pass adversarial_weight to reversed_loss"
            )
        return self.value

    def check(self, task_loss: Tensor | None, last_layer: Tensor | None) -> None:
        """Raise a one-line error unless the arguments of `player_loss` suffice."""
        if isinstance(self.value, str) and task_loss is None:
            raise ValueError(
                f"task_loss: expected the model's own loss, which "
                f"adversarial_weight={self.value!r} compares with, got None"
            )
        if task_loss is not None and torch.is_grad_enabled() and not task_loss.requires_grad:
            raise ValueError(
                "task_loss: expected a loss that carries a gradient to the model, got none; "
                "compute it from the model's output outside torch.no_grad(), without detach()"
            )
        if self.value == "adaptive" and last_layer is None:
            raise ValueError(
                "last_layer: expected the weight of the model's last layer, which "
                "adversarial_weight='adaptive' differentiates by, got None"
            )

    def forward(
        self,
        loss: Tensor,
        output: Samples,
        task_loss: Tensor | None,
        last_layer: Tensor | None,
        conditions: Conditions,
    ) -> Tensor | float:
        """Return the weight of `loss`, without graph."""
        if not isinstance(self.value, str):
            return self.value
        if not torch.is_grad_enabled() or task_loss is None:
            return 1.0
        if last_layer is not None and self.balance is None:
            return last_layer_ratio(task_loss, loss, last_layer)
        return cast(OutputBalance, self.balance)(task_loss, loss, output, conditions)


@final
class OutputBalance(nn.Module):
    r"""Average the gradient norms of two losses at the model's output, and return their ratio.

    .. math:: \lambda = \frac{\langle \|\nabla_x L\| \rangle}{\langle \|\nabla_x P\| \rangle}

    The norm is that of each sample's gradient, averaged over the batch; the average over steps
    has the given decay and no bias.

    Args:
        decay: Decay of the moving average.

    Example:
        >>> import torch
        >>> x = torch.zeros(4, 1, requires_grad=True)
        >>> OutputBalance()((6 * x).sum(), (2 * x).sum(), x)
        tensor(3.)

    Reference:
        Defossez et al., "High Fidelity Neural Audio Compression", 2022, section 3.4, eq. 5.

    Deviations:
        The model's own loss keeps its size: the adversarial gradient is scaled to it, where the
        paper scales both to a common norm R.
    """

    averages: Tensor
    steps: Tensor

    def __init__(self, decay: float = 0.999) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("averages", torch.zeros(2))
        self.register_buffer("steps", torch.zeros(()))

    def forward(
        self,
        task_loss: Tensor,
        adversarial_loss: Tensor,
        output: Samples,
        conditions: Conditions = frozenset(),
    ) -> Tensor:
        """Return the ratio of the averaged norms, a scalar without graph."""
        inputs = [x for x in moving(output, conditions) if x.requires_grad]
        norms = torch.stack(
            [_norm(loss, inputs, count(output)) for loss in (task_loss, adversarial_loss)]
        )
        with torch.no_grad():
            self.averages.mul_(self.decay).add_(norms)
            self.steps.mul_(self.decay).add_(1)
            mean = self.averages / self.steps
            return mean[0] / (mean[1] + 1e-12)


def _norm(loss: Tensor, inputs: list[Tensor], n: int) -> Tensor:
    """Return the norm of one sample's gradient, averaged over the batch."""
    gradients = torch.autograd.grad(loss, inputs, retain_graph=True, allow_unused=True)
    squares = [
        rows(g).square().sum(1) for g in cast(list[Tensor | None], gradients) if g is not None
    ]
    if not squares:
        return inputs[0].new_zeros((), dtype=torch.float32)
    return torch.stack(squares).sum(0).sqrt().sum().float() / n
