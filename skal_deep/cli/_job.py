"""What the command line does: data, model, comparison, files."""

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skal_deep.campaign.models._nets import net_classifier, net_regressor
from skal_deep.classifier.door._inside import last_step
from skal_deep.classifier.door._model_checks import check_needs
from skal_deep.cli import _arguments as types
from skal_deep.cli._features import features
from skal_deep.cli._parser import DEFAULTS, MAX_TEST_ROWS
from skal_deep.cli._scoring import scoring
from skal_deep.datasets import Data, load, some_rows
from skal_deep.evaluation import Answer, Comparison, compare_strategies, does_al_help
from skal_deep.evaluation._number_metrics import METRICS_OF_NUMBERS
from skal_deep.identity._values import digest, fingerprint

# What may change when a run goes on: it decides nothing of the rounds played already.
_FREE = {"strategies", "repeats", "cycles", "full_data", "jobs", "quiet", "no_reasons"}
# Data go by what they hold, however their path is spelt and wherever they lie.
_ELSEWHERE = {
    "command",
    "out",
    "data",
    "label",
    "target",
    "text",
    "categories",
    "cost",
    "pixels",
    "backbone",
    "download",
}
_MOST_WORDS = 2000  # a net of vectors has a weight for each word and unit
_MIN_PIXELS = 4  # two halvings leave one
_TABLES = (".csv", ".tsv", ".parquet")
_METRICS_OF_NUMBERS = ["neg_root_mean_squared_error", "r2"]
_WITHOUT_SPREAD = (*_METRICS_OF_NUMBERS, "neg_standardized_rmse")


def compare(args: argparse.Namespace) -> tuple[Comparison, Data]:
    """Run the comparison that the arguments describe; return its data, too.

    Parameters
    ----------
    args : argparse.Namespace
        Parsed arguments.
    """
    data, options = _study(args)
    strategies = args.strategies
    if strategies is None:  # none beside random sampling is another wish
        usual = types.DEFAULT_STRATEGIES[data.is_regression]
        strategies = types.strategies(",".join(usual))
    comparison = compare_strategies(
        strategies,
        X=data.X,
        y=data.y,
        references={"full data": None} if args.full_data else None,
        search=args.search,
        **options,
    )
    _name_data(comparison, data)
    return comparison, data


def answer(args: argparse.Namespace) -> tuple[Answer, Data]:
    """Ask whether active learning helps, as the arguments say; return the data, too.

    Parameters
    ----------
    args : argparse.Namespace
        Parsed arguments.
    """
    data, options = _study(args)
    found = does_al_help(
        X=data.X,
        y=data.y,
        strategies=args.strategies,
        references={"full data": None} if args.full_data else None,
        explain=not args.no_reasons and args.budget is None,
        **options,
    )
    _name_data(found.comparison, data)
    return found, data


def _name_data(comparison: Comparison, data: Data) -> None:
    """Tell a comparison the names of its data and of the classes."""
    comparison.settings["data"] = data.name
    if data.class_names is not None:
        counts = comparison.settings["first_labels"]
        comparison.settings["first_labels"] = {
            data.class_names[label]: count for label, count in counts.items()
        }


