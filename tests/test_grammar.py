"""Test the string grammar: round trips, no evaluation of code, and one-line errors."""

import keyword
import os
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advlearn.core import naming, registry
from advlearn.core.grammar import Term, parse, resolve
from advlearn.objectives.hinge import Hinge
from advlearn.regularizers.zero_centred import R1, R2

NAMES = sorted(e.name for e in registry.entries().values())

# No time limit, and the same examples in every run.
quick = settings(deadline=None, derandomize=True)

identifiers = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,12}", fullmatch=True)
keywords = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda word: not keyword.iskeyword(word)
)
scalars = (
    st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), max_size=12)
    | st.booleans()
    | st.none()
)
literals = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner), max_leaves=5
)
terms = st.builds(Term, identifiers, st.dictionaries(keywords, literals, max_size=3))
spaces = st.text(" \t\n", max_size=2)


@quick
@given(st.lists(terms, min_size=1, max_size=4), st.data())
def test_the_printed_form_is_parsed_to_the_same_chain(
    written: list[Term], data: st.DataObject
) -> None:
    text = "+".join(data.draw(spaces) + str(term) + data.draw(spaces) for term in written)
    assert parse(text) == written


def test_a_string_may_end_in_a_backslash() -> None:
    written = [Term("a", {"b": "\\"}), Term("c", {})]
    assert parse(" + ".join(map(str, written))) == written


@quick
@given(st.text() | st.text(string.ascii_letters + string.digits + "()[]{}=+-*.,'\"\\ _\n"))
def test_any_text_is_a_spec_or_a_one_line_error(text: str) -> None:
    for read in (parse, resolve):
        try:
            read(text)
        except ValueError as error:
            assert str(error).startswith("objective: ")
            assert "\n" not in str(error)


@quick
@given(
    st.from_regex(
        r"(hinge|r1|wgan-gp)(\((\w{1,6}=[^\n]{0,20},? ?){0,3}\))?( ?\+ ?r2)?", fullmatch=True
    )
)
def test_nearly_correct_text_is_a_spec_or_a_one_line_error(text: str) -> None:
    try:
        resolve(text)
    except ValueError as error:
        assert str(error).startswith("objective: ") and "\n" not in str(error)


# The file that this text would create if it were evaluated.
TRACE = "ADVLEARN_TEST_SPEC_WAS_RUN"
HOSTILE = (
    f"__import__('os').environ.setdefault('{TRACE}', '1')",
    f"[__import__('os').environ.setdefault('{TRACE}', '1') for _ in (1,)]",
    f'f\'{{__import__("os").environ.setdefault("{TRACE}", "1")}}\'',
    "1 + 1",
    "x",
    "lambda: 1",
    "a.b",
    "(1)(2)",
)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    "text", ["r1(weight={})", "hinge + r1(weight={}) + r2", "r1(weight=1, x=[1, {}])", "{}"]
)
def test_nothing_is_evaluated(value: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"^objective: ") as refused:
        resolve(text.format(value))
    assert "\n" not in str(refused.value)
    assert TRACE not in os.environ


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "expected a spec such as"),
        ("hinge +", "expected name or name(key=value, ...), got ''"),
        ("hinge(", "unbalanced brackets"),
        ("hinge('a)", "unbalanced quotation"),
        ("r1(5)", "arguments of r1 are written key=value"),
        ("r1(**{'weight': 5})", "r1(**=...): expected a number"),
        ("r1(weight=5, weight=6)", "r1: the argument 'weight' is given 2 times"),
        ("r1(weight=)", "expected r1(key=value, ...)"),
        ("r1(weight=-1)", "r1(weight=-1): weight: expected a finite number of at least 0, got -1"),
        (
            "r1(weight='5')",
            "r1(weight='5'): weight: expected a finite number, got '5'",
        ),
        ("r1(wait=5)", "r1: unknown argument 'wait'; did you mean 'weight'?"),
        ("hinge + wgan", "a chain has one objective"),
        ("hinge; r1", "expected name or name(key=value, ...)"),
        ("5", "expected name or name(key=value, ...)"),
    ],
)
def test_a_mistake_is_a_one_line_error(text: str, line: str) -> None:
    with pytest.raises(ValueError, match=r"^objective: ") as refused:
        resolve(text)
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


@quick
@given(st.sampled_from(NAMES), st.data())
def test_case_and_hyphens_do_not_count(name: str, data: st.DataObject) -> None:
    """This holds unless two names differ only in case or hyphens."""
    same_key = [n for n in NAMES if naming.key(n) == naming.key(name)]
    written = "".join(data.draw(st.sampled_from([c.lower(), c.upper()])) for c in name)
    if len(same_key) == 1:
        separator = data.draw(st.sampled_from(["-", "_", ""]))
        written = written.replace("-", separator).replace("_", separator)
    assert repr(resolve(written)) == repr(resolve(name))


def test_names_that_differ_only_in_a_hyphen_are_distinguished() -> None:
    twins = {n for n in NAMES for m in NAMES if n != m and naming.key(n) == naming.key(m)}
    for name in twins:
        assert registry.lookup(name).name == name


@quick
@given(st.sampled_from([n for n in NAMES if len(n) > 4]), st.data())
def test_a_typo_suggests_the_name(name: str, data: st.DataObject) -> None:
    i = data.draw(st.integers(1, len(name) - 2))
    typo = name[:i] + name[i + 1] + name[i] + name[i + 2 :]
    if any(naming.key(typo) == naming.key(n) for n in NAMES):
        return
    with pytest.raises(ValueError, match=r"unknown name .*; did you mean ") as refused:
        resolve(typo)
    assert f"'{name}'" in str(refused.value)


def test_a_distant_name_points_to_the_list() -> None:
    with pytest.raises(ValueError, match=r"unknown name 'zzzzzzzzzz'; see `advlearn list`$"):
        resolve("zzzzzzzzzz")


def test_the_order_of_terms_is_the_order_of_regularizers() -> None:
    assert repr(resolve("r2 + hinge + r1")) == repr(Hinge() + R2() + R1())
    assert resolve("r1 + r2") != resolve("r2 + r1")
    assert resolve("hinge") == resolve("  HINGE( )  ")


def test_objects_and_strings_can_be_mixed() -> None:
    chain = resolve("hinge") + resolve("r1(weight=2)")
    assert chain == resolve("hinge + r1(weight=2)") == resolve(chain)
    with pytest.raises(
        TypeError, match=r"^objective: expected an Objective, a Regularizer or a Chain, got int$"
    ):
        resolve(3)  # type: ignore[arg-type]


def test_an_alias_sets_its_defaults_and_the_first_one_wins() -> None:
    chain = resolve("wgan-gp(weight=5)")
    assert chain.defaults.critic_steps == 5 and chain.defaults.betas == (0.0, 0.9)
    assert resolve("hinge + r1").defaults.critic_steps is None


@pytest.mark.parametrize(
    ("name", "authors"),
    [
        ("improved-gan", "Salimans et al. 2016"),
        ("bad-gan", "Dai et al. 2017"),
        ("wgan", "Arjovsky et al. 2017"),
        ("wgan-gp", "Gulrajani et al. 2017"),
    ],
)
def test_an_alias_names_the_paper_of_its_recipe(name: str, authors: str) -> None:
    assert registry.lookup(name).reference.authors == authors
