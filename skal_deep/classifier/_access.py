"""The one door between strategies and models of any kind."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from skactiveml.classifier import SkorchClassifier
from skactiveml.regressor import SkorchRegressor
from sklearn.ensemble import BaggingClassifier
from sklearn.ensemble._forest import ForestClassifier
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.pipeline import Pipeline
from skorch import NeuralNet
from torch import Tensor

from skal_deep.classifier._capabilities import CAPABILITIES
from skal_deep.classifier._compiled import eager_net, with_attributes
from skal_deep.classifier._foreign import (
    foreign_answer,
    foreign_draws,
    foreign_proba,
    member_draws,
    with_names,
)
from skal_deep.classifier._gradient_lengths import gradient_lengths
from skal_deep.classifier._head import linear_classifier_head, net_head
from skal_deep.classifier._inference import (
    check_dropout,
    dropout_proba,
    module_output,
    net_proba,
    with_embeddings,
)
from skal_deep.classifier._inside import is_regressor, opened
from skal_deep.classifier._jacobian import net_jacobian
from skal_deep.classifier._logits import differentiable_logits
from skal_deep.classifier._output import SOFTMAX
from skal_deep.classifier._weight_gradients import net_weight_gradients
from skal_deep.classifier._wrapped import wrapped_answers
from skal_deep.modules import coupled_dropout

_DEFAULT_N_SAMPLES = 20
Answers = dict[str, Callable[..., Any]]


class Model:
    """A model as strategies see it: tensors out, one method a capability.

    An instance has exactly the methods that what it stands for can honour, so that
    ``isinstance(model, SamplesProba)`` says whether to ask. A model that can tell
    probabilities and embeddings from one pass has ``predict_and_embed`` too.
    """

    def __init__(self, **methods: Callable[..., Any]):
        vars(self).update(methods)

    def inputs(self, X: NDArray[Any]) -> Tensor:
        """Return rows as vectors, as the classifier sees them."""
        return _flat(X)

    def after(self, transform: Callable[[Any], Any]) -> "Model":
        """Return the model that sees transformed rows."""
        methods = {"inputs": self.inputs, **vars(self)}
        return Model(
            **{
                name: partial(_transformed, method, transform)
                for name, method in methods.items()
            }
        )


def _transformed(
    method: Callable[..., Any],
    transform: Callable[[Any], Any],
    X: Any,
    *args: Any,
    **params: Any,
) -> Any:
    return method(transform(X), *args, **params)


class Inputs:
    """A model of which a strategy measures nothing but what its last step sees."""

    def __init__(self, model: Any):
        self.model = model


def as_model(clf: Any) -> Model:
    """Return what a strategy may ask of a classifier or regressor.

    A capability is honoured wherever the method of its protocol exists, whoever wrote
    the class. What this package knows about nets, scikit-learn's linear classifiers
    and committees, and about wrappers around one estimator, is added.

    Parameters
    ----------
    clf : object or None
        One of our classifiers, a skorch net, a classifier or regressor of
        scikit-activeml or scikit-learn, any class that has some of the methods below,
        or a Pipeline that ends in any of these. It may be unfitted as long as nothing
        is asked. ``None`` embeds rows as they are.

    Returns
    -------
    model : Model
        An object with some of the methods ``predict_proba``, ``sample_proba``,
        ``predict_evidence``, ``embed``, ``linear_head``, ``jacobian``,
        ``weight_gradients``, ``differentiable_logits`` and ``gradient_lengths``.
    """
    if clf is None:
        return Model(embed=_flat)
    if isinstance(clf, Inputs):
        return Model(embed=as_model(clf.model).inputs)
    if isinstance(clf, Pipeline):
        return as_model(clf[-1]).after(partial(_through, clf))
    if (inner := opened(clf)) is not None:
        return Model(**wrapped_answers(clf, inner, as_model(inner)))
    if is_regressor(clf):
        return Model(**_of_regressor(clf))
    if hasattr(clf, "_answers"):
        return Model(**_written_anew(clf, clf._answers(), "skal_deep."))
    if isinstance(clf, NeuralNet):
        return Model(**_written_anew(clf, _of_net(clf), "skorch."))
    if isinstance(clf, SkorchClassifier):
        return Model(**_written_anew(clf, _of_wrapped_net(clf), "skactiveml."))
    return Model(**_of_any(clf))


def _flat(X: Any) -> Tensor:
    """Return rows as vectors."""
    rows = X.toarray() if issparse(X) else np.asarray(X)
    rows_ND = torch.tensor(rows).flatten(1)
    return rows_ND if rows_ND.is_floating_point() else rows_ND.double()


def _through(pipeline: Pipeline, X: NDArray[Any]) -> Any:
    """Apply the steps of a pipeline before the last."""
    if len(pipeline) == 1:
        return X
    return pipeline[:-1].transform(with_names(pipeline, X))


def _by_method(clf: Any, name: str) -> Callable[..., Any]:
    """Return what asks a class that nobody here has seen, by a protocol's method."""
    if name == "predict_proba":
        return partial(foreign_proba, clf)
    if name == "sample_proba":
        return partial(foreign_draws, clf)
    return partial(foreign_answer, clf, name)


