"""Heads on hidden layers as views that may disagree."""

import numpy as np
import pytest
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


def by_steps_of_all_rows(**params):
    """Return a net whose weights of rows are as good as copies of rows."""
    params |= {"optimizer": torch.optim.SGD, "max_epochs": 3, "batch_size": -1}
    return make_net(module__dropout=0.0, **params)


def test_weights_of_rows_and_classes_reach_the_heads(blobs):
    X, y = blobs[0][::3], blobs[1][::3]
    weight = np.arange(len(y)) % 3 + 1
    again = np.repeat(np.arange(len(y)), weight)

    def views(X, y, weight=None, **params):
        clf = MultiViewClassifier(by_steps_of_all_rows(**params), **PARAMS)
        return clf.fit(X, y, sample_weight=weight).sample_proba(blobs[0])

    copied = views(X[again], y[again])
    np.testing.assert_allclose(views(X, y, weight), copied, atol=1e-5)
    of_classes = views(X, y, criterion__weight=torch.tensor([1.0, 1.0, 5.0]))
    assert (abs(of_classes - views(X, y)).max((1, 2)) > 1e-3).all()


def test_weights_of_rows_need_a_criterion_that_heads_can_share(blobs):
    class OwnLoss(torch.nn.MultiMarginLoss):
        pass

    net = make_net(criterion=OwnLoss, predict_nonlinearity="softmax")
    clf = MultiViewClassifier(net, **PARAMS).fit(*blobs)
    with pytest.raises(ValueError, match=r"sample_weight.*CrossEntropyLoss.*OwnLoss"):
        clf.fit(*blobs, sample_weight=np.arange(60))
