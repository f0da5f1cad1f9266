"""A bandit that finds out again who asked for what, and what it was worth."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from strategies import deep

from skal_deep.campaign import Campaign
from skal_deep.classifier import CapabilityError, PredictsProba
from skal_deep.evaluation import (
    ControlArm,
    SimulatedActiveLearner,
    compare_strategies,
)
from skal_deep.evaluation._metrics import MEASURED
from skal_deep.functional.bandit import exp3_shares
from skal_deep.pool import (
    BALD,
    AdaptiveStrategy,
    AnchorAL,
    CoreSet,
    DeepQueryStrategy,
    LeastConfidence,
    MarginSampling,
    SelectionViaProxy,
    SwitchStrategy,
)
from skal_deep.pool._history import History

ARMS = (MarginSampling(), CoreSet())


def toy(seed=0, n=400):
    """Return rows of four kinds by their first feature, and labels.

    Kind 2 shows the rule clearly, labels of kind 3 are wrong.
    """
    X = np.random.default_rng(seed).normal(size=(n, 9))
    X[:, 0] = np.arange(n) % 4
    X[X[:, 0] == 2, 1:] *= 3
    truth = (X[:, 1:5].sum(1) > 0).astype(int)
    return X, np.where(X[:, 0] == 3, 1 - truth, truth)


class Kind(DeepQueryStrategy):
    """Asks for rows of one kind."""

    def __init__(self, kind=0, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.kind = kind

    def _select(self, pool, batch_size):
        is_kind = (torch.as_tensor(pool.X[:, 0]) == self.kind).double()
        return is_kind.argsort(descending=True, stable=True)[:batch_size], is_kind


X, TRUTH = toy()
FIRST = np.where(np.arange(len(X)) < 12, TRUTH, -1)


def played(strategy, n_rounds, batch_size=9, clf=None, data=(X, TRUTH), y=FIRST):
    """Return labels and batches after some rounds of a loop by hand."""
    X, truth = data
    y, rounds = y.copy(), []
    for _ in range(n_rounds):
        batch = strategy.query(
            X, y, clf or GaussianNB(), batch_size=batch_size, rounds=rounds
        )
        y[batch] = truth[batch]
        rounds.append(batch)
    return y, rounds


def test_each_arm_picks_what_it_would_pick_by_itself_of_what_is_left():
    strategy = AdaptiveStrategy([MarginSampling(), LeastConfidence()], random_state=0)
    y, rounds = played(strategy, 3)
    y[rounds[-1]] = -1
    arms, batch = strategy.replay(X, y, GaussianNB(), rounds)["arms"][-1], rounds[-1]
    assert set(arms) == {0, 1, 2}
    left = np.setdiff1d(np.flatnonzero(y == -1), batch[arms == 0])
    for arm, alone in ((1, MarginSampling()), (2, LeastConfidence())):
        picks = alone.query(
            X, y, GaussianNB(), candidates=left, batch_size=(arms == arm).sum()
        )
        assert batch[arms == arm].tolist() == picks.tolist()
        left = np.setdiff1d(left, picks)


def test_random_picks_are_uniform_over_all_candidates():
    strategy = AdaptiveStrategy([MarginSampling()], min_share=1.0)
    counts, y = np.zeros(40), np.where(np.arange(40) < 8, TRUTH[:40], -1)
    clf = GaussianNB().fit(X[:8], TRUTH[:8])
    for seed in range(400):
        strategy.set_params(random_state=seed)
        picks = strategy.query(X[:40], y, clf, fit_clf=False, batch_size=4, rounds=[])
        counts[picks] += 1
    # 1,600 picks over 32 rows: 50 each, with a standard deviation below 7
    assert not counts[:8].any()
    assert counts[8:].min() > 25
    assert counts[8:].max() < 75


def test_utilities_are_those_of_the_arm_that_picks():
    strategy = AdaptiveStrategy([Kind(2)], random_state=0)
    query = {"batch_size": 6, "rounds": [], "return_utilities": True}
    picks, utilities = strategy.query(X, FIRST, GaussianNB(), **query)
    arms = strategy.replay(X, FIRST, GaussianNB(), [picks])["arms"][0]
    for at, (pick, arm) in enumerate(zip(picks, arms, strict=True)):
        assert np.isnan(utilities[at, picks[:at]]).all()
        if arm:
            assert utilities[at, pick] == 1 == np.nanmax(utilities[at])
        else:
            n_left = 388 - (arms[:at] == 0).sum()
            assert utilities[at, pick] == pytest.approx(1 / n_left)


def test_rows_that_another_arm_has_taken_are_not_above_those_that_are_left():
    class Below(Kind):
        def _select(self, pool, batch_size):
            picks, utilities = super()._select(pool, batch_size)
            return picks, utilities - 5

    strategy = AdaptiveStrategy([Below(2)], random_state=0)
    query = {"batch_size": 6, "rounds": [], "return_utilities": True}
    picks, utilities = strategy.query(X, FIRST, GaussianNB(), **query)
    arms = strategy.replay(X, FIRST, GaussianNB(), [picks])["arms"][0]
    for at in np.flatnonzero(arms == 1):
        assert utilities[at, picks[at]] == -4 == np.nanmax(utilities[at])
        taken = [p for p, arm in zip(picks[at:], arms[at:], strict=True) if not arm]
        assert (utilities[at, taken] == -5).all()


@pytest.mark.parametrize("learning_rate", [None, 5.0])
def test_a_replay_of_the_first_rounds_is_the_beginning_of_that_of_all(learning_rate):
    strategy = AdaptiveStrategy(
        ARMS, learning_rate=learning_rate, random_state=np.random.RandomState(3)
    )
    y, rounds = played(strategy, 6)
    whole = strategy.replay(X, y, GaussianNB(), rounds)
    assert whole["shares"].shape == (7, 3)
    assert whole["gains"].shape == (5, 3)
    for n in range(6):
        gain_K = torch.as_tensor(whole["gains"][:n].sum(0))
        shares = exp3_shares(gain_K, n, 0.2, learning_rate)
        np.testing.assert_allclose(whole["shares"][n + 1], shares, rtol=1e-12)
    known = FIRST.copy()
    for n in range(6):
        other = clone(strategy).set_params(random_state=n)  # no seed of its own
        part = other.replay(X, known, GaussianNB(), rounds[:n])
        np.testing.assert_array_equal(part["shares"], whole["shares"][: n + 1])
        np.testing.assert_array_equal(part["gains"], whole["gains"][: max(0, n - 1)])
        for arms, its in zip(part["arms"], whole["arms"], strict=False):
            np.testing.assert_array_equal(arms, its)
        known[rounds[n]] = TRUTH[rounds[n]]


def test_labels_of_a_batch_judge_the_batch_before_and_none_earlier():
    strategy = AdaptiveStrategy(ARMS, learning_rate=5.0, random_state=0)
    y, rounds = played(strategy, 5)
    whole = strategy.replay(X, y, GaussianNB(), rounds)
    other = y.copy()
    other[rounds[-1]] = 1 - other[rounds[-1]]
    changed = strategy.replay(X, other, GaussianNB(), rounds)
    np.testing.assert_array_equal(changed["gains"][:-1], whole["gains"][:-1])
    assert (changed["gains"][-1, 1:] != whole["gains"][-1, 1:]).all()
    # of the batch that judges, only the random picks are looked at
    other = y.copy()
    chosen = rounds[-1][whole["arms"][-1] != 0]
    other[chosen] = 1 - other[chosen]
    same = strategy.replay(X, other, GaussianNB(), rounds)
    np.testing.assert_array_equal(same["gains"], whole["gains"])


def test_gains_are_those_of_models_that_learned_as_many_rows():
    strategy = AdaptiveStrategy(ARMS, random_state=0)
    y, rounds = played(strategy, 2)
    found = strategy.replay(X, y, GaussianNB(), rounds)
    first, second = found["arms"]
    control = rounds[1][second == 0]

    def loss(rows):
        known = np.concatenate([np.arange(12), rows])
        model = GaussianNB().fit(X[known], TRUTH[known])
        proba = model.predict_proba(X[control])[range(len(control)), TRUTH[control]]
        return -np.log(0.99 * proba + 0.01 / 2).mean()

    for arm in (1, 2):
        rows, by_chance = rounds[0][first == arm], rounds[0][first == 0]
        n = min(len(rows), len(by_chance))
        a, r = loss(rows[:n]), loss(by_chance[:n])
        assert found["gains"][0, arm] == pytest.approx((r - a) / (r + a))
    assert found["gains"][0, 0] == 0
    weight = np.where(np.arange(400) < 6, 5.0, 1.0)
    weighted = strategy.replay(X, y, GaussianNB(), rounds, sample_weight=weight)
    assert (weighted["gains"][0, 1:] != found["gains"][0, 1:]).all()


def fake_losses(monkeypatch, worth):
    """Let a model's loss fall with the kinds of the rows that it has learned."""

    def log_loss(history, judge, seed, trained_on, tested_on):
        worths = [worth.get(kind, 0.0) for kind in history.X[trained_on, 0]]
        return torch.tensor(np.exp(-sum(worths)))

    monkeypatch.setattr(History, "log_loss", log_loss)


