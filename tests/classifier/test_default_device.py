"""Tensors on another device by default: models learn and answer as without."""

import numpy as np
import pytest
import torch
from skorch import NeuralNetRegressor
from support import ALL_MAKERS, make_net

from skal_deep.classifier import (
    BayesianLinearClassifier,
    BayesianLinearRegressor,
    DeepEnsembleRegressor,
    LaplaceRegressor,
    MCDropoutRegressor,
    PBPRegressor,
    PrecomputedClassifier,
    SWAGRegressor,
    as_model,
    fit_on_labeled,
)
from skal_deep.modules import MLP, isolated_rng
from skal_deep.testing import check_posterior

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3)).astype(np.float32)
CLASSES = np.where(np.arange(30) < 20, np.arange(30) % 3, -1)
TARGETS = np.where(np.arange(30) < 20, X[:, 0], np.nan)
PROBA = RNG.dirichlet([1, 1, 1], 30)


def numbers_net():
    return NeuralNetRegressor(
        MLP,
        max_epochs=1,
        train_split=None,
        verbose=0,
        module__n_features=3,
        module__n_classes=1,
        module__dropout=0.1,
    )


CLASSIFIERS = {
    **{
        kind: lambda make=make: make(
            make_net(max_epochs=3), classes=[0, 1, 2], random_state=0
        )
        for kind, make in ALL_MAKERS.items()
    },
    "linear": lambda: BayesianLinearClassifier(random_state=0),
    "precomputed": lambda: PrecomputedClassifier(
        PROBA, PROBA[None], X, rows=X, classes=[0, 1, 2]
    ),
}
REGRESSORS = {
    "dropout": lambda: MCDropoutRegressor(numbers_net(), random_state=0),
    "ensemble": lambda: DeepEnsembleRegressor(numbers_net(), random_state=0),
    "laplace": lambda: LaplaceRegressor(numbers_net(), random_state=0),
    "linear": lambda: BayesianLinearRegressor(random_state=0),
    "pbp": lambda: PBPRegressor(n_epochs=2, random_state=0),
    "swag": lambda: SWAGRegressor(numbers_net(), n_collected=2, random_state=0),
}
ASK = {
    name: lambda model, name=name: getattr(model, name)(X)
    for name in (
        "embed",
        "joint_covariance",
        "predict",
        "predict_evidence",
        "predict_loss",
        "predict_novelty",
        "predict_proba",
        "predict_variance",
        "predict_votes",
        "sample_predictions",
        "sample_proba",
        "sample_y",
    )
} | {
    "generate": lambda model: model.generate(X[:20], CLASSES[:20]),
    "log_predictive_density": lambda model: model.log_predictive_density(X, X[:, 0]),
    "noise_variance_": lambda model: model.noise_variance_,
    "predict_target_distribution": lambda model: model.predict_target_distribution(
        X
    ).std(),
}


def learned(make, y):
    """Return what a model answers after a fit."""
    model = make().fit(X, y)
    return {name: ask(model) for name, ask in ASK.items() if hasattr(model, name)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of nets that were trained too little
@pytest.mark.parametrize(
    ("make", "y"),
    [pytest.param(make, CLASSES, id=kind) for kind, make in CLASSIFIERS.items()]
    + [pytest.param(make, TARGETS, id=f"{n} reg") for n, make in REGRESSORS.items()],
)
def test_a_model_learns_and_answers_as_on_the_processor(make, y):
    expected = learned(make, y)
    with torch.device("meta"):
        found = learned(make, y)
        assert torch.zeros(1).device.type == "meta"
    for name, answer in expected.items():
        np.testing.assert_array_equal(found[name], answer, name)


def test_each_question_is_asked_of_some_model():
    models = [make() for make in (CLASSIFIERS | REGRESSORS).values()]
    assert all(any(hasattr(type(m), name) for m in models) for name in ASK)


def test_a_bare_net_is_fitted_as_on_the_processor():
    net = make_net(max_epochs=1, module__n_classes=3, module__n_features=3)
    with isolated_rng(0):
        expected = fit_on_labeled(net, X, CLASSES).predict_proba(X)
    with isolated_rng(0), torch.device("meta"):
        fitted = fit_on_labeled(net, X, CLASSES)
    np.testing.assert_array_equal(fitted.predict_proba(X), expected)


def test_a_model_is_asked_and_looked_at_as_on_the_processor():
    clf = CLASSIFIERS["dropout"]().fit(X, CLASSES)
    expected = as_model(clf).sample_proba(X)
    with torch.device("meta"):
        assert torch.equal(as_model(clf).sample_proba(X), expected)
        assert torch.equal(as_model(clf).inputs(X).sum(), torch.from_numpy(X).sum())
        assert not check_posterior(clf, X).failures
