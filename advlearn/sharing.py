"""Write a run and its model card to a folder, or upload them."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from advlearn import hub
from advlearn.core.files import RefusedFileError, atomic_write
from advlearn.core.protocols import Predicts, Samples
from advlearn.model_card import HEAD, Facts, model_card
from advlearn.page import Content, content_of_folder
from advlearn.run_page import NAME as PAGE
from advlearn.run_page import page_of_folder, papers_of
from advlearn.training.checkpoint import NAME

CARD, PICTURE = "README.md", "samples.png"


def push(run: Any, target: str | Path, *, licence: str | None, private: bool) -> Path | str:
    """Write a run and its model card to a folder, or upload them; `Run.push` documents it."""
    if not hub.is_address(target):
        _check_folder(run, Path(target))
        return _write(run, Path(target), str(target), licence)
    address = str(target)
    hub.Address.parse(address)
    with tempfile.TemporaryDirectory() as folder:
        return hub.upload(_write(run, Path(folder), address, licence), address, private=private)


def _check_folder(run: Any, folder: Path) -> None:
    """Refuse a folder whose checkpoint is that of a training."""
    if run.out is not None and folder.resolve() == Path(run.out).resolve():
        raise ValueError(
            f"target: expected another folder than the run's own, got {folder}; choose a new one"
        )
    if (folder / NAME).exists() and HEAD not in _text(folder / CARD):
        raise ValueError(
            f"target: expected a new folder, or one that push wrote, got {folder} with a "
            f"{NAME}; choose a new one"
        )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _write(run: Any, folder: Path, address: str, licence: str | None) -> Path:
    """Write the files to a folder, the card last."""
    run.save(folder / NAME)
    facts = _facts(run)
    if facts.step is not None and run.out is not None:
        facts.has_page = page_of_folder(run.out, folder / PAGE).is_file()
        pictures = sorted(Path(run.out).glob("step-*.png"))
        facts.has_picture = bool(pictures)
        if pictures:
            shutil.copyfile(pictures[-1], folder / PICTURE)
    with atomic_write(folder / CARD) as file:
        file.write(model_card(facts, address, licence).encode())
    return folder


def _facts(run: Any) -> Facts:
    """Collect what the card states, from the run's folder, else from the run."""
    content = _content(run)
    results = content.evaluations if content else run.evaluations
    facts = Facts(run.config, papers=papers_of(run.config))
    facts.evaluation = dict(results[-1][1]) if results else {}
    if content is not None:
        facts.step = content.step
        facts.verdicts = content.verdicts[-1][1] if content.verdicts else {}
    elif run.trainer is not None:
        facts.step = run.trainer.step
        facts.verdicts = {name: health.verdict for name, health in run.health().items()}
    kinds = {"sample": Samples, "predict": Predicts}
    facts.methods = tuple(name for name, kind in kinds.items() if isinstance(run.ema_model, kind))
    shape = getattr(run.ema_model, "shape", ())
    facts.images = len(shape) == 3 and shape[0] in (1, 3)
    return facts


def _content(run: Any) -> Content | None:
    """Return what the run's folder holds of its training; None without a folder of `fit`."""
    if run.out is None:
        return None
    try:
        return content_of_folder(run.out)
    # A folder that `push` wrote holds no state of a training.
    except (RefusedFileError, FileNotFoundError):
        return None
