"""Settings of a run: the user's argument, else the method's option, else the default."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# Every setting that the options of a method may set, with the default of `imitate`.
METHOD_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "expert_subsample": 1,
        "critic_inputs": "state-action",
        "critic_window": 1,
        "reward": "own",
        "absorbing": "auto",
        "critic_lr": 1e-3,
        "critic_steps": None,
        "critic_every": None,
        "optimizer": None,
        "batch_size": 256,
        "critic_replay_size": 0,
        "ent_coef": None,
        "bc_steps": 0,
    }
)

# Settings that `resume_with` of `imitate` may change.
CHANGEABLE = ("batch_size", "critic_lr", "steps")


def choose(options: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a value for each setting of `METHOD_SETTINGS`.

    Args:
        options: Options of the method.
        given: The user's arguments; None for those that the user did not give.

    Example:
        >>> chosen = choose({"batch_size": 64, "absorbing": True}, {"absorbing": False})
        >>> chosen["batch_size"], chosen["absorbing"], chosen["critic_lr"]
        (64, False, 0.001)
    """
    stated = {name: value for name, value in given.items() if value is not None}
    return {**METHOD_SETTINGS, **options, **stated}


def refuse_with_cloning(given: Mapping[str, Any]) -> None:
    """Raise unless every setting without a meaning for behaviour cloning is None.

    Args:
        given: The user's arguments that behaviour cloning does not use; None for those that the
            user did not give.

    Raises:
        ValueError: If the user gave one of them.

    Example:
        >>> refuse_with_cloning({"critic": None, "batch_size": 64})
        Traceback (most recent call last):
        ValueError: batch_size: expected None with behaviour cloning, which trains no critic and \
takes no steps in the environment, got 64; leave it out
    """
    for name, value in given.items():
        if value is not None:
            way = "set bc_steps instead" if name == "steps" else "leave it out"
            raise ValueError(
                f"{name}: expected None with behaviour cloning, which trains no critic and takes "
                f"no steps in the environment, got {value!r}; {way}"
            )
