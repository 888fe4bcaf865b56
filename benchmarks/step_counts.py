"""Count the operators and the forward passes of a step of the Trainer and of hand-written loops.

A step has all critic steps of the objective and the generator's step. Each operator that reaches
PyTorch's dispatcher counts, views included; `kernels` are those that compute, and `monitoring` is
the part of `operators` that looks at losses, scores and gradient norms for reports and for losses
that are not finite, which a bare loop does not do. The counts are exact and the same on every
machine. They do not depend on the width of the networks, so narrow ones are used.
"""

import copy
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from count_loops import BY_HAND
from gpu_loops import LATENT, Step
from harness import Result, Row, arguments, one_thread
from overhead import largest_gradient_difference
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from advlearn.core.adversary import Adversary
from advlearn.core.grammar import resolve
from advlearn.core.registry import aliases
from advlearn.core.trainer import Trainer
from advlearn.data import ArrayDataset, Batches
from advlearn.nets import DCGANCritic, DCGANGenerator, MLPCritic, MLPGenerator
from advlearn.regularizers import SpectralNorm
from advlearn.tasks.generate import Generate

NETWORKS = ("perceptron", "DCGAN-32")
# File and functions of the library whose operators are monitoring.
WATCHING = {"finite.py": ("note", "look", "_look"), "losses.py": ("_plain",)}
WATCHING |= {"optim.py": ("gradient_norm",)}
VIEWS = ("detach", "view", "slice", "split_with_sizes", "expand", "t", "transpose", "select")
VIEWS += ("squeeze", "unsqueeze", "alias", "as_strided", "permute", "unbind", "_unsafe_view")
BAR, CLOSE = 1.05, 1e-6


class Operators(TorchDispatchMode):
    """Count the operators of a step by name, and those of monitoring apart."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()
        self.monitoring = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        # Marks for the profiler compute nothing.
        if func.namespace != "profiler":
            self.names[func.overloadpacket.__name__] += 1
            self.monitoring += _watches()
        return func(*args, **(kwargs or {}))


def _watches() -> bool:
    """Return whether a function of `WATCHING` is running."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_name in WATCHING.get(Path(code.co_filename).name, ()):
            return True
        frame = frame.f_back
    return False


@contextmanager
def calls(g: nn.Module, d: nn.Module) -> Iterator[Counter[str]]:
    """Count the forward passes of both networks and the gradients that are differentiated again."""
    counts: Counter[str] = Counter(critic_passes=0, generator_passes=0, input_gradients=0)
    gradient = torch.autograd.grad

    def counted(*args: Any, **named: Any) -> tuple[Tensor, ...]:
        counts["input_gradients"] += bool(named.get("create_graph"))
        return gradient(*args, **named)

    hooks = [
        module.register_forward_pre_hook(lambda *_, name=name: counts.update([name]))
        for module, name in ((g, "generator_passes"), (d, "critic_passes"))
    ]
    torch.autograd.grad = counted
    try:
        yield counts
    finally:
        torch.autograd.grad = gradient
        for hook in hooks:
            hook.remove()


def counts_of(step: Step, g: nn.Module, d: nn.Module) -> Row:
    """Count one step, after two in which optimizers allocate their state."""
    for _ in range(2):
        step()
    with calls(g, d) as passes, Operators() as operators:
        step()
    computing = {k: n for k, n in operators.names.items() if k not in VIEWS}
    return {
        "operators": operators.names.total(),
        "kernels": sum(computing.values()),
        "monitoring": operators.monitoring,
        **passes,
    }


def networks(name: str) -> tuple[nn.Module, nn.Module, tuple[int, ...]]:
    """Return generator, critic and the shape of a sample."""
    torch.manual_seed(0)
    if name == "perceptron":
        hidden = (16,) * 3
        return MLPGenerator(LATENT, (2,), hidden), MLPCritic((2,), hidden=hidden), (2,)
    shape = (3, 32, 32)
    return DCGANGenerator(LATENT, shape, 4), DCGANCritic(shape, base_channels=4), shape


def count(network: str, objective: str, batch: int = 8) -> Row:
    """Return the counts of the Trainer's step, and of the hand-written one if there is one."""
    g, d, shape = networks(network)
    source = ArrayDataset(torch.randn(32 * batch, *shape).clamp(-1, 1))
    task = Generate(copy.deepcopy(g), latent=LATENT, shape=shape)
    if "spectral_norm" in objective:
        # Both start from the same vectors; the library leaves a normalised layer as it is.
        d = SpectralNorm().wrap(d)
    adversary = Adversary(copy.deepcopy(d), objective)
    trainer = Trainer(task, {"data": adversary}, Batches(source, batch), steps=10**9)
    row: Row = {"network": network, "objective": objective}
    by_hand = None
    if objective in BY_HAND:
        data = Batches(source, batch)
        by_hand = BY_HAND[objective](g, d, lambda: next(data)[0])
        found = largest_gradient_difference(trainer, by_hand, task, adversary, g, d)
        row["largest_gradient_difference"] = found
    row |= counts_of(trainer._train_step, task.generator, adversary.critic)
    if by_hand is not None:
        bare = counts_of(by_hand, g, d)
        row |= {f"by_hand_{k}": n for k, n in bare.items() if k != "monitoring"}
        row["ratio"] = row["operators"] / bare["operators"]
        row["ratio_of_kernels"] = row["kernels"] / bare["kernels"]
    return row


def objectives(quick: bool) -> list[str]:
    """Return the objectives with a hand-written step, then the other aliases of one logit."""
    first = list(BY_HAND)
    others = (e.name for e in aliases() if e.name not in first)
    every = [n for n in others if resolve(n).required_objective().critic_output == "logit"]
    return first[3:5] if quick else first + every


def set_bars(result: Result) -> None:
    """Compare each step with its hand-written one."""
    for row in result.rows:
        if "ratio" not in row:
            continue
        case = f"{row['objective']}, {row['network']}"
        result.bar(f"operators over hand-written, {case}", row["ratio"], "<=", BAR)
        for kind in ("critic_passes", "generator_passes", "input_gradients"):
            result.bar(f"{kind}, {case}", row[kind], "<=", row[f"by_hand_{kind}"])
        difference = row["largest_gradient_difference"]
        result.bar(f"gradients, {case}", difference, "<=", CLOSE)


def main() -> None:
    """Count all cases."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    result = Result("step_counts", quick=options.quick)
    if not options.report:
        result.start_again()
        for network in NETWORKS:
            for objective in objectives(options.quick):
                result.add(count(network, objective))
    set_bars(result)
    result.save()
    columns = ["network", "objective", "operators", "by_hand_operators", "ratio", "monitoring"]
    columns += ["ratio_of_kernels", "critic_passes", "generator_passes", "input_gradients"]
    result.show(columns)


if __name__ == "__main__":
    main()
