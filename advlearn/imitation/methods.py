"""Methods of imitation by name: an objective, the form of the reward, and whether the critic is AIRL's."""

import inspect
from dataclasses import dataclass, replace
from typing import final

from advlearn.core import grammar
from advlearn.core.chain import Chain
from advlearn.core.described import Reference
from advlearn.core.grammar import Spec, resolve
from advlearn.core.naming import UnknownNameError
from advlearn.imitation.rewards import FORMS, Form

ARXIV = "https://arxiv.org/abs/"


@final
@dataclass(frozen=True)
class Method:
    """What makes one method of imitation.

    Args:
        objective: Spec of the critic's objective.
        reward: Form of the reward; ``"own"`` is the objective's.
        paper: Where it is from; None for an objective that no paper imitates by.
        shaped: Whether the critic is a reward plus a potential's difference less the policy's
            log-probability (AIRL).
        deviations: What the paper does otherwise.
    """

    objective: str
    reward: Form
    paper: Reference | None = None
    shaped: bool = False
    deviations: str = ""


GAIL = Reference(
    "Generative Adversarial Imitation Learning",
    "Ho and Ermon 2016",
    "algorithm 1",
    ARXIV + "1606.03476",
)
AIRL = Reference(
    "Learning Robust Rewards with Adversarial Inverse Reinforcement Learning",
    "Fu et al. 2018",
    "algorithm 1",
    ARXIV + "1710.11248",
)
VAIL = Reference(
    "Variational Discriminator Bottleneck", "Peng et al. 2019", "eq. 12 to 14", ARXIV + "1810.00821"
)
WAIL = Reference(
    "Wasserstein Adversarial Imitation Learning",
    "Xiao et al. 2019",
    "the idea",
    ARXIV + "1906.08113",
)
FAIRL = Reference(
    "A Divergence Minimization Perspective on Imitation Learning Methods",
    "Ghasemipour et al. 2019",
    "section 3.2",
    ARXIV + "1911.02256",
)
AMP = Reference(
    "AMP: Adversarial Motion Priors", "Peng et al. 2021", "eq. 6 and 7", ARXIV + "2104.02180"
)
GMMIL = Reference(
    "Imitation Learning via Kernel Mean Embedding",
    "Kim and Park 2018",
    "eq. 6",
    "https://doi.org/10.1609/aaai.v32i1.11720",
)
OTIL = Reference(
    "Imitation Learning with Sinkhorn Distances",
    "Papagiannis and Li 2020",
    "the idea",
    ARXIV + "2008.09167",
)

METHODS = {
    "gail": Method("gan", "positive", GAIL),
    "vail": Method("gan + bottleneck(i_c=0.5)", "positive", VAIL),
    "airl": Method("gan", "logit", AIRL, shaped=True),
    "vairl": Method(
        "gan + bottleneck(i_c=0.5)", "logit", replace(VAIL, equation="section 4.3"), shaped=True
    ),
    "wail": Method(
        "wasserstein + gradient_penalty",
        "own",
        WAIL,
        deviations="a gradient penalty bounds the slope of the critic, for which the paper regularises the transport.",
    ),
    "fairl": Method("gan", "fairl", FAIRL),
    "amp": Method(
        "least_squares(a=-1, b=1, c=1) + r1",
        "clipped",
        AMP,
        deviations='inputs are what you say; the paper\'s critic sees pairs of states, inputs="state-next".',
    ),
    "gmmil": Method("mmd", "own", GMMIL, deviations="the scales of the kernel are those of `mmd`."),
    "otil": Method(
        "sinkhorn",
        "own",
        OTIL,
        deviations="the cost is the squared distance of transitions as the critic sees them; the paper's is a cosine "
        "in features that it learns.",
    ),
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
    name, rest = _first(spec)
    if name in METHODS:
        return resolve(METHODS[name].objective + rest), METHODS[name]
    try:
        chain = resolve(spec)
    except UnknownNameError as error:
        # A method comes first; further on it would be no term.
        more = list(METHODS) if error.name == name else []
        raise UnknownNameError(error.name, [*more, *error.known]) from None
    return chain, Method(repr(chain), "own")


def describe(spec: str) -> str:
    r"""Say in words what a method of imitation stands for, or any objective.

    Args:
        spec: A name in `METHODS` with or without more terms, or any objective.

    Returns:
        Several lines of text.

    Raises:
        ValueError: As `method`.

    Example:
        >>> print(*describe("gail + r1").splitlines()[2:4], sep="\n")
        Critic: a score of what was done.
        Reward "positive": ``-log(1 - D)``, never negative: Ho and Ermon 2016 as their code has it by default.
    """
    chain, named = method(spec)
    name, rest = _first(spec)
    shaped = "a reward and the difference of a potential, less the policy's log-probability"
    form = inspect.getdoc(FORMS[named.reward]) if named.reward in FORMS else "the objective's own."
    lines = [
        f"{spec} = {chain!r}",
        *([f"Reference: {named.paper}"] if named.paper else []),
        *([f"Deviations: {named.deviations}"] if named.deviations else []),
        f"Critic: {shaped if named.shaped else 'a score of what was done'}.",
        f'Reward "{named.reward}": {form}',
        "",
        grammar.describe(named.objective + rest if name in METHODS else spec),
    ]
    return "\n".join(lines)


def _first(spec: Spec) -> tuple[str, str]:
    """The first name of a string, and the rest of it with its plus."""
    name, plus, rest = spec.partition("+") if isinstance(spec, str) else ("", "", "")
    return name.strip(), f" + {rest.strip()}" if plus else ""
