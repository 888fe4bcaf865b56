"""Export the networks of a run for other software, with torch.export or as ONNX."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from advlearn._optional_imports import onnx_exporter
from advlearn.core.files import atomic_write
from advlearn.core.registry import task_name
from advlearn.core.task import Task
from advlearn.exported_parts import Part, parts_of

KINDS = (".pt2", ".onnx")
TOLERANCE = 1e-5
"""Largest difference of the program from the network, relative to the larger of 1 and its size."""
BATCH = "batch"
"""Name of the dimension that may have any size."""


def export(task: Task, path: str | Path, part: str | None = None) -> Path:
    """Write a network of a task as a program; `Run.export` documents it."""
    path = Path(path)
    if path.suffix not in KINDS:
        raise ValueError(f"path: expected a file that ends in .onnx or .pt2, got {path}")
    exporter = onnx_exporter() if path.suffix == ".onnx" else None
    chosen = choose(task, part)
    with _one_line(chosen):
        program = traced(chosen)
        written = None if exporter is None else _onnx(exporter, program, chosen)
    with atomic_write(path) as file:
        if written is None:
            torch.export.save(program, file)
        else:
            file.write(written)
    return path


def choose(task: Task, part: str | None) -> Part:
    """Return a network of a task.

    Args:
        task: The task.
        part: Its name; None takes the first.

    Raises:
        TypeError: If the task has no network that can be exported.
        ValueError: If it has none of this name.
    """
    parts, name = parts_of(task), task_name(type(task))
    if not parts:
        raise TypeError(
            f"export: expected a task with a generator or a predictor, got {name}; export its "
            "modules with torch.export"
        )
    if part is not None and part not in parts:
        raise ValueError(f"part: expected one of {', '.join(parts)} for {name}, got {part}")
    return parts[next(iter(parts)) if part is None else part]


def traced(part: Part) -> torch.export.ExportedProgram:
    """Trace a network with any number of rows, and compare the program with it.

    Args:
        part: The network.

    Raises:
        ValueError: If the program differs from the network on a batch of another size.

    Example:
        >>> program = traced(choose(_example(), None))
        >>> program.module()(torch.zeros(7, 3)).shape
        torch.Size([7, 2])
    """
    batch = torch.export.Dim(BATCH)
    # The module takes all inputs in one variable argument, so their shapes are a tuple in a tuple.
    shapes = (tuple({0: batch} for _ in part.inputs),)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(part.module, part.inputs, dynamic_shapes=shapes)
        inputs = part.example(len(part.inputs[0]) + 2)
        expected, got = part.module(*inputs), program.module()(*inputs)
    difference = (got - expected).abs() / expected.abs().clamp(min=1)
    if got.shape != expected.shape or not bool((difference <= TOLERANCE).all()):
        raise ValueError("its program gives other outputs on a second batch size")
    return program


def _onnx(exporter: Any, program: torch.export.ExportedProgram, part: Part) -> bytes:
    """Return an ONNX file in which the weights are held."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = exporter(
            program,
            part.inputs,
            input_names=list(part.names),
            output_names=["output"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    return converted.model_proto.SerializeToString()


@contextmanager
def _one_line(part: Part) -> Generator[None]:
    """Turn errors of the exporters, which have pages of text, into a ValueError of one line."""
    try:
        yield
    # The exporters raise errors of many kinds for what they cannot trace.
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")[:200] or type(error).__name__
        inner = getattr(part.module, "net", part.module)
        raise ValueError(f"export: {type(inner).__name__} cannot be exported: {reason}") from error


def _example() -> Task:
    from advlearn.tasks.generate import Generate

    return Generate(torch.nn.Linear(3, 2), latent=3, shape=(2,))
