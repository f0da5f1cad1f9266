"""An array of embeddings, in which items are rows."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.store._files import digest
from skal_deep.campaign.store._items import Found
from skal_deep.campaign.store._source import Source


class Embeddings(Source):
    """The rows of an array.

    Parameters
    ----------
    path : Path
        The file, written by ``numpy.save``.
    ids : Path or None
        A file with an id a line.
    pinned : dict
        Digest and number of the rows that there were before.
    """

    def __init__(self, path: Path, ids: Path | None, pinned: dict[str, Any]):
        self.path, self._ids, self._pinned = path, ids, pinned
        self.unreadable = []

    @cached_property
    def array(self) -> NDArray[Any]:
        """The array, mapped into memory."""
        if not self.path.exists():
            raise FileNotFoundError(
                f"The array {self.path} is not there. If it was moved, say where it "
                "is: python -m skal_deep init CAMPAIGN --source NEW."
            )
        try:
            array: NDArray[Any] = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(
                f"{self.path} holds no array of numbers ({error}): write one with "
                "numpy.save."
            ) from error
        if array.ndim != 2 or array.dtype.kind not in "fiu":
            raise ValueError(
                f"{self.path} must hold numbers of shape (n_items, n_features), not "
                f"{array.dtype} of shape {array.shape}."
            )
        return array

    def look(self) -> list[Found]:
        """Return the rows, if those that there were before are as they were."""
        n_before = self._pinned.get("rows", 0)
        if self._ids is None and n_before:
            same = len(self.array) >= n_before and (
                self.digest_of_rows(n_before) == self._pinned["digest"]
            )
            if not same:
                raise ValueError(
                    f"The first {n_before} rows of {self.path} are not those that "
                    "the campaign began with. Without --ids an array may only grow at "
                    "its end: put the old rows back in front."
                )
        names = [f"r{row:06d}" for row in range(len(self.array))]
        if self._ids is not None:
            names = self._ids.read_text(encoding="utf-8-sig").split("\n")
            names = names[:-1] if names and not names[-1] else names
            names = [name.strip("\r") for name in names]
            if len(names) != len(self.array) or len(set(names)) < len(names):
                raise ValueError(
                    f"{self._ids} has {len(names)} ids, {len(set(names))} of them "
                    f"different, for {len(self.array)} rows of {self.path}: one id a "
                    "line is needed, all different."
                )
        is_finite = np.isfinite(self.array).all(axis=1)
        self.unreadable = [
            n for n, fine in zip(names, is_finite, strict=True) if not fine
        ]
        return [
            Found(str(row), id=name) for row, name in enumerate(names) if is_finite[row]
        ]

    def stat(self) -> list[int]:
        """Return sizes and times of the files, by which a change shows."""
        files = [self.path] if self._ids is None else [self.path, self._ids]
        stats = [file.stat() for file in files]
        return [number for s in stats for number in (s.st_size, s.st_mtime_ns)]

    def is_as_it_was(self) -> bool:
        """Return whether the files are those of the last look."""
        return self.path.exists() and self._pinned.get("stat") == self.stat()

    def still_holds(self, places: Sequence[str], digests: Sequence[str]) -> bool:  # noqa: ARG002
        """Return whether the array is as it was; a copy of it is, too."""
        if self.is_as_it_was():
            return True
        n_rows = self._pinned.get("rows", 0)
        return (
            self._ids is None
            and len(self.array) >= n_rows > 0
            and self.digest_of_rows(n_rows) == self._pinned["digest"]
        )

    def digest_of_rows(self, n_rows: int) -> str:
        """Return the digest of the first rows."""
        return digest(np.ascontiguousarray(self.array[:n_rows]).tobytes())

    def read(self, place: str) -> bytes:
        """Return the bytes of a row."""
        return bytes(self.array[int(place)].tobytes())