def _written_anew(clf: Any, known: Answers, home: str) -> Answers:
    """Return known answers, but those that a subclass from elsewhere has rewritten."""
    rewritten = {
        name: _by_method(clf, name)
        for name in CAPABILITIES
        if callable(method := getattr(type(clf), name, None))
        and not (getattr(method, "__module__", None) or "").startswith(home)
    }
    if rewritten.keys() & {"predict_proba", "embed"}:
        known = {name: f for name, f in known.items() if name != "predict_and_embed"}
    return known | rewritten


def _of_any(clf: Any) -> Answers:
    """Return what a classifier answers by its methods, or as scikit-learn's do."""
    answers = {
        name: _by_method(clf, name)
        for name in CAPABILITIES
        if callable(getattr(clf, name, None))
    }
    if "predict_proba" not in answers:
        return answers
    if isinstance(clf, LinearClassifierMixin):
        answers.setdefault("linear_head", partial(linear_classifier_head, clf))
    if isinstance(clf, ForestClassifier | BaggingClassifier):
        answers.setdefault("sample_proba", partial(member_draws, clf))
    return answers


def _of_net(clf: NeuralNet) -> Answers:
    """Return what a plain net answers."""

    def asked(answer: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **params: answer(eager_net(clf), *args, **params)

    return {
        "predict_proba": asked(net_proba),
        "sample_proba": asked(_net_draws),
        "embed": lambda X: _net_both(eager_net(clf), X)[1],
        "predict_and_embed": asked(_net_both),
        "linear_head": asked(net_head),
        "jacobian": asked(net_jacobian),
        "weight_gradients": asked(net_weight_gradients),
        "differentiable_logits": lambda X: differentiable_logits([eager_net(clf)], X),
        "gradient_lengths": lambda X, words=False: gradient_lengths(
            [eager_net(clf)], X, words
        ),
    }


def _of_wrapped_net(clf: SkorchClassifier) -> Answers:
    """Return what scikit-activeml's wrapper of a net answers."""
    return {
        "predict_proba": partial(foreign_proba, clf),
        "sample_proba": partial(_wrapped_net_draws, clf),
        "embed": lambda X: _wrapped_net_both(clf, X)[1],
        "predict_and_embed": partial(_wrapped_net_both, clf),
        "jacobian": lambda *args: net_jacobian(eager_net(clf.neural_net_), *args),
        "weight_gradients": lambda *args: net_weight_gradients(
            eager_net(clf.neural_net_), *args
        ),
    }


def _of_regressor(reg: Any) -> Answers:
    """Return what a regressor answers: what it has learned, if it is a net."""
    answers = {
        name: _by_method(reg, name)
        for name in ("embed", "jacobian", "weight_gradients")
        if callable(getattr(reg, name, None))
    }
    if not isinstance(reg, NeuralNet | SkorchRegressor):
        return answers

    def net() -> NeuralNet:
        return eager_net(reg.neural_net_ if isinstance(reg, SkorchRegressor) else reg)

    return {
        "embed": lambda X: _net_embedding(net(), X),
        "jacobian": lambda *args: net_jacobian(net(), *args),
        "weight_gradients": lambda *args: net_weight_gradients(net(), *args),
        **answers,
    }


def _net_embedding(net: NeuralNet, X: NDArray[Any]) -> Tensor:
    return with_embeddings(lambda: module_output(net, X), net.module_, None)[1]


def _net_both(net: NeuralNet, X: NDArray[Any]) -> tuple[Tensor, Tensor]:
    return with_embeddings(lambda: net_proba(net, X), net.module_, None)


def _net_draws(
    net: NeuralNet,
    X: NDArray[Any],
    n_samples: int | None = None,
    random_state: int = 0,
) -> Tensor:
    check_dropout(net, X[:16])
    return dropout_proba(net, X, n_samples or _DEFAULT_N_SAMPLES, random_state)


def _eager_wrapper(clf: SkorchClassifier) -> SkorchClassifier:
    """Return the wrapper, or a view of it whose net is not compiled."""
    net = eager_net(clf.neural_net_)
    if net is clf.neural_net_:
        return clf
    return with_attributes(clf, neural_net_=net)


def _wrapped_net_both(clf: SkorchClassifier, X: NDArray[Any]) -> tuple[Tensor, Tensor]:
    clf = _eager_wrapper(clf)
    return with_embeddings(lambda: foreign_proba(clf, X), clf.neural_net_.module_, None)


def _wrapped_net_draws(
    clf: SkorchClassifier,
    X: NDArray[Any],
    n_samples: int | None = None,
    random_state: int = 0,
) -> Tensor:
    clf = _eager_wrapper(clf)
    net = clf.neural_net_
    # the wrapper, not its net, makes probabilities of what the module returns
    check_dropout(with_attributes(net, predict_nonlinearity=SOFTMAX), X[:16])
    draws = []
    with coupled_dropout(net.module_, random_state) as masks:
        for draw in range(n_samples or _DEFAULT_N_SAMPLES):
            masks.use(draw)
            draws.append(foreign_proba(clf, X))
    return torch.stack(draws)
