"""Deep ensembles: members are the draws."""

import numpy as np
import pytest
from support import make_net

from skal_deep.classifier import CapabilityError, DeepEnsembleClassifier
from skal_deep.modules import MLP


def fit(net, X, y, **params):
    return DeepEnsembleClassifier(
        net, n_estimators=3, classes=[0, 1, 2], random_state=0, **params
    ).fit(X, y)


def test_members_are_the_draws(partly):
    X, y = partly
    clf = fit(make_net(), X, y)
    samples = clf.sample_proba(X, n_samples=50)
    assert samples.shape == (3, 60, 3)
    np.testing.assert_allclose(clf.predict_proba(X), samples.mean(0), atol=1e-6)
    assert all(np.ptp(samples[[0, s]], axis=0).max() > 1e-3 for s in (1, 2))


def test_embeddings_stand_side_by_side(partly):
    X, y = partly
    clf = fit(make_net(), X, y)
    assert clf.embed(X).shape == (60, 3 * 16)


def test_members_that_do_not_differ_are_refused(partly):
    X, _ = partly
    with pytest.raises(CapabilityError, match="All draws of DeepEnsembleClassifier"):
        fit(make_net(MLP(2, 3)), X, np.full(60, -1))
