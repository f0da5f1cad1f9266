"""Queries by a small model, for another one that is trained on the labels."""

import warnings
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils._param_validation import HasMethods
from torch import Tensor

from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._checks import check_can_be_inner
from skal_deep.pool._pool import Pool


class SelectionViaProxy(DeepQueryStrategy):
    """Selection via proxy: ask with one model, train another.

    Fits a clone of a model of its own on the labelled rows and asks it in place of the
    classifier of the query. A small model that is trained in seconds often ranks rows
    much as the large one does for which the labels are [1]_.

    Use it when the model that matters takes long to train, and compare it with the
    same strategy without a proxy: both may stand in one
    :func:`~skal_deep.evaluation.compare_strategies`.

    The classifier of the query is not looked at and may be left out. The proxy takes
    the rows as they are given. With labels of fewer than two classes, a strategy that
    reads the proxy's predictions has nothing to go by: the draw is random, and a
    warning says so. The time is that of a fit of the proxy and of the strategy.

    Parameters
    ----------
    strategy : DeepQueryStrategy
        The query strategy. Its own seed does not matter.
    proxy : object
        The classifier that it asks: any that a query takes. It is cloned, and told
        ``missing_label``.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    SwitchStrategy : One strategy for the first labels, another after that.
    skal_deep.evaluation.compare_strategies : Shows whether the proxy serves as well.

    References
    ----------
    .. [1] C. Coleman, C. Yeh, S. Mussmann, B. Mirzasoleiman, P. Bailis, P. Liang,
       J. Leskovec, M. Zaharia. Selection via Proxy: Efficient Data Selection for Deep
       Learning. ICLR, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import MarginSampling, SelectionViaProxy
    >>> X = np.random.default_rng(0).normal(size=(30, 3))
    >>> y = np.array([0, 1] * 4 + [-1] * 22)
    >>> strategy = SelectionViaProxy(MarginSampling(), LogisticRegression())
    >>> strategy.query(X, y, batch_size=3).shape
    (3,)
    """

    _reads_classes: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "strategy": [DeepQueryStrategy],
        "proxy": [HasMethods(["fit", "get_params"])],
    }

    def __init__(self, strategy, proxy, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.strategy = strategy
        self.proxy = proxy

    @property
    def _plans_batch(self) -> bool:  # type: ignore[override]
        return self.strategy._plans_batch

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        check_can_be_inner(self.strategy)
        asks_proxy = self.strategy._needs and not self.strategy._works_on_inputs
        if asks_proxy and len(np.unique(pool.y_labeled)) < 2:
            warnings.warn(
                "SelectionViaProxy asks a proxy that knows fewer than two classes: it "
                "draws at random.",
                stacklevel=3,
            )
            return torch.arange(batch_size), torch.ones(len(pool))
        seed = self.random_state
        if seed is None:
            seed = int(torch.randint(2**31, (1,), generator=pool.generator))
        strategy = clone(self.strategy).set_params(
            missing_label=self.missing_label, random_state=seed
        )
        given = pool.as_given(self.missing_label)
        with torch.enable_grad():  # the proxy is trained
            asked = strategy.query(
                **given,
                clf=self._new_proxy(),
                batch_size=batch_size,
                return_utilities=pool.with_utilities,
            )
        nothing = np.zeros(batch_size)
        picks, utilities = asked if pool.with_utilities else (asked, nothing)
        if not pool.is_foreign:
            rows = given["candidates"]
            picks = pool.at_rows(picks)
            utilities = utilities[:, rows] if pool.with_utilities else utilities
        utilities = np.nan_to_num(utilities)  # of earlier picks: the query marks them
        return torch.as_tensor(picks), torch.as_tensor(utilities)

    def _new_proxy(self) -> Any:
        """Return a proxy that is not fitted and knows what marks a missing label."""
        marks = [
            name
            for name in self.proxy.get_params()
            if name.split("__")[-1] == "missing_label"
        ]
        return clone(self.proxy).set_params(**dict.fromkeys(marks, self.missing_label))
