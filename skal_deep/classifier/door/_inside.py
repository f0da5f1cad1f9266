"""What stands inside Pipelines, wrappers and searches."""

from typing import Any

from skactiveml.classifier import SklearnClassifier, SlidingWindowClassifier
from skactiveml.regressor import SklearnRegressor
from sklearn.base import RegressorMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model._base import LinearClassifierMixin, LinearModel
from sklearn.linear_model._stochastic_gradient import BaseSGDRegressor
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from skorch import NeuralNet

from skal_deep.classifier._bayesian_linear import BayesianLinearClassifier
from skal_deep.classifier._bayesian_linear_regressor import BayesianLinearRegressor

# Estimators around one other: where that stands after fit, and before.
_AROUND_ONE = {
    SklearnClassifier: ("estimator_", "estimator"),
    SklearnRegressor: ("estimator_", "estimator"),
    SlidingWindowClassifier: ("estimator_", "estimator"),
    BaseSearchCV: ("best_estimator_", "estimator"),
    FixedThresholdClassifier: ("estimator_", "estimator"),
    TunedThresholdClassifierCV: ("estimator_", "estimator"),
    FrozenEstimator: ("estimator", "estimator"),
    TransformedTargetRegressor: ("regressor_", "regressor"),
}


def wrapped_estimator(model: Any) -> Any:
    """Return the one estimator that a wrapper asks, fitted if the wrapper is.

    ``None`` for anything else. A Pipeline is none: its last step sees other inputs.
    """
    if isinstance(model, CalibratedClassifierCV):
        return _calibrated_estimator(model)
    for kind, (after, before) in _AROUND_ONE.items():
        if isinstance(model, kind):
            return vars(model).get(after, vars(model)[before])
    return None


def wrapped_attribute(model: Any) -> str:
    """Return the attribute of a fitted wrapper that holds what it asks."""
    return next(a for kind, (a, _) in _AROUND_ONE.items() if isinstance(model, kind))


def _calibrated_estimator(model: CalibratedClassifierCV) -> Any:
    """Return the classifier that is calibrated, if it is one and not one a fold."""
    if fitted := vars(model).get("calibrated_classifiers_"):
        return fitted[0].estimator if len(fitted) == 1 else None
    is_one = (
        model.ensemble is False
        or model.cv == "prefit"
        or (model.ensemble == "auto" and isinstance(model.estimator, FrozenEstimator))
    )
    return model.estimator if is_one else None


def changes_proba(model: Any) -> bool:
    """Return whether a wrapper predicts other probabilities than what is inside."""
    return isinstance(model, CalibratedClassifierCV)


def is_unlearned(model: Any) -> bool:
    """Return whether scikit-activeml's wrapper could not fit what is inside.

    It then predicts the shares of the labels seen, for lack of two classes or of any.
    """
    is_wrapper = isinstance(model, SklearnClassifier | SklearnRegressor)
    return is_wrapper and vars(model).get("is_fitted_") is False


def last_step(model: Any) -> Any:
    """Return the last step of a Pipeline, anything else as it is."""
    return model[-1] if isinstance(model, Pipeline) else model


def through_steps(steps: Any, X: Any) -> Any:
    """Return rows as they leave a fitted transformer, all steps of one if it has such.

    ``Pipeline.transform`` asks whether its last step is fitted, and takes one that
    learns nothing, and so has nothing to show for it, to be not. At the end of a whole
    Pipeline scikit-learn asks the model instead. A subclass may have steps that it
    skips, such as those that resample, and is asked itself.

    Parameters
    ----------
    steps : object
        A fitted transformer, or a Pipeline of such.
    X : object
        Rows.
    """
    if type(steps) is not Pipeline:
        return steps.transform(X)
    for _, step in steps.steps:
        if step is not None and step != "passthrough":
            X = through_steps(step, X)
    return X


def innermost(model: Any) -> Any:
    """Return what learns inside Pipelines and wrappers."""
    while True:
        inner = last_step(model)
        inner = inner if wrapped_estimator(inner) is None else wrapped_estimator(inner)
        if inner is model:
            return model
        model = inner


def transforms(model: Any) -> bool:
    """Return whether what learns sees other inputs than the model is given."""
    while model is not None:
        if isinstance(model, Pipeline):
            if len(model) > 1:
                return True
            model = model[-1]
        else:
            model = wrapped_estimator(model)
    return False


def transforms_targets(model: Any) -> bool:
    """Return whether what learns is given other targets than the model."""
    while model is not None:
        model = last_step(model)
        if isinstance(model, TransformedTargetRegressor):
            return True
        model = wrapped_estimator(model)
    return False


def is_regressor(model: Any) -> bool:
    """Return whether a model of any kind predicts targets."""
    return isinstance(innermost(model), RegressorMixin)


def is_linear_regressor(model: Any) -> bool:
    """Return whether a model predicts numbers by a sum over its inputs."""
    kinds = LinearModel | BaseSGDRegressor | BayesianLinearRegressor
    return isinstance(model, kinds) and isinstance(model, RegressorMixin)


def sees_inputs(model: Any) -> bool:
    """Return whether embeddings of a model are what its last step is given."""
    learner = innermost(model)
    return is_linear_regressor(learner) or isinstance(
        learner, LinearClassifierMixin | BayesianLinearClassifier
    )


def hides_features(model: Any) -> bool:
    """Return whether several inside see other inputs, or have features of their own.

    These are no one space, so that X is measured as it is.
    """
    learner = innermost(model)
    if isinstance(learner, type) or not hasattr(learner, "get_params"):
        return False
    return any(
        isinstance(part, NeuralNet) or (isinstance(part, Pipeline) and len(part) > 1)
        for part in learner.get_params(deep=True).values()
    )
