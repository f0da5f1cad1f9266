"""The options of the command line."""

import argparse
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from skal_deep.campaign.models._extractors import CHOICES
from skal_deep.cli import _arguments as types
from skal_deep.cli._campaign_parser import add_campaign_commands
from skal_deep.datasets import NAMES
from skal_deep.evaluation import BASELINE, compare_strategies

MAX_TEST_ROWS = 2000  # more cost time at every stage and say little more
DEFAULTS = {
    name: parameter.default
    for name, parameter in signature(compare_strategies).parameters.items()
}
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
  two strategies on images, ten repeats, and what all labels would give:
    python -m skal_deep compare --data fashion-mnist --pool-size 10000 \\
        --strategies bald,badge --repeats 10 --full-data
  your own table, with the labels in the column "species":
    python -m skal_deep compare --data birds.csv --label species
  numbers to predict in the column "price" of a table:
    python -m skal_deep compare --data flats.csv --target price
  texts in the column "review" of a table:
    python -m skal_deep compare --data films.csv --text review --label mood
  a folder of images, embedded by a frozen net:
    python -m skal_deep compare --data photos/ --backbone timm:resnet18 --download
  labels that cost as the column "minutes" says, an hour of them a query:
    python -m skal_deep compare --data birds.csv --label species --cost minutes \\
        --budget 60 --batch-size 100
  every row three times, one label in ten wrong, calibration reported as well:
    python -m skal_deep compare --copies 3 --label-noise 0.1 \\
        --metrics accuracy,neg_log_loss,neg_ece
