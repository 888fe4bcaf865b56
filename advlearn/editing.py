"""Edit images with a generator: project edits onto its manifold, or transfer them to images."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from advlearn.core.checks import check_number
from advlearn.core.modules import eval_mode


class Projection(NamedTuple):
    """Hold the result of a projection.

    Attributes:
        codes: Codes (N, latent), detached.
        samples: The generator's samples for these codes, (N, *shape).
        errors: Mean squared error of each sample, weighted by the mask, (N,).
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
    r"""Find codes near a start whose samples match targets where a mask is positive.

    .. math:: \min_z \frac{\sum_d m_d\,(G(z)_d - t_d)^2}{\sum_d m_d} + c\,\|z - z_0\|^2

    Adam minimises each row independently, with a learning rate that decays to zero along half a
    cosine. The generator does not change.

    Args:
        generator: Module from codes (N, latent) to samples (N, *shape), used in evaluation mode.
        target: Samples (N, *shape).
        start: Codes z_0 (N, latent): an encoder's codes of the unedited samples, or draws of the
            prior.
        mask: Weights m of at least 0 that can be expanded to the target, such as (N, 1, H, W), and
            are positive somewhere in each row; None weights all values equally.
        steps: Steps of Adam.
        lr: Initial learning rate.
        closeness: Weight c of the distance from the start.

    Returns:
        Codes, samples and errors, on the device of `start`.

    Raises:
        ValueError: Codes that the generator refuses, a target or mask of another shape, a mask of
            zeros, or a setting out of range.

    Example:
        >>> double = nn.Linear(1, 1, bias=False)
        >>> _ = nn.init.constant_(double.weight, 2.0)
        >>> round(project(double, torch.tensor([[3.0]]), torch.zeros(1, 1)).codes.item(), 3)
        1.5

    Reference: Zhu et al., "Generative Visual Manipulation on the Natural Image Manifold" (iGAN),
    2016, eq. 3 and 5; Brock et al., "Neural Photo Editing with Introspective Adversarial Networks",
    2017, section 2.

    Deviations: only the squared error of the samples, without features of another network and
    without a critic's term; Adam.
    """
    check_number("steps", steps, low=1)
    check_number("lr", lr, low=0, open_low=True)
    check_number("closeness", closeness, low=0)
    start, target = start.detach(), target.detach().to(start)
    weights = _weights(mask, target)
    z = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=lr, betas=(0.9, 0.999))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with eval_mode(generator), torch.enable_grad():
        _check(generator, start, target)
        for _ in range(int(steps)):
            errors = _errors(generator(z), target, weights)
            loss = errors.sum() + closeness * (z - start).square().sum()
            (z.grad,) = torch.autograd.grad(loss, [z])
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            samples = generator(z)
    return Projection(z.detach(), samples, _errors(samples, target, weights))


def carry_over(image: Tensor, before: Tensor, after: Tensor, blur: float = 1.0) -> Tensor:
    r"""Transfer the change between two generated images to a real image.

    .. math:: y = a + (1 - M)\,(x - b), \qquad M = \min(1, blurred\ mean_c |a_c - b_c|)

    Where the generated images agree, y is the real image x with all its detail; where they differ
    strongly, y is the edited image a.

    Args:
        image: Real images x, (N, C, H, W) in [-1, 1].
        before: Generated images b of that shape, such as reconstructions of `image`.
        after: Generated images a of that shape, such as edited reconstructions.
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
            f"image: expected images (N, C, H, W) of the shape of before and after, got {shapes}"
        )
    change = (after - before).abs().mean(1, keepdim=True)
    return after + (1 - _blurred(change, blur).clamp(max=1)) * (image - before)


def _blurred(x: Tensor, sigma: float) -> Tensor:
    """Blur images (N, 1, H, W) with a Gaussian, replicating the border pixels."""
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
    """Expand a mask to the target and normalise it to a sum of one in each row."""
    weights = torch.ones_like(target)
    if mask is not None:
        try:
            weights = weights * mask.to(target)
        except RuntimeError:
            raise ValueError(
                f"mask: expected a shape that expands to {tuple(target.shape)}, "
                f"got {tuple(mask.shape)}"
            ) from None
    totals = weights.flatten(1).sum(1)
    if weights.shape != target.shape or bool((weights < 0).any()) or not bool((totals > 0).all()):
        raise ValueError(
            f"mask: expected weights of at least 0 with a positive one in each of {len(target)} "
            f"rows, got a smallest weight of {float(weights.min()):g} and a smallest row sum of "
            f"{float(totals.min()):g}"
        )
    return weights / totals.view(-1, *[1] * (target.ndim - 1))


def _check(generator: nn.Module, start: Tensor, target: Tensor) -> None:
    try:
        with torch.no_grad():
            samples = generator(start)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"start: expected codes that the generator takes, got {tuple(start.shape)}: "
            f"{str(error).splitlines()[0]}"
        ) from None
    if samples.shape != target.shape:
        raise ValueError(
            f"target: expected the shape {tuple(samples.shape)} of the generator's samples, "
            f"got {tuple(target.shape)}"
        )
