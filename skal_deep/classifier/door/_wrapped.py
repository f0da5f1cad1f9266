"""What a wrapper around one estimator answers: what stands inside, by its labels."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import NotFittedError
from skorch import NeuralNet
from torch import Tensor

from skal_deep.classifier._linear_posterior import linear_answers
from skal_deep.classifier.door._capabilities import CAPABILITIES
from skal_deep.classifier.door._foreign import foreign_proba
from skal_deep.classifier.door._inside import (
    changes_proba,
    is_regressor,
    is_unlearned,
    sees_inputs,
)
from skal_deep.exceptions import CapabilityError
from skal_deep.rows._as_data import as_data
from skal_deep.rows._numbers import numbers

Answers = dict[str, Callable[..., Any]]

# What does not hang on the probabilities.
_FEATURES = ("embed", "jacobian", "weight_gradients")
# The logit of a class that was never seen: its probability is 0 exactly, and the logit
# is finite in float32, as kernels want it.
_IMPOSSIBLE = -1e30
# Draws of a committee that has learned nothing: they are all the same.
_N_EQUAL_DRAWS = 2


def wrapped_answers(clf: Any, inner: Any, model: Any) -> Answers:
    """Return what a wrapper answers.

    Probabilities are the wrapper's own. The rest is told by what stands inside, for as
    long as that predicts the same, with columns by the labels of the wrapper.

    Parameters
    ----------
    clf : object
        The wrapper.
    inner : object
        What stands inside.
    model : Model
        What that answers.
    """
    told = {name: f for name, f in vars(model).items() if name in CAPABILITIES}
    answers: Answers = {"inputs": model.inputs}
    if is_unlearned(clf):
        answers = {"inputs": partial(_inputs_of_unlearned, clf, model)}
        told |= {name: partial(_untold, clf, name) for name in told}
        told |= {
            name: partial(answer, clf, answers["inputs"])
            for name, answer in _OF_UNLEARNED.items()
            if name in told
        }
        if sees_inputs(inner) and "linear_head" in told:
            told |= linear_answers(answers["inputs"], told["linear_head"])
    elif not is_regressor(clf):
        told |= {
            name: partial(by_labels, clf, inner, told[name])
            for name, by_labels in _BY_LABELS.items()
            if name in told
        }
    kept = _FEATURES if changes_proba(clf) else CAPABILITIES
    answers |= {name: f for name, f in told.items() if name in kept}
    if not is_regressor(clf) and hasattr(clf, "predict_proba"):
        answers["predict_proba"] = partial(foreign_proba, clf)
    return answers


def label_positions(classes: Any, labels: Any, name: str) -> Any:
    """Return where labels stand among classes, in any order of these.

    Raises
    ------
    ValueError
        If a label is none of the classes.
    """
    classes, labels = np.asarray(classes), np.asarray(labels)
    position = {label: at for at, label in enumerate(classes.tolist())}
    unknown = {label for label in labels.tolist() if label not in position}
    if unknown:
        raise ValueError(
            f"{name} does not know the labels {sorted(unknown, key=str)}; its classes "
            f"are {classes.tolist()}. Pass all classes as `classes`, or fit it on them."
        )
    return np.array([position[label] for label in labels.tolist()], dtype=np.int64)


def _columns(clf: Any, inner: Any, n_columns: int) -> Any:
    """Return the columns of the wrapper that those of what is inside are."""
    if isinstance(inner, NeuralNet):  # its columns are labels 0 ... C - 1
        known = np.arange(n_columns)
    else:
        known = np.asarray(inner.classes_)
    if len(known) != n_columns:
        raise CapabilityError(
            f"{type(inner).__name__} inside {type(clf).__name__} answers in "
            f"{n_columns} columns, but knows {len(known)} classes."
        )
    return label_positions(clf.classes_, known, type(clf).__name__)


def _spread(clf: Any, inner: Any, answer: Tensor) -> Tensor:
    """Return an answer with a column for each class; 0 for those never seen."""
    columns = _columns(clf, inner, answer.shape[-1])
    spread = answer.new_zeros((*answer.shape[:-1], len(clf.classes_)))
    spread[..., torch.as_tensor(columns, device=answer.device)] = answer
    return spread


def _last_axis(
    clf: Any, inner: Any, told: Callable[..., Tensor], *args: Any, **params: Any
) -> Tensor:
    return _spread(clf, inner, told(*args, **params))


def _head(
    clf: Any, inner: Any, told: Callable[..., tuple[Tensor, Tensor]], X: Any
) -> tuple[Tensor, Tensor]:
    """Return the head by the wrapper's labels; a class never seen is impossible."""
    weight_CD, bias_C = told(X)
    columns = torch.as_tensor(_columns(clf, inner, len(bias_C)))
    n_classes = len(clf.classes_)
    all_bias_C = bias_C.new_full((n_classes,), _IMPOSSIBLE)
    all_bias_C[columns] = bias_C
    all_weight_CD = weight_CD.new_zeros(n_classes, weight_CD.shape[1])
    all_weight_CD[columns] = weight_CD
    return all_weight_CD, all_bias_C


def _same_classes(
    clf: Any, inner: Any, told: Callable[..., Any], *args: Any, **params: Any
) -> Any:
    """Return an answer if the wrapper's classes are those inside, in their order."""
    if not np.array_equal(np.asarray(clf.classes_), np.asarray(inner.classes_)):
        raise CapabilityError(
            f"{type(inner).__name__} inside {type(clf).__name__} has not seen all "
            "classes, so that it has no logits for some. Label a row of each, or pass "
            "a classifier of skal_deep with `classes`."
        )
    return told(*args, **params)


_BY_LABELS: Answers = {
    "sample_proba": _last_axis,
    "predict_evidence": _last_axis,
    "linear_head": _head,
    "differentiable_logits": _same_classes,
    "gradient_lengths": _same_classes,
}


def _inputs_of_unlearned(clf: Any, model: Any, X: Any) -> Tensor:
    try:
        inputs: Tensor = model.inputs(X)
    except NotFittedError:
        warnings.warn(
            f"{type(clf).__name__} could not be fitted, so that X is measured as it "
            "is, without the transformations inside.",
            stacklevel=2,
        )
        inputs = torch.tensor(numbers(as_data(X))).flatten(1).double()
    return inputs


def _untold(clf: Any, name: str, *_: Any, **__: Any) -> Any:
    raise NotFittedError(
        f"{type(clf).__name__} could not be fitted to the labels there are, so that it "
        f"has no {name}. Label rows of at least two classes first."
    )


def _equal_draws(
    clf: Any, _inputs: Any, X: Any, n_samples: Any = None, random_state: Any = 0
) -> Tensor:
    """Return draws that agree: nothing was learned that members could differ in."""
    del random_state
    proba_NC = foreign_proba(clf, X)
    return proba_NC.expand(n_samples or _N_EQUAL_DRAWS, *proba_NC.shape).clone()


def _constant_head(
    clf: Any, inputs: Callable[[Any], Tensor], X: Any
) -> tuple[Tensor, Tensor]:
    """Return a head that predicts the shares of the labels for any input."""
    proba_NC, rows_ND = foreign_proba(clf, X).double(), inputs(X)
    weight_CD = rows_ND.new_zeros(proba_NC.shape[1], rows_ND.shape[1])
    return weight_CD.double(), proba_NC[0].log().clamp_min(_IMPOSSIBLE)


_OF_UNLEARNED: Answers = {"sample_proba": _equal_draws, "linear_head": _constant_head}
