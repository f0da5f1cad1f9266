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
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, RandomForestRegressor, VotingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    ExpSineSquared,
    Matern,
    RationalQuadratic,
    WhiteKernel,
)
from sklearn.linear_model import ARDRegression, BayesianRidge, Ridge, SGDRegressor
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skal_deep.classifier import (
    BayesianLinearRegressor,
    CapabilityError,
    as_model,
    fit_on_labeled,
)
from skal_deep.functional import bait_regression
from skal_deep.pool import BALD, EPIG, LCMD, Bait, BatchBALD, BatchEPIG, MeanStd

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
    "process": lambda: process(),
    "transformed": lambda: TransformedTargetRegressor(
        make_pipeline(StandardScaler(), BayesianRidge()),
        func=np.cbrt,
        inverse_func=lambda y: y**3,
    ),
}


def process(kernel=None, **params):
    """Return a Gaussian process whose kernel stays as it is."""
    kernel = RBF(1.5) + WhiteKernel(0.1) if kernel is None else kernel
    return GaussianProcessRegressor(kernel, optimizer=None, **params)


@pytest.mark.parametrize("kind", REGRESSORS)
@pytest.mark.parametrize("strategy", [BALD, BatchBALD, EPIG, BatchEPIG, MeanStd])
def test_strategies_query_for_numbers(kind, strategy):
    query = strategy(missing_label=np.nan, random_state=0)
    picks, utilities = query.query(
        X, Y, reg=REGRESSORS[kind](), batch_size=4, return_utilities=True
    )
    assert len(set(picks)) == 4
    assert (picks >= 15).all()
    assert (utilities[0, 15:] >= 0).all()


@pytest.mark.slow
def test_bald_is_the_gaussian_information():
    reg = fit_on_labeled(make(), X, Y, np.nan)
    epistemic, noise = reg.predict_variance(X)
    _, utilities = BALD(missing_label=np.nan).query(
        X, Y, reg=make(), return_utilities=True
    )
    expected = np.log1p(epistemic / noise) / 2
    np.testing.assert_allclose(utilities[0, 15:], expected[15:], rtol=1e-6)


@pytest.mark.slow
def test_batch_bald_is_the_determinant():
    reg = fit_on_labeled(make(), X, Y, np.nan)
    picks, utilities = BatchBALD(
        n_samples=4_000, missing_label=np.nan, random_state=0
    ).query(X, Y, reg=make(), batch_size=3, return_utilities=True)
    K = reg.joint_covariance(X[picks]) / reg.noise_variance_  # noqa: N806
    exact = np.linalg.slogdet(np.eye(3) + K)[1] / 2
    gains = utilities[np.arange(3), picks].sum()
    assert gains == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("is_piped", [False, True])
def test_epig_is_that_of_covariances(is_piped):
    reg = fit_on_labeled(make(), X, Y, np.nan)
    given, rows = make(), X
    if is_piped:  # its steps make X of what it is given
        given = make_pipeline(FunctionTransformer(lambda rows: rows / 50 - 1), make())
        rows = 50 * (X + 1)
    _, utilities = EPIG(
        n_samples=4_000, X_target=rows[:7], missing_label=np.nan, random_state=0
    ).query(rows, Y, reg=given, return_utilities=True)
    c, s = reg.joint_covariance(X, X[:7]), reg.noise_variance_
    v, v_target = reg.predict_variance(X)[0], reg.predict_variance(X[:7])[0]
    squared = c**2 / ((v + s)[:, None] * (v_target + s))
    exact = (-np.log1p(-squared) / 2).mean(1)
    np.testing.assert_allclose(utilities[0, 15:], exact[15:], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [BALD, BatchBALD, EPIG, BatchEPIG])
def test_outputs_add_up(strategy):
    query = strategy(n_samples=4_000, random_state=0).query
    one, two = (query(X, y, reg=make(), return_utilities=True)[1] for y in (Y, TWO))
    if strategy in (BALD, EPIG):
        np.testing.assert_allclose(two, 2 * one, rtol=1e-7)
    else:  # draws of several outputs are others
        np.testing.assert_allclose(two, 2 * one, rtol=0.1)


def test_each_target_counts_alike_in_the_spread_of_draws():
    reg = BaggingRegressor(Ridge(), random_state=0)
    one, two = (
        MeanStd().query(X, y, reg=reg, return_utilities=True)[1] for y in (Y, TWO)
    )
    np.testing.assert_allclose(two / np.nanmean(two), one / np.nanmean(one), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "shift"), [(1e6, 1e8), (-1.0, 0.0)])
