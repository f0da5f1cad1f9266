"""A rare class: how soon its recall grows by random, uncertain and anchored labels.

    python -m benchmarks rare --data FOLDER [--repeats 10] [--out benchmarks/RESULTS.md]

FOLDER holds the files of Fashion-MNIST. Each repeat has 5,000 images as the pool, of
which repeats share no rare row (the common ones of two repeats are drawn again where
there are too few), and the 10,000 test images; features are 50 principal components,
the classifier is logistic regression with balanced classes. The rare class has 50 or 75
rows in a pool: bags; shirts, which look like other clothes; or sandals, shirts and bags
together, a class of three kinds. Five of its rows and five others are known, and
fifteen batches of ten are asked for.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from benchmarks._measure import provenance
from benchmarks._report import interval, write_section
from skal_deep.datasets import load
from skal_deep.evaluation import compare_strategies, paired_difference
from skal_deep.pool import AnchorAL, MarginSampling

N_POOL, N_COMPONENTS = 5_000, 50
# Classes that are rare together, and how many rows of each are in a pool.
SETTINGS = {"bags": ((8,), 50), "shirts": ((6,), 75), "three kinds": ((5, 6, 8), 25)}
STRATEGIES = {"margin": MarginSampling(), "AnchorAL": AnchorAL(MarginSampling())}
HEAD = (
    "| rare class | strategy | recall of it, mean over the budget | to random (95 %) "
    "| to margin (95 %) | final recall | balanced accuracy, mean | rare rows found "
    "| s a query |\n|---|---|---|---|---|---|---|---|---|"
)


def pools(rare, n_each, y, repeats):
    """Yield the rows of each repeat's pool, of which no two share a rare one."""
    rng = np.random.default_rng(0)
    rows = {c: list(rng.permutation(np.flatnonzero(y == c))) for c in rare}
    common = list(rng.permutation(np.flatnonzero(~np.isin(y, rare))))
    n_common = N_POOL - n_each * len(rare)
    for _ in range(repeats):
        taken = [rows[c].pop() for c in rare for _ in range(n_each)]
        if len(common) < n_common:  # too few for ten pools
            common = list(rng.permutation(np.flatnonzero(~np.isin(y, rare))))
        yield np.array([*taken, *(common.pop() for _ in range(n_common))])


def study(rare, n_each, data, repeats):
    """Return what each strategy reached in each repeat."""
    X, y, X_test, y_test = data
    is_test = np.isin(y_test, rare).astype(int)
    found = {name: [] for name in ("random", *STRATEGIES)}
    for repeat, rows in enumerate(pools(rare, n_each, y, repeats)):
        is_rare = np.isin(y[rows], rare).astype(int)
        played = compare_strategies(
            STRATEGIES,
            LogisticRegression(max_iter=300, class_weight="balanced"),
            X[rows],
            is_rare,
            X_test=X_test,
            y_test=is_test,
            n_initial=10,
            batch_size=10,
            n_cycles=15,
            n_repeats=1,
            scoring=["balanced_accuracy", "recall_by_class"],
            progress=False,
            random_state=repeat,
        )
        recall = played.by("recall of 1")
        for name, each in found.items():
            picks = np.concatenate(played.picked(name)[0])
            each.append(
                {
                    "recall": recall.areas(name)[0],
                    "final": recall.curve(name)[0, -1],
                    "balanced": played.areas(name)[0],
                    "found": is_rare[picks].sum(),
                    "seconds": played.curve(name, "seconds_query")[0, 1:].mean(),
                }
            )
    return found


def lines(setting, found):
    """Yield the rows of the table."""
    recall = {n: np.array([e["recall"] for e in each]) for n, each in found.items()}
    for name, each in found.items():
        mean = {key: np.mean([e[key] for e in each]) for key in each[0]}
        others = [
            interval(paired_difference(recall[name], recall[other]))
            if name not in ("random", other)
            else ""
            for other in ("random", "margin")
        ]
        yield (
            f"| {setting} | {name} | {mean['recall']:.3f} | {others[0]} | {others[1]} "
            f"| {mean['final']:.3f} | {mean['balanced']:.3f} | {mean['found']:.1f} "
            f"| {mean['seconds']:.2f} |"
        )


def main():
    """Play the settings, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="initial='stratified' takes")
    images = load(arguments.data)
    X = np.asarray(images.X, np.float32).reshape(len(images.X), -1)
    X_test = np.asarray(images.X_test, np.float32).reshape(len(images.X_test), -1)
    components = PCA(N_COMPONENTS, random_state=0).fit(X[::6])
    X, X_test = components.transform(X), components.transform(X_test)
    scale = X.std()
    data = X / scale, np.asarray(images.y), X_test / scale, np.asarray(images.y_test)
    rows = [HEAD]
    for setting, (rare, n_each) in SETTINGS.items():
        rows += lines(setting, study(rare, n_each, data, arguments.repeats))
        print("\n".join(rows), flush=True)
    if arguments.out:
        text = (
            f"{provenance(f'python -m benchmarks rare --repeats {arguments.repeats}')}."
            f" Fashion-MNIST, pools of {N_POOL:,} rows that share no rare one, "
            f"{arguments.repeats} paired repeats; logistic regression with balanced "
            f"classes on {N_COMPONENTS} components; 10 first labels, 5 of them of the "
            "rare class, 15 batches of 10. Intervals are of one difference: there are "
            "six of each kind."
        )
        write_section(arguments.out, "A rare class", text + "\n\n" + "\n".join(rows))


if __name__ == "__main__":
    main()
