"""Read a zoo of files and arrays, each to the right pixels or refused by one line.

A row is one member of the zoo (`reader_zoo.py`) read in one way: a folder and a Dataset of pictures
for files; an array, a Dataset of its rows and a DataLoader for arrays. `right` says whether every
pixel is within 1e-4 of the expected value (1e-3 for float16), or whether the refusal is one line
with the expected words. No member may be read to other pixels.

Rows of memory: the peak of a process that opens 192 MiB of uint8 images and draws a batch, above
the memory before, in multiples of the data. The row `photographs` is `advlearn fit generate --data
FOLDER` on 30 crops of 128 x 128 pixels of the photographs that ship with scikit-learn and
scikit-image, to the table and the pictures, with two threads, for the few steps of
`PHOTOGRAPH_STEPS`: by default, with smaller batches, and with smaller networks too. `minutes` are
those of two cores for the method's 5,000 steps, estimated from the CPU time of a row as if all of
it were steps: an upper estimate. The bar is on the default. `seconds` is the time on the clock
while other programs ran.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Result, Row, arguments
from PIL import Image
from reader_zoo import Case, array_cases, file_cases
from torch.utils.data import DataLoader, Dataset

from advlearn.data import ArrayDataset, StreamedBatches, load, photographs

PHOTOGRAPH_STEPS = {"": 5, "--batch-size 16": 10, "--batch-size 16 --set base_channels=16": 100}
DEFAULT_STEPS = 5000
SIDE, PHOTOGRAPHS = 128, 30
IMAGES = 65_536  # of 32 x 32 pixels: 192 MiB
MINUTES, GIBIBYTES, RATIO, MEMBERS = 10, 3, 1.3, 60
COLUMNS = ["case", "way", "outcome", "right", "seconds", "cpu_seconds", "minutes", "peak"]
COLUMNS += ["line"]

MEASURE = """
import sys, torch, numpy as np
from advlearn.data import batches, load
def peak():  # ru_maxrss would include the parent's memory
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
path, way = sys.argv[1:]
size = np.load(path, mmap_mode="r").nbytes
next(batches(load(torch.rand(8, 3, 8, 8)), 4))
data = np.load(path) if way == "array" else path
before = peak()
next(batches(load(data), 64))
print((peak() - before) / size)
"""


class Pictures(Dataset[Any]):
    """The files of a folder as PIL images."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(path for path in folder.iterdir() if path.is_file())

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        return Image.open(self.paths[index])


class Rows(Dataset[Any]):
    """The samples of an array."""

    def __init__(self, x: np.ndarray[Any, Any]) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        return np.array(self.x[index])


def judged(case: Case, way: str, data: Any, expected: Any) -> Row:
    """Read data and compare it with what is expected."""
    started = time.perf_counter()
    try:
        x = samples(load(data, **case.options))
    except (ValueError, TypeError) as error:
        line = str(error)
        right = isinstance(expected, str) and expected in line and "\n" not in line
        outcome = "refused"
    else:
        line, outcome = "", "read"
        tolerance = 1e-3 if "float16" in case.name else 1e-4
        right = not isinstance(expected, str) and x.shape == expected.shape
        right = right and bool(np.allclose(x.numpy(), expected, atol=tolerance, rtol=0))
    seconds = time.perf_counter() - started
    return {
        "case": case.name,
        "way": way,
        "outcome": outcome,
        "right": bool(right),
        "seconds": round(seconds, 3),
        "line": line,
    }


def samples(source: Any) -> torch.Tensor:
    """Return all samples of a data set in order."""
    if isinstance(source, ArrayDataset):
        return source.x
    stream = StreamedBatches(source, len(source))
    stream.order.shuffle = False
    return next(stream)[0]


def rows_of_files(case: Case) -> list[Row]:
    """Return the rows of a member that consists of files."""
    rows: list[Row] = []
    for way in ("folder", "Dataset") if case.flat else ("folder",):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "images"
            folder.mkdir()
            expected = case.build(folder)
            row = judged(case, way, folder if way == "folder" else Pictures(folder), expected)
            rows.append({**row, "line": row["line"].replace(name, "...")})
    return rows


def rows_of_array(case: Case) -> list[Row]:
    """Return the rows of a member that is an array."""
    x, expected = case.build()
    rows = [judged(case, "array", x, expected)]
    # A Dataset cannot be of strings, of no samples, or of the byte order of another machine.
    if len(x) and x.dtype.kind in "fiub" and x.dtype.isnative:
        rows.append(judged(case, "Dataset", Rows(x), expected))
        loader = DataLoader(Rows(x), batch_size=len(x))
        rows.append(judged(case, "DataLoader", loader, expected))
    return rows


