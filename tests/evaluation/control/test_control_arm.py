"""The control arm: what each model sees, who is judged, what is said."""

import copy
import math

import numpy as np
import pytest
from scipy import sparse
from skactiveml.pool import RandomSampling
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB, GaussianNB

from skal_deep.evaluation import ControlArm
from skal_deep.evaluation.control._referees import find_referees, outcome
from skal_deep.pool import LeastConfidence, MarginSampling

X, TRUTH = load_digits(return_X_y=True)
X, TRUTH = X[:600] / 16, TRUTH[:600]
Y = np.where(np.arange(len(X)) < 30, TRUTH, -1)


def make(**params):
    defaults = {"estimator": GaussianNB(var_smoothing=0.01), "random_state": 0}
    return ControlArm(**(defaults | params))


def play(arm, n_rounds=4, truth=TRUTH, y=Y):
    for _ in range(n_rounds):
        ask = arm.ask(X, y)
        arm.tell(ask.indices, truth[ask.indices])
    return arm


@pytest.fixture(scope="module")
def played():
    return play(make(), 5)


def rows(arm, role):
    return [row for row in arm.order_ if arm.role_[row] == role]


def test_first_round_has_no_referees():
    ask = make().ask(X, Y)
    assert sorted(ask.role) == ["chosen"] * 12 + ["control"] * 4
    assert len(set(ask.indices)) == 16
    assert (Y[ask.indices] == -1).all()


def test_roles_are_shuffled():
    orders = {tuple(make(random_state=i).ask(X, Y).role) for i in range(4)}
    assert len(orders) == 4


def test_roles_and_order(played):
    assert len(rows(played, "start")) == 30
    assert len(rows(played, "chosen")) == 60
    assert len(rows(played, "control")) == 20
    n_referees = len(rows(played, "referee"))
    assert 0 < n_referees == len(played.judged_) <= 16
    assert len(played.order_) == len(set(played.order_)) == 110 + n_referees
    assert (played.y_[played.order_] == TRUTH[played.order_]).all()
    assert (played.y_ != -1).sum() == len(played.order_)


def test_seeded(played):
    again = play(make(), 5)
    assert (again.order_ == played.order_).all()
    assert (again.judged_ == played.judged_).all()
    assert (play(make(random_state=1), 2).order_[:50] != played.order_[:50]).any()


def test_strategy_never_sees_the_other_labels(played):
    """Whatever random and referee labels say, the same rows are chosen next."""
    poisoned = copy.deepcopy(played)
    hidden = np.isin(poisoned.role_, ["control", "referee"])
    poisoned.y_[hidden] = (poisoned.y_[hidden] + 3) % 10
    asks = copy.deepcopy(played).ask(X, Y), poisoned.ask(X, poisoned.y_)
    chosen = [set(ask.indices[ask.role == "chosen"]) for ask in asks]
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 12
    # what it does see counts
    poisoned = copy.deepcopy(played)
    mine = poisoned.role_ == "chosen"
    poisoned.y_[mine] = (poisoned.y_[mine] + 3) % 10
    ask = poisoned.ask(X, poisoned.y_)
    assert set(ask.indices[ask.role == "chosen"]) != chosen[0]


def test_random_rows_do_not_depend_on_the_strategy():
    controls = []
    for strategy in (MarginSampling(), LeastConfidence()):
        arm = play(make(query_strategy=strategy), 3)
        controls.append(rows(arm, "control"))
    assert set(controls[0]) == set(controls[1])


def test_arms_are_as_large_as_one_another(played):
    class Counts(GaussianNB):
        sizes: list = []

        def fit(self, X, y, sample_weight=None):
            Counts.sizes.append(len(y))
            return super().fit(X, y)

    arm = play(make(estimator=Counts()), 2)
    Counts.sizes.clear()
    arm.ask(X, Y)  # the strategy's model, and both arms
    assert Counts.sizes == [30 + 24, 30 + 8, 30 + 8]


def test_outcomes_are_those_of_the_arms(played):
    arm = play(make(), 3)
    ask = arm.ask(X, Y)
    chosen, random = (model.predict(X) for model in arm.arms_)
    referees = ask.indices[ask.role == "referee"]
    assert (chosen[referees] != random[referees]).all()
    arm.tell(ask.indices, TRUTH[ask.indices])
    last = arm.judged_[arm.judged_["round"] == 4]
    expected = {
        row: int(chosen[row] == TRUTH[row]) - int(random[row] == TRUTH[row])
        for row in referees
    }
    assert dict(zip(last["row"], last["outcome"], strict=True)) == expected
    verdict = arm.verdict()
    assert verdict.wins == (arm.judged_["outcome"] == 1).sum()
    assert verdict.n_arm == 16
    assert last["margin"] == pytest.approx(0.01 / verdict.disagreement)


