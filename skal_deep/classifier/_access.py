"""The one door between strategies and classifiers of any kind."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skactiveml.classifier import SklearnClassifier, SkorchClassifier
from sklearn.ensemble import BaggingClassifier
from sklearn.ensemble._forest import ForestClassifier
from sklearn.pipeline import Pipeline
from skorch import NeuralNet
from torch import Tensor

from skal_deep.classifier._base import NetClassifier
from skal_deep.classifier._evidential import EvidentialClassifier
from skal_deep.classifier._inference import (
    as_input,
    check_dropout,
    dropout_proba,
    net_proba,
    with_embeddings,
)
from skal_deep.classifier._posterior import PosteriorClassifier
from skal_deep.modules import coupled_dropout, isolated_rng

_DEFAULT_N_SAMPLES = 20


class Model:
    """A classifier as strategies see it: tensors out, one method a capability.

    An instance has exactly the methods that its classifier can honour, so that
    ``isinstance(model, SamplesProba)`` says whether to ask. A model that can tell
    probabilities and embeddings from one pass has ``predict_and_embed`` too.
    """

    def __init__(self, **methods: Callable[..., Any]):
        vars(self).update(methods)

    def after(self, transform: Callable[[Any], Any]) -> "Model":
        """Return the model that sees transformed rows."""
        return Model(
            **{
                name: partial(_transformed, method, transform)
                for name, method in vars(self).items()
            }
        )


def _transformed(
    method: Callable[..., Any], transform: Callable[[Any], Any], X: Any, *args: Any
) -> Any:
    return method(transform(X), *args)


def as_model(clf: Any) -> Model:
    """Return what a strategy may ask of a classifier.

    Parameters
    ----------
    clf : object or None
        One of our classifiers, a skorch net, a classifier of scikit-activeml or
        scikit-learn, or a Pipeline that ends in any of these. It may be unfitted as
        long as nothing is asked. ``None`` embeds rows as they are.

    Returns
    -------
    model : Model
        An object with some of the methods ``predict_proba``, ``sample_proba``,
        ``embed`` and ``predict_evidence``.
    """
    if clf is None:
        return Model(embed=_flat)
    if isinstance(clf, Pipeline):
        return as_model(clf[-1]).after(partial(_through, clf))
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
        )
    if isinstance(clf, SkorchClassifier):
        return Model(
            predict_proba=partial(_proba, clf),
            sample_proba=partial(_wrapped_net_draws, clf),
            embed=lambda X: _wrapped_net_both(clf, X)[1],
            predict_and_embed=partial(_wrapped_net_both, clf),
        )
    if not callable(getattr(clf, "predict_proba", None)):
        return Model()
    model = Model(predict_proba=partial(_proba, clf))
    if callable(getattr(clf, "sample_proba", None)):
        model.sample_proba = partial(_own_draws, clf)  # type: ignore[attr-defined]
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


def _ours(clf: NetClassifier) -> dict[str, Callable[..., Any]]:
    """Return what all our classifiers answer."""
    return {
        "predict_proba": lambda X: clf._answer(X)[0],
        "embed": lambda X: clf._answer(X, embeddings=True)[1],
        "predict_and_embed": partial(clf._answer, embeddings=True),
    }


def _net_both(net: NeuralNet, X: NDArray[Any]) -> tuple[Tensor, Tensor]:
    return with_embeddings(lambda: net_proba(net, X), net.module_, None)


def _net_draws(
    net: NeuralNet, X: NDArray[Any], n_samples: int | None, seed: int
) -> Tensor:
    check_dropout(net, X[:16])
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
    check_dropout(net, as_input(net, X[:16]))
    draws = []
    with coupled_dropout(net.module_, seed) as masks:
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
