"""What came of a campaign: a model, its error, where it stands."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign._asking import (
    MISSING,
    features_of,
    model_of,
    situation_of,
)
from skal_deep.campaign._campaign_features import CampaignFeatures
from skal_deep.campaign.honest._chance_curve import chance_curve
from skal_deep.campaign.honest._honest import Estimate, control_sample, estimate_from
from skal_deep.campaign.honest._plan import (
    answers_on,
    fit_round,
)
from skal_deep.campaign.honest._status import Status, status_of, stored_answers
from skal_deep.campaign.store._errors import NoFeaturesError
from skal_deep.evaluation import Table


class CampaignFindings(CampaignFeatures):
    """The part of a campaign that trains on labels, and says how wrong it is."""

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
        object
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
        Estimate
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

    def chance_curve(self, estimator: Any = None) -> Table:
        """Compare models of chosen labels with models of as many random ones.

        It is a picture, and no test: for evidence while you label, begin a campaign
        with a ``referee_share``.

        Parameters
        ----------
        estimator : object, default=None
            The classifier; ``None`` is the campaign's model.

        Returns
        -------
        Table
            For some numbers of labels, the error of a model of the first ones that a
            strategy chose, and that of models of control labels, each judged on others
            than it was trained on. The 95 % intervals are exact for chosen labels; for
            random ones they allow for folds that share models, as
            :func:`~skal_deep.evaluation.current_error` does.
        """
        state = self.state()
        estimator, _ = model_of(self, state.settings, estimator, None)
        situation, has = situation_of(self, state)
        return chance_curve(state, situation, has, estimator)

    def status(self) -> Status:
        """Return where the campaign stands: labels, errors over rounds, advice.

        Returns
        -------
        Status
            The numbers; print it.
        """
        try:
            has_features = features_of(self, self.items)[1]
        except NoFeaturesError:
            has_features = None
        return status_of(self.path, self.state(), has_features)
