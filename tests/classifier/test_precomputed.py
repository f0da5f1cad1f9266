"""Answers that were computed elsewhere, looked up by row."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skal_deep.classifier import CapabilityError, PrecomputedClassifier, as_model
from skal_deep.pool import BALD, Badge, BatchBALD, CoreSet, MarginSampling

RNG = np.random.default_rng(0)
SAMPLES = RNG.dirichlet(np.ones(3), size=(8, 40))
PROBA = SAMPLES.mean(0)
FEATURES = RNG.normal(size=(40, 5))
ROWS = np.arange(40)[:, None]
Y = np.where(np.arange(40) < 9, np.arange(40) % 3, -1)


def make(**params):
    return PrecomputedClassifier(**{"proba": PROBA, "classes": [0, 1, 2], **params})


def test_answers_are_those_of_the_rows():
    clf = make(samples=SAMPLES, embeddings=FEATURES).fit(ROWS, Y)
    some = [[7], [3], [3]]
    np.testing.assert_array_equal(clf.predict_proba(some), PROBA[[7, 3, 3]])
    np.testing.assert_array_equal(clf.sample_proba(some), SAMPLES[:, [7, 3, 3]])
    np.testing.assert_array_equal(clf.embed(some), FEATURES[[7, 3, 3]])
    np.testing.assert_array_equal(clf.predict(some), PROBA.argmax(1)[[7, 3, 3]])


def test_the_mean_of_draws_predicts_where_nothing_else_does():
    clf = make(proba=None, samples=SAMPLES).fit(ROWS, Y)
    np.testing.assert_allclose(clf.predict_proba(ROWS), PROBA, atol=1e-12)


def test_inputs_are_looked_up():
    inputs = RNG.normal(size=(40, 2)).astype(np.float32)
    inputs[3] = 0.0
    clf = make(rows=inputs).fit(inputs, Y)
    np.testing.assert_array_equal(clf.predict_proba(inputs[::-1]), PROBA[::-1])
    np.testing.assert_array_equal(clf.predict_proba([[-0.0, 0.0]]), PROBA[[3]])
    np.testing.assert_array_equal(clf.predict_proba(inputs.astype(float)), PROBA)
    with pytest.raises(ValueError, match="knows no answer for 1 of 2 rows"):
        clf.predict_proba(np.append(inputs[:1], [[9.0, 9.0]], axis=0))
    with pytest.raises(ValueError, match="knows no answer"):
        clf.predict_proba(inputs[:1].astype(float) + 1e-12)


@pytest.mark.parametrize("row", [-1, 40, 0.5])
def test_unknown_row_numbers_are_refused(row):
    clf = make().fit(ROWS, Y)
    with pytest.raises(ValueError, match="answers for the rows 0"):
        clf.predict_proba([[row]])
    with pytest.raises(ValueError, match="row numbers, as one column"):
        make().fit(FEATURES, Y)


def test_only_what_is_given_can_be_asked():
    offers = {
        name: set(vars(as_model(make(**{"proba": None, **given}))))
        for name, given in {
            "proba": {"proba": PROBA},
            "samples": {"samples": SAMPLES},
            "embeddings": {"embeddings": FEATURES},
        }.items()
    }
    assert offers == {
        "proba": {"predict_proba"},
        "samples": {"predict_proba", "sample_proba"},
        "embeddings": {"embed"},
    }
    with pytest.raises(CapabilityError, match="BALD needs sample_proba"):
        BALD().query(ROWS, Y, make())
    assert len(CoreSet().query(ROWS, Y, make(proba=None, embeddings=FEATURES))) == 1


@pytest.mark.parametrize("fit_clf", [True, False])
@pytest.mark.parametrize("strategy", [MarginSampling(), BALD(), BatchBALD(), Badge()])
def test_strategies_query(strategy, fit_clf):
    clf = make(samples=SAMPLES, embeddings=FEATURES).fit(ROWS, Y)
    strategy.set_params(random_state=0)
    picks = strategy.query(ROWS, Y, clf, fit_clf=fit_clf, batch_size=4)
    assert len(set(picks)) == 4
    assert (Y[picks] == -1).all()


def test_margins_are_those_of_the_array():
    _, utilities = MarginSampling().query(ROWS, Y, make(), return_utilities=True)
    ordered = np.sort(PROBA, axis=1)
    np.testing.assert_allclose(
        utilities[0, 9:], (1 + ordered[:, -2] - ordered[:, -1])[9:], atol=1e-6
    )


def test_columns_are_in_the_order_of_classes():
    clf = make(classes=["b", "c", "a"], missing_label=None)
    clf.fit(ROWS, np.array(["a", "b", *[None] * 38], dtype=object))
    np.testing.assert_array_equal(clf.classes_, ["a", "b", "c"])
    np.testing.assert_array_equal(clf.predict_proba(ROWS), PROBA[:, [2, 0, 1]])


def test_without_a_label_and_without_classes():
    assert make().fit(ROWS, np.full(40, -1)).predict_proba(ROWS).shape == (40, 3)
    assert make(classes=None).fit(ROWS, Y).classes_.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="proba has 3 columns, and there are 2"):
        make(classes=None).fit(ROWS, np.where(Y == 2, -1, Y))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"proba": None}, "needs answers"),
        ({"embeddings": FEATURES[:5]}, "unequal numbers of rows"),
        ({"proba": SAMPLES}, "proba must have 2 axes"),
        ({"rows": FEATURES[:5]}, "unequal numbers of rows"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(params, words):
    with pytest.raises(ValueError, match=words):
        make(**params).fit(ROWS, Y)


def test_answers_that_are_none_are_refused():
    with pytest.raises(ValueError, match="no probabilities"):
        make(proba=2 * PROBA).fit(ROWS, Y).predict_proba(ROWS)
    broken = np.where(FEATURES > 2, np.nan, FEATURES)
    with pytest.raises(ValueError, match="NaN"):
        make(embeddings=broken).fit(ROWS, Y).embed(ROWS)


def test_clones_share_arrays_and_are_not_fitted(tmp_path):
    clf = make().fit(ROWS, Y)
    copied = clone(clf)
    assert copied.proba is clf.proba
    with pytest.raises(NotFittedError):
        copied.predict_proba(ROWS)
    np.save(tmp_path / "proba.npy", PROBA.astype(np.float32))
    mapped = np.load(tmp_path / "proba.npy", mmap_mode="r")
    assert len(MarginSampling().query(ROWS, Y, make(proba=mapped))) == 1
    assert len(MarginSampling().query(ROWS, Y, make(proba=torch.tensor(PROBA)))) == 1
