"""Time training steps on a GPU: hand-written and ours, eager and captured as one CUDA graph.

All ways of a row run one after the other on the same networks and batch size, so their ratios are
of one run, with torch's own settings (TF32 in convolutions). The Trainer is timed as users run it,
with its stream of batches and its callbacks.
Captured training is compared with eager training bit for bit. Without a GPU it says so, and
`--quick` runs the same code on small networks on the CPU, where nothing is captured.
"""

import copy
import gc
import statistics
import time
from collections.abc import Callable
from typing import Any

import gpu_loops
import torch
from gpu_loops import LATENT
from harness import Result, Row, arguments
from many_games import BARS, GAMES
from many_games import row as many_games_row
from torch import Tensor, nn

import advlearn
from advlearn.core.adversary import Adversary
from advlearn.core.trainer import Callback, Trainer
from advlearn.data import ArrayDataset, Batches
from advlearn.nets import DCGANCritic, DCGANGenerator, MLPCritic, MLPGenerator
from advlearn.tasks.generate import Generate
from advlearn.training import rng

SHAPE = (3, 32, 32)
# Row: highest ratios over the hand-written loop, eager and captured.
STEPS = {
    "wgan-gp, 3x512 MLP, batch 256": ("wgan-gp", "mlp", 256, gpu_loops.wgan_gp, 0.20),
    "nsgan, DCGAN-32, batch 64": ("nsgan", "dcgan", 64, gpu_loops.nsgan, 0.25),
    "wgan-gp, DCGAN-32, batch 64": ("wgan-gp", "dcgan", 64, gpu_loops.wgan_gp, 0.28),
    "r3gan loss, DCGAN-32, batch 128": ("r3gan", "dcgan", 128, gpu_loops.r3gan, 0.60),
}
OVER_CAPTURED = 1.10
# Row: objective and fewest images a second.
IMAGES = {
    "biggan": ("hinge + spectral_norm", 4_000),
    "sngan": ("hinge + spectral_norm", 8_000),
    "stylegan": ("nsgan + r1", 5_000),
}
PRECISIONS = ("fp32", "tf32", "bf16")
WARM = 12


class Timer(Callback):
    """Time a run in rounds of several steps, after the first ones.

    Args:
        rounds: Rounds.
        each: Steps in a round.
        device: Device of the run.
        warm: Steps before the first round.
    """

    def __init__(self, rounds: int, each: int, device: str, warm: int = WARM) -> None:
        self.rounds, self.each, self.device, self.warm = rounds, each, device, warm
        self.times: list[float] = []
        self.losses: list[dict[str, float]] = []
        self._start = 0.0

    def on_step(self, trainer: Trainer) -> None:
        """Note the time at the end of each round."""
        if trainer.step >= self.warm and (trainer.step - self.warm) % self.each == 0:
            wait(self.device)
            now = time.perf_counter()
            if trainer.step > self.warm:
                self.times.append((now - self._start) / self.each)
            self._start = now

    @property
    def steps(self) -> int:
        """Steps of the run that has all rounds."""
        return self.warm + self.rounds * self.each

    @property
    def milliseconds(self) -> float:
        """Median time of a step."""
        return 1e3 * statistics.median(self.times)


def timer_of(rounds: int, each: int, device: str, quick: bool) -> Timer:
    """Return a timer; that of a quick run ends after three steps."""
    return Timer(1, 1, device, warm=2) if quick else Timer(rounds, each, device)


def wait(device: str) -> None:
    """Wait until the device has finished its work."""
    if device != "cpu":
        torch.cuda.synchronize()


def timed(step: Callable[[], None], timer: Timer) -> float:
    """Return the median time of a hand-written step in ms, in the rounds of a timer."""
    for _ in range(timer.warm):
        step()
    times = list[float]()
    for _ in range(timer.rounds):
        wait(timer.device)
        start = time.perf_counter()
        for _ in range(timer.each):
            step()
        wait(timer.device)
        times.append((time.perf_counter() - start) / timer.each)
    return 1e3 * statistics.median(times)


