"""Refuse words that the style guide replaces: `python .ci/plain_english.py [FILE ...]`.

It reads comments, docstrings and messages of Python files, and the prose of Markdown files. Each
row of `PHRASES` is a pattern and what to write in its place; `docs/glossary.md` has the terms.
"""

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

PHRASES = {
    r"so-manieth": "n-th",
    r"upside down": "inverted",
    r"\bthat (is|are) none\b|\bwhich (is|are|has|have) none\b": "say what it is",
    r"(?<!here )\b(is|are|was|were) no (?!longer|more|fewer|less|larger|smaller|greater|better|"
    r"worse|slower|faster|higher|lower)[a-z]+\b": "'is not a ...', 'has no ...'",
    r"\bnumbers that are no\b": "non-finite values",
    r"\bof (one'?s|your|its|their|an?) own\b": "'your own X', 'its own X'",
    r"\bas (?:[a-z]+ ){1,4}has it\b": "as X defines it",
    r"\blikewise\b": "also, the same",
    r"\bwhat came\b": "got",
    r"\bwhoever\b|\bwherever it\b": "name the actor or the thing",
    r"\bbeside\b": "and, next to, in addition to",
    r"\bbehind\b": "after, in",
    r"\bstands? (?:in|at|on|next)\b": "is in, is",
    r"\bleft alone\b|\balone\b(?!-)": "only, by itself",
    r"\bnone at all\b": "none",
    r"\bplayers?\b": "generator, model, policy; in general text the learner",
    r"\bcontests?\b": "pair of sample sets, critic batch",
    r"\bfilms?\b|\bfilmed\b": "video, record a video",
    r"\bgoes on\b|\bgo on\b": "continue(s)",
    r"\bbroke off\b|\bbroken off\b": "was interrupted",
    r"\ba word on\b|\bwithout a word\b": "silently; a line about",
    r"\bwhich way round\b": "order, orientation",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\bnothing has passed\b": "the layer has not run",
    r"\bputs? out\b": "return(s)",
    r"\bas yet\b": "yet",
}
NAMES = {
    "player": "learner, generator, model or policy",
    "players": "learners",
    "contest": "critic_batch",
    "contests": "pairs",
}
# Row names of saved benchmark results, which keep the name they were measured under.
RESULT_KEYS = {"alone", "labels alone"}
PATTERNS = {re.compile(key, re.IGNORECASE): value for key, value in PHRASES.items()}
# The glossary lists the old words, and this file the patterns.
EXEMPT = {"docs/glossary.md", ".ci/plain_english.py"}


def pieces_of_python(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, prose) of each comment and string, and banned names as they are."""
    strings = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.string.strip("\"'") in RESULT_KEYS:
            continue
        if token.type in strings:
            for offset, line in enumerate(token.string.split("\n")):
                yield token.start[0] + offset, re.sub(r"`[^`]*`", "", line)
        elif token.type == tokenize.NAME and token.string in NAMES:
            yield token.start[0], token.string


def pieces_of_markdown(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, line) of the lines outside code blocks, without inline code."""
    code = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            code = not code
        elif not code:
            yield number, re.sub(r"`[^`]*`", "", line)


def faults(path: Path) -> Iterator[str]:
    """Yield one line for each phrase found in the file."""
    text = path.read_text(encoding="utf-8")
    pieces = pieces_of_python(text) if path.suffix == ".py" else pieces_of_markdown(text)
    for number, prose in pieces:
        for pattern, better in PATTERNS.items():
            if found := pattern.search(prose):
                yield f"{path}:{number}: {found[0]!r}: write {better}"


def main(names: list[str]) -> int:
    """Check the named files, or all that git tracks; return 1 where a phrase was found."""
    if not names:
        listed = subprocess.run(
            ["git", "ls-files", "*.py", "*.md"], capture_output=True, text=True, check=True
        )
        names = listed.stdout.split()
    paths = [Path(n) for n in names if n not in EXEMPT and n.endswith((".py", ".md"))]
    found = [line for path in paths for line in faults(path)]
    print("\n".join(found), file=sys.stderr) if found else None
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
