"""Test the word list of the style guide: where it finds a phrase, and what it ignores."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[1] / ".ci" / "plain_english.py"
# A text for each phrase of the list. A mark inside each keeps this file itself clean.
MARK = "~"
EXAMPLES = [
    "the so-man~ieth step",
    "an upside~ down score",
    "values that are~ none",
    "this is~ no pair",
    "num~bers that ar~e no data",
    "a folder of~ its own",
    "as the paper~ has it",
    "like~wise",
    "what~ came back",
    "who~ever calls",
    "be~side the image",
    "be~hind the layer",
    "it sta~nds in a file",
    "the fakes al~one",
    "none~ at all",
    "the pla~yer",
    "a con~test",
    "fil~med rooms",
    "training go~es on",
    "a run that br~oke off",
    "a wo~rd on seeds",
    "which~ way round",
    "we me~nd it",
    "noth~ing has passed",
    "a layer pu~ts out scores",
    "not as~ yet",
]
WORD = "pla~yer".replace(MARK, "")


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plain_english", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plain_english = load_script()


def found(folder: Path, name: str, text: str) -> list[int]:
    """Write a file and return the numbers of the lines that are refused."""
    path = folder / name
    path.write_text(text)
    lines = [line.removeprefix(f"{path}:") for line in plain_english.faults(path)]
    return [int(line.partition(":")[0]) for line in lines]


def test_every_pattern_has_an_example() -> None:
    texts = [text.replace(MARK, "") for text in EXAMPLES]
    unmatched = [
        pattern.pattern
        for pattern in plain_english.PATTERNS
        if not any(pattern.search(text) for text in texts)
    ]
    assert not unmatched


@pytest.mark.parametrize("text", EXAMPLES)
def test_each_phrase_is_found_in_every_kind_of_prose(text: str, tmp_path: Path) -> None:
    phrase = text.replace(MARK, "")
    assert set(found(tmp_path, "comment.py", f"x = 1\n# {phrase}\n")) == {2}
    assert set(found(tmp_path, "docstring.py", f'"""One line.\n\n{phrase}\n"""\n')) == {3}
    assert set(found(tmp_path, "message.py", f'y = 1\nx = f"{{y}}: {phrase}"\n')) == {2}
    assert set(found(tmp_path, "prose.md", f"# Title\n\n{phrase.upper()}\n")) == {3}


@pytest.mark.parametrize(
    "text",
    [
        "There is no longer a limit.",
        "The loss is no larger than one.",
        "here is no data",
        "an al~one-like word",
        "an amendment",
        "as it has been",
    ],
)
def test_plain_phrases_are_accepted(text: str, tmp_path: Path) -> None:
    accepted = text.replace(MARK, "")
    assert found(tmp_path, "comment.py", f"# {accepted}\n") == []
    assert found(tmp_path, "prose.md", f"{accepted}\n") == []


def test_inline_code_is_ignored(tmp_path: Path) -> None:
    assert found(tmp_path, "comment.py", f"# the argument `{WORD}`\n") == []
    assert found(tmp_path, "prose.md", f"the argument `{WORD}`\n") == []


def test_code_blocks_of_markdown_are_ignored(tmp_path: Path) -> None:
    text = f"```python\n{WORD} = 1\n```\n\nthe {WORD}\n"
    assert found(tmp_path, "prose.md", text) == [5]


def test_only_the_listed_identifiers_are_found(tmp_path: Path) -> None:
    assert found(tmp_path, "names.py", f"x = 1\n{WORD} = x\n") == [2]
    assert found(tmp_path, "names.py", f"{WORD}_loss = 1\n") == []


def test_a_finding_names_file_line_phrase_and_replacement(tmp_path: Path) -> None:
    path = tmp_path / "comment.py"
    path.write_text(f"# the {WORD}\n")
    (line,) = plain_english.faults(path)
    assert re.fullmatch(rf"{re.escape(str(path))}:1: '{WORD}': write .*learner", line)


def test_the_exit_status_tells_whether_a_phrase_was_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean, faulty = tmp_path / "clean.py", tmp_path / "faulty.py"
    clean.write_text("# the learner\n")
    faulty.write_text(f"# the {WORD}\n")
    assert plain_english.main([str(clean)]) == 0 and not capsys.readouterr().err
    assert plain_english.main([str(clean), str(faulty)]) == 1
    assert "faulty.py:1" in capsys.readouterr().err
