"""MAL: minimax entropy and a discriminator."""

from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.functional.novelty import uncertain_among_new
from skal_deep.modules._joint_selector import train_minimax_selector
from skal_deep.pool._pool import Pool
from skal_deep.pool._two_pools import (
    TwoPoolStrategy,
    label_numbers,
    numbers_of,
    settings_of,
)


class MAL(TwoPoolStrategy):
    """Minimax Active Learning (MAL).

    A net of the strategy's own learns the classes of labelled rows by cosines with one
    weight vector a class. On unlabelled rows its features learn to be certain and the
    weight vectors to be uncertain, which pulls the vectors into the pool. A
    discriminator learns from the features which rows are labelled. Queries, among the
    rows that it takes for unlabelled, those with the largest entropy [1]_. It looks at
    ``X`` and the labels alone; a classifier may be given and is not used.

    Use it when few rows are labelled and the pool forms clusters that classes follow.
    For images, pass embeddings of a pretrained model as ``X`` where you can.

    How to go on when fewer rows than wanted are taken for unlabelled is our
    interpretation: by the discriminator. The time is that of ``n_iterations``
    mini-batches, whatever the size of the pool, and of one pass that scores it.

    Parameters
    ----------
    entropy_weight : float, default=0.1
        Weight of the entropy beside the cross-entropy; 0 is a plain cosine classifier.
    n_iterations : int, default=300
        Steps of the training, enough for some thousand rows; raise it for large pools.
    train_batch_size : int, default=64
        Rows of a mini-batch from each of the two pools.
    lr : float, default=5e-4
        Learning rate (Adam).
    verbose : bool, default=False
        Whether to show a progress bar.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, as in the
        paper.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    JointSampling : Classes and a discriminator as one objective.
    DAAL : A discriminator and the entropy of a classifier of yours.
    PredictiveEntropy : The entropy alone.

    References
    ----------
    .. [1] S. Ebrahimi, W. Gan, D. Chen, G. Biamby, K. Salahi, M. Laielli, S. Zhu, T.
       Darrell. Minimax Active Learning. arXiv:2012.10467, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.pool import MAL
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = np.array([0, 1] * 3 + [-1] * 14)
    >>> strategy = MAL(n_iterations=2, random_state=0)
    >>> strategy.query(X, y, batch_size=4).shape
    (4,)
    """

    _needs = ()
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TwoPoolStrategy._parameter_constraints,
        "entropy_weight": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        entropy_weight=0.1,
        n_iterations=300,
        train_batch_size=64,
        lr=5e-4,
        verbose=False,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.entropy_weight = entropy_weight
        self.n_iterations = n_iterations
        self.train_batch_size = train_batch_size
        self.lr = lr
        self.verbose = verbose
        self.selection = selection

    def _compare(self, pool: Pool) -> Tensor:
        X_labeled, X_unlabeled, X = numbers_of(pool, "MAL")
        selector = train_minimax_selector(
            X_labeled,
            label_numbers(pool),
            X_unlabeled,
            entropy_weight=self.entropy_weight,
            **settings_of(self, pool),
        )
        return uncertain_among_new(selector.novelty(X), selector.proba(X))
