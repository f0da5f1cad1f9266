"""Strategies see classifiers of any kind through one door."""

import functools

import numpy as np
import pytest
import torch
from skactiveml.classifier import (
    ParzenWindowClassifier,
    SklearnClassifier,
    SkorchClassifier,
)
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
    StackingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from support import make_net
from torch import nn

from skal_deep.classifier import (
    BayesianLinearClassifier,
    CapabilityError,
    DeepClassifier,
    DeepEnsembleClassifier,
    Embeds,
    HasLinearHead,
    HasSlopes,
    HasWeightGradients,
    MCDropoutClassifier,
    PredictsProba,
    SamplesProba,
    as_model,
)
from skal_deep.classifier.door._fitting import fit_on_labeled, model_to_ask
from skal_deep.classifier.door._model_checks import check_needs
from skal_deep.modules import MLP
from skal_deep.pool import MarginSampling

CLASSES = [0, 1, 2]


def skorch_wrapper():
    return SkorchClassifier(
        MLP,
        forward_outputs={"proba": (0, nn.Softmax(dim=-1))},
        classes=CLASSES,
        missing_label=-1,
        neural_net_param_dict={
            "module__n_features": 2,
            "module__n_classes": 3,
            "train_split": None,
            "verbose": 0,
        },
    )


def ours(kind, **params):
    return kind(make_net(), classes=CLASSES, random_state=0, **params)


MOST = {"predict_proba", "sample_proba", "embed", "jacobian", "weight_gradients"}
EVERYTHING = MOST | {"linear_head"}
OFFERS = {
    "deep": (lambda: ours(DeepClassifier), EVERYTHING - {"sample_proba"}),
    "dropout": (lambda: ours(MCDropoutClassifier, n_samples=5), EVERYTHING),
    "ensemble": (lambda: ours(DeepEnsembleClassifier, n_estimators=3), MOST),
    "skorch": (lambda: make_net(module__n_features=2, module__n_classes=3), EVERYTHING),
    "skorch wrapper": (skorch_wrapper, MOST),
    "parzen": (
        lambda: ParzenWindowClassifier(
            classes=CLASSES, missing_label=-1, class_prior=1.0
        ),
        {"predict_proba", "sample_proba"},
    ),
    "logistic": (LogisticRegression, EVERYTHING),
    "bayesian linear": (lambda: BayesianLinearClassifier(classes=CLASSES), EVERYTHING),
    "forest": (
        lambda: RandomForestClassifier(4, random_state=0),
        {"predict_proba", "sample_proba"},
    ),
    "bagging": (
        lambda: BaggingClassifier(
            LogisticRegression(), 4, max_features=1, random_state=0
        ),
        {"predict_proba", "sample_proba"},
    ),
    "wrapped forest": (
        lambda: SklearnClassifier(
            RandomForestClassifier(4, random_state=0), classes=CLASSES, missing_label=-1
        ),
        {"predict_proba", "sample_proba"},
    ),
    "svc": (LinearSVC, set()),
}
CAPABILITIES = {
    "predict_proba": PredictsProba,
    "sample_proba": SamplesProba,
    "embed": Embeds,
    "linear_head": HasLinearHead,
    "jacobian": HasSlopes,
    "weight_gradients": HasWeightGradients,
}


@pytest.fixture(params=OFFERS)
def offer(request):
    make, offers = OFFERS[request.param]
    return make(), offers


@pytest.mark.slow
@pytest.mark.parametrize("piped", [False, True])
def test_models_have_the_methods_they_can_honour(offer, partly, piped):
    clf, offers = offer
    if piped:
        clf = make_pipeline(StandardScaler(), clf)
    model = as_model(clf)
    for method, capability in CAPABILITIES.items():
        assert isinstance(model, capability) == (method in offers)
    X, y = partly
    model = as_model(fit_on_labeled(clf, X, y))
    state = torch.get_rng_state(), np.random.get_state()[1].copy()
    if "predict_proba" in offers:
        assert model.predict_proba(X).shape == (60, 3)
    if "embed" in offers:
        proba, embedding = model.predict_and_embed(X)
        torch.testing.assert_close(proba, model.predict_proba(X))
        torch.testing.assert_close(embedding, model.embed(X))
        assert embedding.shape[0] == 60
    if "jacobian" in offers:
        assert model.jacobian(X, 6, 0).shape == (60, 6)
        assert model.weight_gradients(X, 6, 0).shape == (60, 6)
    if "sample_proba" in offers:
        samples = model.sample_proba(X, 4, 0)
        assert samples.shape[1:] == (60, 3)
        torch.testing.assert_close(
            samples.sum(-1).double(), torch.ones(samples.shape[:2]).double()
        )
        torch.testing.assert_close(samples, model.sample_proba(X, 4, 0))
        assert not torch.equal(samples[0], samples[1])
    assert torch.equal(state[0], torch.get_rng_state())
    assert np.array_equal(state[1], np.random.get_state()[1])


def test_members_that_saw_fewer_classes_keep_their_columns(blobs):
    X, y = blobs
    y = np.where(np.arange(60) < 20, y, -1)
    y[y == 1] = -1
    forest = SklearnClassifier(
        RandomForestClassifier(4, random_state=0), classes=CLASSES, missing_label=-1
    )
    samples = as_model(forest.fit(X, y)).sample_proba(X, None, 0)
    assert (samples[..., 1] == 0).all()
    torch.testing.assert_close(
        samples.mean(0), torch.as_tensor(forest.predict_proba(X)), atol=1e-6, rtol=0
    )


def test_no_classifier_embeds_inputs(blobs):
    X, _ = blobs
    assert torch.equal(as_model(None).embed(X), torch.as_tensor(X))
    assert as_model(None).embed(np.zeros((3, 1, 2, 2), int)).dtype == torch.float64


