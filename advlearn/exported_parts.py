"""The networks of a task as modules of tensors, for programs that other software runs."""

import copy
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from advlearn.core.task import Task
from advlearn.nets.blocks.own_noise import OwnNoise, fixed_noise
from advlearn.plots.run_samples import classes_of_generator
from advlearn.tasks.cross_modal import CrossModal
from advlearn.tasks.disentangle import Disentangle
from advlearn.tasks.laplacian_pyramid import LaplacianPyramid
from advlearn.tasks.paired_translation import PairedTranslation
from advlearn.tasks.representation import Representation
from advlearn.tasks.unpaired_translation import UnpairedTranslation

ROWS = 3
"""Samples in the example inputs."""
SEED = 0
"""Seed of the noise that a generator draws itself, which a program holds fixed."""


class Part(NamedTuple):
    """A network that is exported, with example inputs of three rows.

    Args:
        module: Maps the inputs to one output, in evaluation mode on the CPU.
        names: Names of the inputs.
        inputs: Example inputs.
    """

    module: nn.Module
    names: tuple[str, ...]
    inputs: tuple[Tensor, ...]

    def example(self, n: int) -> tuple[Tensor, ...]:
        """Return other example inputs with n rows.

        Args:
            n: Number of rows.
        """
        return tuple(_like(x, n) for x in self.inputs)


