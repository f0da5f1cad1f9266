"""VAAL: rows that look least like labelled ones, by an adversarial autoencoder."""

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from skal_deep.modules._vaal import train_vaal
from skal_deep.pool._pool import Pool
from skal_deep.pool._two_pools import TwoPoolStrategy, numbers_of, settings_of

_POSITIVE_INT = [Interval(Integral, 1, None, closed="left")]
_NOT_NEGATIVE = [Interval(Real, 0, None, closed="left")]


class VAAL(TwoPoolStrategy):
    """Variational Adversarial Active Learning (VAAL).

    Trains a variational autoencoder on all inputs, and a discriminator D that tells
    labelled from unlabelled codes, while the encoder tries to fool it. Queries the rows
    that look least like labelled ones: the score is ``1 - D(mu(x))``, between 0 and 1
    [1]_. It looks at ``X`` alone; a classifier may be given and is not used, nor are
    the earlier steps of a Pipeline.

    Use it when the labelled rows miss a part of the data that the inputs themselves
    show, and training two more nets for each query is acceptable. Do not expect much:
    users of the published code report results like those of random sampling, and on the
    digits in the README it was not above random sampling, either.

    The losses have the scale of the evidence lower bound: squared errors are summed
    over the features of a row. The published code averages them, which makes all codes
    nearly equal and the choice almost random; ``loss_scaling="official"`` reproduces
    it. Vectors are standardised feature by feature, images (n, c, h, w) as a whole.

    With fewer than two labelled rows there is nothing to tell apart: all scores are
    equal, the draw is random, and a warning says so. The time is that of
    ``n_iterations`` mini-batches, whatever the size of the pool, and of one pass that
    scores it. Memory is that of copies of the inputs.

    Parameters
    ----------
    latent_dim : int, default=32
        Size of the codes, as in the authors' code.
    beta : float, default=1.0
        Weight of the divergence of the autoencoder.
    adversary_weight : float, default=1.0
        Weight of the encoder's adversarial loss.
    n_iterations : int, default=200
        Iterations of training, enough for some thousand rows. The authors make 100
        passes through the data; raise it for large pools of images.
    n_vae_steps : int, default=2
        Steps of the autoencoder for one of the discriminator.
    train_batch_size : int, default=64
        Rows of a mini-batch from each of the two pools.
    lr : float, default=5e-4
        Learning rate of both optimisers (Adam).
    loss_scaling : {"elbo", "official"}, default="elbo"
        Scale of the losses, see above.
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
    CoreSet : Rows far from labelled ones, by distances; no training.
    TypiClust : Groups without labels first; no training.
    skactiveml.pool.DiscriminativeAL : A classifier of labelled against unlabelled.

    References
    ----------
    .. [1] S. Sinha, S. Ebrahimi, T. Darrell. Variational Adversarial Active Learning.
       ICCV, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.pool import VAAL
    >>> X = np.random.default_rng(0).normal(size=(20, 3))
    >>> y = np.array([0, 1] * 3 + [-1] * 14)
    >>> picks = VAAL(n_iterations=2, random_state=0).query(X, y, batch_size=4)
    >>> len(set(picks)), picks.min() >= 6  # four unlabelled rows
    (4, np.True_)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **TwoPoolStrategy._parameter_constraints,
        "latent_dim": _POSITIVE_INT,
        "beta": _NOT_NEGATIVE,
        "adversary_weight": _NOT_NEGATIVE,
        "n_vae_steps": _POSITIVE_INT,
        "loss_scaling": [StrOptions({"elbo", "official"})],
    }

    def __init__(
        self,
        latent_dim=32,
        beta=1.0,
        adversary_weight=1.0,
        n_iterations=200,
        n_vae_steps=2,
        train_batch_size=64,
        lr=5e-4,
        loss_scaling="elbo",
        verbose=False,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.latent_dim = latent_dim
        self.beta = beta
        self.adversary_weight = adversary_weight
        self.n_iterations = n_iterations
        self.n_vae_steps = n_vae_steps
        self.train_batch_size = train_batch_size
        self.lr = lr
        self.loss_scaling = loss_scaling
        self.verbose = verbose
        self.selection = selection

    def _compare(self, pool: Pool) -> Tensor:
        X_labeled, X_unlabeled, X = numbers_of(pool, "VAAL")
        scorer = train_vaal(
            X_labeled,
            X_unlabeled,
            latent_dim=self.latent_dim,
            beta=self.beta,
            adversary_weight=self.adversary_weight,
            n_vae_steps=self.n_vae_steps,
            loss_scaling=self.loss_scaling,
            **settings_of(self, pool),
        )
        return 1 - scorer.proba(X)