def test_a_planted_good_arm_gains_and_a_planted_bad_one_loses(monkeypatch):
    fake_losses(monkeypatch, {2: 0.2, 3: -0.2})
    arms = [Kind(2), Kind(3)]
    for rate, share in ((None, 0.5), (1.0, 0.7)):
        strategy = AdaptiveStrategy(
            arms, min_share=0.25, learning_rate=rate, random_state=0
        )
        y, rounds = played(strategy, 12)
        shares = strategy.replay(X, y, GaussianNB(), rounds)["shares"]
        assert shares[-1, 1] > share
        assert shares[-1, 2] < 0.2
        assert (shares[:, 0] >= 0.25).all()
    assert shares[-1, 0] == 0.25


def test_arms_that_are_worth_the_same_keep_equal_shares(monkeypatch):
    fake_losses(monkeypatch, dict.fromkeys(range(4), 0.1))
    strategy = AdaptiveStrategy([Kind(2), Kind(3)], random_state=0)
    y, rounds = played(strategy, 6)
    shares = strategy.replay(X, y, GaussianNB(), rounds)["shares"]
    np.testing.assert_allclose(shares, 1 / 3)


def test_an_arm_that_is_seldom_asked_has_its_gains_scaled_up(monkeypatch):
    strategy = AdaptiveStrategy([Kind(2), Kind(3)], learning_rate=2.0, random_state=1)
    fake_losses(monkeypatch, {2: 0.4, 3: -0.4})
    y, rounds = played(strategy, 16, batch_size=5)
    found = strategy.replay(X, y, GaussianNB(), rounds)
    share, gains = found["shares"][:-2, 2], found["gains"][:, 2]
    n_asked = np.array([(arms == 2).sum() for arms in found["arms"][:-1]])
    is_rare = (5 * share < 0.5) & (n_asked == 1)
    assert is_rare.any()
    # one row of kind 3 against the first random row, whose kind may be any
    for at in np.flatnonzero(is_rare):
        [kind, *_] = X[rounds[at][found["arms"][at] == 0], 0]
        gain = np.tanh((-0.4 - {2: 0.4, 3: -0.4}.get(kind, 0.0)) / 2)
        assert gains[at] == pytest.approx(gain / (5 * share[at]))
    assert gains[is_rare].any()
    assert not gains[n_asked == 0].any()


