"""What an objective and a regularizer are both asked: a printed form, tags with reasons, no wait for the device."""

import inspect
from typing import cast

import torch

from advlearn.core.adversary import Adversary
from advlearn.core.described import Described, keywords
from advlearn.testing._material import hold, sides
from advlearn.testing.no_sync import NoSync

# A tag of this value takes something away, and owes a reason.
LOSSES = {
    "pointwise": False,
    "decomposable": False,
    "moves_both_sides": False,
    "trains_critic": False,
    "exchangeable": False,
    "sees_shift": False,
    "host_sync": True,
}


def tags(part: Described) -> None:
    """Every tag that takes something away has its reason in `reasons`."""
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
    """The constructor needs no argument and stores each under its name, so that the printed form says all."""
    cls = type(part)
    parameters = inspect.signature(cls).parameters
    needed = [name for name in keywords(cls) if parameters[name].default is inspect.Parameter.empty]
    # The class and not the object in these two, which may not be able to print itself.
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
        f"built again from what it prints, it is {again!r}",
    )
    hold(
        bool(inspect.getdoc(cls)),
        "printed",
        part,
        "the class has no docstring for `describe` to show",
    )


def host_sync(part: Described, adversary: Adversary) -> None:
    """Nothing in the update and the loss of an adversary with this part waits, unless the part says that it does."""
    if getattr(part, "host_sync", False):
        return
    real, fake = sides(torch.float32)
    try:
        with NoSync():
            adversary.update(real, fake)
            adversary.player_loss(real.requires_grad_(), fake.requires_grad_()).backward()
    except AssertionError as error:
        hold(False, "host_sync", part, str(error))
