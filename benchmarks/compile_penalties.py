"""Every penalty gives the gradients of eager mode under `torch.compile`, whatever the critic is made of.

For each regularizer with a penalty and each kind of critic (a perceptron with spectral
normalisation, one with LayerNorm, one with self-attention), two adversaries on copies of one critic
see the same samples and the same random numbers, one of them with `compile=True` and PyTorch's
default backend, inductor. `difference` is the largest difference between their critic gradients
(and, where a penalty is the player's, between the gradients at the fake samples), over the largest
gradient of eager mode. In bf16 rows both run under bf16 autocast, where inductor keeps some
intermediate results in fp32 that eager mode rounds, so that they agree to rounding only; `penalty`
is how far the compiled penalty is from the eager one without autocast: penalties on input gradients
are computed in full precision under any autocast.

Inductor draws its own random numbers unless `fallback_random` is set, and changes the order of
draws to save memory unless `reorder_for_peak_memory` is not; both are as eager mode needs them, for
the comparison only. Times are medians over pairs of one `update`, on tiny networks: they show the
overhead and not the gain.
"""

import statistics
import time
from contextlib import nullcontext
from typing import Any, cast

import torch
from harness import Result, Row, arguments, compute, one_thread
from torch import Tensor, nn

from advlearn.core import naming, registry
from advlearn.core.adversary import Adversary
from advlearn.core.chain import Chain
from advlearn.core.grammar import resolve
from advlearn.core.regularizer import Regularizer

FEATURES, SAMPLES, WIDTH = 12, 64, 16
CRITICS = ("spectral_norm", "layer_norm", "attention")
# Whose penalty is a function of input gradients alone.
ISLANDS = ("gradient_penalty", "one_sided_gradient_penalty", "r1", "r2", "dragan_penalty")
# Where the default leaves the penalty at zero on a critic that has not been trained.
SETTINGS = {
    "one_sided_gradient_penalty": "(target=0.01)",
    "bottleneck": "(beta=0.5)",
    "historical_averaging": "(weight=1.0)",
}
FP32, BF16 = 1e-5, 3e-2
COLUMNS = [
    "regularizer",
    "critic",
    "precision",
    "difference",
    "penalty",
    "graph_breaks",
    "eager_ms",
    "compiled_ms",
]


