"""DAL: what a net can tell from labelled rows, in sub-batches."""

from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from numpy.typing import NDArray
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import Embeds
from skal_deep.functional.discrimination import discriminative_batches
from skal_deep.modules._unlabeled_detector import train_unlabeled_detector
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._pool import Pool
from skal_deep.pool._two_pools import TRAINING, lacks_a_pool, settings_of

# At most so many unlabelled rows for each labelled one are trained on.
_RATIO = 10
# Each part of a batch looks at so many candidates, or so many for each pick.
_MOST_SCORED, _N_FOR_PICK = 30_000, 10


class DAL(DeepQueryStrategy):
    """Discriminative Active Learning (DAL).

    Trains a net to tell unlabelled from labelled rows by their embeddings, and queries
    the rows that look most unlabelled. The batch is made in parts: after each, its rows
    count as labelled, and the net is trained anew, so that the batch does not come from
    one region [1]_. Without a classifier the inputs themselves are used.

    Use it when the labelled rows should come to look like the pool, and labels say
    little about where to look. It needs no labels but for the embedding.

    At most ten unlabelled rows for each labelled one are trained on, drawn anew for
    each part, so that a training does not grow with the pool; all candidates are
    scored, where the published code can pick from the drawn ones alone. Both kinds
    count equally in training. The published code means that, too, but its weights are
    all 1. The training ends early where nearly all rows are told rightly: unlabelled
    rows that look like labelled ones shall not be pushed apart.
    The utilities are logits of "unlabelled".

    Of more than 30,000 candidates, or ten for each pick, the parts after the first look
    at as many alone, those whose first scores were highest; the utilities of others are
    the lowest of theirs. Of three pools of 100,000 rows (a Gaussian and two kinds of
    clusters), 27 of 30 picks that looked at all rows were among them.

    Parameters
    ----------
    n_sub_batches : int, default=10
        Number of parts of a batch; with fewer picks, each is a part.
    stop_accuracy : float, default=0.98
        Accuracy at which a training ends; 1 never ends it early.
    n_iterations : int, default=300
        Largest number of steps of each of the trainings.
    train_batch_size : int, default=64
        Rows of a mini-batch from each of the two pools.
    lr : float, default=1e-3
        Learning rate (Adam).
    verbose : bool, default=False
        Whether to show a progress bar.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    VAAL : The same question, put to an autoencoder of the inputs.
    CoreSet : Covers the embeddings by distances; no training.
    skactiveml.pool.DiscriminativeAL : Trains anew after each pick, on the inputs.

    References
    ----------
    .. [1] D. Gissin, S. Shalev-Shwartz. Discriminative Active Learning.
       arXiv:1907.06347, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.pool import DAL
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = np.array([0, 1] * 3 + [-1] * 14)
    >>> strategy = DAL(n_iterations=2, random_state=0)
    >>> strategy.query(X, y, batch_size=4).shape
    (4,)
    """

    _needs = (Embeds,)
    _does_without_labels: ClassVar[bool] = True
    _works_on_inputs: ClassVar[bool] = True
    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        **TRAINING,
        "n_sub_batches": [Interval(Integral, 1, None, closed="left")],
        "stop_accuracy": [Interval(Real, 0, 1, closed="right")],
    }

    def __init__(
        self,
        n_sub_batches=10,
        stop_accuracy=0.98,
        n_iterations=300,
        train_batch_size=64,
        lr=1e-3,
        verbose=False,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_sub_batches = n_sub_batches
        self.stop_accuracy = stop_accuracy
        self.n_iterations = n_iterations
        self.train_batch_size = train_batch_size
        self.lr = lr
        self.verbose = verbose

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        if lacks_a_pool(pool, "DAL", stacklevel=4):
            return torch.arange(batch_size), torch.ones(len(pool))
        n_scored = max(_MOST_SCORED, _N_FOR_PICK * batch_size)
        return discriminative_batches(
            partial(self._novelty, pool, _HighestAtFirst(n_scored)),
            batch_size,
            n_sub_batches=self.n_sub_batches,
            with_utilities=pool.with_utilities,
        )

    def _novelty(self, pool: Pool, look: "_HighestAtFirst", picks: Tensor) -> Tensor:
        """Return how unlabelled candidates look to a net that counts picks as labelled.

        It is 0 where no unlabelled row is left beside the picks.
        """
        points_ND = pool.embed()
        known_MD = torch.cat([pool.labeled.embed(), points_ND[picks]])
        row_b = pool.rows_of_data()[picks] - len(pool.labeled)
        is_left_U = torch.ones(len(pool.unlabeled), dtype=torch.bool)
        is_left_U[row_b[row_b >= 0]] = False
        left = is_left_U.nonzero()[:, 0]
        if not len(left):
            return torch.zeros(len(pool), dtype=torch.float64)
        order = torch.randperm(len(left), generator=pool.generator)
        left = left[order[: _RATIO * len(known_MD)]]
        score = train_unlabeled_detector(
            known_MD.numpy(force=True),
            pool.unlabeled.embed()[left].numpy(force=True),
            n_hidden=256,
            n_layers=3,
            stop_accuracy=self.stop_accuracy,
            name="DAL",
            **settings_of(self, pool),
        )
        return look(score, points_ND)


class _HighestAtFirst:
    """Scores all rows once, then those alone whose scores were highest.

    Parameters
    ----------
    n_scored : int
        Number of rows that are scored again.
    """

    def __init__(self, n_scored: int):
        self.n_scored = n_scored
        self.scored_L: Tensor | None = None

    def __call__(
        self, score: Callable[[NDArray[Any]], Tensor], points_ND: Tensor
    ) -> Tensor:
        """Return scores (N,): the lowest of those that are known for all others."""
        if len(points_ND) <= self.n_scored:
            return score(points_ND.numpy(force=True))
        if self.scored_L is None:
            score_N = score(points_ND.numpy(force=True))
            self.scored_L = score_N.topk(self.n_scored).indices.sort().values
            return score_N
        score_L = score(points_ND[self.scored_L].numpy(force=True))
        score_N = score_L.new_full((len(points_ND),), float(score_L.min()))
        score_N[self.scored_L] = score_L
        return score_N