@final
class Program(nn.Module):
    """Call a copy of a network, without hooks, in evaluation mode on the CPU.

    Noise that the network draws itself is replaced by constants, the same for all samples.

    Args:
        net: The network.
        inputs: Example inputs.
        function: Function from the copy and the inputs to the output; None calls the copy.
    """

    def __init__(
        self,
        net: nn.Module,
        inputs: tuple[Tensor, ...],
        function: Callable[..., Tensor] | None = None,
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            copied = copy.deepcopy(net).cpu().eval().requires_grad_(False)
        for module in copied.modules():
            # Hooks that read features would keep what the tracing computes.
            module._forward_hooks.clear()
        self.net = copied
        self.function = function
        _hold_noise(self, copied, inputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the output for the inputs."""
        return self.net(*inputs) if self.function is None else self.function(self.net, *inputs)


@final
class HeldNoise(nn.Module):
    """Return constants in place of the noise of one layer.

    Args:
        noise: The layer that draws the noise with its seed.
    """

    def __init__(self, noise: OwnNoise) -> None:
        super().__init__()
        self.noise: OwnNoise | None = noise

    def normal(self, *shape: int, like: Tensor) -> Tensor:
        """Return standard normal numbers, the same for all samples."""
        return self._held("normal", shape, like)

    def uniform(self, *shape: int, like: Tensor) -> Tensor:
        """Return uniform numbers, the same for all samples."""
        return self._held("uniform", shape, like)

    def _held(self, kind: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        name = "_".join([kind, *map(str, shape[1:])])
        if self.noise is not None:
            drawn = getattr(self.noise, kind)(*shape, like=like)
            self.register_buffer(name, drawn[:1].clone())
        return getattr(self, name).expand(shape)


def parts_of(task: Task) -> dict[str, Part]:
    """Return the networks of a task that can be exported, the default first.

    Args:
        task: The task; its networks are copied.

    Returns:
        ``sample``: from noise, and labels if any, to samples; ``predict``: from samples to
        outputs; ``encode``: from samples to codes; ``to_a``: the translation back. Empty for a
        task of another kind.

    Example:
        >>> from advlearn.tasks import Generate
        >>> part = parts_of(Generate(torch.nn.Linear(3, 2), latent=3, shape=(2,)))["sample"]
        >>> part.names, part.module(*part.inputs).shape
        (('noise',), torch.Size([3, 2]))
    """
    found = {"sample": _sample(task), "predict": _predict(task)}
    shape = getattr(task, "shape", None)
    if isinstance(task, Representation):
        found["encode"] = _part(task.encoder, {"x": _rows(*task.shape)}, _first(task.latent))
    if isinstance(task, UnpairedTranslation):
        found["to_a"] = _part(task.to_a, {"x": _rows(*(shape or ()))})
    return {name: part for name, part in found.items() if part is not None}


def _sample(task: Any) -> Part | None:
    if isinstance(task, LaplacianPyramid):
        return _pyramid(task)
    if isinstance(task, Disentangle):
        codes = torch.zeros(ROWS, len(task.sizes) + task.continuous)
        codes[:, : len(task.sizes)] = torch.arange(ROWS)[:, None] % 2
        return _part(task, {"noise": _rows(task.noise), "codes": codes}, _from_codes)
    if isinstance(task, CrossModal):
        inputs = {"x": _rows(*task.shape), "noise": _rows(task.latent)}
        return _part(task.generator, inputs, _joined)
    generator, latent = getattr(task, "generator", None), getattr(task, "latent", None)
    if not isinstance(generator, nn.Module) or not isinstance(latent, int):
        return None
    inputs = {"noise": _rows(latent)}
    vectors = getattr(task, "vectors", None)
    if isinstance(vectors, Tensor):
        inputs["labels"] = vectors[torch.arange(ROWS) % len(vectors)].cpu().float()
    elif _takes_classes(task):
        inputs["labels"] = torch.arange(ROWS) % task.classes
    return _part(generator, inputs)


def _takes_classes(task: Any) -> bool:
    """Return whether the generator, and not only a classifier, has classes."""
    return classes_of_generator(task) > 0


def _pyramid(task: LaplacianPyramid) -> Part:
    inputs = {"noise": _rows(task.latent)}
    for k, shape in enumerate(task.shapes[-2::-1]):
        inputs[f"noise_of_level_{k + 1}"] = _rows(1, *shape[1:])
    if task.classes:
        inputs["labels"] = torch.arange(ROWS) % task.classes
    levels = len(task.shapes) - 1

    def images(net: Any, z: Tensor, *others: Tensor) -> Tensor:
        return net.levels(z, others[:levels], others[levels:])[-1]

    return _part(task, inputs, images)


def _predict(task: Any) -> Part | None:
    if isinstance(task, UnpairedTranslation):
        return _part(task.to_b, {"x": _rows(*task.shape)})
    if isinstance(task, PairedTranslation):
        return _part(task, {"x": _rows(*task.shape)}, _completed)
    if not hasattr(task, "predict"):
        return None
    for name in ("model", "classifier", "retriever"):
        net = getattr(task, name, None)
        if isinstance(net, nn.Module):
            return _part(net, {"x": _rows(*task.shape)})
    return None


def _part(
    net: nn.Module, inputs: dict[str, Tensor], function: Callable[..., Tensor] | None = None
) -> Part:
    examples = tuple(inputs.values())
    return Part(Program(net, examples, function), tuple(inputs), examples)


def _from_codes(task: Any, z: Tensor, codes: Tensor) -> Tensor:
    return task.generator(task.joined(z, codes))


def _joined(generator: nn.Module, x: Tensor, z: Tensor) -> Tensor:
    return generator(torch.cat([x.flatten(1), z], 1))


def _completed(task: Any, x: Tensor) -> Tensor:
    return task.completed(x, task.generator(x))


def _first(size: int) -> Callable[..., Tensor]:
    def columns(net: nn.Module, x: Tensor) -> Tensor:
        return net(x)[:, :size]

    return columns


def _hold_noise(program: Program, net: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Replace layers that draw noise by constants, which one pass draws from a fixed seed."""
    drawing = [(n, m) for n, m in net.named_modules() if isinstance(m, OwnNoise)]
    if not drawing:
        return
    with fixed_noise(net, SEED), torch.no_grad():
        held = {name: HeldNoise(noise) for name, noise in drawing}
        for name, module in held.items():
            net.set_submodule(name, module)
        program(*inputs)
        for module in held.values():
            module.noise = None


def _rows(*shape: int) -> Tensor:
    """Return normal numbers (3, *shape), the same at every call."""
    return torch.randn(ROWS, *shape, generator=torch.Generator().manual_seed(prod(shape)))


def _like(x: Tensor, n: int) -> Tensor:
    """Return n rows like those of x; rows that hold classes are repeated."""
    rows = x[torch.arange(n) % len(x)]
    if not x.is_floating_point() or bool((x == x.round()).all()):
        return rows
    return rows + 0.1 * torch.arange(n).reshape(-1, *[1] * (x.ndim - 1))
