"""Propose a critic for given inputs and the output that an objective needs."""

import math
from dataclasses import replace
from typing import final

from torch import Tensor, nn

from advlearn.core.arguments import Count, checked
from advlearn.core.chain import Chain
from advlearn.core.inputs import Inputs
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer
from advlearn.nets.adapters.channel_concat_critic import ChannelConcatCritic
from advlearn.nets.adapters.concat_critic import ConcatCritic, MultilinearMap
from advlearn.nets.adapters.identity import IdentityCritic
from advlearn.nets.adapters.pac_critic import PacCritic
from advlearn.nets.adapters.pixels import PixelCritic
from advlearn.nets.architecture import find_architecture
from advlearn.nets.autoencoder import AutoencoderCritic
from advlearn.nets.density_critics import CategoricalCritic, MixtureDensityCritic
from advlearn.nets.encoder import PairCritic
from advlearn.nets.families.lapgan import LAPGANCritic
from advlearn.nets.families.patchgan import PatchGANCritic
from advlearn.nets.mlp import MLPCritic
from advlearn.nets.sizing import EMBEDDED, critic_for, is_image

LARGE = 64
"""Side from which images are scored in patches of 70 pixels, as in pix2pix; smaller ones in 16."""


@checked
def propose(
    inputs: Inputs,
    objective: Objective | Chain,
    *,
    architecture: str | None = None,
    base_channels: Count | None = None,
) -> nn.Module:
    """Build a critic for its inputs, with the output that an objective needs.

    Args:
        inputs: The inputs of the critic.
        objective: The objective, or a chain with its regularizers: a PatchGAN has one logit per
            patch only where no regularizer has a penalty.
        architecture: Name of an architecture (`advlearn.nets.architectures`); None takes the one
            of `inputs`.
        base_channels: Channels at half resolution; None takes those of `inputs`.

    Returns:
        A module that takes one tensor per part of `inputs`.

    Raises:
        ValueError: If no critic of these inputs has the output that the objective needs.

    Example:
        >>> import torch
        >>> from advlearn import resolve
        >>> critic = propose(Inputs(((2,),)), resolve("hinge"), base_channels=8)
        >>> critic(torch.zeros(5, 2)).shape
        torch.Size([5])
    """
    chain = Chain.of(objective)
    reason = inputs.incompatibility(chain.required_objective())
    if reason is not None:
        raise ValueError(f"objective: no critic fits {chain.objective!r}: {reason}")
    inputs = replace(
        inputs,
        architecture=architecture or inputs.architecture,
        base_channels=inputs.base_channels if base_channels is None else base_channels,
    )
    return _propose(inputs, chain)


def learns_nothing(objective: Objective) -> bool:
    """Return whether an objective compares samples as they are, without a trained critic."""
    return getattr(objective, "embedding", "learned") == "identity"


def _propose(inputs: Inputs, chain: Chain) -> nn.Module:
    objective = chain.required_objective()
    if inputs.module is not None:
        return inputs.module
    if inputs.pac > 1:
        channels, *sides = inputs.shapes[0]
        packed = replace(inputs, pac=1, shapes=((inputs.pac * channels, *sides),))
        return PacCritic(_propose(packed, chain), inputs.pac)
    if objective.critic_output == "density":
        return _density(inputs)
    if inputs.join == "condition":
        return _of_sample(inputs, objective)
    if inputs.join == "sum":
        return _of_residual(inputs, objective)
    if learns_nothing(objective):
        several = len(inputs.shapes) + len(inputs.classes) > 1
        return ConcatCritic(nn.Identity(), inputs.classes) if several else IdentityCritic()
    energy = objective.critic_output == "energy"
    if inputs.join == "product" and not energy:
        return MultilinearMap(_of_vector(inputs, objective, math.prod(_sizes(inputs))))
    if inputs.join == "channels" and is_image(*inputs.shapes):
        return _of_channels(inputs, chain)
    if inputs.join == "code" and not energy:
        return _of_code(inputs, objective)
    size = sum(_sizes(inputs)) + sum(inputs.classes)
    return ConcatCritic(_of_vector(inputs, objective, size), inputs.classes)


