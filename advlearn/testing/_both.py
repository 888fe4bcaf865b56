"""Checks that objectives and regularizers share."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import torch

from advlearn.core.adversary import Adversary
from advlearn.core.described import Described, keywords
from advlearn.testing._material import hold, sides
from advlearn.testing.no_sync import NoSync

Check = Callable[[Any], None]

# A tag with this value waives a property, and needs a reason.
LOSSES = {
    "pointwise": False,
    "decomposable": False,
    "moves_both_sides": False,
    "trains_critic": False,
}


def applicable(
    part: Described, checks: Mapping[str, Check], exempt: Mapping[str, str] | None
) -> Iterator[Check]:
    """Yield the checks that apply to an objective or a regularizer.

    Args:
        part: The object; the exemptions of its class are in `EXEMPT`.
        checks: Every check by name.
        exempt: More exemptions, by name of a check, with the reason.

    Raises:
        ValueError: If an exemption does not name a check or has no reason.
    """
    exemptions = {**getattr(type(part), "EXEMPT", {}), **(exempt or {})}
    for name, reason in exemptions.items():
        if name not in checks or not reason:
            raise ValueError(
                f"exempt: expected the name of a check and a reason, got {name!r}: {reason!r}; "
                f"the checks are {', '.join(checks)}"
            )
    yield from (check for name, check in checks.items() if name not in exemptions)


def tags(part: Described) -> None:
    """Check that every tag that waives a property has a reason in `reasons`."""
    reasons = cast(dict[str, str], getattr(type(part), "reasons", {}))
    for tag, lost in LOSSES.items():
        if getattr(part, tag, not lost) is lost:
            hold(
                bool(reasons.get(tag)),
                "tags",
                part,
                f"{tag} is {lost} and reasons[{tag!r}] does not say why",
            )


def printed(part: Described) -> None:
    """Check that the constructor has defaults and stores each argument under its name."""
    cls = type(part)
    parameters = inspect.signature(cls).parameters
    needed = [name for name in keywords(cls) if parameters[name].default is inspect.Parameter.empty]
    # The class, since the object may not be printable.
    hold(
        not needed,
        "printed",
        cls,
        f"the constructor needs {', '.join(needed)}; give every parameter a default",
    )
    missing = [name for name in keywords(cls) if not hasattr(part, name)]
    hold(
        not missing,
        "printed",
        cls,
        f"the constructor does not store {', '.join(missing)} under that name",
    )
    again = cls(**{name: getattr(part, name) for name in keywords(cls)})
    hold(
        repr(again) == repr(part),
        "printed",
        part,
        f"its printed form builds {again!r}",
    )
    hold(
        bool(inspect.getdoc(cls)),
        "printed",
        part,
        "the class has no docstring for `describe`",
    )


def host_sync(part: Described, adversary: Adversary) -> None:
    """Check that updates and losses of an adversary with this part do not wait for the device."""
    real, fake = sides(torch.float32)
    # The first call may wait, to find out what the critic returns.
    adversary.update(real, fake)
    try:
        with NoSync():
            adversary.update(real, fake)
            adversary.player_loss(real.requires_grad_(), fake.requires_grad_()).backward()
    except AssertionError as error:
        hold(False, "host_sync", part, str(error))
