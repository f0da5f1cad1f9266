"""Metrics of regressors, against their definitions."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.compose import TransformedTargetRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import BayesianRidge, LogisticRegression, Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skal_deep.classifier import BayesianLinearRegressor
from skal_deep.evaluation._metrics import as_scorer, default_metric
from skal_deep.evaluation._number_metrics import METRICS_OF_NUMBERS, knows_its_errors

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
Y = X @ [1.0, -2.0, 0.5] + 3 + 0.5 * RNG.normal(size=200)
TWO = np.column_stack([Y, 1000 * Y])
MODELS = {
    "ours": BayesianLinearRegressor(),
    "ridge": BayesianRidge(),
    "pipeline": make_pipeline(StandardScaler(), BayesianRidge()),
    "process": GaussianProcessRegressor(RBF() + WhiteKernel(0.2), optimizer=None),
}


@pytest.fixture(params=MODELS)
def reg(request):
    return MODELS[request.param].fit(X[:50], Y[:50])


def score(name, reg, y=Y):
    return as_scorer(name)(reg, X[50:], y[50:])


def test_each_metric_is_its_definition(reg):
    mean, std = reg.predict(X[50:], return_std=True)
    y = Y[50:]
    z = (y - mean) / std
    assert score("neg_log_predictive", reg) == pytest.approx(
        norm.logpdf(y, mean, std).mean()
    )
    crps = std * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - np.pi**-0.5)
    assert score("neg_crps", reg) == pytest.approx(-crps.mean())
    inside = abs(z) <= norm.ppf(0.95)
    assert score("neg_coverage_error", reg) == pytest.approx(-abs(inside.mean() - 0.9))
    width = 2 * norm.ppf(0.95) * std.mean()
    assert score("neg_interval_width", reg) == pytest.approx(-width)
    error = root_mean_squared_error(y, mean) / y.std()
    assert score("neg_standardized_rmse", reg) == pytest.approx(-error)


@pytest.mark.parametrize("name", METRICS_OF_NUMBERS)
def test_a_default_device_changes_no_metric(name, reg):
    expected = score(name, reg)
    with torch.device("meta"):
        assert score(name, reg) == expected


def test_targets_in_other_units_count_alike():
    one, two = (BayesianLinearRegressor().fit(X[:50], y[:50]) for y in (Y, TWO))
    for name in ("neg_coverage_error", "neg_standardized_rmse"):
        assert score(name, two, TWO) == pytest.approx(score(name, one))
    for name in ("neg_crps", "neg_interval_width"):
        assert score(name, two, TWO) == pytest.approx(score(name, one) / Y[50:].std())
    expected = 2 * score("neg_log_predictive", one) - np.log(1000)
    assert score("neg_log_predictive", two, TWO) == pytest.approx(expected)


@pytest.mark.parametrize(
    "model", [Ridge(), TransformedTargetRegressor(BayesianRidge(), func=np.log1p)]
)
def test_without_a_spread_there_is_no_score(model):
    assert not knows_its_errors(model)
    for name in set(METRICS_OF_NUMBERS) - {"neg_standardized_rmse"}:
        with pytest.raises(ValueError, match="such as BayesianLinearRegressor"):
            score(name, Ridge().fit(X, Y))


def test_the_usual_metric_is_that_of_the_model():
    assert default_metric(LogisticRegression(), Y > 0) == "accuracy"
    assert default_metric(Ridge(), Y) == "neg_root_mean_squared_error"
    assert default_metric(Ridge(), TWO) == "neg_standardized_rmse"


def test_the_name_of_a_loss_is_refused_with_that_of_the_score():
    with pytest.raises(ValueError, match="Did you mean 'neg_root_mean_squared_error'"):
        as_scorer("root_mean_squared_error")
