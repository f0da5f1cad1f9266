"""Heads on hidden layers as views that may disagree."""

import numpy as np
import torch
from support import make_net

from skal_deep.classifier import MultiViewClassifier, SamplesProba, as_model
from skal_deep.functional import bald, predictive_entropy

PARAMS = {"classes": [0, 1, 2], "random_state": 0}


def test_views_learn_and_predictions_are_their_mean(blobs):
    X, y = blobs
    clf = MultiViewClassifier(make_net(), **PARAMS).fit(X, y)
    draws = clf.sample_proba(X)
    assert draws.shape == (3, 60, 3)  # two hidden layers and the output
    np.testing.assert_allclose(draws.mean(0), clf.predict_proba(X), atol=1e-6)
    for view in draws:
        assert (view.argmax(1) == y).mean() > 0.8
    np.testing.assert_allclose(clf.sample_proba(X[:5], 7, 1), draws[:, :5], atol=1e-6)
    assert isinstance(as_model(clf), SamplesProba)


def test_disagreement_is_what_the_consensus_adds_to_the_mean_entropy(partly):
    X, y = partly
    clf = MultiViewClassifier(make_net(), **PARAMS).fit(X, y)
    draws = torch.as_tensor(clf.sample_proba(X))
    mean = torch.special.entr(draws).sum(-1).mean(0)
    expected = predictive_entropy(draws) - mean
    torch.testing.assert_close(bald(draws), expected, atol=1e-5, rtol=1e-4)
    assert bald(draws).max() <= np.log(3)


def test_views_by_name(partly):
    clf = MultiViewClassifier(make_net(), taps=["layers.2"], **PARAMS).fit(*partly)
    assert clf.sample_proba(partly[0]).shape == (2, 60, 3)
    known = {id(p) for g in clf.nets_[0].optimizer_.param_groups for p in g["params"]}
    assert known == {id(p) for p in clf.nets_[0].module_.parameters()}
