"""Test every regularizer against every property that the library requires."""

import copy

import pytest

from advlearn.core.grammar import resolve
from advlearn.core.regularizer import Regularizer
from advlearn.testing._found import regularizers
from advlearn.testing.regularizer import CHECKS

REGULARIZERS = regularizers()


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)
def test_each_check_passes(regularizer: Regularizer, check: str) -> None:
    if check in regularizer.EXEMPT:
        pytest.skip(regularizer.EXEMPT[check])
    CHECKS[check](copy.deepcopy(regularizer))


EXEMPTIONS = [(regularizer, check) for regularizer in REGULARIZERS for check in regularizer.EXEMPT]


@pytest.mark.parametrize(("regularizer", "check"), EXEMPTIONS, ids=repr)
def test_a_regularizer_fails_each_check_that_it_is_exempt_from(
    regularizer: Regularizer, check: str
) -> None:
    with pytest.raises(AssertionError, match=check):
        CHECKS[check](copy.deepcopy(regularizer))


@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)
def test_the_printed_form_is_a_spec(regularizer: Regularizer) -> None:
    assert repr(resolve(repr(regularizer)).regularizers[0]) == repr(regularizer)
