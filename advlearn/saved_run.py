"""Rebuild the task and the adversaries of a saved run from its recipe."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from advlearn.core import registry
from advlearn.core.adversary import Adversary
from advlearn.core.chain import Defaults
from advlearn.core.files import RefusedFileError
from advlearn.core.grammar import resolve
from advlearn.core.settings import AdversarySettings, Critic
from advlearn.core.task import Task
from advlearn.critics.build import rebuild as rebuild_critics
from advlearn.training import structure
from advlearn.training.restored import AVERAGE

CUSTOM = "custom"
"""Marks an object of the user in a saved configuration."""


def trained_of(payload: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the weights of a saved run, or of a checkpoint of a run that was still training.

    Args:
        payload: The content of the file.
        path: The file, for messages.
    """
    if "trained" in payload:
        structure.check(payload, {"trained": structure.TRAINED}, path)
        return cast(dict[str, Any], payload["trained"])
    structure.check(payload, {"trainer": structure.TRAINER}, path)
    state = cast(dict[str, Any], payload["trainer"])
    averages = [entry[1] for entry in state["callbacks"] if entry[0] == AVERAGE]
    if not averages and "method" in payload["config"]:
        raise RefusedFileError(
            "checkpoint: expected the average of the weights of a run of fit, got a file without "
            f"it, {path}; restore a copy of the file"
        )
    structure.check(averages[:1], structure.Every({"module": structure.STATE}), path)
    return {**state, "ema_model": averages[0]["module"] if averages else None}


def rebuild(config: dict[str, Any], path: Path) -> Task:
    """Build the task of a saved run, with new weights.

    Args:
        config: The recipe of the run.
        path: The file, for messages.

    Raises:
        ValueError: If the task holds modules of the user, or is not registered.
    """
    if config["parts"] is None:
        raise ValueError(
            f"task: {path} holds your own modules; build the task again and pass it as task="
        )
    build = cast(Any, registry.tasks().get(config["task"]))
    if build is None:
        raise ValueError(_missing(path, config["task"]))
    return cast(Task, build.from_config(config["parts"]))


def adversaries_of(
    config: dict[str, Any], task: Task, critic: Critic | None, path: Path, target: Any
) -> dict[str, Adversary]:
    """Build the adversaries of a saved run, with new weights.

    Args:
        config: The recipe of the run.
        task: Its task.
        critic: Critics of the user, or None.
        path: The file, for messages.
        target: Device of the critics.
    """
    saved = cast(dict[str, Any], config["settings"])
    try:
        chain = resolve(cast(str, config["objective"]))
    except registry.UnknownNameError as error:
        raise ValueError(_missing(path, error.name)) from None
    chain = replace(chain, defaults=Defaults(**config.get("defaults", {})))
    names = ("critic_lr", "critic_steps", "optimizer", "adversarial_weight")
    plain = {k: saved[k] for k in names if saved.get(k, CUSTOM) != CUSTOM}
    settings = AdversarySettings(critic, **plain)
    built = rebuild_critics(task, chain, config.get("critics"), critic)
    critics = {name: module.to(target) for name, module in built.items()}
    return settings.adversaries(critics, chain, lr=saved.get("lr"))


def _missing(path: Path, name: str) -> str:
    """Return the message for a name of a saved run that is not registered."""
    return (
        f"objects: {path} was trained with {name!r}, which is not registered here; "
        f"pass objects={{{name!r}: its class}} or import the module that registers it"
    )
