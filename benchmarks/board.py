"""Which promises scikit-activeml's own strategies keep.

    python -m benchmarks board [--out docs/conformance.md]

Runs ``check_query_strategy`` on the strategies of ``skactiveml.pool`` as they come.
Those for regression, wrappers, and those with required parameters are left out.
"""

import argparse
import inspect
import platform
import re
import warnings
from datetime import date
from pathlib import Path

import skactiveml
from skactiveml import pool
from skactiveml.base import QueryStrategy
from skactiveml.classifier import (
    MixtureModelClassifier,
    ParzenWindowClassifier,
    SklearnClassifier,
)
from sklearn.ensemble import ExtraTreesClassifier

from skal_deep.evaluation import check_query_strategy
from skal_deep.pool import Badge, MarginSampling
from skal_deep.testing._conformance import CHECKS
from skal_deep.testing._strategy_case import small_classifier

OURS = (MarginSampling(), Badge())  # what a full score looks like
INTRODUCTION = """\
# Which promises query strategies keep

`check_query_strategy(strategy)` asks whether a strategy can be dropped into a loop:
right shapes, no row twice, no labelled row, utilities that explain the picks, equal
seeds, inputs left alone. This board shows what it says of scikit-activeml's own
strategies, with their defaults and a classifier of the kind that they document. Two of
ours come first, to show a full score.

A failed check is not always a fault. Some promises are ours and not scikit-activeml's:
picks that do not depend on the order in which the pool is stored, masks and negative
rows refused as candidates, NumPy's integers taken as batch size. Random sampling has no
reason to keep the first, and no classifier to refuse. Strategies for regression,
wrappers, and strategies with required parameters are left out, and so are
`DiscriminativeAL`, which asks for a discriminator, and `EpistemicUncertaintySampling`,
which is for two classes.

## What ours do differently

scikit-activeml has a template of tests for its strategies. Ours pass it, run by
`SKACTIVEML_TESTS_DIR=.../skactiveml/tests pytest
tests/pool/test_upstream_template.py` with the tests of a checkout, but for these
extensions, whose own tests stand there:

- `clf` may be any classifier with `predict_proba`, scikit-learn's and skorch's too,
  or a `Pipeline`; scikit-activeml's strategies refuse what is not their own. What is
  no model at all, a class in place of an instance among it, is a `TypeError` here as
  there.
- Every `query` has `reg` and `fit_reg`. A strategy that reads labels as classes, or
  asks for what a regressor does not have, refuses a regressor by a `TypeError`.
- `batch_size` may be one of NumPy's integers. Masks, negative rows and fractions are
  refused as candidates, and so is a pool in which every row has a label.
- `ClusterMargin` and the rule `ClusterRounds` take rows of `X` as candidates only and
  raise scikit-activeml's `MappingError` for inputs, as its own `TypiClust` does. So
  its `plot_annotator_utilities`, which passes inputs, cannot draw them.
- Candidates as inputs are picked as the same rows are by index. What looks at the
  whole population (`Bait`, `LCMD`, `MixedScore`, and the first row of the utilities
  of `Badge`, `AskNLearn` and `Falcun`) looks at the unlabelled rows of `X` then.
- A query that fits the model shows it the rows in an order that their contents
  decide, so that picks do not depend on how the pool is stored. `clf.fit` itself
  keeps the order that it is given.
- With no label at all, strategies that ask a model say by a warning that it has seen
  none.

## scikit-activeml's own strategies
"""


def parzen(_, missing_label=-1, classes=(0, 1, 2)):
    """Return a classifier that counts, and is fitted at once."""
    return ParzenWindowClassifier(
        classes=list(classes), missing_label=missing_label, random_state=0
    )


def mixture(_, missing_label=-1, classes=(0, 1, 2)):
    """Return a classifier with a mixture model."""
    return MixtureModelClassifier(
        classes=list(classes), missing_label=missing_label, random_state=0
    )


def forest(_, missing_label=-1, classes=(0, 1, 2)):
    """Return an ensemble, one for which equal weights are no weights."""
    return SklearnClassifier(
        ExtraTreesClassifier(n_estimators=5, random_state=0),
        classes=list(classes),
        missing_label=missing_label,
        random_state=0,
    )


LEFT_OUT = {
    "EpistemicUncertaintySampling",  # two classes only
    "ExpectedErrorReduction",  # abstract in all but name
}
MAKERS = {
    "FourDs": mixture,
    "MonteCarloEER": parzen,  # fits once a candidate and class
    "ProbabilisticAL": parzen,  # needs frequencies
    "ValueOfInformationEER": parzen,  # fits once a candidate and class
}


def strategies():
    """Return what is checked, by name."""
    found = {}
    for name in sorted(pool.__all__):
        strategy = getattr(pool, name)
        if not (inspect.isclass(strategy) and issubclass(strategy, QueryStrategy)):
            continue
        parameters = inspect.signature(strategy).parameters.values()
        asks = set(inspect.signature(strategy.query).parameters)
        if (
            name in LEFT_OUT
            or any(each.default is each.empty for each in parameters)
            or asks & {"reg", "query_strategy", "query_kwargs", "discriminator"}
        ):
            continue
        maker = forest if "ensemble" in asks else MAKERS.get(name, small_classifier)
        found[name] = strategy(), maker
    return found


def conduct(strategy, maker):
    """Return what failed, by check."""
    report = check_query_strategy(
        strategy, data=("vectors",), make_classifier=maker, raise_on_failure=False
    )
    print(report, flush=True)
    return {
        check.removesuffix(" (vectors)"): message
        for check, message in report.failures.items()
    }


def board(failures, makers):
    """Return the board as Markdown: scores, promises, and what went wrong."""
    n = len(CHECKS)
    parts = [
        INTRODUCTION,
        f"`python -m benchmarks board --out docs/conformance.md`, {date.today()}, "
        f"scikit-activeml {skactiveml.__version__}, Python "
        f"{platform.python_version()}.\n",
        "| strategy | classifier | passed | failed |",
        "|---|---|---|---|",
    ]
    for name, failed in failures.items():
        words = ", ".join(short(check) for check in failed)
        maker = makers[name].__name__.replace("small_classifier", "net")
        parts.append(f"| {name} | {maker} | {n - len(failed)} of {n} | {words} |")
    parts += [
        "",
        "## The promises",
        "",
        "| check | asks | failed by |",
        "|---|---|---|",
    ]
    for check in CHECKS:
        n_failed = sum(check.__name__ in failed for failed in failures.values())
        asked = inspect.getdoc(check).splitlines()[0]
        parts.append(f"| {short(check.__name__)} | {asked} | {n_failed or ''} |")
    parts += ["", "## What went wrong", ""]
    for name, failed in failures.items():
        lines = [f"- {short(check)}: `{brief(text)}`" for check, text in failed.items()]
        parts += [f"**{name}**\n", *lines, ""] if failed else []
    return "\n".join(parts)


def short(check):
    """Return the name of a check in words."""
    return check.removeprefix("check_").replace("_", " ")


def brief(message, width=150):
    """Return a message that fits a line."""
    text = message.replace("`", "'").strip()
    text = re.sub(r"\{'(\w+)':.*", r"'\1' is taken without an error", text)
    return text if len(text) <= width else f"{text[:width]}..."


def main():
    """Check, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="Markdown file for the board")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    cases = {f"{type(s).__name__}, ours": (s, small_classifier) for s in OURS}
    cases |= strategies()
    failures = {name: conduct(*case) for name, case in cases.items()}
    if args.out:
        makers = {name: maker for name, (_, maker) in cases.items()}
        args.out.write_text(board(failures, makers))
