"""Refuse a run of imitation whose state is not finite."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, final

import numpy as np
import torch
from torch import Tensor

from advlearn.core.finite import NonFiniteError
from advlearn.core.finite_state import FiniteState, named_tensors
from advlearn.imitation.result import ImitationResult


@final
class RunGuard:
    """Look at the losses of the critic and at the tensors of the policy and the critic.

    Args:
        run: The run.
        path: The file of the checkpoints; None without one.

    Attributes:
        saved: Environment steps of the last checkpoint; None before the first one.
    """

    def __init__(self, run: ImitationResult, path: Path | None) -> None:
        self.run = run
        self.path = path
        self.saved: int | None = None
        self._state = FiniteState()

    def start(self) -> None:
        """Allow the infinities that are in the tensors at the start."""
        self._state.allow_infinities(self._tensors())

    def check(self) -> None:
        """Raise NonFiniteError if a loss or a tensor is not finite; waits for the device.

        Raises:
            NonFiniteError: The message names the step, the term or tensor and the last checkpoint.
        """
        try:
            self.run.reward.adversary.raise_if_not_finite()
        except NonFiniteError as error:
            self._fail(str(error))
        name = self._state.first_failure(self._tensors())
        if name is not None:
            self._fail(f"{name} is not finite")

    @contextmanager
    def explaining(self) -> Generator[None]:
        """Check the state at an error in the block, which may only follow from it."""
        try:
            yield
        except NonFiniteError:
            raise
        except Exception:
            self.check()
            observations = named_tensors(_as_tensors(self.run.policy._last_obs))
            if FiniteState().first_failure(observations) is not None:
                self._fail("an observation of the environment is not finite")
            raise

    def _fail(self, reason: str) -> NoReturn:
        kept = "none was saved" if self.saved is None else f"{self.path} (step {self.saved})"
        step = self.run.policy.num_timesteps
        raise NonFiniteError(f"step {step}: {reason}; last good checkpoint: {kept}")

    def _tensors(self) -> dict[str, Tensor]:
        """Return the tensors of policy, critic and optimizers, and the scales of observations."""
        algorithm = self.run.policy
        variables = {n: getattr(algorithm, n) for n in algorithm._get_torch_save_params()[1]}
        scales = {
            f"observation scale{name and f' of {name}'}": [scale.mean, scale.var]
            for name, scale in moments(algorithm.get_vec_normalize_env()).items()
        }
        critic = self.run.reward.adversary.state_dict()
        parts: dict[str, Any] = {**algorithm.get_parameters(), **variables, **critic}
        return named_tensors({**parts, **_as_tensors(scales)})


def moments(normalise: Any) -> dict[str, Any]:
    """Return the running moments of a `VecNormalize` for each part of the observations.

    The name of the only part is "" if observations are not dicts. Without a `VecNormalize` there
    are none.
    """
    scales = normalise.obs_rms if normalise is not None and normalise.norm_obs else {}
    return scales if isinstance(scales, dict) else {"": scales}


def _as_tensors(values: Any) -> Any:
    """Convert the arrays in dicts and lists to tensors."""
    if isinstance(values, dict):
        return {name: _as_tensors(part) for name, part in values.items()}
    if isinstance(values, list | tuple):
        return [_as_tensors(part) for part in values]
    return torch.as_tensor(np.asarray(values)) if isinstance(values, np.ndarray) else values
