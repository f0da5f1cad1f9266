"""Ask-n-Learn is Badge at the temperature that hidden labels ask for."""

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import squared_gradient_norms

from skal_deep.classifier import fit_on_labeled
from skal_deep.functional import apply_temperature
from skal_deep.pool import AskNLearn, Badge, DeepQueryStrategy
from skal_deep.pool._calibration import _to_hide
from skal_deep.testing._strategy_case import Case


@pytest.fixture
def case():
    return Case(AskNLearn())


@pytest.mark.slow
@pytest.mark.parametrize("bias", [False, True])
def test_utilities_are_norms_at_the_temperature(case, monkeypatch, bias):
    monkeypatch.setattr("skal_deep.pool._calibration.fit_temperature", lambda *_: 3.0)
    clf = case.fitted()
    _, utilities = case.query(
        AskNLearn(bias=bias), clf=clf, fit_clf=False, return_utilities=True
    )
    proba, embedding = map(
        torch.as_tensor, clf.predict_proba(case.X, return_embeddings=True)
    )
    if bias:
        embedding = torch.cat([embedding, torch.ones(len(embedding), 1)], 1)
    norm = squared_gradient_norms(apply_temperature(proba, 3.0), embedding).numpy()
    left = case.y == -1
    np.testing.assert_allclose(
        utilities[0, left], norm[left] / norm[left].sum(), rtol=1e-3
    )


@pytest.mark.slow
def test_single_labels_leave_badge(case):
    y = np.full(len(case.X), -1)
    for label in range(3):
        y[np.flatnonzero(case.y_true == label)[0]] = label
    for labels in (y, np.full(len(case.X), -1)):
        ours, badge = (
            case.query(strategy, y=labels, batch_size=4, return_utilities=True)
            for strategy in (AskNLearn(random_state=0), Badge(random_state=0))
        )
        np.testing.assert_array_equal(ours[0], badge[0])
        np.testing.assert_array_equal(ours[1], badge[1])


def test_a_third_of_each_class_is_hidden_and_one_stays():
    y = np.array(["a"] * 9 + ["b"] * 2 + ["c"] + ["d"] * 4)
    hidden = _to_hide(y, torch.Generator().manual_seed(0))
    names, counts = np.unique(y[hidden], return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        "a": 3,
        "b": 1,
        "d": 1,
    }
    assert len(set(hidden)) == len(hidden)


class Hides(DeepQueryStrategy):
    """Asks for the predictions of hidden rows."""

    _needs = AskNLearn._needs

    def _select(self, pool, batch_size):
        self.answer = pool.held_out(np.array([0, 2]))
        self.known = pool.labeled.X, pool.y_labeled
        return torch.arange(batch_size), torch.ones(len(pool))


@pytest.mark.slow
@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("classes", [[0, 1, 2], ["a", "b", "c"]])
def test_hidden_labels_are_not_known_to_who_predicts_them(case, piped, classes):
    missing = -1 if classes[0] == 0 else None
    y = np.array(classes, dtype=object if missing is None else int)[case.y_true]
    y[case.y == -1] = missing
    clf = case.classifier(missing_label=missing, classes=classes)
    if piped:
        clf = make_pipeline(StandardScaler(), clf)
    strategy = Hides(missing_label=missing)
    strategy.query(case.X, y, clf)
    X_known, y_known = strategy.known
    proba, columns = strategy.answer
    assert [classes[i] for i in columns] == y_known[[0, 2]].tolist()
    cheating = fit_on_labeled(clf, X_known, y_known, missing)
    y_known[[0, 2]] = missing
    honest = fit_on_labeled(clf, X_known, y_known, missing)
    rows = X_known[[0, 2]]
    np.testing.assert_allclose(proba, honest.predict_proba(rows), atol=1e-6)
    assert not np.allclose(proba, cheating.predict_proba(rows))
