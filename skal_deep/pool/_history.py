"""What was asked in earlier queries, and models of what was known then."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skactiveml.utils import is_labeled
from skorch import NeuralNet
from torch import Tensor

from skal_deep.classifier import as_model
from skal_deep.classifier._base import derived_seed
from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.classifier.door._inside import last_step
from skal_deep.classifier.door._prepare import prepare
from skal_deep.functional.bandit import doubtful_log_loss
from skal_deep.modules import isolated_rng
from skal_deep.rows._data import take


@dataclass(frozen=True)
class History:
    """The data of a query as they were given, and the batches of the queries before.

    Attributes
    ----------
    X : object
        All inputs, in a form of ``as_data``.
    y : ndarray of shape (n_samples,)
        Their labels.
    missing_label : scalar, str, nan or None
        Marks a row without a label.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.
    clf : object or None
        The classifier of the query, fitted or not.
    rounds : list of ndarray of shape (n_picks,), or None
        Rows of X that the queries before asked for, in the order of the picks.
    """

    X: Any
    y: NDArray[Any]
    missing_label: Any
    sample_weight: NDArray[Any] | None
    clf: Any
    rounds: list[NDArray[np.intp]] | None

    def labeled(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return those of some rows that have a label."""
        return rows[is_labeled(self.y[rows], self.missing_label)]

    def known_before(self, number: int) -> NDArray[np.intp]:
        """Return the rows that had a label before a batch was asked for.

        Parameters
        ----------
        number : int
            Place of the batch in ``rounds``, or one past the last.
        """
        later = [*(self.rounds or [])[number:], np.empty(0, np.intp)]
        everything = self.labeled(np.arange(len(self.y)))
        return np.setdiff1d(everything, np.concatenate(later))

    def log_loss(
        self,
        judge: Any,
        seed: int,
        trained_on: NDArray[np.intp],
        tested_on: NDArray[np.intp],
    ) -> Tensor:
        """Return the log loss of a model on some rows, fitted to others.

        Parameters
        ----------
        judge : object
            The model; a clone is fitted, and its own seeds do not matter.
        seed : int
            Seed of the fit.
        trained_on, tested_on : ndarray of shape (n,)
            Labelled rows.
        """
        y = np.full_like(self.y, self.missing_label)
        y[trained_on] = self.y[trained_on]
        with isolated_rng(derived_seed(seed)), torch.enable_grad():
            fitted = fit_on_labeled(
                prepare(judge, self.missing_label, seed),
                self.X,
                y,
                self.missing_label,
                self.sample_weight,
            )
            answers: Any = as_model(fitted)
            proba_NC = answers.predict_proba(take(self.X, tested_on))
        return _loss_of(fitted, proba_NC, self.y[tested_on])


def _loss_of(fitted: Any, proba_NC: Tensor, y: NDArray[Any]) -> Tensor:
    """Return the log loss of predictions; a class that a model lacks has none."""
    last = last_step(fitted)
    is_net = isinstance(last, NeuralNet)  # whose columns are 0 ... C-1
    classes = np.arange(proba_NC.shape[1]) if is_net else last.classes_
    is_class_NC = torch.as_tensor(y[:, None] == classes)
    unknown = np.setdiff1d(y, classes)
    proba_N = (proba_NC * is_class_NC.to(proba_NC.device)).sum(1)
    return doubtful_log_loss(proba_N.cpu(), len(classes) + len(unknown))
