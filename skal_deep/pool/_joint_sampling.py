"""Joint sampling: classes and labelledness learned as one objective."""

from numbers import Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.modules._joint_selector import train_joint_selector
from skal_deep.pool._pool import Pool
from skal_deep.pool._two_pools import (
    TwoPoolStrategy,
    label_numbers,
    numbers_of,
    settings_of,
)


class JointSampling(TwoPoolStrategy):
    """Joint learner and sampler: one net learns classes, and which rows are labelled.

    A net of the strategy's own learns the classes of labelled rows and, from the same
    features, to tell labelled from unlabelled rows. Queries the rows whose probability
    of being labelled is closest to ``target`` [1]_: a small number, but not 0, which
    keeps away from some outliers. It looks at ``X`` and the labels alone; a classifier
    may be given and is not used.

    Use it when features that serve the task should decide what looks new. For images,
    pass embeddings of a pretrained model as ``X`` where you can.

    The paper's visual transformer attends over the rows of a mini-batch, so that the
    score of a row depends on which others it meets, and only mini-batches of 128 are
    possible. That is no function of a row, and it is not offered. The published code
    also trains on hidden labels of unlabelled rows; here no such label exists.
    The time is that of ``n_iterations`` mini-batches, whatever the size of the pool,
    and of one pass that scores it. The utilities are minus the distances to ``target``.

    Parameters
    ----------
    target : float, default=0.1
        Probability of being labelled that is asked for; 0 takes the smallest.
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
    VAAL : An autoencoder in place of the classes.
    MAL : Classes and a discriminator, with entropy.
    DAL : The discriminator alone, on a classifier's embeddings.

    References
    ----------
    .. [1] R. Caramalau, B. Bhattarai, T.-K. Kim. Visual Transformer for Task-aware
       Active Learning. arXiv:2106.03801, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.pool import JointSampling
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = np.array([0, 1] * 3 + [-1] * 14)
    >>> strategy = JointSampling(n_iterations=2, random_state=0)
    >>> strategy.query(X, y, batch_size=4).shape
    (4,)
    """

    _needs = ()
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TwoPoolStrategy._parameter_constraints,
        "target": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        target=0.1,
        n_iterations=300,
        train_batch_size=64,
        lr=5e-4,
        verbose=False,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.target = target
        self.n_iterations = n_iterations
        self.train_batch_size = train_batch_size
        self.lr = lr
        self.verbose = verbose
        self.selection = selection

    def _compare(self, pool: Pool) -> Tensor:
        X_labeled, X_unlabeled, X = numbers_of(pool, "JointSampling")
        selector = train_joint_selector(
            X_labeled,
            label_numbers(pool),
            X_unlabeled,
            **settings_of(self, pool),
        )
        return -((-selector.novelty(X)).sigmoid() - self.target).abs()
