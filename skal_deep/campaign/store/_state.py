"""What the files of a campaign say, together: who was asked what, what is left."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.store._control import control_keys
from skal_deep.campaign.store._events import OK, Event, Log
from skal_deep.campaign.store._items import Items
from skal_deep.campaign.store._labels import Labels, current_labels
from skal_deep.campaign.store._rounds import CHOSEN, CONTROL, REFEREE, Round
from skal_deep.campaign.store._settings import Settings

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class State:
    """What the files of a campaign say; rows count all items there ever were.

    Attributes
    ----------
    settings : Settings
        What was decided at the beginning.
    items : Items
        The items.
    rounds : list of Round
        What was asked.
    log : Log
        What was said.
    """

    settings: Settings
    items: Items
    rounds: list[Round]
    log: Log

    def __post_init__(self) -> None:
        for one in self.rounds:
            for name in one.ids:
                if name not in self.items.row_of:
                    raise ValueError(
                        f"Round {one.number} asked for {name!r}, and items.csv has no "
                        "such item: put the right file back, or the right round."
                    )

    @cached_property
    def labels(self) -> Labels:
        """What the annotators say now."""
        foreign = {event.event for event in self.foreign}
        events = [event for event in self.log.events if event.event not in foreign]
        return current_labels(events, self.items.row_of)

    @cached_property
    def foreign(self) -> list[Event]:
        """Labels that are no class of the campaign, or no number where one is due."""
        classes, is_regression = set(self.settings.classes), self.settings.is_regression
        return [
            event
            for event in self.log.events
            if event.status == OK
            and (
                isinstance(event.label, str)
                if is_regression
                else event.label not in classes
            )
        ]

    @cached_property
    def unknown(self) -> list[str]:
        """Ids that events name and that no item has."""
        named = {event.id for event in self.log.events}
        return sorted(named - self.items.row_of.keys())

    @cached_property
    def keys(self) -> NDArray[np.float64]:
        """The key of each item, by which chance picks."""
        return control_keys(self.settings.salt, self.items.ids)

    @cached_property
    def asked_in(self) -> dict[str, list[int]]:
        """The rounds that each item was in."""
        asked: dict[str, list[int]] = {}
        for one in self.rounds:
            for name in one.ids:
                asked.setdefault(name, []).append(one.number)
        return asked

    @cached_property
    def arms(self) -> dict[str, str]:
        """The arm of each item that was asked."""
        return {n: item["arm"] for one in self.rounds for n, item in one.items.items()}

    @cached_property
    def has_small_key(self) -> NDArray[np.bool_]:
        """Which items chance keeps for itself, whatever was said of them."""
        return np.asarray(self.keys < self.settings.reserve)

    @cached_property
    def is_reserved(self) -> NDArray[np.bool_]:
        """Which items are control, or wait to be: small keys, no label given before."""
        return self.has_small_key & ~self._is_given

    @cached_property
    def is_fresh(self) -> NDArray[np.bool_]:
        """Which items are kept for referees: large keys, no label given before."""
        return (self.keys >= 1 - self.settings.fresh) & ~self._is_given

    @cached_property
    def _is_given(self) -> NDArray[np.bool_]:
        """Which items had a label before the campaign: they train."""
        given = np.zeros(len(self.items), dtype=bool)
        given[self.items.rows(n for n in self.labels.answers if n not in self.arms)] = 1
        return given

    @cached_property
    def is_answered(self) -> NDArray[np.bool_]:
        """Which items need not be asked now.

        Who was unsure is asked again, but not in the very next round.
        """
        answered = np.zeros(len(self.items), dtype=bool)
        last = len(self.rounds)
        again = set(self.labels.unsure)
        for name, row in self._rows_of(self.labels.answers):
            asked = self.asked_in.get(name, [0])[-1]
            answered[row] = name not in again or asked >= last
        return answered

    def _rows_of(self, names: Iterable[str]) -> list[tuple[str, int]]:
        row_of = self.items.row_of
        return [(name, row_of[name]) for name in names]

    @cached_property
    def to_ask_again(self) -> list[str]:
        """Disputed items that were not asked again since."""
        asked = self.asked_in
        return [name for name in self.labels.disputed if len(asked.get(name, [])) == 1]

    def left(self, one: Round) -> list[str]:
        """Return the items of a round that nobody has answered in it."""
        rounds = self.labels.rounds
        return [n for n in one.ids if one.number not in rounds.get(n, ())]

    @property
    def open_round(self) -> Round | None:
        """The last round, if something of it is left."""
        if self.rounds and self.left(self.rounds[-1]):
            return self.rounds[-1]
        return None

    @cached_property
    def n_used(self) -> int:
        """How many items that were asked have a label, disputed ones included."""
        answers = self.labels.answers
        return sum(
            name in answers and any(e.status == OK for e in answers[name].values())
            for name in self.arms
        )

    @property
    def n_left(self) -> int:
        """How many more labels the budget allows."""
        return max(0, self.settings.budget - self.n_used)

    def labeled(self, arm: str | None) -> list[str]:
        """Return ids that have a label, of an arm or of none (given before).

        Parameters
        ----------
        arm : {"chosen", "control", "referee"} or None
            Which arm; ``None`` for those that were never asked.
        """
        return [name for name in self.labels.label if self.arms.get(name) == arm]

    def training(self, *, with_control: bool = False) -> list[str]:
        """Return ids whose labels train, in the order of the items.

        Parameters
        ----------
        with_control : bool, default=False
            Whether control items and referees train, too.
        """
        arms = {CHOSEN, None} | ({CONTROL, REFEREE} if with_control else set())
        names = [n for n in self.labels.label if self.arms.get(n) in arms]
        return sorted(names, key=self.items.row_of.__getitem__)

    def codes(self, names: list[str]) -> NDArray[np.float64] | NDArray[np.intp]:
        """Return labels as numbers: positions of classes, or the targets.

        Parameters
        ----------
        names : list of str
            Ids that have a label.
        """
        if self.settings.is_regression:
            return np.array([self.labels.label[n] for n in names], dtype=np.float64)
        position = {name: code for code, name in enumerate(self.settings.classes)}
        values = [position[str(self.labels.label[n])] for n in names]
        return np.array(values, dtype=np.intp)
