"""The command line."""

import argparse
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from inspect import isabstract, isclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from skal_deep import pool
from skal_deep.classifier import MCDropoutClassifier
from skal_deep.datasets import NAMES, Data, load, some_rows
from skal_deep.evaluation import BASELINE, Comparison, compare_strategies
from skal_deep.evaluation._configuration import digest
from skal_deep.modules import MLP, ConvNet

_MAX_TEST_ROWS = 2000  # more cost time at every stage and say little more
_DESCRIPTION = """\
Play active learning through with several strategies, on the same splits, the same
first labels and the same initial weights, and report how they compare with random
sampling: report.html, curves.png, summary.csv, curves.csv, results.json. What was
played is kept in the folder: the same command goes on where it was interrupted, with
more strategies, repeats or cycles if wanted.
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


def known_strategies() -> dict[str, type]:
    """Return the strategies of the package by name."""
    public = {name: getattr(pool, name) for name in pool.__all__}
    return {
        name: value
        for name, value in sorted(public.items(), key=lambda item: item[0].lower())
        if isclass(value)
        and issubclass(value, pool.DeepQueryStrategy)
        and not (isabstract(value) or name == "MixedScore")  # whose scores have no name
    }


def _plain(name: str) -> str:
    """Return a name without case, hyphens and underscores."""
    return name.lower().replace("-", "").replace("_", "")


def strategies(text: str) -> dict[str, Any]:
    """Return strategies by the names of a comma-separated list.

    Parameters
    ----------
    text : str
        Names, with any case and hyphens; "random" is always there and can be left out.
    """
    known = known_strategies()
    names = [name for name in map(str.strip, text.split(",")) if name]
    if not names:
        raise argparse.ArgumentTypeError("name at least one strategy")
    by_plain = {_plain(name): strategy for name, strategy in known.items()}
    chosen = {}
    for name in names:
        if _plain(name) == BASELINE:
            continue  # always there
        if _plain(name) not in by_plain:
            raise argparse.ArgumentTypeError(
                f"no strategy {name!r}; choose from {BASELINE}, {', '.join(known)}"
            )
        chosen[name] = by_plain[_plain(name)]()
    return chosen


def _checked(
    convert: Callable[[str], Any], is_allowed: Callable[[Any], bool], wanted: str
) -> Callable[[str], Any]:
    """Return a type of arguments that says what it wants."""

    def check(text: str) -> Any:
        with suppress(ValueError):
            value = convert(text)
            if is_allowed(value):
                return value
        raise argparse.ArgumentTypeError(f"{wanted}, not {text!r}")

    return check


_count = _checked(int, lambda n: n >= 1, "a whole number from 1 up")
_jobs = _checked(int, lambda n: n >= 1 or n == -1, "-1 or a whole number from 1 up")
_seed = _checked(int, lambda n: n >= 0, "a whole number from 0 up")
_positive = _checked(float, lambda x: 0 < x < float("inf"), "a number above 0")
_size = _checked(
    lambda text: int(text) if text.isdecimal() else float(text),
    lambda x: 0 < x < 1 or (isinstance(x, int) and x > 0),
    "a number between 0 and 1, or a whole number from 1 up",
)
_share = _checked(float, lambda x: 0 < x < 1, "a number between 0 and 1")


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
    what = "column of a .csv file that holds the labels (default: the last)"
    _add(data, "--label", str, None, "NAME", what)
    what = "use N rows, drawn at random (default: all)"
    _add(data, "--pool-size", _count, None, "N", what)
    data.add_argument(
        "--test-size",
        type=_size,
        metavar="SHARE|N",
        help="rows to score on, of the test data where there are any (default: a "
        f"quarter of the rows, or up to {_MAX_TEST_ROWS:,} of the test data)",
    )
    learning = compare.add_argument_group("active learning")
    what = f"any of {', '.join([BASELINE, *known_strategies()])}"
    default = "random,bald,batchbald,badge,coreset,vaal"
    _add(learning, "--strategies", strategies, default, "LIST", what)
    what = "paired repeats; ten and more show smaller differences"
    _add(learning, "--repeats", _count, 5, "N", what)
    _add(learning, "--n-initial", _count, 20, "N", "labels at the start")
    _add(learning, "--batch-size", _count, 10, "N", "labels a query asks for")
    _add(learning, "--cycles", _count, 8, "N", "queries")
    model = compare.add_argument_group("model")
    model.add_argument(
        "--model",
        choices=("auto", "mlp", "cnn"),
        default="auto",
        help="the net; auto is a cnn for images, an mlp for vectors",
    )
    _add(model, "--epochs", _count, 80, "N", "passes through the labels in a training")
    _add(model, "--lr", _positive, 0.003, "RATE", "learning rate of Adam")
    _add(model, "--dropout", _share, 0.25, "P", "share of units dropped")
    _add(model, "--samples", _count, 50, "S", "Monte Carlo samples of a prediction")
    _add(model, "--device", str, "cpu", "NAME", "where torch computes")
    running = compare.add_argument_group("running")
    _add(running, "--out", Path, Path("report"), "DIR", "folder for the report")
    _add(running, "--jobs", _jobs, -1, "N", "processes; -1 is one for each core")
    _add(running, "--seed", _seed, 0, "N", "seed of everything")
    running.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def _add(
    group: argparse._ArgumentGroup,
    name: str,
    convert: Callable[[str], Any],
    default: Any,
    metavar: str,
    text: str,
) -> None:
    """Add an option that has a value."""
    group.add_argument(name, type=convert, default=default, metavar=metavar, help=text)


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
    args = (parser := build_parser()).parse_args(argv)
    try:
        comparison, data = _compare(args)
    except ValueError as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "\nInterrupted. The same command goes on from here.\n")
    _write(comparison, data, args.out)
    print(comparison.summary())
    print(f"\nReport: {args.out / 'report.html'}")
    return 0


def _compare(args: argparse.Namespace) -> tuple[Comparison, Data]:
    """Run the comparison that the arguments describe; return its data, too."""
    if args.label is not None and not args.data.endswith(".csv"):
        raise ValueError("--label names a column of a .csv file; --data is none.")
    data = load(args.data, args.label)
    rng = np.random.default_rng(args.seed)
    X, y = some_rows(data.X, data.y, args.pool_size, rng)
    X_test, y_test = data.X_test, data.y_test
    if X_test is not None and y_test is not None:
        n_test = args.test_size or _MAX_TEST_ROWS
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
        test_size=args.test_size or 0.25,
        run_dir=args.out / "runs" / _run_name(args),
        n_jobs=args.jobs,
        progress=not args.quiet,
        random_state=args.seed,
    )
    comparison.settings["data"] = data.name
    return comparison, replace(data, X=X, y=y)


def _run_name(args: argparse.Namespace) -> str:
    """Return a name for what decides the rounds that are played."""
    others = {"command", "out", "jobs", "quiet", "strategies", "repeats", "cycles"}
    return digest({k: v for k, v in vars(args).items() if k not in others})


def estimator(args: argparse.Namespace, X: np.ndarray) -> MCDropoutClassifier:
    """Return the classifier that the arguments describe.

    Parameters
    ----------
    args : argparse.Namespace
        Parsed arguments.
    X : ndarray of shape (n_samples, ...)
        Inputs, whose shape decides on the net.
    """
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


def _write(comparison: Comparison, data: Data, folder: Path) -> None:
    """Write everything a comparison can show into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    y = data.y if data.class_names is None else np.array(data.class_names)[data.y]
    comparison.to_html(folder / "report.html", data.X, y)
    comparison.to_csv(folder / "curves.csv")
    comparison.summary().to_csv(folder / "summary.csv")
    comparison.to_json(folder / "results.json")
    comparison.figure().savefig(folder / "curves.png", dpi=150)
