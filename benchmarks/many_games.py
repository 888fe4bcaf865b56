"""Time the steps of several games of points in the plane, computed as one, over those of one game.

One game and several ones are timed in turn, in rounds, so that their ratio is of one run. Each is
timed with its moving average of the weights, and without other callbacks. The ratio that several
processes or a loop over seeds would have is the number of games. The last weights of one of the
games are compared with those of the same game by itself.
"""

import copy
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from harness import Result, Row, arguments, one_thread
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.trainer import Trainer
from advlearn.data import ArrayDataset, Batches
from advlearn.nets import MLPCritic, MLPGenerator
from advlearn.tasks.generate import Generate
from advlearn.training import rng
from advlearn.training.ema import EMA
from advlearn.training.stacked_runs import StackedRuns
from advlearn.training.stacked_trial import reason_of_trial

LATENT, WIDTHS, BATCH = 2, (64, 64), 64
GAMES = ("nsgan", "wgan-gp", "hinge + spectral_norm")
MEMBERS = (4, 16)
# Highest ratio of 16 games over one.
BARS = {"cpu": 5.0, "cuda": 3.0}


def built(spec: str, seed: int, source: ArrayDataset, device: str) -> tuple[Trainer, rng.State]:
    """Build a game, and the state of the random generators after it."""
    with rng.isolated(seed):
        task = Generate(MLPGenerator(LATENT, (2,), WIDTHS), latent=LATENT, shape=(2,)).to(device)
        adversary = Adversary(MLPCritic((2,), hidden=WIDTHS).to(device), spec)
        data = Batches(source, BATCH, seed=seed, device=device)
        average = [EMA(0.99)]
        trainer = Trainer(task, {"data": adversary}, data, steps=10**9, callbacks=average)
        return trainer, rng.get_state()


def started(trainer: Trainer) -> Callable[[], None]:
    """Return the step of one game, as its run makes it, after the start of its callbacks."""
    trainer.task.train()
    for callback in trainer.callbacks:
        callback.on_start(trainer)

    def step() -> None:
        trainer._train_step()
        for callback in trainer.callbacks:
            callback.on_step(trainer)

    return step


def together(runs: StackedRuns) -> Callable[[], None]:
    """Return the step of several games as one."""

    def step() -> None:
        runs._make_step()
        runs.average()

    return step


def timed(step: Callable[[], None], each: int, device: str) -> float:
    """Return the mean time of some steps in ms."""
    if device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(each):
        step()
    if device != "cpu":
        torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - start) / each


def row(spec: str, members: int, device: str, quick: bool) -> Row:
    """Time several games against one, and compare one of them with the same game by itself."""
    warm, rounds, each = (5, 7, 8) if device == "cpu" else (12, 9, 20)
    if quick:
        warm, rounds, each = 3, 1, 1
    points = torch.randn(2048, 2, generator=torch.Generator().manual_seed(0))
    source = ArrayDataset(points)
    parts = [built(spec, seed, source, device) for seed in range(members)]
    trainers, states = [trainer for trainer, _ in parts], [state for _, state in parts]
    target = torch.device(device)
    with rng.isolated(0):
        assert reason_of_trial(trainers, states, target) is None
        difference = largest_difference(spec, source, device)
        alone, state = built(spec, 0, source, device)
        rng.set_state(state)
        runs = StackedRuns(trainers, states, [str(seed) for seed in range(members)], target)
        runs.callbacks[0].on_start(runs)
        ways = {"one": (alone._stream, started(alone)), "several": (runs._stacked, together(runs))}
        times: dict[str, list[float]] = {name: [] for name in ways}
        # A GPU replays graphs on the stream of their block; on a CPU both ways take turns.
        turns = [list(ways)] if device == "cpu" else [[name] for name in ways]
        for names in turns:
            with ExitStack() as blocks:
                for name in names:
                    blocks.enter_context(ways[name][0]())
                    timed(ways[name][1], warm, device)
                for name in rounds * names:
                    times[name].append(timed(ways[name][1], each, device))
    one, several = (statistics.median(times[name]) for name in ("one", "several"))
    captured = runs._captured
    return {
        "case": f"{spec}, {members} games",
        "members": members,
        "device": device,
        "one_ms": one,
        "several_ms": several,
        "ratio": several / one,
        "speedup": members * one / several,
        "replays": 0 if captured is None else captured.replays,
        "largest_difference": difference,
    }


def largest_difference(spec: str, source: ArrayDataset, device: str, steps: int = 3) -> float:
    """Return how far weights in fp64 differ between a game as one of two and by itself."""
    parts = [doubled(*built(spec, seed, source, device)) for seed in range(2)]
    alone, state = copy.deepcopy(parts[1])
    rng.set_state(state)
    step = started(alone)
    for _ in range(steps):
        step()
    trainers, states = [trainer for trainer, _ in parts], [state for _, state in parts]
    assert reason_of_trial(trainers, states, torch.device(device)) is None
    runs = StackedRuns(trainers, states, ["0", "1"], torch.device(device))
    runs.callbacks[0].on_start(runs)
    runs._stacked()
    for _ in range(steps):
        runs._make_step()
    pairs = zip(weights(trainers[1]), weights(alone), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


def doubled(trainer: Trainer, state: Any) -> tuple[Trainer, Any]:
    """Return a game in fp64."""
    trainer.task.double()
    for adversary in trainer.adversaries.values():
        adversary.double()
    trainer.data.columns = tuple(column.double() for column in trainer.data.columns)  # type: ignore[attr-defined]
    return trainer, state


def weights(trainer: Trainer) -> list[Tensor]:
    """Return the weights of learner and critics."""
    modules: list[nn.Module] = [trainer.task, *trainer.adversaries.values()]
    return [p.detach() for module in modules for p in module.parameters()]


def main() -> None:
    """Time all games."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    result = Result("many_games", quick=options.quick)
    if not options.report:
        result.rows = [r for r in result.rows if r["device"] != options.device]
        result.save()
    games = () if options.report else GAMES[:2] if options.quick else GAMES
    for spec in games:
        for members in (2,) if options.quick else MEMBERS:
            result.add(row(spec, members, options.device, options.quick))
    for r in result.rows:
        result.bar(f"difference, {r['case']}, {r['device']}", r["largest_difference"], "<=", 1e-5)
        if r["members"] == max(MEMBERS):
            bar = BARS[r["device"]]
            result.bar(f"16 games over one, {r['case']}, {r['device']}", r["ratio"], "<=", bar)
    result.save()
    result.show(["case", "device", "one_ms", "several_ms", "ratio", "speedup", "replays"])


if __name__ == "__main__":
    main()
