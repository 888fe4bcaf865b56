"""Comparison of several processes with one process on the joined batch."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_all_start_methods
from pathlib import Path
from typing import cast, final

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.multiprocessing.spawn import ProcessContext, start_processes

from advlearn.core import distributed
from advlearn.core.adversary import Adversary
from advlearn.core.critic_batch import Samples
from advlearn.core.grammar import resolve
from advlearn.core.seeding import seed_torch
from advlearn.testing._material import CLASSES, critic, draw

SAMPLES = 8
UPDATES = 2
Results = dict[str, Tensor]


@final
@dataclass(frozen=True, slots=True)
class Case:
    """Describe an adversary to train in one process and in several.

    Args:
        spec: The objective with its regularizers, as a string.
        dtype: ``"float64"`` or ``"float32"``.
        labelled: Whether samples are pairs of a vector and a class.
        weighted: Whether samples have weights, with a different sum in each process.
    """

    spec: str
    dtype: str = "float64"
    labelled: bool = False
    weighted: bool = False


@final
@dataclass(frozen=True, slots=True)
class Difference:
    """Hold the difference between several processes and one.

    Args:
        absolute: Largest difference of any gradient or buffer.
        relative: Largest difference relative to the largest value of the same kind (gradients of
            the critic, gradients of a learner, state); infinite if a value is not finite.
        where: The tensor of the largest relative difference.
        error: The error that was raised, or an empty string.
    """

    absolute: float
    relative: float
    where: str
    error: str = ""


def compare(cases: Sequence[Case], world_size: int = 2) -> dict[Case, Difference]:
    """Train every case in `world_size` processes over gloo and in this one, and compare them.

    After two critic steps, the critic's gradients and the adversary's state are compared, and then
    the gradients of two learners: one generates the fake samples, the other the real ones.
    """
    with tempfile.TemporaryDirectory() as folder:
        method = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"
        context = start_processes(
            _worker, (world_size, folder, list(cases)), world_size, join=False, start_method=method
        )
        reference = {case: _attempt(case, 0, 1) for case in cases}
        while not cast(ProcessContext, context).join():
            pass
        files = [Path(folder) / f"{rank}.pt" for rank in range(world_size)]
        each = [cast(list[Results | str], torch.load(file, weights_only=True)) for file in files]
    return {
        case: _difference(reference[case], [results[i] for results in each])
        for i, case in enumerate(cases)
    }


def _worker(rank: int, world_size: int, folder: str, cases: list[Case]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world_size
    )
    try:
        torch.save(
            [_attempt(case, rank, world_size) for case in cases], Path(folder) / f"{rank}.pt"
        )
    finally:
        dist.destroy_process_group()


def _attempt(case: Case, rank: int, world_size: int) -> Results | str:
    try:
        return _train(case, rank, world_size)
    except (RuntimeError, ValueError, TypeError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"


def _train(case: Case, rank: int, world_size: int) -> Results:
    """Train one process on its rows of the joined batch."""
    dtype = cast(torch.dtype, getattr(torch, case.dtype))
    chain = resolve(case.spec)
    rows = slice(rank * SAMPLES // world_size, (rank + 1) * SAMPLES // world_size)
    x, z = (draw(SAMPLES, 2, seed=seed, dtype=dtype)[rows] for seed in (1, 2))
    y = (torch.arange(SAMPLES) % CLASSES)[rows]
    weights = [
        draw(SAMPLES, seed=seed, dtype=dtype).exp()[rows] if case.weighted else None
        for seed in (3, 4)
    ]
    named = dict(zip(("real_weights", "fake_weights"), weights, strict=True))
    seed_torch(11)
    learners = nn.ModuleDict({side: nn.Linear(2, 2, dtype=dtype) for side in ("real", "fake")})
    scorer = critic(
        chain.required_objective().critic_output, dtype, classes=CLASSES if case.labelled else 0
    )
    # Not Adam, which turns the rounding error of a zero gradient into a full step.
    adversary = Adversary(scorer, chain, optimizer=lambda ps: torch.optim.SGD(ps, lr=0.01))

    def side(points: Tensor) -> Samples:
        return (points, y) if case.labelled else points

    for _ in range(UPDATES):
        adversary.update(side(x), side(learners["fake"](z)), **named)
    results = {
        f"critic gradient {n}": p.grad
        for n, p in adversary.critic.named_parameters()
        if p.grad is not None
    }
    results |= {n: v.clone() for n, v in adversary.state_dict().items() if torch.is_tensor(v)}
    for how, real in (("fakes", side(x)), ("both", side(learners["real"](x)))):
        learners.zero_grad()
        adversary.player_loss(real, side(learners["fake"](z)), **named).backward()
        distributed.average_gradients(learners.parameters())
        # None counts as zeros, because averaging over processes replaces None by zeros.
        results |= {
            f"learner gradient, {how} {n}": torch.zeros_like(p)
            if p.grad is None
            else p.grad.clone()
            for n, p in learners.named_parameters()
            if how == "both" or n.startswith("fake")
        }
    return results


def _difference(reference: Results | str, parts: list[Results | str]) -> Difference:
    errors = [answer for answer in (reference, *parts) if isinstance(answer, str)]
    if errors:
        return Difference(math.inf, math.inf, "", errors[0])
    one = cast(Results, reference)
    scales: dict[str, float] = {}
    for name, value in one.items():
        scales[_kind(name)] = max(scales.get(_kind(name), 0.0), _largest(value))
    gaps: list[tuple[float, float, str]] = []
    for answer in cast(list[Results], parts):
        if answer.keys() != one.keys():
            return Difference(
                math.inf, math.inf, "", f"different tensors: {sorted(answer.keys() ^ one.keys())}"
            )
        for name, value in one.items():
            gap = _largest(answer[name] - value)
            gaps.append((gap / max(scales[_kind(name)], 1e-6), gap, name))
    relative, _, where = max(gaps)
    return Difference(max(gap for _, gap, _ in gaps), relative, where)


def _kind(name: str) -> str:
    return name.split()[0] if " " in name else "state"


def _largest(x: Tensor) -> float:
    """Return the largest absolute value, or infinity if a value is not finite."""
    largest = float(x.double().abs().max()) if x.numel() else 0.0
    return largest if math.isfinite(largest) else math.inf
