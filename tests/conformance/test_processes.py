"""Two processes equal one on the joined batch, for everything there is."""

import pytest

from advlearn.testing._found import chains
from advlearn.testing._processes import Case, Difference, compare

PLAIN = [Case(spec) for spec in chains()]
LABELLED = [Case(f"hinge + {name}", labelled=True) for name in ("gradient_penalty", "instance_noise", "consistency")]
WEIGHTED = [Case(spec, weighted=True) for spec in ("nsgan", "hinge + r1", "rpgan", "ragan", "ebm")]


@pytest.fixture(scope="module")
def differences() -> dict[Case, Difference]:
    """All cases at once: starting processes takes longer than playing."""
    return compare([*PLAIN, *LABELLED, *WEIGHTED])


@pytest.mark.parametrize("case", [*PLAIN, *LABELLED], ids=lambda c: f"{c.spec}{' labelled' * c.labelled}")
def test_two_processes_are_one(case: Case, differences: dict[Case, Difference]) -> None:
    found = differences[case]
    assert not found.error and found.relative < 1e-9, found


@pytest.mark.parametrize("case", WEIGHTED, ids=lambda c: c.spec)
def test_weights_of_another_sum_in_each_process_count_alike(case: Case, differences: dict[Case, Difference]) -> None:
    found = differences[case]
    assert not found.error and found.relative < 1e-9, found
