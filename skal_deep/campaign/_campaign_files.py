"""What a campaign is: what was decided, its items, and what is seen of them."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from skal_deep.campaign._create import pinned
from skal_deep.campaign.models._features import FeatureFile
from skal_deep.campaign.store._array import Embeddings
from skal_deep.campaign.store._events import (
    read_log,
)
from skal_deep.campaign.store._files import lock
from skal_deep.campaign.store._find_source import relative_to, renamed, source_of
from skal_deep.campaign.store._folder import Folder
from skal_deep.campaign.store._items import NAME as ITEMS
from skal_deep.campaign.store._items import Items
from skal_deep.campaign.store._rounds import read_rounds
from skal_deep.campaign.store._rows import Rows
from skal_deep.campaign.store._settings import (
    Settings,
    check_budget,
    check_classes,
)
from skal_deep.campaign.store._source import Source
from skal_deep.campaign.store._state import State


class CampaignFiles:
    """What a campaign is, as its files say.

    Parameters
    ----------
    path : str or Path
        Folder of a campaign.
    trust : bool, default=False
        Whether a model that the folder names as ``module:function`` may be imported.
    """

    def __init__(self, path: str | Path, *, trust: bool = False):
        self.path = Path(path)
        self.trust = trust
        self._items: tuple[tuple[int, int, int], Items] | None = None
        Settings.read(self.path)

    def __repr__(self) -> str:
        return f"Campaign({str(self.path)!r})"

    @property
    def settings(self) -> Settings:
        """What was decided at the beginning, as campaign.json says it now."""
        return Settings.read(self.path)

    @property
    def classes(self) -> list[str]:
        """Names of the classes; none where labels are numbers."""
        return self.settings.classes

    @property
    def kind(self) -> str:
        """What an item is: "image", "text", "table" or "embeddings"."""
        return self.settings.kind

    @cached_property
    def source(self) -> Source:
        """Where the items are."""
        return source_of(self.settings, self.path)

    @property
    def items(self) -> Items:
        """All items there ever were, read again only if the file has changed."""
        path = self.path / ITEMS
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: put the file back.")
        stat = path.stat()
        # Each writing makes another file, even if it is too quick for the clock.
        mark = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if self._items is None or self._items[0] != mark:
            self._items = (mark, Items.read(self.path))
        return self._items[1]

    def state(self) -> State:
        """Return all that the files say now.

        Returns
        -------
        State
            Items, rounds, and answers so far.
        """
        return State(
            self.settings, self.items, read_rounds(self.path), read_log(self.path)
        )

    def left(self, number: int) -> list[str]:
        """Return the items of a round that nobody has answered.

        Parameters
        ----------
        number : int
            Of the round.

        Returns
        -------
        list of str
            Their ids.
        """
        state = self.state()
        return state.left(state.rounds[number - 1])

    def place(self, id: str) -> str:
        """Return where an item is: its path in the folder, or its row.

        Parameters
        ----------
        id : str
            The item.

        Returns
        -------
        str
            The path below the folder, or the number of the row.
        """
        items, source = self.items, self.source
        if id not in items.row_of:
            raise ValueError(f"There is no item {id!r} in {self.path}.")
        row = items.row_of[id]
        if isinstance(source, Folder):
            return items.places[row]
        if items.gone[row]:
            raise ValueError(f"{id!r} is gone from {source.path}.")
        self.check_places([row])
        return items.places[row]

    def check_places(self, rows: Iterable[int]) -> None:
        """Raise unless items are where they were when the source was looked at.

        Parameters
        ----------
        rows : iterable of int
            Which items, none of them gone.
        """
        items, rows = self.items, list(rows)
        places = [items.places[row] for row in rows]
        if not self.source.still_holds(places, [items.digests[row] for row in rows]):
            raise ValueError(
                f"{self.path / self.settings.source['path']} was changed since the "
                f"campaign looked at it: run python -m skal_deep init {self.path}, "
                "which looks again."
            )

    def read(self, id: str) -> bytes:
        """Return what an item holds: the bytes of a file, a text.

        Parameters
        ----------
        id : str
            The item.

        Returns
        -------
        bytes
            The content.
        """
        return self.source.read(self.place(id))

    def text(self, id: str) -> str:
        """Return an item in words: a text, the entries of a row, the name of a file.

        Parameters
        ----------
        id : str
            The item.

        Returns
        -------
        str
            The words.
        """
        source, place = self.source, self.place(id)
        if isinstance(source, Rows):
            entries = source.entries(place)
            if len(entries) == 1:
                return next(iter(entries.values()))
            return "\n".join(f"{name}: {value}" for name, value in entries.items())
        if isinstance(source, Embeddings):
            shown = " ".join(f"{value:.3g}" for value in source.array[int(place)][:8])
            return f"{shown} ..." if source.array.shape[1] > 8 else shown
        return place

    # Changing what was decided

    def add_classes(self, classes: Sequence[str]) -> None:
        """Say what the classes are now: new ones stand behind the old ones.

        Parameters
        ----------
        classes : sequence of str
            All of them, or the new ones.
        """
        with lock(self.path):
            settings = self.settings
            if settings.is_regression:
                raise ValueError(
                    "The labels of this campaign are numbers, not classes."
                )
            old, named = settings.classes, [str(name).strip() for name in classes]
            new = [name for name in named if name not in old]
            if dropped := [name for name in old if name not in named and new == []]:
                raise ValueError(
                    f"{dropped} cannot be taken out of the classes: they may have "
                    "labels. Name all classes that there are, and new ones behind them."
                )
            if new:
                all_names = check_classes([*old, *new])
                settings.changed(classes=all_names).write(self.path)

    def set_budget(self, budget: int) -> None:
        """Say how many labels may be asked for now.

        Parameters
        ----------
        budget : int
            All of them together.
        """
        with lock(self.path):
            self.settings.changed(budget=check_budget(budget)).write(self.path)

    def unreadable(self) -> list[str]:
        """Return what the source holds and nobody can read, by path or line.

        Returns
        -------
        list of str
            The paths or lines.
        """
        self.source.look()
        return list(self.source.unreadable)

    def move_source(self, path: str | Path) -> None:
        """Say where the items are after they were moved.

        Parameters
        ----------
        path : str or Path
            The folder or the file.
        """
        path = Path(path).expanduser()
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there.")
        with lock(self.path):
            settings = self.settings
            source = {**settings.source, "path": relative_to(path, self.path)}
            settings.changed(source=source).write(self.path)
        vars(self).pop("source", None)
        self.rescan()

    def rescan(self) -> Items:
        """Look at the source again: new items are added, missing ones marked gone.

        A file that was moved and whose content is known keeps its id.

        Returns
        -------
        Items
            The items of the source as it is now.
        """
        with lock(self.path):
            return self._rescan()

    def _rescan(self) -> Items:
        vars(self).pop("source", None)
        items, source = self.items, self.source
        if isinstance(source, Embeddings) and source.is_as_it_was():
            return items
        found = source.look()
        moved = renamed(source, items.places, items.digests, items.sizes, found)
        last_round = len(read_rounds(self.path))
        updated = items.updated(
            found, last_round, by_place=isinstance(source, Folder), moved=moved
        )
        if not updated.same_as(items):
            updated.write(self.path)
        settings = pinned(self.settings, source)
        if settings != self.settings:
            settings.write(self.path)
            vars(self).pop("source")  # which knows the array as it was before
        return self.items

    # What strategies and models see

    def default_features(self) -> str:
        """Return the features to compute where nothing is said: those of before.

        Returns
        -------
        str
            Their name.
        """
        known = self.settings.features
        about = None if known is None else FeatureFile(self.path, known).about()
        if about is not None:
            return str(about["features"])
        return "tfidf" if self.kind == "text" else "pixels"
