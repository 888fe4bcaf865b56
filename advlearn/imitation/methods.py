"""Methods of imitation by name: an objective, the form of the reward, and whether the critic is AIRL's."""

from dataclasses import dataclass
from typing import final

from advlearn.core.chain import Chain
from advlearn.core.discovery import UnknownNameError
from advlearn.core.spec import Spec, resolve
from advlearn.imitation.rewards import Form


@final
@dataclass(frozen=True)
class Method:
    """What makes one method of imitation.

    Args:
        objective: Spec of the critic's objective.
        reward: Form of the reward; ``"own"`` is the objective's.
        shaped: Whether the critic is a reward plus a potential's difference less the policy's log-probability (AIRL).
        paper: Where it is from.
    """

    objective: str
    reward: Form
    shaped: bool = False
    paper: str = ""


METHODS = {
    "gail": Method("gan", "positive", paper="Ho and Ermon 2016, algorithm 1"),
    "vail": Method("gan + bottleneck(i_c=0.5)", "positive", paper="Peng et al. 2019, eq. 12 to 14"),
    "airl": Method("gan", "logit", shaped=True, paper="Fu et al. 2018, algorithm 1"),
    "vairl": Method("gan + bottleneck(i_c=0.5)", "logit", shaped=True, paper="Peng et al. 2019, section 4.3"),
    "wail": Method("wasserstein + gradient_penalty", "own", paper="Xiao et al. 2019"),
    "fairl": Method("gan", "fairl", paper="Ghasemipour et al. 2019, section 3.2"),
    "amp": Method("least_squares(a=-1, b=1, c=1) + r1", "clipped", paper="Peng et al. 2021, eq. 6 and 7"),
    "gmmil": Method("mmd", "own", paper="Kim and Park 2018, eq. 6"),
    "otil": Method("sinkhorn", "own", paper="Papagiannis and Li 2020"),
}


def method(spec: Spec) -> tuple[Chain, Method]:
    """The chain and the method of a name in `METHODS`, or of any objective with its own reward.

    Example:
        >>> chain, named = method("gail")
        >>> named.reward
        'positive'
        >>> method("hinge + r1")[1].reward
        'own'

    Raises:
        ValueError: What `resolve` refuses; for an unknown name the near methods are named too.
    """
    name, plus, rest = spec.partition("+") if isinstance(spec, str) else ("", "", "")
    if name.strip() in METHODS:
        named = METHODS[name.strip()]
        return resolve(f"{named.objective}{plus}{rest}"), named
    try:
        chain = resolve(spec)
    except UnknownNameError as error:
        # A method comes first; further on it would be no term.
        more = list(METHODS) if error.name == name.strip() else []
        raise UnknownNameError(error.name, [*more, *error.known]) from None
    return chain, Method(repr(chain), "own")
