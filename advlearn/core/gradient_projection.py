"""Projection of the task's gradient orthogonal to the adversary's, for one step of both."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from advlearn.core import distributed, stacked


def project_gradients(
    loss: Tensor, adversarial: Tensor, parameters: Sequence[nn.Parameter]
) -> None:
    r"""Write to ``.grad`` the projected gradient of the task plus the adversarial gradient.

    .. math:: g = \nabla L - \frac{\langle \nabla L, \nabla P \rangle}{\|\nabla P\|^2} \nabla P
        + \nabla P

    All parameters form one vector, so the projection needs inner products only.
    With P the generator's loss (minus the adversary's, times its weight alpha) the last term is the
    paper's ``-alpha grad L_A``.

    Args:
        loss: The task's loss L, a scalar with a graph to `parameters`.
        adversarial: The adversary's weighted `player_loss` P, a scalar; without a graph the result
            is the gradient of L.
        parameters: The learner's parameters.

    Example:
        >>> w = nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> project_gradients((w * torch.tensor([3.0, 4.0])).sum(), -w[0], [w])
        >>> w.grad
        tensor([-1.,  4.])

    Reference:
        Zhang et al., "Mitigating Unwanted Biases with Adversarial Learning", 2018, eq. 1.

    Deviations:
        A weight of zero disables the adversary; in the paper the projection stays.
    """
    task_gradients = _gradients(loss, parameters)
    adversarial_gradients = _gradients(adversarial, parameters)
    inner = torch.stack(
        [(a * b).sum() for a, b in zip(task_gradients, adversarial_gradients, strict=True)]
    ).sum()
    square = torch.stack([b.square().sum() for b in adversarial_gradients]).sum()
    # `where` instead of a branch, which would wait for the device.
    share = torch.where(square > 0, inner / square.clamp(min=torch.finfo(square.dtype).tiny), 0.0)
    for p, a, b in zip(parameters, task_gradients, adversarial_gradients, strict=True):
        p.grad = stacked.of_all(a + (1 - share) * b)


def _gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    """Compute the gradient of `loss` over the joined batch of all processes, zeros where unused."""
    for p in parameters:
        p.grad = None
    if stacked.requires_grad(loss):
        stacked.backward(loss, retain_graph=True, inputs=list(parameters))
        distributed.average_gradients(parameters)
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    return list(map(stacked.of_member, found))
