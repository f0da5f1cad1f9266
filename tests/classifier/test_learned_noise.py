"""Ensembles whose nets say the noise of each row."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from skorch import NeuralNetRegressor

from skal_deep.classifier import DeepEnsembleRegressor, as_model
from skal_deep.modules import MLP
from skal_deep.modules._gaussian_loss import GaussianLoss, mean_and_variance
from skal_deep.pool import BALD, BatchBALD

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (400, 1)).astype(np.float32)
STD = np.where(X[:, 0] < 0, 0.1, 1.0)
F = np.sin(2 * X[:, 0])
Y = 7 + 3 * (F + STD * RNG.normal(size=400))


def ensemble(n_targets=1, n_estimators=3, max_epochs=60, **params):
    net = NeuralNetRegressor(
        MLP,
        module__n_features=1,
        module__n_classes=2 * n_targets,
        module__n_hidden=16,
        module__dropout=0.0,
        optimizer=torch.optim.Adam,
        lr=0.01,
        max_epochs=max_epochs,
        batch_size=100,
        train_split=None,
        verbose=0,
        **params,
    )
    return DeepEnsembleRegressor(net, n_estimators, noise="learned", random_state=0)


@pytest.fixture(scope="module")
def fitted():
    return ensemble().fit(X, Y)


def members(reg, X):
    """Return means and variances (S, N) in the unit of y, by the nets themselves."""
    y = Y if reg.n_outputs_ == 1 else None
    center, scale = y.mean(), y.std()
    outputs = np.stack([net.predict(X) for net in reg.nets_]).astype(float)
    variance = np.logaddexp(0, outputs[..., 1]) + 1e-4
    return center + scale * outputs[..., 0], scale**2 * variance


def test_the_loss_is_the_likelihood_times_a_constant_variance():
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(9, 4, generator=generator, requires_grad=True)
    target = torch.randn(9, 4, generator=generator)
    mean, variance = mean_and_variance(output)
    assert torch.equal(mean, output[:, :2])
    each = torch.nn.GaussianNLLLoss(reduction="none")(mean, target[:, :2], variance)
    expected = (variance.detach() * each).sum(1)
    torch.testing.assert_close(GaussianLoss("none")(output, target), expected)
    # which learns the mean as the squared error does
    [slope] = torch.autograd.grad(GaussianLoss()(output, target), output)
    torch.testing.assert_close(slope[:, :2], (mean - target[:, :2]).detach() / 9)
    # no labels can be read from the columns that only stand for the shape
    other = torch.cat([target[:, :2], 99 + target[:, 2:]], 1)
    torch.testing.assert_close(GaussianLoss("none")(output, other), expected)


def test_the_variance_of_a_label_is_that_of_a_mixture(fitted):
    mean_SN, variance_SN = members(fitted, X)
    mean, std = fitted.predict(X, return_std=True)
    epistemic, noise = fitted.predict_variance(X)
    np.testing.assert_allclose(mean, mean_SN.mean(0), rtol=1e-5)
    np.testing.assert_allclose(epistemic, mean_SN.var(0), rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(noise, variance_SN.mean(0), rtol=1e-4)
    np.testing.assert_allclose(std**2, epistemic + noise, rtol=1e-6)
    density = norm.pdf(Y, mean_SN, np.sqrt(variance_SN)).mean(0)
    np.testing.assert_allclose(
        fitted.log_predictive_density(X, Y), np.log(density), rtol=1e-3, atol=1e-4
    )


@pytest.mark.slow
def test_it_finds_where_the_noise_is(fitted):
    noise = fitted.predict_variance(X)[1]
    quiet, loud = noise[X[:, 0] < -0.2], noise[X[:, 0] > 0.2]
    assert 0.5 < np.median(loud) / 9 < 1.6
    assert np.median(quiet) < 0.1 * np.median(loud)
    same = DeepEnsembleRegressor(
        ensemble().net.set_params(module__n_classes=1), 3, noise=4.5, random_state=0
    ).fit(X, Y)
    ours, theirs = (r.log_predictive_density(X, Y).mean() for r in (fitted, same))
    assert ours > theirs + 0.1


@pytest.mark.slow
def test_draws_of_labels_have_the_noise_of_their_rows(fitted):
    rows = np.repeat([[-0.6], [0.6]], 4000, axis=0).astype(np.float32)
    spread = fitted.sample_y(rows, random_state=0).reshape(2, 4000, 3)
    _, variance_SN = members(fitted, rows[[0, -1]])
    np.testing.assert_allclose(spread.var(1), variance_SN.T, rtol=0.15)


@pytest.mark.slow
def test_strategies_do_not_buy_noise(fitted):
    epistemic, noise = fitted.predict_variance(X)
    score = np.log1p(epistemic / noise) / 2
    y = np.full(400, np.nan)
    y[:5] = Y[:5]
    query = {"fit_reg": False, "return_utilities": True, "candidates": range(5, 400)}
    for strategy in (BALD(), BatchBALD()):
        _, utilities = strategy.query(X, y, reg=fitted, **query)
        np.testing.assert_allclose(utilities[0][5:], score[5:], rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_several_targets_and_weights():
    two = np.column_stack([Y, -Y])
    reg = ensemble(2, n_estimators=2, max_epochs=3).fit(X, two, np.linspace(1, 2, 400))
    epistemic, noise = reg.predict_variance(X)
    assert epistemic.shape == noise.shape == (400, 2)
    assert reg.sample_predictions(X).shape == (2, 400, 2)
    assert reg.sample_y(X).shape == (400, 2, 2)
    assert np.isfinite(reg.log_predictive_density(X, two)).all()
    assert as_model(reg).predict_variance(X)[1].shape == (400, 2)
    # a weight of 0 is a row that is not there
    weight = np.where(np.arange(400) < 300, 1.0, 0.0)
    short = ensemble(max_epochs=2).fit(X[:300], Y[:300]).predict_variance(X)[1]
    zero = ensemble(max_epochs=2).fit(X, Y, weight).predict_variance(X)[1]
    np.testing.assert_allclose(zero, short, rtol=1e-5)


@pytest.mark.slow
def test_targets_in_another_unit():
    reg = ensemble(max_epochs=5).fit(X, Y)
    other = ensemble(max_epochs=5).fit(X, 1e6 * Y + 1e8)
    both = reg.predict_variance(X), other.predict_variance(X)
    for part, moved in zip(*both, strict=True):
        np.testing.assert_allclose(moved, 1e12 * part, rtol=1e-3)


def test_what_it_has_not_and_does_not_take(fitted):
    assert not hasattr(fitted, "noise_variance_")
    with pytest.raises(AttributeError, match="predict_variance"):
        fitted.noise_variance_  # noqa: B018
    with pytest.raises(ValueError, match="twice as many"):
        ensemble().set_params(net__module__n_classes=1).fit(X, Y)
    with pytest.raises(ValueError, match="criterion__reduction"):
        ensemble(criterion__reduction="sum").fit(X, Y)


@pytest.mark.filterwarnings("ignore:DeepEnsembleRegressor has no label")
def test_without_a_label_it_predicts_by_its_prior():
    reg = ensemble().fit(X, np.full(400, np.nan))
    assert (reg.predict_variance(X)[1] > 0).all()
