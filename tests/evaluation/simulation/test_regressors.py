"""Simulations and comparisons of regressors."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import is_regressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import BayesianRidge, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skal_deep.classifier import BayesianLinearRegressor
from skal_deep.evaluation import SimulatedActiveLearner, compare_strategies
from skal_deep.evaluation.simulation._start import spread_rows
from skal_deep.pool import BALD, BatchBALD, CoreSet

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = X @ [1.0, -2.0, 0.5] - 1 + 0.1 * RNG.normal(size=120)
RMSE = "neg_root_mean_squared_error"


def simulated(strategy=None, estimator=None, y=Y, **params):
    settings = {"n_initial": 5, "batch_size": 3, "n_cycles": 3, "scoring": [RMSE, "r2"]}
    return SimulatedActiveLearner(
        BayesianRidge() if estimator is None else estimator,
        strategy,
        missing_label=np.nan,
        random_state=0,
        **(settings | params),
    ).fit(X, y)


@pytest.mark.parametrize("strategy", [None, CoreSet(), BALD(), BatchBALD()])
@pytest.mark.parametrize(
    "estimator",
    [
        BayesianRidge(),
        BayesianLinearRegressor(),
        make_pipeline(StandardScaler(), BayesianLinearRegressor()),
    ],
)
def test_curves_of_regressors(strategy, estimator):
    learner = simulated(strategy, estimator)
    curve = learner.learning_curve_
    assert curve["n_labels"].tolist() == [5, 8, 11, 14]
    assert curve[RMSE][-1] > curve[RMSE][0]
    assert curve["r2"][-1] > 0.9
    assert len(np.unique(np.concatenate(learner.query_indices_))) == 14


FRAME = pd.DataFrame(X, columns=[2, 0, 1])  # names that look like positions
GAPS = np.where(X > 1.5, np.nan, X)
ROWS = {
    "table": (FRAME, Ridge()),
    "polars": (pl.DataFrame(X), Ridge()),
    "sparse": (csr_matrix(X), Ridge()),
    "gaps": (GAPS, make_pipeline(SimpleImputer(), Ridge())),
    "table with gaps": (
        FRAME.mask(X > 1.5),
        make_pipeline(SimpleImputer(), StandardScaler(), Ridge()),
    ),
    "texts": (
        [" ".join("ab"[int(v > 0)] * 2 for v in x) for x in X],
        make_pipeline(CountVectorizer(analyzer="char"), Ridge()),
    ),
}


@pytest.mark.parametrize("kind", ROWS)
def test_the_start_lies_all_over_rows_of_any_kind(kind):
    rows, estimator = ROWS[kind]
    learner = SimulatedActiveLearner(
        estimator, n_initial=5, n_cycles=1, missing_label=np.nan, scoring="r2"
    ).set_params(random_state=0)
    first = learner.fit(rows, Y).query_indices_[0]
    assert len(set(first.tolist())) == 5
    if kind in ("table", "polars", "sparse"):
        assert first.tolist() == simulated().query_indices_[0].tolist()


def test_a_start_without_distances_says_what_to_do():
    tree = HistGradientBoostingRegressor(max_iter=2)
    learner = SimulatedActiveLearner(tree, n_cycles=1, missing_label=np.nan)
    with pytest.raises(ValueError, match="Pass initial='random'"):
        learner.set_params(scoring="r2").fit(GAPS, Y)
    learner.set_params(initial="random").fit(GAPS, Y)


def test_targets_that_are_unknown_are_never_queried():
    y = np.where(np.arange(120) % 3, Y, np.nan)
    picked = np.concatenate(simulated(BALD(), y=y).query_indices_)
    assert np.isfinite(y[picked]).all()


def test_the_start_lies_all_over_the_inputs_and_reads_no_target():
    rows = spread_rows(X, np.arange(120), 6, 0)
    assert len(set(rows.tolist())) == 6
    first = simulated().query_indices_[0]
    np.testing.assert_array_equal(first, simulated(y=np.exp(Y)).query_indices_[0])
    copies = np.zeros((20, 2))
    assert len(set(spread_rows(copies, np.arange(20), 4, 0).tolist())) == 4
    assert spread_rows(X, np.arange(3), 6, 0).tolist() == [0, 1, 2]


def test_strategies_are_compared():
    found = compare_strategies(
        {"bald": BALD(), "core-set": CoreSet()},
        BayesianRidge(),
        X,
        Y,
        n_repeats=3,
        n_initial=5,
        batch_size=3,
        n_cycles=2,
        scoring=RMSE,
        missing_label=np.nan,
        random_state=0,
        progress=False,
    )
    assert "bald" in str(found.summary())


def test_grid_search():
    learner = SimulatedActiveLearner(
        Ridge(), n_cycles=1, scoring="r2", missing_label=np.nan, random_state=0
    )
    assert is_regressor(learner)
    grid = GridSearchCV(learner, {"estimator__alpha": [1e-3, 1e6]}, cv=2).fit(X, Y)
    assert grid.best_params_ == {"estimator__alpha": 1e-3}


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"scoring": "accuracy"}, "'accuracy' cannot score .*neg_root_mean_squared"),
        ({"scoring": "neg_ece"}, "cannot score"),
        ({"label_noise": 0.1}, "label_noise gives rows another class"),
    ],
)
def test_what_is_for_classes_is_refused(params, words):
    with pytest.raises(ValueError, match=words):
        simulated(**params)
