"""The short strings that name compound data, such as ``"mnist->usps"``, and their parser.

Each form is written for a constructor of `advlearn.data`, which takes the parts as arguments:
``"mnist->usps"`` is ``domains("mnist", "usps")``.
"""

from typing import Final, Literal, NamedTuple

Form = Literal["domains", "unpaired", "few_labels", "pairs"]


class Grammar(NamedTuple):
    """Describe how one form is written.

    Attributes:
        pattern: The parts and their separator.
        example: A string of this form.
        summary: One line on the data it names.
    """

    pattern: str
    example: str
    summary: str


GRAMMARS: Final[dict[Form, Grammar]] = {
    "domains": Grammar(
        "SOURCE->TARGET", "mnist->usps", "labelled source domains and a target domain"
    ),
    "unpaired": Grammar("A <-> B", "usps <-> mnist", "two sets of samples without matches"),
    "few_labels": Grammar("NAME:COUNT", "mnist:100", "a data set of which COUNT labels are used"),
    "pairs": Grammar("KIND:NAME", "edges:fashion-mnist", "inputs made from images, and the images"),
}


def form_of(text: str) -> Form | None:
    """Return the form a string is written in; None for the name of one data set.

    Example:
        >>> form_of("mnist->usps"), form_of("mnist:100"), form_of("mnist")
        ('domains', 'few_labels', None)
    """
    if "<->" in text:
        return "unpaired"
    if "->" in text:
        return "domains"
    head, colon, tail = text.rpartition(":")
    if not colon or not head.strip():
        return None
    return "few_labels" if tail.strip().isdecimal() else "pairs"


def parse(text: str, form: Form) -> tuple[str, ...]:
    """Split a string into the names in it.

    Args:
        text: For example ``"mnist,usps->mnist-m"``.
        form: The form it should have.

    Returns:
        The parts in the order they are written; several sources of domains are one part each.

    Raises:
        ValueError: The string has another form, or an empty part.

    Example:
        >>> parse("mnist,usps->mnist-m", "domains")
        ('mnist', 'usps', 'mnist-m')
    """
    parts: list[str] = []
    if form_of(text) == form:
        match form:
            case "unpaired":
                parts = text.split("<->")
            case "domains":
                sources, _, target = text.partition("->")
                parts = [*sources.split(","), target]
            case "few_labels":
                parts = list(text.rpartition(":")[::2])
            case "pairs":
                parts = list(text.partition(":")[::2])
    names = tuple(part.strip() for part in parts)
    if not names or not all(names) or (form == "unpaired" and len(names) != 2):
        raise ValueError(f"data: expected {expected(form)}, got {text!r}")
    return names


def expected(form: Form) -> str:
    """Describe a form in an error message.

    Example:
        >>> expected("few_labels")
        "'NAME:COUNT' such as 'mnist:100'"
    """
    return f"{GRAMMARS[form].pattern!r} such as {GRAMMARS[form].example!r}"
