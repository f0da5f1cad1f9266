"""Nets that predict numbers, with a posterior."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNetRegressor

from skal_deep.classifier import (
    CapabilityError,
    DeepEnsembleRegressor,
    LaplaceRegressor,
    MCDropoutRegressor,
    PBPRegressor,
    SWAGRegressor,
)
from skal_deep.modules import MLP
from skal_deep.pool import BALD, EPIG, LCMD, BatchBALD, CoreSet

RNG = np.random.default_rng(0)
X = RNG.uniform(-2, 2, (60, 2)).astype(np.float32)
TARGET = 5 * np.sin(X[:, 0]) - X[:, 1] + 100 + 0.5 * RNG.normal(size=60)
Y = np.where(np.arange(60) < 30, TARGET, np.nan)
TWO = np.column_stack([Y, -3 * Y])


def net(n_outputs=1, **params):
    settings = {
        "module__n_features": 2,
        "module__n_classes": n_outputs,
        "module__n_hidden": 16,
        "module__dropout": 0.1,
        "optimizer": torch.optim.Adam,
        "lr": 0.02,
        "max_epochs": 40,
        "train_split": None,
        "verbose": 0,
    }
    return NeuralNetRegressor(MLP, **(settings | params))


KINDS = {
    "dropout": lambda net, **kw: MCDropoutRegressor(net, **{"n_samples": 60, **kw}),
    "ensemble": lambda net, **kw: DeepEnsembleRegressor(net, n_estimators=3, **kw),
    "laplace": LaplaceRegressor,
    "swag": lambda net, **kw: SWAGRegressor(net, n_samples=20, n_collected=5, **kw),
}


@pytest.fixture(params=KINDS)
def make(request):
    def build(n_outputs=1, noise=0.25, **params):
        kind = KINDS[request.param]
        return kind(net(n_outputs, **params), noise=noise, random_state=0)

    return build


@pytest.mark.slow
def test_the_contract_of_a_posterior(make):
    reg = make().fit(X, Y)
    mean, std = reg.predict(X, return_std=True)
    epistemic, noise = reg.predict_variance(X)
    np.testing.assert_allclose(std**2, epistemic + noise)
    np.testing.assert_allclose(noise, 0.25)
    assert reg.score(X[30:], TARGET[30:]) > 0.6
    draws = reg.sample_predictions(X, 500, 0)
    spread = 5 * np.sqrt(epistemic.max() / 20)
    np.testing.assert_allclose(draws.mean(0), mean, atol=spread)
    for rows in (slice(1), slice(20, 27), slice(None, None, -1)):
        np.testing.assert_allclose(
            reg.sample_predictions(X[rows], 5, 1),
            reg.sample_predictions(X, 5, 1)[:, rows],
            atol=1e-4,
        )


@pytest.mark.slow
def test_equal_seeds_give_equal_predictions_and_move_no_generator(make):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, second = (make().fit(X, Y).predict(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


@pytest.mark.slow
def test_units_of_the_target_do_not_matter(make):
    plain, other = make(noise="cv").fit(X, Y), make(noise="cv").fit(X, 1e6 * Y + 1e8)
    std = plain.predict(X, return_std=True)[1]
    np.testing.assert_allclose(
        other.predict(X, return_std=True)[1], 1e6 * std, rtol=1e-3
    )


@pytest.mark.slow
def test_the_noise_is_that_of_held_out_rows(make):
    reg = make(noise="cv").fit(X, Y)
    assert 0.05 < reg.noise_variance_ < 5  # 0.25, and what 24 rows do not teach
    assert reg.noise_variance_ == reg.noise_variance_


def test_several_targets(make):
    reg = make(2).fit(X, TWO)
    assert reg.predict(X).shape == (60, 2)
    assert reg.sample_predictions(X, 3).shape[1:] == (60, 2)
    assert [v.shape for v in reg.predict_variance(X)] == [(60, 2)] * 2
    with pytest.raises(ValueError, match="as many outputs"):
        make(1).fit(X, TWO)


@pytest.mark.parametrize("strategy", [BALD, EPIG, BatchBALD, CoreSet, LCMD])
@pytest.mark.filterwarnings("ignore:EPIG measures")
def test_strategies_query(make, strategy):
    picks = strategy(missing_label=np.nan, random_state=0).query(X, Y, reg=make())
    assert picks[0] >= 30


def test_few_labels(make):
    with pytest.warns(UserWarning, match="no label"):
        cold = make(noise="cv").fit(X, np.full(60, np.nan))
    assert np.isfinite(cold.predict(X, return_std=True)).all()
    one = make(noise="cv").fit(X, np.where(np.arange(60) == 3, 7.0, np.nan))
    assert np.isfinite(one.predict(X, return_std=True)).all()


def test_pickles_predict_the_same(make):
    reg = make().fit(X, Y)
    again = pickle.loads(pickle.dumps(reg))
    np.testing.assert_array_equal(again.predict(X), reg.predict(X))


def test_a_net_without_dropout_is_refused():
    with pytest.raises(CapabilityError, match="DeepEnsembleRegressor"):
        MCDropoutRegressor(net(module__dropout=0.0)).fit(X, Y)


@pytest.mark.slow
def test_the_evidence_of_a_trained_net_finds_too_little_noise():
    """Why "cv" is the default: the features were trained on the same labels."""
    evidence, folds = (
        LaplaceRegressor(net(max_epochs=400), noise=noise, random_state=0).fit(X, Y)
        for noise in ("evidence", "cv")
    )
    assert evidence.noise_variance_ < 0.5 * folds.noise_variance_


def test_labels_under_a_mixture_have_its_density():
    reg = DeepEnsembleRegressor(net(), n_estimators=3, noise=0.25, random_state=0)
    reg.fit(X, Y)
    draws = reg.sample_predictions(X)
    each = np.exp(-((draws - TARGET) ** 2) / 0.5) / np.sqrt(0.5 * np.pi)
    density = reg.log_predictive_density(X, TARGET)
    np.testing.assert_allclose(density, np.log(each.mean(0)), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_covariances_of_the_last_layer_are_those_of_draws():
    reg = LaplaceRegressor(net(), noise=0.25, random_state=0).fit(X, Y)
    draws = reg.sample_predictions(X[:6], 20_000, 0)
    covariance = reg.joint_covariance(X[:6])
    np.testing.assert_allclose(
        np.cov(draws.T), covariance, atol=0.05 * covariance.max()
    )
    np.testing.assert_allclose(
        covariance.diagonal(), reg.predict_variance(X[:6])[0], rtol=1e-6
    )


@pytest.mark.slow
def test_weights_are_collected_by_small_batches():
    """In one batch of all labels there is no noise that would move the weights."""
    given = net(batch_size=-1, optimizer=torch.optim.SGD, lr=0.05)
    reg = SWAGRegressor(given, n_collected=10, random_state=0).fit(X, Y)
    assert reg.predict_variance(X)[0].mean() > 1e-4
    assert reg.nets_[0].batch_size == -1
    assert given.batch_size == -1
    with pytest.raises(CapabilityError, match="raise the learning rate"):
        SWAGRegressor(given, n_collected=2, collect_lr=1e-30, random_state=0).fit(X, Y)


# probabilistic backpropagation


def pbp(**params):
    return PBPRegressor(**{"n_hidden": 20, "n_epochs": 10, "random_state": 0} | params)


@pytest.mark.slow
def test_moments_of_one_hidden_layer_are_exact():
    reg = pbp().fit(X, Y)
    epistemic, noise = reg.predict_variance(X)
    draws = reg.sample_predictions(X, 4_000, 0)
    np.testing.assert_allclose(draws.var(0), epistemic, rtol=0.12)
    size = np.sqrt(epistemic)
    np.testing.assert_allclose((draws.mean(0) - reg.predict(X)) / size, 0, atol=0.08)
    np.testing.assert_array_equal(noise, reg.noise_variance_)
    assert reg.score(X[30:], TARGET[30:]) > 0.6
    np.testing.assert_allclose(
        reg.sample_predictions(X[7:9], 3, 1),
        reg.sample_predictions(X, 3, 1)[:, 7:9],
        rtol=1e-10,
    )


@pytest.mark.slow
def test_it_is_less_sure_far_from_labels_and_surer_with_more():
    few, many = pbp().fit(X, Y), pbp().fit(X, TARGET)
    assert (
        few.predict_variance(5 * X)[0].mean() > 10 * few.predict_variance(X)[0].mean()
    )
    assert many.predict_variance(X)[0].mean() < few.predict_variance(X)[0].mean()


@pytest.mark.slow
def test_targets_have_nets_of_their_own_and_no_label_is_legal():
    reg = pbp(n_epochs=3).fit(X, TWO)
    assert reg.sample_predictions(X, 4).shape == (4, 60, 2)
    one = pbp(n_epochs=3).fit(X, Y)
    np.testing.assert_allclose(reg.predict(X)[:, 0], one.predict(X))
    with pytest.warns(UserWarning, match="no label"):
        cold = pbp().fit(X, np.full(60, np.nan))
    assert np.isfinite(cold.predict(X, return_std=True)).all()
    again = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(again.predict(X), one.predict(X))


def test_weights_of_rows_are_refused_but_zero():
    weight = np.where(np.arange(60) < 5, 0.0, 1.0)
    without = pbp(n_epochs=2).fit(X, Y, weight)
    assert np.isfinite(without.predict(X)).all()
    with pytest.raises(ValueError, match="knows no weights"):
        pbp().fit(X, Y, np.arange(60.0))


@pytest.mark.slow
@pytest.mark.parametrize("n_labels", [6, 15])
def test_few_labels_are_warned_of_and_learned(n_labels):
    X = np.random.default_rng(0).normal(size=(n_labels, 4))
    for seed in range(4):
        with pytest.warns(ConvergenceWarning, match=f"has {n_labels} labels"):
            reg = PBPRegressor(random_state=seed).fit(X, 3 * X[:, 0] + 5)
        assert np.isfinite(reg.predict(X)).all()


@pytest.mark.filterwarnings("ignore:.*divide|invalid|overflow")
def test_a_net_that_has_diverged_is_no_prediction():
    """Rows of a dict are the net's own matter: NaN among them reaches the weights."""

    class Named(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(
                torch.nn.Linear(2, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1)
            )

        def forward(self, a):
            return self.layers(a)

    bare = NeuralNetRegressor(Named, max_epochs=1, train_split=None, verbose=0)
    rows = {"a": np.where(np.arange(60)[:, None] == 3, np.nan, X).astype(np.float32)}
    reg = MCDropoutRegressor(bare, noise=1.0, random_state=0)
    with pytest.raises(ValueError, match="predicts NaN"):
        reg.fit(rows, Y).predict({"a": X})
