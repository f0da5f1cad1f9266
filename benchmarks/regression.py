"""Numbers to predict: strategies beside random sampling, in paired repeats.

    python -m benchmarks regression --repeats 20 --out benchmarks/RESULTS.md

Three data sets that scikit-learn has or makes. The model is Bayesian linear regression
on 200 random features of an RBF kernel: a Gaussian process, nearly, in closed form. In
each repeat all strategies have the same split and the same first labels. The error is
RMSE: "log area" is the mean over the curve of the difference of its logarithms, so that
-0.10 is an error that is about a tenth smaller.
"""

import argparse
import platform
from datetime import date
from pathlib import Path

import numpy as np
from sklearn.datasets import load_diabetes, make_friedman1, make_friedman2
from sklearn.kernel_approximation import RBFSampler
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._report import write_section
from skal_deep.classifier import BayesianLinearRegressor
from skal_deep.evaluation import BASELINE, compare_strategies, holm, paired_difference
from skal_deep.pool import (
    BALD,
    EPIG,
    LCMD,
    Bait,
    BatchBALD,
    BatchEPIG,
    CoreSet,
    MaxDet,
    MeanStd,
    Power,
)

METRIC = "neg_root_mean_squared_error"


def data_sets():
    """Return inputs and targets by name."""
    n, seed = 2_000, 0
    return {
        "diabetes": load_diabetes(return_X_y=True),
        "friedman1": make_friedman1(n, noise=1.0, random_state=seed),
        "friedman2": make_friedman2(n, noise=50.0, random_state=seed),
    }


def strategies():
    """Return what is compared; random sampling is the baseline."""
    return {
        "LCMD": LCMD(),
        "BatchEPIG": BatchEPIG(),
        "EPIG, top": EPIG(),
        "Bait": Bait(weighting="paper"),
        "MaxDet": MaxDet(),
        "BatchBALD": BatchBALD(),
        "variance, Power": MeanStd(selection=Power(coldness=2.0)),
        "variance = BALD, top": BALD(),
        "CoreSet": CoreSet(),
    }


def model(n_columns):
    """Return a regressor that is nearly a Gaussian process."""
    features = RBFSampler(gamma=0.5 / n_columns, n_components=200, random_state=0)
    return make_pipeline(
        StandardScaler(), features, BayesianLinearRegressor(n_samples=100)
    )


def rows_of(name, comparison):
    """Return lines of a table: the last error, the paired difference, who won."""
    random = comparison.curve(BASELINE)
    differences = {
        strategy: paired_difference(
            -np.log(-comparison.curve(strategy)).mean(1),
            -np.log(-random).mean(1),
            comparison.overlap,
        )
        for strategy in comparison.strategies
        if strategy != BASELINE
    }
    p_values = holm([d.p_value for d in differences.values()])
    lines = [f"| {name} | {BASELINE} | {-random[:, -1].mean():.3g} | | | |"]
    for (strategy, d), p in zip(differences.items(), p_values, strict=True):
        error = -comparison.curve(strategy)[:, -1].mean()
        won = int((comparison.curve(strategy).mean(1) > random.mean(1)).sum())
        lines.append(
            f"| {name} | {strategy} | {error:.3g} | {-d.mean:+.3f} "
            f"({-d.high:+.3f} to {-d.low:+.3f}) | {p:.2g} | {won} of {len(random)} |"
        )
    return lines


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--cycles", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    args = parser.parse_args()
    lines = [
        "| data | strategy | last RMSE | log area, less than random | p (Holm) | won |",
        "|---|---|---|---|---|---|",
    ]
    for name, (X, y) in data_sets().items():
        comparison = compare_strategies(
            strategies(),
            model(X.shape[1]),
            X,
            y,
            n_repeats=args.repeats,
            n_initial=20,
            batch_size=args.batch_size,
            n_cycles=args.cycles,
            random_state=0,
            progress=False,
        )
        lines += rows_of(name, comparison)
        print("\n".join(lines[-1 - len(strategies()) :]), flush=True)
    command = f"python -m benchmarks regression --repeats {args.repeats}"
    text = "\n".join(
        [
            f"`{command}`, {date.today()}, {platform.machine()}. {args.repeats} paired "
            f"repeats; 20 first labels by k-means, {args.cycles} batches of "
            f"{args.batch_size}; a quarter of the rows is set aside for the score. "
            "Differences are of the mean log RMSE over the curve, less is better, with "
            "95 % intervals by paired t that allow for the overlap of the splits; p is "
            "corrected for the strategies of a set (Holm). Random features of an RBF "
            "kernel and Bayesian linear regression; nets were not measured here.",
            "",
            *lines,
        ]
    )
    if args.out is not None:
        write_section(args.out, "Regression", text)


if __name__ == "__main__":
    main()
