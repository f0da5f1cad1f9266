"""Logistic regression with a Gaussian posterior of its weights."""

from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch.nn.functional import pad

from skal_deep._modes import cpu_by_default
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.classifier._array_classifier import ArrayClassifier
from skal_deep.classifier._linear_posterior import (
    LinearPosterior,
    flat_rows,
    linear_answers,
    posterior_structure,
)
from skal_deep.classifier._posterior import MeanOfDraws
from skal_deep.functional.softmax_regression import (
    SoftmaxRegression,
    default_precision,
    prior_precisions,
)
from skal_deep.rows._row_weights import of_mean_one

_N_FOLDS = 5
# Draws that held-out predictions are the mean of, the same for all precisions.
_N_DRAWS = 20
# From so many products on, folds are fitted in single precision.
_MANY_PRODUCTS = 10**7


class BayesianLinearClassifier(MeanOfDraws, ArrayClassifier):
    """Logistic regression on the inputs, with a Laplace approximation as posterior.

    The weights of the largest posterior density are found under a Gaussian prior, and a
    Gaussian with the curvature there is the posterior [1]_. A draw is one set of
    weights for all rows. Unlike other classifiers here it takes no net: X holds the
    features, such as embeddings of a frozen model.

    Use it on embeddings, as the head of a foundation model: it is fitted in seconds,
    starts without a label, and every strategy but DEAL takes it. To learn features,
    too, use :class:`LaplaceClassifier`.

    Parameters
    ----------
    n_samples : int, default=20
        Number of draws that a prediction averages.
    structure : {"auto", "full", "kron"}, default="auto"
        Structure of the precision matrix. With C classes and D features, "full" takes
        time O((CD)^3), "kron" O(C^3 + D^3). "auto" is "full" up to CD = 2,000.
    prior_precision : float, "cv" or "evidence", default="cv"
        Inverse variance of the Gaussian prior of all weights, the bias among them.
        "cv" takes the one of nine, from strong to weak, after which the posterior, of
        structure "kron", predicts held-out labels worse: by the log-likelihood in five
        folds. "evidence" does so by the probability of the labels [2]_.
    classes : array-like of shape (n_classes,), default=None
        All classes. ``None`` takes those that the labels show.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    cost_matrix : array-like of shape (n_classes, n_classes), default=None
        Costs ``[i, j]`` of predicting class j for class i.
    random_state : int, RandomState or None, default=None
        Seed of the draws that predictions average, and of the folds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        All classes, sorted.
    coef_ : ndarray of shape (n_classes, n_features)
        Weights of the largest posterior density.
    intercept_ : ndarray of shape (n_classes,)
        Biases of the largest posterior density.
    prior_precision_ : float
        The prior precision, as given or found.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    LaplaceClassifier : The same posterior on the last layer of a net that is trained.
    PrecomputedClassifier : For predictions that were computed elsewhere.
    skal_deep.embedding.Embedder : Embeddings of a frozen model.

    Notes
    -----
    The prior is the same for all weights: scale features that differ in scale, for
    instance by a ``StandardScaler`` in a Pipeline. Without a label the posterior is the
    prior, with a standard deviation of 5 for the logit of an average row; so it is with
    "cv" and a single label.

    "kron" is exact where all rows have the same probabilities. Its evidence counts too
    many parameters, so that prefer "cv" with many classes. On the digits with 20 to 300
    labels and "full", the weights alone predicted best with a weaker prior than the
    posterior does, for which the choice is made here: the Gaussian reaches far into
    weights that the labels exclude.

    Draws do not hang on a basis. A change by 1e-14 of features that are copies of
    others moved no probability by 1e-8 in our tests, and some by 3e-5 with a prior
    precision of 1e-6 and classes that are separated: there the posterior itself hangs
    on such a change.

    References
    ----------
    .. [1] D. J. Spiegelhalter, S. L. Lauritzen. Sequential Updating of Conditional
       Probabilities on Directed Graphical Structures. Networks 20, 1990.
    .. [2] D. MacKay. The Evidence Framework Applied to Classification Networks. Neural
       Computation 4, 1992.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skal_deep.classifier import BayesianLinearClassifier
    >>> from skal_deep.pool import BALD
    >>> X, y = load_iris(return_X_y=True)
    >>> y[3::4] = y[2::4] = y[1::4] = -1
    >>> clf = BayesianLinearClassifier(classes=[0, 1, 2], random_state=0)
    >>> clf.fit(X, y).sample_proba(X, n_samples=7).shape
    (7, 150, 3)
    >>> len(BALD(random_state=0).query(X, y, clf, batch_size=5))
    5
    """

    _parameter_constraints = {
        **ArrayClassifier._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left")],
        "structure": [StrOptions({"auto", "full", "kron"})],
        "prior_precision": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"cv", "evidence"}),
        ],
    }
    _instead_of_sparse = (
        "Its posterior has as many rows and columns as there are features, at least: "
        "put TruncatedSVD(100) before it in a Pipeline."
    )

    def __init__(
        self,
        n_samples=20,
        structure="auto",
        prior_precision="cv",
        classes=None,
        missing_label=-1,
        cost_matrix=None,
        random_state=None,
    ):
        super().__init__(
            classes=classes,
            missing_label=missing_label,
            cost_matrix=cost_matrix,
            random_state=random_state,
        )
        self.n_samples = n_samples
        self.structure = structure
        self.prior_precision = prior_precision

    @threads_over_parts(torch.device("cpu"))
    def _fit_rows(self, X, labeled, y, sample_weight):
        features_ND = _with_ones(X[labeled])
        if not features_ND.square().sum().isfinite():
            raise ValueError(
                f"The squares of features up to {float(features_ND.abs().max()):.3g} "
                "are infinite. Scale X, for example by a StandardScaler."
            )
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        weight_N = torch.as_tensor(of_mean_one(weight) if len(y) else weight)
        y_N, n_classes = torch.as_tensor(y), len(self.classes_)
        structure = self.structure
        if structure == "auto":
            structure = posterior_structure(n_classes, features_ND.shape[1])
        regression = SoftmaxRegression(features_ND, y_N, weight_N, n_classes)
        if isinstance(self.prior_precision, Real):
            precision = float(self.prior_precision)
        elif not len(y):
            precision = default_precision(_with_ones(X))
        elif self.prior_precision == "evidence":
            precision = _by_evidence(regression, features_ND, structure)
        elif len(y) == 1:
            precision = default_precision(features_ND)
        else:
            generator = torch.Generator().manual_seed(self.seed_)
            precision = _by_folds(features_ND, y_N, weight_N, n_classes, generator)
        weights_CD = regression.weights(precision)
        scale_D = torch.full((weights_CD.shape[1],), precision**0.5).double()
        self.posterior_ = LinearPosterior(
            weights_CD,
            regression.curvature(weights_CD, structure).scaled(precision),
            scale_D,
            n_classes,
        )
        self.prior_precision_ = precision
        self.coef_ = weights_CD[:, :-1].numpy()
        self.intercept_ = weights_CD[:, -1].numpy()

    def _draw(self, X, n_samples, seed):
        """Return coupled draws of the class probabilities as a tensor (S, N, C)."""
        rows_ND = flat_rows(X)
        return self.posterior_.sample_proba(rows_ND, n_samples or self.n_samples, seed)

    def _sites(self):
        """Describe what differs from draw to draw."""
        return ["weights of the linear functions"]

    def _predictive(self, X):
        """Return the mean of the draws that predictions average, (N, C)."""
        rows_ND, seed = flat_rows(X), self._draw_seed()
        return self.posterior_.mean_proba(rows_ND, self.n_samples, seed)

    def _answers(self):
        """Return what strategies may ask, as tensors, by the protocols' names."""
        return {
            "predict_proba": self._predictive,
            "predict_and_embed": lambda X: (self._predictive(X), flat_rows(X)),
            "sample_proba": self._draws,
            **linear_answers(flat_rows, self._head),
        }

    def _head(self, X):
        """Return weights (C, D) and biases (C,) of the largest posterior density."""
        weights_CD = self.posterior_.weights_RD.to(flat_rows(X[:1]))
        return weights_CD[:, :-1], weights_CD[:, -1]

    @cpu_by_default()
    def predict_proba(self, X, return_embeddings=False):
        """Return class probabilities, the mean over draws.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        return_embeddings : bool, default=False
            Also return the embeddings, which are the inputs.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities, columns as in ``classes_``.
        embeddings : ndarray of shape (n_samples, n_features)
            The inputs; only if ``return_embeddings``.
        """
        X = self._check_rows(X)
        proba_NC = self._predictive(X).numpy()
        return (
            (proba_NC, flat_rows(X).numpy().copy()) if return_embeddings else proba_NC
        )


