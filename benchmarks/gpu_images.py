"""Time and compare the image networks of papers by precision and by memory layout."""

from typing import Any

import torch
from gpu_timing import timer_of
from harness import Result, Row
from torch.autograd import DeviceType
from torch.profiler import profile

import advlearn
from advlearn.core.trainer import Callback, Trainer

SHAPE = (3, 32, 32)
# Networks: objective, base channels, batch.
NETWORKS = {
    "biggan": ("hinge + spectral_norm", 64, 64),
    "sngan": ("hinge + spectral_norm", 64, 64),
    "stylegan": ("nsgan + r1", 64, 64),
    "r3gan": ("r3gan", 32, 128),
}
# Fewest images a second, and longest step in ms, at the best precision and layout.
FEWEST, LONGEST = {"biggan": 4_000, "sngan": 8_000, "stylegan": 5_000}, {"r3gan": 60.0}
PRECISIONS = ("fp32", "tf32", "bf16")
CONTIGUOUS, CHANNELS_LAST, TUNED = "contiguous", "channels last", "contiguous, cuDNN tuned"
LAYOUTS = (CONTIGUOUS, CHANNELS_LAST, TUNED)
# Steps before a profile, and kernels that it lists.
FIRST, KERNELS = 3, 12
# Highest mean difference of the critic's loss from fp32 in the first steps, over its mean in fp32.
CLOSE, CLOSE_STEPS = {"tf32": 0.02, "bf16": 0.05}, 200


def precisions(device: str) -> tuple[str, ...]:
    """Return the precisions that exist on a device."""
    return tuple(p for p in PRECISIONS if device != "cpu" or p != "tf32")


class ChannelsLast(Callback):
    """Keep the weights of convolutions in channels-last order, so that cuDNN computes in it."""

    def on_start(self, trainer: Trainer) -> None:
        """Convert learner and critics before the first step."""
        for module in (trainer.task, *trainer.adversaries.values()):
            module.to(memory_format=torch.channels_last)


class Losses(Callback):
    """Note the critic's loss of each step."""

    def __init__(self) -> None:
        self.critic: list[float] = []

    def on_step(self, trainer: Trainer) -> None:
        """Note one loss."""
        self.critic.append(trainer.last_losses()["data/critic_loss"])


def fit(
    name: str,
    precision: str,
    steps: int,
    device: str,
    quick: bool,
    callbacks: list[Callback],
    capture: bool = True,
) -> Any:
    """Train the networks of a paper on random images."""
    objective, channels, batch = NETWORKS[name]
    torch.manual_seed(0)
    x = torch.rand(64 if quick else 1024, *SHAPE) * 2 - 1
    return advlearn.fit(
        f"generate(architecture={name!r}, base_channels={4 if quick else channels})",
        objective,
        x,
        steps=steps,
        batch_size=8 if quick else batch,
        critic_steps=1,
        device=device,
        precision=precision,  # pyright: ignore[reportArgumentType]
        callbacks=callbacks,
        capture=capture,
    )


def images_row(name: str, precision: str, layout: str, device: str, quick: bool) -> Row:
    """Time the networks of a paper through `fit`, in images a second."""
    timer = timer_of(5, 20, device, quick)
    callbacks: list[Callback] = [timer]
    if layout == CHANNELS_LAST:
        callbacks.insert(0, ChannelsLast())
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = layout == TUNED
    try:
        run = fit(name, precision, timer.steps, device, quick, callbacks)
    finally:
        torch.backends.cudnn.benchmark = before
    captured = run.trainer.captured if run.trainer is not None else None
    return {
        "part": "images",
        "case": name,
        "precision": precision,
        "layout": layout,
        "device": device,
        "ms": timer.milliseconds,
        "images_per_second": 1e3 * (8 if quick else NETWORKS[name][2]) / timer.milliseconds,
        "replays": 0 if captured is None else captured.replays,
    }


class Profile(Callback):
    """Profile some steps after the first ones.

    Args:
        steps: Profiled steps.
    """

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.profiler = profile()

    def on_step(self, trainer: Trainer) -> None:
        """Start and stop the profiler."""
        if trainer.step == FIRST:
            self.profiler.start()
        elif trainer.step == FIRST + self.steps:
            self.profiler.stop()


def kernel_rows(name: str, device: str, quick: bool) -> list[Row]:
    """List the kernels that take most of a step in TF32, without a graph around them."""
    profiled = Profile(1 if quick else 5)
    precision = "fp32" if device == "cpu" else "tf32"
    steps = FIRST + profiled.steps
    fit(name, precision, steps, device, quick, [profiled], capture=False)
    found = list[tuple[float, int, str]]()
    for event in profiled.profiler.key_averages():
        on_gpu = event.device_type == DeviceType.CUDA
        if on_gpu or device == "cpu":
            time = event.self_device_time_total if on_gpu else event.self_cpu_time_total
            found.append((1e-3 * time / profiled.steps, event.count // profiled.steps, event.key))
    return [
        {
            "part": "kernels",
            "case": name,
            "device": device,
            "kernel": kernel[:120],
            "calls": calls,
            "ms": ms,
        }
        for ms, calls, kernel in sorted(found, reverse=True)[:KERNELS]
    ]


def close_rows(name: str, device: str, quick: bool) -> list[Row]:
    """Compare the critic's losses of the first steps in each precision with those in fp32."""
    losses = dict[str, torch.Tensor]()
    steps = 3 if quick else CLOSE_STEPS
    for precision in precisions(device):
        noted = Losses()
        fit(name, precision, steps, device, quick, [noted])
        losses[precision] = torch.tensor(noted.critic)
    exact = losses["fp32"]
    return [
        {
            "part": "close",
            "case": name,
            "precision": precision,
            "device": device,
            "steps": steps,
            "mean_difference": float((found - exact).abs().mean() / exact.abs().mean()),
            "largest_difference": float((found - exact).abs().max() / exact.abs().mean()),
        }
        for precision, found in losses.items()
        if precision != "fp32"
    ]


def add_image_bars(result: Result) -> None:
    """Compare speed and losses with the required bars."""
    times = dict[tuple[str, str], float]()
    speeds = dict[str, float]()
    for row in (r for r in result.rows if r["part"] == "images"):
        name, precision = row["case"], row["precision"]
        times[name, precision] = min(row["ms"], times.get((name, precision), row["ms"]))
        speeds[name] = max(row["images_per_second"], speeds.get(name, 0.0))
    for name, speed in speeds.items():
        if name in FEWEST:
            result.bar(f"{name}: images a second", speed, ">=", FEWEST[name])
            gain = times[name, "fp32"] / times[name, "bf16"]
            result.bar(f"{name}: bf16 over fp32", gain, ">=", 1.0)
        else:
            best = min(times[name, p] for p in PRECISIONS)
            result.bar(f"{name}: milliseconds a step", best, "<=", LONGEST[name])
    for row in (r for r in result.rows if r["part"] == "close"):
        bar = CLOSE[row["precision"]]
        case = f"{row['case']}: difference of {row['precision']} losses from fp32"
        result.bar(case, row["mean_difference"], "<=", bar)
