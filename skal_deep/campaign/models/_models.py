"""Models and strategies that a campaign knows by name."""

import importlib
import warnings
from typing import Any

from skactiveml.base import QueryStrategy
from skactiveml.pool import RandomSampling
from sklearn.base import is_regressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skal_deep.campaign.models._nets import net_classifier, on_pixels
from skal_deep.campaign.store._settings import Settings
from skal_deep.classifier import BayesianLinearClassifier, BayesianLinearRegressor
from skal_deep.evaluation.simulation._cycle import refuse_without_rounds
from skal_deep.pool import LCMD, DeepQueryStrategy, MarginSampling, TypiClust

DEFAULT = "probe"
# The mean of fewer draws predicts worse than their centre, by up to seven points.
_N_DRAWS = 100
# A model of fewer labels a class says little of what it does not know.
_ENOUGH = 2
_FEW_NUMBERS = 20
_FEWEST_PIXELS = 4  # two halvings leave one
_COLD_SHARE = 0.25  # of the budget


def probe(is_regression: bool) -> Any:
    """Return the default model: a linear one on standardised features.

    A strategy that asks the logistic regression for draws gets those of its Laplace
    posterior. What it predicts is its most probable weights: these predicted better
    than the mean of 20 draws of :func:`bayesian_probe`, and as well as that of 100, in
    a tenth of the time.

    Parameters
    ----------
    is_regression : bool
        Whether labels are numbers.
    """
    last = Ridge() if is_regression else LogisticRegression(max_iter=1000)
    return make_pipeline(StandardScaler(), last)


def bayesian_probe(is_regression: bool) -> Any:
    """Return a linear model whose predictions average draws of its weights.

    Parameters
    ----------
    is_regression : bool
        Whether labels are numbers.
    """
    kind = BayesianLinearRegressor if is_regression else BayesianLinearClassifier
    return make_pipeline(StandardScaler(), kind(n_samples=_N_DRAWS))


def named_model(
    name: str,
    values: dict[str, Any],
    settings: Settings,
    shape: list[int] | None = None,
) -> Any:
    """Return an unfitted model.

    Parameters
    ----------
    name : str
        "probe"; "bayes", a linear one that averages draws of its weights; "mlp" or
        "cnn", small nets as ``compare`` has them; or ``module:function``, which is
        called without arguments.
    values : dict of str to object
        What is set by ``set_params``.
    settings : Settings
        Those of the campaign.
    shape : list of int, default=None
        Shape of an image, where the features are pixels.
    """
    if name == DEFAULT:
        model = probe(settings.is_regression)
    elif name == "bayes":
        model = bayesian_probe(settings.is_regression)
    elif name == "mlp":
        model = net_classifier(is_conv=False)
    elif name == "cnn":
        if shape is None or min(shape[1:]) < _FEWEST_PIXELS:
            raise ValueError(
                f"--model cnn looks at images of {_FEWEST_PIXELS} pixels a side and "
                "more: run `embed` with --features pixels first, or take --model mlp."
            )
        model = on_pixels(shape)
    elif ":" in name:
        model = imported(name)()
    else:
        raise ValueError(
            f"There is no model {name!r}: use {DEFAULT}, bayes, mlp, cnn, or "
            "module:function, a function without arguments that returns an unfitted "
            "model."
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
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # it is another one, which the user's file imports
        raise ValueError(
            f"{name} cannot be imported ({error}): is the file in the folder that "
            "Python starts in, or installed?"
        ) from error
    function = getattr(found, attribute, None)
    if not callable(function):
        raise ValueError(
            f"{module} has no function {attribute!r}: it is in {found.__file__}."
        )
    return function


def check_fits(model: Any, settings: Settings) -> None:
    """Raise unless a model predicts what the campaign labels.

    Parameters
    ----------
    model : object
        An unfitted model.
    settings : Settings
        Those of the campaign.
    """
    if isinstance(model, type) or not hasattr(model, "fit"):
        raise TypeError(
            f"A model is an unfitted classifier or regressor, not {model!r}: let the "
            "function return one."
        )
    if bool(is_regressor(model)) != settings.is_regression:
        wanted, came = ("regressor", "classifier")
        if not settings.is_regression:
            wanted, came = came, wanted
        raise TypeError(
            f"The labels of this campaign need a {wanted}, and {type(model).__name__} "
            f"is a {came}."
        )


def round_strategy(
    strategy: QueryStrategy | None,
    fitted: Any,
    counts: list[int],
    n_used: int,
    budget: int,
    is_regression: bool,
) -> tuple[QueryStrategy, Any]:
    """Return what chooses in a round, and the model that it asks.

    Parameters
    ----------
    strategy : QueryStrategy or None
        What the user wants to choose; ``None`` takes ``TypiClust`` until every class
        has two labels or a quarter of the budget is spent, and while fewer than two
        classes have a label, and then ``MarginSampling`` (``LCMD`` for numbers).
    fitted : object or None
        The model of the round; ``None`` before the first label.
    counts : list of int
        Training labels of each class; all of them together for a regression.
    n_used : int
        How many labels were spent.
    budget : int
        How many there are to spend.
    is_regression : bool
        Whether labels are numbers.
    """
    if strategy is not None:
        refuse_without_rounds(strategy)
        if fitted is None and _asks_model(strategy):
            warnings.warn(
                f"{type(strategy).__name__} asks a model, and there is no label to "
                "train one on yet: this round is chosen by TypiClust.",
                UserWarning,
                stacklevel=4,
            )
            return TypiClust(), None
        return strategy, fitted
    is_spent = n_used >= _COLD_SHARE * budget
    if is_regression:
        is_cold = sum(counts) < _FEW_NUMBERS and not (is_spent and sum(counts) > 1)
        return (TypiClust(), None) if is_cold else (LCMD(), fitted)
    is_cold = sum(count > 0 for count in counts) < 2 or not (
        is_spent or min(counts) >= _ENOUGH
    )
    # On features as they are, as long as a model says little of them.
    return (TypiClust(), None) if is_cold else (MarginSampling(), fitted)


def _asks_model(strategy: QueryStrategy) -> bool:
    """Return whether a strategy cannot do without a model."""
    if not isinstance(strategy, DeepQueryStrategy):
        return not isinstance(strategy, RandomSampling)
    return bool(strategy._needs) and not strategy._works_on_inputs
