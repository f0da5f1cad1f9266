"""The error of the model of now: control labels alone are judged."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression
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
    assert (found.n, found.interval) == (60, "folds")
    assert found.low < true < found.high
    assert found.risk == pytest.approx(found.n_mistakes / 60)


class Centroids:
    """Nearest of the class means, in no time."""

    def __init__(self, classes=None, missing_label=-1):
        self.classes, self.missing_label = classes, missing_label

    def get_params(self, deep=True):
        return {"classes": self.classes, "missing_label": self.missing_label}

    def set_params(self, **params):
        self.__dict__.update(params)
        return self

    def fit(self, rows, labels):
        self.classes_ = np.unique(labels)
        self.mean_CD = np.stack([rows[labels == c].mean(0) for c in self.classes_])
        return self

    def predict(self, rows):
        apart = ((rows[:, None] - self.mean_CD) ** 2).sum(-1)
        return self.classes_[apart.argmin(1)]


@pytest.mark.slow
@pytest.mark.parametrize("n_control", [20, 70])
def test_covers_the_error_on_new_rows_where_the_pool_is_nearly_used_up(n_control):
    """The interval is no guess of the mistakes in the rows that are left."""
    n_pool, n_campaigns, n_held = 80, 150, 0
    role = np.repeat(["start", "control", ""], [6, n_control, n_pool - 6 - n_control])
    for seed in range(n_campaigns):
        rng = np.random.default_rng(seed)
        truth = rng.integers(2, size=n_pool + 2_000)
        rows = rng.normal(size=(len(truth), 6)) + 0.55 * truth[:, None]
        y = np.where(role == "", -1, truth[:n_pool])
        found = current_error(Centroids(), rows[:n_pool], y, role, random_state=seed)
        model = Centroids().fit(rows[:n_pool][role != ""], truth[:n_pool][role != ""])
        error = np.mean(model.predict(rows[n_pool:]) != truth[n_pool:])
        n_held += found.low <= error <= found.high
    assert n_held >= 0.95 * n_campaigns


def test_all_right_and_all_wrong():
    y, role = np.arange(40) % 2, np.repeat(["start", "control"], 20)
    rows = y[:, None] * 1.0
    found = current_error(Centroids(), rows, y, role, random_state=0)
    assert (found.risk, found.low) == (0, 0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 16))  # as of 16 labels
    flipped = np.where(role == "control", 1 - y, y)
    flipped = np.concatenate([np.tile(y, 9), flipped])  # outvoted by the others
    role = np.concatenate([np.full(360, "start"), role])
    rows = np.concatenate([np.tile(rows, (9, 1)), rows])
    found = current_error(Centroids(), rows, flipped, role, random_state=0)
    assert (found.risk, found.high, found.n_mistakes) == (1, 1, 20)
    assert found.low == pytest.approx(0.025 ** (1 / 16))


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
    with pytest.raises(ValueError, match="X has 50 rows"):
        current_error(MODEL, X[:50], arm.y_, arm.role_)
    with pytest.raises(TypeError, match="LinearRegression predicts numbers"):
        current_error(LinearRegression(), X, arm.y_, arm.role_)
    row = np.flatnonzero(arm.role_ == "control")[3]
    with pytest.raises(ValueError, match=rf"Rows \[{row}\] have a role and no label"):
        y = np.where(np.arange(len(X)) == row, -1, arm.y_)
        current_error(MODEL, X, y, arm.role_)
    with pytest.raises(ValueError, match=r"those of ControlArm.role_, not Chosen\."):
        role = np.where(arm.role_ == "chosen", "Chosen", arm.role_)
        current_error(MODEL, X, arm.y_, role)
    with pytest.raises(ValueError, match="level must lie between"):
        current_error(MODEL, X, arm.y_, arm.role_, level=1.0)
