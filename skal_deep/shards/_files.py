"""Shards: files or arrays whose rows together are the pool."""

import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skal_deep.classifier._linear_posterior import flat_rows
from skal_deep.rows._shape import check_no_mask

Source = str | Path | NDArray[Any]

# Rows of a file that are no farther apart than this are read together.
_BYTES_TOGETHER = 2**27


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
        return f"rows {self.start} to {self.stop} of shard {_name(self.source)}"

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

    def about_numbers(self) -> str:
        """Return which row is the first that is not finite, to be said in an error."""
        with suppress(OSError, ValueError):  # which may be that of reading
            rows = self.read()
            is_finite_N = np.isfinite(rows.reshape(len(rows), -1)).all(1)
            at = int(is_finite_N.argmin())
            if not is_finite_N[at]:
                return (
                    f" Row {self.start + at} of the shard, {self.offset + at} of the "
                    "pool, is the first with NaN or infinite values."
                )
        return ""

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
        Columns of Parquet files; ``None`` are all, in the order of the first file.
    """

    def __init__(self, sources: Sequence[Source], columns: Sequence[str] | None = None):
        _check_sequence(sources, "shards", "files or arrays")
        if columns is not None:
            _check_sequence(columns, "columns", "names")
        # workers may have another working directory
        self.sources = [
            Path(source).absolute() if isinstance(source, str | Path) else source
            for source in sources
        ]
        self.columns = None if columns is None else tuple(columns)
        self._has_all_columns = columns is None
        self.sizes = list(map(self._size, range(len(self.sources))))
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)
        self._kind: tuple[tuple[int, ...], np.dtype[Any]] | None = None
        # a shard without rows is like any other
        firsts = {
            number: np.array(self._rows(number, 0, 1))
            for number, size in enumerate(self.sizes)
            if size
        }
        for number, row in firsts.items():
            if row.dtype.kind not in "fiub":
                raise TypeError(
                    f"Shard {number} holds {row.dtype}: shards must hold numbers. It "
                    f"is {_name(self.sources[number])}."
                )
            known = next(iter(firsts))
            if (row.shape, row.dtype) != (firsts[known].shape, firsts[known].dtype):
                raise ValueError(
                    f"Shard {number} holds rows of shape {row.shape[1:]} in "
                    f"{row.dtype}, shard {known} rows of shape "
                    f"{firsts[known].shape[1:]} in {firsts[known].dtype}: all must be "
                    f"alike. They are {_name(self.sources[number])} and "
                    f"{_name(self.sources[known])}."
                )
        # whole numbers become float64, which takes more
        seen = [max(row.nbytes, flat_rows(row).nbytes) for row in firsts.values()]
        self._row_bytes = max([1, *seen])
        self._kind = next(((r.shape[1:], r.dtype) for r in firsts.values()), None)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def _size(self, number: int) -> int:
        """Return the number of rows of a shard, from its header alone."""
        source = self.sources[number]
        with told_of(f"Shard {number}, {_name(source)}"):
            if _is_parquet(source):
                size, names = _size_and_columns(source)
                if size:
                    self._check_columns(names)
                return size
            check_no_mask(source, f"shards[{number}]")
            shape: tuple[int, ...] = _mapped(source).shape
            if len(shape) < 2:
                raise ValueError(
                    f"A shard must have rows and columns, not shape {shape}."
                )
            return shape[0]

    def _check_columns(self, names: list[str]) -> None:
        """Raise unless a Parquet file has the columns; the first one says which."""
        if self._has_all_columns and any(map(_is_index_of_pandas, names)):
            raise ValueError(
                f"Columns {names} hold an index of pandas. Name those that are meant "
                "in `columns`."
            )
        self.columns = tuple(names) if self.columns is None else self.columns
        found = [n for n in names if self._has_all_columns or n in self.columns]
        if Counter(found) != Counter(self.columns):
            raise ValueError(
                f"Columns are {names}, not {list(self.columns)}: all files must have "
                "the same, in any order. Name those that are meant in `columns`."
            )

    def parts(self, part_bytes: int) -> list[Part]:
        """Return all rows in parts of about so many bytes or fewer."""
        size = max(1, part_bytes // self._row_bytes)
        return [
            self._part(number, start, min(start + size, n))
            for number, n in enumerate(self.sizes)
            for start in range(0, n, size)
        ]

    def _part(self, number: int, start: int, stop: int) -> Part:
        source, offset = self.sources[number], int(self.starts[number]) + start
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
        if self._kind is None:  # and so none of them
            return self._rows(0, 0, 0) if self.sources else np.empty((0, 0))
        found = np.empty((len(rows), *self._kind[0]), self._kind[1])
        shard, position = self.locate(rows)
        # rows of a file one by one would take as many times as long as there are
        block = position // max(1, _BYTES_TOGETHER // self._row_bytes)
        for number, some in set(zip(shard.tolist(), block.tolist(), strict=True)):
            at = np.flatnonzero((shard == number) & (block == some))
            start, stop = int(position[at].min()), int(position[at].max()) + 1
            found[at] = self._rows(number, start, stop)[position[at] - start]
        return found

    def _rows(self, number: int, start: int, stop: int) -> NDArray[Any]:
        part = self._part(number, start, stop)
        with told_of(part):
            return part.read()


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
            f"{name} holds {array.min()} to {array.max()}, and the shards have "
            + (f"rows 0 to {n - 1}." if n else "no rows.")
        )
    return array.astype(np.int64)


@contextmanager
def told_of(where: Part | str) -> Iterator[None]:
    """Let errors say in which rows something is wrong."""
    try:
        yield
    except ValueError as error:
        if type(error) is not ValueError:  # such as NotFittedError: of no row
            raise
        more = where.about_numbers() if isinstance(where, Part) else ""
        raise ValueError(f"{where}: {error}{more}") from error


def _check_sequence(values: Any, name: str, what: str) -> None:
    """Raise unless values have an order, and can be read again."""
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise TypeError(
            f"{name} must be a sequence of {what}, not one {type(values).__name__}. "
            "Put a single one into a list, and take list(...) of several."
        )


def _name(source: Source) -> str:
    if isinstance(source, str | Path):
        return str(source)
    return "array" if isinstance(source, np.ndarray) else type(source).__name__


def _is_index_of_pandas(name: str) -> bool:
    return name.startswith("__index_level_")


def _is_parquet(source: Source) -> bool:
    return isinstance(source, str | Path) and Path(source).suffix == ".parquet"


def _mapped(source: Source) -> NDArray[Any]:
    """Return an array whose rows are read from the file when they are looked at."""
    if isinstance(source, np.ndarray):
        return source
    if not isinstance(source, str | Path) or Path(source).suffix != ".npy":
        raise ValueError("A shard must be a file .npy or .parquet, or an array.")
    mapped: NDArray[Any] = np.lib.format.open_memmap(source, mode="r")
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


@contextmanager
def _scan(source: Any) -> Iterator[Any]:
    """Give a file to polars, whose errors are those of a value."""
    polars = _polars()
    try:
        yield polars.scan_parquet(source, glob=False)
    except polars.exceptions.PolarsError as error:
        raise ValueError(f"polars does not read it: {error}") from error


def _size_and_columns(source: Any) -> tuple[int, list[str]]:
    with _scan(source) as frame:
        size = frame.select(_polars().len()).collect().item()
        return int(size), frame.collect_schema().names()


def _read_parquet(
    source: Any, start: int, n: int, columns: tuple[str, ...] | None
) -> NDArray[Any]:
    with _scan(source) as frame:
        return _as_array(frame.select(columns).slice(start, n).collect())


def _as_array(frame: Any) -> NDArray[Any]:
    """Return the columns side by side; a single one may hold lists of one length."""
    pl = _polars()
    columns = frame.get_columns()
    if len(columns) == 1 and isinstance(columns[0].dtype, pl.Array | pl.List):
        return _rows_of_lists(columns[0])
    for column in columns:
        if not column.dtype.is_numeric() or column.null_count():
            raise ValueError(
                f"Column {column.name!r} of a Parquet file holds {column.dtype} with "
                f"{column.null_count()} missing values. Name the columns of numbers in "
                "`columns`."
            )
    return np.array(frame.to_numpy())


def _rows_of_lists(column: Any) -> NDArray[Any]:
    """Return lists of one length, or arrays of several axes, as rows."""
    shape = getattr(column.dtype, "shape", None)
    if shape is None:
        lengths = column.list.len().unique()
        if len(lengths) > 1 or lengths.null_count():
            raise ValueError(
                f"Column {column.name!r} of a Parquet file holds lists of several "
                "lengths, or none: rows must be alike."
            )
        shape = tuple(lengths.to_list())
    values = column
    for _ in shape:
        values = values.explode()
    if values.null_count():
        raise ValueError(
            f"Column {column.name!r} of a Parquet file holds lists with "
            f"{values.null_count()} missing values."
        )
    return np.array(values.to_numpy()).reshape(len(column), *shape)
