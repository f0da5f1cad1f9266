"""A small table that prints well."""

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Table:
    """Rows of text with the same columns.

    Attributes
    ----------
    rows : list of dict
        Text by column.
    """

    rows: list[dict[str, str]]

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.rows[0])

    def __repr__(self) -> str:
        lines = [{column: column for column in self.columns}, *self.rows]
        width = {c: max(len(line[c]) for line in lines) for c in self.columns}
        text = [
            "  ".join(
                line[c].ljust(width[c]) if self._is_text(c) else line[c].rjust(width[c])
                for c in self.columns
            ).rstrip()
            for line in lines
        ]
        rule = "  ".join("-" * width[c] for c in self.columns)
        return "\n".join([text[0], rule, *text[1:]])

    def _is_text(self, column: str) -> bool:
        """Return whether a column holds words, which are aligned to the left."""
        return any(row[column][:1].isalpha() for row in self.rows)

    def to_csv(self, path: str | Path) -> None:
        """Write the table.

        Parameters
        ----------
        path : str or Path
            Where to.
        """
        with Path(path).open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)