def networks(kind: str, quick: bool) -> tuple[nn.Module, nn.Module, tuple[int, ...]]:
    """Return generator, critic and the shape of a sample."""
    width, wide = (8, (32,) * 3) if quick else (64, (512,) * 3)
    if kind == "mlp":
        return MLPGenerator(LATENT, (2,), wide), MLPCritic((2,), hidden=wide), (2,)
    return (
        DCGANGenerator(LATENT, SHAPE, width),
        DCGANCritic(SHAPE, base_channels=width),
        SHAPE,
    )


def trained(
    objective: str, parts: Any, x: Tensor, n: int, timer: Timer, *, capture: bool, **settings: Any
) -> Trainer:
    """Train copies of the networks to the last round of the timer."""
    g, d, shape = parts
    torch.manual_seed(0)
    task = Generate(copy.deepcopy(g), latent=LATENT, shape=shape).to(timer.device)
    adversary = Adversary(copy.deepcopy(d).to(timer.device), objective)
    data = Batches(ArrayDataset(x), n, device=timer.device)
    trainer = Trainer(
        task,
        {"data": adversary},
        data,
        steps=timer.steps,
        callbacks=[timer],
        capture=capture,
        **settings,
    )
    trainer.run()
    return trainer


def step_row(name: str, device: str, quick: bool) -> Row:
    """Time one game in four ways."""
    objective, kind, n, hand, _ = STEPS[name]
    n = 8 if quick else n
    torch.manual_seed(0)
    parts = networks(kind, quick)
    g, d, shape = parts
    x = torch.randn(256 if quick else 4096, *shape).clamp(-1, 1)
    resident = x.to(device)

    def draw() -> Tensor:
        return resident[torch.randint(len(x), (n,), device=device)]

    def loop() -> gpu_loops.Step:
        return hand(copy.deepcopy(g).to(device), copy.deepcopy(d).to(device), draw)

    row: Row = {"part": "step", "case": name, "device": device}
    row["hand_eager_ms"] = timed(loop(), timer_of(7, 30, device, quick))
    if device != "cpu":
        row["hand_captured_ms"] = timed(gpu_loops.captured(loop()), timer_of(7, 30, device, quick))
    for way in ("eager", "captured"):
        timer = timer_of(7, 30, device, quick)
        trainer = trained(objective, parts, x, n, timer, capture=way == "captured")
        row[f"trainer_{way}_ms"] = timer.milliseconds
        row[f"replays_{way}"] = 0 if trainer.captured is None else trainer.captured.replays
    return row


def images_row(name: str, precision: str, device: str, quick: bool) -> Row:
    """Time the networks of a paper through `fit`, in images a second."""
    n = 8 if quick else 64
    timer = timer_of(5, 20, device, quick)
    torch.manual_seed(0)
    x = torch.rand(64 if quick else 1024, *SHAPE) * 2 - 1
    run = advlearn.fit(
        f"generate(architecture={name!r}, base_channels={4 if quick else 64})",
        IMAGES[name][0],
        x,
        steps=timer.steps,
        batch_size=n,
        critic_steps=1,
        device=device,
        precision=precision,  # pyright: ignore[reportArgumentType]
        callbacks=[timer],
    )
    captured = run.trainer.captured if run.trainer is not None else None
    return {
        "part": "images",
        "case": name,
        "precision": precision,
        "device": device,
        "ms": timer.milliseconds,
        "images_per_second": 1e3 * n / timer.milliseconds,
        "replays": 0 if captured is None else captured.replays,
    }