def _with_ones(X):
    """Return rows as features in float64, with a one for the bias."""
    return pad(flat_rows(X).double(), (0, 1), value=1.0)


def _by_evidence(regression, features_ND, structure):
    """Return the prior precision for which the labels are most probable."""
    weights_CD = None

    def evidence(precision):
        nonlocal weights_CD
        weights_CD = regression.weights(precision, weights_CD)
        return regression.log_evidence(weights_CD, precision, structure)

    return _first_best(prior_precisions(features_ND), evidence)


def _by_folds(features_ND, y_N, weight_N, n_classes, generator):
    """Return the prior precision whose posterior predicts held-out labels best."""
    n_folds = min(_N_FOLDS, len(y_N))
    mixed_N = torch.randperm(len(y_N), generator=generator)
    by_class_N = mixed_N[y_N[mixed_N].argsort(stable=True)]
    fold_N = torch.empty_like(y_N)
    fold_N[by_class_N] = torch.arange(len(y_N)) % n_folds
    n_held_out = -(-len(y_N) // n_folds)
    noise_SMC = torch.randn(_N_DRAWS, n_held_out, n_classes, generator=generator)
    held_out = [fold_N == fold for fold in range(n_folds)]
    precisions, scale = prior_precisions(features_ND), 1.0
    if n_classes * features_ND.numel() > _MANY_PRODUCTS:
        # features and the root of the precision by one number: their squares must be
        # in range
        scale = float(features_ND.square().mean().sqrt())
        features_ND = (features_ND / scale).float()
    known: dict[int, SoftmaxRegression] = {}
    starts: list[torch.Tensor | None] = [None] * n_folds
    told = [0.0] * n_folds

    def log_likelihood(precision):
        precision /= scale**2

        def tell(fold):
            out = held_out[fold]
            if fold not in known:
                known[fold] = SoftmaxRegression(
                    features_ND[~out], y_N[~out], weight_N[~out], n_classes
                )
            # the score moves by far less than it differs between two precisions
            starts[fold] = weights_CD = known[fold].weights(
                precision, starts[fold], is_exact=False
            )
            rows_MD = features_ND[out]
            proba_MC = known[fold].predictive(
                weights_CD, precision, rows_MD, noise_SMC[:, : len(rows_MD)]
            )
            of_label_M = proba_MC.gather(1, y_N[out][:, None])[:, 0]
            told[fold] = float(torch.special.xlogy(weight_N[out], of_label_M).sum())

        for_each_part(range(n_folds), lambda: tell, features_ND.device)
        return sum(told)

    return _first_best(precisions, log_likelihood)


def _first_best(precisions, score):
    """Return the precision before the score falls; weak priors take long to fit."""
    best, highest = precisions[0], -np.inf
    for precision in precisions:
        if (now := score(precision)) < highest:
            break
        best, highest = precision, now
    return best