def test_verdict_by_hand():
    arm = play(make(margin=0.0), 1)
    for outcomes, word in [
        ([1] * 12, "better"),
        ([1] * 8, "better"),  # log E = 4.04, above log 40
        ([1] * 7, "no difference shown"),  # log E = 3.46, above log 20 alone
        ([-1] * 12, "worse"),
        ([1, -1] * 30, "no difference shown"),
        ([0] * 50, "no difference shown"),
    ]:
        arm.judged_ = np.array(
            [(2, i, d, 0.0) for i, d in enumerate(outcomes)], arm.judged_.dtype
        )
        verdict = arm.verdict()
        assert verdict.word == word
        exchanged = clone_with(arm, -arm.judged_["outcome"]).verdict()
        assert exchanged.log_e_better == verdict.log_e_worse
        assert exchanged.log_e_worse == verdict.log_e_better
        assert (-exchanged.high, -exchanged.low) == pytest.approx(
            (verdict.low, verdict.high)
        )


def clone_with(arm, outcomes):
    other = play(make(margin=0.0), 1)
    other.judged_ = arm.judged_.copy()
    other.judged_["outcome"] = outcomes
    return other


def test_margin_asks_for_more():
    bare, wide = play(make(margin=0.0)), play(make(margin=0.05))
    for arm, margin in ((bare, 0.0), (wide, 0.4)):
        arm.judged_ = np.array(
            [(2, i, 1, margin) for i in range(9)], bare.judged_.dtype
        )
    assert wide.verdict().log_e_better < bare.verdict().log_e_better


def test_what_is_said(played):
    early = repr(play(make(), 1).verdict())
    assert "have not been compared" in early
    assert "This speaks of these labels" in early
    said = repr(played.verdict())
    assert "No difference shown yet" in said
    assert "decided labels" in said
    arm = play(make(margin=0.0), 2)
    arm.judged_ = np.array([(2, i, -1, 0.0) for i in range(12)], arm.judged_.dtype)
    assert "a worse model than 8 random ones" in repr(arm.verdict())
    assert "Label at random from here." in repr(arm.verdict())


def test_models_that_hardly_disagree():
    class Same(GaussianNB):
        def predict(self, X):
            return np.zeros(len(X), int)

    arm = play(make(estimator=Same()), 3)
    assert not len(arm.judged_)
    assert arm.verdict().disagreement == 0
    assert "cannot differ by more" in repr(arm.verdict())


def test_model_of_all_labels(played):
    known = np.sort(played.order_)
    expected = GaussianNB(var_smoothing=0.01).fit(X[known], TRUTH[known])
    np.testing.assert_allclose(
        played.estimator_.predict_proba(X), expected.predict_proba(X), atol=1e-8
    )


def test_rows_that_cannot_be_labelled():
    arm = make()
    ask = arm.ask(X, Y)
    labels = np.where(np.arange(16) % 2, -1, TRUTH[ask.indices])
    arm.tell(ask.indices, labels)
    assert len(arm.order_) == 38
    skipped = ask.indices[1::2]
    assert (arm.role_[skipped] == "").all()
    play(arm, 3)
    assert not set(skipped) & set(arm.order_)


def test_labels_may_come_in_parts():
    arm, whole = make(), make()
    play(arm, 2)
    play(whole, 2)
    ask = arm.ask(X, Y)
    half = ask.indices[::2]
    arm.tell(half, TRUTH[half])
    rest = arm.ask(X, Y)
    assert set(rest.indices) == set(ask.indices) - set(half)
    arm.tell(rest.indices, TRUTH[rest.indices])
    play(whole, 1)
    assert set(arm.order_) == set(whole.order_)
    assert set(arm.judged_["row"]) == set(whole.judged_["row"])
    assert (np.sort(arm.ask(X, Y).indices) == np.sort(whole.ask(X, Y).indices)).all()


def test_labels_may_stand_in_y():
    arm, other = play(make(), 3), make()
    for _ in range(3):
        y = Y if not hasattr(other, "y_") else other.y_
        ask = other.ask(X, y)
        other.tell(ask.indices, TRUTH[ask.indices])
    assert (arm.order_ == other.order_).all()


def test_words_and_none_as_labels():
    names = np.array([f"digit {i}" for i in range(10)])
    y = np.where(np.arange(len(X)) < 30, names[TRUTH], None)
    arm = play(make(missing_label=None), 3, names[TRUTH], y)
    assert set(arm.y_[arm.order_]) <= set(names)
    expected = play(make(), 3)
    assert set(arm.order_) == set(expected.order_)


