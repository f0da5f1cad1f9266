"""Labels of a user: words that look alike are told wherever they are read."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skal_deep.campaign import Campaign
from skal_deep.classifier import BayesianLinearClassifier
from skal_deep.evaluation import SimulatedActiveLearner, compare_strategies
from skal_deep.pool import MarginSampling
from skal_deep.rows._label_array import label_array

X = np.random.default_rng(0).normal(size=(60, 2))
Y = np.array(["caf\xe9", "cafe\u0301", "tea"], dtype=object)[np.arange(60) % 3]
FEW = {"n_initial": 6, "batch_size": 3, "n_cycles": 1, "missing_label": None}


def fit():
    BayesianLinearClassifier(missing_label=None).fit(X, Y)


def query():
    y = np.where(np.arange(60) < 9, Y, None)
    MarginSampling(missing_label=None).query(X, y, LogisticRegression())


def simulate():
    learner = SimulatedActiveLearner(LogisticRegression(), **FEW, random_state=0)
    learner.fit(X, Y)


def compare():
    options = {**FEW, "n_repeats": 1, "n_jobs": 1, "progress": False}
    compare_strategies(
        {"margin": MarginSampling()}, LogisticRegression(), X, Y, **options
    )


@pytest.mark.parametrize("read", [fit, query, simulate, compare])
def test_words_that_look_alike_are_told_once(read):
    with pytest.warns(UserWarning, match="look alike") as told:
        read()
    assert len(told) == 1
    assert r"'cafe\u0301' and 'caf\xe9'" in str(told[0].message)
    if read is not query:
        assert told[0].filename == __file__


def test_an_answer_in_another_form_is_refused_in_words(tmp_path):
    np.save(tmp_path / "X.npy", X)
    campaign = Campaign.create(
        tmp_path / "c",
        embeddings=tmp_path / "X.npy",
        classes=["caf\xe9", "tea"],
        budget=9,
    )
    name = campaign.next(batch_size=1).ids[0]
    with pytest.raises(ValueError, match=r"no class of this campaign.*look alike"):
        campaign.label({name: "cafe\u0301"}, "anna")


@pytest.mark.parametrize("kind", [np.array, list, tuple])
def test_words_that_numpy_would_merge_are_refused(kind):
    """It leaves out a NUL at the end, and "cat" was trained on two classes."""
    words = np.array(["cat", "cat\0", "dog"] * 10, dtype=object)
    y = words if kind is np.array else kind(words.tolist())
    X = np.arange(60.0).reshape(30, 2)
    learner = SimulatedActiveLearner(
        LogisticRegression(), n_initial=6, batch_size=3, n_cycles=1, missing_label=None
    )
    for fit in (
        lambda: learner.fit(X, y),
        lambda: MarginSampling(missing_label=None).query(X, y, LogisticRegression()),
    ):
        with pytest.raises(ValueError, match=r"'cat\\x00' ends with the character NUL"):
            fit()
    inside = np.array(["c\0at", "cat"] * 15, dtype=object)
    assert label_array(inside, None).tolist() == inside.tolist()
