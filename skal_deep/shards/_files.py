"""Shards: files or arrays whose rows together are the pool."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skal_deep.classifier._linear_posterior import flat_rows

Source = str | Path | NDArray[Any]


@dataclass(frozen=True)
class Part:
    """Some rows of one shard, as many as a task holds in memory.

    Attributes
    ----------
    source : Path or ndarray
        The file, or these rows of an array: a task is sent no others.
    start, stop : int
        Which rows of the shard.
    offset : int
        Number of the first of them in the pool.
    columns : list of str or None
        Columns of a Parquet file.
    kind : tuple of (tuple of int, dtype) or None
        Shape and type of a row; ``None`` is not known yet.
    """

    source: Path | NDArray[Any]
    start: int
    stop: int
    offset: int
    columns: tuple[str, ...] | None
    kind: tuple[tuple[int, ...], np.dtype[Any]] | None

    def __len__(self) -> int:
        return self.stop - self.start

    def __str__(self) -> str:
        kind = "array" if isinstance(self.source, np.ndarray) else str(self.source)
        return f"rows {self.start} to {self.stop} of shard {kind}"

    @property
    def ids(self) -> NDArray[np.int64]:
        """Numbers of the rows in the pool."""
        return np.arange(self.offset, self.offset + len(self))

    def read(self) -> NDArray[Any]:
        """Return the rows; no others are read.

        Those of a file may be mapped: they are in memory while somebody looks at them,
        and the file is open. Who keeps rows copies them.
        """
        if isinstance(self.source, np.ndarray):
            return np.array(self.source)
        try:
            rows = self._read_file()
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{self} must be read, and {platform.node()} has no such file. All "
                "machines must see the files under the same paths."
            ) from error
        known = self.kind or (rows.shape[1:], rows.dtype)
        if (len(rows), rows.shape[1:], rows.dtype) != (len(self), *known):
            raise ValueError(
                f"{len(rows)} rows of shape {rows.shape[1:]} in {rows.dtype} were "
                f"read, not {len(self)} of {known[0]} in {known[1]} as at first. Files "
                "must stay as they are, and be the same on all machines; lists in a "
                "column must have one length."
            )
        return rows

    def _read_file(self) -> NDArray[Any]:
        if _is_parquet(self.source):
            return _read_parquet(self.source, self.start, len(self), self.columns)
        mapped: Any = _mapped(self.source)
        rows = mapped[self.start : self.stop]
        if not (rows.size and rows.flags.c_contiguous):
            return np.array(rows)
        # What is written to them stays here. Of these rows alone: a system may refuse
        # to promise so much memory as a file is long.
        offset = mapped.offset + self.start * rows[0].nbytes
        mine = np.memmap(mapped.filename, rows.dtype, "c", offset, rows.shape)
        return np.asarray(mine)


class Shards:
    """The pool: shards one after another, whose rows are numbered through.

    Parameters
    ----------
    sources : sequence of str, Path or ndarray
        Files ``.npy`` and ``.parquet``, and arrays.
    columns : sequence of str, optional
        Columns of Parquet files; ``None`` are all.
    """

    def __init__(self, sources: Sequence[Source], columns: Sequence[str] | None = None):
        if isinstance(sources, str | Path | np.ndarray):
            raise TypeError(
                f"shards must be a sequence of files or arrays, not one "
                f"{type(sources).__name__}. Put it into a list."
            )
        # workers may have another working directory
        self.sources = [
            Path(source).absolute() if isinstance(source, str | Path) else source
            for source in sources
        ]
        self.columns = None if columns is None else tuple(columns)
        self.sizes = [self._size(source) for source in self.sources]
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)
        self._kind: tuple[tuple[int, ...], np.dtype[Any]] | None = None
        # a shard without rows is like any other
        firsts = {
            number: np.array(self._part(number, 0, 1, 0).read())
            for number, size in enumerate(self.sizes)
            if size
        }
        for number, row in firsts.items():
            if row.dtype.kind not in "fiub":
                raise TypeError(
                    f"Shard {number} holds {row.dtype}: shards must hold numbers."
                )
            known = next(iter(firsts))
            if (row.shape, row.dtype) != (firsts[known].shape, firsts[known].dtype):
                raise ValueError(
                    f"Shard {number} holds rows of shape {row.shape[1:]} in "
                    f"{row.dtype}, shard {known} rows of shape "
                    f"{firsts[known].shape[1:]} in {firsts[known].dtype}: all must be "
                    "alike."
                )
        # whole numbers become float64, which takes more
        seen = [max(row.nbytes, flat_rows(row).nbytes) for row in firsts.values()]
        self._row_bytes = max([1, *seen])
        self._kind = next(((r.shape[1:], r.dtype) for r in firsts.values()), None)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def _size(self, source: Source) -> int:
        """Return the number of rows of a shard, from its header alone."""
        if _is_parquet(source):
            rows = _frame(source, self.columns).select(_polars().len())
            return int(rows.collect().item())
        shape: tuple[int, ...] = _mapped(source).shape
        if len(shape) < 2:
            raise ValueError(f"A shard must have rows and columns, not shape {shape}.")
        return shape[0]

    def parts(self, part_bytes: int) -> list[Part]:
        """Return all rows in parts of about so many bytes or fewer."""
        size = max(1, part_bytes // self._row_bytes)
        return [
            self._part(number, start, min(start + size, n), int(offset) + start)
            for number, (n, offset) in enumerate(
                zip(self.sizes, self.starts, strict=False)
            )
            for start in range(0, n, size)
        ]

    def _part(self, number: int, start: int, stop: int, offset: int) -> Part:
        source = self.sources[number]
        if isinstance(source, np.ndarray):
            source = source[start:stop]
        return Part(source, start, stop, offset, self.columns, self._kind)

    def locate(self, rows: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the shard of each row of the pool, and its position in there."""
        shard = np.searchsorted(self.starts, rows, side="right") - 1
        return shard, rows - self.starts[shard]

    def read(self, rows: ArrayLike) -> NDArray[Any]:
        """Return rows of the pool by their numbers, in that order."""
        rows = as_rows(rows, len(self), "rows")
        shard, position = self.locate(rows)
        found = [
            np.array(self._part(s, p, p + 1, 0).read())
            for s, p in zip(shard.tolist(), position.tolist(), strict=True)
        ]
        if not found:
            return np.array(self.parts(1)[0].read()[:0])
        return np.concatenate(found)


