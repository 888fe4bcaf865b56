"""Time training steps on a GPU: hand-written and ours, eager and captured as one CUDA graph.

All ways of a row run one after the other on the same networks and batch size, so their ratios are
of one run, with torch's own settings (TF32 in convolutions). The Trainer is timed as users run it,
with its stream of batches and its callbacks.
Captured training is compared with eager training bit for bit, the losses of each precision with
those of fp32, and the device tests run on the GPU. For two kinds of networks it lists the kernels
that take longest. Without a GPU it says so, and `--quick` runs the same code on small networks on
the CPU, where nothing is captured. Rows of the parts of `--parts` are replaced, the others kept.
"""

import copy
import gc
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gpu_loops
import torch
from gpu_images import (
    CHANNELS_LAST,
    LAYOUTS,
    NETWORKS,
    PRECISIONS,
    SHAPE,
    add_image_bars,
    close_rows,
    images_row,
    kernel_rows,
)
from gpu_loops import LATENT
from gpu_timing import Timer, timed, timer_of
from harness import Result, Row, arguments
from many_games import BARS, GAMES
from many_games import row as many_games_row
from torch import Tensor, nn

from advlearn.core.adversary import Adversary
from advlearn.core.trainer import Trainer
from advlearn.data import ArrayDataset, Batches
from advlearn.nets import DCGANCritic, DCGANGenerator, MLPCritic, MLPGenerator
from advlearn.tasks.generate import Generate
from advlearn.training import rng

# Row: highest ratios over the hand-written loop, eager and captured.
STEPS = {
    "wgan-gp, 3x512 MLP, batch 256": ("wgan-gp", "mlp", 256, gpu_loops.wgan_gp, 0.20),
    "nsgan, DCGAN-32, batch 64": ("nsgan", "dcgan", 64, gpu_loops.nsgan, 0.25),
    "wgan-gp, DCGAN-32, batch 64": ("wgan-gp", "dcgan", 64, gpu_loops.wgan_gp, 0.28),
    "r3gan loss, DCGAN-32, batch 128": ("r3gan", "dcgan", 128, gpu_loops.r3gan, 0.60),
}
OVER_CAPTURED = 1.10
# Games whose captured training is compared with eager training.
EQUAL = (
    ("wgan-gp", "mlp", "constant"),
    ("nsgan", "dcgan", "linear"),
    ("hinge + r1(every=4)", "dcgan", "constant"),
)
WAYS = ("hand_eager", "hand_captured", "trainer_eager", "trainer_captured")
# Part: the columns of its table.
PARTS = {
    "step": ["case", *(f"{w}_ms" for w in WAYS), "replays_captured"],
    "equal": ["case", "equal", "largest_difference", "replays"],
    "images": ["case", "precision", "layout", "ms", "images_per_second", "replays"],
    "kernels": ["case", "kernel", "calls", "ms"],
    "many games": ["case", "one_ms", "several_ms", "ratio", "largest_difference"],
    "close": ["case", "precision", "steps", "mean_difference", "largest_difference"],
    "tests": ["case", "summary"],
}
TESTS_SECONDS = 240


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


def tests_row(device: str) -> Row:
    """Run the device tests on the device, in a separate process."""
    folder = Path(__file__).parents[1] / "tests" / "device"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    row: Row = {"part": "tests", "case": "tests/device", "device": device}
    try:
        done = subprocess.run(
            [*command, str(folder)],
            cwd=folder.parents[1],
            env={**os.environ, "ADVLEARN_TEST_DEVICE": device},
            capture_output=True,
            text=True,
            timeout=TESTS_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {**row, "summary": f"stopped after {TESTS_SECONDS} s", "passed": 0, "failed": -1}
    lines = (done.stdout + done.stderr).strip().splitlines()
    summary = lines[-1] if lines else ""
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|errors?)", summary)}
    # Without a test that ran, pytest itself failed.
    failed = sum(n for word, n in counts.items() if word != "passed") if "passed" in counts else -1
    failures = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    passed = counts.get("passed", 0)
    return {**row, "summary": summary, "passed": passed, "failed": failed, "failures": failures}


def add_bars(result: Result) -> None:
    """Compare the rows of a GPU with the required bars."""
    for row in (r for r in result.rows if r["part"] == "step"):
        name, ours = row["case"], row["trainer_captured_ms"]
        result.bar(f"{name}: over hand eager", ours / row["hand_eager_ms"], "<=", STEPS[name][-1])
        result.bar(
            f"{name}: over hand captured", ours / row["hand_captured_ms"], "<=", OVER_CAPTURED
        )
    add_image_bars(result)
    for row in result.rows:
        if row["part"] == "many games":
            result.bar(f"{row['case']} over one", row["ratio"], "<=", BARS["cuda"])
        if row["part"] == "equal":
            result.bar(f"{row['case']}: equals eager bit for bit", float(row["equal"]), "==", 1)
        if row["part"] == "tests":
            result.bar("device tests that fail on the device", row["failed"], "==", 0)


def cases(device: str, quick: bool) -> Iterator[tuple[str, Callable[[], list[Row]]]]:
    """Give the part of each case, and the function that computes its rows."""
    for name in STEPS:
        yield "step", lambda name=name: [step_row(name, device, quick)]
    for game in EQUAL:
        yield "equal", lambda game=game: [equal_row(*game, device, quick)]
    for name in NETWORKS:
        for precision in PRECISIONS[:1] if quick else PRECISIONS:
            for layout in (CHANNELS_LAST,) if quick else LAYOUTS:
                yield (
                    "images",
                    lambda n=name, p=precision, m=layout: [images_row(n, p, m, device, quick)],
                )
    for name in ("stylegan", "r3gan"):
        yield "kernels", lambda name=name: kernel_rows(name, device, quick)
    for name in GAMES[:2]:
        yield (
            "many games",
            lambda name=name: [
                {
                    "part": "many games",
                    **many_games_row(name, 2 if quick else 16, device, quick),
                }
            ],
        )
    for name in ("sngan",) if quick else NETWORKS:
        yield "close", lambda name=name: close_rows(name, device, quick)
    if not quick:
        yield "tests", lambda: [tests_row(device)]


def main() -> None:
    """Compute the rows of the wanted parts."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    quick = options.quick
    if not torch.cuda.is_available() and not (quick or options.report):
        print("gpu: torch finds no CUDA device; --quick runs the same code on the CPU")
        return
    device = "cuda" if torch.cuda.is_available() and not quick else "cpu"
    result = Result("gpu", quick=quick)
    if not options.report:
        result.rows = [r for r in result.rows if r["part"] not in {"device", *options.parts}]
        result.save()
        if device == "cuda":
            result.add({"part": "device", "case": torch.cuda.get_device_name()})
        for part, compute in cases(device, quick):
            if part in options.parts:
                for row in compute():
                    result.add(row)
                gc.collect()
    if not quick:
        add_bars(result)
        result.save()
    for part, columns in PARTS.items():
        if rows := [r for r in result.rows if r["part"] == part]:
            result.show_table(columns, rows)
    result.show_bars()


if __name__ == "__main__":
    main()
