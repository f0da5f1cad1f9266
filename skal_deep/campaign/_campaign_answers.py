"""What people say of the items of a campaign, and how it is taken back."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skal_deep.campaign._add import Added, events_of
from skal_deep.campaign._answers import as_answer, event_of
from skal_deep.campaign._campaign_files import CampaignFiles
from skal_deep.campaign.store._events import (
    OK,
    VOID,
    Event,
    append_events,
    file_name,
    read_log,
    standing,
)
from skal_deep.campaign.store._files import lock
from skal_deep.campaign.store._read_labels import read_answers


class CampaignAnswers(CampaignFiles):
    """The part of a campaign that takes answers."""

    def label(
        self,
        labels: Mapping[str, Any],
        annotator: str,
        seconds: float | None = None,
        *,
        given: bool = False,
        via: str = "python",
        digests: Mapping[str, str] | None = None,
    ) -> list[Event]:
        """Write down what an annotator says; when it returns, it is on the disk.

        Parameters
        ----------
        labels : mapping of str to str, float, SKIP or UNSURE
            Answers by id. Unknown ids and classes are refused as a whole.
        annotator : str
            Who says it.
        seconds : float, default=None
            How long it took.
        given : bool, default=False
            Whether labels of items that were never asked are taken, too: those that
            existed before. They train, and never tell the error.
        via : str, default="python"
            How the answers came.
        digests : mapping of str to str, default=None
            Of what was shown, by id. ``None`` takes those that the campaign knows.

        Returns
        -------
        list of Event
            What was written.
        """
        if not hasattr(labels, "items"):
            raise TypeError(
                "labels must be answers by id, such as dict(zip(ids, answers)), not "
                f"{type(labels).__name__}."
            )
        state = self.state()
        file_name(annotator)
        events = [
            event_of(state, name, value, annotator, seconds, given, via, digests)
            for name, value in labels.items()
        ]
        append_events(self.path, events)
        return events

    def undo(self, id: str, annotator: str) -> Event:
        """Withdraw the last answer of an annotator to an item.

        Parameters
        ----------
        id : str
            The item.
        annotator : str
            Whose answer.

        Returns
        -------
        Event
            The withdrawal.
        """
        last = standing(self.events()).get(id, {}).get(annotator)
        if last is None:
            raise ValueError(f"{annotator} has no answer to {id!r} to withdraw.")
        event = Event(id, VOID, None, annotator, last.round, withdraws=last.event)
        append_events(self.path, [event])
        return event

    def add(
        self,
        file: str | Path,
        annotator: str = "file",
        *,
        given: bool = False,
        dry_run: bool = False,
        partial: bool = False,
    ) -> Added:
        """Take the labels of a file: CSV, events as JSONL, exports of Label Studio.

        Parameters
        ----------
        file : str or Path
            A CSV with the columns id and label, and annotator if wanted; events; JSON,
            JSON_MIN or CSV of Label Studio. A label that stands already adds nothing.
        annotator : str, default="file"
            Who said what has no name in the file.
        given : bool, default=False
            Whether labels of items that were never asked are taken, too.
        dry_run : bool, default=False
            Whether to say what would happen, and write nothing.
        partial : bool, default=False
            Whether to take the rest where some are refused.

        Returns
        -------
        Added
            What came of it. If anything is refused, nothing is added, unless
            ``partial``.
        """
        file_name(annotator)  # refuses what is no name
        with lock(self.path):  # so that the same file, added twice, counts once
            state = self.state()
            answers, warning = read_answers(Path(file), state.items.row_of)
            events, added = events_of(state, answers, annotator, given, as_answer)
            added = dataclasses.replace(added, warning=warning)
            if added.refused and not partial:
                return Added(refused=added.refused, warning=warning)
            if not dry_run:
                append_events(self.path, events)
        return added

    def events(self) -> list[Event]:
        """Return all that was said, each event once.

        Returns
        -------
        list of Event
            The events, as the files have them.
        """
        return read_log(self.path).events

    def labels(self, annotator: str | None = None) -> dict[str, Any]:
        """Return the labels by id.

        Parameters
        ----------
        annotator : str, default=None
            Whose labels; ``None`` are those of all together: of each item the label
            that most annotators gave, and none where they are divided.

        Returns
        -------
        dict of str to label
            Of each item that has one.
        """
        state = self.state()
        if annotator is None:
            return dict(state.labels.label)
        return {
            name: said[annotator].label
            for name, said in state.labels.answers.items()
            if annotator in said and said[annotator].status == OK
        }

    def answers(self, annotator: str) -> dict[str, Event]:
        """Return what an annotator says now, by id: labels, skips and doubts.

        Parameters
        ----------
        annotator : str
            Who.

        Returns
        -------
        dict of str to Event
            The last word on each item that the annotator was asked about.
        """
        said = self.state().labels.answers
        return {n: by[annotator] for n, by in said.items() if annotator in by}
