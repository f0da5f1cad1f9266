"""Learning curves for ``plan_labels``: the bank that ships with the package.

    python -m benchmarks bank --fashion-mnist fashion-mnist

Tasks are subsets of the classes and of the features of four real data sets, and
synthetic ones. The model is least squares on one-hot classes: as accurate here as
logistic regression, and a millisecond a fit. Random sampling and herding have eight
seeds a task, margin sampling two; seeds share the split, as repeats of a user do not,
so that the mean of some of them is a curve such as theirs is.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_classification,
)
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler, normalize

from skal_deep.datasets import load
from skal_deep.evaluation import Bank
from skal_deep.evaluation.planning._calibration import _calibrate

BANK = Path("skal_deep/evaluation/planning/bank.npz")
N_STAGES = 40
N_SEEDS = {"random": 8, "herding": 8, "margin": 2}
RIDGE, TEMPERATURE, WIDTH = 0.3, 6.0, 0.7
LARGEST_POOL = 800


def tasks(fashion, n_synthetic, rng):
    """Yield family, inputs, labels and batch size."""
    digits, digit = load_digits(return_X_y=True)
    images = load(fashion)
    take = rng.permutation(len(images.X))[:10_000]
    clothes = PCA(50, random_state=0).fit_transform(
        np.asarray(images.X[take], np.float64).reshape(len(take), -1)
    )
    real = {"digits": (digits, digit), "fashion-mnist": (clothes, images.y[take])}
    for family, (X, y) in real.items():
        for _ in range(27):
            classes = rng.choice(10, rng.integers(2, 11), replace=False)
            is_in = np.isin(y, classes)
            kept = rng.random(X.shape[1]) < rng.choice([0.3, 0.6, 1.0])
            yield family, normalize(X[is_in][:, kept] + 1e-9), y[is_in], 10
    for family, load_set, batch, n in (
        ("cancer", load_breast_cancer, 5, 10),
        ("wine", load_wine, 2, 10),
    ):
        X, y = load_set(return_X_y=True)
        for _ in range(n):
            kept = rng.permutation(X.shape[1])[: rng.integers(3, X.shape[1] + 1)]
            yield (
                family,
                normalize(StandardScaler().fit_transform(X[:, kept])),
                y,
                batch,
            )
    for _ in range(n_synthetic):
        n_classes = int(rng.integers(2, 9))
        n_informative = int(rng.integers(5, 16))
        X, y = make_classification(
            2_400,
            n_features=n_informative + int(rng.integers(0, 20)),
            n_informative=n_informative,
            n_redundant=0,
            n_classes=n_classes,
            n_clusters_per_class=int(rng.integers(1, 3)),
            class_sep=float(rng.uniform(0.5, 2.0)),
            flip_y=float(rng.choice([0.0, 0.05, 0.15])),
            random_state=int(rng.integers(2**31)),
        )
        yield "synthetic", normalize(StandardScaler().fit_transform(X)), y, 10


class Ridge:
    """Least squares on one-hot classes, with a softmax for uncertainty."""

    def __init__(self, X, y, n_classes):
        one_hot = np.eye(n_classes)[y]
        design = np.hstack([X, np.ones((len(X), 1))])
        gram = design.T @ design + RIDGE * np.eye(design.shape[1])
        self.weights = np.linalg.solve(gram, design.T @ one_hot)

    def proba(self, X):
        """Return class probabilities."""
        score = TEMPERATURE * (X @ self.weights[:-1] + self.weights[-1])
        score = np.exp(score - score.max(axis=1, keepdims=True))
        return score / score.sum(axis=1, keepdims=True)


def curve(X, y, strategy, batch, seed):
    """Return the accuracies of one run, one a stage."""
    n_classes = len(np.unique(y))
    rng = np.random.default_rng(seed)
    X_pool, X_test, y_pool, y_test = train_test_split(
        X, y, test_size=1 / 3, stratify=y, random_state=seed
    )
    X_pool, y_pool = X_pool[:LARGEST_POOL], y_pool[:LARGEST_POOL]
    kernel = np.exp(-(2 - 2 * (X_pool @ X_pool.T)).clip(0) / (2 * WIDTH**2)).astype(
        np.float32
    )
    labeled = list(rng.permutation(len(y_pool))[:batch])
    scores = []
    for _ in range(N_STAGES):
        model = Ridge(X_pool[labeled], y_pool[labeled], n_classes)
        scores.append((model.proba(X_test).argmax(1) == y_test).mean())
        free = np.setdiff1d(np.arange(len(y_pool)), labeled)
        if len(free) < batch:
            break
        labeled += list(
            pick(strategy, model, X_pool, kernel, labeled, free, batch, rng)
        )
    return np.array(scores)


def pick(strategy, model, X, kernel, labeled, free, batch, rng):
    """Return the rows to label next."""
    if strategy == "random":
        return rng.choice(free, batch, replace=False).tolist()
    second, first = np.sort(model.proba(X), axis=1).T[-2:]
    unsure = 1 - (first - second)
    if strategy == "margin":
        return free[np.argsort(-unsure[free], kind="stable")[:batch]].tolist()
    covered = kernel[:, labeled].max(axis=1)
    picks = []
    for _ in range(batch):
        gain = unsure @ np.maximum(kernel[:, free] - covered[:, None], 0)
        gain[np.isin(free, picks)] = -1
        picks.append(free[gain.argmax()])
        covered = np.maximum(covered, kernel[:, picks[-1]])
    return picks


def play(task, family, X, y, batch):
    """Return the rows of the bank that belong to one task."""
    y = np.unique(y, return_inverse=True)[1]
    found = []
    for strategy, n_seeds in N_SEEDS.items():
        for seed in range(n_seeds):
            scores = curve(X, y, strategy, batch, 1_000 * task + seed)
            found.append((family, task, strategy, batch, scores))
    return found


def coverage(bank, n_repeats, longest, level=0.9):
    """Return the share of curves that a band of the other data sets holds."""
    known = _calibrate(bank, longest, n_repeats)
    tasks = known.tasks
    held = []
    for task in np.unique(tasks):
        is_asked = tasks == task
        rest = known.without(is_asked)
        up, down = rest.quantiles(level)
        is_held = (known.above <= up) & (known.below <= down)
        held.append(is_held[is_asked].mean())
    return np.mean(held)


def report(bank):
    """Print how often the band holds, each data set left out in turn."""
    for n_repeats in (1, 8):
        for longest in (4.0, 2.5):
            share = coverage(bank, n_repeats, longest)
            print(
                f"{n_repeats} repeats, up to {longest:g} times the labels: a band of "
                f"90 % from the other data sets holds {share:.3f} of the curves"
            )


def main():
    """Play all tasks and write the bank."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fashion-mnist", default="fashion-mnist")
    parser.add_argument("--synthetic", type=int, default=30)
    parser.add_argument("--out", type=Path, default=BANK)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="only its coverage")
    options = parser.parse_args()
    if options.check:
        report(Bank.load(options.out))
        return
    started = time.perf_counter()
    rng = np.random.default_rng(0)
    jobs = enumerate(tasks(options.fashion_mnist, options.synthetic, rng))
    played = Parallel(options.jobs, verbose=5)(
        delayed(play)(task, *parts) for task, parts in jobs
    )
    rows = [row for found in played for row in found]
    bank = Bank()
    for family, task, strategy, batch, scores in rows:
        n_labels = batch * np.arange(1, len(scores) + 1)
        bank.add_curve(
            n_labels, scores, task=f"{family} {task}", strategy=strategy, family=family
        )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    bank.save(options.out)
    report(bank)
    print(
        f"{len(bank)} curves of {bank.n_tasks} tasks, "
        f"{options.out.stat().st_size / 1024:.0f} KiB, "
        f"{time.perf_counter() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
