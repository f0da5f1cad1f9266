"""Write docs/methods.md, the table of methods with their status, from docs/methods.csv.

Run ``python docs/methods_page.py``. Which method is which class, and how faithful that
is, stands in the CSV file; what a class asks of a model, and its paper, are taken from
the class. The tests compare page and file, and look for every public class in it.
"""

import csv
import inspect
from pathlib import Path
from typing import Any

from api_page import first_paper, needs_of

from skal_deep import classifier, pool
from skal_deep.pool import DeepQueryStrategy

DOCS = Path(__file__).resolve().parent
HEAD = """\
# Methods and their status

Every method that was looked at for this package: the class that is it here, how
faithful the class is, what it asks of a model, what a query or a fit costs beside the
prediction, and the tests that hold it. What is not offered stands at the end, with the
reason.

"As published" means the paper's formulas. Where published code has a defect, "defects
of the official code left out", and the docstring names them. "An interpretation" means
that the text of the paper was not public to us: results of the paper may not be those
of the class.

This page is written by `python docs/methods_page.py` from [methods.csv](methods.csv).
"""


def methods() -> list[dict[str, str]]:
    """Return the rows of the data file."""
    with (DOCS / "methods.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def class_of(name: str) -> Any:
    """Return a public class by its name."""
    return getattr(pool, name, None) or getattr(classifier, name)


def public_methods() -> set[str]:
    """Return the names of the public classes that are methods."""
    strategies = {
        name
        for name in pool.__all__
        if not inspect.isabstract(getattr(pool, name)) and name != "Pool"
    }
    return strategies | {
        name
        for name in classifier.__all__
        if name.endswith(("Classifier", "Regressor"))
    }


def table(rows: list[dict[str, str]]) -> str:
    """Return a table of methods that are offered."""
    lines = [
        "| method | class | paper | status | asks the model for | cost | tests |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cls = class_of(row["class"])
        needs = needs_of(cls) if issubclass(cls, DeepQueryStrategy) else ""
        status = "; ".join(part for part in (row["status"], row["note"]) if part)
        tests = ", ".join(
            f"[{Path(path).stem}](../{path})" for path in row["evidence"].split()
        )
        paper = row["paper"] or first_paper(inspect.getdoc(cls) or "")
        cells = row["method"], f"`{row['class']}`", paper, status, needs, row["cost"]
        lines.append("| " + " | ".join((*cells, tests)) + " |")
    return "\n".join(lines) + "\n"


def methods_page() -> str:
    """Return the text of docs/methods.md."""
    rows = methods()
    offered = [row for row in rows if row["class"]]
    in_pool = [row for row in offered if hasattr(pool, row["class"])]
    trained = [row for row in offered if not hasattr(pool, row["class"])]
    left_out = [
        f"| {row['method']} | {row['paper']} | {row['note']} |"
        for row in rows
        if not row["class"]
    ]
    parts = [
        HEAD,
        "## Queries and rules that form a batch\n",
        table(in_pool),
        "## Training and posteriors\n",
        table(trained),
        "## Not offered\n",
        "| method | paper | why |\n|---|---|---|\n" + "\n".join(left_out) + "\n",
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    (DOCS / "methods.md").write_text(methods_page())
