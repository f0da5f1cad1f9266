"""How a model's predictions settle, seen without a label."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def agreements(proba: ArrayLike) -> NDArray[np.float64]:
    """Return how far each model agrees with the one before: Cohen's kappa.

    Parameters
    ----------
    proba : array-like of shape (n_stages, n_samples, n_classes)
        Class probabilities of the model of each stage, for the same rows.

    Returns
    -------
    kappa : ndarray of shape (n_stages - 1,)
        One for equal predictions, zero for the agreement of chance.

    References
    ----------
    M. Bloodgood, K. Vijay-Shanker. A Method for Stopping Active Learning Based on
    Stabilizing Predictions and the Need for User-Adjustable Stopping. CoNLL, 2009.
    """
    proba_TNC = np.asarray(proba, float)
    is_class_TNC = np.eye(proba_TNC.shape[2])[proba_TNC.argmax(axis=2)]
    agreed_T = (is_class_TNC[1:] * is_class_TNC[:-1]).sum(axis=2).mean(axis=1)
    share_TC = is_class_TNC.mean(axis=1)
    chance_T = (share_TC[1:] * share_TC[:-1]).sum(axis=1)
    # Where both name one class alone, chance explains all: they agree.
    kappa_T = np.ones_like(agreed_T)
    np.divide(agreed_T - chance_T, 1 - chance_T, out=kappa_T, where=chance_T < 1)
    return kappa_T


def confidences(proba: ArrayLike) -> NDArray[np.float64]:
    """Return the mean probability of the predicted class.

    Parameters
    ----------
    proba : array-like of shape (n_stages, n_samples, n_classes)
        Class probabilities of the model of each stage, for the same rows.

    Returns
    -------
    confidence : ndarray of shape (n_stages,)
        Between ``1 / n_classes`` and one.
    """
    return np.asarray(np.asarray(proba, float).max(axis=2).mean(axis=1))