class Attention(nn.Module):
    """Samples as four tokens that attend to each other, then a mean and a linear layer."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.tokens = nn.Linear(FEATURES // 4, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.head = nn.Linear(WIDTH, outputs)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens(x.unflatten(1, (4, -1)))
        # With its weights asked for, attention is made of differentiable parts: a fused kernel has
        # no second derivative.
        return self.head(
            (tokens + self.attention(tokens, tokens, tokens, need_weights=True)[0]).mean(1)
        )


def penalties() -> list[str]:
    """Names of the regularizers that add a term to a loss, those on input gradients first."""
    classes = cast(list[type[Regularizer]], registry.classes(Regularizer))
    names = [naming.snake(c.__name__) for c in classes if _adds_a_term(c)]
    return [*ISLANDS, *(name for name in names if name not in ISLANDS)]


def _adds_a_term(cls: type[Regularizer]) -> bool:
    own = (
        cls.penalty is not Regularizer.penalty,
        cls.player_penalty is not Regularizer.player_penalty,
    )
    return any(own)


def chain(regularizer: str, critic: str) -> Chain:
    """The regularizer on its objective, spectral normalisation where the documentation wants it."""
    kernel = regularizer == "witness_penalty"
    objective = "mmd(kernel='rational_quadratic', embedding='learned')" if kernel else "nsgan"
    terms = [objective, regularizer + SETTINGS.get(regularizer, "")]
    if critic == "spectral_norm":
        terms.insert(1 if regularizer == "historical_averaging" else 2, "spectral_norm")
    return resolve(" + ".join(terms))


def network(critic: str, outputs: int) -> nn.Module:
    """A small critic."""
    torch.manual_seed(0)
    if critic == "attention":
        return Attention(outputs)
    norm = nn.LayerNorm(WIDTH) if critic == "layer_norm" else nn.Identity()
    return nn.Sequential(
        nn.Linear(FEATURES, WIDTH), norm, nn.LeakyReLU(0.2), nn.Linear(WIDTH, outputs)
    )


class Side:
    """One of the two adversaries; its optimiser leaves the weights where they are."""

    def __init__(self, regularizer: str, critic: str, device: str, compiled: bool) -> None:
        outputs = 4 if regularizer == "witness_penalty" else 1
        module = network(critic, outputs).to(device)
        adversary = Adversary(
            module,
            chain(regularizer, critic),
            optimizer=lambda ps: torch.optim.SGD(ps, lr=0.0),
            compile=compiled,
        )
        self.adversary = adversary.to(device)
        torch.manual_seed(1)
        with torch.no_grad():  # away from the start, where historical averaging has nothing to say
            for p in self.adversary.critic.parameters():
                p.add_((0.1 * torch.randn(p.shape)).to(device))
        self.real = torch.randn(SAMPLES, FEATURES).to(device)
        self.fake = (0.5 * torch.randn(SAMPLES, FEATURES) + 0.3).to(device)

    def update(self, precision: str) -> None:
        """A step of the critic from fixed random numbers."""
        torch.manual_seed(2)
        with _autocast(precision, self.real.device.type):
            self.adversary.update(self.real, self.fake)

    def critic_gradients(self, precision: str) -> list[Tensor]:
        """What `update` computes."""
        self.update(precision)
        return [p.grad for p in self.adversary.critic.parameters() if p.grad is not None]

    def player_gradients(self, precision: str) -> list[Tensor]:
        """What `loss` tells the player."""
        fake = self.fake.clone().requires_grad_()
        torch.manual_seed(3)
        with _autocast(precision, fake.device.type):
            loss = self.adversary.player_loss(self.real, fake)
        return list(torch.autograd.grad(loss, fake))


def _autocast(precision: str, device: str) -> Any:
    return torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext()


def compare(regularizer: str, critic: str, precision: str, device: str, pairs: int) -> Row:
    """One row: compile, compare, time."""
    key = {"regularizer": regularizer, "critic": critic, "precision": precision, "device": device}
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    torch._inductor.config.fallback_random = True  # pyright: ignore
    torch._inductor.config.reorder_for_peak_memory = False  # pyright: ignore
    eager, compiled, full = (Side(regularizer, critic, device, on) for on in (False, True, False))
    difference = _difference(
        eager.critic_gradients(precision), compiled.critic_gradients(precision)
    )
    if _players(regularizer):
        players = (side.player_gradients(precision) for side in (eager, compiled))
        difference = max(difference, _difference(*players))
    name = _made(regularizer).__name__
    terms = eager.adversary.last_losses
    value = float(terms.get(name, terms.get(f"player_{name}", torch.zeros(()))))
    if value == 0:
        raise RuntimeError(
            f"{regularizer} on {critic}: the penalty is zero, so nothing is compared"
        )
    row: Row = {**key, "value": value, "difference": difference}
    if regularizer in ISLANDS:
        full.update("fp32")
        row["penalty"] = _difference(
            [full.adversary.last_losses[name]], [compiled.adversary.last_losses[name]]
        )
    row["graph_breaks"] = sum(torch._dynamo.utils.counters["graph_break"].values())
    return {**row, **_times(eager, compiled, precision, device, pairs)}


def _made(regularizer: str) -> type[Regularizer]:
    return cast(type[Regularizer], registry.lookup(regularizer).make)


def _players(regularizer: str) -> bool:
    return _made(regularizer).player_penalty is not Regularizer.player_penalty


def _difference(ours: list[Tensor], theirs: list[Tensor]) -> float:
    largest = max(float(a.abs().max()) for a in ours)
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True)) / largest


def _times(eager: Side, compiled: Side, precision: str, device: str, pairs: int) -> Row:
    times: dict[str, list[float]] = {"eager_ms": [], "compiled_ms": []}
    for k in range(2 * pairs):
        name, side = (("eager_ms", eager), ("compiled_ms", compiled))[(k + k // 2) % 2]
        start = time.perf_counter()
        side.update(precision)
        if device == "cuda":
            torch.cuda.synchronize()
        times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Compare the cases that are missing."""
    parser = arguments(__doc__ or "")
    options = parser.parse_args()
    one_thread()
    result = Result("compile_penalties", quick=options.quick)
    names = penalties()
    cases = [(name, critic, "fp32") for name in names for critic in CRITICS]
    cases += [(name, critic, "bf16") for critic in CRITICS for name in ISLANDS]
    cases += [(name, "attention", "bf16") for name in names if name not in ISLANDS]
    fixed: dict[str, Any] = {"device": options.device}
    todo = [{"regularizer": n, "critic": c, "precision": p, **fixed} for n, c, p in cases]
    todo = [] if options.report else todo[:1] if options.quick else todo
    compute(result, _Compare(2 if options.quick else 15), todo, options.jobs)
    bars(result)
    result.save()
    result.show(COLUMNS)


class _Compare:
    """`compare` with its number of pairs, as something that can be sent to another process."""

    def __init__(self, pairs: int) -> None:
        self.pairs = pairs

    def __call__(self, **key: str) -> Row:
        return compare(**key, pairs=self.pairs)


def bars(result: Result) -> None:
    """The largest difference of each kind."""
    for precision, bar in (("fp32", FP32), ("bf16", BF16)):
        found = [row["difference"] for row in result.rows if row["precision"] == precision]
        if found:
            result.bar(f"gradients, {precision}", max(found), "<=", bar)
    islands = [
        row["penalty"] for row in result.rows if "penalty" in row and row["precision"] == "bf16"
    ]
    if islands:
        result.bar("penalty on input gradients under bf16 against fp32", max(islands), "<=", FP32)


if __name__ == "__main__":
    main()
