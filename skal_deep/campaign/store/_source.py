"""Where items are: a folder of images, a table of texts or numbers, an array."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.store._files import digest
from skal_deep.campaign.store._items import Found, unused
from skal_deep.campaign.store._settings import Settings
from skal_deep.campaign.store._tables import TableFile, read_table

# By ending, how files begin. Vector graphics are programs and are left out.
_SIGNATURES: dict[str, tuple[bytes, ...]] = {
    ".png": (b"\x89PNG",),
    ".jpg": (b"\xff\xd8",),
    ".jpeg": (b"\xff\xd8",),
    ".gif": (b"GIF8",),
    ".bmp": (b"BM",),
    ".webp": (b"RIFF",),
    ".tif": (b"II", b"MM"),
    ".tiff": (b"II", b"MM"),
}
IMAGE_TYPES = tuple(_SIGNATURES)


class Source(ABC):
    """What holds the items.

    Attributes
    ----------
    unreadable : list of str
        What the last look could not read, by path or row.
    """

    unreadable: list[str]

    @abstractmethod
    def look(self) -> list[Found]:
        """Return what there is now."""

    @abstractmethod
    def read(self, place: str) -> bytes:
        """Return what an item holds."""


class Folder(Source):
    """Images in a folder and the folders in it.

    Parameters
    ----------
    path : Path
        The folder.
    """

    def __init__(self, path: Path):
        self.path = path
        self.unreadable = []

    def look(self) -> list[Found]:
        """Return the images that can be read, by path."""
        if not self.path.is_dir():
            raise FileNotFoundError(
                f"The folder of images {self.path} is not there. If it was moved, say "
                "where it is: python -m skal_deep init CAMPAIGN --source NEW."
            )
        self.unreadable = []
        found = []
        root = os.path.realpath(self.path)
        for relative, entry in sorted(_files(root, ""), key=lambda pair: pair[0]):
            try:
                # Links may lead to other folders, but not out of this one.
                if entry.is_symlink() and not _is_inside(root, entry.path):
                    raise OSError("a link that leads out")
                stat = entry.stat()
                is_image = _begins_right(entry.path)
            except OSError:
                is_image = False
            if not is_image:
                self.unreadable.append(relative)
                continue
            size, time = str(stat.st_size), str(stat.st_mtime_ns)
            found.append(Found(relative, size, time, "", _as_id(relative)))
        return found

    def file(self, place: str) -> Path:
        """Return the file of an item, which lies inside the folder.

        Parameters
        ----------
        place : str
            Its path in the folder.
        """
        path = self.path / place
        if not _is_inside(os.path.realpath(self.path), str(path)):
            raise FileNotFoundError(f"{place!r} leads out of the folder {self.path}.")
        return path

    def read(self, place: str) -> bytes:
        """Return the bytes of a file."""
        return self.file(place).read_bytes()


def _files(root: str, under: str) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Yield the images below a folder by their path in it, hidden ones left out."""
    with os.scandir(os.path.join(root, under)) as entries:
        for entry in entries:
            relative = f"{under}/{entry.name}" if under else entry.name
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _files(root, relative)
            elif os.path.splitext(entry.name)[1].lower() in _SIGNATURES:
                yield relative, entry


def _begins_right(path: str) -> bool:
    """Return whether a file begins as images of its ending do, or of another one."""
    with open(path, "rb") as file:
        start = file.read(4)
    return any(start.startswith(s) for many in _SIGNATURES.values() for s in many)


def _is_inside(root: str, path: str) -> bool:
    return os.path.realpath(path).startswith(os.path.join(root, ""))


