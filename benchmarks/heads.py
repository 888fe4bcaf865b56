"""Compare steps of `Adversary` with hand-written ones: losses, gradients, CPU time and memory.

Both loops of a row start from the same weights and random state.

- `error` is the largest difference of a gradient, at any optimizer step of the first steps,
  relative to the largest gradient of that optimizer, in fp64 (fp16 with a scaler: in fp16).
- `error_fp32` is that of one step in fp32.
- `loss_error` is the largest relative difference of a loss, in fp64.
- `ratio` is the median over pairs of steps, taken in turn, of CPU time in one thread. `ratio_best`
  compares the fastest step of each.
- `memory` is the ratio of the peaks of live tensor bytes in three steps of a fresh loop, counted at
  each operation: gradients, optimizer state, saved tensors and what is kept between steps.

The reference scores both sides in one batch where the published code can (BigGAN's, which
spectral norm and the U-Net use), else one after the other. The two small critics show the overhead
of a step in microseconds.
"""

import statistics
import time
import weakref
from collections.abc import Callable
from typing import Any

import torch
from harness import Result, Row, arguments, one_thread
from head_critics import (
    accumulation,
    r3gan,
    scaled,
    small_critic,
    small_model,
    sngan,
    unet,
    wgan_gp,
)
from head_loops import Loop, Pair, balancer, dmd2, hifigan, taming
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

Build = Callable[[bool, torch.dtype], Pair]
CASES: dict[str, Build] = {
    "hifi-gan, five periods": hifigan,
    "taming, adaptive weight": taming,
    "encodec, balancer": balancer,
    "dmd2, shared backbone": dmd2,
    "r3gan, critic step": r3gan,
    "wgan-gp, critic step": wgan_gp,
    "hinge, spectral norm": sngan,
    "u-net, mask of pixels": unet,
    "fp16, scaler and clipping": scaled,
    "accumulation over 4": accumulation,
}
SMALL: dict[str, Build] = {
    "small critic, critic step": small_critic,
    "small critic, model's step": small_model,
}
STEPS = {"encodec, balancer": 20}
COLUMNS = ["case", "ours_ms", "by_hand_ms", "ratio", "ratio_best", "memory", "error", "error_fp32"]


class LiveBytes(TorchDispatchMode):
    """Count the bytes of the storages that operations create, and their peak."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(x.untyped_storage()) for x in tree_leaves((args, kwargs)) if _plain(x)}
        results = func(*args, **(kwargs or {}))
        for result in tree_leaves(results):
            if _plain(result):
                self._note(result.untyped_storage(), given)
        return results

    def _note(self, storage: torch.UntypedStorage, given: set[int]) -> None:
        key = id(storage)
        if key in self.known or key in given:
            return
        self.known[key] = storage.nbytes()
        self.now += self.known[key]
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._release, key)

    def _release(self, key: int) -> None:
        self.now -= self.known.pop(key)


def _plain(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.strided


def peak(loop: Loop, steps: int) -> int:
    """Return the peak of live bytes in some steps."""
    with LiveBytes() as live:
        for _ in range(steps):
            loop.step()
    return live.peak


def recorded(loop: Loop, steps: int) -> tuple[list[Tensor], list[list[Tensor]]]:
    """Return the losses of the first steps, and the gradients at every step of an optimizer."""
    losses, gradients = list[Tensor](), list[list[Tensor]]()

    def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        own = [p for group in optimizer.param_groups for p in group["params"]]
        gradients.append([torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in own])

    handles = [o.register_step_pre_hook(note) for o in loop.optimizers]
    torch.manual_seed(1)
    for _ in range(steps):
        losses += [loss.detach().clone() for loss in loop.step()]
    for handle in handles:
        handle.remove()
    return losses, gradients


def errors(pair: Pair, steps: int) -> tuple[float, float]:
    """Return the largest relative errors of gradients and of losses."""
    (hand_losses, hand), (our_losses, ours) = (recorded(loop, steps) for loop in pair)
    assert len(hand) == len(ours) > 0
    of_gradients = max(
        float(max((a - b).abs().max() for a, b in zip(x, y, strict=True)))
        / float(max(a.abs().max() for a in x))
        for x, y in zip(hand, ours, strict=True)
    )
    of_losses = max(
        float((a - b).abs() / a.abs().clamp(min=1e-3))
        for a, b in zip(hand_losses, our_losses, strict=True)
    )
    return of_gradients, of_losses


def times(pair: Pair, rounds: int, block: int) -> tuple[list[float], list[float]]:
    """Return CPU seconds of steps of both loops, taken in turn in changing order."""
    for loop in pair:
        for _ in range(min(3, rounds)):
            loop.step()
    taken: tuple[list[float], list[float]] = ([], [])
    for k in range(rounds):
        for i in (0, 1) if k % 2 else (1, 0):
            start = time.process_time()
            for _ in range(block):
                pair[i].step()
            taken[i].append((time.process_time() - start) / block)
    return taken


def built(build: Build, quick: bool, dtype: torch.dtype) -> Pair:
    """Return both loops of a case, from one random state."""
    torch.manual_seed(0)
    return build(quick, dtype)


def measured(name: str, build: Build, quick: bool) -> Row:
    """Measure one case."""
    rounds, block = (1, 1) if quick else (25, 50 if name in SMALL else 1)
    half = name.startswith("fp16")
    exact = torch.float32 if half else torch.float64
    error, loss_error = errors(built(build, quick, exact), 2 if quick else STEPS.get(name, 3))
    single, _ = errors(built(build, quick, torch.float32), 1)
    hand_peak, our_peak = (
        peak(loop, 1 if quick else 3) for loop in built(build, quick, torch.float32)
    )
    hand, ours = times(built(build, quick, torch.float32), rounds, block)
    ratios = sorted(a / b for a, b in zip(ours, hand, strict=True))
    return {
        "case": name,
        "precision": "fp16" if half else "fp64",
        "ours_ms": 1e3 * statistics.median(ours),
        "by_hand_ms": 1e3 * statistics.median(hand),
        "overhead_us": 1e6 * statistics.median(a - b for a, b in zip(ours, hand, strict=True)),
        "ratio": statistics.median(ratios),
        "ratio_low": ratios[len(ratios) // 4],
        "ratio_high": ratios[3 * len(ratios) // 4],
        "ratio_best": min(ours) / min(hand),
        "pairs": rounds,
        "memory": our_peak / hand_peak,
        "peak_mb": our_peak / 2**20,
        "error": error,
        "error_fp32": single,
        "loss_error": loss_error,
    }


def main() -> None:
    """Measure every case again, since times of two runs cannot be compared."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", default="", help="the cases whose name holds this; not written")
    options = parser.parse_args()
    one_thread()
    result = Result("heads", quick=options.quick or bool(options.only))
    if not options.report:
        result.start_again()
        for name, build in (CASES | SMALL).items():
            if options.only in name:
                result.add(measured(name, build, options.quick))
    for row in result.rows:
        name = row["case"]
        result.bar(f"gradients, {name}", row["error"], "<=", 1e-6)
        result.bar(f"losses, {name}", row["loss_error"], "<=", 1e-6)
        if name in CASES:
            result.bar(f"gradients in fp32, {name}", row["error_fp32"], "<=", 1e-6)
            result.bar(f"time, {name}", row["ratio"], "<=", 1.05)
            result.bar(f"memory, {name}", row["memory"], "<=", 1.05)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