"""
_DESCRIPTION_OF_ANSWER = """\
Find out whether active learning helps on data whose labels are known, and say so in
words: better, worse or no difference detected, with what could have been missed, why,
and what to do. The folder gets the report and the files that compare writes.
"""
_EXAMPLES_OF_ANSWER = """\
examples:
  your own table, with the labels in the column "species":
    python -m skal_deep does-al-help --data birds.csv --label species
  numbers to predict in the column "price" of a table:
    python -m skal_deep does-al-help --data flats.csv --target price
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Returns
    -------
    argparse.ArgumentParser
        With a sub-parser for each command.

    See Also
    --------
    main : Parses and runs.

    Examples
    --------
    >>> from skal_deep.cli import build_parser
    >>> build_parser().parse_args(["compare", "--repeats", "3"]).repeats
    3
    """
    parser = argparse.ArgumentParser(
        prog="python -m skal_deep",
        description="Deep active learning: compare strategies, label what they choose.",
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
    for_classes, for_numbers = (",".join(names) for names in types.DEFAULT_STRATEGIES)
    usual = f" (default: {for_classes}; for numbers {for_numbers})"
    _add_study(compare, usual, Path("report"))
    what = "also show what a greedy search with the true labels finds, as a line"
    compare.add_argument("--search", action="store_true", help=what)
    asks = commands.add_parser(
        "does-al-help",
        help="say in words whether active learning helps on a data set, and why not",
        usage="python -m skal_deep does-al-help [options]",
        description=_DESCRIPTION_OF_ANSWER,
        epilog=_EXAMPLES_OF_ANSWER,
        formatter_class=_HelpFormatter,
    )
    usual = " (default: one for uncertainty and one for diversity)"
    _add_study(asks, usual, Path("answer"))
    what = (
        "do not look for a reason where nothing helps, which takes six fits a repeat; "
        "with --budget none is looked for"
    )
    asks.add_argument("--no-reasons", action="store_true", help=what)
    add_campaign_commands(commands, _HelpFormatter)
    return parser


def _add_study(parser: argparse.ArgumentParser, usual: str, out: Path) -> None:
    """Add what every study asks: data, strategies, conditions, model, folder."""
    _add_data(parser.add_argument_group("data"))
    _add_learning(parser.add_argument_group("active learning"), usual)
    _add_conditions(parser.add_argument_group("harder conditions"))
    _add_model(parser.add_argument_group("model"))
    _add_running(parser.add_argument_group("running"), out)


def _add_data(group: argparse._ArgumentGroup) -> None:
    what = (
        f"{', '.join(NAMES)}, an .npz, .csv or .parquet file, a folder with IDX files, "
        "or one with a folder of images for each class"
    )
    _add(group, "--data", str, "digits", "NAME|PATH", what)
    what = "column of a table that holds the labels (default: the last)"
    _add(group, "--label", str, None, "NAME", what)
    what = "column of a table that holds numbers to predict, in place of labels"
    _add(group, "--target", str, None, "NAME", what)
    what = "column of a table that holds texts, which are then the inputs"
    _add(group, "--text", str, None, "NAME", what)
    what = "columns of a table that hold words, separated by commas"
    _add(group, "--categories", types.names, (), "NAMES", what)
    what = (
        "column of a table, or array of an .npz file, with what each label costs; "
        "curves.csv then says what was spent"
    )
    _add(group, "--cost", str, None, "NAME", what)
    what = "resize images of a folder to N x N pixels"
    _add(group, "--pixels", types.count, None, "N", what)
    what = (
        "embed the images of a folder, or --text, by a frozen model first, and train "
        f"an mlp on that: {', '.join(CHOICES)}; kept in DIR/embeddings"
    )
    _add(group, "--backbone", str, None, "MODEL", what)
    what = "let --backbone fetch weights from the internet"
    group.add_argument("--download", action="store_true", help=what)
    what = "use N rows, drawn at random (default: all)"
    _add(group, "--pool-size", types.count, None, "N", what)
    what = (
        "rows to score on, of the test data where there are any (default: a quarter "
        f"of the rows, or up to {MAX_TEST_ROWS:,} of the test data)"
    )
    _add(group, "--test-size", types.size, None, "SHARE|N", what)


def _add_learning(group: argparse._ArgumentGroup, usual: str) -> None:
    what = f"any of {', '.join([BASELINE, *types.known_strategies()])}{usual}"
    _add(group, "--strategies", types.strategies, None, "LIST", what)
    what = "paired repeats; ten and more show smaller differences"
    _add(group, "--repeats", types.count, DEFAULTS["n_repeats"], "N", what)
    _add(group, "--n-initial", types.count, 20, "N", "labels at the start")
    what = (
        "stratified takes as many first labels of each class as possible, for numbers "
        "rows that lie all over the inputs"
    )
    _choose(group, "--initial", ("stratified", "random"), DEFAULTS["initial"], what)
    _add(group, "--batch-size", types.count, 10, "N", "labels a query asks for")
    _add(group, "--cycles", types.count, 8, "N", "queries")
    what = (
        "what the labels of a query may cost together, by --cost; strategies are then "
        "compared over costs, and a query ends at --batch-size labels at most"
    )
    _add(group, "--budget", types.positive, None, "COST", what)
    what = (
        "metrics of the curves, the first of which is compared: accuracy, "
        "balanced_accuracy, neg_log_loss, neg_ece (calibration), recall_by_class (a "
        "table in the report), of numbers neg_crps, or another of scikit-learn's "
        "(default: accuracy; for numbers neg_root_mean_squared_error,r2)"
    )
    _add(group, "--metrics", types.metrics, DEFAULTS["scoring"], "LIST", what)
    what = "the class that counts for metrics of one class, such as f1"
    _add(group, "--positive", str, None, "NAME", what)
    what = "also draw what the model reaches with all labels, as a line"
    group.add_argument("--full-data", action="store_true", help=what)


def _add_conditions(group: argparse._ArgumentGroup) -> None:
    what = "probability that the annotator gives a wrong label"
    _add(group, "--label-noise", types.error_rate, DEFAULTS["label_noise"], "P", what)
    what = "how often each row occurs in the pool, to see what redundancy does"
    _add(group, "--copies", types.count, DEFAULTS["n_copies"], "N", what)
    what = "noise on copies, as a share of the standard deviation of the inputs"
    _add(group, "--copy-noise", types.spread, DEFAULTS["copy_noise"], "SHARE", what)


def _add_model(group: argparse._ArgumentGroup) -> None:
    what = "the net; auto is a cnn for images, an mlp for vectors"
    _choose(group, "--model", ("auto", "mlp", "cnn"), "auto", what)
    what = "passes through the labels in a training"
    _add(group, "--epochs", types.count, 80, "N", what)
    what = "what a training starts from: new weights, the last ones, these shrunk"
    policies = ("scratch", "warm", "shrink_perturb")
    _choose(group, "--retrain", policies, DEFAULTS["retrain"], what)
    _add(group, "--lr", types.positive, 0.003, "RATE", "learning rate of Adam")
    _add(group, "--dropout", types.share, 0.25, "P", "share of units dropped")
    what = "Monte Carlo samples of a prediction"
    _add(group, "--samples", types.count, 50, "S", what)
    _add(group, "--device", types.device, "cpu", "NAME", "where torch computes")


def _add_running(group: argparse._ArgumentGroup, out: Path) -> None:
    _add(group, "--out", Path, out, "DIR", "folder for the report")
    _add(group, "--jobs", types.jobs, -1, "N", "processes; -1 is one for each core")
    _add(group, "--seed", types.seed, 0, "N", "seed of everything")
    group.add_argument("--quiet", action="store_true", help="no progress bar")


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


def _choose(
    group: argparse._ArgumentGroup,
    name: str,
    choices: tuple[str, ...],
    default: str,
    text: str,
) -> None:
    """Add an option that has one of a few values."""
    group.add_argument(name, choices=choices, default=default, help=text)


class _HelpFormatter(
    argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter
):
    """Shows defaults, leaves the examples as they are written."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)
