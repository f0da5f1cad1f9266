"""A labelling campaign: a folder that asks for labels and keeps them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from skactiveml.base import QueryStrategy

from skal_deep.campaign._answers import as_answer
from skal_deep.campaign._asking import (
    ask_round,
    model_of,
)
from skal_deep.campaign._batch import Batch
from skal_deep.campaign._campaign_answers import CampaignAnswers
from skal_deep.campaign._campaign_findings import CampaignFindings
from skal_deep.campaign._create import create_campaign
from skal_deep.campaign._export import PARTS, export_campaign
from skal_deep.campaign._sitting import Sitting
from skal_deep.campaign._widget import make_widget
from skal_deep.campaign.honest._simulate import PlayedCampaign, play_campaign
from skal_deep.campaign.store._control import control_keys
from skal_deep.campaign.store._files import lock
from skal_deep.campaign.store._find_source import SourceArguments
from skal_deep.campaign.store._rounds import Round


class Campaign(CampaignAnswers, CampaignFindings):
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
        referee_share: float = 0.0,
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
        referee_share : float, default=0
            Share of each batch that judges whether choosing helps: items on which a
            model of chosen labels and one of as many control labels disagree. 0.2 costs
            about a fifth of what choosing gains. See
            :class:`~skal_deep.evaluation.ControlArm`, whose verdict :meth:`status`
            then has.
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
            referee_share,
            seed,
        )
        return cls(path)

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
        Batch
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
        """Return the round that is not finished, if there is one.

        Returns
        -------
        Batch or None
            The round, with what is left to label of it.
        """
        one = self.state().open_round
        return None if one is None else self._batch(one)

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
        anywidget.AnyWidget
            What the notebook shows. It needs ``pip install 'skal-deep[notebook]'``.
        """
        return make_widget(Sitting(self, annotator, via="widget"))

    # What comes of it

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
        list of Path
            What was written.
        """
        return export_campaign(self, Path(out), only, refit, estimator, copy, pickle)

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
        strategy : QueryStrategy, default=None
            What chooses, as in :meth:`next`.
        estimator : object, default=None
            What is trained on the labels, as in :meth:`next`.
        batch_size : int, default=20
            How many items a round has, as in :meth:`next`.
        salt : str, default=None
            Decides the control items; ``None`` is the campaign's, and another one gives
            another campaign on the same items.

        Returns
        -------
        PlayedCampaign
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
