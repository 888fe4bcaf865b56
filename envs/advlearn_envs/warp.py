"""Import MuJoCo Warp, whose version must be that of MuJoCo."""

import logging
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any


def import_warp() -> tuple[Any, Any]:
    """Import MuJoCo Warp and Warp.

    The versions are compared first, since MuJoCo Warp may fail on import with another MuJoCo.

    Returns:
        The modules `mujoco_warp` and `warp`.

    Raises:
        ImportError: If MuJoCo Warp is not installed, is of another version than MuJoCo, or fails
            on import.
    """
    wanted: str = import_module("mujoco").__version__
    install = f"pip install mujoco-warp=={wanted}"
    try:
        found = version("mujoco-warp")
    except PackageNotFoundError as error:
        raise ImportError(
            f"device: expected cpu, since MuJoCo Warp is not installed, got cuda: {install}"
        ) from error
    if found != wanted:
        raise ImportError(
            f"device: expected mujoco-warp {wanted}, the version of mujoco, got {found}: {install}"
        )
    try:
        return import_module("mujoco_warp"), import_module("warp")
    except ImportError as error:
        raise ImportError(
            f"device: expected cpu, since MuJoCo Warp cannot be imported ({error}), got cuda: "
            f"{install}"
        ) from error


@cache
def tell_of_compilation(folder: str) -> None:
    """Log that the first use takes long, once in a process.

    Args:
        folder: Where Warp keeps compiled kernels.
    """
    logging.getLogger("advlearn_envs").warning(
        "MuJoCo Warp compiles its kernels at their first use, for about 40 s, and keeps them in %s "
        "for later runs",
        folder,
    )
