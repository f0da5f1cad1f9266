"""What benchmarks/RESULTS.md says of methods: its tables, and the one of choose.md.

Run ``python docs/evidence.py`` to write the table of every strategy into
docs/choose.md, from the sections "Every strategy on ...".
"""

import re
from collections.abc import Iterator
from pathlib import Path

from api_page import strategies

DOCS = Path(__file__).resolve().parent
HEADER = "| strategy | "
TABLE = re.compile(r"^\| strategy \| .*?\n(?!\|)", re.M | re.S)
EVERY = "Every strategy on "


def results() -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield the tables of benchmarks/RESULTS.md: section, header, rows."""
    text = (DOCS.parent / "benchmarks" / "RESULTS.md").read_text()
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        title = section.split("\n")[0]
        for table in re.findall(r"(?:^\|.*\n)+", section, re.M):
            header, _, *rows = (
                [cell.strip() for cell in line.strip("|").split("|")]
                for line in table.splitlines()
            )
            yield title, header, rows


def every_strategy() -> dict[str, dict[str, list[str]]]:
    """Return by data set and strategy the cells from the difference to the verdict.

    A data set may have several sections, which differ behind a comma.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for title, _, rows in results():
        if title.startswith(EVERY):
            name = title.removeprefix(EVERY).partition(",")[0]
            cells = {row[0]: row[3:] for row in rows if row[0] != "random"}
            found.setdefault(name, {}).update(cells)
    return found


def table() -> str:
    """Return the table of every strategy; what was found has its word."""
    found = every_strategy()
    named = {name for rows in found.values() for name in rows}
    measured = {name.partition("(")[0] for name in named}
    others = {cls.__name__ for cls in strategies()} - measured
    names = sorted(named | others, key=str.lower)
    lines = [
        f"{HEADER}{' | '.join(found)} |",
        "|---" * (1 + len(found)) + "|",
    ]
    for name in names:
        cells = [cell_of(rows.get(name)) for rows in found.values()]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell_of(row: list[str] | None) -> str:
    """Return a difference with its interval, and whether it was found."""
    if row is None:
        return "not measured"
    difference, *_, word = row
    return f"**{word}**, {difference}" if word in ("better", "worse") else difference


if __name__ == "__main__":
    page = DOCS / "choose.md"
    text, n_tables = TABLE.subn(lambda _: table(), page.read_text())
    if n_tables != 1:
        raise SystemExit(
            f"{page} must hold one table that begins with '{HEADER}', but holds "
            f"{n_tables}."
        )
    page.write_text(text)
