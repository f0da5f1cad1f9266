"""A labelling campaign: a folder that asks for labels and keeps them."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from skactiveml.base import QueryStrategy

from skal_deep.campaign._add import Added, events_of
from skal_deep.campaign._answers import as_answer, event_of
from skal_deep.campaign._asking import (
    MISSING,
    ask_round,
    features_of,
    model_of,
    situation_of,
)
from skal_deep.campaign._batch import Batch
from skal_deep.campaign._create import create_campaign, pinned
from skal_deep.campaign._embed import Embedded, embed_items, lock_features
from skal_deep.campaign._export import PARTS, export_campaign
from skal_deep.campaign._sitting import Sitting
from skal_deep.campaign._widget import make_widget
from skal_deep.campaign.honest._honest import Estimate, control_sample, estimate_from
from skal_deep.campaign.honest._plan import (
    answers_on,
    fit_round,
)
from skal_deep.campaign.honest._simulate import PlayedCampaign, play_campaign
from skal_deep.campaign.honest._status import Status, status_of, stored_answers
from skal_deep.campaign.models._extractors import feature_name, make_extractor
from skal_deep.campaign.models._features import FeatureFile
from skal_deep.campaign.store._control import control_keys
from skal_deep.campaign.store._errors import NoFeaturesError
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
from skal_deep.campaign.store._images import MAX_PIXELS
from skal_deep.campaign.store._items import NAME as ITEMS
from skal_deep.campaign.store._items import Items
from skal_deep.campaign.store._read_labels import read_answers
from skal_deep.campaign.store._rounds import Round, read_rounds
from skal_deep.campaign.store._settings import (
    Settings,
    check_budget,
    check_classes,
)
from skal_deep.campaign.store._source import (
    Embeddings,
    Folder,
    Rows,
    Source,
    SourceArguments,
    relative_to,
    renamed,
    source_of,
)
from skal_deep.campaign.store._state import State


class Campaign:
    """A labelling campaign: a folder that asks for labels and keeps them.

    It needs no label to begin with. ``next`` asks for a batch, ``label`` takes what
    people say, and both may be done by other processes, on other days: everything is
    on disk when a call returns, and nothing else is remembered.

    Use it to label data of your own. To see how a strategy would have done on data
    whose labels are known, use ``compare_strategies``.

    Parameters
    ----------
    path : str or Path
        Folder of a campaign that was made by :meth:`create`.
    trust : bool, default=False
        Whether a model that the folder names as ``module:function`` may be imported,
        which runs code.

    See Also
    --------
    Batch : What ``next`` returns.
    skal_deep.evaluation.SimulatedActiveLearner : Plays the same loop with an oracle.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> from skal_deep.campaign import Campaign
    >>> folder = Path(tempfile.mkdtemp())
    >>> X = np.random.default_rng(0).normal(size=(300, 4))
    >>> np.save(folder / "X.npy", X)
    >>> c = Campaign.create(
    ...     folder / "signs", embeddings=folder / "X.npy", classes=["-1", "+1"],
    ...     budget=40,
    ... )
    >>> for _ in range(2):
    ...     batch = c.next(batch_size=10)
    ...     labels = {n: "+1" if X[int(n[1:]), 0] > 0 else "-1" for n in batch.ids}
    ...     events = c.label(labels, annotator="anna")
    >>> len(Campaign(folder / "signs").labels())
    20
    """

    def __init__(self, path: str | Path, *, trust: bool = False):
        self.path = Path(path)
        self.trust = trust
        self._items: tuple[tuple[int, int, int], Items] | None = None
        Settings.read(self.path)

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        images: str | Path | None = None,
        texts: str | Path | None = None,
        table: str | Path | None = None,
        embeddings: str | Path | None = None,
        column: str | None = None,
        id: str | None = None,
        ids: str | Path | None = None,
        classes: Sequence[str] | None = None,
        numbers: bool = False,
        budget: int,
        control_share: float = 0.2,
        reserve: float | None = None,
        seed: int = 0,
    ) -> "Campaign":
        """Begin a campaign.

        Parameters
        ----------
        path : str or Path
            Folder to make.
        images : str or Path, default=None
            A folder with images.
        texts : str or Path, default=None
            A table with a text in each row, in ``column``.
        table : str or Path, default=None
            A table of numbers and words.
        embeddings : str or Path, default=None
            An array (n_items, n_features), written by ``numpy.save``.
        column : str, default=None
            Column of the texts.
        id : str, default=None
            Column of the ids, of texts and tables. ``None`` makes ids of the content.
        ids : str or Path, default=None
            File with an id a line, for an array. ``None`` numbers its rows.
        classes : sequence of str, default=None
            Names of the classes.
        numbers : bool, default=False
            Whether labels are numbers.
        budget : int
            How many labels may be asked for.
        control_share : float, default=0.2
            Share of each batch that chance picks. These labels do not train: they tell
            the error. 0 asks for none.
        reserve : float or int, default=None
            How many items are kept for chance to pick from, or which share of all.
            ``None`` is one and a half times the control labels of the budget, at least
            50, at most half of all.
        seed : int, default=0
            Seed of everything that is drawn, but for the control arm.

        Returns
        -------
        campaign : Campaign
            The campaign.
        """
        arguments = SourceArguments(images, texts, table, embeddings, column, id, ids)
        create_campaign(
            Path(path),
            arguments,
            None if classes is None else list(classes),
            numbers,
            budget,
            control_share,
            reserve,
            seed,
        )
        return cls(path)

    def __repr__(self) -> str:
        return f"Campaign({str(self.path)!r})"

    # What a campaign is

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
        """Return all that the files say now."""
        return State(
            self.settings, self.items, read_rounds(self.path), read_log(self.path)
        )

    def place(self, id: str) -> str:
        """Return where an item is: its path in the folder, or its row.

        Parameters
        ----------
        id : str
            The item.
        """
        items = self.items
        if id not in items.row_of:
            raise ValueError(f"There is no item {id!r} in {self.path}.")
        return items.places[items.row_of[id]]

    def read(self, id: str) -> bytes:
        """Return what an item holds: the bytes of a file, a text.

        Parameters
        ----------
        id : str
            The item.
        """
        return self.source.read(self.place(id))

    def text(self, id: str) -> str:
        """Return an item in words: a text, the entries of a row, the name of a file.

        Parameters
        ----------
        id : str
            The item.
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
        """Return what the source holds and nobody can read, by path or line."""
        self.source.look()
        return list(self.source.unreadable)

    def default_features(self) -> str:
        """Return the features to compute where nothing is said: those of before."""
        known = self.settings.features
        about = None if known is None else FeatureFile(self.path, known).about()
        if about is not None:
            return str(about["features"])
        return "tfidf" if self.kind == "text" else "pixels"

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
        return self.items

    def embed(
        self,
        features: str = "pixels",
        *,
        batch_size: int = 64,
        device: str = "cpu",
        download: bool = False,
        max_pixels: float = MAX_PIXELS,
        report: Callable[[int, int], None] | None = None,
    ) -> Embedded:
        """Compute features of all items, which strategies and models see.

        Items that have them are left out, so that a call that was interrupted goes on.

        Parameters
        ----------
        features : str, default="pixels"
            "pixels", "tfidf", "torchvision:NAME", "timm:NAME", "transformers:NAME", or
            ``module:function``: a function that takes a list of paths, texts or rows
            and returns an array with a row for each.
        batch_size : int, default=64
            Items a pass.
        device : str, default="cpu"
            Where to compute.
        download : bool, default=False
            Whether weights may be fetched from the internet.
        max_pixels : float, default=1e8
            Larger images count as broken.
        report : callable, default=None
            Is told how many of how many items are done.

        Returns
        -------
        embedded : Embedded
            What was done.
        """
        if self.kind in ("table", "embeddings") and ":" not in features:
            raise ValueError(
                f"Items of the kind {self.kind} have their features with them: go on "
                f"with python -m skal_deep next {self.path}."
            )
        file = FeatureFile(self.path, feature_name(features))
        extractor = make_extractor(
            features,
            self.kind,
            batch_size=batch_size,
            device=device,
            download=download,
        )
        self.rescan()
        with lock_features(file):
            embedded = embed_items(
                self,
                extractor,
                file,
                features,
                batch_size,
                max_pixels,
                report,
            )
        with lock(self.path):
            if self.settings.features != file.name:
                self.settings.changed(features=file.name).write(self.path)
        return embedded

    # Asking

    def next(
        self,
        strategy: QueryStrategy | None = None,
        estimator: Any = None,
        batch_size: int = 20,
        *,
        model: Mapping[str, Any] | None = None,
        skip_rest: bool = False,
    ) -> Batch:
        """Return what to label next: the open round, or a new one.

        Parameters
        ----------
        strategy : QueryStrategy, default=None
            What chooses. ``None`` takes typical items, by ``TypiClust``, until every
            class has two labels or a quarter of the budget is spent, and then uncertain
            ones, by ``MarginSampling``.
        estimator : object, default=None
            What is trained on the labels: a classifier or regressor. ``None`` takes the
            campaign's model, a linear one on standardised features.
        batch_size : int, default=20
            How many items to ask for; fewer if the budget or the pool ends.
        model : mapping, default=None
            A model by name, with "name" and "set", instead of ``estimator``.
        skip_rest : bool, default=False
            Whether to close the open round. What was not labelled of it may be asked
            again later.

        Returns
        -------
        batch : Batch
            What to label.

        Raises
        ------
        NothingToDoError
            If the budget is spent or nothing is left to ask for.
        """
        if not (isinstance(batch_size, int) and batch_size >= 1):
            raise ValueError(
                f"batch_size must be a whole number from 1 up, not {batch_size!r}."
            )
        with lock(self.path):
            self._rescan()
            state = self.state()
            if state.open_round is not None and not skip_rest:
                return self._batch(state.open_round)
            asked = ask_round(self, state, strategy, estimator, model, batch_size)
            if model is not None and dict(model) != state.settings.model:
                self.settings.changed(model=dict(model)).write(self.path)
        return self._batch(asked)

    def _batch(self, one: Round) -> Batch:
        return Batch(self, one.number, list(one.ids))

    def open_round(self) -> Batch | None:
        """Return the round that is not finished, if there is one."""
        one = self.state().open_round
        return None if one is None else self._batch(one)

    def left(self, number: int) -> list[str]:
        """Return the items of a round that nobody has answered.

        Parameters
        ----------
        number : int
            Of the round.
        """
        state = self.state()
        return state.left(state.rounds[number - 1])

    # Answers

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
        events : list of Event
            What was written.
        """
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
        event : Event
            The withdrawal.
        """
        last = standing(self.events()).get(id, {}).get(annotator)
        if last is None:
            raise ValueError(f"{annotator} has no answer to {id!r} to withdraw.")
        event = Event(id, VOID, None, annotator, last.round, withdraws=last.event)
        append_events(self.path, [event])
        return event

    def events(self) -> list[Event]:
        """Return all that was said, each event once."""
        return read_log(self.path).events

    def labels(self, annotator: str | None = None) -> dict[str, Any]:
        """Return the labels by id.

        Parameters
        ----------
        annotator : str, default=None
            Whose labels; ``None`` are those of all together: of each item the label
            that most annotators gave, and none where they are divided.
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
        """
        said = self.state().labels.answers
        return {n: by[annotator] for n, by in said.items() if annotator in by}

    def data(
        self, features: str | None = None
    ) -> tuple[NDArray[Any], NDArray[Any], list[str]]:
        """Return features, labels and ids of all items that have features.

        Control labels are among them: leave them out of training, as :meth:`fit` does,
        if they are to tell the error.

        Parameters
        ----------
        features : str, default=None
            Name of the features; ``None`` are the campaign's.

        Returns
        -------
        X : ndarray of shape (n_items, n_features)
            Features.
        y : ndarray of shape (n_items,)
            Places of the labels in ``classes``, -1 where there is none; numbers, NaN
            where there is none.
        ids : list of str
            Ids.
        """
        state = self.state()
        X, has = features_of(self, state.items, features)
        regression = state.settings.is_regression
        y = np.full(len(state.items), np.nan if regression else MISSING)
        names = list(state.labels.label)
        y[state.items.rows(names)] = state.codes(names)
        y = y if regression else y.astype(np.intp)
        ids = [name for name, fine in zip(state.items.ids, has, strict=True) if fine]
        return X[has], y[has], ids

    # What came of it

    def fit(
        self, estimator: Any = None, *, refit: str = "chosen", model: Any = None
    ) -> Any:
        """Return a model, trained on the labels that there are now.

        Parameters
        ----------
        estimator : object, default=None
            What is trained; ``None`` is the campaign's model.
        refit : {"chosen", "all"}, default="chosen"
            Whether control labels train, too. The error that :meth:`estimate` states is
            that of a model without them.
        model : mapping, default=None
            A model by name, with "name" and "set", instead of ``estimator``.

        Returns
        -------
        model : object
            The fitted model. Classes are their places in ``classes``.
        """
        if refit not in ("chosen", "all"):
            raise ValueError(f"refit must be 'chosen' or 'all', not {refit!r}.")
        state = self.state()
        estimator, _ = model_of(self, state.settings, estimator, model)
        situation, _ = situation_of(self, state, with_control=refit == "all")
        number = len(state.rounds) + 1
        fitted = fit_round(situation, estimator, state.settings.seed, number)
        if fitted is None:
            raise ValueError(
                f"No label of {self.path} trains a model yet: label the open round "
                f"first, by python -m skal_deep label {self.path}."
            )
        return fitted

    def predict(self, model: Any) -> tuple[list[str], NDArray[np.float64]]:
        """Return what a model says of all items that have features and are there.

        Parameters
        ----------
        model : object
            A fitted model, such as :meth:`fit` returns.

        Returns
        -------
        ids : list of str
            Ids.
        answers : ndarray of shape (n_items, n_classes) or (n_items, 1)
            Probabilities in the order of ``classes``, or numbers.
        """
        items = self.items
        X, has = features_of(self, items)
        rows = np.flatnonzero(has & ~items.is_gone)
        codes = np.arange(len(self.classes))
        return [items.ids[row] for row in rows], answers_on(model, X[rows], codes)

    def estimate(
        self,
        metric: str | None = None,
        *,
        level: float = 0.95,
        target: float | None = None,
        estimator: Any = None,
    ) -> Estimate:
        """Say how wrong the model is, from control labels alone.

        Parameters
        ----------
        metric : {"error", "recall", "precision", "mae"}, default=None
            What to estimate; ``None`` is "error", for numbers "mae" (the mean absolute
            error).
        level : float, default=0.95
            Probability that the interval covers, at least.
        target : float, default=None
            An error; the estimate says whether it is below that.
        estimator : object, default=None
            The model; ``None`` is the one of the last round, trained on the labels that
            there are now if it is known by name, else as it was then.

        Returns
        -------
        estimate : Estimate
            Print it.
        """
        state = self.state()
        settings = state.settings
        metric = metric or ("mae" if settings.is_regression else "error")
        X, has = features_of(self, state.items)
        sample = control_sample(state, has)
        last = state.rounds[-1].content["model"]["name"] if state.rounds else None
        is_own = last not in (None, settings.model["name"])
        if estimator is None and is_own:
            sample, answers_NC = stored_answers(self.path, state, sample)
        elif len(sample) and state.training():
            fitted = self.fit(estimator)
            codes = np.arange(len(settings.classes))
            answers_NC = answers_on(fitted, X[sample.rows], codes)
        else:
            sample, answers_NC = sample.none(), np.zeros((0, 1))
        said = answers_NC[:, 0]
        if not settings.is_regression and len(sample):
            said = answers_NC.argmax(axis=1)
        return estimate_from(sample, said, metric, level, target, settings.classes)

    def status(self) -> Status:
        """Return where the campaign stands: labels, errors over rounds, advice."""
        try:
            has_features = features_of(self, self.items)[1]
        except NoFeaturesError:
            has_features = None
        return status_of(self.path, self.state(), has_features)

    @property
    def has_features(self) -> bool:
        """Whether there is something that strategies and models see."""
        try:
            features_of(self, self.items)
        except NoFeaturesError:
            return False
        return True

    def export(
        self,
        out: str | Path,
        only: Sequence[str] = PARTS,
        *,
        refit: str = "chosen",
        estimator: Any = None,
        copy: bool = False,
        pickle: bool = False,
    ) -> list[Path]:
        """Write labels, predictions, the model, tasks for Label Studio, and a report.

        Parameters
        ----------
        out : str or Path
            Folder to write to.
        only : sequence of str, default=all
            Which parts: "labels", "predictions", "model", "labelstudio", "tree" (a
            folder a class, for images), "wide" (a column an annotator).
        refit : {"chosen", "all"}, default="chosen"
            Whether control labels train the model that is written, too.
        estimator : object, default=None
            What is trained; ``None`` is the campaign's model.
        copy : bool, default=False
            Whether the tree holds copies instead of links.
        pickle : bool, default=False
            Whether a model that is neither linear nor a net may be pickled.

        Returns
        -------
        files : list of Path
            What was written.
        """
        return export_campaign(self, Path(out), only, refit, estimator, copy, pickle)

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
        added : Added
            What came of it. If anything is refused, nothing is added, unless
            ``partial``.
        """
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

    def widget(self, annotator: str) -> Any:
        """Return the labelling page for a notebook: show it, and label in it.

        It shows the open round, by the same script as ``python -m skal_deep label``,
        and writes the same events. The kernel is free while it is shown.

        Parameters
        ----------
        annotator : str
            Who labels.

        Returns
        -------
        widget : anywidget.AnyWidget
            What the notebook shows. It needs ``pip install 'skal-deep[notebook]'``.
        """
        return make_widget(Sitting(self, annotator, via="widget"))

    def simulate(
        self,
        y: ArrayLike,
        strategy: QueryStrategy | None = None,
        estimator: Any = None,
        batch_size: int = 20,
        *,
        salt: str | None = None,
    ) -> PlayedCampaign:
        """Play the campaign with answers that are known, in memory.

        Parameters
        ----------
        y : array-like of shape (n_items,)
            The label of each item, in the order of :meth:`data`.
        strategy, estimator, batch_size
            As in :meth:`next`.
        salt : str, default=None
            Decides the control items; ``None`` is the campaign's, and another one gives
            another campaign on the same items.

        Returns
        -------
        played : PlayedCampaign
            What came of it.
        """
        settings = self.settings
        estimator, _ = model_of(self, settings, estimator, None)
        X, _, ids = self.data()
        labels = np.asarray(y)
        if len(labels) != len(ids):
            raise ValueError(
                f"y has {len(labels)} labels, and {len(ids)} items have features."
            )
        answers = [as_answer(settings, label)[1] for label in labels.tolist()]
        if not settings.is_regression:
            answers = [settings.classes.index(str(label)) for label in answers]
        return play_campaign(
            X,
            np.array(answers),
            settings.classes,
            estimator,
            strategy,
            batch_size=batch_size,
            budget=settings.budget,
            share=settings.control_share,
            keys=control_keys(salt or settings.salt, ids),
            seed=settings.seed,
        )
