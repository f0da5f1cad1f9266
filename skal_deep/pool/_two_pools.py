"""What strategies share that train a net on labelled and unlabelled rows."""

import warnings
from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.modules._images import axes_hint, has_channels_last
from skal_deep.pool._base import DeepQueryStrategy, ScoreQueryStrategy
from skal_deep.pool._pool import Pool

# The parameters of such a training, and what they may be.
TRAINING: dict[str, Any] = {
    "n_iterations": [Interval(Integral, 1, None, closed="left")],
    "train_batch_size": [Interval(Integral, 1, None, closed="left")],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "verbose": ["boolean"],
}


def settings_of(strategy: DeepQueryStrategy, pool: Pool) -> dict[str, Any]:
    """Return a strategy's settings of such a training, as its functions take them."""
    return {
        "n_iterations": strategy.n_iterations,
        "batch_size": strategy.train_batch_size,
        "lr": strategy.lr,
        "generator": pool.generator,
        "verbose": strategy.verbose,
    }


def lacks_a_pool(pool: Pool, name: str, stacklevel: int) -> bool:
    """Return whether there are too few rows of either kind; warn if so."""
    if len(pool.labeled) >= 2 and len(pool.unlabeled):
        return False
    warnings.warn(
        f"{name} tells labelled from unlabelled rows; with fewer than two labelled or "
        "no unlabelled ones it draws at random.",
        stacklevel=stacklevel,
    )
    return True


def check_axes(pool: Pool, name: str) -> None:
    """Refuse images whose channels come last."""
    shape = pool.labeled.X.shape[1:]
    if has_channels_last(shape):
        raise ValueError(f"{name}: {axes_hint(shape)}")


def numbers_of(
    pool: Pool, name: str
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return labelled and unlabelled rows and candidates, as a net may learn from them.

    Raises
    ------
    ValueError
        If rows are neither vectors nor images of finite numbers, channels first.
    """
    who = f"{name}, which learns from vectors or images,"
    check_axes(pool, name)
    return pool.labeled.numbers(who), pool.unlabeled.numbers(who), pool.numbers(who)


def label_numbers(pool: Pool) -> Tensor:
    """Return the labels as numbers from 0, of shape (M,)."""
    return torch.as_tensor(np.unique(pool.y_labeled, return_inverse=True)[1])


class TwoPoolStrategy(ScoreQueryStrategy, ABC):
    """A strategy that scores by a net trained on labelled and unlabelled rows.

    A subclass implements ``_compare`` and has the parameters of the training. Where
    there is nothing to compare, picks are random.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        **TRAINING,
    }

    def _score(self, pool: Pool) -> Tensor:
        if lacks_a_pool(pool, type(self).__name__, stacklevel=5):
            return torch.ones(len(pool))
        return self._compare(pool)

    @abstractmethod
    def _compare(self, pool: Pool) -> Tensor:
        """Return the scores of the candidates, where there are rows of both pools."""
