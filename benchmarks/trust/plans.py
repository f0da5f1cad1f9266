"""How often a plan's band holds the curves of data sets that are not in its bank."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler, normalize

from benchmarks.bank import curve
from skal_deep.evaluation import plan_labels
from skal_deep.evaluation.planning._bank import builtin_bank
from skal_deep.evaluation.planning._calibration import _calibrate
from skal_deep.evaluation.planning._forecast import isotonic

BATCH = 10
STAGES = {10: 4.0, 16: 2.5}  # seen, and up to how many times as many are asked of
LARGEST = 6_000  # rows of a table that are used


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


def tasks(folder, names, n_tasks):
    """Yield the data set, inputs and classes: random features and rows of each."""
    for number, name in enumerate(names):
        X, y = read_keel(Path(folder) / name / f"{name}.dat")
        for task in range(n_tasks):
            rng = np.random.default_rng((number, task))
            rows = rng.permutation(len(y))[:LARGEST]
            kept = rng.random(X.shape[1]) < (1.0 if task == 0 else 0.6)
            classes, counts = np.unique(y[rows], return_counts=True)
            rows = rows[np.isin(y[rows], classes[counts >= 3])]  # to be split
            codes = np.unique(y[rows], return_inverse=True)[1]
            yield name, normalize(X[rows][:, kept] + 1e-9), codes


def outside(folder, names, n_tasks, n_seeds):
    """Return lines: data set, repeats, stages seen, curves, how many the band held."""
    held = {}
    for number, (name, X, y) in enumerate(tasks(folder, names, n_tasks)):
        for strategy in ("random", "herding"):
            seeds = [1_000 * number + seed for seed in range(n_seeds)]
            curves = np.array([curve(X, y, strategy, BATCH, seed) for seed in seeds])
            n_test = round(len(y) / 3)
            for n_seen, longest in STAGES.items():
                for repeats in (curves[:1], curves):
                    is_held = _is_held(repeats, n_seen, longest, n_test)
                    key = (name, len(repeats), n_seen)
                    held.setdefault(key, []).append(is_held)
    lines = [[*key, len(each), np.mean(each)] for key, each in held.items()]
    for n_repeats, n_seen in sorted({key[1:] for key in held}):
        each = [v for key, v in held.items() if key[1:] == (n_repeats, n_seen)]
        total = np.concatenate(each)
        lines.append(["all", n_repeats, n_seen, len(total), total.mean()])
    return lines


def _is_held(curves_RT, n_seen, longest, n_test):
    """Return whether the band of a plan holds the rest of the mean curve."""
    labels = BATCH * np.arange(1, curves_RT.shape[1] + 1)
    plan = plan_labels(labels[:n_seen], curves_RT[:, :n_seen], n_test=n_test)
    whole = isotonic(curves_RT.mean(axis=0)[None])[0]
    asked = plan.labels[plan.labels <= min(labels[-1], longest * labels[n_seen - 1])]
    truth = np.maximum(np.interp(asked, labels, whole), plan.current)
    low, high = plan.low[: len(asked)], plan.high[: len(asked)]
    return bool(((low <= truth + 1e-9) & (truth <= high + 1e-9)).all())


def families():
    """Return lines: how often bands of the other families hold those of one."""
    bank = builtin_bank()
    family = dict(zip(bank.task, bank.family, strict=True))
    lines = []
    for n_repeats in (1, 8):
        for longest in (4.0, 2.5):
            known = _calibrate(bank, longest, n_repeats)
            kinds = np.array([family[task] for task in known.tasks])
            each = np.zeros(len(kinds), bool)
            for kind in np.unique(kinds):
                is_asked = kinds == kind
                up, down = known.without(is_asked).quantiles(0.9)
                held = (known.above <= up) & (known.below <= down)
                each[is_asked] = held[is_asked]
                held_share = float(held[is_asked].mean())
                lines.append([kind, n_repeats, f"{longest:g}", held_share])
            # A task counts once, as in the promise.
            share = float(each @ known.weights / known.weights.sum())
            lines.append(["all", n_repeats, f"{longest:g}", share])
    return lines
