"""Test that a file from a stranger is refused in one line, and takes no memory before."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import advlearn
from advlearn.cli import app
from advlearn.core.allocations import TooLargeError, bounded_allocations
from advlearn.core.files import RefusedFileError
from advlearn.data.npz import read_npz
from advlearn.data.to_tensor import labels
from advlearn.training import checkpoint
from tests.reliability.files import one_line, repacked, rewritten

DATA = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))


def train(folder: Path, steps: int = 2) -> Any:
    return advlearn.fit("nsgan", data=DATA, steps=steps, callbacks=(), device="cpu", out=folder)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "out"
    train(folder)
    return folder / "checkpoint.pt"


def put(*names: Any, value: Any) -> Callable[[Any], None]:
    """Return a function that replaces one value of nested dicts and lists."""

    def change(content: Any) -> None:
        for name in names[:-1]:
            content = content[name]
        content[names[-1]] = value

    return change


def drop(*names: Any) -> Callable[[Any], None]:
    """Return a function that removes one value of nested dicts and lists."""

    def change(content: Any) -> None:
        for name in names[:-1]:
            content = content[name]
        del content[names[-1]]

    return change


def only(**content: Any) -> Callable[[Any], None]:
    """Return a function that replaces the whole content."""

    def change(old: Any) -> None:
        old.clear()
        old.update(content)

    return change


def first_state(name: str, value: Any) -> Callable[[Any], None]:
    return lambda content: content["trainer"]["optimizer"]["state"][0].update({name: value})


def first_moment(value: Any) -> Callable[[Any], None]:
    """Return a function that replaces the first moment of a critic's optimizer."""

    def change(content: Any) -> None:
        critic = next(iter(content["trainer"]["adversaries"].values()))
        critic[next(name for name in critic if name.endswith(".exp_avg"))] = value

    return change


BROKEN: dict[str, Callable[[Any], None]] = {
    "only a format": only(format=1),
    "format of a str": put("format", value="1"),
    "format of a tensor": put("format", value=torch.ones(2)),
    "recipe None": put("config", value=None),
    "recipe missing": drop("config"),
    "recipe a list": put("config", value=[1]),
    "settings None": put("config", "settings", value=None),
    "objective a number": put("config", "objective", value=3),
    "step a word": put("trainer", "step", value="three"),
    "step negative": put("trainer", "step", value=-5),
    "step huge": put("trainer", "step", value=10**9),
    "step enormous": put("trainer", "step", value=10**400),
    "step a bool": put("trainer", "step", value=True),
    "step a tensor": put("trainer", "step", value=torch.ones(3)),
    "trainer None": put("trainer", value=None),
    "average missing": put("trainer", "callbacks", value=[]),
    "average without weights": put("trainer", "callbacks", value=[["EMA", {"updates": 1}]]),
    "average a str": put("trainer", "callbacks", value=[["EMA", "x"]]),
    "callbacks a tensor": put("trainer", "callbacks", value=torch.ones(2)),
    "weights missing": drop("trainer", "task"),
    "weights a number": put("trainer", "task", value=5),
    "critic missing": put("trainer", "adversaries", value={}),
    "critic None": put("trainer", "adversaries", "data", value=None),
}
OF_OPTIMIZERS: dict[str, Callable[[Any], None]] = {
    "moment of another shape": first_state("exp_avg", torch.ones(3)),
    "moment a number": first_state("exp_avg", 3.0),
    "moment sparse": first_state("exp_avg", torch.ones(64, 64).to_sparse()),
    "step without a value": first_state("step", torch.zeros(0)),
    "steps of many": first_state("step", torch.ones(3)),
    "state of another kind": put(
        "trainer", "optimizer", "state", 0, value={"momentum_buffer": torch.ones(256, 64)}
    ),
    "critic's moment of another shape": first_moment(torch.ones(3)),
}
ONLY_RESUMED: dict[str, Callable[[Any], None]] = {
    "rate NaN": put("trainer", "optimizer", "param_groups", 0, "lr", value=float("nan")),
    "rate a word": put("trainer", "optimizer", "param_groups", 0, "lr", value="fast"),
    "betas of words": put("trainer", "optimizer", "param_groups", 0, "betas", value=("a", 0.9)),
    **OF_OPTIMIZERS,
    "facts None": put("config", "compared", value=None),
    "facts a number": put("config", "compared", value=5),
    "generators missing": drop("rng"),
    "generators None": put("rng", value=None),
    "generators short": put("rng", "numpy", value=[1]),
    "generator of another size": put("rng", "torch", value=torch.zeros(3, dtype=torch.uint8)),
    "order missing": put("trainer", "data", value={}),
    "order None": put("trainer", "data", value=None),
    "optimizer None": put("trainer", "optimizer", value=None),
    "optimizer empty": put("trainer", "optimizer", value={}),
}
ONLY_LOADED: dict[str, Callable[[Any], None]] = {
    "unknown task": put("config", "task", value="nope"),
    "task None": put("config", "task", value=None),
    "parts a list": put("config", "parts", value=[1]),
    "parts of another task": put("config", "parts", value={"x": 1}),
    "unknown network": put("config", "parts", "generator", value={"net": "Nope"}),
    "rate a word": put("config", "settings", "lr", value="fast"),
    "defaults a list": put("config", "defaults", value=[1]),
    "unknown default": put("config", "defaults", value={"zzz": 1}),
}