def test_units_of_the_target_do_not_matter(factor, shift):
    for strategy in (BALD, BatchBALD, EPIG, BatchEPIG, MeanStd, Bait, LCMD):
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_many_labels_leave_the_noise():
    rows = RNG.normal(size=(20_000, 3))
    y = rows @ [1.0, -2.0, 0.5] + 0.5 * RNG.normal(size=20_000)
    reg = make().fit(rows, y)
    epistemic, noise = reg.predict_variance(rows[:50])
    assert epistemic.max() < 1e-3
    np.testing.assert_allclose(noise, 0.25, rtol=0.05)
    np.testing.assert_allclose(reg.coef_, [1.0, -2.0, 0.5], atol=0.02)


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


# scikit-learn's Gaussian processes

KERNELS = {
    "rbf": 2.0 * RBF([1.0, 2.0, 0.7]) + WhiteKernel(0.2),
    "matern": Matern(1.5, nu=1.5) + 0.5 * WhiteKernel(0.4),
    "rough": Matern(1.5, nu=0.5),
    "mixture": RationalQuadratic(1.5, alpha=0.8) * 0.5 + DotProduct(0.5) * 0.3,
    "product": RBF(2.0) * Matern(3.0, nu=2.5) + ConstantKernel(0.3),
}


@pytest.mark.slow
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("normalize", [False, True])
def test_a_gaussian_process_knows_its_function_from_its_noise(kernel, normalize):
    reg = process(KERNELS[kernel], alpha=0.05, normalize_y=normalize)
    model = as_model(reg.fit(X[:15], Y[:15]))
    epistemic, noise = model.predict_variance(X)
    unit = float(np.var(Y[:15])) if normalize else 1.0
    std = reg.predict(X, return_std=True)[1]  # with white kernels, without alpha
    np.testing.assert_allclose(
        (epistemic + noise)[:, 0], std**2 + 0.05 * unit, rtol=1e-6, atol=1e-9
    )
    covariance = model.joint_covariance(X, X)[..., 0]
    np.testing.assert_allclose(covariance.diagonal(), epistemic[:, 0], atol=1e-8)
    draws = model.sample_predictions(X, 4_000, 0)[..., 0]
    size = float(epistemic.max())
    np.testing.assert_allclose(draws.mean(0), reg.predict(X), atol=0.15 * size**0.5)
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.15 * size)
    for rows in (slice(1), slice(7, 11), slice(None, None, -1)):
        np.testing.assert_allclose(
            model.sample_predictions(X[rows], 5, 3)[..., 0],
            model.sample_predictions(X, 5, 3).numpy()[:, rows, 0],
            atol=1e-8,
        )


def test_a_gaussian_process_of_several_targets():
    reg = process(normalize_y=True).fit(X[:15], TWO[:15])
    model = as_model(reg)
    for answer in model.predict_variance(X):
        np.testing.assert_allclose(answer[:, 1], 100 * answer[:, 0])
    draws = model.sample_predictions(X, 500, 0)
    assert draws.shape == (500, 60, 2)
    np.testing.assert_allclose(draws.mean(0)[:, 1], reg.predict(X)[:, 1], atol=5)


def test_kernels_without_random_features_are_refused_by_name_for_draws_alone():
    for kernel, words in (
        (ExpSineSquared() + WhiteKernel(), "ExpSineSquared is another"),
        (DotProduct() * RBF() + WhiteKernel(), "DotProduct is not multiplied"),
    ):
        with pytest.raises(CapabilityError, match=words):
            BatchBALD().query(X[:, :1], Y, reg=process(kernel))
        for strategy in (BALD(), EPIG()):
            assert strategy.query(X[:, :1], Y, reg=process(kernel))[0] >= 15


# closed forms and features


