"""Test the strings of compound data, their constructors, and test parts."""

from typing import Any

import pytest
import torch

from advlearn.data import (
    GRAMMARS,
    ArrayDataset,
    Domains,
    Pairs,
    SemiSupervisedDataset,
    Unpaired,
    domains,
    few_labels,
    load,
    open_domains,
    open_pairs,
    open_semi_supervised,
    open_unpaired,
    pairs,
    parse,
    table,
    unpaired,
)
from advlearn.data.names import form_of
from tests.data.test_datasets import need

OPEN: dict[str, Any] = {
    "domains": open_domains,
    "unpaired": open_unpaired,
    "few_labels": open_semi_supervised,
    "pairs": open_pairs,
}


def with_test_part(n: int, name: str, shape: tuple[int, ...] = (1, 4, 4)) -> ArrayDataset:
    y = torch.arange(n) % 2
    test = ArrayDataset(torch.full((3, *shape), 0.5), torch.tensor([0, 1, 0]), f"{name}-test", 2)
    x = torch.arange(float(n)).view(-1, *[1] * len(shape)).expand(n, *shape).clone() / n
    return ArrayDataset(x, y, name, 2, test_part=lambda: test)


@pytest.mark.parametrize("form", GRAMMARS)
def test_each_example_has_its_form_and_no_other(form: Any) -> None:
    example = GRAMMARS[form].example
    assert form_of(example) == form and len(parse(example, form)) == 2
    for other in GRAMMARS.keys() - {form}:
        with pytest.raises(ValueError, match=f"^data: expected .* such as .*, got '{example}'$"):
            OPEN[other](example)


@pytest.mark.parametrize("text", ["mnist->", "->usps", "mnist,->usps", "a <-> ", "mnist:", ":100"])
def test_an_empty_part_is_refused(text: str) -> None:
    form = form_of(text)
    with pytest.raises(ValueError, match=r"^data: expected .* such as"):
        OPEN[form](text) if form else open_pairs(text)


def test_a_string_means_what_its_constructor_builds() -> None:
    by_name, built = open_domains("digits , digits -> digits"), domains(["digits"] * 2, "digits")
    assert by_name.name == built.name == "digits,digits->digits" and len(by_name.sources) == 2
    assert open_unpaired("digits <-> digits").name == unpaired("digits", "digits").name
    assert torch.equal(open_pairs("small:digits").x, pairs("small", "digits").x)
    labelled = open_semi_supervised("digits:20").labelled
    assert isinstance(labelled, ArrayDataset)
    built_labelled = few_labels("digits", 20).labelled
    assert isinstance(built_labelled, ArrayDataset) and torch.equal(labelled.x, built_labelled.x)


@pytest.mark.parametrize("name", ["mnist->usps", "usps <-> mnist", "mnist:100", "edges:mnist"])
def test_compound_data_is_refused_where_one_data_set_is_expected(name: str) -> None:
    form = form_of(name)
    line = f"^data: expected the name of one data set, got .* open it with advlearn.data.{form}$"
    with pytest.raises(ValueError, match=line):
        load(name)


def test_near_names_are_suggested_in_compound_data() -> None:
    with pytest.raises(ValueError, match="got 'digtis'; did you mean 'digits'"):
        open_domains("digits->digtis")
    with pytest.raises(ValueError, match="got 'adlut'; did you mean 'adult'"):
        table("adlut")


def test_compound_data_loads_the_test_parts_of_its_data_sets() -> None:
    a, b = with_test_part(6, "a"), with_test_part(8, "b", (3, 8, 8))
    test = domains(a, b).test()
    assert isinstance(test, Domains) and test.name == "a-test->b-test" and test.shape == (3, 8, 8)
    other = unpaired(a, b).test()
    assert isinstance(other, Unpaired) and other.name == "a-test <-> b-test"
    test_part = pairs("small", a).test()
    assert isinstance(test_part, Pairs) and test_part.name == "small:a-test" and len(test_part) == 3
    few = few_labels(a, 2).test()
    assert few is not None and few.name == "a-test"


def test_compound_data_without_test_parts_has_none() -> None:
    a, b = with_test_part(6, "a"), ArrayDataset(torch.zeros(4, 1, 4, 4), None, "b")
    assert domains(a, b).test() is None and unpaired(a, b).test() is None
    assert pairs("small", b).test() is None
    assert SemiSupervisedDataset(a, b).test() is not None
    assert pairs(b.x, b.x).test() is None and b.test() is None


def test_labels_that_are_not_used_for_training_serve_as_a_test_part() -> None:
    data = few_labels("digits", 50)
    test = data.test()
    assert test is not None and len(test) == 1747 and test.classes == 10
    unlabelled = data.parts()[1]
    assert isinstance(unlabelled, ArrayDataset) and unlabelled.y is None


def test_a_named_data_set_loads_its_test_part() -> None:
    need("usps", "usps.npz")
    test = load("usps").test()
    assert test is not None and test.name == "usps-test" and test.test() is None


def test_a_named_table_loads_its_test_part() -> None:
    need("german-credit", "german.data")
    test = table("german-credit").test()
    assert test is not None and test.name == "german-credit-test" and "sex" in test.attributes
