"""scikit-activeml's committees see the members of our ensembles."""

import pickle

import numpy as np
import pytest
from skactiveml.pool import BatchBALD, GreedyBALD, QueryByCommittee
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted
from support import MAKERS, make_net

from skal_deep.classifier import as_model

ENSEMBLES = ["ensemble", "snapshots", "heads"]
COMMITTEES = {
    "KL": QueryByCommittee(method="KL_divergence", missing_label=-1, random_state=0),
    "votes": QueryByCommittee(method="vote_entropy", missing_label=-1, random_state=0),
    "GreedyBALD": GreedyBALD(missing_label=-1, random_state=0),
    "BatchBALD": BatchBALD(missing_label=-1, random_state=0),
}


@pytest.fixture(params=ENSEMBLES)
def ensemble(request):
    net = make_net(max_epochs=6)
    return MAKERS[request.param](net, classes=[0, 1, 2], random_state=0)


@pytest.fixture
def hard(blobs):
    """Rows between the clusters, where members disagree, and 9 labels."""
    X = (blobs[0] + np.random.default_rng(0).normal(size=(60, 2)) * 2).astype("f4")
    return X, np.where(np.arange(60) < 9, blobs[1], -1)


@pytest.mark.parametrize("committee", COMMITTEES)
@pytest.mark.parametrize("fit_ensemble", [True, False])
def test_utilities_vary(ensemble, committee, fit_ensemble, hard):
    if not fit_ensemble:
        ensemble.fit(*hard)
    _, utilities = COMMITTEES[committee].query(
        *hard, ensemble=ensemble, fit_ensemble=fit_ensemble, return_utilities=True
    )
    assert np.nanmax(utilities) - np.nanmin(utilities) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("weighted", [False, True])
def test_members_are_the_draws(ensemble, hard, weighted):
    X, y = hard
    weight = np.linspace(1, 2, 60) if weighted else None
    members = ensemble.fit(X, y, weight).estimators_
    draws = as_model(ensemble).sample_proba(X)
    assert len(members) == len(draws) == 3
    for member, draw in zip(members, draws, strict=True):
        check_is_fitted(member)
        np.testing.assert_allclose(member.predict_proba(X), draw, atol=1e-6)
        np.testing.assert_array_equal(member.classes_, ensemble.classes_)
        predicted = ensemble.classes_[draw.argmax(-1)]
        np.testing.assert_array_equal(member.predict(X), predicted)
        assert member.embed(X).shape == (60, 16)
    again = pickle.loads(pickle.dumps(ensemble)).estimators_
    np.testing.assert_array_equal(
        again[1].predict_proba(X), members[1].predict_proba(X)
    )


def test_members_speak_the_users_labels(ensemble, hard):
    X, y = hard
    names = np.array(["ant", "bee", "cow"])
    labels = np.where(y == -1, "?", names[y])
    ensemble.set_params(classes=names, missing_label="?").fit(X, labels)
    assert set(ensemble.estimators_[0].predict(X)) <= set(names)


def test_there_are_no_members_before_fit(ensemble):
    assert not hasattr(ensemble, "estimators_")
    with pytest.raises(NotFittedError):
        _ = ensemble.estimators_


def test_members_share_memory(hard):
    heads = MAKERS["heads"](make_net(), classes=[0, 1, 2], random_state=0).fit(*hard)
    trunks = {
        member.nets_[0].module_.layers[1].weight.data_ptr()
        for member in heads.estimators_
    }
    assert len(trunks) == 1
