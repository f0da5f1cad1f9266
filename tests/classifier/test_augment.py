"""Changes of inputs happen in training alone."""

import numpy as np
import pytest
import torch
from support import MAKERS, make_net

KINDS = [*MAKERS, "batched"]


def make(kind, **params):
    params |= {"classes": [0, 1, 2], "random_state": 0}
    if kind == "batched":
        net = make_net(max_epochs=3, module__dropout=0.0)
        return MAKERS["ensemble"](net, batched=True, **params)
    return MAKERS[kind](make_net(max_epochs=3), **params)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Members are trained one after another")
@pytest.mark.parametrize("kind", KINDS)
def test_training_sees_changed_inputs_and_predictions_do_not(kind, partly):
    X, y = partly
    seen = []

    def augment(x):
        seen.append(x)
        return x + torch.zeros_like(x).normal_()  # from the global generator

    state = torch.get_rng_state()
    clf = make(kind, augment=augment).fit(X, y)
    n_seen = len(seen)
    assert n_seen > 0
    assert all(len(x) <= 16 for x in seen)
    proba = clf.predict_proba(X)
    clf.embed(X)
    assert len(seen) == n_seen
    assert torch.equal(state, torch.get_rng_state())
    again = make(kind, augment=augment).fit(X, y)
    np.testing.assert_array_equal(proba, again.predict_proba(X))
    plain = make(kind).fit(X, y).predict_proba(X)
    assert np.abs(proba - plain).max() > 1e-4


def test_no_change_changes_nothing(partly):
    X, y = partly
    same = make("deep", augment=lambda x: x).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(make("deep").fit(X, y).predict_proba(X), same)


def test_a_batched_ensemble_says_that_it_is_none(partly):
    with pytest.warns(UserWarning, match="with `augment` their inputs differ"):
        make("batched", augment=lambda x: x).fit(*partly)
