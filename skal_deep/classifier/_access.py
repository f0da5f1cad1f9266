"""The one door between strategies and models of any kind."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skactiveml.classifier import SklearnClassifier, SkorchClassifier
from skactiveml.regressor import SkorchRegressor
from sklearn.base import RegressorMixin
from sklearn.ensemble import BaggingClassifier
from sklearn.ensemble._forest import ForestClassifier
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.pipeline import Pipeline
from skorch import NeuralNet
from skorch.utils import multi_indexing
from torch import Tensor

from skal_deep.classifier._base import NetClassifier
from skal_deep.classifier._batches import as_input, batches
from skal_deep.classifier._deep import DeepClassifier
from skal_deep.classifier._dropout_check import check_dropout
from skal_deep.classifier._dropout_draws import attention_parts, dropout_proba
from skal_deep.classifier._evidential import EvidentialClassifier
from skal_deep.classifier._gradient_lengths import gradient_lengths
from skal_deep.classifier._head import linear_classifier_head, net_head
from skal_deep.classifier._inference import (
    module_output,
    net_proba,
    with_embeddings,
)
from skal_deep.classifier._jacobian import net_jacobian
from skal_deep.classifier._logits import differentiable_logits
from skal_deep.classifier._mc_dropout import MCDropoutClassifier
from skal_deep.classifier._posterior import PosteriorClassifier
from skal_deep.classifier._weight_gradients import net_weight_gradients
from skal_deep.modules import coupled_dropout, isolated_rng

_DEFAULT_N_SAMPLES = 20


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
    method: Callable[..., Any], transform: Callable[[Any], Any], X: Any, *args: Any
) -> Any:
    return method(transform(X), *args)


def as_model(clf: Any) -> Model:
    """Return what a strategy may ask of a classifier or regressor.

    Parameters
    ----------
    clf : object or None
        One of our classifiers, a skorch net, a classifier or regressor of
        scikit-activeml or scikit-learn, or a Pipeline that ends in any of these. It
        may be unfitted as long as nothing is asked. ``None`` embeds rows as they are.

    Returns
    -------
    model : Model
        An object with some of the methods ``predict_proba``, ``sample_proba``,
        ``predict_evidence``, ``embed``, ``linear_head``, ``jacobian``,
        ``weight_gradients``, ``differentiable_logits`` and ``gradient_lengths``.
    """
    if clf is None:
        return Model(embed=_flat)
    if isinstance(clf, Pipeline):
        return as_model(clf[-1]).after(partial(_through, clf))
    if isinstance(clf, RegressorMixin):
        return _regressor(clf)
    if isinstance(clf, PosteriorClassifier):
        return Model(**_ours(clf), sample_proba=clf._draw)
    if isinstance(clf, EvidentialClassifier):
        return Model(**_ours(clf), predict_evidence=clf._evidence)
    if isinstance(clf, NetClassifier):
        return Model(**_ours(clf))
    if isinstance(clf, NeuralNet):
        return Model(
            predict_proba=partial(net_proba, clf),
            sample_proba=partial(_net_draws, clf),
            embed=lambda X: _net_both(clf, X)[1],
            predict_and_embed=partial(_net_both, clf),
            linear_head=partial(net_head, clf),
            jacobian=partial(net_jacobian, clf),
            weight_gradients=partial(net_weight_gradients, clf),
            differentiable_logits=partial(differentiable_logits, [clf]),
            gradient_lengths=partial(gradient_lengths, [clf]),
        )
    if isinstance(clf, SkorchClassifier):
        return Model(
            predict_proba=partial(_proba, clf),
            sample_proba=partial(_wrapped_net_draws, clf),
            embed=lambda X: _wrapped_net_both(clf, X)[1],
            predict_and_embed=partial(_wrapped_net_both, clf),
            jacobian=lambda *args: net_jacobian(clf.neural_net_, *args),
            weight_gradients=lambda *args: net_weight_gradients(clf.neural_net_, *args),
        )
    if not callable(getattr(clf, "predict_proba", None)):
        return Model()
    model = Model(predict_proba=partial(_proba, clf))
    if callable(getattr(clf, "sample_proba", None)):
        model.sample_proba = partial(_own_draws, clf)  # type: ignore[attr-defined]
    elif isinstance(_unwrapped(clf), LinearClassifierMixin):
        model.linear_head = partial(  # type: ignore[attr-defined]
            linear_classifier_head, _unwrapped(clf)
        )
    elif isinstance(_unwrapped(clf), ForestClassifier | BaggingClassifier):
        model.sample_proba = partial(_member_draws, clf)  # type: ignore[attr-defined]
    return model


def _flat(X: NDArray[Any]) -> Tensor:
    """Return rows as vectors."""
    rows_ND = torch.tensor(X).flatten(1)
    return rows_ND if rows_ND.is_floating_point() else rows_ND.double()


def _through(pipeline: Pipeline, X: NDArray[Any]) -> Any:
    """Apply the steps of a pipeline before the last."""
    return pipeline[:-1].transform(X) if len(pipeline) > 1 else X


def _regressor(reg: Any) -> Model:
    """Return what a regressor answers: what it has learned, if it is a net."""
    if isinstance(reg, NeuralNet):
        return Model(
            embed=partial(_net_embedding, reg),
            jacobian=partial(net_jacobian, reg),
            weight_gradients=partial(net_weight_gradients, reg),
        )
    if isinstance(reg, SkorchRegressor):
        return Model(
            embed=lambda X: _net_embedding(reg.neural_net_, X),
            jacobian=lambda *args: net_jacobian(reg.neural_net_, *args),
            weight_gradients=lambda *args: net_weight_gradients(reg.neural_net_, *args),
        )
    return Model()


def _net_embedding(net: NeuralNet, X: NDArray[Any]) -> Tensor:
    return with_embeddings(lambda: module_output(net, X), net.module_, None)[1]


def _ours(clf: NetClassifier) -> dict[str, Callable[..., Any]]:
    """Return what all our classifiers answer."""
    answers: dict[str, Callable[..., Any]] = {
        "predict_proba": lambda X: clf._answer(X)[0],
        "embed": lambda X: clf._answer(X, embeddings=True)[1],
        "predict_and_embed": partial(clf._answer, embeddings=True),
        "jacobian": partial(
            _side_by_side, partial(net_jacobian, layer=clf.embedding_layer), clf
        ),
        "weight_gradients": partial(_side_by_side, net_weight_gradients, clf),
        "differentiable_logits": lambda X: differentiable_logits(clf.nets_, X),
        "gradient_lengths": lambda X, words: gradient_lengths(clf.nets_, X, words),
    }
    if isinstance(clf, DeepClassifier | MCDropoutClassifier):
        answers["linear_head"] = lambda X: net_head(
            clf.nets_[0], X, clf.embedding_layer
        )
    return answers


def _side_by_side(
    features: Callable[..., Tensor],
    clf: NetClassifier,
    X: NDArray[Any],
    n_features: int,
    seed: int,
) -> Tensor:
    """Return features by all nets side by side, with a share of their number each."""
    share = max(1, n_features // len(clf.nets_))
    return torch.cat([features(net, X, share, seed) for net in clf.nets_], dim=1)


def _net_both(net: NeuralNet, X: NDArray[Any]) -> tuple[Tensor, Tensor]:
    return with_embeddings(lambda: net_proba(net, X), net.module_, None)


def _net_draws(
    net: NeuralNet, X: NDArray[Any], n_samples: int | None, seed: int
) -> Tensor:
    check_dropout(net, multi_indexing(X, slice(16)))
    return dropout_proba(net, X, n_samples or _DEFAULT_N_SAMPLES, seed)


def _proba(clf: Any, X: NDArray[Any]) -> Tensor:
    with isolated_rng():
        return torch.tensor(clf.predict_proba(X))


def _wrapped_net_both(clf: SkorchClassifier, X: NDArray[Any]) -> tuple[Tensor, Tensor]:
    return with_embeddings(lambda: _proba(clf, X), clf.neural_net_.module_, None)


def _wrapped_net_draws(
    clf: SkorchClassifier, X: NDArray[Any], n_samples: int | None, seed: int
) -> Tensor:
    net = clf.neural_net_
    shown = as_input(net, X[:16])
    check_dropout(net, shown)
    draws = []
    with isolated_rng():
        attention = attention_parts(net, list(batches(net, shown[:2])))
        with coupled_dropout(net.module_, seed, attention) as masks:
            for draw in range(n_samples or _DEFAULT_N_SAMPLES):
                masks.use(draw)
                draws.append(_proba(clf, X))
    return torch.stack(draws)


def _own_draws(clf: Any, X: NDArray[Any], n_samples: int | None, seed: int) -> Tensor:
    with isolated_rng():
        samples = clf.sample_proba(
            X, n_samples=n_samples or _DEFAULT_N_SAMPLES, random_state=seed
        )
    return torch.tensor(samples)


def _unwrapped(clf: Any) -> Any:
    """Return the scikit-learn classifier inside scikit-activeml's wrapper."""
    if isinstance(clf, SklearnClassifier):
        return getattr(clf, "estimator_", clf.estimator)
    return clf


def _member_draws(
    clf: Any,
    X: NDArray[Any],
    n_samples: int | None = None,  # noqa: ARG001
    seed: int = 0,  # noqa: ARG001
) -> Tensor:
    """Return the members' probabilities: all the draws that a committee has."""
    committee = _unwrapped(clf)
    draws_SNC = np.zeros((len(committee.estimators_), len(X), len(clf.classes_)))
    # Members know classes as positions; inside the wrapper these are positions in
    # the classes the committee saw, which are positions in the wrapper's own.
    seen = np.arange(len(clf.classes_))
    if committee is not clf:
        seen = np.asarray(committee.classes_, dtype=int)
    columns = getattr(committee, "estimators_features_", None)
    for s, member in enumerate(committee.estimators_):
        X_s = X if columns is None else X[:, columns[s]]
        member_NC = member.predict_proba(X_s)
        draws_SNC[s][:, seen[np.asarray(member.classes_, dtype=int)]] = member_NC
    return torch.as_tensor(draws_SNC)
