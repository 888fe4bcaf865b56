"""Test every objective against every property that the library requires."""

import copy
import itertools

import pytest
import torch
from torch import Tensor

from advlearn.core.grammar import resolve
from advlearn.core.objective import Objective, Setwise
from advlearn.objectives.mmd import MMD
from advlearn.testing._found import objectives
from advlearn.testing.objective import CHECKS

OBJECTIVES = objectives()
# The tag without which a check has nothing to test.
TAGS = {"parts": "decomposable", "both_sides": "moves_both_sides"}
EXEMPTIONS = [(objective, check) for objective in OBJECTIVES for check in objective.EXEMPT]


def exemption(objective: Objective, check: str) -> str | None:
    tag = TAGS.get(check)
    if tag is not None and not getattr(objective, tag):
        return f"{tag}: {objective.reasons[tag]}"
    return objective.EXEMPT.get(check)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_each_check_passes(objective: Objective, check: str) -> None:
    reason = exemption(objective, check)
    if reason is not None:
        pytest.skip(reason)
    CHECKS[check](copy.deepcopy(objective))


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_the_printed_form_is_a_spec(objective: Objective) -> None:
    assert repr(resolve(repr(objective)).objective) == repr(objective)


@pytest.mark.parametrize("objective", [o for o in OBJECTIVES if not o.decomposable], ids=repr)
def test_an_objective_that_is_not_decomposable_fails_the_check_of_parts(
    objective: Objective, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(objective), "decomposable", True)
    with pytest.raises(AssertionError, match="parts"):
        CHECKS["parts"](copy.deepcopy(objective))


@pytest.mark.parametrize(("objective", "check"), EXEMPTIONS, ids=repr)
def test_an_objective_fails_each_check_that_it_is_exempt_from(
    objective: Objective, check: str
) -> None:
    with pytest.raises(AssertionError, match=check):
        CHECKS[check](copy.deepcopy(objective))


SETWISE = [o for o in OBJECTIVES if isinstance(o, Setwise)]


@pytest.mark.parametrize("objective", [*SETWISE, MMD(bandwidths=(0.5, 2.0))], ids=repr)
def test_equal_distributions_have_zero_gradient(objective: Setwise) -> None:
    """The gradient is zero on equal samples or, if unbiased, in expectation over all batches."""
    if getattr(objective, "kernel", "") == "rbf" and getattr(objective, "bandwidths", ()) is None:
        pytest.skip(
            "bandwidths is None: the kernel's scale depends on the real batch, so no mean is zero"
        )
    atoms = torch.tensor([[0.3, 1.0], [2.0, -0.5]], dtype=torch.float64)
    on_equal_samples = gradient_of_fakes(objective, atoms, [(0, 1)], [(0, 1)])
    draws = list(itertools.product(range(2), repeat=2))
    expected = gradient_of_fakes(objective, atoms, draws, draws)
    least = min(float(on_equal_samples.abs().max()), float(expected.abs().max()))
    assert least < 1e-7, f"equal samples: {on_equal_samples}, expectation: {expected}"


def gradient_of_fakes(
    objective: Setwise,
    atoms: Tensor,
    real_draws: list[tuple[int, ...]],
    fake_draws: list[tuple[int, ...]],
) -> Tensor:
    """Return the gradient of the mean distance over all draws by the fakes, at equal points."""
    places = atoms.clone().requires_grad_()
    distances = [
        objective.distance(atoms[list(r)], places[list(f)])
        for r, f in itertools.product(real_draws, fake_draws)
    ]
    (gradient,) = torch.autograd.grad(torch.stack(distances).mean(), places)
    return gradient