@pytest.mark.nightly
def test_real_gains_tell_clear_labels_from_wrong_ones():
    ends = []
    for seed in range(6):
        data = toy(seed)
        strategy = AdaptiveStrategy(
            [Kind(2), Kind(3)], learning_rate=3.0, random_state=seed
        )
        y = np.where(np.arange(400) < 12, data[1], -1)
        y, rounds = played(strategy, 7, 15, LogisticRegression(), data, y)
        found = strategy.replay(data[0], y, LogisticRegression(), rounds)
        ends.append(found["shares"][-1])
    random, good, bad = np.mean(ends, axis=0)
    assert good > max(random, 0.4)
    assert bad < min(random, 0.22)


def test_random_picks_never_fall_below_their_share():
    for batch_size in (1, 4, 10):
        strategy = AdaptiveStrategy([Kind(2)], min_share=0.3, learning_rate=50.0)
        y, rounds = played(strategy.set_params(random_state=1), 8, batch_size)
        arms = strategy.replay(X, y, GaussianNB(), rounds)["arms"]
        n_random = [(batch == 0).sum() for batch in arms]
        assert min(n_random) >= int(0.3 * batch_size)
        assert sum(n_random) > 0.3 * 8 * batch_size - 1


def test_a_batch_that_a_budget_cut_short_has_the_same_arms():
    strategy = AdaptiveStrategy(ARMS, random_state=0)
    whole = strategy.query(X, FIRST, GaussianNB(), batch_size=12, rounds=[])
    cut = strategy.query(
        *(X, FIRST, GaussianNB()), batch_size=12, rounds=[], cost=np.ones(400), budget=7
    )
    assert len(cut) == 7
    arms = [
        strategy.replay(X, FIRST, GaussianNB(), [b])["arms"][0] for b in (whole, cut)
    ]
    np.testing.assert_array_equal(arms[1], arms[0][:7])


