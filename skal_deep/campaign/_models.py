"""Models and strategies that a campaign knows by name."""

import importlib
from typing import Any

from sklearn.base import is_regressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skal_deep.campaign._settings import Settings
from skal_deep.pool import LCMD, MarginSampling, TypiClust

DEFAULT = "probe"
# A model of fewer labels a class says little of what it does not know.
_ENOUGH = 2
_COLD_SHARE = 0.25  # of the budget


def probe(is_regression: bool) -> Any:
    """Return the default model: a linear one on standardised features.

    Parameters
    ----------
    is_regression : bool
        Whether labels are numbers.
    """
    last = Ridge() if is_regression else LogisticRegression(max_iter=1000)
    return make_pipeline(StandardScaler(), last)


def named_model(name: str, values: dict[str, Any], settings: Settings) -> Any:
    """Return an unfitted model.

    Parameters
    ----------
    name : str
        "probe", or ``module:function``, which is called without arguments.
    values : dict of str to object
        What is set by ``set_params``.
    settings : Settings
        Those of the campaign.
    """
    if name == DEFAULT:
        model = probe(settings.is_regression)
    elif ":" in name:
        model = imported(name)()
    else:
        raise ValueError(
            f"There is no model {name!r}: use {DEFAULT}, or module:function, a "
            "function without arguments that returns an unfitted model."
        )
    check_fits(model, settings)
    try:
        return model.set_params(**values) if values else model
    except ValueError as error:
        raise ValueError(f"{name} cannot be set so: {error}") from error


def imported(name: str) -> Any:
    """Return what ``module:function`` names.

    Parameters
    ----------
    name : str
        Typed by the user, never read from a campaign's folder: importing runs code.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{name} cannot be imported ({error}): is the file in the folder that "
            "Python starts in, or installed?"
        ) from error


def check_fits(model: Any, settings: Settings) -> None:
    """Raise unless a model predicts what the campaign labels.

    Parameters
    ----------
    model : object
        An unfitted model.
    settings : Settings
        Those of the campaign.
    """
    if bool(is_regressor(model)) != settings.is_regression:
        wanted, came = ("regressor", "classifier")
        if not settings.is_regression:
            wanted, came = came, wanted
        raise TypeError(
            f"The labels of this campaign need a {wanted}, and {type(model).__name__} "
            f"is a {came}."
        )


def automatic_strategy(settings: Settings, counts: list[int], n_used: int) -> Any:
    """Return the strategy for a round: a cold start, or what reads predictions.

    Parameters
    ----------
    settings : Settings
        Those of the campaign.
    counts : list of int
        Training labels of each class; of all numbers together for a regression.
    n_used : int
        How many labels were spent.

    Returns
    -------
    strategy : QueryStrategy
        ``TypiClust`` until every class has two labels or a quarter of the budget is
        spent, and while fewer than two classes have a label.
    """
    is_spent = n_used >= _COLD_SHARE * settings.budget
    if settings.is_regression:
        is_cold = sum(counts) < _ENOUGH or not (is_spent or sum(counts) >= 10 * _ENOUGH)
        return cold_start() if is_cold else LCMD()
    is_cold = sum(count > 0 for count in counts) < 2 or not (
        is_spent or min(counts) >= _ENOUGH
    )
    return cold_start() if is_cold else MarginSampling()


def cold_start() -> TypiClust:
    """Return the strategy for a round before a model says anything."""
    return TypiClust()
