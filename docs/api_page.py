"""Write what the pages take from docstrings: docs/api.md, the table of strategies.

Run ``python docs/api_page.py``. The API page has a line for each public name, which is
the first line of its docstring; the table in docs/strategies.md says of each strategy
what it is, what it asks of a model, and which paper it is from. The tests compare both
with the package, so run this whenever ``__all__`` or a first line changes.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import skal_deep
from skal_deep import pool
from skal_deep.classifier.door._capabilities import method_name
from skal_deep.pool import DeepQueryStrategy

DOCS = Path(__file__).resolve().parent
HEAD = """\
# API

Every public name, by package, with the first line of its docstring. `help(name)` in
Python shows the rest: parameters, references, an example. What is not on this page is
not public and may change without notice.

This page is written by `python docs/api_page.py`.
"""
TABLE = re.compile(r"\| strategy \| what it is \|.*?\n(?!\|)", re.S)


def public_packages() -> Iterator[ModuleType]:
    """Yield the packages of skal_deep that say in ``__all__`` what is public."""
    for found in pkgutil.iter_modules(skal_deep.__path__, "skal_deep."):
        if found.ispkg:
            package = importlib.import_module(found.name)
            if hasattr(package, "__all__"):
                yield package


def summary(value: object) -> str:
    """Return the first line of a docstring, or a constant itself."""
    if inspect.isclass(value) or inspect.isroutine(value):
        return (inspect.getdoc(value) or "").split("\n")[0]
    return f"The constant `{value!r}`."


def api_page() -> str:
    """Return the text of docs/api.md."""
    parts = [HEAD]
    for package in public_packages():
        about = (inspect.getdoc(package) or "").split("\n")[0]
        lines = [f"## {package.__name__}", "", about, "", "| name | |", "|---|---|"]
        for name in sorted(package.__all__, key=str.lower):
            text = summary(getattr(package, name)).replace("|", "\\|")
            lines.append(f"| `{name}` | {text} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def strategies() -> list[type[DeepQueryStrategy]]:
    """Return the public strategies that can be made, by name."""
    classes = (getattr(pool, name) for name in sorted(pool.__all__, key=str.lower))
    return [
        cls
        for cls in classes
        if inspect.isclass(cls)
        and issubclass(cls, DeepQueryStrategy)
        and not inspect.isabstract(cls)
    ]


def strategy_table() -> str:
    """Return the table of docs/strategies.md."""
    lines = [
        "| strategy | what it is | asks the model for | paper |",
        "|---|---|---|---|",
    ]
    for cls in strategies():
        text = inspect.getdoc(cls) or ""
        lines.append(
            f"| `{cls.__name__}` | {text.splitlines()[0].rstrip('.')} "
            f"| {needs_of(cls)} | {first_paper(text)} |"
        )
    return "\n".join(lines) + "\n"


def needs_of(cls: type[DeepQueryStrategy]) -> str:
    """Return what a strategy with its defaults asks of a model."""
    parameters = inspect.signature(cls).parameters.values()
    if any(parameter.default is inspect.Parameter.empty for parameter in parameters):
        return "what its parts ask for"
    methods = [f"`{method_name(need)}`" for need in cls()._needs]
    return " and ".join(methods) or "nothing"


def first_paper(docstring: str) -> str:
    """Return authors and year of a docstring's first reference."""
    first = re.search(r"\[1\] (?:[A-Z]\.[- ]?)+ ?([^,.]+)([,.])", docstring)
    year = re.search(r"\[1\](?:.|\n)*?[ \n]((?:19|20)\d\d)\.", docstring)
    if first is None or year is None:
        return ""
    return f"{first[1]}{' et al.' if first[2] == ',' else ''}, {year[1]}"


if __name__ == "__main__":
    (DOCS / "api.md").write_text(api_page())
    page = DOCS / "strategies.md"
    text, n_tables = TABLE.subn(lambda _: strategy_table(), page.read_text())
    if n_tables != 1:
        raise SystemExit(
            f"{page} must hold one table that begins with '| strategy | what it is |' "
            f"and ends with an empty line, but holds {n_tables}."
        )
    page.write_text(text)
