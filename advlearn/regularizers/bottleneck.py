"""The variational discriminator bottleneck: the critic scores a code of bounded information."""

from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch, Samples
from advlearn.core.described import Reference
from advlearn.core.features import full_precision, last_linear, watch
from advlearn.core.regularizer import Regularizer
from advlearn.core.stacked import requires_grad

REFERENCE = Reference(
    "Variational Discriminator Bottleneck: Improving Imitation Learning, Inverse RL, and GANs by "
    "Constraining Information Flow",
    "Peng et al. 2019",
    "eq. 7 to 9 and 11",
    "https://arxiv.org/abs/1810.00821",
)


@final
class Bottleneck(Regularizer):
    r"""Bound the information between a sample and the stochastic code z that the critic scores.

    .. math:: z = \mu(f) + \sigma(f)\,\epsilon, \quad R = \beta\,(K - I_c), \quad
              K = \tfrac12 (E_r + E_f)\,KL(N(\mu, \sigma^2) \| N(0, I)), \quad
              \beta \leftarrow \max(0, \beta + a\,(K - I_c))

    `wrap` replaces the critic's last linear layer, in place, by a `Code` layer on the same features
    f. The code is sampled while the critic trains; the generator's step, rewards and evaluation use
    its mean. ``beta_lr=0`` keeps beta fixed. In a chain it precedes regularizers that act on layers
    (``spectral_norm``).

    Args:
        i_c: I_c, in nats.
        beta: beta at the start.
        beta_lr: a, the step of the dual ascent on beta.
        code: Size of z; None for the number of features.

    Raises:
        ValueError: If a number is negative or not finite; in `wrap`, if the critic has no linear
            layer or its last one is parametrised; in `penalty`, if the critic was not wrapped.

    Example:
        >>> import torch
        >>> critic = Bottleneck(code=3).wrap(
        ...     torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Linear(8, 1))
        ... )
        >>> critic[1].output
        Linear(in_features=3, out_features=1, bias=True)

    Reference:
        Peng et al. 2019, eq. 7 to 9 (the constraint and its multiplier) and 11 (the generator uses
        the mean).

    Deviations:
        The KL term costs a second pass over the features.
    """

    def __init__(
        self, i_c: float = 0.1, beta: float = 0.0, beta_lr: float = 1e-5, code: int | None = None
    ) -> None:
        super().__init__()
        self.i_c = check_number("i_c", i_c, low=0)
        self.beta = check_number("beta", beta, low=0)
        self.beta_lr = check_number("beta_lr", beta_lr, low=0)
        self.code = None if code is None else int(check_number("code", code, low=1))

    def wrap(self, critic: nn.Module) -> nn.Module:
        name, layer = last_linear(critic)
        if parametrize.is_parametrized(layer) or "weight" not in layer._parameters:
            raise ValueError(
                f"critic: expected a plain last layer, got a parametrised {name!r}; "
                "put bottleneck first"
            )
        width = layer.in_features if self.code is None else self.code
        code = Code(layer, width, self.beta)
        if not name:
            return code
        parent, _, attribute = name.rpartition(".")
        setattr(critic.get_submodule(parent), attribute, code)
        return critic

    def penalty(self, batch: CriticBatch) -> Tensor:
        critic = cast(nn.Module, batch.critic)
        code = _code_of(critic)
        real = batch.mean_real(_divergences(critic, code, batch.real))
        fake = batch.mean_fake(_divergences(critic, code, batch.fake))
        divergence = (real + fake) / 2
        code.divergence.copy_(distributed.mean(divergence))
        return code.beta * (divergence - self.i_c)

    def after_step(self, critic: nn.Module) -> None:
        code = _code_of(critic)
        code.beta.add_(self.beta_lr * (code.divergence - self.i_c)).clamp_(min=0)


@final
class Code(nn.Module):
    """Apply a linear layer to a Gaussian code of the inputs, and hold the state of its bound.

    Args:
        layer: The linear layer it replaces; its sizes, bias, device and dtype are kept, its
            weights are not.
        code: Size of the code.
        beta: Weight of the bound at the start.
    """

    beta: Tensor
    divergence: Tensor
    # Each side's noise is drawn for the samples of that side in all processes.
    mixes_samples = True

    def __init__(self, layer: nn.Linear, code: int, beta: float) -> None:
        super().__init__()
        like = {"device": layer.weight.device, "dtype": layer.weight.dtype}
        self.mean = nn.Linear(layer.in_features, code, **like)
        self.log_variance = nn.Linear(layer.in_features, code, **like)
        # Last, so that the inputs of the critic's last linear layer are the code.
        self.output = nn.Linear(code, layer.out_features, bias=layer.bias is not None, **like)
        self.register_buffer("beta", torch.tensor(float(beta), device=layer.weight.device))
        self.register_buffer(
            "divergence", torch.zeros((), device=layer.weight.device), persistent=False
        )
        watch(self)

    def forward(self, features: Tensor) -> Tensor:
        """Score features (N, ..., d) by a sampled code while the layer trains, else by its mean."""
        mean = self.mean(features)
        if self.training and any(map(requires_grad, self.parameters())):
            deviation = (self.log_variance(features) / 2).exp()
            mean = mean + deviation * distributed.randn(*mean.shape, like=mean)
        return self.output(mean)

    def divergences(self, features: Tensor) -> Tensor:
        """Compute each code's divergence from the standard normal, (N, ...), in nats."""
        mean, log_variance = (
            full_precision(self.mean(features)),
            full_precision(self.log_variance(features)),
        )
        return (mean.square() + log_variance.exp() - log_variance - 1).sum(-1) / 2


def _code_of(critic: nn.Module) -> Code:
    codes = [m for m in critic.modules() if isinstance(m, Code)]
    if not codes:
        raise ValueError(f"critic: expected one wrapped by Bottleneck, got {type(critic).__name__}")
    return codes[-1]


def _divergences(critic: nn.Module, code: Code, samples: Samples) -> Tensor:
    """Return the divergence of each sample's code, (N, ...)."""
    return code.divergences(watch(code).read(critic, samples))
