"""What the command line understands: names and numbers."""

import argparse
from collections.abc import Callable
from contextlib import suppress
from inspect import isabstract, isclass
from typing import Any

import torch
from skorch import NeuralNetClassifier

from skal_deep import pool
from skal_deep.classifier import CapabilityError, MCDropoutClassifier
from skal_deep.classifier.door._model_checks import check_needs
from skal_deep.evaluation import BASELINE
from skal_deep.evaluation._metrics import BY_CLASS, named_scorers
from skal_deep.modules import MLP

# Strategies that are made of others, which have no name on a command line.
_OF_OTHERS = (
    "AdaptiveStrategy",
    "AnchorAL",
    "MixedScore",
    "SelectionViaProxy",
    "SwitchStrategy",
)


# What is compared where nobody names strategies: for classes, and for numbers.
DEFAULT_STRATEGIES = (
    ("random", "bald", "batchbald", "badge", "coreset", "vaal"),
    ("random", "lcmd", "batchepig", "maxdet", "coreset", "bait"),
)


def known_strategies() -> dict[str, type]:
    """Return the strategies that a model of the command line serves, by name.

    Returns
    -------
    dict of str to type
        Classes of :mod:`skal_deep.pool`.

    See Also
    --------
    strategies : Makes those of a list.

    Examples
    --------
    >>> from skal_deep.cli import known_strategies
    >>> "BALD" in known_strategies()
    True
    """
    public = {name: getattr(pool, name) for name in pool.__all__}
    return {
        name: value
        for name, value in sorted(public.items(), key=lambda item: item[0].lower())
        if isclass(value)
        and issubclass(value, pool.DeepQueryStrategy)
        and not isabstract(value)
        and name not in _OF_OTHERS
        and _is_served(value())
    }


def _is_served(strategy: pool.DeepQueryStrategy) -> bool:
    """Return whether a net with dropout can answer what a strategy asks."""
    name, clf = type(strategy).__name__, MCDropoutClassifier(NeuralNetClassifier(MLP))
    try:
        check_needs(name, clf, strategy._needs, strategy._works_on_inputs)
    except CapabilityError:
        return False
    return True


def split_list(text: str) -> list[str]:
    """Return the entries of a comma-separated list.

    Parameters
    ----------
    text : str
        Entries with commas between them.
    """
    return [name for name in map(str.strip, text.split(",")) if name]


def _simplify(name: str) -> str:
    """Return a name without case, hyphens and underscores."""
    return name.lower().replace("-", "").replace("_", "")


def strategies(text: str) -> dict[str, Any]:
    """Return strategies by the names of a comma-separated list.

    Parameters
    ----------
    text : str
        Names, with any case and hyphens; "random" is always there and can be left out.

    Returns
    -------
    dict of str to QueryStrategy
        The strategies; ``None`` is random sampling.

    See Also
    --------
    known_strategies : Which names there are.

    Examples
    --------
    >>> from skal_deep.cli import strategies
    >>> strategies("bald,core-set")
    {'bald': BALD(), 'core-set': CoreSet()}
    """
    known = known_strategies()
    names = split_list(text)
    if not names:
        raise argparse.ArgumentTypeError("name at least one strategy")
    by_plain = {_simplify(name): strategy for name, strategy in known.items()}
    chosen: dict[str, Any] = {}
    spelt: dict[str, str] = {}
    for name in names:
        if _simplify(name) == BASELINE:
            continue  # always there
        if _simplify(name) in spelt:
            raise argparse.ArgumentTypeError(
                f"{spelt[_simplify(name)]!r} and {name!r} are the same strategy: name "
                "it once"
            )
        spelt[_simplify(name)] = name
        if _simplify(name) not in by_plain:
            raise argparse.ArgumentTypeError(
                f"no strategy {name!r}; choose from {BASELINE}, {', '.join(known)}"
            )
        chosen[name] = by_plain[_simplify(name)]()
    return chosen


def names(text: str) -> tuple[str, ...]:
    """Return the entries of a comma-separated list.

    Parameters
    ----------
    text : str
        Names.
    """
    return tuple(split_list(text))


def metrics(text: str) -> list[str]:
    """Return the names of a comma-separated list of metrics, if there are such.

    Parameters
    ----------
    text : str
        Names as in scikit-learn, and "neg_ece".

    Returns
    -------
    list of str
        The names.

    See Also
    --------
    skal_deep.evaluation.compare_strategies : Its ``scoring`` takes them.

    Examples
    --------
    >>> from skal_deep.cli import metrics
    >>> metrics("accuracy, neg_ece")
    ['accuracy', 'neg_ece']
    """
    names = split_list(text)
    try:
        named_scorers([name for name in names if name != BY_CLASS])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return names


def device(text: str) -> str:
    """Return the name of a device on which torch computes here.

    Parameters
    ----------
    text : str
        Such as "cpu", "cuda" or "cuda:1".
    """
    try:
        torch.zeros(1, device=text).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).split("\n")[0]
        raise argparse.ArgumentTypeError(
            f"torch does not compute on {text!r} here ({reason}); use cpu, or a device "
            "of this machine, such as cuda"
        ) from error
    return text


def _make_type(
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


count = _make_type(int, lambda n: n >= 1, "a whole number from 1 up")
jobs = _make_type(int, lambda n: n >= 1 or n == -1, "-1 or a whole number from 1 up")
port = _make_type(int, lambda n: 0 <= n < 2**16, "a port: a number from 0 to 65535")
seed = _make_type(int, lambda n: n >= 0, "a whole number from 0 up")
positive = _make_type(float, lambda x: 0 < x < float("inf"), "a number above 0")
size = _make_type(
    lambda text: int(text) if text.isdecimal() else float(text),
    lambda x: 0 < x < 1 or (isinstance(x, int) and x > 0),
    "a number between 0 and 1, or a whole number from 1 up",
)
share = _make_type(float, lambda x: 0 < x < 1, "a number between 0 and 1")
error_rate = _make_type(float, lambda x: 0 <= x < 1, "a number from 0 to below 1")
spread = _make_type(float, lambda x: 0 <= x < float("inf"), "a number from 0 up")