def equal_row(objective: str, kind: str, schedule: str, device: str, quick: bool) -> Row:
    """Compare captured with eager training for 20 steps after the first ones."""
    torch.manual_seed(0)
    parts, n = networks(kind, quick), 8 if quick else 32
    x = torch.randn(256, *parts[2]).clamp(-1, 1)
    states = list[dict[str, Tensor]]()
    replays = 0
    with rng.isolated(0):
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            for capture in (False, True):
                timer = timer_of(1, 20, device, quick)
                run = trained(objective, parts, x, n, timer, capture=capture, schedule=schedule)
                modules = {"task": run.task, **run.adversaries}
                states.append(
                    {
                        f"{m}/{k}": v.detach().cpu()
                        for m, module in modules.items()
                        for k, v in module.state_dict().items()
                        if torch.is_tensor(v)
                    }
                )
                replays = 0 if run.captured is None else run.captured.replays
        finally:
            torch.use_deterministic_algorithms(False)
    eager, captured = states
    gaps = [(captured[k].double() - v.double()).abs().max().item() for k, v in eager.items()]
    return {
        "part": "equal",
        "case": f"{objective}, {kind}, {schedule} rate",
        "device": device,
        "equal": all(torch.equal(captured[k], v) for k, v in eager.items()),
        "largest_difference": max(gaps),
        "replays": replays,
    }


def add_bars(result: Result) -> None:
    """Compare the rows of a GPU with the required bars."""
    rows = {(r["part"], r["case"], r.get("precision")): r for r in result.rows}
    for name, (*_, highest) in STEPS.items():
        row = rows["step", name, None]
        ours = row["trainer_captured_ms"]
        result.bar(f"{name}: over hand eager", ours / row["hand_eager_ms"], "<=", highest)
        result.bar(
            f"{name}: over hand captured", ours / row["hand_captured_ms"], "<=", OVER_CAPTURED
        )
    for name, (_, fewest) in IMAGES.items():
        speeds = {p: rows["images", name, p]["images_per_second"] for p in PRECISIONS}
        result.bar(f"{name}: images a second", max(speeds.values()), ">=", fewest)
        result.bar(f"{name}: bf16 over fp32", speeds["bf16"] / speeds["fp32"], ">=", 1.0)
    for row in result.rows:
        if row["part"] == "many games":
            result.bar(f"{row['case']} over one", row["ratio"], "<=", BARS["cuda"])
        if row["part"] == "equal":
            result.bar(f"{row['case']}: equals eager bit for bit", float(row["equal"]), "==", 1)


def main() -> None:
    """Run all rows."""
    options = arguments(__doc__ or "").parse_args()
    quick = options.quick
    if not torch.cuda.is_available() and not (quick or options.report):
        print("gpu: torch finds no CUDA device; --quick runs the same code on the CPU")
        return
    device = "cuda" if torch.cuda.is_available() and not quick else "cpu"
    result = Result("gpu", quick=quick)
    if not options.report:
        result.rows.clear()
        if device == "cuda":
            result.add({"part": "device", "case": torch.cuda.get_device_name()})
        for name in STEPS:
            result.add(step_row(name, device, quick))
            gc.collect()
        for objective, kind, schedule in (
            ("wgan-gp", "mlp", "constant"),
            ("nsgan", "dcgan", "linear"),
            ("hinge + r1(every=4)", "dcgan", "constant"),
        ):
            result.add(equal_row(objective, kind, schedule, device, quick))
        for name in IMAGES:
            for precision in PRECISIONS[:1] if quick else PRECISIONS:
                result.add(images_row(name, precision, device, quick))
                gc.collect()
        for name in GAMES[:2]:
            games = many_games_row(name, 2 if quick else 16, device, quick)
            result.add({"part": "many games", **games})
            gc.collect()
    if not quick:
        add_bars(result)
        result.save()
    columns = ["part", "case", "precision", "hand_eager_ms", "hand_captured_ms"]
    columns += ["trainer_eager_ms", "trainer_captured_ms", "images_per_second", "equal"]
    columns += ["one_ms", "several_ms", "ratio"]
    result.show([*columns, "largest_difference"])


if __name__ == "__main__":
    main()
