"""Tables with a header, as people save them: with or without a BOM, any separator."""

import csv
from dataclasses import dataclass
from pathlib import Path

from skal_deep.datasets._csv import _mark


@dataclass(frozen=True)
class TableFile:
    """A table as text.

    Attributes
    ----------
    path : Path
        The file.
    header : list of str
        Names of the columns.
    lines : list of int
        Number of the line that each row ends in.
    rows : list of list of str
        Entries, as many as there are columns.
    """

    path: Path
    header: list[str]
    lines: list[int]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        """Return the entries of a column.

        Parameters
        ----------
        name : str
            Its name in the header.
        """
        at = self.place(name)
        return [row[at] for row in self.rows]

    def place(self, name: str) -> int:
        """Return which column that is, counted from 0.

        Parameters
        ----------
        name : str
            Its name in the header.
        """
        if self.header.count(name) != 1:
            raise ValueError(
                f"{self.path} has {self.header.count(name)} columns {name!r}, and one "
                f"is needed; its columns are {', '.join(map(repr, self.header))[:200]}."
            )
        return self.header.index(name)


def read_table(path: Path) -> TableFile:
    """Return a table.

    Parameters
    ----------
    path : Path
        A header, then a row a line, with entries parted by commas, semicolons or tabs,
        whichever part the header most often.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            mark = _mark(file.readline())
            file.seek(0)
            reader = csv.reader(file, delimiter=mark, strict=True)
            entries = [(reader.line_num, row) for row in reader if row]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not text in UTF-8. Save it as CSV in UTF-8, a Parquet file by "
            "pandas.read_parquet(...).to_csv(..., index=False)."
        ) from error
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {reader.line_num}: {error}. Is a quotation mark not closed?"
        ) from error
    if not entries:
        raise ValueError(f"{path} is empty: it needs a header, then a row a line.")
    (_, header), *rows = entries
    for number, row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"{path}, line {number}: {len(row)} entries for {len(header)} columns."
            )
    header = [name.strip() for name in header]
    return TableFile(path, header, [n for n, _ in rows], [row for _, row in rows])
