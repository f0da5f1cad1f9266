"""TA-VAAL: VAAL whose discriminator also sees what the task model says."""

from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from skal_deep.classifier import PredictsProba
from skal_deep.modules._vaal import train_vaal
from skal_deep.pool._pool import Pool
from skal_deep.pool._rows import Rows
from skal_deep.pool._two_pools import TwoPoolStrategy, check_axes, settings_of


class TAVAAL(TwoPoolStrategy):
    """Task-aware VAAL (TA-VAAL).

    As :class:`VAAL`, but the discriminator is also given what the task's classifier
    says of a row, and the decoder is, too. In [1]_ that is the loss predicted by a
    ``LossPredictionClassifier`` (``task="loss"``); for any other classifier it is ``1 -
    max_c p_c`` (``task="confidence"``), which is our substitute.

    Use it in place of VAAL when there is a classifier, and rows should be unlike the
    labelled ones in what the task finds hard.

    The losses have the scale of the evidence lower bound; that of the published code
    lets codes collapse, as VAAL's does. In its first round the published code draws the
    task information at random; here it is always the classifier's. One step of the
    autoencoder is made for one of the discriminator. The time is that of
    ``n_iterations`` mini-batches, whatever the size of the pool, and of one pass that
    scores it. The score is ``1 - D``.

    Parameters
    ----------
    task : {"confidence", "loss"}, default="confidence"
        What the classifier says of a row, see above.
    latent_dim : int, default=32
        Size of the codes.
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
    VAAL : The same without a classifier.
    LearningLoss : The predicted loss alone.
    SRAAL : Labels rows by their uncertainty in the discriminator's training.

    References
    ----------
    .. [1] K. Kim, D. Park, K. I. Kim, S. Y. Chun. Task-Aware Variational Adversarial
       Active Learning. CVPR, 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.pool import TAVAAL
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = np.array([0, 1] * 3 + [-1] * 14)
    >>> strategy = TAVAAL(n_iterations=2, random_state=0)
    >>> strategy.query(X, y, LogisticRegression(), batch_size=4).shape
    (4,)
    """

    _needs = (PredictsProba,)
    _does_without_labels: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TwoPoolStrategy._parameter_constraints,
        "task": [StrOptions({"confidence", "loss"})],
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        task="confidence",
        latent_dim=32,
        n_iterations=200,
        train_batch_size=64,
        lr=5e-4,
        verbose=False,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.task = task
        self.latent_dim = latent_dim
        self.n_iterations = n_iterations
        self.train_batch_size = train_batch_size
        self.lr = lr
        self.verbose = verbose
        self.selection = selection

    def _compare(self, pool: Pool) -> Tensor:
        check_axes(pool, "TAVAAL")
        scorer = train_vaal(
            pool.labeled.seen_X(),
            pool.unlabeled.seen_X(),
            tasks=(self._task(pool.labeled), self._task(pool.unlabeled)),
            latent_dim=self.latent_dim,
            n_vae_steps=1,
            name="TAVAAL",
            **settings_of(self, pool),
        )
        return 1 - scorer.proba(pool.seen_X(), self._task(pool))

    def _task(self, rows: Rows) -> Tensor:
        """Return what the classifier says of rows, (N,)."""
        if self.task == "loss":
            return rows.predict_loss().cpu()
        return 1 - rows.predict_proba().amax(1).cpu()
