"""What holds the items of a campaign."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from skal_deep.campaign.store._items import Found


class Source(ABC):
    """What holds the items.

    Attributes
    ----------
    path : Path
        The folder or the file.
    unreadable : list of str
        What the last look could not read, by path or row.
    """

    path: Path
    unreadable: list[str]

    @abstractmethod
    def look(self) -> list[Found]:
        """Return what there is now."""

    @abstractmethod
    def read(self, place: str) -> bytes:
        """Return what an item holds."""

    @abstractmethod
    def still_holds(self, places: Sequence[str], digests: Sequence[str]) -> bool:
        """Return whether items are where they were when it was looked at last.

        Who gives a row of a table to the wrong item gives a label to the wrong one.

        Parameters
        ----------
        places : sequence of str
            Where they were.
        digests : sequence of str
            Of what they held.
        """
