"""Sentences that no text of the package may hold: what data cannot show."""

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Each with the reason why it is never true, and ways to say it.
FORBIDDEN = {
    "a live run has no model of as many random labels": (
        r"\b(AL|active learning|choosing|(the|these|your|our|its) "
        r"(chosen labels|labels you chose|strategy|choice|picks))"
        r" (now |clearly |really |has |have )*"
        r"(beats?|beaten|outperforms?|outperformed|wins? against|won against|"
        r"(is|are|does|do|did) (better|superior|ahead)( than| to| of))"
        r" (as many )?random\b(?! sampling on your data)",
        "Active learning beats random.",
        "AL has beaten random sampling so far.",
        "Your strategy outperforms random labels.",
        "The chosen labels are better than random ones.",
        "Choosing clearly wins against random sampling.",
    ),
    "no test finds a change in mid-run": (
        r"\b(hurt(s|ing)?|harm(s|ing)?) (you |the model )?(right )?now\b"
        r"|\b(is|are) (currently|now|at present|by now) (hurting|harming|worse)\b"
        r"|\b(has|have) (stopped helping|begun to (hurt|harm)|stopped to help)\b",
        "Your strategy is hurting now.",
        "Choosing is currently hurting.",
        "The strategy has stopped helping.",
        "The picks harm the model now.",
    ),
    "chosen labels are no sample of the data": (
        r"cross-validat\w+ (score|accuracy|error|estimate)"
        r"|(score|accuracy|error) (by|from|in) cross-validation"
        r"|\bCV[ -](score|accuracy|error)",
        "Score by cross-validation: 0.91",
        "Cross-validated accuracy of the labels so far: 91 %",
        "CV error: 0.09",
    ),
    "a search finds a lower bound": (
        r"\bun?attainable\b|\battainable\b"
        r"|\b(achievable|reachable) (score|accuracy|gain|error|area)\b"
        r"|\b(best|most|highest)( score)? (that )?any strategy (can|could)\b"
        r"|\bupper (bound|limit) (of|on|for) (what )?(any|all|every) strateg",
        "attainable",
        "the achievable accuracy",
        "the best any strategy could reach",
        "an upper bound on all strategies",
    ),
    "labels needed without an interval": (
        r"\b(needs?|takes?|requires?) (only |about |another )?(\d+|\.\.\.) "
        r"(more )?labels\b(?! \(| for what)",
        "Needs 240 labels.",
        "It takes 240 labels.",
        "This requires about 240 more labels.",
    ),
    "no rule is safe against as many random labels": (
        r"\bguaranteed? (to be )?(no|never|not) worse\b"
        r"|(?<!not )\b(no|not|never|cannot be|can never be) worse than "
        r"(as many )?random (sampling|labels|ones)\b(?! alone)"
        r"|\bat least as good as (as many )?random\b",
        "Guaranteed no worse than random.",
        "It is never worse than random sampling.",
        "The model cannot be worse than random ones.",
        "at least as good as random labels",
    ),
    "no mistake seen is not no mistake": (
        r"\bno mistakes?( were)? seen[:,] (the )?error( is)? 0\b(?!\.)"
        r"|\b(error|risk|mae):? 0(\.0+)?( ?%)? \(0(\.0+)?( ?%)? to 0(\.0+)?( ?%)?[,)]"
        r"|\b(model|classifier) (makes|made|has) no (mistakes?|errors?)\b"
        r"|\b(is|was) free of (mistakes|errors)\b",
        "No mistakes seen: error 0",
        "error: 0.0 % (0.0 % to 0.0 %, 95 %), from 30 control labels",
        "mae: 0 (0 to 0, 95 %)",
        "The model makes no mistakes.",
    ),
}


def _texts(path):
    """Yield what a file says: the strings of code, all of a page or a notebook."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        for cell in json.loads(text)["cells"]:
            yield "".join(cell["source"])
            for output in cell.get("outputs", ()):
                shown = [output.get("text", "")]
                shown += [v for k, v in output.get("data", {}).items() if "text" in k]
                yield from ("".join(each) for each in shown)
        return
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
    for kind in ("*.py", "*.js", "*.html"):
        yield from sorted((ROOT / "skal_deep").rglob(kind))
    for folder in ("docs", "benchmarks"):
        yield from sorted((ROOT / folder).rglob("*.md"))
        yield from sorted((ROOT / folder).rglob("*.py"))
    yield from sorted((ROOT / "docs").rglob("*.toml"))
    yield from sorted((ROOT / "notebooks").glob("*.ipynb"))
    yield from sorted(ROOT.glob("*.md"))


@cache
def _all_texts():
    return [(path, text) for path in _files() for text in _texts(path)]


@pytest.mark.slow
@pytest.mark.parametrize("why", FORBIDDEN)
def test_what_cannot_be_known_is_not_said(why):
    pattern = re.compile(FORBIDDEN[why][0], re.IGNORECASE)
    said = [
        f"{path.relative_to(ROOT)}: {found.group()}"
        for path, text in _all_texts()
        if (found := pattern.search(" ".join(text.split())))
    ]
    assert not said, why


@pytest.mark.parametrize("why", FORBIDDEN)
def test_the_patterns_find_the_sentences(why):
    pattern, *examples = FORBIDDEN[why]
    missed = [each for each in examples if not re.search(pattern, each, re.IGNORECASE)]
    assert not missed
