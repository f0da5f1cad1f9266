"""DAAL: rows that look unlabelled and are uncertain."""

from typing import Any, ClassVar

from sklearn.utils._param_validation import StrOptions
from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.functional.novelty import novelty_and_entropy
from skal_deep.modules._unlabeled_detector import train_unlabeled_detector
from skal_deep.pool._pool import Pool
from skal_deep.pool._two_pools import TwoPoolStrategy, settings_of


class DAAL(TwoPoolStrategy):
    """Deep adversarial active learning with model uncertainty (DAAL).

    Trains a discriminator to tell unlabelled from labelled rows by their embeddings.
    The score is the probability of "unlabelled" times the entropy of the prediction.

    The paper [1]_ is not public; this is an interpretation of its abstract. With
    ``rule="odds"`` the score is that of AADA [2]_, whose formula is published.

    Embeddings are the inputs where the classifier has none.

    Use it when uncertainty alone asks for rows of a region that is labelled already.

    The time is that of ``n_iterations`` mini-batches, whatever the size of the pool,
    and of one pass that scores it.

    Parameters
    ----------
    rule : {"product", "odds"}, default="product"
        How the two are joined: ``U H``, or ``U / (1 - U) H`` with the probability U of
        "unlabelled".
    n_iterations : int, default=200
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
    PredictiveEntropy : The uncertainty alone.
    DAL : The discriminator alone, in sub-batches.
    MAL : Both from a net of its own.

    References
    ----------
    .. [1] Z. Zhu, H. Wang. Deep Adversarial Active Learning With Model Uncertainty For
       Image Classification. ICIP, 2020.
    .. [2] J.-C. Su, Y.-H. Tsai, K. Sohn, B. Liu, S. Maji, M. Chandraker. Active
       Adversarial Domain Adaptation. WACV, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import DAAL
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = np.array([0, 1] * 3 + [-1] * 14)
    >>> strategy = DAAL(n_iterations=2, random_state=0)
    >>> strategy.query(X, y, LogisticRegression(), batch_size=4).shape
    (4,)
    """

    _needs = (PredictsProba,)
    _does_without_labels: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TwoPoolStrategy._parameter_constraints,
        "rule": [StrOptions({"product", "odds"})],
    }

    def __init__(
        self,
        rule="product",
        n_iterations=200,
        train_batch_size=64,
        lr=5e-4,
        verbose=False,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.rule = rule
        self.n_iterations = n_iterations
        self.train_batch_size = train_batch_size
        self.lr = lr
        self.verbose = verbose
        self.selection = selection

    def _compare(self, pool: Pool) -> Tensor:
        proba_NC, points_ND = pool.predict_and_embed()
        score = train_unlabeled_detector(
            pool.labeled.embed().numpy(force=True),
            pool.unlabeled.embed().numpy(force=True),
            name="DAAL",
            **settings_of(self, pool),
        )
        novelty_N = score(points_ND.numpy(force=True)).to(proba_NC.device)
        return novelty_and_entropy(novelty_N, proba_NC, self.rule)