def _study(args: argparse.Namespace) -> tuple[Data, dict[str, Any]]:
    """Return the data that the arguments name, and the options of a study of them."""
    is_table = _is_table(args)
    for option in ("label", "target", "text", "categories"):
        is_array = option == "target" and Path(args.data).suffix.lower() == ".npz"
        if getattr(args, option) and not (is_table or is_array):
            raise ValueError(
                f"--{option} names a column of a .csv or .parquet file; --data is none."
            )
    if args.text and args.categories:
        raise ValueError("--text takes one column alone: leave --categories out.")
    if args.backbone and args.pixels:
        raise ValueError("--backbone resizes images itself: leave --pixels out.")
    if args.backbone and is_table and not args.text:
        raise ValueError("--backbone of a table needs --text, the column of its texts.")
    if args.budget is not None:
        if args.cost is None:
            raise ValueError("--budget needs --cost, which says what each label costs.")
        if args.full_data or getattr(args, "search", False):
            raise ValueError(
                "With --budget strategies are compared over costs, where --full-data "
                "and --search have no place: leave these out, or --budget."
            )
    data = load(
        args.data,
        args.label,
        args.text,
        args.categories,
        args.pixels,
        args.target,
        files=args.backbone is not None and not args.text,
        cost=args.cost,
    )
    if args.backbone:
        data = replace(data, X=_embedded(args, data.X))
    rng = np.random.default_rng(args.seed)
    X, rows = some_rows(data.X, np.arange(len(data.y)), args.pool_size, rng)
    y, cost = data.y[rows], None if data.cost is None else data.cost[rows]
    X_test, y_test = data.X_test, data.y_test
    if X_test is not None and y_test is not None:
        n_test = args.test_size or MAX_TEST_ROWS
        n_test = int(np.ceil(n_test * len(X_test))) if n_test < 1 else n_test
        X_test, y_test = some_rows(X_test, y_test, n_test, rng)
    if data.is_regression:
        model = regressor(args, X, y)
        _check_strategies(args.strategies or {}, model)
    else:
        model = estimator(args, X)
    options = {
        "estimator": model,
        "X_test": X_test,
        "y_test": y_test,
        "n_repeats": args.repeats,
        "n_initial": args.n_initial,
        "batch_size": args.batch_size,
        "n_cycles": args.cycles,
        "initial": args.initial,
        "retrain": args.retrain,
        "scoring": _METRICS_OF_NUMBERS
        if data.is_regression and not args.metrics
        else scoring(args.metrics, args.positive, data),
        "test_size": args.test_size or DEFAULTS["test_size"],
        "label_noise": args.label_noise,
        "n_copies": args.copies,
        "copy_noise": args.copy_noise,
        "cost": cost,
        "budget": args.budget,
        "run_dir": args.out / "runs" / _run_name(args, data),
        "n_jobs": args.jobs,
        "progress": not args.quiet,
        "random_state": args.seed,
    }
    return replace(data, X=X, y=y, cost=cost), options


def _embedded(args: argparse.Namespace, X: NDArray[Any]) -> NDArray[np.float32]:
    """Return the texts, or the images of files, as the backbone sees them."""
    kind, folder = "text" if args.text else "image", args.out / "embeddings"
    return features(args.backbone, X, kind, args.device, args.download, folder)


def _run_name(args: argparse.Namespace, data: Data) -> str:
    """Return a name for what decides the rounds that are played."""
    others = _FREE | _ELSEWHERE
    decides = {k: v for k, v in vars(args).items() if k not in others}
    arrays = data.X, data.y, data.X_test, data.y_test, data.cost
    held = [None if array is None else fingerprint(array) for array in arrays]
    return digest({**decides, "data": held})


def _is_table(args: argparse.Namespace) -> bool:
    return Path(args.data).suffix.lower() in _TABLES


def estimator(args: argparse.Namespace, X: Any) -> Any:
    """Return the classifier that the arguments describe.

    Parameters
    ----------
    args : argparse.Namespace
        Parsed arguments.
    X : ndarray of shape (n_samples, ...) or table of pandas
        Inputs, whose kind and shape decide on the net and on what stands before it.

    Returns
    -------
    classifier or Pipeline
        Not fitted.

    See Also
    --------
    build_parser : Parses the arguments.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.cli import build_parser, estimator
    >>> args = build_parser().parse_args(["compare", "--epochs", "5"])
    >>> estimator(args, np.zeros((10, 4), np.float32)).net.max_epochs
    5
    """
    clf = net_classifier(
        _is_conv(args, X),
        dropout=args.dropout,
        epochs=args.epochs,
        lr=args.lr,
        n_samples=args.samples,
        device=args.device,
    )
    return _behind_columns(args, X, clf)