def _as_id(relative: str) -> str:
    """Return the id of a file; of a name that is no UTF-8, one with escapes."""
    try:
        relative.encode()
    except UnicodeEncodeError:
        return quote_from_bytes(os.fsencode(relative), safe="/ ")
    return relative


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
        row = self.table.rows[int(place)]
        return {name: row[self.table.header.index(name)] for name in self.columns}

    def read(self, place: str) -> bytes:
        """Return a text, or all entries of a row."""
        entries = self.entries(place).values()
        return "\x1f".join(entries).encode("utf-8", "surrogatepass")


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

    def digest_of_rows(self, n_rows: int) -> str:
        """Return the digest of the first rows."""
        return digest(np.ascontiguousarray(self.array[:n_rows]).tobytes())

    def read(self, place: str) -> bytes:
        """Return the bytes of a row."""
        return bytes(self.array[int(place)].tobytes())


def source_of(settings: Settings, folder: Path) -> Source:
    """Return where the items of a campaign are.

    Parameters
    ----------
    settings : Settings
        Those of the campaign.
    folder : Path
        That of the campaign; paths are relative to it.
    """
    source = settings.source
    path = folder / source["path"]
    if source["type"] == "folder":
        return Folder(path)
    if source["type"] == "csv":
        return Rows(path, source.get("column"), source.get("id"))
    ids = source.get("ids")
    return Embeddings(path, None if ids is None else folder / ids, source)


def renamed(
    source: Source,
    places: list[str],
    digests: list[str],
    sizes: list[str],
    found: list[Found],
) -> dict[str, str]:
    """Return new places by old ones: missing files whose content is elsewhere now.

    Parameters
    ----------
    source : Source
        Where they are.
    places, digests, sizes : list of str
        The items as they were.
    found : list of Found
        What there is now.
    """
    if not isinstance(source, Folder):
        return {}
    there = {one.place for one in found}
    missing = {
        (digests[row], sizes[row]): place
        for row, place in enumerate(places)
        if digests[row] and place not in there
    }
    wanted = {size for _, size in missing}
    known, moved = set(places), {}
    for one in found:
        if one.place not in known and one.size in wanted:
            old = missing.pop((digest(source.read(one.place)), one.size), None)
            if old is not None:
                moved[old] = one.place
    return moved


@dataclass(frozen=True)
class SourceArguments:
    """What a user says of where the items are: one of four.

    Attributes
    ----------
    images, texts, table, embeddings : str or Path, default=None
        A folder of images, a table with a text a row, a table, an array.
    column : str, default=None
        Column of the texts.
    id : str, default=None
        Column of the ids.
    ids : str or Path, default=None
        File with an id a line, for an array.
    """

    images: Any = None
    texts: Any = None
    table: Any = None
    embeddings: Any = None
    column: str | None = None
    id: str | None = None
    ids: Any = None

    def described(self, folder: Path) -> tuple[str, dict[str, Any]]:
        """Return the kind of the items, and the source as campaign.json has it.

        Parameters
        ----------
        folder : Path
            That of the campaign, to which paths are relative.
        """
        given = {
            "image": self.images,
            "text": self.texts,
            "table": self.table,
            "embeddings": self.embeddings,
        }
        kinds = [kind for kind, path in given.items() if path is not None]
        if len(kinds) != 1:
            raise ValueError(
                "A campaign has one source: pass one of images, texts, table and "
                f"embeddings, not {len(kinds)} of them."
            )
        kind = kinds[0]
        path = Path(given[kind]).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there.")
        source: dict[str, Any] = {"path": relative_to(path, folder)}
        if kind == "image":
            return kind, {"type": "folder", **source, "pattern": "**/*"}
        if kind == "embeddings":
            ids = None if self.ids is None else relative_to(Path(self.ids), folder)
            return kind, {"type": "npy", **source, "ids": ids}
        if kind == "text" and self.column is None:
            raise ValueError(
                f"Which column of {path} holds the texts? Pass column (--column)."
            )
        column = self.column if kind == "text" else None
        return kind, {"type": "csv", **source, "column": column, "id": self.id}


def relative_to(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder, so that both can be moved together."""
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
