"""Unbiased risk: goldens, exhaustive enumeration, simulated queries."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skactiveml.classifier import SklearnClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support import make_net

from skal_deep.evaluation import (
    active_testing,
    draw_floors,
    draw_probabilities,
    lure_weights,
    pure_weights,
    unbiased_risk,
)
from skal_deep.functional import power_sample
from skal_deep.pool import BALD, Power, PredictiveEntropy, Softmax, SoftRank

GOLDEN = np.load(Path(__file__).parent.parent.parent / "golden" / "risk.npz")
LOSSES, SCORES = GOLDEN["K_losses"], GOLDEN["K_proposal_scores"]


@pytest.mark.filterwarnings("ignore:The interval of Student's t")
def test_golden_sequence():
    proba, losses = GOLDEN["K_q"], LOSSES[[3, 1, 4]]
    np.testing.assert_allclose(pure_weights(proba, 5), GOLDEN["K_pure_w"])
    np.testing.assert_allclose(lure_weights(proba, 5), GOLDEN["K_lure_w"])
    assert np.mean(pure_weights(proba, 5) * losses) == pytest.approx(GOLDEN["K_R_pure"])
    assert unbiased_risk(losses, proba, 5).risk == pytest.approx(GOLDEN["K_R_lure"])


def sequences(n_labels):
    """Yield all sequences of draws with their probability and that of each draw."""
    for order in permutations(range(5), n_labels):
        left, proba = SCORES.copy(), []
        for pick in order:
            proba.append(left[pick] / left.sum())
            left[pick] = 0
        yield list(order), np.prod(proba), np.array(proba)


@pytest.mark.parametrize("n_labels", range(1, 6))
def test_golden_moments_over_all_sequences(n_labels):
    estimates, chances = [], []
    for order, chance, proba in sequences(n_labels):
        losses = LOSSES[order]
        weights = pure_weights(proba, 5), lure_weights(proba, 5), np.ones(n_labels)
        estimates.append([np.mean(w * losses) for w in weights])
        chances.append(chance)
    mean = np.average(estimates, axis=0, weights=chances)
    variance = np.average((np.array(estimates) - mean) ** 2, axis=0, weights=chances)
    moments = GOLDEN["K_moments"][n_labels - 1]
    np.testing.assert_allclose(mean, moments[[0, 2, 4]])
    np.testing.assert_allclose(variance, moments[[1, 3, 5]], atol=1e-12)
    assert mean[1] == pytest.approx(GOLDEN["K_true_risk"])


@pytest.mark.slow
@given(st.integers(1, 30), st.integers(1, 30))
def test_uniform_draws_are_a_plain_mean(n_labels, n_more):
    n_pool = n_labels + n_more - 1
    uniform = 1 / (n_pool - np.arange(n_labels))
    np.testing.assert_allclose(lure_weights(uniform, n_pool), 1)
    first = uniform[:1] / 3
    np.testing.assert_allclose(
        lure_weights(first, n_pool + 1), pure_weights(first, n_pool + 1)
    )


@pytest.mark.slow
def test_the_error_bar_is_the_spread_of_the_estimate():
    rng = np.random.default_rng(0)
    losses = rng.gamma(1, size=200)
    scores = losses * rng.uniform(0.5, 1.5, size=200) + 0.1
    estimates = []
    for _ in range(1_500):
        left, order, proba = scores.copy(), [], []
        for _ in range(30):
            chance = left / left.sum()
            order.append(rng.choice(200, p=chance))
            proba.append(chance[order[-1]])
            left[order[-1]] = 0
        estimates.append(unbiased_risk(losses[order], proba, 200))
    risk = np.array([e.risk for e in estimates])
    error = np.array([e.standard_error for e in estimates])
    assert abs(risk.mean() - losses.mean()) < 4 * risk.std() / np.sqrt(1_500)
    assert np.sqrt(np.mean(error**2)) == pytest.approx(risk.std(), rel=0.1)
    covered = [e.low < losses.mean() < e.high for e in estimates]
    assert 0.9 < np.mean(covered) < 0.98


def test_edges_of_the_estimate():
    whole = unbiased_risk(LOSSES, [0.5, 0.4, 0.3, 0.2, 1.0], 5)
    assert whole.risk == pytest.approx(LOSSES.mean())
    assert whole.standard_error == 0
    assert np.isnan(unbiased_risk(LOSSES[:1], [0.2], 5).standard_error)
    for wrong in ([0.0, 0.5], [1.1], [], [[0.5]], [0.2] * 6):
        with pytest.raises(ValueError, match="proba must"):
            lure_weights(wrong, 5)
    with pytest.raises(ValueError, match=r"2 draws and losses of shape \(3,\)"):
        unbiased_risk(LOSSES[:3], [0.2, 0.3], 5)


@pytest.fixture(scope="module")
def pool():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=150)
    X = rng.normal(size=(150, 2)) + 1.2 * y[:, None]
    partly = np.where(np.arange(150) < 30, y, -1)
    clf = RandomForestClassifier(10, max_depth=3, random_state=0).fit(X[:30], y[:30])
    return X, y, partly, clf


# As many draws as show a bias of a quarter of a standard deviation; more at night.
N_RUNS = pytest.mark.parametrize(
    "n_runs", [200, pytest.param(400, marks=pytest.mark.nightly)]
)


@pytest.mark.slow
@N_RUNS
@pytest.mark.parametrize(
    "strategy",
    [
        PredictiveEntropy(selection=Power(epsilon=0.1)),
        BALD(selection=SoftRank(epsilon=0.1)),
        PredictiveEntropy(selection=Softmax(coldness=4.0)),
    ],
)
def test_queries_estimate_the_risk_of_the_pool(pool, strategy, n_runs):
    X, y, partly, clf = pool
    losses = (clf.predict(X) != y).astype(float)
    truth = losses[30:].mean()
    unbiased, naive = [], []
    for seed in range(n_runs):
        picks, utilities = strategy.set_params(random_state=seed).query(
            X, partly, clf, fit_clf=False, batch_size=12, return_utilities=True
        )
        proba = draw_probabilities(picks, utilities)
        floor = draw_floors(utilities)
        estimate = unbiased_risk(losses[picks], proba, n_pool=120, floor=floor)
        unbiased.append(estimate.risk)
        naive.append(losses[picks].mean())
    assert abs(np.mean(unbiased) - truth) < 3 * np.std(unbiased) / np.sqrt(n_runs)
    assert abs(np.mean(naive) - truth) > 5 * np.std(naive) / np.sqrt(n_runs)


def test_what_is_no_draw_is_refused(pool):
    X, _, partly, clf = pool
    query = {"fit_clf": False, "batch_size": 3, "return_utilities": True}
    with pytest.raises(ValueError, match="are no probabilities"):
        draw_probabilities(*PredictiveEntropy().query(X, partly, clf, **query))
    with pytest.raises(ValueError, match="`epsilon` above 0"):
        draw_probabilities([1], [[0.0, 1.0, np.nan]])
    assert draw_probabilities([1], [[0.25, 0.75, np.nan]]) == [0.75]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The interval of Student's t")
@N_RUNS
@pytest.mark.parametrize("loss", ["zero_one", "log"])
def test_active_testing_is_unbiased_and_sharper_than_chance(pool, loss, n_runs):
    X, y, _, _ = pool
    clf, surrogate = GaussianNB().fit(X[:8], y[:8]), GaussianNB().fit(X, y)
    proba_NC = clf.predict_proba(X[30:])
    zero_one = loss == "zero_one"
    if zero_one:
        losses = (proba_NC.argmax(1) != y[30:]).astype(float)
    else:
        losses = -np.log(proba_NC[np.arange(120), y[30:]])
    estimates, by_chance = [], []
    for seed in range(n_runs):
        rows, proba, floor = active_testing(
            clf, X[30:], 25, surrogate, loss=loss, random_state=seed
        )
        estimate = unbiased_risk(
            losses[rows], proba, 120, floor=floor, interval="gamma" if zero_one else "t"
        )
        estimates.append(estimate.risk)
        chance = np.random.default_rng(seed).permutation(120)[:25]
        by_chance.append(losses[chance].mean())
    error = np.std(estimates) / np.sqrt(n_runs)
    assert abs(np.mean(estimates) - losses.mean()) < 3 * error
    assert np.std(estimates) < np.std(by_chance)


@pytest.mark.slow
def test_active_testing_goes_on_where_it_stopped(pool):
    X, y, _, surrogate = pool
    clf = GaussianNB().fit(X[:8], y[:8])
    first, proba, _ = active_testing(clf, X, 10, surrogate, random_state=0)
    more, its, _ = active_testing(clf, X, 140, tested=first, random_state=0)
    assert sorted([*first, *more]) == list(range(150))
    assert len(proba) == 10
    assert its[-1] == 1  # nothing else was left
    again, _, _ = active_testing(clf, X, 10, surrogate, random_state=0)
    np.testing.assert_array_equal(first, again)
    state = torch.get_rng_state()
    active_testing(clf, X, 3)
    assert torch.equal(state, torch.get_rng_state())


def test_active_testing_refuses_what_does_not_fit(pool):
    X, _, _, surrogate = pool
    three = GaussianNB().fit(X[:9], np.arange(9) % 3)
    with pytest.raises(
        ValueError, match=r"classes \[0, 1, 2\] and the surrogate \[0, 1\]"
    ):
        active_testing(three, X, 3, surrogate)
    with pytest.raises(ValueError, match="'zero_one' or 'log'"):
        active_testing(three, X, 3, loss="mse")
    for n_labels in (200, 0, -1):
        with pytest.raises(ValueError, match=f"n_labels={n_labels} points"):
            active_testing(three, X, n_labels)
    with pytest.raises(ValueError, match="150 were drawn before"):
        active_testing(three, X, 1, tested=np.arange(150))
    for wrong in (3, "state"):
        with pytest.raises(TypeError, match="surrogate must be a fitted classifier"):
            active_testing(three, X, 3, wrong)
    with pytest.raises(TypeError, match="clf must be a fitted classifier"):
        active_testing(3, X, 3)


@pytest.mark.parametrize(
    ("tested", "words"),
    [
        (np.arange(150) < 5, "is a mask"),
        ([1.7], "whole numbers"),
        ([[1, 2]], "whole numbers"),
        ([-1], "from -1 to -1"),
        ([3, 500], "from 3 to 500"),
        ([4, 4], "twice"),
        (["3"], "whole numbers"),
    ],
)
def test_points_that_are_no_positions_are_refused(pool, tested, words):
    X, _, _, clf = pool
    with pytest.raises((TypeError, ValueError), match=words):
        active_testing(clf, X, 3, tested=tested)


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, 2, np.nan, "a", None])
def test_no_probability_is_negative(pool, epsilon):
    X, _, _, clf = pool
    with pytest.raises(ValueError, match="epsilon is a share"):
        active_testing(clf, X, 3, epsilon=epsilon)
    if isinstance(epsilon, float | int) and epsilon > 0:
        with pytest.raises(ValueError, match="epsilon must lie between 0 and 1"):
            power_sample(torch.rand(9), 3, epsilon=epsilon)


@pytest.mark.parametrize("n_labels", [2.5, "3", True])
def test_a_number_of_labels_is_whole(pool, n_labels):
    X, _, _, clf = pool
    with pytest.raises(TypeError, match="n_labels must be a whole number"):
        active_testing(clf, X, n_labels)


def test_without_epsilon_points_without_a_loss_could_not_be_drawn(pool):
    X, y, _, _ = pool
    sure = RandomForestClassifier(5, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="never be drawn"):
        active_testing(sure, X, 3, epsilon=0)
    unsure = GaussianNB().fit(X, y)
    _, proba, _ = active_testing(unsure, X[:40], 40, epsilon=0, random_state=0)
    assert (proba > 0).all()


@pytest.mark.parametrize("picks", [[True], [0.5], [[1]], [1, 0]])
def test_picks_that_are_no_positions_are_refused(picks):
    with pytest.raises(ValueError, match="the position of each pick"):
        draw_probabilities(picks, [[0.5, 0.5]])
    with pytest.raises(ValueError, match=r"go from -1 to -1"):
        draw_probabilities([-1], [[0.5, 0.5]])


@pytest.mark.parametrize("n_pool", [2.5, np.nan, True, "9"])
def test_a_pool_has_a_whole_number_of_points(n_pool):
    for weights in (lure_weights, pure_weights):
        with pytest.raises(TypeError, match="n_pool must be a whole number"):
            weights([0.1], n_pool)


def test_picks_that_were_not_left_are_refused_by_name():
    utilities = [[0.5, 0.3, 0.2, np.nan], [np.nan, 0.6, 0.4, np.nan]]
    with pytest.raises(ValueError, match=r"Pick 1 is row 3, whose utility is NaN"):
        draw_probabilities([0, 3], utilities)
    with pytest.raises(ValueError, match=r"Pick 1 is row 0, whose utility is NaN"):
        draw_probabilities([0, 0], utilities)  # drawn once more
    # The first pick still has a probability in the second draw: of another query.
    with pytest.raises(ValueError, match=r"Row 1 is picked by draw 0, but has"):
        draw_probabilities([1, 2], utilities)


@pytest.mark.parametrize("proba", [[1.0], [0.2, 1.0], [1.0, 0.5, 1.0]])
def test_a_draw_that_was_certain_says_nothing_of_what_was_left(proba):
    for weights in (lure_weights, pure_weights):
        with pytest.raises(
            ValueError, match=r"probability 1 with \d other points left"
        ):
            weights(proba, 4)
    assert lure_weights([0.5, 1.0], 2).tolist() == [1, 1]


@pytest.mark.parametrize("proba", [["a"], [0.5j], [b"1"], ["0.5"]])
def test_probabilities_are_numbers(proba):
    with pytest.raises(TypeError, match="proba must be numbers"):
        lure_weights(proba, 4)
    with pytest.raises(TypeError, match="utilities must be numbers"):
        draw_floors([proba * 2])


def test_weights_are_finite():
    with pytest.raises(ValueError, match="proba must lie above 0"):
        lure_weights([5e-324], 4)


def test_columns_and_classes_are_those_of_the_classifier(pool):
    pandas = pytest.importorskip("pandas")
    X, y, _, _ = pool
    table = pandas.DataFrame(X, columns=["wing", "egg"])
    clf = GaussianNB().fit(table[:20], y[:20])
    wanted = active_testing(clf, table, 5, random_state=0)
    for rows in (wanted, active_testing(clf, table.copy(), 5, random_state=0)):
        np.testing.assert_array_equal(rows[0], wanted[0])
    swapped = table[["egg", "wing"]]
    pipeline = make_pipeline(StandardScaler(), GaussianNB()).fit(table[:20], y[:20])
    for each in (clf, pipeline):
        with pytest.raises(ValueError, match="feature names should match"):
            active_testing(each, swapped, 5)
    other = GaussianNB().fit(swapped[:20], y[:20])
    with pytest.raises(ValueError, match="feature names should match"):
        active_testing(clf, table, 5, other)


@pytest.mark.parametrize("labels", [["jay", "owl"], [1, 2], ["0", "1"]])
def test_the_surrogate_knows_the_same_classes(pool, labels):
    X, y, _, clf = pool
    other = GaussianNB().fit(X, np.array(labels)[y])
    with pytest.raises(ValueError, match=r"classes \[0, 1\] and the surrogate \["):
        active_testing(clf, X, 5, other)
    same = GaussianNB().fit(X, y.astype(float))
    assert len(active_testing(clf, X, 5, same)[0]) == 5


@pytest.mark.parametrize(
    "kind",
    [
        lambda nb: SklearnClassifier(nb, classes=["jay", "owl"], missing_label="?"),
        lambda nb: make_pipeline(StandardScaler(), nb),
        lambda nb: GridSearchCV(nb, {"var_smoothing": [1e-9]}, cv=2),
    ],
)
def test_a_wrapped_surrogate_knows_the_labels_too(pool, kind):
    X, y, _, _ = pool
    labels = np.array(["jay", "owl"])[y]
    clf, other = GaussianNB().fit(X, labels), kind(GaussianNB()).fit(X, labels)
    assert len(active_testing(clf, X, 5, other)[0]) == 5
    with pytest.raises(ValueError, match="the surrogate"):
        active_testing(GaussianNB().fit(X, y), X, 5, other)


@pytest.mark.slow
def test_the_columns_of_a_plain_net_are_its_classes(pool):
    X, y, _, _ = pool
    net = make_net(
        max_epochs=1, module__n_features=2, module__n_classes=2, classes=["jay", "owl"]
    )
    net.fit(X.astype(np.float32), y)
    clf = GaussianNB().fit(X, y)
    assert len(active_testing(clf, X.astype(np.float32), 5, net)[0]) == 5