@pytest.mark.parametrize("change", [*BROKEN.values(), *ONLY_LOADED.values()],
                         ids=[*BROKEN, *ONLY_LOADED])  # fmt: skip
def test_a_broken_file_is_not_loaded(
    change: Callable[[Any], None], file: Path, tmp_path: Path
) -> None:
    path = rewritten(file, tmp_path / "run.pt", change)
    with pytest.raises(ValueError) as caught:
        advlearn.load(path)
    one_line(caught.value)


@pytest.mark.parametrize("change", [*BROKEN.values(), *ONLY_RESUMED.values()],
                         ids=[*BROKEN, *ONLY_RESUMED])  # fmt: skip
def test_a_broken_file_is_not_resumed(
    change: Callable[[Any], None], file: Path, tmp_path: Path
) -> None:
    rewritten(file, tmp_path / "checkpoint.pt", change)
    with pytest.raises(ValueError) as caught:
        train(tmp_path, steps=3)
    assert str(tmp_path) in one_line(caught.value)


@pytest.mark.parametrize("change", OF_OPTIMIZERS.values(), ids=OF_OPTIMIZERS)
def test_no_run_starts_from_a_broken_optimizer(
    change: Callable[[Any], None], file: Path, tmp_path: Path
) -> None:
    path = rewritten(file, tmp_path / "run.pt", change)
    with pytest.raises(ValueError) as caught:
        advlearn.fit("nsgan", data=DATA, steps=1, callbacks=(), device="cpu", warm_start=path)
    assert str(path) in one_line(caught.value)


@pytest.mark.parametrize("name", ["only a format", "recipe None", "step a word", "unknown task"])
def test_the_command_prints_one_line(name: str, file: Path, tmp_path: Path) -> None:
    path = rewritten(file, tmp_path / "run.pt", {**BROKEN, **ONLY_LOADED}[name])
    done = CliRunner().invoke(app, ["sample", str(path), "--picture", str(tmp_path / "a.png")])
    assert done.exit_code == 1 and isinstance(done.exception, SystemExit)
    assert done.output.startswith("advlearn: ") and done.output.count("\n") == 1


@pytest.mark.parametrize("hidden", [[300_000, 300_000], [8] * 20_000], ids=["wide", "deep"])
def test_a_recipe_of_networks_that_are_not_in_the_file_is_refused(
    hidden: list[int], file: Path, tmp_path: Path
) -> None:
    change = put("config", "parts", "generator", "hidden", value=hidden)
    path = rewritten(file, tmp_path / "run.pt", change)
    with pytest.raises(RefusedFileError, match=r"weights are in the file, got larger networks"):
        advlearn.load(path)


def test_a_width_beyond_any_memory_is_one_line(file: Path, tmp_path: Path) -> None:
    change = put("config", "parts", "generator", "hidden", value=[10**18])
    with pytest.raises(ValueError) as caught:
        advlearn.load(rewritten(file, tmp_path / "run.pt", change))
    one_line(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.nn.Linear(10**6, 10**6),
        lambda: torch.zeros([10**6, 10**6]),
        lambda: torch.randn(10**12),
        lambda: torch.arange(10**13),
        lambda: torch.nn.Embedding(10**12, 4),
        lambda: torch.zeros(1).new_zeros(10**13),
        lambda: [torch.nn.Linear(1, 1) for _ in range(10**9)],
    ],
)
def test_allocations_are_refused_before_they_are_made(make: Callable[[], Any]) -> None:
    with pytest.raises(TooLargeError), bounded_allocations(10**6):
        make()


