"""Random inputs of `fuzz.py`: specs, commands, arrays and files, many of them damaged."""

import itertools
import random
import shutil
import string
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

# The errors with which the library refuses input; the command line prints them as one line.
REFUSALS = (ValueError, TypeError, OSError, ImportError)
LITERALS = ["0", "1", "-1", "1e400", "nan", "inf", "None", "True", "''", "'a'", "()", "[]", "{}"]
LITERALS += ["9" * 400, "[1, 2]", "(1.5,)", "1j", "1e-300", "__import__('os')", "{'a': 1}"]


class Fuzzer:
    """Draw inputs of each kind, pass them on, and keep those that end in another error.

    Args:
        seed: Seed of all inputs.
        keep: Folder for failing inputs.
    """

    def __init__(self, seed: int, keep: Path) -> None:
        self.seed, self.keep = seed, keep
        self.folder = Path(tempfile.mkdtemp(prefix="fuzz"))
        self.random = random.Random(seed)
        self.targets: dict[str, Callable[[], tuple[Any, Callable[[], Any]]]] = {
            "specs": self.spec,
            "commands": self.command,
            "arrays": self.array,
            "demonstrations": self.demonstrations,
            "checkpoints": self.checkpoint,
            "rewards": self.reward,
        }
        self.counts = dict.fromkeys(self.targets, 0)
        self.failures: list[str] = []
        self.samples: dict[str, bytes] = {}

    def run(self, seconds: float, only: list[str]) -> None:
        """Try inputs of each kind in turn until the time is over."""
        end = time.monotonic() + seconds
        for number, name in enumerate(itertools.cycle(only)):
            if time.monotonic() > end:
                break
            # Each case has its own seed, so that it can be repeated without those before it.
            self.random.seed(f"{self.seed}/{name}/{number}")
            given, call = self.targets[name]()
            self.counts[name] += 1
            self.try_one(f"{name}-{self.seed}-{number}", given, call)
        shutil.rmtree(self.folder)

    def try_one(self, label: str, given: Any, call: Callable[[], Any]) -> None:
        """Call once; keep the input unless it is taken or refused in one line."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                call()
        except REFUSALS as error:
            message = str(error)
            if message.strip() and "\n" not in message:
                return
            reason, trace = f"{type(error).__name__} with {message!r}", traceback.format_exc()
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            trace = traceback.format_exc()
        else:
            return
        self.failures.append(f"{label}: {reason}")
        print(f"{label}: {reason}", flush=True)
        self.keep.mkdir(parents=True, exist_ok=True)
        if isinstance(given, Path):
            shutil.copy(given, self.keep / f"{label}{given.suffix}")
        (self.keep / f"{label}.txt").write_text(f"{given!r}\n\n{trace}")

    def spec(self) -> tuple[Any, Callable[[], Any]]:
        """Return a spec of known names, random arguments and stray characters."""
        from advlearn import catalogue, resolve
        from advlearn.core import registry
        from advlearn.core.described import keywords

        entries = sorted(registry.entries().items())
        terms: list[str] = []
        for _ in range(self.random.randint(1, 3)):
            name, entry = self.random.choice(entries)
            words = [*keywords(entry.make), "nonsense"]
            given = [
                f"{self.random.choice(words)}={self.random.choice(LITERALS)}"
                for _ in range(self.random.randint(0, 2))
            ]
            terms.append(f"{name}({', '.join(given)})" if given else name)
        text = self.mutated(" + ".join(terms))
        read = self.random.choice([resolve, catalogue.request])
        return text, lambda: read(text)

    def mutated(self, text: str) -> str:
        """Replace, insert or remove some characters of a text, or none."""
        for _ in range(self.random.choice([0, 0, 1, 2, 5])):
            at = self.random.randint(0, len(text))
            new = self.random.choice([*string.printable, "\0", "é", "(" * 50, ""])
            text = text[:at] + new + text[at + self.random.randint(0, 2) :]
        return text

    def command(self) -> tuple[Any, Callable[[], Any]]:
        """Return words of the command line."""
        from advlearn import catalogue

        names = sorted(catalogue.methods())
        values = ["", "0", "-1", "nan", "1e999", "maybe", "digits", "a->b", ".", "\0", "9" * 30]
        options = ["--objective", "--data", "--steps", "--batch-size", "--lr", "--critic-lr"]
        options += ["--critic-steps", "--optimizer", "--adversarial-weight", "--game", "--set"]
        options += ["--seed", "--device", "--precision", "--env", "--algorithm", "--reward"]
        options += ["--critic-inputs", "--ent-coef", "--bc-steps", "--absorbing", "--out"]
        verb = self.random.choice(["fit", "fit", "fit", "describe", "cite", "list", "sample"])
        words = [verb]
        if verb == "fit":
            words += [self.mutated(self.random.choice(names))]
            for option in self.random.sample(options, self.random.randint(1, 3)):
                words += [option, self.random.choice(values)]
            # A valid command trains for one step.
            words += ["--steps", self.random.choice(["1", "0", "x"])]
            words += ["--out", str(self.folder / f"run{self.random.random()}")]
        elif verb != "list":
            words += [self.mutated(self.random.choice([*names, *values]))]
        else:
            words += [self.random.choice(["--for", "--kind"]), self.random.choice(values)]
        return words, lambda: self.shell(words)

    def shell(self, words: list[str]) -> None:
        """Run a command in this process, and raise the error that it did not print as a line."""
        from typer.testing import CliRunner

        from advlearn.cli import app

        done = CliRunner().invoke(app, words)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise RuntimeError(f"{type(done.exception).__name__}: {done.exception}") from (
                done.exception
            )

    def array(self) -> tuple[Any, Callable[[], Any]]:
        """Return data of a random type, shape and content, with labels or without."""
        from advlearn.data import load

        dtypes = ["f2", "f4", "f8", ">f8", "u1", "i8", "c8", "?", "U3", "O", "M8[s]"]
        shape = tuple(self.random.choice([0, 1, 2, 3, 8]) for _ in range(self.random.randint(0, 5)))
        values = np.zeros(shape, self.random.choice(dtypes))
        if values.dtype.kind in "fc" and values.size and self.random.random() < 0.5:
            values.flat[0] = self.random.choice([np.nan, np.inf, 300.0, -5.0])
        data: Any = self.random.choice(
            [values, np.ma.masked_array(values), values.tolist(), memoryview(b"ab"), iter(())]
        )
        if self.random.random() < 0.3 and values.dtype.kind in "fiub":
            data = torch.from_numpy(values.astype(values.dtype.newbyteorder("=")))
        count = len(values) if values.ndim else 1
        labels = self.random.choice(
            [None, np.arange(count), np.arange(count) * 10**9, -np.arange(count), "abc", 5, []]
        )
        return (data, labels), lambda: load(data, labels)

    def demonstrations(self) -> tuple[Any, Callable[[], Any]]:
        """Return demonstrations with changed bytes or changed arrays."""
        from advlearn.imitation import load_demonstrations

        path = self.folder / "demonstrations.npz"
        if self.random.random() < 0.5:
            path.write_bytes(self.damaged(self.sample("demonstrations")))
        else:
            self.rearranged(path)
        return path, lambda: load_demonstrations(path)

    def rearranged(self, path: Path) -> None:
        """Write demonstrations of which some arrays are missing or of another kind."""
        arrays: dict[str, Any] = {
            "observations": np.zeros((5, 2)),
            "actions": np.zeros(4, int),
            "episode_lengths": np.array([4]),
            "terminated": np.array([True]),
            "env_id": np.array("CartPole-v1"),
            "expert_return_mean": np.array(1.0),
        }
        odd = [np.array("x"), np.array([]), np.array(1j), np.array([40.9]), np.zeros((2, 2, 2))]
        odd += [np.array([-1]), np.array([10**18]), np.array([np.nan]), np.array(["False"])]
        for name in self.random.sample(sorted(arrays), self.random.randint(1, 3)):
            if self.random.random() < 0.3:
                del arrays[name]
            else:
                arrays[name] = self.random.choice(odd)
        np.savez(path, **arrays)
        if self.random.random() < 0.1:
            with zipfile.ZipFile(path, "a") as archive:
                archive.writestr("more.npy", b"\x93NUMPY\x01\x00v\x00{'descr': 'f8'")

    def checkpoint(self) -> tuple[Any, Callable[[], Any]]:
        """Return a saved run with changed bytes or changed contents."""
        import advlearn

        path = self.changed_file("checkpoint")
        return path, lambda: advlearn.load(path)

    def reward(self) -> tuple[Any, Callable[[], Any]]:
        """Return a saved reward with changed bytes or changed contents."""
        from advlearn.imitation import load_reward

        path = self.changed_file("reward")
        return path, lambda: load_reward(path)

    def changed_file(self, kind: str) -> Path:
        """Write a changed copy of a saved file."""
        path = self.folder / f"{kind}.pt"
        path.write_bytes(self.sample(kind))
        if self.random.random() < 0.5:
            path.write_bytes(self.damaged(path.read_bytes()))
        else:
            payload = torch.load(path, weights_only=True)
            for _ in range(self.random.randint(1, 2)):
                self.replace_one(payload)
            torch.save(payload, path)
        return path

    def replace_one(self, payload: Any) -> None:
        """Remove or replace one value of nested dicts, in place."""
        while True:
            key = self.random.choice(sorted(payload, key=str)) if payload else None
            if key is None:
                return
            inner = payload[key]
            if isinstance(inner, dict) and inner and self.random.random() < 0.8:
                payload = inner
                continue
            if self.random.random() < 0.4:
                del payload[key]
            else:
                odd = [None, -5, 10**9, "nope", [], {}, 1.5, torch.zeros(2), float("nan"), True]
                payload[key] = self.random.choice(odd)
            return

    def damaged(self, content: bytes) -> bytes:
        """Flip some bits of a file, cut it, repeat a part of it, or empty it."""
        kind = self.random.choice(["bits", "bits", "cut", "junk", "empty"])
        if kind == "cut":
            return content[: self.random.randrange(len(content))]
        if kind == "junk":
            at = self.random.randrange(len(content))
            return content[:at] + self.random.randbytes(50) + content[at:]
        if kind == "empty":
            return self.random.choice([b"", b"PK\x05\x06" + b"\0" * 18, b"\x80\x04."])
        changed = bytearray(content)
        for _ in range(self.random.choice([1, 1, 5, 50])):
            changed[self.random.randrange(len(changed))] ^= 1 << self.random.randrange(8)
        return bytes(changed)

    def sample(self, kind: str) -> bytes:
        """Return a valid file of a kind, made once."""
        if not self.samples:
            self.samples = valid_files(self.folder)
        return self.samples[kind]


def valid_files(folder: Path) -> dict[str, bytes]:
    """Return the bytes of a saved run, of a saved reward and of demonstrations."""
    import advlearn
    from advlearn.imitation import imitate, load_demonstrations, save_demonstrations, save_reward

    run = advlearn.fit("generate(latent=2)", "hinge", "digits", steps=1, callbacks=())
    learned = imitate("cartpole", "bc", bc_steps=1, quiet=True)
    demonstrations = load_demonstrations("cartpole").first(1)
    return {
        "checkpoint": run.save(folder / "valid.pt").read_bytes(),
        "reward": save_reward(learned.reward, folder / "reward.pt").read_bytes(),
        "demonstrations": save_demonstrations(demonstrations, folder / "d.npz").read_bytes(),
    }


def fuzz(seconds: float, seed: int, keep: Path, only: list[str] | None = None) -> Fuzzer:
    """Run the fuzzer, and return it with its counts and failures.

    Args:
        seconds: Time limit; a case that has begun is finished.
        seed: Seed of all inputs.
        keep: Folder for failing inputs.
        only: Kinds of input; all if None.
    """
    fuzzer = Fuzzer(seed, keep)
    fuzzer.run(seconds, list(fuzzer.targets) if only is None else only)
    return fuzzer
