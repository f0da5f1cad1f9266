"""Vectors on disk by the digest of what they were made from.

A folder holds pairs of files, ``<name>.npy`` with vectors and ``<name>.keys.npy``
with the key and a checksum of each. Both are written under another name, flushed and
then renamed, the keys last: a pair without keys does not exist, so a process that is
killed at any moment leaves nothing half done. Files are never changed, so that any
number of processes may read and write without a lock, on network folders, too.
"""

import errno
import hashlib
import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from skal_deep.embedding._identity import KEY_BYTES

_ENTRY = np.dtype([("key", f"V{KEY_BYTES}"), ("check", "V8")])
# More files than that are merged: a folder of many small files is slow to list.
_MAX_FILES = 1_000
_MERGED_ROWS = 2**15
_DAY = 86_400.0
_NO_ROOM = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}


class EmbeddingCache:
    """Vectors of one model on disk.

    Parameters
    ----------
    folder : Path
        Where they are; it is made if needed.
    dtype : dtype
        Type they are kept in.
    max_bytes : int or None, default=None
        The oldest files are deleted when all of them are larger than that together.
    """

    def __init__(self, folder: Path, dtype: DTypeLike, max_bytes: int | None = None):
        self._folder = folder
        self._dtype = np.dtype(dtype)
        self._max_bytes = max_bytes
        # Where each key is: names of files, rows of these and their checksums. There is
        # more than one where two processes were at work, or where a file was damaged.
        self._places: dict[bytes, list[tuple[str, int, bytes]]] = {}
        self._known: set[str] = set()
        self._is_kept = True
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._give_up(error)

    def find(self, keys: Iterable[bytes]) -> dict[bytes, NDArray[np.generic]]:
        """Return the vectors of those keys that are here.

        Files that were cut, changed or deleted count as if they were not here.

        Parameters
        ----------
        keys : iterable of bytes
            What to look up.
        """
        self._look()
        tables: dict[str, NDArray[np.generic] | None] = {}
        found: dict[bytes, NDArray[np.generic]] = {}
        for key in keys:
            for name, at, check in self._places.get(key, ()):
                if name not in tables:
                    tables[name] = self._rows(name)
                rows_ND = tables[name]
                if rows_ND is None or at >= len(rows_ND):
                    continue
                row_D = np.array(rows_ND[at])
                if _check(row_D) == check:
                    found[key] = row_D
                    break
        return found

    def add(self, keys: Sequence[bytes], rows_ND: NDArray[np.generic]) -> None:
        """Keep vectors; when this returns they outlive the process.

        Where nothing can be written they are not kept, and a warning says so.

        Parameters
        ----------
        keys : sequence of bytes
            Their keys.
        rows_ND : ndarray of shape (n_keys, n_features)
            The vectors.
        """
        if not self._is_kept:
            return
        try:
            self._write(keys, np.ascontiguousarray(rows_ND, dtype=self._dtype))
            self._merge()
            self._limit_size()
        except OSError as error:
            self._give_up(error)

    @contextmanager
    def claim(self, name: str, seconds: float) -> Iterator[Callable[[], None] | None]:
        """Say that this process computes something, and for how long others believe it.

        Claims save work, they protect nothing: two processes that compute the same
        keep the same twice.

        Parameters
        ----------
        name : str
            What is computed.
        seconds : float
            A claim that was not renewed for so long is that of a dead process.

        Yields
        ------
        renew : callable or None
            Renews the claim; ``None`` if another process holds it.
        """
        path = self._folder / f"{name}.claim"

        def renew() -> None:
            with suppress(OSError):  # nothing can be written: others compute it, too
                path.touch()

        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            with suppress(FileNotFoundError):
                # Clocks of computers differ; a date of tomorrow is no promise.
                if abs(time.time() - path.stat().st_mtime) < seconds:
                    yield None
                    return
            renew()
        except OSError:
            pass
        try:
            yield renew
        finally:
            with suppress(OSError):
                path.unlink()

    def _give_up(self, error: OSError) -> None:
        if error.errno not in _NO_ROOM:
            raise error
        self._is_kept = False
        warnings.warn(
            f"Nothing can be kept in {self._folder} ({error.strerror}): embeddings are "
            "computed anew each time. Make cache_dir a folder that you may write to.",
            UserWarning,
            stacklevel=2,
        )

    def _write(self, keys: Sequence[bytes], rows_ND: NDArray[np.generic]) -> None:
        name = uuid.uuid4().hex
        entries = np.empty(len(keys), _ENTRY)
        entries["key"] = np.frombuffer(b"".join(keys), f"V{KEY_BYTES}")
        entries["check"] = np.frombuffer(b"".join(map(_check, rows_ND)), "V8")
        self._save(f"{name}.npy", rows_ND)
        self._save(f"{name}.keys.npy", entries)

    def _save(self, name: str, array: NDArray[np.generic]) -> None:
        draft = self._folder / f"{name}.{os.getpid()}.tmp"
        try:
            with draft.open("xb") as file:
                np.save(file, array, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._folder / name)
        finally:
            draft.unlink(missing_ok=True)

    def _look(self) -> None:
        """Read the keys of files that have come, and forget those that are gone."""
        listed: set[str] = set()
        with suppress(OSError):  # it could not be made, or may not be read
            listed = {path.name for path in self._folder.iterdir()}
        names = {n.removesuffix(".keys.npy") for n in listed if n.endswith(".keys.npy")}
        if gone := self._known - names:
            for key, places in list(self._places.items()):
                self._places[key] = [place for place in places if place[0] not in gone]
                if not self._places[key]:
                    del self._places[key]
            self._known -= gone
        for name in sorted(names - self._known):
            self._known.add(name)
            entries = _loaded(self._folder / f"{name}.keys.npy")
            if entries is not None and entries.dtype == _ENTRY and entries.ndim == 1:
                for at, (key, check) in enumerate(entries.tolist()):
                    places = self._places.setdefault(bytes(key), [])
                    places.append((name, at, bytes(check)))

    def _rows(self, name: str) -> NDArray[np.generic] | None:
        rows_ND = _loaded(self._folder / f"{name}.npy")
        if rows_ND is None or rows_ND.ndim != 2 or rows_ND.dtype != self._dtype:
            return None
        return rows_ND

    def _merge(self) -> None:
        """Write the vectors of many small files into few large ones."""
        self._look()
        if len(self._known) <= _MAX_FILES:
            return
        keys, old = (
            sorted(self._places, key=self._places.__getitem__),
            self._known.copy(),
        )
        for start in range(0, len(keys), _MERGED_ROWS):
            found = self.find(keys[start : start + _MERGED_ROWS])
            if found:
                self._write(list(found), np.stack(list(found.values())))
        for name in old:
            self._delete(name)

    def _delete(self, name: str) -> None:
        """Delete a pair of files, the keys first."""
        (self._folder / f"{name}.keys.npy").unlink(missing_ok=True)
        (self._folder / f"{name}.npy").unlink(missing_ok=True)

    def _limit_size(self) -> None:
        """Delete the oldest files beyond the limit, and what dead processes left."""
        sizes: dict[str, int] = {}
        times: dict[str, float] = {}
        for path in self._folder.iterdir():
            try:
                stat = path.stat()
            except FileNotFoundError:  # another process was first
                continue
            if path.suffix in (".tmp", ".claim"):
                if time.time() - stat.st_mtime > _DAY:
                    path.unlink(missing_ok=True)
            elif path.suffix == ".npy":
                name = path.name.removesuffix(".npy").removesuffix(".keys")
                sizes[name] = sizes.get(name, 0) + stat.st_size
                times[name] = min(times.get(name, stat.st_mtime), stat.st_mtime)
        total = sum(sizes.values())
        for name in sorted(sizes, key=lambda each: (times[each], each)):
            if self._max_bytes is None or total <= self._max_bytes:
                return
            self._delete(name)
            total -= sizes[name]


def _check(row_D: NDArray[np.generic]) -> bytes:
    return hashlib.blake2b(row_D.tobytes(), digest_size=8).digest()


def _loaded(path: Path) -> NDArray[np.generic] | None:
    """Return the array of a file; ``None`` if there is none that can be read."""
    try:
        array: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array
