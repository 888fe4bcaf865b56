"""Check that every penalty has the same gradients under `torch.compile` as in eager mode.

For each regularizer with a penalty and each kind of critic (a perceptron with spectral
normalisation, one with LayerNorm, one with self-attention), two adversaries on copies of one critic
get the same samples and the same random numbers. One of them has `compile=True` with PyTorch's
default backend, inductor. `difference` is the largest difference between their critic gradients
(and, for a penalty on the learner, between the gradients at the fake samples), over the largest
gradient of eager mode. In bf16 rows both run under bf16 autocast. Inductor then keeps some
intermediate results in fp32 that eager mode rounds, so the two agree only up to rounding. `penalty`
is the difference between the compiled penalty and the eager one without autocast: penalties on
input gradients are computed in full precision under any autocast.

Inductor draws its own random numbers unless `fallback_random` is set, and
`reorder_for_peak_memory` changes the order of the draws. For the comparison only, both are set as
eager mode needs them. Times are medians over pairs of one `update` on tiny networks: they show the
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
# Regularizers whose penalty is a function of input gradients only.
ISLANDS = ("gradient_penalty", "one_sided_gradient_penalty", "r1", "r2", "dragan_penalty")
# Regularizers whose default penalty is zero on a critic that has not been trained.
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
    """Treat a sample as four tokens with self-attention, then a mean and a linear layer."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.tokens = nn.Linear(FEATURES // 4, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.head = nn.Linear(WIDTH, outputs)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.tokens(x.unflatten(1, (4, -1)))
        # When attention weights are requested, attention consists of differentiable parts; a fused
        # kernel has no second derivative.
        return self.head(
            (tokens + self.attention(tokens, tokens, tokens, need_weights=True)[0]).mean(1)
        )


def penalties() -> list[str]:
    """Return the names of the regularizers with a penalty, those on input gradients first."""
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
    """Return the regularizer with its objective, and spectral normalisation if documented."""
    kernel = regularizer == "witness_penalty"
    objective = "mmd(kernel='rational_quadratic', embedding='learned')" if kernel else "nsgan"
    terms = [objective, regularizer + SETTINGS.get(regularizer, "")]
    if critic == "spectral_norm":
        terms.insert(1 if regularizer == "historical_averaging" else 2, "spectral_norm")
    return resolve(" + ".join(terms))


def network(critic: str, outputs: int) -> nn.Module:
    """Return a small critic."""
    torch.manual_seed(0)
    if critic == "attention":
        return Attention(outputs)
    norm = nn.LayerNorm(WIDTH) if critic == "layer_norm" else nn.Identity()
    return nn.Sequential(
        nn.Linear(FEATURES, WIDTH), norm, nn.LeakyReLU(0.2), nn.Linear(WIDTH, outputs)
    )


class Side:
    """Hold one of the two adversaries; its optimizer leaves the weights unchanged."""

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
        with (
            torch.no_grad()
        ):  # move away from the start, where the penalty of historical averaging is zero
            for p in self.adversary.critic.parameters():
                p.add_((0.1 * torch.randn(p.shape)).to(device))
        self.real = torch.randn(SAMPLES, FEATURES).to(device)
        self.fake = (0.5 * torch.randn(SAMPLES, FEATURES) + 0.3).to(device)

    def update(self, precision: str) -> None:
        """Make a critic step with fixed random numbers."""
        torch.manual_seed(2)
        with _autocast(precision, self.real.device.type):
            self.adversary.update(self.real, self.fake)

    def critic_gradients(self, precision: str) -> list[Tensor]:
        """Return the critic's gradients that `update` computes, and make its step."""
        torch.manual_seed(2)
        with _autocast(precision, self.real.device.type):
            loss = self.adversary.critic_loss(self.real, self.fake)
        loss.backward()
        parameters = self.adversary.critic.parameters()
        gradients = [p.grad.clone() for p in parameters if p.grad is not None]
        self.adversary.step()
        return gradients

    def learner_gradients(self, precision: str) -> list[Tensor]:
        """Return the gradients at the fake samples that `player_loss` computes."""
        fake = self.fake.clone().requires_grad_()
        torch.manual_seed(3)
        with _autocast(precision, fake.device.type):
            loss = self.adversary.player_loss(self.real, fake)
        return list(torch.autograd.grad(loss, fake))


def _autocast(precision: str, device: str) -> Any:
    return torch.autocast(device, torch.bfloat16) if precision == "bf16" else nullcontext()


def compare(regularizer: str, critic: str, precision: str, device: str, pairs: int) -> Row:
    """Return one row: compile, compare and time."""
    key = {"regularizer": regularizer, "critic": critic, "precision": precision, "device": device}
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    torch._inductor.config.fallback_random = True  # pyright: ignore
    torch._inductor.config.reorder_for_peak_memory = False  # pyright: ignore
    eager, compiled, full = (Side(regularizer, critic, device, on) for on in (False, True, False))
    difference = _difference(
        eager.critic_gradients(precision), compiled.critic_gradients(precision)
    )
    if _penalises_learner(regularizer):
        gradients = (side.learner_gradients(precision) for side in (eager, compiled))
        difference = max(difference, _difference(*gradients))
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


def _penalises_learner(regularizer: str) -> bool:
    return _made(regularizer).player_penalty is not Regularizer.player_penalty


def _difference(eager_gradients: list[Tensor], compiled_gradients: list[Tensor]) -> float:
    largest = max(float(a.abs().max()) for a in eager_gradients)
    return (
        max(
            float((a - b).abs().max())
            for a, b in zip(eager_gradients, compiled_gradients, strict=True)
        )
        / largest
    )


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
    """Compare the missing cases."""
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
    """Call `compare` with its number of pairs; it can be pickled."""

    def __init__(self, pairs: int) -> None:
        self.pairs = pairs

    def __call__(self, **key: str) -> Row:
        return compare(**key, pairs=self.pairs)


def bars(result: Result) -> None:
    """Return the largest difference of each kind."""
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
