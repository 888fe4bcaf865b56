"""Compare captured steps of several processes with eager ones, bit for bit, and time them on GPUs.

With several NVIDIA GPUs there is one process for each, over NCCL, and a step is a CUDA graph that
holds the exchange of gradients. Without them there are two processes on the CPU over Gloo, and
recorded operators replace the graphs: they show that a replay equals an eager step, not how fast it
is. Every objective and regularizer trains a generator on its example data, and every task one or
two objectives. The command starts its processes itself, by `torchrun`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from gpu import STEPS, networks, trained
from gpu_timing import timer_of
from harness import Result, Row, arguments, one_thread

from advlearn.core import distributed, registry
from advlearn.core.grammar import parse, resolve
from advlearn.core.task import Task
from advlearn.testing._found import different_games
from advlearn.testing._replays import both, differences, replays, without_host_exchanges
from advlearn.training.launch import launched

GENERATE = "generate(latent=2)"
# Its solver is on the host.
NOT_CAPTURED = {"assignment"}
COLUMNS = ["case", "task", "processes", "device", "replays", "differences"]
TIMES = ["case", "processes", "device", "eager_ms", "captured_ms", "ratio"]


def cases(quick: bool) -> list[tuple[str, str]]:
    """Return objectives and tasks: each objective and regularizer, and each task."""
    if quick:
        return [("wgan-gp", GENERATE), ("mmd", GENERATE)]
    regularizers = [
        f"nsgan + {e.name}" for e in registry.entries().values() if e.kind == "regularizer"
    ]
    found = [(o, GENERATE) for o in (*different_games(), *regularizers)]
    for name, cls in registry.tasks().items():
        for options in cls.example_options:
            text = ", ".join(f"{option}={value!r}" for option, value in options.items())
            found += [(o, f"{name}({text})") for o in ("nsgan", "k-plus-one")]
    return [(o, form) for o, form in found if o not in NOT_CAPTURED and fits(o, form)]


def fits(objective: str, form: str) -> bool:
    """Return whether a task takes an objective."""
    cls: Any = registry.tasks()[form.partition("(")[0]]
    task: Task = cls.from_data(cls.example_data(), **parse(form)[0].arguments)
    return task.check_compatibility(resolve(objective).required_objective()) is None


def equal_row(objective: str, form: str, device: torch.device) -> Row:
    """Train a game in both ways; the differences are those of any process."""
    with without_host_exchanges():
        eager, replayed = both(objective, form, device)
    found = distributed.gather_objects(differences(eager, replayed))
    return {
        "case": objective, "task": form, "processes": distributed.world_size(),
        "device": device.type, "replays": replays(replayed),
        "differences": sorted({part for each in found for part in each}),
    }  # fmt: skip


def time_row(name: str, device: torch.device) -> Row:
    """Time a game of `gpu.py` in both ways, with its batch in each process."""
    objective, kind, n, *_ = STEPS[name]
    parts = networks(kind, quick=False)
    x = torch.randn(4096, *parts[2]).clamp(-1, 1)
    row: Row = {"case": name, "processes": distributed.world_size(), "device": device.type}
    for way in ("eager", "captured"):
        timer = timer_of(7, 30, str(device), quick=False)
        trained(objective, parts, x, n, timer, capture=way == "captured")
        row[f"{way}_ms"] = timer.milliseconds
    return {**row, "ratio": row["captured_ms"] / row["eager_ms"]}


def work(device: str, quick: bool, path: Path) -> None:
    """Compute all rows in this process of several, and write those of the first one."""
    with launched(device) as place:
        rows = [equal_row(objective, form, place) for objective, form in cases(quick)]
        if place.type == "cuda":
            rows += [time_row(name, place) for name in STEPS]
        if distributed.rank() == 0:
            path.write_text(json.dumps(rows))


def start(options: Any) -> list[Row]:
    """Start the processes, and return their rows."""
    gpus = torch.cuda.device_count()
    device, count = ("cuda", gpus) if gpus > 1 and options.device == "cuda" else ("cpu", 2)
    if device == "cpu":
        print(f"{gpus} GPUs: two processes on the CPU, without CUDA graphs")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        command = [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *(f"--nproc-per-node={count}", __file__, "--device", device, "--rows", str(path)),
        ]
        subprocess.run([*command, *(["--quick"] if options.quick else [])], check=True)
        return json.loads(path.read_text())


def main() -> None:
    """Compute all rows; those of another device are kept."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--rows", type=Path, default=None, help="of the processes: their file")
    options = parser.parse_args()
    one_thread()
    if options.rows is not None:
        work(options.device, options.quick, options.rows)
        return
    result = Result("captured_processes", quick=options.quick)
    if not options.report:
        rows = start(options)
        device = rows[0]["device"]
        result.rows = [row for row in result.rows if row["device"] != device] + rows
    set_bars(result)
    result.save()
    timed = [row for row in result.rows if "ratio" in row]
    result.show_table(COLUMNS, [row for row in result.rows if "differences" in row])
    if timed:
        result.show_table(TIMES, timed)
    result.show_bars()


def set_bars(result: Result) -> None:
    """Require equal results and replays in every game, on each device."""
    for device in sorted({row["device"] for row in result.rows}):
        rows = [r for r in result.rows if r["device"] == device and "differences" in r]
        case = f"{len(rows)} games, {rows[0]['processes']} processes, {device}"
        result.bar(
            f"games that differ in a bit, of {case}",
            sum(bool(r["differences"]) for r in rows),
            "==",
            0,
        )
        result.bar(
            f"games without a replay, of {case}", sum(r["replays"] == 0 for r in rows), "==", 0
        )


if __name__ == "__main__":
    main()
