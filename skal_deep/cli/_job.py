"""What the command line does: data, model, comparison, files."""

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNetClassifier
from torch import nn

from skal_deep.classifier import MCDropoutClassifier
from skal_deep.cli._parser import DEFAULTS, MAX_TEST_ROWS
from skal_deep.datasets import Data, load, some_rows
from skal_deep.evaluation import Comparison, compare_strategies
from skal_deep.identity._values import digest, fingerprint
from skal_deep.modules import MLP, ConvNet

# What may change when a run goes on: it decides nothing of the rounds played already.
_FREE = {"strategies", "repeats", "cycles", "full_data", "jobs", "quiet"}
# Data go by what they hold, however their path is spelt and wherever they lie.
_ELSEWHERE = {"command", "out", "data", "label"}
_MIN_PIXELS = 4  # two halvings leave one
_TABLES = (".csv", ".tsv")


def compare(args: argparse.Namespace) -> tuple[Comparison, Data]:
    """Run the comparison that the arguments describe; return its data, too.

    Parameters
    ----------
    args : argparse.Namespace
        Parsed arguments.
    """
    if args.label is not None and Path(args.data).suffix.lower() not in _TABLES:
        raise ValueError("--label names a column of a .csv file; --data is none.")
    data = load(args.data, args.label)
    rng = np.random.default_rng(args.seed)
    X, y = some_rows(data.X, data.y, args.pool_size, rng)
    X_test, y_test = data.X_test, data.y_test
    if X_test is not None and y_test is not None:
        n_test = args.test_size or MAX_TEST_ROWS
        n_test = int(np.ceil(n_test * len(X_test))) if n_test < 1 else n_test
        X_test, y_test = some_rows(X_test, y_test, n_test, rng)
    comparison = compare_strategies(
        args.strategies,
        estimator(args, X),
        X,
        y,
        X_test=X_test,
        y_test=y_test,
        n_repeats=args.repeats,
        n_initial=args.n_initial,
        batch_size=args.batch_size,
        n_cycles=args.cycles,
        initial=args.initial,
        retrain=args.retrain,
        scoring=args.metrics,
        test_size=args.test_size or DEFAULTS["test_size"],
        label_noise=args.label_noise,
        n_copies=args.copies,
        copy_noise=args.copy_noise,
        references={"full data": None} if args.full_data else None,
        run_dir=args.out / "runs" / _run_name(args, data),
        n_jobs=args.jobs,
        progress=not args.quiet,
        random_state=args.seed,
    )
    comparison.settings["data"] = data.name
    if data.class_names is not None:
        counts = comparison.settings["first_labels"]
        comparison.settings["first_labels"] = {
            data.class_names[label]: count for label, count in counts.items()
        }
    return comparison, replace(data, X=X, y=y)


def _run_name(args: argparse.Namespace, data: Data) -> str:
    """Return a name for what decides the rounds that are played."""
    others = _FREE | _ELSEWHERE
    decides = {k: v for k, v in vars(args).items() if k not in others}
    arrays = data.X, data.y, data.X_test, data.y_test
    held = [None if array is None else fingerprint(array) for array in arrays]
    return digest({**decides, "data": held})


def estimator(args: argparse.Namespace, X: np.ndarray) -> MCDropoutClassifier:
    """Return the classifier that the arguments describe.

    Parameters
    ----------
    args : argparse.Namespace
        Parsed arguments.
    X : ndarray of shape (n_samples, ...)
        Inputs, whose shape decides on the net.
    """
    fits = X.ndim == 4 and min(X.shape[2:]) >= _MIN_PIXELS
    is_conv = args.model == "cnn" or (args.model == "auto" and fits)
    if is_conv and not fits:
        raise ValueError(
            f"--model cnn needs images (n, c, h, w) of {_MIN_PIXELS} pixels a side; "
            "use --model mlp."
        )
    net = NeuralNetClassifier(
        ConvNet if is_conv else MLP,
        module__dropout=args.dropout,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=args.lr,
        max_epochs=args.epochs,
        batch_size=32,
        iterator_train__shuffle=True,
        iterator_valid__batch_size=512,
        train_split=None,
        verbose=0,
        device=args.device,
    )
    return MCDropoutClassifier(net, n_samples=args.samples)


def write(comparison: Comparison, data: Data, folder: Path) -> None:
    """Write everything a comparison can show into a folder.

    Parameters
    ----------
    comparison : Comparison
        What came out.
    data : Data
        What it was made on.
    folder : Path
        Folder to write to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    y: NDArray[Any] = data.y
    if data.class_names is not None:
        y = np.array([*data.class_names, None], dtype=object)[y]  # -1 is the last
    # Written aside and moved: links are replaced, not followed, and whoever looks
    # meanwhile, or stops us, finds whole files.
    with TemporaryDirectory(dir=folder, prefix=".") as name:
        draft = Path(name)
        comparison.to_html(draft / "report.html", data.X, y)
        comparison.to_csv(draft / "curves.csv")
        comparison.summary().to_csv(draft / "summary.csv")
        comparison.to_json(draft / "results.json")
        comparison.figure().savefig(draft / "curves.png", dpi=150)
        for path in sorted(draft.iterdir()):
            path.replace(folder / path.name)