def read_rows(
    shards: Sequence[Source], rows: ArrayLike, columns: Sequence[str] | None = None
) -> NDArray[Any]:
    """Return rows of a pool in shards by their numbers.

    Use it for the rows that :func:`query_shards` has picked.

    Parameters
    ----------
    shards : sequence of str, Path or ndarray
        As in :func:`query_shards`.
    rows : array-like of int
        Numbers of rows, counted through all shards.
    columns : sequence of str, optional
        Columns of Parquet files; ``None`` are all.

    Returns
    -------
    ndarray of shape (n_rows, ...)
        The rows, in that order.

    See Also
    --------
    query_shards : Picks rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.shards import read_rows
    >>> read_rows([np.zeros((3, 2)), np.ones((3, 2))], [4, 0])
    array([[1., 1.],
           [0., 0.]])
    """
    return Shards(shards, columns).read(rows)


def as_rows(rows: ArrayLike, n: int, name: str) -> NDArray[np.int64]:
    """Return numbers of rows of a pool of n as an array, or say what is wrong."""
    array = np.asarray(rows)
    if not array.size:
        return np.empty(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be numbers of rows, a list of int, not {array.dtype} of "
            f"shape {array.shape}."
        )
    if array.min() < 0 or array.max() >= n:
        raise ValueError(
            f"{name} holds {array.min()} to {array.max()}, and the shards have rows "
            f"0 to {n - 1}."
        )
    return array.astype(np.int64)


def _is_parquet(source: Source) -> bool:
    return isinstance(source, str | Path) and Path(source).suffix == ".parquet"


def _mapped(source: Source) -> NDArray[Any]:
    """Return an array whose rows are read from the file when they are looked at."""
    if isinstance(source, np.ndarray):
        return source
    if not isinstance(source, str | Path) or Path(source).suffix != ".npy":
        raise ValueError(
            f"A shard must be a file .npy or .parquet, or an array, not {source!r}."
        )
    mapped: NDArray[Any] = np.load(source, mmap_mode="r", allow_pickle=False)
    return mapped


def _polars() -> Any:
    """Return polars, or say how to get it."""
    try:
        import polars
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Parquet files are read by polars: pip install 'skal-deep[parquet]'."
        ) from error
    return polars


def _frame(source: Any, columns: tuple[str, ...] | None) -> Any:
    frame = _polars().scan_parquet(source)
    return frame if columns is None else frame.select(columns)


def _read_parquet(
    source: Any, start: int, n: int, columns: tuple[str, ...] | None
) -> NDArray[Any]:
    return _as_array(_frame(source, columns).slice(start, n).collect())


def _as_array(frame: Any) -> NDArray[Any]:
    """Return the columns side by side; a single one may hold lists of one length."""
    pl = _polars()
    columns = frame.get_columns()
    if len(columns) == 1 and isinstance(columns[0].dtype, pl.Array):
        return np.array(columns[0].to_numpy())
    if len(columns) == 1 and isinstance(columns[0].dtype, pl.List):
        lengths = columns[0].list.len().unique()
        if len(lengths) > 1 or lengths.null_count():
            raise ValueError(
                f"Column {columns[0].name!r} of a Parquet file holds lists of several "
                "lengths, or none: rows must be alike."
            )
        values = columns[0].explode().to_numpy()
        return np.array(values).reshape(len(frame), *lengths.to_list())
    for column in columns:
        if not column.dtype.is_numeric() or column.null_count():
            raise ValueError(
                f"Column {column.name!r} of a Parquet file holds {column.dtype} with "
                f"{column.null_count()} missing values. Name the columns of numbers in "
                "`columns`."
            )
    return np.array(frame.to_numpy())
