"""What the annotators together say of each item now."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from skal_deep.campaign.store._events import OK, SKIP_STATUS, Event, standing


@dataclass(frozen=True)
class Labels:
    """What the annotators together say.

    Attributes
    ----------
    answers : dict of str to dict of str to Event
        What each annotator says now, by item.
    label : dict of str to str or float
        The label of each item: the one that most annotators gave; of numbers the
        median.
    disputed : list of str
        Items of which as many annotators say one thing as another.
    skipped : list of str
        Items that all who saw them skipped.
    unsure : list of str
        Items that were answered, by nobody with a label and not by all with a skip.
    """

    answers: dict[str, dict[str, Event]]
    label: dict[str, str | float]
    disputed: list[str]
    skipped: list[str]
    unsure: list[str]

    @cached_property
    def rounds(self) -> dict[str, set[int]]:
        """The rounds in which each item was answered."""
        return {
            name: {event.round for event in by_annotator.values()}
            for name, by_annotator in self.answers.items()
        }


def current_labels(events: Iterable[Event], known_ids: Iterable[str]) -> Labels:
    """Return what the annotators together say of known items.

    Parameters
    ----------
    events : iterable of Event
        All that was said.
    known_ids : iterable of str
        Ids of items that there are.
    """
    known = known_ids if isinstance(known_ids, dict) else set(known_ids)
    answers = {k: v for k, v in standing(events).items() if k in known}
    label: dict[str, str | float] = {}
    disputed, skipped, unsure = [], [], []
    for name, by_annotator in answers.items():
        given = [e.label for e in by_annotator.values() if e.status == OK]
        numbers = [value for value in given if isinstance(value, int | float)]
        if numbers:
            label[name] = float(median(numbers))
        elif given:
            (first, most), *others = Counter(map(str, given)).most_common(2)
            if others and others[0][1] == most:
                disputed.append(name)
            else:
                label[name] = first
        elif all(event.status == SKIP_STATUS for event in by_annotator.values()):
            skipped.append(name)
        else:
            unsure.append(name)
    return Labels(answers, label, disputed, skipped, unsure)
