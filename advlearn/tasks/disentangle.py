"""Learn disentangled latent codes that can be inferred from the samples: InfoGAN."""

from collections.abc import Sequence
from math import log, pi
from typing import Any, NamedTuple, Self, final

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, softplus

from advlearn.core import distributed
from advlearn.core.arguments import Count
from advlearn.core.checks import check_number
from advlearn.core.inputs import Inputs
from advlearn.core.modules import eval_mode
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.nets import predictor_for
from advlearn.nets.network import one_hot, sizes
from advlearn.tasks import _heads as heads
from advlearn.tasks import _sampling as sampling
from advlearn.tasks._codes import check_codes
from advlearn.tasks._examples import labelled_points

CRITIC = "data"
# Smallest standard deviation of a continuous code's posterior, which bounds log q.
LEAST_STD = 0.05


class Posterior(NamedTuple):
    """Hold the posterior of the codes of samples, computed by the Q network.

    Attributes:
        discrete: Log-probabilities (N, K) of each discrete code.
        mean: Means (N, C) of the continuous codes.
        std: Standard deviations (N, C) of the continuous codes.
    """

    discrete: tuple[Tensor, ...]
    mean: Tensor
    std: Tensor


@final
class Disentangle(Task):
    r"""Train a generator with latent codes and a network Q that infers the codes from samples.

    .. math:: fake = G(z, c), \quad z \sim N(0, I), \qquad
        L = -\sum_j w_j\,E[\log q(c_j \mid G(z, c))]

    Discrete codes are uniform classes, continuous ones uniform in [-1, 1]. E log q + H(c) is a
    lower bound of the mutual information between codes and samples; generator and Q maximise it.

    Args:
        generator: Module from (N, noise + sum of `codes` + continuous), laid out in this order with
            discrete codes as one-hot vectors, to samples (N, *shape).
        q_network: Module from samples (N, *shape) to (N, sum of `codes` + 2 * continuous): logits
            of each discrete code, then means and untransformed standard deviations of the
            continuous ones.
        noise: Size of z.
        shape: Shape of one sample.
        codes: Number of classes of each discrete code.
        continuous: Number of continuous codes.
        code_weight: w of a discrete code.
        continuous_weight: w of a continuous code.
        architecture: Name of the critic's architecture, one of `advlearn.nets.architectures()`;
            None chooses by `shape`.
        base_channels: Channels at half resolution of the default critic.

    Raises:
        ValueError: A size or weight is out of range, there is no code, or a module does not fit.

    Example:
        >>> task = Disentangle(
        ...     nn.Linear(7, 2), nn.Linear(2, 5), noise=3, shape=(2,), codes=(3,), continuous=1
        ... )
        >>> task.sample(4).shape, task.codes(torch.zeros(4, 2)).mean.shape
        (torch.Size([4, 2]), torch.Size([4, 1]))

    Reference:
        Chen et al. 2016, InfoGAN, sections 4 to 6 (eq. 5 for the bound; the smaller weight of
        continuous codes).

    Deviations:
        Q is a separate network instead of a last layer on the critic, which makes it independent of
        the objective; the standard deviation of a continuous code is learned and at least 0.05.
    """

    example_options = (
        {"codes": (3,), "continuous": 1, "noise": 2},
        {"codes": (), "continuous": 1, "noise": 2},
    )

    def __init__(
        self,
        generator: nn.Module,
        q_network: nn.Module,
        *,
        noise: Count,
        shape: tuple[int, ...],
        codes: Sequence[int] = (10,),
        continuous: int = 2,
        code_weight: float = 1.0,
        continuous_weight: float = 0.1,
        architecture: str | None = None,
        base_channels: Count = 64,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.q_network = q_network
        self.noise = int(check_number("noise", noise, low=1))
        self.shape = tuple(shape)
        self.sizes, self.continuous = _code_sizes(codes, continuous)
        self.code_weight = check_number("code_weight", code_weight, low=0)
        self.continuous_weight = check_number("continuous_weight", continuous_weight, low=0)
        self.architecture = architecture
        self.base_channels = base_channels
        like = next(generator.parameters())
        sampling.check_generator(
            generator, self.shape, torch.zeros(2, noise + sum(self.sizes) + continuous).to(like)
        )
        outputs = heads.outputs_of(q_network, self.shape, "q_network")
        expected = sum(self.sizes) + 2 * continuous
        if tuple(outputs.shape[1:]) != (expected,):
            size = ", ".join(map(str, outputs.shape[1:]))
            raise ValueError(f"q_network: expected outputs (N, {expected}), got (N, {size})")

    @classmethod
    def from_data(
        cls,
        data: ArrayDataset | StreamedDataset,
        *,
        noise: Count = 62,
        codes: Sequence[int] = (10,),
        continuous: int = 2,
        architecture: str | None = None,
        base_channels: Count = 64,
        **settings: Any,
    ) -> Self:
        """Build the task with networks sized from the data; labels are ignored.

        Args:
            data: The data.
            noise: Size of z.
            codes: Number of classes of each discrete code.
            continuous: Number of continuous codes.
            architecture: Name of an architecture for generator and critic; None chooses by shape.
            base_channels: Channels at half resolution of generator and critic.
            **settings: Other keywords of the constructor.
        """
        cls.check_options(settings)
        discrete, continuous = _code_sizes(codes, continuous)
        latent = int(check_number("noise", noise, low=1)) + sum(discrete) + continuous
        sizes: dict[str, Any] = {"architecture": architecture, "base_channels": base_channels}
        generator = sampling.propose_generator(data, latent, **sizes)
        q_network = predictor_for(data.shape, sum(discrete) + 2 * continuous)
        settings |= {"noise": noise, "codes": discrete, "continuous": continuous}
        return cls(generator, q_network, shape=data.shape, **sizes, **settings)

    @classmethod
    def example_data(cls) -> ArrayDataset:
        """Return labelled points in the plane."""
        return labelled_points()

    def forward(self, batch: Batch) -> TaskOutput:
        x = batch[0]
        z, classes, values = self._drawn(x)
        fake = self.generator(self._latent(z, classes, values))
        log_q = log_likelihoods(self._posterior(self.q_network(fake)), classes, values).mean(0)
        weights = [self.code_weight] * len(self.sizes) + [self.continuous_weight] * self.continuous
        loss = -sum(
            (w * value for w, value in zip(weights, log_q.unbind(), strict=True)),
            log_q.new_zeros(()),
        )
        loss = sampling.with_penalty(loss, self.generator)
        return TaskOutput({CRITIC: SamplePair(x, fake)}, loss, {"log_likelihood": log_q.detach()})

    @property
    def latent(self) -> int:
        """Size of the latent vectors that `decode` takes: the noise, without the codes."""
        return self.noise

    def critic_inputs(self) -> dict[str, Inputs]:
        inputs = Inputs(
            (self.shape,), architecture=self.architecture, base_channels=self.base_channels
        )
        return {CRITIC: inputs}

    @torch.no_grad()
    def sample(self, n: int, codes: Tensor | None = None) -> Tensor:
        """Draw samples in evaluation mode, from the global generator.

        Args:
            n: Number of samples.
            codes: Codes (n, D + C): the class of each discrete code, then the value of each
                continuous one; None draws them.

        Returns:
            Samples (n, *shape).

        Raises:
            ValueError: Codes of another shape, or a class out of range.
        """
        z, classes, values = self._drawn(self._zeros(n))
        if codes is not None:
            classes, values = self._split(codes.to(z), n)
        return self._generate(z, classes, values)

    @torch.no_grad()
    def decode(self, z: Tensor, codes: Tensor | None = None) -> Tensor:
        """Generate samples (N, *shape) from noise `z` (N, noise) in evaluation mode.

        Args:
            z: The noise.
            codes: As for `sample`; None takes the first class of each discrete code and the middle
                of each continuous one, which leaves only the noise to vary.

        Raises:
            ValueError: As for `sample`.
        """
        z = z.to(self._zeros(1))
        if codes is None:
            codes = z.new_zeros(len(z), len(self.sizes) + self.continuous)
        return self._generate(z, *self._split(codes.to(z), len(z)))

    def codes(self, x: Tensor) -> Posterior:
        """Infer the posterior of the codes of samples `x` (N, *shape), in evaluation mode."""
        return self._posterior(heads.predict(self.q_network, x))

    @torch.no_grad()
    def traverse(self, code: int, values: Tensor | None = None, rows: int = 5) -> Tensor:
        """Generate samples in which one code varies and everything else in a row is fixed.

        Args:
            code: Index of the code: discrete codes first, then continuous ones.
            values: Its values (V,); None takes every class, or ten values from -1 to 1.
            rows: Number of draws of the noise and the other codes.

        Returns:
            Samples (rows, V, *shape).

        Raises:
            ValueError: There is no such code, or a class is out of range.
        """
        count = len(self.sizes) + self.continuous
        if not 0 <= code < count:
            raise ValueError(f"code: expected one of 0 to {count - 1}, got {code}")
        if values is None:
            discrete = code < len(self.sizes)
            values = (
                torch.arange(self.sizes[code]).float() if discrete else torch.linspace(-1, 1, 10)
            )
        z, classes, numbers = self._drawn(self._zeros(rows))
        codes = torch.cat([*(c[:, None].to(z) for c in classes), numbers], 1).repeat_interleave(
            len(values), 0
        )
        codes[:, code] = values.to(codes).repeat(rows)
        classes, numbers = self._split(codes, len(codes))
        return self._generate(z.repeat_interleave(len(values), 0), classes, numbers).unflatten(
            0, (rows, len(values))
        )

    @torch.no_grad()
    def information(self, n: int = 1000) -> Tensor:
        """Estimate a lower bound of the mutual information of each code, in nats: float (D + C,).

        The bound is H(c) + E log q(c | G(z, c)), at most H(c) = log K for a discrete code. For a
        continuous code the smallest standard deviation limits it, although the information of the
        code itself may be infinite.

        Args:
            n: Number of samples in the mean.
        """
        z, classes, values = self._drawn(self._zeros(n))
        log_q = log_likelihoods(
            self.codes(self._generate(z, classes, values)), classes, values
        ).mean(0)
        return log_q + torch.tensor(
            [log(size) for size in self.sizes] + [log(2)] * self.continuous
        ).to(log_q)

    def _posterior(self, outputs: Tensor) -> Posterior:
        *logits, mean, raw = outputs.split([*self.sizes, self.continuous, self.continuous], 1)
        return Posterior(
            tuple(log_softmax(part, 1) for part in logits), mean, LEAST_STD + softplus(raw)
        )

    def _zeros(self, n: int) -> Tensor:
        """Return `n` zeros on the device and in the precision of the generator."""
        return next(self.generator.parameters()).new_zeros(n)

    def _drawn(self, like: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        """Draw noise, classes and values, one row for each row of `like`."""
        n = len(like)
        classes = [distributed.randint(size, n, device=like.device) for size in self.sizes]
        values = 2 * distributed.rand(n, self.continuous, like=like) - 1
        return distributed.randn(n, self.noise, like=like), classes, values

    def _latent(self, z: Tensor, classes: Sequence[Tensor], values: Tensor) -> Tensor:
        chosen = [one_hot(c, size, z) for c, size in zip(classes, self.sizes, strict=True)]
        return torch.cat([z, *chosen, values], 1)

    def joined(self, z: Tensor, codes: Tensor) -> Tensor:
        """Return the generator's input (N, latent) of noise `z` (N, noise) and `codes` (N, D + C).

        Classes are not checked, so that the values decide no branch.
        """
        return self._latent(z, *self._columns(codes))

    def _columns(self, codes: Tensor) -> tuple[list[Tensor], Tensor]:
        classes = [column.long() for column in codes[:, : len(self.sizes)].unbind(1)]
        return classes, codes[:, len(self.sizes) :].float()

    def _generate(self, z: Tensor, classes: Sequence[Tensor], values: Tensor) -> Tensor:
        with eval_mode(self.generator):
            return self.generator(self._latent(z, classes, values))

    def _split(self, codes: Tensor, n: int) -> tuple[list[Tensor], Tensor]:
        check_codes(codes, (n, len(self.sizes) + self.continuous), self.sizes)
        return self._columns(codes)


def log_likelihoods(posterior: Posterior, classes: Sequence[Tensor], values: Tensor) -> Tensor:
    """Compute log q of the true codes: (N, D + C), discrete codes first, in nats.

    Args:
        posterior: The inferred posterior.
        classes: Each discrete code's class, int64 (N,).
        values: Continuous codes, float (N, C).
    """
    discrete = [p.gather(1, c[:, None]) for p, c in zip(posterior.discrete, classes, strict=True)]
    scaled = (values - posterior.mean) / posterior.std
    return torch.cat(
        [*discrete, -0.5 * scaled.square() - posterior.std.log() - 0.5 * log(2 * pi)], 1
    )


def _code_sizes(codes: Sequence[int], continuous: int) -> tuple[tuple[int, ...], int]:
    discrete, continuous = sizes("codes", codes), int(check_number("continuous", continuous, low=0))
    if 1 in discrete or not (discrete or continuous):
        raise ValueError(
            f"codes: expected one or more codes, of 2 or more classes each, got {codes!r}"
        )
    return discrete, continuous


TASK = Disentangle
