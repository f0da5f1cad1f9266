"""What holds the items of a campaign."""

from abc import ABC, abstractmethod

from skal_deep.campaign.store._items import Found


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
