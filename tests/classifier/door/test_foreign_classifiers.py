"""A class that nobody here has seen is taken by what it offers."""

import inspect

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_blobs
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from strategies import STRATEGIES
from support import MAKERS, make_net

from skal_deep import classifier
from skal_deep.classifier import DeepClassifier, as_model
from skal_deep.pool import BALD, CoreSet, MarginSampling


class Foreign(ClassifierMixin, BaseEstimator):
    """A linear model that answers everything a strategy may ask, in NumPy."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.weight_ = np.random.default_rng(0).normal(size=(3, X.shape[1]))
        return self

    def predict_proba(self, X):
        return torch.as_tensor(self.embed(X) @ self.weight_.T).softmax(-1).numpy()

    def sample_proba(self, X, n_samples=None, random_state=0):
        noise = np.random.default_rng(random_state).normal(size=(n_samples, 3, 1))
        logits = self.embed(X) @ (self.weight_ + noise).transpose(0, 2, 1)
        return torch.as_tensor(logits).softmax(-1).numpy()

    def embed(self, X):
        return np.asarray(X, float)

    def linear_head(self, X):
        return self.weight_, np.zeros(3)

    def predict_evidence(self, X):
        return np.exp(self.embed(X) @ self.weight_.T)

    def predict_novelty(self, X):
        return self.embed(X)[:, 1]

    def predict_votes(self, X):
        return (self.embed(X) > 0).astype(int)

    def predict_loss(self, X):
        return self.embed(X)[:, 0]

    def jacobian(self, X, n_features, seed):
        return np.tanh(self.embed(X))

    def weight_gradients(self, X, n_features, seed):
        return np.tanh(self.embed(X))

    def differentiable_logits(self, X):
        weight = torch.as_tensor(self.weight_)
        return torch.as_tensor(self.embed(X)), lambda x: x @ weight.T

    def gradient_lengths(self, X, words=False):
        return np.abs(self.embed(X) @ self.weight_.T)[:, None]


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 4)).astype(np.float32)
    return X, np.where(np.arange(40) < 12, np.arange(40) % 3, -1)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", STRATEGIES)
def test_strategies_take_a_foreign_class(name, data):
    strategy = STRATEGIES[name]
    for clf in (Foreign(), make_pipeline(StandardScaler(), Foreign())):
        picks = strategy.query(*data, clf, batch_size=3)
        assert len(set(picks)) == 3


PROTOCOLS = {
    "PredictsProba": {},
    "SamplesProba": {"n_samples": 3, "random_state": 0},
    "PredictsEvidence": {},
    "Embeds": {},
    "HasLinearHead": {},
    "HasSlopes": {"n_features": 4, "seed": 0},
    "HasWeightGradients": {"n_features": 4, "seed": 0},
    "PredictsLogits": {},
    "MeasuresGradients": {"words": False},
}


def bare(data):
    net = make_net(module__n_features=4, module__n_classes=3, max_epochs=1)
    return net.fit(data[0], np.arange(40) % 3)


ANSWERING = {
    "foreign": lambda data: Foreign().fit(data[0], [0, 1, 2, 0] * 10),
    "pipeline": lambda data: make_pipeline(StandardScaler(), Foreign()).fit(
        data[0], [0, 1, 2, 0] * 10
    ),
    "net": bare,
    "linear": lambda data: LogisticRegression().fit(data[0], [0, 1, 2, 0] * 10),
} | {
    kind: lambda data, make=make: make(
        make_net(max_epochs=6), classes=[0, 1, 2], random_state=0
    ).fit(*data)
    for kind, make in MAKERS.items()
}


@pytest.mark.parametrize("kind", ANSWERING)
def test_answers_take_the_arguments_of_their_protocol(kind, data):
    model = as_model(ANSWERING[kind](data))
    n_asked = 0
    for protocol, params in PROTOCOLS.items():
        kind_of = getattr(classifier, protocol)
        if not isinstance(model, kind_of):
            continue
        [name] = [n for n in vars(kind_of) if not n.startswith("_")]
        expected = inspect.signature(getattr(kind_of, name)).parameters
        assert set(expected) == {"self", "X", *params}
        for arguments in ((), tuple(params.values())):
            if arguments == () and any(
                p.default is p.empty for p in list(expected.values())[2:]
            ):
                continue
            getattr(model, name)(data[0], *arguments)
        getattr(model, name)(data[0], **params)
        n_asked += 1
    assert n_asked >= 2


def test_a_method_takes_no_other_away(data):
    class Sampling(LogisticRegression):
        def sample_proba(self, X, n_samples=None, random_state=0):
            return np.stack([self.predict_proba(X)] * (n_samples or 5))

    model = as_model(Sampling().fit(data[0], [0, 1, 2, 0] * 10))
    assert model.sample_proba(data[0]).shape == (20, 40, 3)
    assert model.linear_head(data[0])[0].shape == (3, 4)


def test_what_a_subclass_rewrites_is_what_is_asked(data):
    class Flattened(DeepClassifier):
        def predict_proba(self, X, return_embeddings=False):
            return np.full((len(X), 3), 1 / 3)

        def sample_proba(self, X, n_samples=None, random_state=0):
            rng = np.random.default_rng(random_state)
            return rng.dirichlet(np.ones(3), size=(n_samples, len(X)))

    clf = Flattened(make_net(max_epochs=1), classes=[0, 1, 2], random_state=0)
    clf.fit(*data)
    assert (as_model(clf).predict_proba(data[0]) == 1 / 3).all()
    assert not hasattr(as_model(clf), "predict_and_embed")
    assert BALD().query(*data, clf, fit_clf=False).shape == (1,)

    class Averaging(type(make_net())):
        def predict_proba(self, X):
            return np.full((len(X), 3), 1 / 3, np.float16)

    net = bare(data)
    net.__class__ = Averaging
    torch.testing.assert_close(
        as_model(net).predict_proba(data[0]), torch.full((40, 3), 1 / 3)
    )


def test_foreign_features_are_checked(data):
    class Wrong(Foreign):
        def embed(self, X):
            return np.ones((3, 2))

        def predict_evidence(self, X):
            return -np.ones((len(X), 3))

        def jacobian(self, X, n_features, seed):
            return np.full((len(X), 2), np.nan)

    model = as_model(Wrong().fit(data[0], data[1]))
    with pytest.raises(ValueError, match=r"Wrong\.embed must return one answer a row"):
        model.embed(data[0])
    with pytest.raises(ValueError, match="evidence >= 0"):
        model.predict_evidence(data[0])
    with pytest.raises(ValueError, match=r"Wrong\.jacobian returned NaN"):
        model.jacobian(data[0], 4, 0)


@pytest.mark.parametrize("n_more", [-1, 1])
def test_probabilities_are_those_of_the_rows(data, n_more):
    class Wrong(Foreign):
        def predict_proba(self, X):
            return np.full((len(X) + n_more, 3), 1 / 3)

        def sample_proba(self, X, n_samples, random_state):
            return np.full((n_samples, len(X) + n_more, 3), 1 / 3)

    wrong = Wrong().fit(*data)
    for strategy, name in ((MarginSampling, "predict_proba"), (BALD, "sample_proba")):
        says = rf"Wrong\.{name} must return one answer a row; of \d+ rows"
        with pytest.raises(ValueError, match=says):
            strategy().query(*data, wrong, fit_clf=False)


def test_a_class_that_offers_nothing_is_refused(data):
    class Nothing(BaseEstimator):
        def fit(self, X, y):
            return self

    class Silent(ClassifierMixin, Nothing):
        pass

    with pytest.raises(TypeError, match=r"clf must be a classifier.*of type Nothing"):
        MarginSampling().query(*data, Nothing())
    with pytest.raises(TypeError, match="Silent offers nothing that"):
        MarginSampling().query(*data, Silent())


@pytest.mark.parametrize("strategy", [MarginSampling(), CoreSet()])
def test_a_class_in_place_of_an_instance_is_refused(strategy, data):
    for kind in (LogisticRegression, DeepClassifier):
        with pytest.raises(TypeError, match=r"is a class\. Pass an instance"):
            strategy.query(*data, kind)


def test_the_head_of_a_linear_classifier_for_named_columns():
    pd = pytest.importorskip("pandas")
    X, y = make_blobs(30, 4, centers=3, random_state=0)
    frame = pd.DataFrame(X, columns=list("abcd"))
    named, plain = LogisticRegression().fit(frame, y), LogisticRegression().fit(X, y)
    pairs = zip(
        as_model(named).linear_head(frame), as_model(plain).linear_head(X), strict=True
    )
    for found, expected in pairs:
        assert torch.equal(found, expected)


@pytest.mark.parametrize("kind", ["coo_array", "csr_array", "csc_array"])
def test_members_that_see_some_columns_of_a_sparse_matrix(kind):
    X, y = make_blobs(30, 4, centers=3, random_state=0)
    clf = BaggingClassifier(n_estimators=4, max_features=2, random_state=0).fit(X, y)
    draws = as_model(clf).sample_proba(getattr(sparse, kind)(X))
    assert torch.equal(draws, as_model(clf).sample_proba(X))
