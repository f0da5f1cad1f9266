"""Which kinds of rows a model is given as they are, and which as numbers."""

from typing import Any

from numpy.typing import NDArray
from skactiveml.base import SkactivemlClassifier, SkactivemlRegressor
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from skorch import NeuralNet

from skal_deep.classifier._base import NetClassifier
from skal_deep.classifier._net_regressor import NetRegressor
from skal_deep.classifier.door._inside import (
    hides_features,
    innermost,
    last_step,
    transforms,
)
from skal_deep.classifier.net._rows import net_rows
from skal_deep.rows._data import is_finite, is_numbers, kind_of
from skal_deep.rows._numbers import numbers


def takes_rows_directly(clf: Any) -> bool:
    """Return whether no code of the user's, or of scikit-learn, sees X before us.

    Nets and scikit-activeml's models compute with numbers, which are then checked here.
    All others decide for themselves what they take: tables, texts, NaN.

    Parameters
    ----------
    clf : object or None
        A model of any kind; ``None`` is none, and inputs are measured.
    """
    if clf is None:
        return True
    if isinstance(clf, Pipeline) and len(clf) > 1:
        return False
    if isinstance(last_step(clf), SkactivemlClassifier | SkactivemlRegressor):
        return True
    return isinstance(innermost(clf), NeuralNet | NetClassifier) and not transforms(clf)


def rows_for(clf: Any, X: Any) -> Any:
    """Return rows as a model takes them, or say why it cannot.

    Parameters
    ----------
    clf : object or None
        A model of any kind; ``None`` is none, and inputs are measured.
    X : object
        Inputs in a form of ``as_data``.
    """
    if is_numbers(X):
        return X
    if clf is None:
        return numbers(X, who="A strategy without a model")
    model, name = innermost(clf), type(last_step(clf)).__name__
    if not takes_rows_directly(clf):
        if _needs_columns(clf, model) and len(X.shape) < 2:
            numbers(X, who=name)  # which says what to pass
        return X
    if isinstance(model, NetClassifier | NetRegressor | NeuralNet):
        return net_rows(getattr(model, "net", model), X)
    if type(last_step(clf)).__module__.startswith("skal_deep."):
        return numbers(X, who=name)
    try:
        return numbers(X, who=f"{name} of scikit-activeml")
    except ValueError as error:
        if not transforms(clf):
            raise
        raise ValueError(
            f"{name} of scikit-activeml makes an array of X, which is {kind_of(X)}: "
            "pass the Pipeline that is inside, without the wrapper."
        ) from error


def _needs_columns(clf: Any, model: Any) -> bool:
    """Return whether a model is scikit-learn's own, and sees X as it is."""
    return (
        type(model).__module__.startswith("sklearn.")
        and not (transforms(clf) or hides_features(clf))
        and not get_tags(model).no_validation
    )


def measured_rows(
    name: str, X: Any, candidates: Any, is_foreign: bool
) -> tuple[NDArray[Any], Any]:
    """Return rows of X, and candidates, for a strategy that measures them as they are.

    Parameters
    ----------
    name : str
        Name of the strategy.
    X, candidates : object
        Inputs in a form of ``as_data``, or positions.
    is_foreign : bool
        Whether candidates are inputs.
    """
    both = []
    for rows, what in ((X, "X"), (candidates, "candidates")):
        if what == "candidates" and not is_foreign:
            both.append(rows)
            continue
        array = numbers(rows, what, f"{name}, which measures distances,")
        if not is_finite(array):
            raise ValueError(
                f"Input {what} contains NaN or infinity, and {name} measures distances "
                "of rows: pass a Pipeline that fills them in, for example by "
                "SimpleImputer."
            )
        both.append(array)
    return both[0], both[1]
