"""A small table that prints well."""

import textwrap
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from skal_deep.evaluation._export import write_csv


@dataclass(frozen=True, repr=False)
class Table:
    """Rows of numbers and words with the same columns.

    The summaries of a comparison are tables: print one, pass its ``rows`` to
    ``pandas.DataFrame``, or write it with ``to_csv``.

    Attributes
    ----------
    rows : list of dict
        Values by column; ``None`` and NaN leave a cell empty, infinity is "more".
    formats : dict of str to str
        How the numbers of a column are shown; three decimals where nothing is said.
    note : str or None
        Printed below.

    See Also
    --------
    Comparison.summary : The table of a comparison.
    Comparison.tests : The table of its tests.

    Examples
    --------
    >>> from skal_deep.evaluation import Table
    >>> Table([{"strategy": "BALD", "area": 0.8}, {"strategy": "Badge", "area": 0.85}])
    strategy   area
    --------  -----
    BALD      0.800
    Badge     0.850
    """

    rows: list[dict[str, Any]]
    formats: dict[str, str] = field(default_factory=dict)
    note: str | None = None

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.rows[0]) if self.rows else []

    def shown(self) -> list[dict[str, str]]:
        """Return the rows as they are shown.

        Returns
        -------
        list of dict
            By the names of the columns.
        """
        return [
            {column: self._shown(column, row[column]) for column in self.columns}
            for row in self.rows
        ]

    def _shown(self, column: str, value: Any) -> str:
        if value is None or value != value:  # NaN: nothing to say
            return ""
        if value == float("inf"):
            return "more"
        if isinstance(value, float):
            return format(value, self.formats.get(column, ".3f"))
        return str(value)

    def is_text(self, column: str) -> bool:
        """Return whether a column holds words, which are aligned to the left.

        Parameters
        ----------
        column : str
            Its name.

        Returns
        -------
        bool
            Whether it does.
        """
        return any(isinstance(row[column], str) for row in self.rows)

    def __repr__(self) -> str:
        lines = [{column: column for column in self.columns}, *self.shown()]
        width = {c: max(len(line[c]) for line in lines) for c in self.columns}
        text = [
            "  ".join(
                line[c].ljust(width[c]) if self.is_text(c) else line[c].rjust(width[c])
                for c in self.columns
            ).rstrip()
            for line in lines
        ]
        rule = "  ".join("-" * width[c] for c in self.columns)
        note = ["", *textwrap.wrap(self.note, 88)] if self.note else []
        return "\n".join([text[0], rule, *text[1:], *note])

    def _repr_html_(self) -> str:
        """Return the table as a notebook shows it; cells are not broken into lines."""
        cell = "padding: .25em .7em; white-space: nowrap; text-align: "
        style = {
            column: cell + ("left" if self.is_text(column) else "right")
            for column in self.columns
        }
        head = "".join(
            f'<th scope="col" style="{style[c]}">{escape(c)}</th>' for c in self.columns
        )
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="{style[c]}">{escape(row[c])}</td>' for c in self.columns
            )
            + "</tr>"
            for row in self.shown()
        )
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"
        )

    def to_csv(self, path: str | Path) -> None:
        """Write the table, numbers in full.

        Parameters
        ----------
        path : str or Path
            File to write.
        """
        write_csv(path, self.columns, self.rows)
