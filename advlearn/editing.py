"""Edit a sample on the manifold of a generator: the code whose sample agrees with what was painted."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from advlearn.core.checks import check_number
from advlearn.core.modules import eval_mode


class Projection(NamedTuple):
    """What a projection found.

    Attributes:
        codes: (N, latent), without graph.
        samples: (N, *shape), what the generator makes of them.
        errors: (N,), mean squared error of each sample where the mask counts.
    """

    codes: Tensor
    samples: Tensor
    errors: Tensor


def project(
    generator: nn.Module,
    target: Tensor,
    start: Tensor,
    mask: Tensor | None = None,
    *,
    steps: int = 300,
    lr: float = 0.1,
    closeness: float = 0.0,
) -> Projection:
    r"""Find the codes whose samples agree with targets where a mask counts, near the codes that one starts from.

    .. math:: \min_z \frac{\sum_d m_d\,(G(z)_d - t_d)^2}{\sum_d m_d} + c\,\|z - z_0\|^2

    The rate falls to zero along half a cosine. Each row is a problem of its own. The generator is
    left as it was.

    Args:
        generator: Module from codes (N, latent) to samples (N, *shape), used in evaluation mode.
        target: Samples (N, *shape).
        start: Codes z_0 (N, latent): an encoder's of the sample before it was painted, or draws of
            the prior.
        mask: Weights m of at least 0 that can be expanded to the target, such as (N, 1, H, W), not
            all zero for any row; None counts everything.
        steps: Steps of Adam.
        lr: Learning rate of the first step.
        closeness: c.

    Returns:
        Codes, samples and errors, on the device of `start`.

    Raises:
        ValueError: A generator that does not fit, a mask of another shape or without weight, or a
        setting out of range.

    Example:
        >>> double = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(double.weight, 2.0)
        >>> round(project(double, torch.tensor([[3.0]]), torch.zeros(1, 1)).codes.item(), 3)
        1.5

    Reference: Zhu et al., "Generative Visual Manipulation on the Natural Image Manifold" (iGAN),
    2016, eq. 3 and 5; Brock et al., "Neural Photo Editing with Introspective Adversarial Networks",
    2017, section 2.

    Deviations: squared error of the samples alone, no features of another network and no critic's
    term; Adam.
    """
    check_number("steps", steps, low=1)
    check_number("lr", lr, low=0, open_low=True)
    check_number("closeness", closeness, low=0)
    start, target = start.detach(), target.detach().to(start)
    weights = _weights(mask, target)
    z = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=lr, betas=(0.9, 0.999))
    course = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with eval_mode(generator), torch.enable_grad():
        _check(generator, start, target)
        for _ in range(int(steps)):
            errors = _errors(generator(z), target, weights)
            loss = errors.sum() + closeness * (z - start).square().sum()
            (z.grad,) = torch.autograd.grad(loss, [z])
            optimizer.step()
            course.step()
        with torch.no_grad():
            samples = generator(z)
    return Projection(z.detach(), samples, _errors(samples, target, weights))


def carry_over(image: Tensor, before: Tensor, after: Tensor, blur: float = 1.0) -> Tensor:
    r"""Carry the change between two generated images over to a real one, and leave the rest of it as it is.

    .. math:: y = a + (1 - M)\,(x - b), \qquad M = \min(1, blurred\ mean_c |a_c - b_c|)

    Where nothing changed, y is the real image x with all its detail; where much did, the edited one
    a.

    Args:
        image: The real images x, (N, C, H, W) in [-1, 1].
        before: Generated images b, such as reconstructions of `image`, of that shape.
        after: Generated images a, of that shape.
        blur: Standard deviation of the Gaussian blur, in pixels; 0 for none.

    Returns:
        Images (N, C, H, W).

    Raises:
        ValueError: Images of different shapes, or a negative blur.

    Example:
        >>> x = torch.zeros(1, 1, 4, 4)
        >>> torch.equal(carry_over(x, x + 0.5, x + 0.5), x)
        True

    Reference: Brock et al. 2017, section 2.1.
    """
    check_number("blur", blur, low=0)
    if image.ndim != 4 or not image.shape == before.shape == after.shape:
        shapes = ", ".join(str(tuple(part.shape)) for part in (image, before, after))
        raise ValueError(
            f"image: expected (N, C, H, W) of the shape of before and after, got {shapes}"
        )
    moved = (after - before).abs().mean(1, keepdim=True)
    return after + (1 - _blurred(moved, blur).clamp(max=1)) * (image - before)


def _blurred(x: Tensor, sigma: float) -> Tensor:
    """Images (N, 1, H, W) after a Gaussian blur, beyond whose edges the last pixel goes on."""
    if sigma == 0:
        return x
    reach = math.ceil(3 * sigma)
    kernel = (-(torch.arange(-reach, reach + 1).to(x) / sigma).square() / 2).exp()
    kernel = kernel / kernel.sum()
    padded = pad(x, (reach,) * 4, mode="replicate")
    return conv2d(conv2d(padded, kernel[None, None, None]), kernel[None, None, :, None])


def _errors(samples: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    return (weights * (samples - target).square()).flatten(1).sum(1)


def _weights(mask: Tensor | None, target: Tensor) -> Tensor:
    """Weights of each number of the target that sum to one in each row."""
    full = torch.ones_like(target)
    if mask is not None:
        try:
            full = full * mask.to(target)
        except RuntimeError:
            raise ValueError(
                f"mask: expected what expands to {tuple(target.shape)}, got {tuple(mask.shape)}"
            ) from None
    totals = full.flatten(1).sum(1)
    if full.shape != target.shape or bool((full < 0).any()) or not bool((totals > 0).all()):
        raise ValueError(
            f"mask: expected weights of at least 0, some above it in each of {len(target)} rows"
        )
    return full / totals.view(-1, *[1] * (target.ndim - 1))


def _check(generator: nn.Module, start: Tensor, target: Tensor) -> None:
    try:
        with torch.no_grad():
            made = generator(start)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"start: the generator refused {tuple(start.shape)}: {str(error).splitlines()[0]}"
        ) from None
    if made.shape != target.shape:
        raise ValueError(
            f"target: expected {tuple(made.shape)}, what start is made into, got {tuple(target.shape)}"
        )
