"""The error of the model of now: control labels alone are judged."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.naive_bayes import GaussianNB

from skal_deep.evaluation import ControlArm, current_error

X, TRUTH = load_digits(return_X_y=True)
X = X / 16
MODEL = GaussianNB(var_smoothing=0.02)


@pytest.fixture(scope="module")
def arm():
    y = np.where(np.arange(len(X)) < 30, TRUTH, -1)
    arm = ControlArm(MODEL, n_chosen=20, n_control=20, random_state=2)
    for _ in range(3):
        ask = arm.ask(X, y)
        arm.tell(ask.indices, TRUTH[ask.indices])
    return arm


def test_covers_the_error(arm):
    found = current_error(MODEL, X, arm.y_, arm.role_, random_state=0)
    true = (arm.estimator_.predict(X) != TRUTH)[arm.role_ == ""].mean()
    assert found.n == 60
    assert found.low < true < found.high
    assert found.risk == pytest.approx(found.n_mistakes / 60)


def test_only_control_labels_are_judged(arm):
    """Chosen labels that are all wrong change the model, and are no mistakes."""

    class Knows(GaussianNB):
        def predict(self, rows):
            return TRUTH[[np.flatnonzero((row == X).all(axis=1))[0] for row in rows]]

    y = arm.y_.copy()
    chosen = arm.role_ == "chosen"
    y[chosen] = (y[chosen] + 1) % 10
    found = current_error(Knows(), X, y, arm.role_, random_state=0)
    assert found.n_mistakes == 0
    assert found.high > 0


def test_each_fold_is_judged_by_all_labels_but_its_own(arm):
    seen = []

    class Records(GaussianNB):
        def fit(self, rows, labels):
            seen.append({tuple(row) for row in rows})
            return super().fit(rows, labels)

    current_error(Records(var_smoothing=0.02), X, arm.y_, arm.role_, random_state=0)
    control, others = (
        {tuple(X[row]) for row in np.flatnonzero(np.isin(arm.role_, roles))}
        for roles in (["control"], ["start", "chosen", "referee"])
    )
    assert len(seen) == 10
    assert all(others <= rows for rows in seen)
    assert all(len(control - rows) == 6 for rows in seen)
    left_out = [row for rows in seen for row in control - rows]
    assert sorted(left_out) == sorted(control)


def test_bad_calls(arm):
    with pytest.raises(ValueError, match="One role a label"):
        current_error(MODEL, X, arm.y_, arm.role_[:-1])
    with pytest.raises(ValueError, match="0 control labels"):
        current_error(MODEL, X, arm.y_, np.full(len(X), ""))
