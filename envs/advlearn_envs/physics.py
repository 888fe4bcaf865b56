"""Batched MuJoCo: step N copies of one of gymnasium's models on a CPU or a GPU."""

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.resources import files
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor

from advlearn_envs.launching import Launcher, at_once
from advlearn_envs.warp import import_warp, tell_of_compilation


class Physics(ABC):
    """Step N copies of a model whose state the caller holds.

    A state is float64 (S, N): the time (s), positions, velocities, and the accelerations that the
    constraint solver starts from, which are those of the preceding step and 0 in a new episode.
    Without them the solver would return other numbers within its tolerance, and an episode would
    diverge from gymnasium's.

    Args:
        model: MuJoCo's `MjModel`.
        frame_skip: Steps of the model for one step of the environment, under the same control.
        forces: Whether the state also holds, in its last rows, the x coordinate (m) of the root
            body from the last evaluation of the model, which precedes the last update of the
            positions, and the contact forces and torques on every body (`cfrc_ext`, 6 each).
    """

    # Whether a CUDA graph can hold `advance`, but for what it passes to the launcher.
    CAPTURABLE: ClassVar[bool]

    def __init__(self, model: Any, frame_skip: int, forces: bool = False) -> None:
        self.frame_skip = frame_skip
        self.forces = forces
        # Rounded as gymnasium rounds it.
        self.seconds: float = model.opt.timestep * frame_skip
        self.rest: tuple[float, ...] = tuple(model.qpos0.tolist())

    @abstractmethod
    def advance(self, state: Tensor, actions: Tensor, launcher: Launcher = at_once) -> Tensor:
        """Return the next states of N copies of the model, newly allocated.

        Args:
            state: States (S, N).
            actions: Actions (N, A).
            launcher: What calls the launch of another library than torch.

        Returns:
            States (S, N).
        """


