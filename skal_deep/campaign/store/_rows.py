"""A table of texts, or of numbers and words, in which items are rows."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from skal_deep.campaign.store._files import digest
from skal_deep.campaign.store._items import Found, unused
from skal_deep.campaign.store._source import Source
from skal_deep.campaign.store._tables import TableFile, read_table


class Rows(Source):
    """The rows of a table: a text each, or numbers and words.

    Parameters
    ----------
    path : Path
        The table.
    column : str or None
        Column of the texts; ``None`` if all columns are shown.
    id : str or None
        Column of the ids; ``None`` makes them of the content.
    """

    def __init__(self, path: Path, column: str | None, id: str | None):
        self.path, self._column, self._id = path, column, id
        self.unreadable = []

    @cached_property
    def table(self) -> TableFile:
        """The table, read once."""
        if not self.path.exists():
            raise FileNotFoundError(
                f"The table {self.path} is not there. If it was moved, say where it "
                "is: python -m skal_deep init CAMPAIGN --source NEW."
            )
        return read_table(self.path)

    @cached_property
    def columns(self) -> list[str]:
        """Names of the columns that are shown."""
        if self._column is not None:
            return [self._column]
        return [name for name in self.table.header if name != self._id]

    def look(self) -> list[Found]:
        """Return the rows; those without a text cannot be read."""
        ids = self.table.column(self._id) if self._id is not None else None
        if ids is not None:
            _check_unique(ids, self.table)
        for name in self.columns:
            self.table.column(name)  # raises if there is none
        self.unreadable = []
        found = []
        taken: set[str] = set()
        for row in range(len(self.table.rows)):
            content = self.read(str(row))
            if not content.strip():
                self.unreadable.append(f"line {self.table.lines[row]}")
                continue
            mark = hashlib.blake2b(content, digest_size=8).hexdigest()
            # Equal rows cannot be told apart, so that any of them may be any other.
            name = unused(f"x-{mark}", taken) if ids is None else ids[row]
            taken.add(name)
            found.append(Found(str(row), str(len(content)), "", digest(content), name))
        return found

    def entries(self, place: str) -> dict[str, str]:
        """Return what a row shows, by column.

        Parameters
        ----------
        place : str
            Number of the row.
        """
        table, row = self.table, self.table.rows[int(place)]
        return {name: row[table.place(name)] for name in self.columns}

    def read(self, place: str) -> bytes:
        """Return a text, or all entries of a row."""
        entries = self.entries(place).values()
        return "\x1f".join(entries).encode("utf-8", "surrogatepass")

    def still_holds(self, places: Sequence[str], digests: Sequence[str]) -> bool:
        """Return whether the rows hold what they held."""
        n_rows = len(self.table.rows)
        return all(
            int(place) < n_rows and digest(self.read(place)) == mark
            for place, mark in zip(places, digests, strict=True)
        )


def _check_unique(ids: list[str], table: TableFile) -> None:
    seen: dict[str, int] = {}
    for name, line in zip(ids, table.lines, strict=True):
        if not name.strip():
            raise ValueError(f"{table.path}, line {line}: the id is empty.")
        if name in seen:
            raise ValueError(
                f"{table.path}, line {line}: the id {name!r} stands in line "
                f"{seen[name]}, too. Ids must differ; without --id they are made of "
                "the content."
            )
        seen[name] = line
