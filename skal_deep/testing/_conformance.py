"""The checks of a strategy as one call, with a report."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from skal_deep.testing import (  # noqa: F401, they list their checks
    _strategy_circumstances,
    _strategy_conduct,
)
from skal_deep.testing._promises import failure
from skal_deep.testing._strategy_case import Case, small_classifier
from skal_deep.testing._strategy_checks import CHECKS


@dataclass(frozen=True)
class ConformanceReport:
    """The results of the checks of a strategy or classifier.

    The checks return it: print it, or look into ``failures`` from a test of your own.

    Attributes
    ----------
    strategy : str
        The strategy.
    failures : dict of str to str
        What went wrong, by check and kind of data.
    n_checks : int
        How many checks were run.

    See Also
    --------
    check_query_strategy : Runs the checks of a strategy.
    check_classifier : Runs the checks of a classifier.

    Examples
    --------
    >>> from skal_deep.evaluation import ConformanceReport
    >>> ConformanceReport("Badge", {"repeatable (images)": "The picks differ."}, 32)
    Badge: 31 of 32 checks passed
      repeatable (images): The picks differ.
    """

    strategy: str
    failures: dict[str, str]
    n_checks: int

    def __repr__(self) -> str:
        n_passed = self.n_checks - len(self.failures)
        lines = [f"{self.strategy}: {n_passed} of {self.n_checks} checks passed"]
        lines += [f"  {name}: {message}" for name, message in self.failures.items()]
        return "\n".join(lines)


def check_query_strategy(
    strategy: Any,
    *,
    data: tuple[str, ...] = ("vectors", "images"),
    make_classifier: Any = small_classifier,
    raise_on_failure: bool = True,
) -> ConformanceReport:
    """Check that a strategy keeps the promises of a query.

    The checks fit a small net some hundred times; they take seconds to a minute.
    Give slow strategies small parameters.

    Use it in the tests of a strategy of your own.

    Parameters
    ----------
    strategy : QueryStrategy
        An instance, configured as it should be checked; it is cloned.
    data : tuple of {"vectors", "images"}, default=("vectors", "images")
        Kinds of data to check it on.
    make_classifier : callable, default=small_classifier
        ``make_classifier(is_image, missing_label, classes)`` returns an unfitted
        classifier that offers what the strategy needs. The default offers
        everything: a small :class:`~skal_deep.classifier.MCDropoutClassifier`.
    raise_on_failure : bool, default=True
        Whether to raise when a check fails, with all failures in the message.

    Returns
    -------
    ConformanceReport
        Prints as a list of what failed.

    Raises
    ------
    AssertionError
        If a check fails and ``raise_on_failure``.

    See Also
    --------
    check_classifier : The same for classifiers.
    ConformanceReport : What is returned.

    Examples
    --------
    >>> from skal_deep.evaluation import check_query_strategy
    >>> from skal_deep.pool import LeastConfidence
    >>> check_query_strategy(LeastConfidence()).failures  # doctest: +SKIP
    {}
    """
    failures, n_checks = {}, 0
    for kind in data:
        case = Case(strategy, kind == "images", make_classifier)
        for check in CHECKS:
            n_checks += 1
            if (message := failure(check, case)) is not None:
                failures[f"{check.__name__} ({kind})"] = message
    report = ConformanceReport(type(strategy).__name__, failures, n_checks)
    if failures and raise_on_failure:
        raise AssertionError(repr(report))
    return report


def run_checks(
    checks: Iterable[Callable[[Any], None]],
    case: Any,
    skip: tuple[str, ...],
    raise_on_failure: bool,
) -> ConformanceReport:
    """Run the checks of a model, and report on them.

    Parameters
    ----------
    checks : iterable of callable
        Each takes the case, and raises if a promise is broken.
    case : ModelCase
        The model, and data.
    skip : tuple of str
        Names of checks to leave out, the beginning of which may be left out, too.
    raise_on_failure : bool
        Whether to raise when a check fails.
    """
    checks = list(checks)
    endings = [name.removeprefix("check_") for name in skip]
    for ending in endings:
        if not any(check.__name__.endswith(ending) for check in checks):
            raise ValueError(f"There is no check called {ending!r}.")
    wanted = [check for check in checks if not check.__name__.endswith(tuple(endings))]
    told = {check.__name__: failure(check, case) for check in wanted}
    failures = {name: message for name, message in told.items() if message is not None}
    name = type(case.template).__name__
    report = ConformanceReport(name, failures, len(wanted))
    if failures and raise_on_failure:
        raise AssertionError(repr(report))
    return report