@final
class HostPhysics(Physics):
    """Step with MuJoCo's C library, bit for bit as gymnasium does.

    Each environment takes three short calls, on one `MjData` for each thread that stays in the
    cache. `mujoco.rollout` is one call for all environments, but it does not return the
    accelerations that the next step starts from. It would not be faster: of the 50 to 150 us of a
    step, the three calls and their copies take 2. A step releases Python's lock, so the threads run
    in parallel. The numbers do not depend on the division between threads.

    Args:
        model: MuJoCo's `MjModel`.
        frame_skip: Steps of the model for one step of the environment.
        num_envs: Copies of the model N.
        threads: Largest number of threads; each has at least `SHARE` environments, since waking a
            thread takes as long as some steps.
        forces: Whether the state holds the contact forces, see `Physics`.
    """

    SHARE = 8

    CAPTURABLE = False

    def __init__(
        self,
        model: Any,
        frame_skip: int,
        num_envs: int,
        threads: int = 1,
        forces: bool = False,
    ) -> None:
        super().__init__(model, frame_skip, forces)
        self._mujoco: Any = import_module("mujoco")
        part = self._mujoco.mjtState
        parts = (part.mjSTATE_TIME, part.mjSTATE_QPOS, part.mjSTATE_QVEL, part.mjSTATE_WARMSTART)
        self._kept = sum(map(int, parts))
        self._given = self._kept + int(part.mjSTATE_CTRL)
        self._model = model
        self._before = np.zeros((num_envs, self._mujoco.mj_stateSize(model, self._given)))
        self._size: int = self._mujoco.mj_stateSize(model, self._kept)
        columns = self._size + (1 + 6 * (model.nbody - 1) if forces else 0)
        self._after = np.zeros((num_envs, columns))
        count = max(1, min(threads, num_envs // self.SHARE))
        rows = zip(
            np.array_split(self._before, count), np.array_split(self._after, count), strict=True
        )
        self._shares = [(self._mujoco.MjData(model), before, after) for before, after in rows]
        self._pool = ThreadPoolExecutor(count - 1, "physics") if count > 1 else None

    def advance(self, state: Tensor, actions: Tensor, launcher: Launcher = at_once) -> Tensor:
        before, after = torch.as_tensor(self._before), torch.as_tensor(self._after)
        before[:, : self._size].copy_(state[: self._size].T)
        before[:, self._size :].copy_(actions)
        # This thread steps the first share itself.
        others = (
            [self._pool.submit(self._move, *share) for share in self._shares[1:]]
            if self._pool
            else []
        )
        self._move(*self._shares[0])
        for other in others:
            other.result()
        # A contiguous copy of the transpose of a single row would share its memory.
        return after.T.clone(memory_format=torch.contiguous_format)

    def _move(self, data: Any, before: Any, after: Any) -> None:
        """Step a share of the environments, from rows of `before` to rows of `after`."""
        write, step, read = self._mujoco.mj_setState, self._mujoco.mj_step, self._mujoco.mj_getState
        for row, moved in zip(before, after, strict=True):
            write(self._model, data, row, self._given)
            step(self._model, data, self.frame_skip)
            read(self._model, data, moved[: self._size], self._kept)
            if self.forces:
                self._mujoco.mj_rnePostConstraint(self._model, data)
                moved[self._size] = data.xpos[1, 0]
                moved[self._size + 1 :] = data.cfrc_ext[1:].ravel()


@final
class WarpPhysics(Physics):
    """Step with MuJoCo Warp on an NVIDIA GPU, all environments in one CUDA graph.

    The graph is Warp's own. Its launch goes through the launcher, so that what is before and after
    it in a rollout can be graphs of torch.

    It computes in float32, and does not reset a model that diverged. It ran on an H100 and an H200,
    where two policies trained on Hopper have 0.97 and 1.00 of the expert's return in gymnasium's
    own environment; with `forces` it ran on Warp's CPU device only.

    After one step of the environment from the same state, the largest difference of a position or
    velocity from `HostPhysics` was 4e-6 on Hopper, 2e-4 on Walker2d and 1.3e-3 on HalfCheetah, with
    as many contacts, by RK4 and by Euler (1,280 states each, on Warp's CPU device). Differences
    grow within an episode. A GPU draws other start states than a CPU from the same seed, so two
    batches with the same states and actions also differ from their first fall on.

    Ant differs by up to 2 in a step with contacts. MuJoCo's first direction of friction is that of
    the capsule along the floor. Warp's is y if the capsule is less than 30 degrees from upright
    (`plane_capsule` of version 3.12), which turns the pyramid of friction. With an elliptic cone,
    which has no corners, the largest difference is 6e-5. Legs of the other robots move along x, so
    that both directions give the same pyramid.

    Args:
        model: MuJoCo's `MjModel`.
        frame_skip: Steps of the model for one step of the environment.
        num_envs: Copies of the model N.
        device: The GPU.
        forces: Whether the state holds the contact forces, see `Physics`.

    Raises:
        ImportError: If mujoco-warp is not installed, or its version is not that of MuJoCo.
    """

    CAPTURABLE = True

    def __init__(
        self,
        model: Any,
        frame_skip: int,
        num_envs: int,
        device: torch.device,
        forces: bool = False,
    ) -> None:
        super().__init__(model, frame_skip, forces)
        self._mujoco_warp, self._warp = import_warp()
        self._device, self._place = device, self._warp.get_device(str(device))
        tell_of_compilation(self._warp.config.kernel_cache_dir)
        self._graph: Any = None
        with self._warp.ScopedDevice(self._place):
            self._model = self._mujoco_warp.put_model(model)
            self._data = self._mujoco_warp.make_data(
                model, nworld=num_envs, njmax=_most_rows(model)
            )
            # A first run outside of the graph, since kernels cannot be loaded while it is recorded.
            # Every call of `advance` sets the state.
            self._steps()
            if device.type == "cuda":
                with self._warp.ScopedCapture() as capture:
                    self._steps()
                self._graph = capture.graph
            # Warp's stream wrote the arrays that torch's stream reads.
            self._warp.synchronize_device()
        data, view = self._data, self._warp.to_torch
        self._parts = [
            view(data.time)[:, None],
            view(data.qpos),
            view(data.qvel),
            view(data.qacc_warmstart),
        ]
        self._control = view(data.ctrl)
        self._bodies = [view(data.xpos), view(data.cfrc_ext)] if forces else []

    def advance(self, state: Tensor, actions: Tensor, launcher: Launcher = at_once) -> Tensor:
        row = 0
        for part in self._parts:
            part.copy_(state[row : row + part.shape[1]].T)
            row += part.shape[1]
        self._control.copy_(actions)
        launcher(self._launch)
        parts = [part.T for part in self._parts]
        if self.forces:
            places, found = self._bodies
            parts += [places[:, 1, :1].T, found[:, 1:].flatten(1).T]
        return torch.cat(parts).double()

    def _launch(self) -> None:
        """Step on torch's present stream, from and to the arrays of Warp."""
        if self._graph is None:
            with self._warp.ScopedDevice(self._place):
                self._steps()
        else:
            stream = self._warp.stream_from_torch(torch.cuda.current_stream(self._device))
            self._warp.capture_launch(self._graph, stream=stream)

    def _steps(self) -> None:
        for _ in range(self.frame_skip):
            self._mujoco_warp.step(self._model, self._data)
        if self.forces:
            self._mujoco_warp.rne_postconstraint(self._model, self._data)


def _most_rows(model: Any) -> int:
    """Return the constraint rows to allocate for an environment; Warp drops those beyond them."""
    # Every geom but the floor touches it at two points at most, of four rows each; a limited joint
    # has one row. Warp's default is 64.
    rows = 8 * (model.ngeom - 1) + int(model.jnt_limited.sum())
    return max(64, -(-rows // 32) * 32)


def physics_on(
    device: torch.device,
    xml: str,
    frame_skip: int,
    num_envs: int,
    name: str,
    forces: bool = False,
) -> Physics:
    """Return the physics of a device for one of gymnasium's models.

    Args:
        device: A CPU or an NVIDIA GPU.
        xml: File name of the model in gymnasium.
        frame_skip: Steps of the model for one step of the environment.
        num_envs: Copies of the model N.
        name: The environment, for messages.
        forces: Whether the state holds the contact forces, see `Physics`.

    Returns:
        N copies of the model; on a CPU they use at most as many threads as PyTorch.

    Raises:
        ImportError: If MuJoCo or gymnasium is not installed, or MuJoCo Warp for a GPU.
        ValueError: If the device is of another kind.

    Example:
        >>> physics_on(torch.device("cpu"), "hopper.xml", 4, 2, "Hopper-v5").rest
        (0.0, 1.25, 0.0, 0.0, 0.0, 0.0)
    """
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device: expected cpu or cuda for {name}, got {device}")
    try:
        mujoco: Any = import_module("mujoco")
        path = files("gymnasium") / "envs" / "mujoco" / "assets" / xml
    except ImportError as error:
        raise ImportError(
            f'name: {name} needs MuJoCo and the models of gymnasium: pip install "advlearn[mujoco]"'
        ) from error
    model = mujoco.MjModel.from_xml_path(str(path))
    if device.type == "cuda":
        return WarpPhysics(model, frame_skip, num_envs, device, forces)
    # Each of these models is one tree, so the search for islands takes time and changes no number.
    model.opt.disableflags |= int(getattr(mujoco.mjtDisableBit, "mjDSBL_ISLAND", 0))
    return HostPhysics(model, frame_skip, num_envs, torch.get_num_threads(), forces)
