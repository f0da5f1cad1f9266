"""A strategy asked for a small part of the pool, near labelled rows of each class."""

from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, validate_parameter_constraints
from torch import Tensor

from skal_deep.functional import class_anchors, near_anchors
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._checks import as_inner
from skal_deep.pool._pool import Pool


class AnchorAL(DeepQueryStrategy):
    """Ask another strategy for rows near labelled ones of each class.

    As many anchors of each class are taken from its labelled rows, whether it is rare
    or not. Each proposes the candidates that are most similar to it, and the strategy
    chooses among the most similar of these [1]_. So a rare class proposes as much as a
    common one, and the model answers for a small part of a large pool.

    Use it where a class is rare and its rows lie together in the embedding, from the
    first label of it on: anchors keep to the classes that are known. With no label yet,
    the strategy is asked for the whole pool.

    Parameters
    ----------
    strategy : DeepQueryStrategy
        The query strategy that chooses among the rows near the anchors. Its own seed
        does not matter.
    n_anchors : int, default=10
        Anchors of each class.
    n_neighbors : int, default=50
        Candidates that an anchor proposes.
    n_rows : int, default=1000
        Candidates that the strategy chooses among, at most.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    SwitchStrategy : One strategy for the first labels, another one after that.
    TypiClust : Finds classes where there is no label yet.

    Notes
    -----
    Before a label of the rare class is found, it looks for it in the wrong places: on a
    pool with five rare classes, none of them among the first labels, it found fewer
    rows of them than random sampling (2 repeats). It saves time where the model's
    answers are dear; those of a logistic regression are not.
    Similarity is the cosine of embeddings, or of inputs where the model has none. Where
    the proposed rows are fewer than the batch, the strategy is asked for the whole
    pool. Utilities of rows that are not proposed are 0, or the lowest where scores are
    negative.

    References
    ----------
    .. [1] P. Lesci, A. Vlachos. AnchorAL: Computationally Efficient Active Learning for
       Large and Imbalanced Datasets. NAACL, 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import AnchorAL, MarginSampling
    >>> X = np.random.default_rng(0).normal(size=(200, 4))
    >>> y = np.full(200, -1)
    >>> y[:20] = X[:20, 0] > 1.2
    >>> strategy = AnchorAL(MarginSampling(), n_neighbors=5, random_state=0)
    >>> strategy.query(X, y, LogisticRegression(), batch_size=3).shape
    (3,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "strategy": [DeepQueryStrategy],
        "n_anchors": [Interval(Integral, 1, None, closed="left")],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_rows": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        strategy,
        n_anchors=10,
        n_neighbors=50,
        n_rows=1000,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.strategy = strategy
        self.n_anchors = n_anchors
        self.n_neighbors = n_neighbors
        self.n_rows = n_rows

    @property
    def _needs(self) -> tuple[type, ...]:  # type: ignore[override]
        return self.strategy._needs

    @property
    def _works_on_inputs(self) -> bool:  # type: ignore[override]
        return self.strategy._works_on_inputs

    @property
    def _does_without_labels(self) -> bool:  # type: ignore[override]
        return self.strategy._does_without_labels

    @property
    def _plans_batch(self) -> bool:  # type: ignore[override]
        return True  # whether the whole pool is asked hangs on the size of the batch

    @property
    def _reads_classes(self) -> bool:  # type: ignore[override]
        return True

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        validate_parameter_constraints(
            self.strategy._parameter_constraints,
            self.strategy.get_params(deep=False),
            type(self.strategy).__name__,
        )
        strategy = as_inner(self.strategy, self.missing_label)
        proposed, near = self._near(pool)
        if len(proposed) < batch_size:  # no label, or few: there is no part to ask for
            return strategy._select(pool, batch_size)
        n_near = min(batch_size, len(near))
        picks = near[:0]
        if n_near:
            at, own = strategy._select(pool.part(near), n_near)
            picks = near[at.cpu()]
        if n_near < batch_size:  # candidates are a part with fewer rows near anchors
            others = torch.randperm(len(pool), generator=pool.generator)
            others = others[~torch.isin(others, near)][: batch_size - n_near]
            picks = torch.cat([picks, others])
        if not (n_near and pool.with_utilities):
            return picks, torch.zeros(len(pool))
        own_TN = own.cpu().reshape(-1, len(near)).expand(n_near, -1)
        floor_T1 = own_TN.min(dim=1, keepdim=True).values.clamp_max(0)
        utilities_TN = floor_T1.repeat(1, len(pool))
        utilities_TN[:, near] = own_TN
        rest_TN = utilities_TN.min().expand(batch_size - n_near, len(pool))
        return picks, torch.cat([utilities_TN, rest_TN])

    def _near(self, pool: Pool) -> tuple[Tensor, Tensor]:
        """Return the unlabelled rows that anchors propose, and candidates among them.

        All unlabelled rows compete, whatever part of them the candidates are.
        """
        nothing = torch.zeros(0, dtype=torch.long)
        if not len(pool.labeled):
            return nothing, nothing
        codes = np.unique(pool.y_labeled, return_inverse=True)[1].ravel()
        known_LD = pool.labeled.embed().flatten(1)
        anchors = class_anchors(
            known_LD, torch.as_tensor(codes), self.n_anchors, pool.generator
        )
        anchors_AD = known_LD[anchors.to(known_LD.device)]
        proposed = near_anchors(
            pool.population.embed().flatten(1),
            anchors_AD,
            self.n_neighbors,
            self.n_rows,
        ).cpu()
        if pool.unlabeled_beside is None and not pool.is_foreign:
            return proposed, proposed
        rows = pool.rows_of_data().cpu() - len(pool.labeled)
        return proposed, torch.nonzero(torch.isin(rows, proposed))[:, 0]