def regressor(args: argparse.Namespace, X: Any, y: NDArray[Any]) -> Any:
    """Return the regressor that the arguments describe.

    Parameters
    ----------
    args : argparse.Namespace
        Parsed arguments.
    X : ndarray of shape (n_samples, ...) or table of pandas
        Inputs.
    y : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Targets.
    """
    metrics = args.metrics or _METRICS_OF_NUMBERS
    reads_spread = any(
        name in METRICS_OF_NUMBERS and name not in _WITHOUT_SPREAD for name in metrics
    )
    reg = net_regressor(
        _is_conv(args, X),
        1 if y.ndim == 1 else y.shape[1],
        dropout=args.dropout,
        epochs=args.epochs,
        lr=args.lr,
        n_samples=args.samples,
        noise="cv" if reads_spread else "evidence",  # far dearer, and honest
        device=args.device,
    )
    return _behind_columns(args, X, reg)


def _check_strategies(strategies: dict[str, Any], reg: Any) -> None:
    """Raise if a strategy is for classes."""
    for name, strategy in strategies.items():
        if strategy._reads_classes:
            raise ValueError(f"{name} reads labels as classes, and is not for numbers.")
        needs = strategy._needs_of_regressor or strategy._needs
        check_needs(name, reg, needs, strategy._works_on_inputs)


def _is_conv(args: argparse.Namespace, X: Any) -> bool:
    """Return whether the net is one for images."""
    fits = len(X.shape) == 4 and min(X.shape[2:]) >= _MIN_PIXELS
    is_conv = args.model == "cnn" or (args.model == "auto" and fits)
    if is_conv and not fits:
        raise ValueError(
            f"--model cnn needs images (n, c, h, w) of {_MIN_PIXELS} pixels a side; "
            "use --model mlp."
        )
    return is_conv


def _behind_columns(args: argparse.Namespace, X: Any, model: Any) -> Any:
    """Return a model behind what makes vectors of texts and of tables."""
    if args.text and not args.backbone:
        words = TfidfVectorizer(max_features=_MOST_WORDS)
        return make_pipeline(words, last_step(model))
    if args.categories:
        others = [name for name in X.columns if name not in args.categories]
        columns = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), list(args.categories)),
            (make_pipeline(SimpleImputer(), StandardScaler()), others),
        )
        return make_pipeline(columns, last_step(model))
    if args.backbone or _is_table(args):  # columns of any unit, with gaps
        return make_pipeline(SimpleImputer(), StandardScaler(), last_step(model))
    return model


def write(
    comparison: Comparison, data: Data, folder: Path, answer: Answer | None = None
) -> None:
    """Write everything a comparison can show into a folder.

    Parameters
    ----------
    comparison : Comparison
        What came out.
    data : Data
        What it was made on.
    folder : Path
        Folder to write to.
    answer : Answer, default=None
        The answer that begins the report.
    """
    folder.mkdir(parents=True, exist_ok=True)
    y: NDArray[Any] = data.y
    shown = comparison
    if data.class_names is not None:
        y = np.array([*data.class_names, None], dtype=object)[y]  # -1 is the last
        settings = {**comparison.settings, "missing_label": None}
        shown = replace(comparison, settings=settings)
    # Written aside and moved: links are replaced, not followed, and whoever looks
    # meanwhile, or stops us, finds whole files.
    with TemporaryDirectory(dir=folder, prefix=".") as name:
        draft = Path(name)
        if answer is None:
            shown.to_html(draft / "report.html", data.X, y, data.image_shape)
        else:  # with the names of the classes
            answer = replace(answer, comparison=shown, X=data.X, y=y)
            answer.to_html(draft / "report.html", data.image_shape)
        comparison.to_csv(draft / "curves.csv")
        comparison.summary().to_csv(draft / "summary.csv")
        comparison.to_json(draft / "results.json")
        comparison.figure().savefig(draft / "curves.png", dpi=150)
        for path in sorted(draft.iterdir()):
            path.replace(folder / path.name)
