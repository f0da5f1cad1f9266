"""Modes of torch around a query: it chooses what it chooses without them."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from skal_deep import pool
from skal_deep._modes import plain_torch
from skal_deep.classifier import MCDropoutClassifier, inference_precision
from skal_deep.modules import MLP
from skal_deep.shards import query_shards
from tests.strategies import STRATEGIES as ALL
from tests.strategies import maker
from tests.support import make_net

X = np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32)
Y = np.where(np.arange(120) < 30, np.arange(120) % 3, -1)
MODES = {
    "autocast": partial(torch.autocast, "cpu", dtype=torch.bfloat16),
    "device": partial(torch.device, "meta"),
    "inference": torch.inference_mode,
    "no gradients": torch.no_grad,
}
STRATEGIES = {
    "AlfaMix": {},
    "BALD": {},
    "Badge": {},
    "BatchBALD": {},
    "CoreSet": {},
    "DAL": {"n_iterations": 5},
    "JointLabelPropagation": {"n_neighbors": 5},
    "LCMD": {},
    "MaxHerding": {},
    "TypiClust": {},
    "VAAL": {"n_iterations": 5},
}


@pytest.fixture(scope="module")
def clf():
    net = make_net(MLP, module__n_classes=3, max_epochs=3)
    return MCDropoutClassifier(net, random_state=0).fit(X, Y)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_query_is_that_without_a_mode_around_it(name, mode, clf):
    strategy = getattr(pool, name)(random_state=0, **STRATEGIES[name])
    ask = partial(strategy.query, X, Y, clf, fit_clf=False, batch_size=3)
    picks, utilities = ask(return_utilities=True)
    with mode():
        found, others = ask(return_utilities=True)
    assert found.tolist() == picks.tolist()
    np.testing.assert_array_equal(others, utilities)


def test_a_query_over_shards_is_that_without_autocast():
    shards = X[:60], X[60:]
    strategy = pool.MaxHerding(bandwidth=1.0, random_state=0)
    picks = query_shards(strategy, shards, 4)
    with MODES["autocast"]():
        assert query_shards(strategy, shards, 4).rows.tolist() == picks.rows.tolist()
    assert query_shards.__name__ == "query_shards"


def test_a_classifier_is_fitted_inside():
    strategy = pool.MarginSampling(random_state=0)
    with torch.inference_mode():
        picks = strategy.query(X, Y, LogisticRegression(), batch_size=3)
    assert strategy.query(X, Y, LogisticRegression(), batch_size=3).tolist() == (
        picks.tolist()
    )


def test_inference_precision_stays(clf):
    strategy = pool.MarginSampling(random_state=0)
    ask = partial(strategy.query, X, Y, clf, fit_clf=False, return_utilities=True)
    with inference_precision("bfloat16"):
        utilities = ask()[1]
    with torch.autocast("cpu", dtype=torch.bfloat16), inference_precision("bfloat16"):
        np.testing.assert_array_equal(ask()[1], utilities)
    assert not np.array_equal(ask()[1], utilities, equal_nan=True)


def test_modes_are_those_of_the_caller_again():
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        with pytest.raises(ValueError, match="inside"), plain_torch():
            assert not torch.is_autocast_enabled("cpu")
            assert not torch.is_inference_mode_enabled()
            raise ValueError("inside")
        assert torch.is_autocast_enabled("cpu")
        assert torch.is_inference_mode_enabled()
    with plain_torch():
        assert torch.is_grad_enabled()


@pytest.fixture
def double():
    """Make float64 what torch takes where nobody says."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of nets that were trained too little
@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", ALL)
def test_strategies_work_whatever_torchs_default_is(name):
    strategy = clone(ALL[name])
    _, utilities = strategy.query(
        X[:60], Y[:60], maker(strategy)(False), batch_size=3, return_utilities=True
    )
    assert np.isfinite(utilities[0, 30:]).all()
