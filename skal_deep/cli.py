"""The command line."""

import argparse
from collections.abc import Sequence
from inspect import isabstract, isclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from skal_deep import pool
from skal_deep.classifier import MCDropoutClassifier
from skal_deep.datasets import NAMES, load
from skal_deep.evaluation import BASELINE, Comparison, compare_strategies
from skal_deep.modules import MLP, ConvNet

_DESCRIPTION = """\
Play active learning through with several strategies, on the same splits, the same
first labels and the same initial weights, and report how they compare with random
sampling: report.html, curves.png, summary.csv, curves.csv, results.json.
"""
_EXAMPLES = """\
examples:
  compare on the digits that come with scikit-learn:
    python -m skal_deep compare
  two strategies on images, ten repeats:
    python -m skal_deep compare --data fashion-mnist --pool-size 10000 \\
        --strategies bald,badge --repeats 10
  your own table, with the labels in the column "species":
    python -m skal_deep compare --data birds.csv --label species
"""


def _known_strategies() -> dict[str, type]:
    """Return the strategies of the package by name."""
    public = {name: getattr(pool, name) for name in pool.__all__}
    return {
        name: value
        for name, value in sorted(public.items(), key=lambda item: item[0].lower())
        if isclass(value)
        and issubclass(value, pool.DeepQueryStrategy)
        and not isabstract(value)
    }


def _plain(name: str) -> str:
    """Return a name without case, hyphens and underscores."""
    return name.lower().replace("-", "").replace("_", "")


def _strategies(text: str) -> dict[str, Any]:
    """Return strategies by the names of a comma-separated list."""
    known = _known_strategies()
    by_plain = {_plain(name): strategy for name, strategy in known.items()}
    chosen = {}
    for name in filter(None, map(str.strip, text.split(","))):
        if _plain(name) == BASELINE:
            continue  # always there
        if _plain(name) not in by_plain:
            raise argparse.ArgumentTypeError(
                f"no strategy {name!r}; choose from {BASELINE}, {', '.join(known)}"
            )
        chosen[name] = by_plain[_plain(name)]()
    return chosen


def _count(text: str) -> int:
    """Return a number that is at least one."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 up, not {text!r}")
    return int(text)


def _positive(text: str) -> float:
    """Return a number above zero."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"a number above 0, not {text!r}")
    return value


def _share(text: str) -> float:
    """Return a number between zero and one."""
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"a number between 0 and 1, not {text!r}")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m skal_deep",
        description="Deep active learning, compared honestly.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    compare = commands.add_parser(
        "compare",
        help="compare strategies on a data set and write a report",
        usage="python -m skal_deep compare [options]",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=_HelpFormatter,
    )
    data = compare.add_argument_group("data")
    data.add_argument(
        "--data",
        default="digits",
        metavar="NAME|PATH",
        help=f"{', '.join(NAMES)}, an .npz or .csv file, or a folder with IDX files",
    )
    data.add_argument(
        "--label", help="column of a .csv file with the labels (the last)"
    )
    data.add_argument(
        "--pool-size",
        type=_count,
        metavar="N",
        help="use N rows, drawn at random (all)",
    )
    data.add_argument(
        "--test-size",
        type=_share,
        default=0.25,
        metavar="SHARE",
        help="share of the rows to score on, where the data come without test data",
    )
    learning = compare.add_argument_group("active learning")
    learning.add_argument(
        "--strategies",
        type=_strategies,
        default="random,bald,batchbald,badge,coreset,vaal",
        metavar="LIST",
        help=f"any of {', '.join([BASELINE, *_known_strategies()])}",
    )
    learning.add_argument(
        "--repeats",
        type=_count,
        default=5,
        metavar="N",
        help="paired repeats; ten and more show smaller differences",
    )
    learning.add_argument(
        "--n-initial", type=_count, default=20, metavar="N", help="labels at the start"
    )
    learning.add_argument(
        "--batch-size", type=_count, default=10, metavar="N", help="labels of a query"
    )
    learning.add_argument(
        "--cycles", type=_count, default=8, metavar="N", help="queries"
    )
    model = compare.add_argument_group("model")
    model.add_argument(
        "--model",
        choices=("auto", "mlp", "cnn"),
        default="auto",
        help="net; auto takes a cnn for images",
    )
    model.add_argument(
        "--epochs", type=_count, default=80, metavar="N", help="passes of a training"
    )
    model.add_argument(
        "--lr",
        type=_positive,
        default=0.003,
        metavar="RATE",
        help="learning rate of Adam",
    )
    model.add_argument(
        "--dropout",
        type=_share,
        default=0.25,
        metavar="P",
        help="share of units dropped",
    )
    model.add_argument(
        "--samples", type=_count, default=50, metavar="S", help="Monte Carlo samples"
    )
    model.add_argument("--device", default="cpu", help="where torch computes")
    running = compare.add_argument_group("running")
    running.add_argument(
        "--out", type=Path, default=Path("report"), metavar="DIR", help="for the report"
    )
    running.add_argument(
        "--jobs", type=int, default=-1, metavar="N", help="processes; -1 is one a core"
    )
    running.add_argument("--seed", type=int, default=0, help="seed of everything")
    running.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


class _HelpFormatter(
    argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter
):
    """Shows defaults, leaves the examples as they are written."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments; ``None`` takes those of the process.

    Returns
    -------
    code : int
        0 on success.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        comparison = _compare(args)
    except ValueError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    _write(comparison, args.out)
    print(comparison.summary())
    print(f"\nReport: {args.out / 'report.html'}")
    return 0


def _compare(args: argparse.Namespace) -> Comparison:
    """Run the comparison that the arguments describe."""
    data = load(args.data, args.label)
    X, y = data.X, data.y
    if args.pool_size is not None and args.pool_size < len(y):
        rows = np.random.default_rng(args.seed).permutation(len(y))[: args.pool_size]
        X, y = X[rows], y[rows]
    comparison = compare_strategies(
        args.strategies,
        _estimator(args, X),
        X,
        y,
        X_test=data.X_test,
        y_test=data.y_test,
        n_repeats=args.repeats,
        n_initial=args.n_initial,
        batch_size=args.batch_size,
        n_cycles=args.cycles,
        test_size=args.test_size,
        n_jobs=args.jobs,
        progress=not args.quiet,
        random_state=args.seed,
    )
    comparison.settings["data"] = data.name
    return comparison


def _estimator(args: argparse.Namespace, X: np.ndarray) -> MCDropoutClassifier:
    """Return the classifier that the arguments describe."""
    is_conv = args.model == "cnn" or (args.model == "auto" and X.ndim == 4)
    if is_conv and X.ndim != 4:
        raise ValueError("--model cnn needs images (n, c, h, w); use --model mlp.")
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


def _write(comparison: Comparison, folder: Path) -> None:
    """Write everything a comparison can show into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    comparison.to_html(folder / "report.html")
    comparison.to_csv(folder / "curves.csv")
    comparison.summary().to_csv(folder / "summary.csv")
    comparison.to_json(folder / "results.json")
    comparison.figure().savefig(folder / "curves.png", dpi=150)