def test_rows_that_nobody_labelled_are_left_out_and_nothing_moves():
    strategy = AdaptiveStrategy(ARMS, random_state=0)
    y, rounds = played(strategy, 3)
    y[rounds[0][1]] = y[rounds[1][2]] = -1
    found = strategy.replay(X, y, GaussianNB(), rounds)
    assert [len(arms) for arms in found["arms"]] == [9, 9, 9]
    y[rounds[2]] = -1  # no control label: nothing is judged, nothing is gained
    assert not strategy.replay(X, y, GaussianNB(), rounds)["gains"][1].any()


@pytest.mark.filterwarnings("ignore:All labels are 1")
def test_until_labels_show_two_classes_all_picks_are_random():
    strategy = AdaptiveStrategy([Kind(2)], random_state=0)
    one_class = np.where((np.arange(len(X)) < 12) & (TRUTH == 1), TRUTH, -1)
    assert (one_class == 1).sum() > 2
    for y in (np.full(len(X), -1), one_class):
        with pytest.warns(UserWarning, match="draws at random until"):
            batch = strategy.query(X, y, GaussianNB(), batch_size=9, rounds=[])
        assert not strategy.replay(X, y, GaussianNB(), [batch])["arms"][0].any()
        y = y.copy()
        y[batch] = TRUTH[batch]
        again = strategy.query(X, y, GaussianNB(), batch_size=9, rounds=[batch])
        arms = strategy.replay(X, y, GaussianNB(), [batch, again])["arms"]
        assert arms[1].any()
        assert not arms[0].any()


@pytest.mark.parametrize("is_pipeline", [False, True])
def test_a_net_judges_by_a_seed_of_its_own(is_pipeline):
    clf = deep(False, classes=(0, 1))
    if is_pipeline:
        clf = make_pipeline(StandardScaler(), clf)
    strategy = AdaptiveStrategy(ARMS, learning_rate=5.0, random_state=0)
    rows = X.astype(np.float32)
    y, rounds = played(strategy, 3, clf=clf, data=(rows, TRUTH))
    gains = strategy.replay(rows, y, clf, rounds)["gains"]
    name = "deepclassifier__random_state" if is_pipeline else "random_state"
    other = clone(clf).set_params(**{name: 77})
    np.testing.assert_array_equal(
        strategy.replay(rows, y, other, rounds)["gains"], gains
    )
    assert gains.any()


