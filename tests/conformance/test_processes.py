"""Two processes equal one on the joined batch, for everything there is."""

import pytest

from advlearn.testing._processes import Case, Difference, compare
from tests.conformance import cases

PLAIN = [Case(spec) for spec in cases.chains()]
LABELLED = [Case(f"hinge + {name}", labelled=True) for name in ("gradient_penalty", "instance_noise", "consistency")]
WEIGHTED = [Case(spec, weighted=True) for spec in ("nsgan", "hinge + r1", "ragan", "rpgan")]


@pytest.fixture(scope="module")
def differences() -> dict[Case, Difference]:
    """All cases at once: starting processes takes longer than playing."""
    return compare([*PLAIN, *LABELLED, *WEIGHTED])


@pytest.mark.parametrize("case", [*PLAIN, *LABELLED], ids=lambda c: f"{c.spec}{' labelled' * c.labelled}")
def test_two_processes_are_one(case: Case, differences: dict[Case, Difference]) -> None:
    found = differences[case]
    assert not found.error and found.relative < 1e-9, found


@pytest.mark.parametrize("case", WEIGHTED, ids=lambda c: c.spec)
def test_sample_weights_count_across_processes(case: Case, differences: dict[Case, Difference]) -> None:
    found = differences[case]
    assert not found.error and found.relative < 1e-9, found
