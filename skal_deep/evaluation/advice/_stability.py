"""How a model's predictions settle, seen without a label."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROUND_OFF = 1e-3  # of probabilities in half precision


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
    proba_TNC = checked_proba(proba)
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
    return np.asarray(checked_proba(proba).max(axis=2).mean(axis=1))


def checked_proba(proba: ArrayLike) -> NDArray[np.float64]:
    """Return class probabilities if they are such.

    Parameters
    ----------
    proba : array-like of shape (n_stages, n_samples, n_classes)
        Class probabilities of the model of each stage, for the same rows.
    """
    proba_TNC = np.asarray(proba, float)
    if proba_TNC.ndim != 3 or not proba_TNC.size:
        raise ValueError(
            "proba must have the shape (n_stages, n_samples, n_classes), not "
            f"{proba_TNC.shape}."
        )
    # NaN and infinity fail here, too: their rows do not sum to one.
    with np.errstate(invalid="ignore"):  # infinity less infinity
        is_one_TN = np.abs(proba_TNC.sum(axis=2) - 1) <= _ROUND_OFF
    if not is_one_TN.all() or proba_TNC.min() < -_ROUND_OFF:
        raise ValueError(
            f"proba has {int((~is_one_TN).sum())} of {is_one_TN.size} rows that do not "
            "sum to 1, or negative numbers: class probabilities are wanted, without "
            "NaN. Did a training diverge?"
        )
    return proba_TNC