def test_bounded_allocations_do_not_change_the_values() -> None:
    torch.manual_seed(3)
    expected = torch.nn.Linear(5, 4).weight
    torch.manual_seed(3)
    with bounded_allocations(10**6):
        made = torch.nn.Linear(5, 4).weight
    assert torch.equal(made, expected)


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(1).expand(10**12),
        torch.zeros(3, device="meta"),
        torch.eye(3).to_sparse(),
    ],
    ids=["expanded", "meta", "sparse"],
)
def test_a_tensor_without_its_values_is_refused(value: torch.Tensor, tmp_path: Path) -> None:
    torch.save({"format": 1, "x": [{"y": value}]}, tmp_path / "run.pt")
    with pytest.raises(RefusedFileError, match=r"tensor without values|larger than the file"):
        checkpoint.load(tmp_path / "run.pt")


class Bytes:
    """An object whose pickle makes an array of many bytes, which pickles of tensors allow."""

    def __reduce__(self) -> Any:
        return bytearray, (10**15,)


def test_a_pickle_that_takes_memory_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 1, "x": Bytes()}, tmp_path / "run.pt")
    with pytest.raises(RefusedFileError) as caught:
        checkpoint.load(tmp_path / "run.pt")
    one_line(caught.value)


def test_compressed_parts_are_refused(file: Path, tmp_path: Path) -> None:
    path = repacked(file, tmp_path / "run.pt", zipfile.ZIP_DEFLATED)
    with pytest.raises(RefusedFileError, match="compressed"):
        checkpoint.load(path)


def npz_with(path: Path, member: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("observations.npy", member)
    return path


def header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        file, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    return file.getvalue()


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (header((10**12, 4)) + bytes(64), "promises shape"),
        (header((-1, 4)) + bytes(64), "promises shape"),
        (header((8,)) + bytes(63), "promises shape"),
        (header((8,)) + bytes(65), "promises shape"),
        (header((1,), "|O") + bytes(8), "neither numbers nor text"),
        (header((2**40,), "|V0"), "neither numbers nor text"),
        (header((10**12, 0)), "promises shape"),
        (b"text", "plain arrays"),
        (b"", "plain arrays"),
    ],
)
def test_an_array_whose_size_is_not_in_the_file_is_refused(
    member: bytes, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(RefusedFileError, match=reason) as caught:
        read_npz(npz_with(tmp_path / "a.npz", member))
    one_line(caught.value)


def test_arrays_larger_than_the_limit_are_refused_before_they_are_read(tmp_path: Path) -> None:
    """The zip directory promises 2 GB, which the few bytes after it do not hold."""
    path = npz_with(tmp_path / "a.npz", header((2**28,)) + bytes(10_000))
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        size = archive.infolist()[0].file_size
    place = content.rindex(size.to_bytes(4, "little"))
    content[place : place + 4] = (2**31 + len(header((2**28,)))).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(RefusedFileError, match=r"more than the limit of 1073741824"):
        read_npz(path)
    with pytest.raises(RefusedFileError):
        read_npz(path, most_bytes=2**40)


def test_the_limit_of_arrays_is_an_argument(tmp_path: Path) -> None:
    pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    from advlearn.imitation import load_demonstrations, save_demonstrations
    from tests.imitation.counting import always_one

    path = save_demonstrations(always_one(), tmp_path / "demos.npz")
    assert len(load_demonstrations(path, max_bytes=10**6)) == len(always_one())
    with pytest.raises(RefusedFileError, match="more than the limit of 100"):
        load_demonstrations(path, max_bytes=100)


def test_random_damage_of_an_older_npz_is_one_line_or_harmless(tmp_path: Path) -> None:
    """Without a checksum some bits, such as a date, do not count; the values always do."""
    values = np.random.default_rng(0).normal(size=(50, 3))
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=values)
    whole = path.read_bytes()
    draw = np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(whole)
        for place in draw.integers(len(whole), size=draw.integers(1, 20)):
            damaged[place] = draw.integers(256)
        path.write_bytes(damaged)
        try:
            found = read_npz(path)
        except RefusedFileError as error:
            one_line(error)
        else:
            assert all(np.array_equal(array, values) for array in found.values())


def test_identifiers_as_labels_are_refused_before_memory_is_taken_for_each() -> None:
    with pytest.raises(ValueError, match=r"^labels: expected class indices below 1048576, got 19"):
        labels(np.arange(20) * 10**9)
    run = advlearn.fit(
        "generate(conditional=True)",
        data=(torch.randn(20, 2), torch.arange(20) * 10**9),
        steps=1,
        device="cpu",
        callbacks=(),
    )
    # A data set's identifiers are mapped to the classes 0 to 19.
    assert run.task.classes == 20
