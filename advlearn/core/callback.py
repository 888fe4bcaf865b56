"""What may happen around training: three events, nothing else."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from advlearn.core.trainer import Trainer


class Callback:
    """Something that watches a run: progress, logs, checkpoints, averages, an early stop.

    `on_step` follows every player step, so it must be cheap and must not wait for the device unless
    its own interval has come.
    """

    def on_start(self, trainer: "Trainer") -> None:
        """Called once before the first step; after a resume, before the next one."""

    def on_step(self, trainer: "Trainer") -> None:
        """Called after each player step."""

    def on_end(self, trainer: "Trainer") -> None:
        """Called once after the last step, also after Ctrl-C; not after an error."""

    def state_dict(self) -> dict[str, Any]:
        """State for an exact resume, as plain values and tensors."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
