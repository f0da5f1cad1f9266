"""Planted reasons why choosing does not help, and whether they are named."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from benchmarks.trust._probe import Probe, synthetic
from skal_deep.evaluation import does_al_help
from skal_deep.pool import MarginSampling

SMALL = {"n_initial": 10, "batch_size": 10, "n_cycles": 10}
N_ROWS = 1_700  # of real sets, drawn anew for each data set
N_LARGE, N_POOL = 7_000, 5_000  # of those that can give rows to judge by, too
NONE = "none: it helps"


class Scrambled(Probe):
    """As sure of what is wrong as of what is right, row by row."""

    def predict_proba(self, X):
        """Return the likeliest class with a confidence that says nothing."""
        proba = super().predict_proba(X)
        n_classes = proba.shape[1]
        noise = np.modf(np.abs(np.sin(1e4 * X.sum(axis=1))))[0]
        top = 1 / n_classes + 0.6 * noise
        found = np.repeat(((1 - top) / max(n_classes - 1, 1))[:, None], n_classes, 1)
        found[np.arange(len(X)), proba.argmax(axis=1)] = top
        return found


def helps(X, y, rng):
    """Return three frequent classes and rare ones, of which all count alike.

    Repeats that split the same rows overlap, and the test allows for that: it could
    not show a gain of four points by any number of them. So a large set gives other
    rows to judge by, its rare classes are rarer, and there are twenty repeats.
    """
    frequent = rng.permutation(np.unique(y))[:3]
    given, share = {"scoring": "balanced_accuracy"}, 0.2
    if len(y) >= N_LARGE:
        given |= {"X_test": X[N_POOL:N_LARGE], "y_test": y[N_POOL:N_LARGE]}
        given |= {"n_repeats": 20}
        X, y, share = X[:N_POOL], y[:N_POOL], 0.05
    X, y = _rows(X, y, np.isin(y, frequent) | (rng.random(len(y)) < share))
    return X, y, Probe(), SMALL | given


def easy_task(X, y, rng):
    """Return two classes, moved apart."""
    X, y = _apart(X, y, rng)
    return X, y, Probe(), SMALL


def strong_model(X, y, rng):
    """Return two classes in two directions, mirrored or not: centroids are no use."""
    X, y = _easiest(X, y, rng)
    directions = np.linalg.qr(rng.normal(size=(X.shape[1], 2)))[0].T
    signs = rng.choice([-1, 1], len(X))
    X = (X + 2 * directions[(y == y[0]).astype(int)]) * signs[:, None]
    return X, y, KNeighborsClassifier(1), SMALL


def nothing_to_gain(X, y, rng):
    """Return an easy task with a third of the labels at random, and few features."""
    X, y = _easiest(X, y, rng)
    X = normalize(PCA(4, random_state=0).fit_transform(X))
    is_noise = rng.random(len(y)) < 0.35
    y = np.where(is_noise, rng.choice(np.unique(y), len(y)), y)
    return X, y, Probe(), SMALL | {"n_initial": 40, "batch_size": 20}


def convergence(X, y, rng):
    """Return most of the classes, and a budget of most of the pool."""
    classes = rng.permutation(np.unique(y))  # half of those of digits are easy
    X, y = _rows(X, y, np.isin(y, classes[: 3 * len(classes) // 4]))
    n_cycles = (len(y) * 2 // 3 - 10) // 20 - 1
    return X, y, Probe(), {"n_initial": 10, "batch_size": 20, "n_cycles": n_cycles}


def copies(X, y, rng):
    """Return twenty near copies of sixty rows."""
    rows = np.repeat(rng.permutation(len(y))[:60], 20)
    noise = 1e-3 * rng.normal(size=(len(rows), X.shape[1]))
    return normalize(X[rows] + noise), y[rows], Probe(), SMALL


def uncertainty_unreliable(X, y, _rng):
    """Return a model whose confidence says nothing."""
    return X, y, Scrambled(), SMALL


def uncertain_is_not_informative(X, y, rng):
    """Return random labels for the 45 % of rows that lie between the classes."""
    proba = np.sort(Probe().fit(X, y).predict_proba(X), axis=1)
    gap = proba[:, -1] - proba[:, -2]
    is_between = gap <= np.quantile(gap, 0.45)
    return X, np.where(is_between, rng.permutation(y), y), Probe(), SMALL


PLANTED = {
    NONE: helps,
    "easy task": easy_task,
    "strong model": strong_model,
    "nothing to gain": nothing_to_gain,
    "convergence": convergence,
    "copies in a batch": copies,
    "uncertainty unreliable": uncertainty_unreliable,
    "uncertain is not informative": uncertain_is_not_informative,
}


def named(planted, X, y, seed, n_repeats):
    """Return the reason that is named first, or that it helps, or none found."""
    rng = np.random.default_rng(seed)
    X, y, model, budget = PLANTED[planted](X, y, rng)
    answer = does_al_help(
        model,
        X,
        y,
        strategies=[MarginSampling()],
        explain=True,
        progress=False,
        random_state=seed,
        **({"n_repeats": n_repeats} | budget),
    )
    holding = (reason.name for reason in answer.reasons() if reason.holds)
    return next(holding, NONE if answer.word == "better" else "none found")


def table(pools, n_sets, n_repeats, planted=PLANTED, first_seed=4_000):
    """Return a line for each reason and kind of data: named so, and else."""
    lines = []
    for name in planted:
        for data in ("synthetic", *pools):
            found = []
            for seed in range(first_seed, first_seed + n_sets):
                X, y = pools[data] if data in pools else synthetic(seed)
                rows = np.random.default_rng(seed).permutation(len(y))
                is_large = name == NONE and len(rows) >= N_LARGE
                rows = rows[: N_LARGE if is_large else N_ROWS]
                found.append(named(name, X[rows], y[rows], seed, n_repeats))
            others = sorted({each for each in found if each != name})
            else_named = [f"{found.count(each)} {each}" for each in others]
            lines.append(
                [f"{name}, {data}", found.count(name), n_sets, ", ".join(else_named)]
            )
    return lines


def _easiest(X, y, rng):
    """Return the rows of the two classes that are told apart best."""
    classes = np.unique(y)
    pairs = [(a, b) for i, a in enumerate(classes) for b in classes[i + 1 :]]
    train = rng.random(len(y)) < 0.5
    scores = []
    for pair in pairs:
        fit, test = (np.isin(y, pair) & part for part in (train, ~train))
        scores.append(Probe().fit(X[fit], y[fit]).score(X[test], y[test]))
    return _rows(X, y, np.isin(y, pairs[int(np.argmax(scores))]))


def _apart(X, y, rng):
    """Return the easiest two classes, moved further from each other."""
    X, y = _easiest(X, y, rng)
    is_first = y == y[0]
    between = X[is_first].mean(axis=0) - X[~is_first].mean(axis=0)
    return X + np.where(is_first[:, None], between, -between), y


def _rows(X, y, is_in):
    return X[is_in], y[is_in]
