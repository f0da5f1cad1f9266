"""The items of a campaign, which are known by their ids: items.csv."""

import csv
import dataclasses
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.store._files import digest_of_ids, replace

NAME = "items.csv"
_HEADER = ["id", "path", "size", "mtime_ns", "digest", "added", "gone"]
_ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Found:
    """One thing that a source holds now.

    Attributes
    ----------
    place : str
        Path in the folder, or number of the row.
    size : str
        In bytes, as text; empty where it says nothing.
    mtime_ns : str
        Time of the last change; empty where it says nothing.
    digest : str
        Of what it holds; empty until that was read.
    id : str
        The id that a new item gets.
    """

    place: str
    size: str = ""
    mtime_ns: str = ""
    digest: str = ""
    id: str = ""


@dataclass(frozen=True)
class Items:
    """All items there ever were, in the order in which they came.

    Attributes
    ----------
    ids, places, sizes, times, digests : list of str
        The columns of items.csv. A place is a path in the source, or a row.
    added : list of str
        The last round when the item came.
    gone : list of str
        The last round when the item was missed; empty for those that are there.
    """

    ids: list[str]
    places: list[str]
    sizes: list[str]
    times: list[str]
    digests: list[str]
    added: list[str]
    gone: list[str]

    @classmethod
    def empty(cls) -> "Items":
        """Return no items."""
        return cls([], [], [], [], [], [], [])

    @classmethod
    def read(cls, folder: Path) -> "Items":
        """Return the items of a campaign.

        Parameters
        ----------
        folder : Path
            That of the campaign.
        """
        path = folder / NAME
        # Names of files that are no UTF-8 keep their bytes.
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            reader = csv.reader(file, strict=True)
            try:
                header = next(reader, None)
                if header is None or header[: len(_HEADER)] != _HEADER:
                    raise ValueError(
                        f"{path} begins with {header}, and should begin with "
                        f"{_HEADER}: put the right file back."
                    )
                columns = _columns_of(reader, len(header), path)
            except csv.Error as error:
                raise ValueError(
                    f"{path}, line {reader.line_num}: {error}. Put the right file back."
                ) from error
        items = cls(*columns[: len(_HEADER)])
        if len(items.row_of) < len(items):
            name = next(n for r, n in enumerate(items.ids) if items.row_of[n] != r)
            raise ValueError(
                f"{path}: the id {name!r} stands there twice. Put the right file back."
            )
        return items

    def write(self, folder: Path) -> None:
        """Write the items; the campaign's lock must be held.

        Parameters
        ----------
        folder : Path
            That of the campaign.
        """
        text = io.StringIO(newline="")
        # Both line breaks end a line, so that a name that holds either is quoted.
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(_HEADER)
        writer.writerows(zip(*self._columns(), strict=True))
        replace(folder / NAME, text.getvalue().encode("utf-8", "surrogateescape"))

    def _columns(self) -> list[list[str]]:
        return [
            *(self.ids, self.places, self.sizes, self.times),
            *(self.digests, self.added, self.gone),
        ]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each id."""
        return {name: row for row, name in enumerate(self.ids)}

    @cached_property
    def is_gone(self) -> NDArray[np.bool_]:
        """Which items the source does not hold any more."""
        return np.array([bool(gone) for gone in self.gone], dtype=bool)

    @cached_property
    def ids_digest(self) -> str:
        """Digest of the list of ids."""
        return digest_of_ids(self.ids)

    def rows(self, ids: Iterable[str]) -> NDArray[np.intp]:
        """Return the rows of ids.

        Parameters
        ----------
        ids : iterable of str
            All of them known.
        """
        return np.array([self.row_of[name] for name in ids], dtype=np.intp)

    def with_digests(self, digests: dict[int, str]) -> "Items":
        """Return items of which some were read.

        Parameters
        ----------
        digests : dict of int to str
            What was found, by row.
        """
        column = self.digests.copy()
        for row, value in digests.items():
            column[row] = value
        return dataclasses.replace(self, digests=column)

    def updated(
        self,
        found: Sequence[Found],
        last_round: int,
        *,
        by_place: bool = False,
        moved: Mapping[str, str] = MappingProxyType({}),
    ) -> "Items":
        """Return the items after a look at the source.

        Parameters
        ----------
        found : sequence of Found
            What the source holds now.
        last_round : int
            The last round that was asked.
        by_place : bool, default=False
            Whether an item is known again by its place, as a file is, or by its id.
        moved : mapping of str to str, default={}
            New places of items that were renamed, by their old ones.
        """
        columns = [column.copy() for column in self._columns()]
        ids, places, sizes, times, digests, added, gone = columns
        rows = self.row_of
        if by_place:
            rows = {moved.get(place, place): row for row, place in enumerate(places)}
        seen, taken = set(), set(ids)
        for one in found:
            row = rows.get(one.place if by_place else one.id)
            if row is None:
                ids.append(unused(one.id, taken))
                taken.add(ids[-1])
                for column, value in (
                    *((places, one.place), (sizes, one.size), (times, one.mtime_ns)),
                    *((digests, one.digest), (added, str(last_round)), (gone, "")),
                ):
                    column.append(value)
                continue
            seen.add(row)
            places[row], gone[row] = one.place, ""
            if one.digest or (one.size, one.mtime_ns) != (sizes[row], times[row]):
                if moved and self.places[row] != one.place:
                    one = Found(one.place, one.size, one.mtime_ns, digests[row])
                sizes[row], times[row] = one.size, one.mtime_ns
                digests[row] = one.digest
        for row in range(len(self)):
            if row not in seen and not gone[row]:
                gone[row] = str(last_round)
        return Items(*columns)

    def same_as(self, other: "Items") -> bool:
        """Return whether nothing has changed."""
        return self._columns() == other._columns()


def _columns_of(rows: Iterator[list[str]], width: int, path: Path) -> list[list[str]]:
    """Return the columns of a table, which must have the same width in each row."""
    columns: list[list[str]] = [[] for _ in range(width)]
    # A million rows at once would be gone through again and again for garbage.
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        if wrong := next((row for row in some if len(row) != width), None):
            raise ValueError(
                f"{path}, the line {','.join(wrong)[:60]!r}: {len(wrong)} entries for "
                f"{width} columns. Put the right file back."
            )
        for column, values in zip(columns, zip(*some, strict=True), strict=True):
            column.extend(values)
    return columns


def unused(name: str, taken: set[str]) -> str:
    """Return a name, with a number behind it if it is taken.

    Parameters
    ----------
    name : str
        What is wanted.
    taken : set of str
        What there is.
    """
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"
