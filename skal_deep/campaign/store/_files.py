"""Files of a campaign: written whole or not at all, by one process at a time."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skal_deep.evaluation._journal import open_locked


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Let one process at a time write the files that are replaced.

    Parameters
    ----------
    folder : Path
        That of the campaign.
    """
    with open_locked(folder / ".lock", os.O_RDWR | os.O_CREAT):
        yield


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
    """Give a file to write, beside the one that it will be.

    Parameters
    ----------
    path : Path
        What it will be. The draft is deleted at the end, if it is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def replace(path: Path, content: bytes) -> None:
    """Write a file anew; whoever reads it meanwhile finds the old one or the new one.

    Parameters
    ----------
    path : Path
        The file.
    content : bytes
        All of it.
    """
    with draft_of(path) as draft:
        _write(draft, content)
        draft.replace(path)
    _sync_folder(path.parent)


def write_once(path: Path, content: bytes) -> bool:
    """Write a file that is never changed, unless it is there already.

    Parameters
    ----------
    path : Path
        The file.
    content : bytes
        All of it.

    Returns
    -------
    is_written : bool
        Whether this call wrote it; another process may have been first.
    """
    with draft_of(path) as draft:
        _write(draft, content)
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links; the campaign's lock is held
            if path.exists():
                return False
            draft.replace(path)
    _sync_folder(path.parent)
    return True


def digest(content: bytes) -> str:
    """Return the digest of a file or a text, as events and items name it.

    Parameters
    ----------
    content : bytes
        What was read.
    """
    return f"b2:{hashlib.blake2b(content, digest_size=16).hexdigest()}"


def digest_of_ids(ids: list[str]) -> str:
    """Return the digest of a list of ids, which changes with their order."""
    return digest("\n".join(ids).encode("utf-8", "surrogatepass"))


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where a system can say so."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
