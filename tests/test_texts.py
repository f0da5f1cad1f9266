"""Sentences that no text of the package may hold: what data cannot show."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each with the reason why it is never true, and an example of it.
FORBIDDEN = {
    "a live run has no model of as many random labels": (
        r"\b(AL|active learning|choosing) (beats|has beaten|is better than) random\b"
        r"(?! sampling on your data)",
        "Active learning beats random.",
    ),
    "no test finds a change in mid-run": (
        r"\bhurt(s|ing)? (right )?now\b",
        "Your strategy is hurting now.",
    ),
    "chosen labels are no sample of the data": (
        r"cross-validat\w+ (score|accuracy|error|estimate)"
        r"|(score|accuracy|error) by cross-validation",
        "Score by cross-validation: 0.91",
    ),
    "a search finds a lower bound": (r"\bun?attainable\b|\battainable\b", "attainable"),
    "labels needed without an interval": (
        r"\bneeds \d+ labels\b(?! \()",
        "Needs 240 labels.",
    ),
    "no rule is safe against as many random labels": (
        r"\bguaranteed (to be )?no worse\b"
        r"|(?<!not )\bno worse than (as many )?random (sampling|labels)\b(?! alone)",
        "Guaranteed no worse than random.",
    ),
    "no mistake seen is not no mistake": (
        r"\bno mistakes?( were)? seen[:,] (the )?error( is)? 0\b(?!\.)",
        "No mistakes seen: error 0",
    ),
}


def _texts(path):
    """Yield what a file says: the strings of code, all of a page."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        yield text
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):  # what is filled in is left open
            parts = (
                part.value if isinstance(part, ast.Constant) else "..."
                for part in node.values
            )
            yield "".join(map(str, parts))


def _files():
    yield from sorted((ROOT / "skal_deep").rglob("*.py"))
    yield from sorted(ROOT.glob("*.md"))
    yield from sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.slow
@pytest.mark.parametrize("why", FORBIDDEN)
def test_what_cannot_be_known_is_not_said(why):
    pattern = re.compile(FORBIDDEN[why][0], re.IGNORECASE)
    said = [
        f"{path.relative_to(ROOT)}: {found.group()}"
        for path in _files()
        for text in _texts(path)
        if (found := pattern.search(" ".join(text.split())))
    ]
    assert not said, why


@pytest.mark.parametrize("why", FORBIDDEN)
def test_the_patterns_find_the_sentences(why):
    pattern, example = FORBIDDEN[why]
    assert re.search(pattern, example, re.IGNORECASE)
