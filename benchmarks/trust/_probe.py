"""The small model and the pools of the simulations."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits, make_classification
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler, normalize

from benchmarks.bank import Ridge
from skal_deep.classifier import PredictsProba
from skal_deep.datasets import load
from skal_deep.functional import least_confidence
from skal_deep.pool import MarginSampling, ScoreQueryStrategy, UncertaintyHerding

N_FASHION = 10_000


class Probe(ClassifierMixin, BaseEstimator):
    """Least squares on one-hot classes: a millisecond a fit."""

    def fit(self, X, y):
        """Fit the weights."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.ridge_ = Ridge(X, codes, len(self.classes_))
        return self

    def predict_proba(self, X):
        """Return class probabilities."""
        return self.ridge_.proba(X)

    def predict(self, X):
        """Return the likeliest classes."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class MostConfident(ScoreQueryStrategy):
    """Asks for what the model is surest of: a strategy that hurts."""

    _needs = (PredictsProba,)

    def __init__(self, selection=None, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.selection = selection

    def _score(self, pool):
        return -least_confidence(pool.predict_proba()[None])


def strategies():
    """Return what chooses labels, by name."""
    return {
        "margin": MarginSampling(),
        "herding": UncertaintyHerding(),
        "most confident": MostConfident(),
    }


def pools(fashion_mnist=None, n_rows=None):
    """Return inputs and classes of the data sets that are there, by name.

    Parameters
    ----------
    fashion_mnist : str, default=None
        Folder of the files of Fashion-MNIST; ``None`` leaves it out.
    n_rows : int, default=None
        Random rows of each; ``None`` is all of digits and 10,000 of Fashion-MNIST.
    """
    rng = np.random.default_rng(0)
    found = {"digits": load_digits(return_X_y=True)}
    if fashion_mnist:
        data = load(fashion_mnist)
        take = rng.permutation(len(data.y))[:N_FASHION]
        images = np.asarray(data.X[take], np.float64).reshape(len(take), -1)
        found["fashion-mnist"] = (
            PCA(50, random_state=0).fit_transform(images),
            data.y[take],
        )
    for name, (X, y) in found.items():
        take = rng.permutation(len(y))[:n_rows]
        found[name] = normalize(X[take]), np.asarray(y)[take]
    return found


def synthetic(seed, n_rows=1_700):
    """Return inputs and classes of a synthetic data set."""
    rng = np.random.default_rng(seed)
    n_informative = int(rng.integers(8, 16))
    X, y = make_classification(
        n_rows,
        n_features=n_informative + 5,
        n_informative=n_informative,
        n_redundant=0,
        n_classes=8,
        n_clusters_per_class=1,
        class_sep=float(rng.uniform(1.5, 2.5)),
        flip_y=0.0,
        random_state=seed,
    )
    return normalize(StandardScaler().fit_transform(X)), y
