"""Write the small demonstrations that ship inside the package, from files with fifty episodes.

The first episodes of each file are kept as they are, in float32, with the file's own `source`.

    python benchmarks/package_demonstrations.py FOLDER

FOLDER holds `cartpole.npz`, `pendulum.npz`, `hopper.npz` and `halfcheetah.npz` in the layout of
`advlearn.imitation.load_demonstrations`.
"""

import sys
from pathlib import Path

import numpy as np

import advlearn

EPISODES = {"cartpole": 5, "pendulum": 20, "hopper": 5, "halfcheetah": 4}
TARGET = Path(advlearn.__file__).parent / "imitation" / "demonstrations" / "packaged"


def package(source: Path, name: str, episodes: int) -> Path:
    """Write the first episodes of one file; return the new file."""
    with np.load(source / f"{name}.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    lengths = arrays["episode_lengths"][:episodes]
    steps = int(lengths.sum())
    kept = {
        "observations": arrays["observations"][: steps + episodes],
        "actions": arrays["actions"][:steps],
        "rewards": arrays["rewards"][:steps],
        "episode_lengths": lengths,
        "terminated": arrays["terminated"][:episodes],
    }
    kept |= {key: value for key, value in arrays.items() if value.ndim == 0}
    target = TARGET / f"{name}.npz"
    np.savez_compressed(target, **kept)
    return target


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python benchmarks/package_demonstrations.py FOLDER")
    TARGET.mkdir(exist_ok=True)
    for name, episodes in EPISODES.items():
        file = package(Path(sys.argv[1]), name, episodes)
        print(f"{file.name}: {episodes} episodes, {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
