"""What nets of skorch, and scikit-activeml's wrappers of them, answer."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from skactiveml.classifier import SkorchClassifier
from skactiveml.regressor import SkorchRegressor
from skorch import NeuralNet
from skorch.utils import multi_indexing
from torch import Tensor

from skal_deep.classifier.door._foreign import (
    DEFAULT_N_SAMPLES,
    by_method,
    foreign_proba,
)
from skal_deep.classifier.net._answers import (
    module_output,
    net_proba,
    with_embeddings,
)
from skal_deep.classifier.net._batches import N_SHOWN_ROWS, batches
from skal_deep.classifier.net._compiled import eager_net, with_attributes
from skal_deep.classifier.net._dropout_check import check_dropout
from skal_deep.classifier.net._dropout_draws import attention_parts, dropout_proba
from skal_deep.classifier.net._gradient_lengths import gradient_lengths, has_bias
from skal_deep.classifier.net._head import net_head
from skal_deep.classifier.net._jacobian import net_jacobian
from skal_deep.classifier.net._logits import differentiable_logits
from skal_deep.classifier.net._output import SOFTMAX
from skal_deep.classifier.net._weight_gradients import net_weight_gradients
from skal_deep.modules import coupled_dropout, isolated_rng

Answers = dict[str, Callable[..., Any]]


def answers_of_net(clf: NeuralNet) -> Answers:
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
        "head_has_bias": lambda X: has_bias([eager_net(clf)], X),
    }


def answers_of_wrapped_net(clf: SkorchClassifier) -> Answers:
    """Return what scikit-activeml's wrapper of a net answers."""
    return {
        "predict_proba": partial(foreign_proba, clf),
        "sample_proba": partial(_wrapped_net_draws, clf),
        "embed": lambda X: _wrapped_net_both(clf, X)[1],
        "predict_and_embed": partial(_wrapped_net_both, clf),
        "jacobian": lambda *args, **params: net_jacobian(
            eager_net(clf.neural_net_), *args, **params
        ),
        "weight_gradients": lambda *args, **params: net_weight_gradients(
            eager_net(clf.neural_net_), *args, **params
        ),
        "head_has_bias": lambda X: has_bias([eager_net(clf.neural_net_)], X),
    }


def answers_of_regressor(reg: Any) -> Answers:
    """Return what a regressor answers: what it has learned, if it is a net."""
    answers = {
        name: by_method(reg, name)
        for name in ("embed", "jacobian", "weight_gradients")
        if callable(getattr(reg, name, None))
    }
    if not isinstance(reg, NeuralNet | SkorchRegressor):
        return answers

    def net() -> NeuralNet:
        return eager_net(reg.neural_net_ if isinstance(reg, SkorchRegressor) else reg)

    return {
        "embed": lambda X: _net_embedding(net(), X),
        "jacobian": lambda *args, **params: net_jacobian(net(), *args, **params),
        "weight_gradients": lambda *args, **params: net_weight_gradients(
            net(), *args, **params
        ),
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
    check_dropout(net, multi_indexing(X, slice(N_SHOWN_ROWS)))
    return dropout_proba(net, X, n_samples or DEFAULT_N_SAMPLES, random_state)


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
    shown = X[:N_SHOWN_ROWS]
    check_dropout(with_attributes(net, predict_nonlinearity=SOFTMAX), shown)
    draws = []
    with isolated_rng():
        attention = attention_parts(net, list(batches(net, shown[:2])))
        with coupled_dropout(net.module_, random_state, attention) as masks:
            for draw in range(n_samples or DEFAULT_N_SAMPLES):
                masks.use(draw)
                draws.append(foreign_proba(clf, X))
    return torch.stack(draws)
