"""Weights of an adversarial loss that follow the gradient of the model's own loss."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from typing import Any, Literal, cast, final

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from advlearn.core.checks import check_choice, check_number
from advlearn.core.features import full_precision
from advlearn.core.samples import Conditions, Samples, moving, rows

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

    def needed(self, task_loss: Tensor | None) -> Tensor | None:
        """Return the task loss if the weight follows its gradient, else None."""
        return task_loss if isinstance(self.value, str) else None

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
        *,
        factor: float = 1.0,
        only_output: bool = False,
    ) -> Tensor:
        """Return the weighted loss.

        Args:
            loss: The adversarial loss, a scalar.
            output: The samples of the model, before any cast.
            task_loss: The model's own loss, a scalar.
            last_layer: The weight of the model's last layer.
            conditions: Parts of `output` that are conditions.
            factor: A further factor of the weight.
            only_output: Whether `loss` depends on the model only through `output` without its
                conditions. The gradient that balancing has computed is then used again.
        """
        if not isinstance(self.value, str):
            return times(factor * self.value, loss)
        if not torch.is_grad_enabled() or task_loss is None:
            return times(factor, loss)
        if last_layer is not None and self.balance is None:
            return factor * last_layer_ratio(task_loss, loss, last_layer) * loss
        balance = cast(OutputBalance, self.balance)
        inputs = [x for x in moving(output, conditions) if x.requires_grad]
        weight, gradients = balance.measure(task_loss, loss, inputs, keep=not only_output)
        if not only_output:
            return factor * weight * loss
        weight = factor * weight
        pairs = [(x, g) for x, g in zip(inputs, gradients, strict=True) if g is not None]
        reached, found = [x for x, _ in pairs], [weight * g for _, g in pairs]
        return cast(Tensor, _KnownGradient.apply(weight * loss.detach(), *found, *reached))


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
        return self.measure(task_loss, adversarial_loss, inputs, keep=True)[0]

    def measure(
        self, task_loss: Tensor, adversarial_loss: Tensor, inputs: list[Tensor], *, keep: bool
    ) -> tuple[Tensor, list[Tensor | None]]:
        """Return the ratio, and the gradient of the adversarial loss by each input.

        Args:
            task_loss: L, a scalar with graph, which is kept.
            adversarial_loss: P, a scalar with graph.
            inputs: The tensors of the output that carry gradient.
            keep: Whether to keep the graph of P.
        """
        own = _gradients(task_loss, inputs, keep=True)
        adversarial = _gradients(adversarial_loss, inputs, keep=keep)
        with torch.no_grad():
            norms = torch.stack([_norm(found, inputs[0]) for found in (own, adversarial)])
            self.averages.mul_(self.decay).add_(norms)
            self.steps.mul_(self.decay).add_(1)
            mean = self.averages / self.steps
            return mean[0] / (mean[1] + 1e-12), adversarial


@final
class _KnownGradient(torch.autograd.Function):
    """Return a value whose gradient by some tensors is known.

    The arguments after the value are the gradients, then the tensors.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor, *gradients_and_inputs: Tensor) -> Tensor:
        ctx.save_for_backward(*gradients_and_inputs[: len(gradients_and_inputs) // 2])
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]  (the decorator is untyped)
        gradients: tuple[Tensor, ...] = ctx.saved_tensors
        scaled = [(grads[0] * g).to(g.dtype) for g in gradients]
        return None, *[None] * len(gradients), *scaled


def times(weight: Tensor | float, loss: Tensor) -> Tensor:
    """Return the weighted loss; the number 1 costs no operator."""
    return loss if isinstance(weight, float | int) and weight == 1 else weight * loss


def _gradients(loss: Tensor, inputs: list[Tensor], *, keep: bool) -> list[Tensor | None]:
    found = torch.autograd.grad(loss, inputs, retain_graph=keep, allow_unused=True)
    return list(cast(tuple[Tensor | None, ...], found))


def _norm(gradients: list[Tensor | None], like: Tensor) -> Tensor:
    """Return the norm of one sample's gradient, averaged over the batch."""
    found = [full_precision(rows(g)) for g in gradients if g is not None]
    if not found:
        return like.new_zeros((), dtype=torch.float32)
    return torch.stack([g.square().sum(1) for g in found]).sum(0).sqrt().mean().float()