@pytest.mark.parametrize("piped", [False, True])
def test_the_head_makes_logits_of_embeddings(offer, partly, piped):
    clf, offers = offer
    if "linear_head" not in offers:
        pytest.skip("it has no linear head")
    if piped:
        clf = make_pipeline(StandardScaler(), clf)
    clf = fit_on_labeled(clf, *partly)
    model, X = as_model(clf), partly[0]
    weight, bias = model.linear_head(X[:1])
    rows = model.embed(X) if "embed" in offers else model.inputs(X).to(weight)
    proba = (rows @ weight.T + bias).softmax(-1)
    if not isinstance(
        offer[0], MCDropoutClassifier | BayesianLinearClassifier
    ):  # that answers by mean draws
        torch.testing.assert_close(proba, model.predict_proba(X), atol=1e-5, rtol=0)
    assert proba.shape == (60, 3)


def test_two_classes_of_a_linear_classifier(partly):
    X, y = partly
    clf = LogisticRegression().fit(X.astype(float), y == 1)
    weight, bias = as_model(clf).linear_head(X)
    proba = (torch.as_tensor(X).to(weight) @ weight.T + bias).softmax(-1)
    np.testing.assert_allclose(proba, clf.predict_proba(X), atol=1e-6)


def test_a_head_that_is_not_linear_is_refused(partly):
    class Squared(MLP):
        def forward(self, x):
            return super().forward(x) ** 2

    net = make_net(Squared, module__n_features=2, module__n_classes=3)
    for clf in (net, ours(DeepClassifier).set_params(embedding_layer="layers.4")):
        model = as_model(fit_on_labeled(clf, *partly))
        with pytest.raises(CapabilityError, match="last linear layer"):
            model.linear_head(partly[0])


def test_draws_of_a_plain_net_without_dropout_are_refused(partly):
    net = make_net(module__n_features=2, module__n_classes=3, module__dropout=0.0)
    model = as_model(fit_on_labeled(net, *partly))
    with pytest.raises(CapabilityError, match="no dropout layer"):
        model.sample_proba(partly[0], 4, 0)


def test_missing_capabilities_are_named():
    with pytest.raises(
        CapabilityError,
        match=r"BALD needs sample_proba of clf; GaussianNB offers only "
        r".*predict_proba.* Pass a classifier with a posterior: MCDropoutClassifier",
    ):
        check_needs("BALD", GaussianNB(), (SamplesProba,), False)
    with pytest.raises(CapabilityError, match="BALD needs a classifier: pass `clf`"):
        check_needs("BALD", None, (SamplesProba,), False)
    assert check_needs("CoreSet", LogisticRegression(), (Embeds,), True) is None


def test_fitting_leaves_the_classifier_of_the_caller_alone(offer, partly):
    clf, _ = offer
    before = set(vars(clf))
    fit_on_labeled(clf, *partly, sample_weight=None)
    assert set(vars(clf)) == before


def test_weights_reach_the_last_step(partly):
    X, y = partly
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    weight = np.where(y == 0, 100.0, 0.01)
    tilted = fit_on_labeled(pipe, X, y, sample_weight=weight).predict(X)
    assert (tilted == 0).mean() > (fit_on_labeled(pipe, X, y).predict(X) == 0).mean()


def test_cold_start(blobs):
    X, _ = blobs
    y = np.full(60, -1)
    net = make_net(module__n_features=2, module__n_classes=3)
    assert as_model(fit_on_labeled(net, X, y)).predict_proba(X).shape == (60, 3)
    with pytest.raises(ValueError, match="cannot be fitted without a label"):
        fit_on_labeled(LogisticRegression(), X, y)


def test_unfitted_classifiers_are_refused(offer, partly):
    clf, _ = offer
    for unfitted in (clf, make_pipeline(StandardScaler(), clf)):
        with pytest.raises(NotFittedError):
            model_to_ask(unfitted, False, *partly, -1, None)


def test_missing_labels_must_agree(partly):
    clf = ours(DeepClassifier, missing_label=-2)
    with pytest.raises(ValueError, match="missing_label"):
        model_to_ask(clf, True, *partly, -1, None)


@pytest.mark.parametrize("kind", [BayesianLinearClassifier, DeepClassifier])
def test_a_method_that_a_user_writes_with_wraps_is_asked(kind):
    class Tempered(kind):
        @functools.wraps(kind.predict_proba)
        def predict_proba(self, X, **params):
            return np.full((len(X), 2), 0.5)

    X = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    params = {"classes": [0, 1], "random_state": 0}
    net = make_net(max_epochs=1, module__n_features=2, module__n_classes=2)
    clf = (
        Tempered(**params)
        if kind is BayesianLinearClassifier
        else Tempered(net, **params)
    )
    model = as_model(clf.fit(X, X[:, 0] > 0))
    assert (model.predict_proba(X) == 0.5).all()


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("final", [None, LogisticRegression(), RidgeClassifier()])
def test_a_stack_says_what_its_last_estimator_will_have(partly, final, piped):
    """Without one it makes a logistic regression, when it is fitted."""
    members = [("a", LogisticRegression()), ("b", GaussianNB())]
    clf = StackingClassifier(members, final, cv=2)
    clf = make_pipeline(StandardScaler(), clf) if piped else clf
    strategy = MarginSampling(random_state=0)
    if isinstance(final, RidgeClassifier):
        with pytest.raises(CapabilityError, match="predict_proba"):
            strategy.query(*partly, clf)
        return
    picks = strategy.query(*partly, clf)
    fitted = fit_on_labeled(clf, *partly)
    assert strategy.query(*partly, fitted, fit_clf=False).tolist() == picks.tolist()