def memory(way: str, images: int) -> Row:
    """Return the row of the memory that uint8 images take."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x.npy"
        generator = np.random.default_rng(0)
        np.save(path, generator.integers(0, 256, (images, 32, 32, 3), dtype=np.uint8))
        command = [sys.executable, "-c", MEASURE, str(path), way]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    ratio = round(float(done.stdout), 3)
    return {"case": "memory", "way": way, "outcome": "read", "right": True, "peak": ratio}


def photograph_way(options: str) -> str:
    """Return the command of a row of photographs, without the folders."""
    return f"advlearn fit generate {options} --steps {PHOTOGRAPH_STEPS[options]}".replace("  ", " ")


def photograph_row(options: str, side: int, count: int) -> Row:
    """Return the row of a command that trains on photographs, to the table and the pictures."""
    steps = PHOTOGRAPH_STEPS[options]
    with tempfile.TemporaryDirectory() as name:
        save_photographs(Path(name) / "photographs", side, count)
        command = [sys.executable, "-c", "from advlearn.cli import app; app()", "fit", "generate"]
        command += ["--data", f"{name}/photographs", "--steps", str(steps), "--out", f"{name}/run"]
        command += options.split()
        before = _child_seconds()
        started = time.perf_counter()
        environment = {**os.environ, "OMP_NUM_THREADS": "2"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        seconds = time.perf_counter() - started
        pictures = len(list((Path(name) / "run").glob("*.png")))
    spent = _child_seconds() - before
    complete = done.returncode == 0 and pictures > 0 and "frechet distance" in done.stdout
    return {
        "case": "photographs",
        "way": photograph_way(options),
        "outcome": f"{pictures} pictures",
        "right": complete,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(spent, 1),
        "minutes": round(spent / steps * DEFAULT_STEPS / 60 / 2, 1),
        # Of the largest child so far; the rows with smaller networks come after.
        "peak": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20, 2),
        "line": "" if complete else done.stderr[-300:],
    }


def _child_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def save_photographs(folder: Path, side: int, count: int) -> None:
    """Save square crops of the photographs that ship with scikit-learn and scikit-image."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    whole = list(photographs().values())
    for index in range(count):
        picture = whole[index % len(whole)]
        height, width = picture.shape[:2]
        crop = min(height, width, int(generator.integers(200, 400)))
        top = int(generator.integers(0, height - crop + 1))
        left = int(generator.integers(0, width - crop + 1))
        part = Image.fromarray(picture[top : top + crop, left : left + crop])
        part.resize((side, side), Image.Resampling.LANCZOS).save(folder / f"{index:02d}.png")


def main() -> None:
    """Compute the missing rows and the bars."""
    options = arguments(__doc__ or "").parse_args()
    result = Result("readers", quick=options.quick)
    works: list[tuple[str, Callable[[], list[Row]]]] = []
    works += [(case.name, lambda case=case: rows_of_files(case)) for case in file_cases()]
    works += [(case.name, lambda case=case: rows_of_array(case)) for case in array_cases()]
    works = works[::8] if options.quick else works
    for name, work in works if not options.report else []:
        if not result.has(case=name):
            for row in work():
                result.add(row)
    if not options.report and not options.quick:
        # The photographs come first: they need the peak of one child.
        for chosen in PHOTOGRAPH_STEPS:
            if not result.has(case="photographs", way=photograph_way(chosen)):
                result.add(photograph_row(chosen, SIDE, PHOTOGRAPHS))
        for way in ("array", "mapped"):
            if not result.has(case="memory", way=way):
                result.add(memory(way, IMAGES))
    bars(result)
    result.save()
    result.show(COLUMNS)


def bars(result: Result) -> None:
    """State the required bars."""
    zoo = [row for row in result.rows if row["case"] not in ("memory", "photographs")]
    members = {row["case"] for row in zoo}
    if not result.quick:
        result.bar("members of the zoo", len(members), ">=", MEMBERS)
    wrong = [row for row in zoo if not row["right"]]
    result.bar("members read to other pixels or not refused by one line", len(wrong), "==", 0)
    for row in result.rows:
        if row["case"] == "memory":
            name = f"peak of uint8 images, {row['way']}, over the data"
            result.bar(name, row["peak"], "<=", RATIO)
        if row["case"] == "photographs" and row["way"] == photograph_way(""):
            result.bar("photographs: table and pictures", float(row["right"]), "==", 1.0)
            name = "photographs: minutes of two cores for the default steps, estimated"
            result.bar(name, row["minutes"], "<=", MINUTES)
            result.bar("photographs: peak in GiB", row["peak"], "<=", GIBIBYTES)


if __name__ == "__main__":
    main()
