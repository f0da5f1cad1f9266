"""Simulations and comparisons of regressors."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import is_regressor
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import BayesianRidge, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skal_deep.classifier import BayesianLinearRegressor
from skal_deep.evaluation import (
    SimulatedActiveLearner,
    compare_strategies,
    does_al_help,
    replay,
)
from skal_deep.evaluation.simulation._first_rows import spread_rows
from skal_deep.pool import BALD, EPIG, LCMD, BatchBALD, BatchEPIG, CoreSet

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = X @ [1.0, -2.0, 0.5] - 1 + 0.1 * RNG.normal(size=120)
RMSE = "neg_root_mean_squared_error"


def simulated(strategy=None, estimator=None, y=Y, X=X, **params):
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
    # from a start that is not spread there is something to gain
    learner = simulated(strategy, estimator, initial="random")
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


@pytest.mark.slow
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


QUICK = {
    "n_initial": 6,
    "batch_size": 3,
    "n_cycles": 2,
    "random_state": 0,
    "progress": False,
}
TWO = np.column_stack([Y, 1000 * Y])


@pytest.mark.slow
def test_nothing_has_to_be_said_of_a_regressor():
    """Neither how unknown targets are marked, nor a metric."""
    learner = SimulatedActiveLearner(BayesianRidge(), LCMD(), n_cycles=1).fit(X, Y)
    assert RMSE in learner.learning_curve_
    gaps = np.where(np.arange(120) % 2, Y, np.nan)
    learner.fit(X, gaps)
    assert np.isfinite(learner.score(X, gaps))
    assert np.isfinite(gaps[np.concatenate(learner.query_indices_)]).all()
    assert learner.missing_label == -1
    assert learner.scoring is None


def test_a_target_that_looks_like_the_mark_is_asked_about():
    y = Y.copy()
    y[5] = -1
    with pytest.raises(ValueError, match="if -1 is a target"):
        SimulatedActiveLearner(Ridge()).fit(X, y)
    SimulatedActiveLearner(Ridge(), n_cycles=1, missing_label=np.nan).fit(X, y)


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator",
    [
        BayesianLinearRegressor(),
        RandomForestRegressor(20, min_samples_leaf=2),
        make_pipeline(StandardScaler(), Ridge()),
    ],
)
def test_several_targets_are_compared(estimator, tmp_path):
    run = {"run_dir": tmp_path / "run"}
    found = compare_strategies([LCMD()], estimator, X, TWO, n_repeats=2, **QUICK, **run)
    assert found.metrics[0] == "neg_standardized_rmse"
    assert (found.curve("LCMD") < 0).all()
    again = compare_strategies([LCMD()], estimator, X, TWO, n_repeats=2, **QUICK, **run)
    np.testing.assert_array_equal(found.curve("LCMD"), again.curve("LCMD"))
    other = replay(run["run_dir"], X, TWO, estimator=Ridge(), progress=False)
    assert other.metrics[0] == "neg_standardized_rmse"


@pytest.mark.slow
def test_a_column_of_targets_is_a_vector():
    one, column = (
        compare_strategies([LCMD()], BayesianRidge(), X, y, n_repeats=2, **QUICK)
        for y in (Y, Y[:, None])
    )
    np.testing.assert_array_equal(one.curve("LCMD"), column.curve("LCMD"))


@pytest.mark.slow
def test_tables_words_and_transformed_targets():
    table = pd.DataFrame(X, columns=list("abc"))
    table["word"] = np.where(X[:, 0] > 0, "hot", "cold")
    columns = make_column_transformer(
        (OneHotEncoder(), ["word"]), (StandardScaler(), list("abc"))
    )
    for model in (
        make_pipeline(columns, BayesianRidge()),
        TransformedTargetRegressor(
            make_pipeline(columns, BayesianRidge()),
            func=np.cbrt,
            inverse_func=lambda y: y**3,
        ),
    ):
        found = compare_strategies(
            [LCMD(), EPIG()], model, table, pd.Series(Y), n_repeats=2, **QUICK
        )
        assert np.isfinite(found.curve("EPIG")).all()


def test_the_start_is_spread_as_the_pipeline_sees_rows():
    wide = X * [1, 1, 1e6]
    first = [
        simulated(
            None, make_pipeline(StandardScaler(), Ridge()), X=rows
        ).query_indices_[0]
        for rows in (X, wide)
    ]
    np.testing.assert_array_equal(*first)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "names"),
    [
        (BayesianRidge(), ["LCMD", "BatchEPIG"]),
        (RandomForestRegressor(20, min_samples_leaf=2), ["LCMD", "MeanStd"]),
        (Ridge(), ["LCMD"]),
    ],
)
def test_does_it_help(estimator, names):
    answer = does_al_help(estimator, X, Y, n_repeats=2, explain=True, **QUICK)
    assert answer.comparison.strategies == ["random", *names]
    told = {reason.name for reason in answer.reasons() if reason.holds is not None}
    has_variance = not isinstance(estimator, Ridge)
    assert answer.word == "better" or {"easy task", "nothing to gain"} <= told
    assert answer.word == "better" or ("uncertainty unreliable" in told) == has_variance
    assert "Does active learning help?" in str(answer)


@pytest.mark.slow
def test_reasons_of_numbers():
    """Noise alone leaves nothing to gain; a budget of copies is seen as such."""
    noise = np.random.default_rng(1).normal(size=120)
    options = QUICK | {"n_initial": 60, "n_cycles": 3}
    answer = does_al_help(Ridge(1e3), X, noise, n_repeats=5, explain=True, **options)
    if answer.word != "better":
        assert "nothing to gain" in [r.name for r in answer.reasons() if r.holds]
        assert "off the error" in str(answer)


@pytest.mark.slow
def test_units_do_not_change_reasons():
    one, other = (
        does_al_help(Ridge(), X, y, n_repeats=3, explain=True, **QUICK)
        for y in (Y, 1e4 * Y)
    )
    assert one.word == other.word
    for left, right in zip(one.reasons(), other.reasons(), strict=True):
        assert left.holds == right.holds
        assert left.value == pytest.approx(right.value, nan_ok=True, rel=1e-6)


@pytest.mark.slow
def test_what_costs_nothing_of_a_posterior_is_scored():
    metrics = ["neg_crps", "neg_log_predictive", "neg_coverage_error", RMSE]
    found = compare_strategies(
        [BatchEPIG()], BayesianRidge(), X, Y, n_repeats=2, scoring=metrics, **QUICK
    )
    assert list(found.metrics) == metrics
    with pytest.raises(ValueError, match=r"neg_crps.*cannot score Ridge"):
        compare_strategies([LCMD()], Ridge(), X, Y, scoring="neg_crps", **QUICK)