@pytest.mark.filterwarnings("ignore:The random rows that were set aside")
def test_pool_runs_out():
    few = np.where(np.arange(60) < 30, TRUTH[:60], -1)
    arm = make()
    while len(arm.order_ if hasattr(arm, "order_") else []) < 60:
        ask = arm.ask(X[:60], few)
        arm.tell(ask.indices, TRUTH[ask.indices])
    with pytest.raises(ValueError, match="nothing to ask"):
        arm.ask(X[:60], few)


def test_guard_keeps_labels_out():
    arm = play(make(guard=True), 3)
    assert len(rows(arm, "guard")) == 6
    assert len(rows(arm, "control")) == 6
    known = np.sort([row for row in arm.order_ if arm.role_[row] != "guard"])
    expected = GaussianNB(var_smoothing=0.01).fit(X[known], TRUTH[known])
    np.testing.assert_allclose(
        arm.estimator_.predict_proba(X), expected.predict_proba(X), atol=1e-8
    )


@pytest.mark.parametrize("n_wins", [10, 3])
def test_guard_returns_what_is_proved(n_wins):
    """Ten wins prove it, p = .001; three do not, p = .125."""
    arm = play(make(guard=True), 1)
    guard = np.flatnonzero(arm.role_ == "")[:10]
    arm.role_[arm.role_ == "guard"] = ""
    arm.role_[guard] = "guard"
    arm.order_ = np.concatenate([arm.order_, guard])
    full = arm.estimator_.predict(X)
    fewer = arm._fit(X, arm._rows("control", "start")).predict(X)
    arm.y_[guard] = -2
    arm.y_[guard[:n_wins]] = full[guard[:n_wins]]
    wins = (full[guard] == arm.y_[guard]) & (fewer[guard] != arm.y_[guard])
    got = arm.guarded_estimator_.predict(X)
    assert (got == (full if 0.5 ** wins.sum() <= 0.05 else fewer)).all()


def test_no_guard_without_asking(played):
    with pytest.raises(AttributeError, match="guard=True"):
        _ = played.guarded_estimator_


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_chosen": 0}, "'n_chosen' parameter"),
        ({"margin": 1.0}, "'margin' parameter"),
        ({"level": 0.0}, "'level' parameter"),
        ({"n_reserved": 570}, "leaves nothing to choose"),
        ({"query_strategy": "margin"}, "'query_strategy' parameter"),
    ],
)
def test_parameters_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        make(**change).ask(X, Y)


def test_bad_calls():
    arm = make()
    with pytest.raises(NotFittedError, match="ask"):
        arm.verdict()
    with pytest.raises(NotFittedError, match="ask"):
        arm.tell([0], [1])
    with pytest.raises(ValueError, match="two classes"):
        arm.ask(X, np.where(TRUTH == 3, Y, -1))
    with pytest.raises(ValueError, match="one label a row"):
        arm.ask(X, Y[:-1])
    ask = arm.ask(X, Y)
    with pytest.raises(ValueError, match="only those that were asked for"):
        arm.tell([0], [1])
    with pytest.raises(ValueError, match="some twice"):
        arm.tell(ask.indices[[0, 0]], [1, 1])
    with pytest.raises(ValueError, match="One label a row"):
        arm.tell(ask.indices, TRUTH[:3])
    with pytest.raises(ValueError, match="stays with its pool"):
        arm.ask(X[:-1], Y[:-1])
    told = Y.copy()
    told[40] = 3
    with pytest.raises(ValueError, match="not told"):
        arm.ask(X, told)
    assert (arm.ask(X, Y).indices == ask.indices).all()  # nothing was lost


def test_an_interrupt_makes_no_round():
    class Interrupted(GaussianNB):
        n_fits = 0

        def fit(self, X, y, sample_weight=None):
            Interrupted.n_fits += 1
            if Interrupted.n_fits == 6:  # an arm of the third round
                raise KeyboardInterrupt
            return super().fit(X, y)

    arm = play(make(estimator=Interrupted(var_smoothing=0.01)), 2)
    with pytest.raises(KeyboardInterrupt):
        arm.ask(X, Y)
    Interrupted.n_fits = 10
    play(arm, 2)
    assert (arm.order_ == play(make(), 4).order_).all()


def test_is_a_clonable_estimator(played):
    assert clone(played).get_params()["n_chosen"] == 12
    assert not hasattr(clone(played), "role_")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The random rows that were set aside")
def test_finds_arms_that_differ():
    """The most confident rows teach nothing: found in a few rounds."""

    class Confident(LeastConfidence):
        def _score(self, pool):
            return -super()._score(pool)

    model = LogisticRegression(max_iter=100)
    arm = make(estimator=model, query_strategy=Confident(), n_control=12, n_referee=15)
    words = [play(arm, 1).verdict().word for _ in range(9)]
    assert words[-1] == "worse"
    assert "better" not in words
    assert math.exp(arm.verdict().log_e_worse) > 40