@pytest.mark.parametrize("kind", ["ours", "ridge", "ard", "process", "pipeline"])
def test_epig_needs_no_draws_where_covariances_are_known(kind):
    first, second = (
        EPIG(n_samples=n, random_state=0).query(
            X, Y, reg=REGRESSORS[kind](), return_utilities=True
        )[1]
        for n in (2, 200)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_batch_epig_begins_with_epig():
    epig, batch = (
        strategy(n_samples=20_000, n_targets=100, random_state=0).query(
            X, Y, reg=make(), batch_size=n, return_utilities=True
        )
        for strategy, n in ((EPIG, 1), (BatchEPIG, 3))
    )
    np.testing.assert_allclose(batch[1][0, 15:], epig[1][0, 15:], rtol=0.1)
    assert len(set(batch[0])) == 3


@pytest.mark.parametrize("reg", [Ridge(), make(), SGDRegressor(random_state=0)])
def test_bait_reads_features_and_no_target(reg):
    picks = Bait(random_state=0).query(X, Y, reg=reg, batch_size=3)
    np.testing.assert_array_equal(
        picks, Bait(random_state=0).query(X, -7 * Y, reg=reg, batch_size=3)
    )
    features = torch.tensor(np.pad(X, ((0, 0), (0, 1)), constant_values=1.0))
    expected, _ = bait_regression(features[15:], features[:15], 3)
    assert set(picks) == set((15 + expected).tolist())
    parts = Bait(random_state=0).query(
        X, Y, reg=reg, candidates=[20, 30, 40], return_utilities=True
    )
    whole = Bait(random_state=0).query(X, Y, reg=reg, return_utilities=True)
    np.testing.assert_allclose(
        parts[1][0, [20, 30, 40]], whole[1][0, [20, 30, 40]], rtol=1e-6
    )


def test_several_targets_by_a_regressor_each():
    model = MultiOutputRegressor(BayesianRidge())
    for strategy in (BALD, EPIG, BatchEPIG, BatchBALD, MeanStd, Bait, LCMD):
        picks = strategy(random_state=0).query(X, TWO, reg=model, batch_size=2)
        assert (picks >= 15).all()
    one, two = (
        BALD().query(X, y, reg=reg, return_utilities=True)[1]
        for y, reg in ((Y, BayesianRidge()), (TWO, model))
    )
    np.testing.assert_allclose(two, 2 * one, rtol=1e-3)
    scaled = make_pipeline(StandardScaler(), model)
    assert LCMD().query(X, TWO, reg=scaled)[0] >= 15


def test_members_of_a_vote_are_draws():
    vote = VotingRegressor([("one", Ridge()), ("two", Ridge(1e3))])
    _, utilities = MeanStd().query(X, Y, reg=vote, return_utilities=True)
    one, two = (Ridge(a).fit(X[:15], Y[:15]).predict(X) for a in (1.0, 1e3))
    np.testing.assert_allclose(utilities[0, 15:], abs(one - two)[15:] / 2)


# the mark of unknown targets


@pytest.mark.parametrize("strategy", [BALD, LCMD, EPIG])
@pytest.mark.parametrize("kind", [list, np.asarray, pd.Series])
def test_nan_marks_targets_whatever_marks_classes(strategy, kind):
    query = strategy(random_state=0)
    picks = query.query(X, kind(Y), reg=make(), batch_size=2)
    expected = strategy(missing_label=np.nan, random_state=0).query(
        X, Y, reg=make(), batch_size=2
    )
    np.testing.assert_array_equal(picks, expected)
    assert np.isnan(query.missing_label_)
    assert query.missing_label == -1


@pytest.mark.slow
@pytest.mark.parametrize("kind", [np.asarray, pd.Series])
def test_a_target_that_looks_like_a_mark_is_asked_about(kind):
    y = Y.copy()
    y[3] = -1
    with pytest.raises(ValueError, match=r"y has NaN and -1.*missing_label=np\.nan"):
        BALD().query(X, kind(y), reg=make())
    assert BALD(missing_label=np.nan).query(X, kind(y), reg=make())[0] >= 15


@pytest.mark.slow
def test_another_mark_is_kept():
    y = np.nan_to_num(Y, nan=-99)
    picks = BALD(missing_label=-99).query(X, y, reg=make(missing_label=-99))
    np.testing.assert_array_equal(picks, BALD().query(X, Y, reg=make()))


@pytest.mark.parametrize("kind", ["ours", "ridge", "process", "pipeline", "forest"])
@pytest.mark.parametrize("strategy", [BALD, EPIG, BatchEPIG, MeanStd])
def test_a_fitted_regressor_is_asked_as_it_is(kind, strategy):
    reg = REGRESSORS[kind]().fit(X[:15], Y[:15])
    before = reg.predict(X)
    picks = strategy(random_state=0).query(X, Y, reg=reg, fit_reg=False, batch_size=3)
    assert len(set(picks)) == 3
    np.testing.assert_array_equal(reg.predict(X), before)
    with pytest.raises(NotFittedError):
        strategy().query(X, Y, reg=REGRESSORS[kind](), fit_reg=False)


def test_who_cannot_start_without_a_label_says_who_can():
    with pytest.raises(ValueError, match="regressor of skal_deep, such as Bayesian"):
        BALD().query(X, np.full(60, np.nan), reg=BayesianRidge())
    with pytest.warns(UserWarning, match="label"):
        assert len(BALD().query(X, np.full(60, np.nan), reg=make())) == 1
