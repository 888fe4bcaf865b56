"""Learn an encoder and a generator: BiGAN, ALI, adversarial autoencoders, VAE, VAE-GAN."""

from collections.abc import Sequence
from typing import Any, Self, cast, final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.arguments import Count, Natural
from advlearn.core.checks import check_choice, check_number
from advlearn.core.inputs import Inputs
from advlearn.core.task import Batch, SamplePair, Task, TaskOutput
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.priors import Gaussian, Prior
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.nets.encoder import encoder_for
from advlearn.tasks import _heads as heads
from advlearn.tasks import _sampling as sampling
from advlearn.tasks._codes import COMPARISONS, divergence, drawn, law_of
from advlearn.tasks._examples import labelled_points


@final
class Representation(Task):
    r"""Train an encoder E and a generator G that invert each other, with codes that follow a prior.

    .. math:: L = E_x\Big[\tfrac{r}{2}\,\|x - G(E(x))\|^2 + k\,KL(q(z \mid x)\,\|\,p(z))\Big],
        \qquad z \sim p

    The comparisons, each with a separate critic:

    - ``"joint"``: real (x, E(x)), fake (G(z), z); trains both networks (BiGAN; ALI with a
      stochastic encoder).
    - ``"codes"``: real z, fake E(x); with classes real (z of component y, y), fake (E(x), y)
      (adversarial autoencoder).
    - ``"samples"``: real x, fake G(E(x)) for half of a batch and G(z) for the other; trains only G
      (VAE-GAN).

    Args:
        encoder: Module from samples (N, *shape) to codes (N, latent), or (N, 2 * latent): means and
            log-variances of q(z | x), a Gaussian.
        generator: Module from codes (N, latent) to samples (N, *shape).
        latent: Size of a code.
        shape: Shape of one sample.
        compare: Names from the list above; with none the model is a plain autoencoder and the
            objective is ignored.
        marginal_terms: Also score the sample and the code of a pair separately (BigBiGAN).
        reconstruction: r, the weight of the reconstruction: 1 / sigma^2 of a Gaussian likelihood.
        kl: k, the weight of the KL divergence; needs a stochastic encoder and a Gaussian prior.
        prior: ``"gaussian"``, ``"ring"``, ``"mixture"``, or a `Prior`.
        classes: Number of classes that choose the component of a code; 0 without labels.
        has_unlabelled_class: Whether the last class marks samples without a label: their component
            is drawn, and the critic takes the class (partly labelled data).
        architecture: Name of the architecture of critics of samples; None chooses by `shape`.
        base_channels: Channels at half resolution of the default critics.

    Raises:
        ValueError: A setting is out of range, or the modules do not fit each other.

    Example:
        >>> task = Representation(nn.Linear(2, 3), nn.Linear(3, 2), latent=3, shape=(2,))
        >>> task.reconstruct(torch.zeros(5, 2)).shape
        torch.Size([5, 2])

    Reference:
        Donahue et al. 2017, eq. 3 (BiGAN); Dumoulin et al. 2017, eq. 3 (ALI); Donahue and
        Simonyan 2019, section 2 (BigBiGAN); Makhzani et al. 2016, section 2 (adversarial
        autoencoder); Kingma and Welling 2014, eq. 10 (VAE); Larsen et al. 2016, eq. 8 (VAE-GAN);
        Rosca et al. 2017, section 3 (alpha-GAN); Makhzani et al. 2016, section 2.3 (labels, and the
        extra class for samples without one).

    Deviations:
        The reconstruction compares samples; VAE-GAN's compares a layer of its critic. All terms
        share one optimiser and one step; the paper of the adversarial autoencoder has one for each.
        Log-variances replace BigBiGAN's softplus, and its three terms are averaged instead of
        summed.
    """

    example_options = (
        {"latent": 2, "base_channels": 8},
        {"latent": 2, "base_channels": 8, "stochastic": True, "prior": "ring"},
        {"latent": 2, "base_channels": 8, "stochastic": True, "marginal_terms": True},
        {
            "latent": 2,
            "base_channels": 8,
            "compare": "codes",
            "reconstruction": 0.1,
            "prior": "mixture",
            "labels": True,
        },
        {
            "latent": 2,
            "base_channels": 8,
            "compare": "samples",
            "stochastic": True,
            "reconstruction": 10.0,
            "kl": 1.0,
        },
        {
            "latent": 2,
            "base_channels": 8,
            "compare": ("codes", "samples"),
            "reconstruction": 0.1,
        },
        {
            "latent": 2,
            "base_channels": 8,
            "compare": (),
            "stochastic": True,
            "reconstruction": 10.0,
            "kl": 1.0,
        },
    )

    def __init__(
        self,
        encoder: nn.Module,
        generator: nn.Module,
        *,
        latent: Count,
        shape: tuple[int, ...],
        compare: str | Sequence[str] = ("joint",),
        marginal_terms: bool = False,
        reconstruction: float = 0.0,
        kl: float = 0.0,
        prior: str | Prior = "gaussian",
        classes: Natural = 0,
        has_unlabelled_class: bool = False,
        architecture: str | None = None,
        base_channels: Count = 64,
    ) -> None:
        super().__init__()
        self.latent = int(check_number("latent", latent, low=1))
        self.shape = tuple(shape)
        self.encoder = encoder
        self.generator = generator
        names = (compare,) if isinstance(compare, str) else compare
        self.compare = tuple(check_choice("compare", name, COMPARISONS) for name in names)
        self.marginal_terms = marginal_terms
        self.reconstruction = check_number("reconstruction", reconstruction, low=0)
        self.kl = check_number("kl", kl, low=0)
        self.classes = int(check_number("classes", classes, low=0))
        self.prior = prior
        self.has_unlabelled_class = has_unlabelled_class
        self.law = law_of(
            prior, self.latent, self.classes - has_unlabelled_class if self.classes else 0
        )
        self.architecture = architecture
        self.base_channels = base_channels
        self.stochastic = self._run_modules()
        self._check()

    @classmethod
    def from_data(
        cls,
        data: ArrayDataset | StreamedDataset,
        *,
        latent: Count = 32,
        stochastic: bool = False,
        labels: bool = False,
        architecture: str | None = None,
        base_channels: Count = 64,
        **settings: Any,
    ) -> Self:
        """Build the task with networks sized from the data; the defaults are BiGAN's.

        Args:
            data: The data.
            latent: Size of a code.
            stochastic: Whether the encoder returns a Gaussian of codes instead of one code.
            labels: Whether the classes of the data choose the components of the prior.
            architecture: Name of an architecture for the generator and for critics of samples;
                None chooses by shape.
            base_channels: Channels at half resolution.
            **settings: Other keywords of the constructor.
        """
        cls.check_options(settings)
        if labels and not data.classes:
            raise ValueError(f"labels: expected data with classes, got {data.name} without")
        sizes: dict[str, Any] = {"architecture": architecture, "base_channels": base_channels}
        encoder = encoder_for(data.shape, latent * (1 + stochastic), base_channels)
        generator = sampling.propose_generator(data, latent, **sizes)
        sizes |= {"shape": data.shape, "classes": data.classes if labels else 0}
        return cls(encoder, generator, latent=latent, **sizes, **settings)

    @classmethod
    def example_data(cls) -> ArrayDataset:
        """Return labelled points in the plane."""
        return labelled_points()

    def forward(self, batch: Batch) -> TaskOutput:
        x, y = batch[0], batch[1] if self.classes else None
        mean, log_variance = self.posterior(x)
        codes = drawn(mean, log_variance)
        z = self.law.draw(len(x), x, self._component(y))
        pairs = {name: self._pair(name, x, y, codes, z) for name in self.compare}
        terms: list[Tensor] = []
        if self.reconstruction:
            error = (self.generator(codes) - x).square().flatten(1).sum(1)
            terms.append(self.reconstruction / 2 * error.mean())
        if self.kl:
            terms.append(self.kl * divergence(mean, cast(Tensor, log_variance)).mean())
        penalty = sampling.own_penalty(self.generator)
        terms += [] if penalty is None else [penalty]
        return TaskOutput(
            pairs, sum(terms[1:], terms[0]) if terms else None, {"codes": codes.detach()}
        )

    def critic_inputs(self) -> dict[str, Inputs]:
        return {name: self._inputs(name) for name in self.compare}

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Compute means (N, latent) of q(z | x), and log-variances of a stochastic encoder."""
        # Full precision also under autocast, because an exponential follows.
        out = self.encoder(x).to(x.dtype)
        if not self.stochastic:
            return out, None
        mean, log_variance = out.chunk(2, 1)
        return mean, log_variance

    def encode(self, x: Tensor) -> Tensor:
        """Compute codes (N, latent), or their means, of samples `x` in evaluation mode."""
        return heads.predict(self.encoder, x)[:, : self.latent]

    def draw_codes(self, x: Tensor) -> Tensor:
        """Draw codes (N, latent) from q(z | x)."""
        out = heads.predict(self.encoder, x)
        return drawn(*out.chunk(2, 1)) if self.stochastic else out

    def decode(self, z: Tensor) -> Tensor:
        """Generate samples (N, *shape) from codes `z` (N, latent), in evaluation mode."""
        return heads.predict(self.generator, z)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Compute reconstructions G(E(x)), (N, *shape), in evaluation mode."""
        return self.decode(self.encode(x))

    def sample(self, n: int, labels: Tensor | None = None) -> Tensor:
        """Draw samples (n, *shape) of codes of the prior, from the global random state.

        Args:
            n: Number of samples.
            labels: Component of the prior of each sample, int64 (n,); None draws them.

        Raises:
            ValueError: Labels for a prior without components, or of another length.
        """
        if labels is not None and labels.shape != (n,):
            raise ValueError(f"labels: expected {n} integers, got {tuple(labels.shape)}")
        like = next(self.generator.parameters())
        return self.decode(
            self.law.draw(n, like, None if labels is None else labels.to(like.device))
        )

    def interpolate(self, x0: Tensor, x1: Tensor, steps: int) -> Tensor:
        """Generate samples (N, steps, *shape) between the codes of `x0` and `x1`."""
        z0, z1 = self.encode(x0), self.encode(x1)
        share = torch.linspace(0, 1, steps, device=z0.device)[None, :, None]
        return self.decode(z0[:, None].lerp(z1[:, None], share).flatten(0, 1)).unflatten(
            0, (len(z0), steps)
        )

    def analogy(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """Compute G(E(c) + mean E(b) - mean E(a)), (N, *shape): a is to b as `c` to the result."""
        return self.decode(self.encode(c) + self.encode(b).mean(0) - self.encode(a).mean(0))

    def _component(self, y: Tensor | None) -> Tensor | None:
        """Return the prior component of each class in `y`, drawn where the class is unknown."""
        if y is None or not self.has_unlabelled_class:
            return y
        return torch.where(
            y < self.law.components,
            y,
            distributed.randint(self.law.components, len(y), device=y.device),
        )

    def _pair(self, name: str, x: Tensor, y: Tensor | None, codes: Tensor, z: Tensor) -> SamplePair:
        if name == "joint":
            return SamplePair((x, codes), (self.generator(z), z))
        if name == "codes":
            return SamplePair(z, codes) if y is None else SamplePair((z, y), (codes, y))
        half = len(x) // 2
        return SamplePair(x, self.generator(torch.cat([codes[:half].detach(), z[half:]])))

    def _inputs(self, name: str) -> Inputs:
        """Describe the inputs of the critic of one comparison."""
        if name == "codes":
            classes = (self.classes,) if self.classes else ()
            return Inputs(((self.latent,),), classes, base_channels=self.base_channels)
        settings: dict[str, Any] = {
            "architecture": self.architecture,
            "base_channels": self.base_channels,
        }
        if name == "samples":
            return Inputs((self.shape,), **settings)
        shapes = (self.shape, (self.latent,))
        return Inputs(shapes, join="code", marginal_terms=self.marginal_terms, **settings)

    def _run_modules(self) -> bool:
        """Run both modules once and return whether the encoder is stochastic."""
        samples = heads.outputs_of(self.generator, (self.latent,), "generator")
        if tuple(samples.shape[1:]) != self.shape:
            raise ValueError(
                f"generator: expected samples of shape {self.shape}, got {tuple(samples.shape[1:])}"
            )
        out = heads.outputs_of(self.encoder, self.shape, "encoder")
        if tuple(out.shape[1:]) not in ((self.latent,), (2 * self.latent,)):
            expected = (
                f"codes (N, {self.latent}), or (N, {2 * self.latent}) of means and log-variances"
            )
            raise ValueError(f"encoder: expected {expected}, got shape {tuple(out.shape[1:])}")
        return out.shape[1] == 2 * self.latent

    def _check(self) -> None:
        """Refuse settings that leave a part untrained or are not defined."""
        if "joint" not in self.compare and not self.reconstruction:
            raise ValueError(
                "reconstruction: expected a weight above 0 without the comparison 'joint', got 0"
            )
        if self.marginal_terms and "joint" not in self.compare:
            raise ValueError(
                "marginal_terms: expected False without the comparison 'joint', whose critic has "
                "the terms, got True"
            )
        if self.kl and not (self.stochastic and isinstance(self.law, Gaussian)):
            raise ValueError(
                "kl: expected 0 unless the encoder is stochastic and the prior gaussian, "
                f"got {self.kl}"
            )
        known = self.classes - self.has_unlabelled_class
        if self.has_unlabelled_class and known < 1:
            raise ValueError(
                f"has_unlabelled_class: expected at least 2 classes, got {self.classes}"
            )
        if self.classes and not ("codes" in self.compare and self.law.components == known):
            raise ValueError(
                f"classes: expected the comparison 'codes' and a prior of {known} components, "
                f"got {self.law}"
            )


TASK = Representation