@pytest.mark.parametrize("kind", ["coo", "list", "frame"])
def test_rows_of_any_kind(kind):
    as_kind = {
        "coo": sparse.coo_matrix,
        "list": np.ndarray.tolist,
        "frame": lambda X: pytest.importorskip("pandas").DataFrame(X),
    }[kind]
    orders = []
    for inputs in (X, as_kind(X)):
        arm = make(estimator=BernoulliNB())
        for _ in range(2):
            ask = arm.ask(inputs, Y)
            arm.tell(ask.indices, TRUTH[ask.indices])
        orders.append(arm.order_)
        assert arm.estimator_.predict(X[:3]).shape == (3,)
    assert (orders[0] == orders[1]).all()


def test_rows_of_arrays_by_name():
    class Second(BernoulliNB):
        def fit(self, X, y, sample_weight=None):
            return super().fit(X["b"], y)

        def predict(self, X):
            return super().predict(X["b"])

        def predict_proba(self, X):
            return super().predict_proba(X["b"])

    of_dict = make(estimator=Second(), query_strategy=RandomSampling())
    plain = make(estimator=BernoulliNB(), query_strategy=RandomSampling())
    for arm, inputs in ((of_dict, {"a": X[:, :2], "b": X}), (plain, X)):
        for _ in range(2):
            ask = arm.ask(inputs, Y)
            arm.tell(ask.indices, TRUTH[ask.indices])
    assert (of_dict.judged_ == plain.judged_).all()
    assert (of_dict.order_ == plain.order_).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (lambda y: np.where(y == y[0], np.nan, y), "NaN"),
        (lambda y: y.astype(str), "missing_label=-1"),
        (lambda y: np.array([f"digit {i}" for i in y]), "missing_label=-1"),
    ],
)
def test_labels_of_another_kind_are_refused(labels, message):
    """Such labels once told would stop each later round."""
    arm, expected = make(), play(make(), 2)
    ask = arm.ask(X, Y)
    with pytest.raises((ValueError, TypeError), match=message):
        arm.tell(ask.indices, labels(TRUTH[ask.indices]))
    arm.tell(ask.indices, TRUTH[ask.indices])
    assert (play(arm, 1).order_ == expected.order_).all()


def test_numbers_among_words_are_refused():
    names = np.array([f"digit {i}" for i in range(10)])
    arm = make(missing_label=None)
    ask = arm.ask(X, np.where(np.arange(len(X)) < 30, names[TRUTH], None))
    with pytest.raises(TypeError, match="several kinds"):
        arm.tell(ask.indices, TRUTH[ask.indices])


def test_no_label_may_be_told():
    arm = make()
    ask = arm.ask(X, Y)
    arm.tell([], [])
    assert (arm.ask(X, Y).indices == ask.indices).all()
    arm.tell(ask.indices, TRUTH[ask.indices]).tell([], [])
    assert (play(arm, 1).order_ == play(make(), 2).order_).all()


def test_a_guard_leaves_control_labels():
    """Of one control label a round the guard would take all: no arm would grow."""
    with pytest.raises(ValueError, match=r"n_control=1 .* guard"):
        make(guard=True, n_control=1).ask(X, Y)
    assert play(make(guard=True, n_control=2), 2).verdict().n_arm == 2


def test_no_fresh_rows_are_spent_before_there_are_arms():
    """The first round compares nothing, so its slice is kept for the second."""
    arm = make(n_reserved=10, slice_size=6)
    arm.ask(X, Y)
    assert len(arm._reserve) == 6


def test_rows_set_aside_run_out_with_a_warning():
    arm = play(make(n_reserved=10), 2)
    assert arm.verdict().n_arm == 8
    with pytest.warns(UserWarning, match="set aside are used up"):
        ask = arm.ask(X, Y)
    assert set(ask.role) == {"chosen"}


def test_disagreement_is_that_of_all_rows_set_aside():
    class Says:
        def __init__(self, *rows):
            self.rows = rows

        def predict(self, X):
            return np.isin(X[:, 0], self.rows)

    X, rest = np.arange(200.0)[:, None], np.arange(100, 200)
    found = find_referees((Says(102, 105, 150, 160), Says(105)), X, rest, 10, 4, 0.01)
    assert found.rows.tolist() == [102]  # of those that disagree the fresh one
    assert found.disagreement == 0.03
    chosen, random, margin = found.said[102]
    assert (chosen, random) == (True, False)
    assert margin == pytest.approx(0.01 / 0.03)
    assert outcome(found.said[102], True) == (1, margin)
    assert outcome(found.said[102], False) == (-1, margin)
    assert outcome(found.said[102], 7) == (0, margin)
    same = find_referees((Says(105), Says(105)), X, rest, 10, 4, 0.01)
    assert (len(same.rows), same.disagreement) == (0, 0)
