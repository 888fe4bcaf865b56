"""Start a new run from the networks and optimizers of another one."""

from pathlib import Path
from typing import Any

from advlearn.core.trainer import Trainer
from advlearn.training import checkpoint


def warm_start(path: str | Path, trainer: Trainer) -> None:
    """Load learner, critics, moving average and optimizers into a run at step 0.

    Settings of the optimizers, such as rates and betas, data, seed, random states and the number of
    steps are those of the new run.

    Args:
        path: A checkpoint, or the folder of a run.
        trainer: The new run, changed in place.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a checkpoint of a run, or its networks differ.
    """
    saved = checkpoint.load(path).get("trainer")
    if saved is None:
        raise ValueError(
            f"warm_start: expected a checkpoint that fit wrote to its folder, got {path}, which "
            "has no optimizer of the learner; pass the folder of the run"
        )
    try:
        state = {name: saved[name] for name in ("task", "adversaries", "optimizer")}
        state["optimizer"] = _with_own_settings(saved["optimizer"], trainer)
        averages = [entry for entry in saved["callbacks"] if entry[0] == "EMA"]
        trainer.load_state_dict({**trainer.state_dict(), **state, "callbacks": averages})
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        lines = str(error).splitlines()
        detail = lines[1].strip() if len(lines) > 1 else str(error)
        raise ValueError(
            f"warm_start: expected a run with the networks, objective and optimizers of this one, "
            f"got another in {path}: {detail}"
        ) from error
    for adversary in trainer.adversaries.values():
        adversary.steps_done = 0
    trainer.rates.scale(1.0)


def _with_own_settings(saved: Any, trainer: Trainer) -> dict[str, Any]:
    """Return the saved state of the learner's optimizer with the settings of the new run."""
    own = trainer.optimizer.state_dict()["param_groups"]
    if len(own) != len(saved["param_groups"]):
        raise ValueError(f"expected {len(own)} groups of parameters")
    pairs = zip(own, saved["param_groups"], strict=True)
    groups = [{**group, "params": other["params"]} for group, other in pairs]
    return {"state": saved["state"], "param_groups": groups}
