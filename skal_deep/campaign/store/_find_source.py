"""Which source a campaign has, and where its files are after they were moved."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skal_deep.campaign.store._array import Embeddings
from skal_deep.campaign.store._files import digest
from skal_deep.campaign.store._folder import Folder
from skal_deep.campaign.store._items import Found
from skal_deep.campaign.store._rows import Rows
from skal_deep.campaign.store._settings import Settings
from skal_deep.campaign.store._source import Source


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
        if not isinstance(given[kind], str | os.PathLike):
            raise TypeError(
                f"The {kind} items are read from where a path says, not from a "
                f"{type(given[kind]).__name__}. Save it to a file first."
            )
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