def test_storage_order_does_not_matter():
    strategy = AdaptiveStrategy(ARMS, learning_rate=5.0, random_state=0)
    y, rounds = played(strategy, 4)
    found = strategy.replay(X, y, GaussianNB(), rounds)
    order = np.random.default_rng(0).permutation(len(X))
    moved = [np.argsort(order)[batch] for batch in rounds]
    its = strategy.replay(X[order], y[order], GaussianNB(), moved)
    np.testing.assert_array_equal(its["shares"], found["shares"])
    picks = [
        strategy.query(rows, labels, GaussianNB(), batch_size=9, rounds=earlier)
        for rows, labels, earlier in ((X, y, rounds), (X[order], y[order], moved))
    ]
    np.testing.assert_array_equal(order[picks[1]], picks[0])


def test_labels_may_be_words_and_a_class_may_be_new_to_the_judge():
    words = np.array(["no", "yes", "late"])
    truth = np.where(np.arange(len(X)) < 100, TRUTH, 2)
    y, rounds = np.where(np.arange(len(X)) < 12, words[truth], "?"), []
    strategy = AdaptiveStrategy(ARMS, missing_label="?", random_state=0)
    for _ in range(4):
        batch = strategy.query(X, y, GaussianNB(), batch_size=12, rounds=rounds)
        y[batch] = words[truth[batch]]
        rounds.append(batch)
    gains = strategy.replay(X, y, GaussianNB(), rounds)["gains"]
    assert np.isfinite(gains).all()
    assert gains.any()


def test_a_judge_takes_the_place_of_the_classifier():
    strategy = AdaptiveStrategy(
        [CoreSet()], judge=KNeighborsClassifier(3), random_state=0
    )
    assert strategy._works_on_inputs
    y, rounds = played(strategy, 3)
    assert strategy.replay(X, y, None, rounds)["gains"].any()
    without = AdaptiveStrategy([CoreSet()], random_state=0)
    assert PredictsProba in without._needs
    with pytest.raises(CapabilityError, match="needs a classifier"):
        without.query(X, y, rounds=rounds)


@pytest.mark.parametrize(
    ("rounds", "words"),
    [
        ("some", "must be a list of the batches"),
        (5, "must be a list of the batches"),
        ([1, 2, 3], "must be a list of the batches"),
        ([[0.5, 2.0]], "must be a list of the batches"),
        ([[1, 2], [2, 3]], "row 2 more than once"),
        ([[1, 400]], "rows from 1 to 400, but X has 400 rows"),
        ([[-1, 4]], "rows from -1 to 4"),
    ],
)
def test_rounds_that_are_none_are_refused(rounds, words):
    strategy = AdaptiveStrategy(ARMS)
    with pytest.raises(ValueError, match=words):
        strategy.query(X, FIRST, GaussianNB(), rounds=rounds)
    with pytest.raises(ValueError, match=words):
        strategy.replay(X, FIRST, GaussianNB(), rounds)


