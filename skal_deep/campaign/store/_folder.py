"""A folder of images, in which items are files."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from stat import S_ISREG
from urllib.parse import quote_from_bytes

from skal_deep.campaign.store._items import Found
from skal_deep.campaign.store._source import Source

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
        self.check_is_there()
        self.unreadable = []
        found = []
        root = os.path.realpath(self.path)
        for relative, entry in sorted(_files(root, ""), key=lambda pair: pair[0]):
            try:
                # Links may lead to other folders, but not out of this one.
                if entry.is_symlink() and not _is_inside(root, entry.path):
                    raise OSError("a link that leads out")
                stat = entry.stat()
                # To open a pipe waits for whoever writes into it, perhaps for ever.
                is_file = S_ISREG(stat.st_mode)
                is_image = is_file and _begins_right(entry.path)
            except OSError:
                is_image = False
            if not is_image:
                self.unreadable.append(relative)
                continue
            size, time = str(stat.st_size), str(stat.st_mtime_ns)
            found.append(Found(relative, size, time, "", _as_id(relative)))
        return found

    def check_is_there(self) -> None:
        """Raise unless the folder is where it was."""
        if not self.path.is_dir():
            raise FileNotFoundError(
                f"The folder of images {self.path} is not there. If it was moved, say "
                "where it is: python -m skal_deep init CAMPAIGN --source NEW."
            )

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

    def still_holds(self, places: Sequence[str], digests: Sequence[str]) -> bool:  # noqa: ARG002
        """Return yes: an item is a file of that name, whatever it holds."""
        return True


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