def _sizes(inputs: Inputs) -> list[int]:
    return [math.prod(shape) for shape in inputs.shapes]


def _outputs(objective: Objective) -> int:
    return EMBEDDED if objective.critic_output == "vector" else 1


def _of_sample(inputs: Inputs, objective: Objective) -> nn.Module:
    """Build a critic of samples, conditioned on a class if there is one."""
    shape, classes = inputs.shapes[0], sum(inputs.classes)
    if learns_nothing(objective):
        return IdentityCritic(classes)
    if inputs.architecture is not None and objective.critic_output != "energy":
        return find_architecture(inputs.architecture, shape).critic(
            shape, _outputs(objective), base_channels=inputs.base_channels, classes=classes
        )
    if inputs.images and objective.critic_output != "energy":
        return PixelCritic(math.prod(shape), inputs.images, _outputs(objective))
    if inputs.hidden is not None and not classes:
        return _of_vector(inputs, objective, math.prod(shape))
    return critic_for(shape, objective.critic_output, classes, base_channels=inputs.base_channels)


def _of_vector(inputs: Inputs, objective: Objective, size: int) -> nn.Module:
    """Build a critic of vectors of a size."""
    if inputs.hidden is not None and objective.critic_output == "logit":
        return MLPCritic((size,), hidden=inputs.hidden)
    return critic_for((size,), objective.critic_output, base_channels=inputs.base_channels)


def _of_residual(inputs: Inputs, objective: Objective) -> nn.Module:
    """Build a critic of residuals and the enlarged images they belong to."""
    shape, classes = inputs.shapes[0], sum(inputs.classes)
    if learns_nothing(objective) or objective.critic_output == "energy":
        return _OfSum(_of_sample(replace(inputs, shapes=(shape,)), objective))
    return LAPGANCritic(shape, _outputs(objective), inputs.base_channels, classes)


def _of_channels(inputs: Inputs, chain: Chain) -> nn.Module:
    """Build a critic of images stacked as channels.

    It has one logit per patch if the objective is a mean over single scores and no penalty needs
    one score per sample; otherwise the score is the mean over the patches.
    """
    objective = chain.required_objective()
    stacked = (sum(shape[0] for shape in inputs.shapes), *inputs.shapes[-1][1:])
    if objective.critic_output == "energy":
        return ChannelConcatCritic(AutoencoderCritic(stacked, inputs.base_channels))
    per_patch = objective.pointwise and not any(map(_has_penalty, chain.regularizers))
    halvings = 3 if min(stacked[1:]) >= LARGE else 1
    outputs = None if per_patch else _outputs(objective)
    return ChannelConcatCritic(PatchGANCritic(stacked, outputs, inputs.base_channels, halvings))


def _of_code(inputs: Inputs, objective: Objective) -> nn.Module:
    """Build a critic of samples and their codes."""
    (shape, (latent,)), width = inputs.shapes, inputs.base_channels
    if inputs.architecture is None:
        net: nn.Module = critic_for(shape, "vector", out_features=4 * width, base_channels=width)
    else:
        net = find_architecture(inputs.architecture, shape).critic(
            shape, 4 * width, base_channels=width
        )
    return PairCritic(net, 4 * width, latent, _outputs(objective), inputs.marginal_terms)


def _density(inputs: Inputs) -> nn.Module:
    """Build a critic that scores the conditional density of a group or a number."""
    width, groups = math.prod(inputs.shapes[0]), inputs.predicts
    classes = sum(inputs.classes[1:] if groups else inputs.classes)
    if groups:
        return CategoricalCritic(width, groups, classes, only=inputs.favoured)
    return MixtureDensityCritic(width, classes=classes, only=inputs.favoured)


def _has_penalty(regularizer: Regularizer) -> bool:
    kind = type(regularizer)
    return (kind.penalty, kind.player_penalty) != (Regularizer.penalty, Regularizer.player_penalty)


@final
class _OfSum(nn.Module):
    """Score the sum of a residual and the enlarged image it belongs to."""

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, residual: Tensor, coarse: Tensor, *y: Tensor) -> Tensor:
        """Return the scores of the sums."""
        return self.critic(residual + coarse, *y)