def test_who_is_not_told_of_earlier_batches_is_warned():
    with pytest.warns(UserWarning, match="is not told its earlier batches"):
        picks = AdaptiveStrategy(ARMS, random_state=0).query(
            X, FIRST, GaussianNB(), batch_size=9
        )
    told = AdaptiveStrategy(ARMS, random_state=0).query(
        X, FIRST, GaussianNB(), batch_size=9, rounds=[]
    )
    np.testing.assert_array_equal(picks, told)
    # what is asked of a grid cannot be told later, and nobody is blamed
    AdaptiveStrategy(ARMS).query(X, FIRST, GaussianNB(), candidates=X[50:80] + 0.1)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="'arms' parameter of AdaptiveStrategy"):
        AdaptiveStrategy([]).query(X, FIRST, GaussianNB())
    with pytest.raises(ValueError, match="'arms' parameter of AdaptiveStrategy"):
        AdaptiveStrategy(["margin"]).query(X, FIRST, GaussianNB())
    with pytest.raises(ValueError, match="'min_share' parameter of Adapt"):
        AdaptiveStrategy(ARMS, min_share=0).query(X, FIRST, GaussianNB())
    with pytest.raises(TypeError, match="takes no regressor"):
        AdaptiveStrategy(ARMS).query(X, FIRST, reg=LinearRegression())
    with pytest.raises(CapabilityError, match="sample_proba"):
        AdaptiveStrategy([BALD()]).query(X, FIRST, GaussianNB(), rounds=[])


@pytest.mark.parametrize(
    "outer",
    [
        lambda inner: SwitchStrategy(inner, CoreSet(), when=99),
        lambda inner: AdaptiveStrategy([inner]),
        lambda inner: AnchorAL(inner),
        lambda inner: SelectionViaProxy(inner, GaussianNB()),
    ],
)
def test_it_cannot_stand_inside_another_strategy(outer):
    strategy = outer(AdaptiveStrategy(ARMS))
    with pytest.raises(TypeError, match="cannot stand inside another strategy"):
        strategy.query(X, FIRST, GaussianNB(), rounds=[])


def test_it_is_refused_where_nobody_keeps_the_batches():
    arm = ControlArm(GaussianNB(), AdaptiveStrategy(ARMS), random_state=0)
    with pytest.raises(CapabilityError, match="nothing is kept here"):
        arm.ask(X, FIRST)


def test_a_simulation_passes_the_batches_on():
    strategy = AdaptiveStrategy([Kind(2), Kind(3)], learning_rate=5.0)
    learner = SimulatedActiveLearner(
        GaussianNB(), strategy, n_initial=12, batch_size=9, n_cycles=5, random_state=0
    ).fit(X, TRUTH)
    start, *rounds = learner.query_indices_
    y = np.full(len(X), -1)
    for rows in (start, *rounds):
        y[rows] = TRUTH[rows]
    found = strategy.replay(X, y, GaussianNB(), rounds)
    for batch, arms in zip(rounds, found["arms"], strict=True):
        assert (X[batch[arms == 1], 0] == 2).all()
        assert (X[batch[arms == 2], 0] == 3).all()
    counts = [np.bincount(arms, minlength=3).tolist() for arms in found["arms"]]
    assert len({tuple(count) for count in counts}) > 1  # it has learned something


def test_a_comparison_goes_on_as_it_would_have(tmp_path):
    def compare(run_dir):
        return compare_strategies(
            {"bandit": AdaptiveStrategy(ARMS, learning_rate=20.0)},
            GaussianNB(),
            X,
            TRUTH,
            n_repeats=1,
            n_cycles=6,
            batch_size=9,
            random_state=0,
            run_dir=run_dir,
            progress=False,
        )

    def curves(comparison):
        return [
            {k: v for k, v in row.items() if k not in MEASURED}
            for row in comparison.curves
        ]

    whole = compare(tmp_path)
    for file in tmp_path.glob("bandit*/*.jsonl"):
        kept = file.read_bytes().splitlines(keepends=True)
        for n in (2, 4, 6):
            file.write_bytes(b"".join(kept[:n]))
            again = compare(tmp_path)
            assert again.picks == whole.picks
            assert curves(again) == curves(whole)


def test_a_campaign_keeps_no_list_of_batches_and_refuses_it(tmp_path):
    np.save(tmp_path / "X.npy", X)
    campaign = Campaign.create(
        tmp_path / "c", embeddings=tmp_path / "X.npy", classes=["0", "1"], budget=60
    )
    with pytest.raises(CapabilityError, match="nothing is kept here"):
        campaign.next(AdaptiveStrategy(ARMS), batch_size=5)
