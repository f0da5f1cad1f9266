"""BALD, BatchBALD and EPIG for numbers, and regressors with a posterior."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm
from skactiveml.pool import (
    ExpectedModelVarianceReduction,
    GreedySamplingTarget,
    QueryByCommittee,
)
from sklearn.base import clone
from sklearn.ensemble import BaggingRegressor, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import ARDRegression, BayesianRidge, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skal_deep.classifier import (
    BayesianLinearRegressor,
    CapabilityError,
    as_model,
    fit_on_labeled,
)
from skal_deep.pool import BALD, EPIG, BatchBALD

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
TARGET = X @ [1.0, -2.0, 0.5] + 3 + 0.3 * RNG.normal(size=60)
Y = np.where(np.arange(60) < 15, TARGET, np.nan)
TWO = np.column_stack([Y, -10 * Y])


def make(**params):
    return BayesianLinearRegressor(**{"random_state": 0, **params})


def forest(**params):
    settings = {"n_estimators": 60, "min_samples_leaf": 3, "random_state": 0}
    return RandomForestRegressor(**(settings | params))


REGRESSORS = {
    "ours": make,
    "pipeline": lambda: make_pipeline(StandardScaler(), make()),
    "ridge": BayesianRidge,
    "ard": ARDRegression,
    "forest": forest,
}


@pytest.mark.parametrize("kind", REGRESSORS)
@pytest.mark.parametrize("strategy", [BALD, BatchBALD, EPIG])
def test_strategies_query_for_numbers(kind, strategy):
    query = strategy(missing_label=np.nan, random_state=0)
    picks, utilities = query.query(
        X, Y, reg=REGRESSORS[kind](), batch_size=4, return_utilities=True
    )
    assert len(set(picks)) == 4
    assert (picks >= 15).all()
    assert (utilities[0, 15:] >= 0).all()


def test_bald_is_the_gaussian_information():
    reg = fit_on_labeled(make(), X, Y, np.nan)
    epistemic, noise = reg.predict_variance(X)
    _, utilities = BALD(missing_label=np.nan).query(
        X, Y, reg=make(), return_utilities=True
    )
    expected = np.log1p(epistemic / noise) / 2
    np.testing.assert_allclose(utilities[0, 15:], expected[15:], rtol=1e-6)


def test_batch_bald_is_the_determinant():
    reg = fit_on_labeled(make(), X, Y, np.nan)
    picks, utilities = BatchBALD(
        n_samples=4_000, missing_label=np.nan, random_state=0
    ).query(X, Y, reg=make(), batch_size=3, return_utilities=True)
    K = reg.joint_covariance(X[picks]) / reg.noise_variance_  # noqa: N806
    exact = np.linalg.slogdet(np.eye(3) + K)[1] / 2
    gains = utilities[np.arange(3), picks].sum()
    assert gains == pytest.approx(exact, rel=0.05)


def test_epig_is_that_of_covariances():
    reg = fit_on_labeled(make(), X, Y, np.nan)
    _, utilities = EPIG(
        n_samples=4_000, X_target=X[:7], missing_label=np.nan, random_state=0
    ).query(X, Y, reg=make(), return_utilities=True)
    c, s = reg.joint_covariance(X, X[:7]), reg.noise_variance_
    v, v_target = reg.predict_variance(X)[0], reg.predict_variance(X[:7])[0]
    squared = c**2 / ((v + s)[:, None] * (v_target + s))
    exact = (-np.log1p(-squared) / 2).mean(1)
    np.testing.assert_allclose(utilities[0, 15:], exact[15:], rtol=0.15)


def test_outputs_add_up():
    one, two = (
        BALD(missing_label=np.nan).query(X, y, reg=make(), return_utilities=True)[1]
        for y in (Y, TWO)
    )
    np.testing.assert_allclose(two, 2 * one)
    with pytest.raises(ValueError, match="of one target"):
        BatchBALD(missing_label=np.nan).query(X, TWO, reg=make())


@pytest.mark.parametrize(("factor", "shift"), [(1e6, 1e8), (-1.0, 0.0)])
def test_units_of_the_target_do_not_matter(factor, shift):
    for strategy in (BALD, BatchBALD, EPIG):
        query = strategy(missing_label=np.nan, random_state=0).query
        first = query(X, Y, reg=make(), batch_size=3)
        again = query(X, factor * Y + shift, reg=make(), batch_size=3)
        np.testing.assert_array_equal(first, again)
    plain, other = make().fit(X, Y), make().fit(X, factor * Y + shift)
    np.testing.assert_allclose(other.predict(X), factor * plain.predict(X) + shift)
    np.testing.assert_allclose(
        other.noise_variance_, factor**2 * plain.noise_variance_, rtol=1e-4
    )


def test_those_without_a_posterior_are_refused():
    with pytest.raises(CapabilityError, match="BALD needs predict_variance of reg"):
        BALD(missing_label=np.nan).query(X, Y, reg=Ridge())
    with pytest.raises(CapabilityError, match="min_samples_leaf=3"):
        BALD(missing_label=np.nan).query(
            X, Y, reg=forest(min_samples_leaf=1, bootstrap=False)
        )
    with pytest.raises(CapabilityError, match="predict_variance"):
        EPIG(missing_label=np.nan).query(X, Y, reg=BaggingRegressor())
    with pytest.warns(UserWarning, match="by 10 draws"):
        EPIG(missing_label=np.nan).query(X, Y, reg=forest(n_estimators=10))
    with pytest.raises(ValueError, match="two draws a pick"):
        BatchBALD(missing_label=np.nan).query(
            X, Y, reg=forest(n_estimators=6), batch_size=4
        )


@pytest.mark.parametrize("kind", [BayesianRidge, ARDRegression])
def test_variances_of_scikit_learn_are_taken_apart(kind):
    reg = kind().fit(X[:15], Y[:15])
    model = as_model(reg)
    epistemic, noise = model.predict_variance(X)
    std = reg.predict(X, return_std=True)[1]
    np.testing.assert_allclose((epistemic + noise)[:, 0], std**2)
    draws = model.sample_predictions(X, 20_000, 0)
    np.testing.assert_allclose(draws.mean(0)[:, 0], reg.predict(X), atol=0.02)
    np.testing.assert_allclose(draws.var(0), epistemic, rtol=0.05)
    torch.testing.assert_close(
        model.sample_predictions(X[:3], 5, 1), model.sample_predictions(X, 5, 1)[:, :3]
    )


def test_members_are_draws():
    for reg in (forest(), BaggingRegressor(Ridge(), max_features=2, random_state=0)):
        reg.fit(X[:15], Y[:15])
        draws = as_model(reg).sample_predictions(X)
        np.testing.assert_allclose(draws.mean(0)[:, 0], reg.predict(X))


# the regressor itself


@pytest.mark.parametrize("y", [Y, TWO], ids=["one", "two"])
def test_the_contract_of_a_posterior(y):
    reg = make().fit(X, y)
    mean, std = reg.predict(X, return_std=True)
    epistemic, noise = reg.predict_variance(X)
    assert (
        mean.shape == std.shape == epistemic.shape == noise.shape == (60, *y.shape[1:])
    )
    np.testing.assert_allclose(std**2, epistemic + noise)
    draws = reg.sample_predictions(X, 20_000, 0)
    np.testing.assert_allclose(draws.mean(0), mean, atol=0.2)
    np.testing.assert_allclose(draws.var(0), epistemic, rtol=0.05)
    np.testing.assert_allclose(
        reg.sample_y(X, 20_000, 0).var(-1), epistemic + noise, rtol=0.05
    )
    np.testing.assert_array_equal(
        reg.sample_predictions(X[[4, 4]], 3, 1)[:, 0],
        reg.sample_predictions(X[[4, 4]], 3, 1)[:, 1],
    )
    np.testing.assert_allclose(
        reg.sample_predictions(X[7:9], 3, 1), reg.sample_predictions(X, 3, 1)[:, 7:9]
    )
    density = norm.logpdf(np.nan_to_num(y), mean, std).reshape(60, -1).sum(1)
    np.testing.assert_allclose(reg.log_predictive_density(X, np.nan_to_num(y)), density)
    assert reg.score(X, y) > 0.9


def test_the_covariance_is_that_of_draws():
    reg = make().fit(X, Y)
    draws = reg.sample_predictions(X[:5], 40_000, 0)
    np.testing.assert_allclose(
        reg.joint_covariance(X[:5]), np.cov(draws.T), atol=0.02 * np.var(draws)
    )
    np.testing.assert_allclose(
        reg.joint_covariance(X[:5]).diagonal(), reg.predict_variance(X[:5])[0]
    )
    assert make().fit(X, TWO).joint_covariance(X[:5], X[:2]).shape == (2, 5, 2)


def test_many_labels_leave_the_noise():
    rows = RNG.normal(size=(20_000, 3))
    y = rows @ [1.0, -2.0, 0.5] + 0.5 * RNG.normal(size=20_000)
    reg = make().fit(rows, y)
    epistemic, noise = reg.predict_variance(rows[:50])
    assert epistemic.max() < 1e-3
    np.testing.assert_allclose(noise, 0.25, rtol=0.05)
    np.testing.assert_allclose(reg.coef_, [1.0, -2.0, 0.5], atol=0.02)


def test_noise_that_is_known_is_kept():
    reg = make(noise=0.7).fit(X, Y)
    assert reg.noise_variance_ == pytest.approx(0.7)
    epistemic, _ = reg.predict_variance(X)
    other = make(noise=0.7).fit(X, 5 - Y)
    np.testing.assert_allclose(other.predict_variance(X)[0], epistemic, rtol=1e-6)


def test_few_labels():
    with pytest.warns(UserWarning, match="no label"):
        cold = make().fit(X, np.full(60, np.nan))
    assert (cold.predict(X) == 0).all()
    assert cold.predict_variance(X)[0].mean() == pytest.approx(1)
    one = make().fit(X, np.where(np.arange(60) == 3, 7.0, np.nan))
    np.testing.assert_allclose(one.predict(X), 7.0)
    constant = make().fit(X, np.where(np.arange(60) < 5, 7.0, np.nan))
    np.testing.assert_allclose(constant.predict(X), 7.0)
    wide = make().fit(np.hstack([X] * 20), Y)
    assert np.isfinite(wide.predict_variance(np.hstack([X] * 20))).all()


def test_weights_of_rows_are_copies():
    rows = np.repeat(np.arange(15), np.where(np.arange(15) < 5, 3, 1))
    weight = np.where(np.arange(60) < 5, 3.0, 1.0)
    copied = make(noise=1.0).fit(X[rows], Y[rows])
    weighted = make(noise=15 / 25).fit(X, Y, weight)
    np.testing.assert_allclose(weighted.coef_, copied.coef_, rtol=0.15)


def test_wrong_arguments():
    with pytest.raises(NotFittedError):
        make().predict(X)
    partly = TWO.copy()
    partly[3, 0] = np.nan
    with pytest.raises(ValueError, match="Row 3 of y"):
        make().fit(X, partly)
    with pytest.raises(ValueError, match="rows of shape"):
        make().fit(X, Y).predict(X[:, :2])
    with pytest.raises(CapabilityError, match="one target"):
        make().fit(X, TWO).predict_target_distribution(X)
    with pytest.raises(ValueError, match="noise"):
        make(noise=-1.0).fit(X, Y)


def test_strategies_of_scikit_activeml_take_it():
    reg = make(noise=0.1).fit(X, Y)
    assert len(GreedySamplingTarget().query(X, Y, reg)) == 1
    committee = QueryByCommittee(sample_predictions_method_name="sample_members")
    assert len(committee.query(X, Y, clone(reg))) == 1
    few = ExpectedModelVarianceReduction(random_state=0)
    assert len(few.query(X[:20], Y[:20], reg)) == 1
    mean, std, entropy = reg.predict(X, return_std=True, return_entropy=True)
    np.testing.assert_allclose(entropy, np.log(std * np.sqrt(2 * np.pi * np.e)))
    np.testing.assert_allclose(reg.predict_target_distribution(X).mean(), mean)


def test_a_row_without_weight_is_none():
    weight = (np.arange(60) < 10) * 1.0
    wild = np.where(np.arange(60) == 12, 1e9, Y)
    zero, without = make().fit(X, wild, weight), make().fit(X[:10], Y[:10])
    np.testing.assert_array_equal(
        zero.predict(X, return_std=True), without.predict(X, return_std=True)
    )


@pytest.mark.parametrize("size", [0.0, 0.1, 1e8 + 0.1, -1e-9])
def test_targets_that_are_all_equal_have_no_scale(size):
    reg = make().fit(X, np.full(60, size))
    np.testing.assert_allclose(reg.predict(X), size, rtol=1e-12)


def test_the_smallest_differences_of_targets_count():
    y = 1e8 + 1e-7 * (TARGET.round() % 2)
    assert len(np.unique(y)) == 2
    assert make().fit(X, y).noise_variance_ < 1e-13


def test_targets_without_a_square_are_refused():
    with pytest.raises(ValueError, match="another unit"):
        make().fit(X, 1e200 * TARGET)


def test_columns_are_known_by_their_names():
    table = pd.DataFrame(X, columns=list("abc"))
    reg = make().fit(table, Y)
    np.testing.assert_array_equal(reg.feature_names_in_, list("abc"))
    with pytest.raises(ValueError, match="feature names"):
        reg.predict(table[["c", "b", "a"]])


@pytest.mark.parametrize("n_samples", [0, -3, 1.5])
def test_numbers_of_draws_that_are_none_are_refused(n_samples):
    with pytest.raises(ValueError, match="n_samples must be a whole number"):
        make().fit(X, Y).sample_predictions(X, n_samples)


def test_no_row_is_no_label():
    with pytest.warns(UserWarning, match="no label"):
        reg = make().fit(X[:0], Y[:0])
    assert (reg.predict(X) == 0).all()


def test_a_column_of_targets_is_a_vector():
    reg = make().fit(X, Y)
    density = reg.log_predictive_density(X, TARGET)
    np.testing.assert_array_equal(
        reg.log_predictive_density(X, TARGET[:, None]), density
    )
    with pytest.raises(ValueError, match="must have the shape"):
        reg.log_predictive_density(X, TARGET[:7])
