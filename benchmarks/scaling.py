"""What a query costs against the size of pool, batch and label set.

    python -m benchmarks scaling [--limit 60] [--out benchmarks/RESULTS.md]

Every strategy that looks at embeddings or gradients, BALD and BatchBALD, beside
scikit-activeml's of the same name. The model is a linear layer on the embeddings, with
dropout for those that ask for draws; its answers are part of a query. Each measurement
is a fresh process with one thread: CPU seconds, and the peak of memory beside the data.
Larger sizes are left out once one has reached the limit, or would by the growth so far.
Figures are kept in ``scaling.json``: what is there is not measured again, so that a run
may be interrupted, and a table drawn anew.
"""

import argparse
import json
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import numpy as np

from benchmarks._measure import cost, in_fresh_process, provenance
from benchmarks._report import write_section
from benchmarks._scaling_report import draw, exponent, table

N_DIMS, N_LABELED = 32, 100
BASE = {"n": 10_000, "b": 10, "c": 10}
SWEEPS = {
    "n": [1_000, 10_000, 30_000, 100_000, 1_000_000],
    "b": [10, 100, 1_000],
    "c": [2, 10, 100],
}
MAX_BYTES = 8 * 2**30
PICTURE = Path(__file__).parent.parent / "docs" / "scaling.png"
FIGURES = Path(__file__).with_name("scaling.json")
# Settings that differ from the defaults: as many clusters as classes, and an integer
# program that is given up early, since its time does not depend on these sizes.
SETTINGS = {
    "BALD": {"n_samples": 20},
    "BatchBALD": {"n_samples": 20},
    "ProbCover": {"n_classes": 10},
    "RobustCoreSet": {"time_limit": 5.0},
}
# Grows with N^2 as documented; the others are linear in N.
QUADRATIC = [
    "DensityWeightedDiversity",
    "DiffusionAL",
    "JointLabelPropagation",
    "MaxHerding",
    "ProbCover",
    "TypiClust",
]
LINEAR = [
    "AlfaMix",
    "BALD",
    "Badge",
    "Bait",
    "BatchBALD",
    "Clue",
    "ClusterMargin",
    "ContrastiveAL",
    "CoreSet",
    "Falcun",
    "LCMD",
    "MaxDet",
    "RobustCoreSet",
]
# What scikit-activeml has, and whether it asks a classifier.
PEERS = {
    "Badge": True,
    "Clue": True,
    "ContrastiveAL": True,
    "CoreSet": False,
    "Falcun": True,
    "MaxHerding": False,
    "ProbCover": False,
    "TypiClust": False,
}


NOTE = f"""
CPU seconds and the peak of memory of one query beside its data: N rows of {N_DIMS}
features, {N_LABELED} labels, a batch of {BASE["b"]} and {BASE["c"]} classes.
`docs/scaling.png` shows all figures. Our side runs a linear model, scikit-activeml's
looks its answers up. The table shows the largest N within the limit, the exponents
with which time and memory grew between the last two sizes, and what a larger batch and
more classes cost at N = {BASE["n"]:,}. BALD and BatchBALD take 20 draws, RobustCoreSet
searches for 5 seconds at most.
Blank and strategies left out: not measured yet, or beyond the limit.
"""


