"""Run the examples, and keep a picture or the printed output of each for its page in the site.

python .ci/site/gallery.py [--jobs 2] [--again] [NAME ...]

Pictures are in docs/pictures/gallery (at most 60 kB each), commands and output in gallery.json
there. An example that has an entry is not run again, unless it is named or `--again` is given. Some
run for fewer steps than by default; the page shows the command.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from links import ROOT

EXAMPLES = ROOT / "examples"
FOLDER = ROOT / "docs" / "pictures" / "gallery"
KEPT = FOLDER / "gallery.json"
LARGEST = 60_000  # bytes of a picture
LONGEST = 12  # lines of the printed output, from its end
# Options of the examples whose default takes more than about a minute.
OPTIONS = {
    "airl_transfer_maze": "--steps 100000",
    "bigan_digits": "--reconstruction 0.1",
    "colourise": "--steps 800",
    "conditional_images": "--steps 500",
    "cycle_digits": "--steps 600",
    "drawing": "--steps 700",
    "few_labels": "--steps 200",
    "gail_cartpole": "--steps 100000",
    "gail_hopper": "--steps 500000",
    "generate_digits": "--steps 800",
    "growing_digits": "--steps 600",
    "laplacian_pyramid": "--steps 800",
    "pix2pix_edges": "--steps 800",
    "state_only": "--steps 100000",
    "style_mixing": "--steps 500",
    "super_resolution": "--steps 500",
    "texture": "--steps 600",
    "vail_halfcheetah": "--steps 500000",
    "wail_pendulum": "--steps 200000",
}


def names() -> list[str]:
    """Return the examples by their file names without the suffix."""
    return sorted(path.stem for path in EXAMPLES.glob("[!_]*.py"))


def command(name: str) -> str:
    """Return the command whose picture or output is kept."""
    return f"python examples/{name}.py {OPTIONS.get(name, '')}".strip()


def kept() -> dict[str, dict[str, Any]]:
    """Return what is kept of each example: its command, seconds, picture and output."""
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def run(name: str) -> dict[str, Any]:
    """Run an example in an empty folder, and return its entry."""
    arguments = command(name).split()[2:]
    environment = {k: v for k, v in os.environ.items() if k != "ADVLEARN_DATA"}
    environment |= {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds = time.monotonic() - began
        if done.returncode:
            raise RuntimeError(f"{command(name)}: {done.stderr.strip()}")
        entry = {"command": command(name), "seconds": round(seconds)}
        if picture := _picture(name, Path(folder)):
            FOLDER.mkdir(parents=True, exist_ok=True)
            (FOLDER / f"{name}.png").write_bytes(small(picture))
            entry["picture"] = f"{name}.png"
    lines = [line.rstrip() for line in done.stdout.strip().splitlines()]
    return {**entry, "output": "\n".join(lines[-LONGEST:])}


def _picture(name: str, folder: Path) -> Path | None:
    """Return the picture that an example writes by default, the first of several."""
    source = (EXAMPLES / f"{name}.py").read_text()
    found = [path for path in folder.glob("*.png") if f'default="{path.name}"' in source]
    return min(found, default=None)


def small(picture: Path) -> bytes:
    """Return a picture as a PNG; where it is too large, with 256 colours, then smaller."""
    from PIL import Image

    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    image.thumbnail((1000, 1400), Image.Resampling.LANCZOS)
    written = _png(image)
    while len(written) > LARGEST:
        written = _png(image.quantize(256))
        image = image.resize((image.width * 9 // 10, image.height * 9 // 10))
    return written


def _png(image: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "png", optimize=True)
    return file.getvalue()


def main() -> None:
    """Run the examples that are named, or those without an entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="examples; all by default")
    parser.add_argument("--jobs", type=int, default=2, help="examples that run at once")
    parser.add_argument("--again", action="store_true", help="run those that have an entry too")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names()):
        parser.error(f"no such examples: {', '.join(sorted(unknown))}")
    again = options.again or options.names
    wanted = [name for name in options.names or names() if again or name not in kept()]
    failed = 0
    with ThreadPoolExecutor(options.jobs) as threads:
        running = {threads.submit(run, name): name for name in wanted}
        for done in as_completed(running):
            if error := done.exception():
                failed += 1
                print(error, file=sys.stderr, flush=True)
                continue
            entry = done.result()
            entries = {**kept(), running[done]: entry}  # another run may have added some
            left = {name: entries[name] for name in names() if name in entries}
            KEPT.write_text(f"{json.dumps(left, indent=2)}\n")
            print(f"{entry['seconds']:4d} s  {entry['command']}", flush=True)
    raise SystemExit(min(failed, 1))


if __name__ == "__main__":
    main()
