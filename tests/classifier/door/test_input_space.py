"""Inputs that strategies measure are those that the last step of a Pipeline sees."""

import numpy as np
import pytest
import torch
from skactiveml.classifier import SklearnClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skorch import NeuralNetRegressor
from strategies import STRATEGIES
from torch import nn

from skal_deep.classifier import Embeds, as_model, fit_on_labeled
from skal_deep.pool import ClusterMargin, CoreSet, UncertaintyHerding

# Strategies that take the inputs where a model has no features of its own.
ON_INPUTS = {
    name: strategy
    for name, strategy in STRATEGIES.items()
    if strategy._works_on_inputs and strategy._needs
}


@pytest.fixture
def data():
    """Rows whose first column drowns the others, and 12 labels."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4)) * [1e3, 1, 1, 1]
    y = np.where(np.arange(80) < 12, (X[:, 1] > 0).astype(int), -1)
    return X, y


def pipeline(last=None):
    last = LogisticRegression() if last is None else last
    return make_pipeline(StandardScaler(), last)


def wrapped(estimator):
    return SklearnClassifier(estimator, classes=[0, 1], missing_label=-1)


WRAPPERS = {
    "pipeline": pipeline,
    "nested": lambda: make_pipeline(make_pipeline(StandardScaler()), pipeline()[-1]),
    "in scikit-activeml's": lambda: wrapped(pipeline()),
    "search": lambda: GridSearchCV(pipeline(), {"logisticregression__C": [1]}, cv=2),
    "calibrated": lambda: CalibratedClassifierCV(pipeline(), cv=2, ensemble=False),
}


def transformed(X, y):
    """Return what the last step sees: sums of the first hang on the order of rows."""
    return fit_on_labeled(pipeline(), X, y)[:-1].transform(X)


def picks(strategy, X, y, clf=None, **options):
    params = strategy.get_params(deep=False) | {"random_state": 0}
    query = type(strategy)(**params).query
    return list(query(X, y, clf, batch_size=4, **options))


@pytest.mark.parametrize("name", ON_INPUTS)
def test_picks_are_those_from_transformed_inputs(name, data):
    X, y = data
    strategy = ON_INPUTS[name]
    seen = transformed(X, y)
    assert picks(strategy, X, y, pipeline()) == picks(strategy, seen, y)
    foreign = picks(strategy, X, y, pipeline(), candidates=X[20:])
    assert foreign == picks(strategy, seen, y, candidates=seen[20:])


@pytest.mark.slow
def test_the_space_decides(data):
    X, y = data
    differ = [
        picks(s, X, y) != picks(s, transformed(X, y), y) for s in ON_INPUTS.values()
    ]
    assert sum(differ) > len(differ) - 2  # one solves for any scale of a column


@pytest.mark.parametrize("strategy", [ClusterMargin(), UncertaintyHerding()])
def test_strategies_that_ask_for_probabilities_measure_the_same_inputs(strategy, data):
    model = as_model(pipeline(GaussianNB()).fit(data[0][:12], data[1][:12]))
    torch.testing.assert_close(
        model.inputs(data[0]), torch.as_tensor(transformed(*data))
    )
    assert not isinstance(model, Embeds)
    picks(strategy, *data, pipeline(GaussianNB()))


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("fit_clf", [True, False])
def test_wrappers_are_opened(wrapper, fit_clf, data):
    X, y = data
    clf = WRAPPERS[wrapper]()
    if not fit_clf:
        labeled = y != -1
        clf.fit(X[labeled], y[labeled])
    found = picks(CoreSet(), X, y, clf, fit_clf=fit_clf)
    assert found == picks(CoreSet(), transformed(X, y), y)


@pytest.mark.slow
def test_several_pipelines_inside_are_no_one_space(data):
    X, y = data
    clf = CalibratedClassifierCV(pipeline(), cv=2, ensemble=True)
    voting = VotingClassifier([("a", pipeline()), ("b", GaussianNB())], voting="soft")
    for model in (clf, voting, make_pipeline(clf), wrapped(clf)):
        with pytest.warns(UserWarning, match="Falling back to the inputs as they are"):
            assert picks(CoreSet(), X, y, model) == picks(CoreSet(), X, y)
        with pytest.warns(UserWarning, match="Falling back to the inputs as they are"):
            picks(UncertaintyHerding(), X, y, model)


def test_models_without_features_are_measured_by_their_inputs(data):
    X, y = data
    forest = RandomForestClassifier(5, random_state=0)
    assert picks(CoreSet(), X, y, forest) == picks(CoreSet(), X, y)
    found = picks(CoreSet(), X, y, pipeline(forest))
    assert found == picks(CoreSet(), transformed(X, y), y)
    voting = VotingClassifier([("a", forest), ("b", GaussianNB())], voting="soft")
    found = picks(CoreSet(), X, y, pipeline(voting))
    assert found == picks(CoreSet(), transformed(X, y), y)


def test_before_the_first_label_all_rows_fit_the_earlier_steps(data):
    X, _ = data
    y = np.full(len(X), -1)
    seen = StandardScaler().fit_transform(X)
    assert picks(CoreSet(), X, y, pipeline()) == picks(CoreSet(), seen, y)
    chosen = make_pipeline(SelectKBest(f_classif, k=1), LogisticRegression())
    for clf in (chosen, GridSearchCV(pipeline(), {"logisticregression__C": [1]})):
        with pytest.warns(UserWarning, match="cannot be fitted without labels"):
            assert picks(CoreSet(), X, y, clf) == picks(CoreSet(), X, y)


@pytest.mark.filterwarnings("ignore:The 'base_estimator' could not be fitted")
def test_a_wrapper_before_the_first_label_measures_X(data):
    X, y = data[0], np.full(80, -1)
    with pytest.warns(UserWarning, match="X is measured as it is"):
        assert picks(CoreSet(), X, y, wrapped(pipeline())) == picks(CoreSet(), X, y)


def test_sparse_inputs_of_the_last_step_are_measured(data):
    y = data[1]
    X = np.random.default_rng(1).integers(0, 5, size=(80, 3))
    encoder = OneHotEncoder(handle_unknown="ignore")
    clf = make_pipeline(encoder, LogisticRegression())
    seen = encoder.fit(X[y != -1]).transform(X).toarray()
    assert picks(CoreSet(), X, y, clf) == picks(CoreSet(), seen, y)


class Regression(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x):
        return self.layers(x)


def test_a_net_inside_a_meta_estimator_is_asked():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4)).astype(np.float32)
    y = np.where(np.arange(60) < 15, X[:, 0], np.nan).astype(np.float32)
    net = NeuralNetRegressor(Regression, max_epochs=3, train_split=None, verbose=0)
    reg = TransformedTargetRegressor(net, transformer=StandardScaler())
    torch.manual_seed(0)
    labeled = ~np.isnan(y)
    reg.fit(X[labeled], y[labeled, None])
    embedding = as_model(reg).embed(X)
    torch.testing.assert_close(embedding, as_model(reg.regressor_).embed(X))
    query = CoreSet(missing_label=np.nan, random_state=0).query
    found = query(X, y, reg=reg, fit_reg=False, batch_size=3)
    plain = query(X, y, reg=reg.regressor_, fit_reg=False, batch_size=3)
    assert list(found) == list(plain) != list(query(X, y, batch_size=3))
    query(X, y, reg=reg, batch_size=3)  # and is fitted in a query


def test_a_regressor_after_other_steps(data):
    X, y = data
    y = np.where(y == -1, np.nan, y)
    query = CoreSet(missing_label=np.nan, random_state=0).query
    seen = StandardScaler().fit(X[~np.isnan(y)]).transform(X)
    for reg in (
        pipeline(Ridge()),
        TransformedTargetRegressor(pipeline(Ridge()), transformer=StandardScaler()),
    ):
        found = query(X, y, reg=reg, batch_size=3)
        assert list(found) == list(query(seen, y, batch_size=3))


def test_a_frozen_net_keeps_its_features():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4)).astype(np.float32)
    net = NeuralNetRegressor(Regression, max_epochs=1, train_split=None, verbose=0)
    net.fit(X, X[:, :1])
    frozen = as_model(FrozenEstimator(net))
    torch.testing.assert_close(frozen.embed(X), as_model(net).embed(X))