def problem(n, c):
    """Return embeddings of classes that overlap, the head that tells them, labels."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((c, N_DIMS), dtype=np.float32)
    truth = np.arange(n) % c
    X = rng.standard_normal((n, N_DIMS), dtype=np.float32)
    X += centers[truth]
    y = np.where(np.arange(n) < N_LABELED, truth, -1)
    return X, centers, y


class InBulk:
    """A data set that hands out the rows of a mini-batch at once: a cheap model."""

    def __init__(self, X, y=None):
        self.X, self.y = X, y

    def __len__(self):
        return len(self.X)

    def __getitems__(self, rows):
        """Return inputs, and what skorch wants for labels."""
        import torch

        return torch.from_numpy(self.X[rows]), torch.zeros(len(rows))


def ours(name, n, b, c):
    """Return a query of our strategy."""
    import torch
    from skorch import NeuralNetClassifier

    from skal_deep import pool

    X, centers, y = problem(n, c)
    net = NeuralNetClassifier(
        torch.nn.Sequential(torch.nn.Dropout(0.2), torch.nn.Linear(N_DIMS, c)),
        criterion=torch.nn.CrossEntropyLoss,
        classes=np.arange(c),
        dataset=InBulk,
        iterator_valid__batch_size=2**16,
        iterator_valid__collate_fn=tuple,
    ).initialize()
    with torch.no_grad():
        net.module_[1].weight.copy_(torch.from_numpy(centers))
    strategy = getattr(pool, name)(random_state=0, **SETTINGS.get(name, {}))
    return lambda: strategy.query(X, y, net, fit_clf=False, batch_size=b)


def theirs(name, n, b, c):
    """Return a query of scikit-activeml's strategy."""
    from skactiveml import pool

    from benchmarks.peers import GivenAnswers

    X, centers, y = problem(n, c)
    settings = {"missing_label": -1, "random_state": 0, **SETTINGS.get(name, {})}
    if not PEERS[name]:
        strategy = getattr(pool, name)(**settings)
        return lambda: strategy.query(X, y, batch_size=b)
    logits = X @ centers.T
    proba = np.exp(logits - logits.max(1, keepdims=True))
    proba /= proba.sum(1, keepdims=True)
    if name in ("Badge", "ContrastiveAL"):
        settings["clf_embedding_flag_name"] = "return_embeddings"
    if name == "Clue":
        settings["predict_dict"] = {"return_embeddings": True}
    clf = GivenAnswers(proba, X)
    clf.missing_label = -1
    strategy = getattr(pool, name)(**settings)
    rows = np.arange(n, dtype=float)[:, None]
    return lambda: strategy.query(rows, y, clf, False, batch_size=b)


def measure(side, name, size):
    """Return CPU seconds and MiB of a query, after one that warms up."""
    call = {"ours": ours, "theirs": theirs}[side]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call(name, 500, 5, size["c"])()
        return cost(call(name, **size))


class Figures:
    """What has been measured, on disk; what is there is not measured again."""

    def __init__(self, origin):
        self._lock = Lock()
        self._kept = {"origin": origin, "costs": {}}
        if FIGURES.exists():
            self._kept = json.loads(FIGURES.read_text())
        self.origin = self._kept["origin"]

    def cost(self, limit, side, name, size):
        """Return seconds and MiB of a query, or in words why there are none."""
        key = " ".join([side, name, *(f"{k}={v}" for k, v in size.items())])
        if key not in self._kept["costs"]:
            answer = in_fresh_process(
                measure, side, name, size, cpu_seconds=limit, max_bytes=MAX_BYTES
            )
            print(key, answer, flush=True)
            with self._lock:
                self._kept["costs"][key] = answer
                FIGURES.write_text(json.dumps(self._kept, indent=0))
        return self._kept["costs"][key]

    def sweep(self, limit, side, name, axis):
        """Return sizes, seconds and MiB along one axis, up to the limit."""
        points = []
        for value in SWEEPS[axis]:
            if len(points) > 1 and expected(points, value) > limit:
                break
            answer = self.cost(limit, side, name, {**BASE, axis: value})
            if isinstance(answer, str):
                break
            points.append([value, *answer])
        return points


def expected(points, size):
    """Return the seconds that a size will take if growth goes on."""
    last_size, last, _ = points[-1]
    return last * (size / last_size) ** max(0.0, exponent(points, 0))


def measure_all(figures, limit, n_jobs):
    """Return all sweeps, by strategy, side and axis."""
    results = {name: {} for name in LINEAR + QUADRATIC}
    jobs = [
        (side, name, axis)
        for axis in SWEEPS
        for name in results
        for side in ("ours", "theirs")
        if side == "ours" or name in PEERS
    ]
    with ThreadPoolExecutor(n_jobs) as threads:
        sweeps = threads.map(lambda job: figures.sweep(limit, *job), jobs)
        for (side, name, axis), points in zip(jobs, sweeps, strict=True):
            results[name].setdefault(side, {})[axis] = points
    return results


def main():
    """Measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=60, help="CPU seconds a query")
    parser.add_argument("--jobs", type=int, default=1, help="measured at a time")
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    args = parser.parse_args()
    command = "python -m benchmarks scaling " + " ".join(sys.argv[1:])
    figures = Figures(provenance(command))
    results = measure_all(figures, args.limit, args.jobs)
    draw(results, SWEEPS, PICTURE)
    lines = table(results)
    print(*lines, sep="\n")
    if args.out:
        write_section(
            args.out, "Scaling", "\n".join([figures.origin + ".", NOTE, *lines])
        )
