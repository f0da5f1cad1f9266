"""What one query may look at."""

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skal_deep.classifier import Model, as_model
from skal_deep.classifier.door._model_checks import class_positions
from skal_deep.functional import nearest_neighbors
from skal_deep.pool._history import History
from skal_deep.pool._rows import Rows
from skal_deep.rows._data import n_rows, take


class Pool(Rows):
    """The candidates of one query, and what is known beside them.

    A strategy of your own gets it in ``_score`` or ``_select``; use it to read the
    candidates, the labelled rows and the model's answers. The base class makes it;
    nobody else has to.

    Parameters
    ----------
    data : array of shape (n_samples, ...), table, sparse matrix or dict of arrays
        All inputs that the candidates are taken from.
    positions : ndarray of shape (N,)
        Which of them are candidates.
    model : Model
        Answers for them.
    seed : int
        Seed of posterior draws; equal seeds give coupled draws.
    labeled : Rows
        The labelled rows.
    y_labeled : ndarray of shape (M,)
        Their labels.
    unlabeled : Rows
        The unlabelled rows of the data, candidates or not.
    is_foreign : bool
        Whether the candidates were given as inputs, not as rows of the data.
    is_all : bool
        Whether the candidates are exactly the unlabelled rows.
    without : callable
        Takes positions among the labelled rows; returns a clone of the classifier that
        is fitted without their labels.
    generator : torch.Generator
        The one source of randomness, on the CPU.
    with_utilities : bool
        Whether the caller asks for utilities. If not, a strategy need not compute them.
    cost : ndarray of shape (N,) or None
        What the label of each candidate costs, if that was said.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of all rows of the data.
    history : History, default=None
        The data as they were given, and the batches of earlier queries.

    Attributes
    ----------
    score_whole : callable or None
        Where utilities of inputs are to compare with the population: a strategy's way
        to score :meth:`whole`, for its selection rule.
    unlabeled_beside : Rows or None
        The unlabelled rows, if there are any and the candidates are others. A strategy
        that looks at the whole population must then look at these, in whatever form
        the candidates are given.

    See Also
    --------
    Rows : The answers of the model, for candidates and other rows alike.
    DeepQueryStrategy : Makes the pool and hands it to a strategy.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.pool import ScoreQueryStrategy
    >>> class Farthest(ScoreQueryStrategy):
    ...     _works_on_inputs, selection = True, None
    ...     def _score(self, pool):
    ...         return torch.cdist(pool.embed(), pool.labeled.embed()).amin(1)
    >>> Farthest().query([[0.0], [1.0], [5.0]], [0, -1, -1])
    array([2])
    """

    def __init__(
        self,
        data: Any,
        positions: NDArray[np.intp],
        model: Model,
        seed: int,
        *,
        labeled: Rows,
        y_labeled: NDArray[Any],
        unlabeled: Rows,
        is_foreign: bool,
        is_all: bool,
        without: Callable[[NDArray[np.intp]], Any],
        generator: torch.Generator,
        with_utilities: bool,
        cost: NDArray[np.float64] | None = None,
        sample_weight: NDArray[Any] | None = None,
        history: History | None = None,
    ):
        super().__init__(data, positions, model, seed)
        self.labeled = labeled
        self.y_labeled = y_labeled
        self.unlabeled = unlabeled
        self.is_foreign = is_foreign
        self._without = without
        self.generator = generator
        self.with_utilities = with_utilities
        self.cost = cost
        self._sample_weight = sample_weight
        self.history = history
        self.score_whole: Callable[[], Tensor] | None = None
        self.unlabeled_beside = None if is_all or not len(unlabeled) else unlabeled
        if is_all and not is_foreign:  # the same rows in the same order
            unlabeled._answers = self._answers

    def embed_data(self) -> Tensor:
        """Return embeddings of all rows of the data, the labelled ones first.

        Returns
        -------
        Tensor of shape (M, D)
            The embeddings.
        """
        parts = (self.labeled, self.unlabeled)
        return torch.cat([rows.embed() for rows in parts if len(rows)])

    def look_at_data(self) -> None:
        """Predict and embed all rows of the data, in one pass where the model can.

        Ask for it before anything else if you will ask for both.
        """
        for rows in (self.labeled, self.unlabeled):
            if len(rows):
                rows.predict_and_embed()

    def predict_data(self, some: Tensor) -> Tensor:
        """Return class probabilities of some rows of :meth:`embed_data`.

        Parameters
        ----------
        some : Tensor of shape (n,)
            Their positions, rising.

        Returns
        -------
        Tensor of shape (n, C)
            The probabilities.
        """
        n_labeled = len(self.labeled)
        parts = (
            (self.labeled, some[some < n_labeled]),
            (self.unlabeled, some[some >= n_labeled] - n_labeled),
        )
        asked = [
            rows if len(i) == len(rows) else rows.at(i) for rows, i in parts if len(i)
        ]
        return torch.cat([rows.predict_proba() for rows in asked])

    def features_beside_labeled(
        self, weights: str, n_features: int
    ) -> tuple[Tensor, Tensor]:
        """Return the gradient features of candidates and of labelled rows.

        Parameters
        ----------
        weights : {"last", "all"}
            Whose gradient: of the last layer, or of all linear ones.
        n_features : int
            Longest features that are wanted.

        Returns
        -------
        tuple of Tensor
            Features of candidates and of labelled rows.
        """
        features_NP = self.gradient_features(weights, n_features)
        if not len(self.labeled):
            return features_NP, features_NP[:0]
        return features_NP, self.labeled.gradient_features(weights, n_features)

    def held_out(self, hidden: NDArray[np.intp]) -> tuple[Tensor, Tensor]:
        """Return honest predictions for labelled rows, at the cost of another fit.

        Parameters
        ----------
        hidden : ndarray of shape (H,)
            Positions among the labelled rows.

        Returns
        -------
        proba : Tensor of shape (H, C)
            Class probabilities by a clone of the classifier that is fitted without
            the labels of these rows.
        columns : Tensor of shape (H,)
            The columns of their labels.
        """
        clf = self._without(hidden)
        rows = self.labeled.seen_by(as_model(clf), hidden)
        columns = class_positions(clf, self.y_labeled[hidden])
        return rows.predict_proba(), torch.as_tensor(columns)

    @property
    def n_classes(self) -> int:
        """How many classes the model predicts, or have labels if it predicts none."""
        if not hasattr(self._model, "predict_proba"):
            return len(np.unique(self.y_labeled))
        return self._model.predict_proba(take(self._data, self._positions[:1])).shape[1]

    @property
    def population(self) -> Rows:
        """What candidates are taken from: the unlabelled rows, if there are any."""
        return self.unlabeled if len(self.unlabeled) else self

    @property
    def is_population(self) -> bool:
        """Whether the candidates are the population, in the same order."""
        return self.population._answers is self._answers

    def as_given(self, missing_label: Any) -> dict[str, Any]:
        """Return the data, labels, weights and candidates of the query, by their names.

        Parameters
        ----------
        missing_label : scalar, str, nan or None
            Marks a row without a label.

        Returns
        -------
        dict
            Arguments of :meth:`DeepQueryStrategy.query`.
        """
        data = self.labeled._data
        y = np.full(n_rows(data), missing_label, self.y_labeled.dtype)
        y[self.labeled._positions] = self.y_labeled
        return {
            "X": data,
            "y": y,
            "sample_weight": self._sample_weight,
            "candidates": self.X if self.is_foreign else self._positions,
            "cost": self._cost_as_given(n_rows(data)),
        }

    def _cost_as_given(self, n: int) -> NDArray[np.float64] | None:
        """Return what labels cost, one number for each candidate or row of the data."""
        if self.cost is None or self.is_foreign:
            return self.cost
        costs = np.ones(n)  # those of rows that are no candidates do not count
        costs[self._positions] = self.cost
        return costs

    def at_rows(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the positions among the candidates of some rows of the data.

        Parameters
        ----------
        rows : ndarray of shape (n,)
            Rows of the data, all of them candidates.

        Returns
        -------
        ndarray of shape (n,)
            Their positions.
        """
        order = np.argsort(self._positions)
        return order[np.searchsorted(self._positions, rows, sorter=order)]

    def part(self, some: Tensor) -> "Pool":
        """Return the pool of some candidates; the others stay unlabelled rows.

        Parameters
        ----------
        some : Tensor of shape (n,)
            Positions among the candidates.

        Returns
        -------
        Pool
            The smaller pool.
        """
        part, chosen = copy(self), some.numpy(force=True)
        part._positions, part._answers = self._positions[chosen], {}
        part.cost = None if self.cost is None else self.cost[chosen]
        part.unlabeled_beside = self.unlabeled if len(self.unlabeled) else None
        return part

    def whole(self) -> "Pool":
        """Return the pool that scores of the candidates are compared in.

        These are the unlabelled rows of the data, whatever the candidates are, so that
        a pool may be scored in parts. They come in the order that a query has them in
        whose candidates they are. Draws from the generator of the one are those from
        that of the other.

        Returns
        -------
        Pool
            The pool of all unlabelled rows.
        """
        if self.unlabeled_beside is None:
            return self
        whole = copy(self)
        whole._data = self.unlabeled._data
        whole._positions = self.unlabeled._positions
        whole._answers = self.unlabeled._answers
        whole.is_foreign, whole.unlabeled_beside = False, None
        whole.cost = None
        whole.generator = torch.Generator()
        whole.generator.set_state(self.generator.get_state())
        return whole

    def rows_of_data(self) -> Tensor:
        """Return which rows of :meth:`embed_data` the candidates are.

        Candidates that are given as inputs stand for the nearest row.

        Returns
        -------
        Tensor of shape (N,)
            Positions among the rows of the data, on the processor.
        """
        if self.is_foreign:
            return nearest_neighbors(self.embed(), self.embed_data(), 1)[1][:, 0].cpu()
        order = np.concatenate([self.labeled._positions, self.unlabeled._positions])
        at = np.empty_like(order)
        at[order] = np.arange(len(order))
        return torch.as_tensor(at[self._positions])
