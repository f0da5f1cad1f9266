"""A search with the true labels: a lower bound of what there was to gain."""

import numpy as np
import pytest
from skactiveml.base import QueryStrategy
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skal_deep.evaluation import compare_strategies, plot_curves, replay
from skal_deep.evaluation.simulation import _search
from skal_deep.evaluation.simulation._search import FOUND, GreedySearch
from skal_deep.pool import CoreSet, MarginSampling

rng = np.random.default_rng(0)
y = rng.integers(3, size=400)
X = rng.normal(size=(400, 3)) + 1.5 * np.eye(3)[y]
FEW = pytest.mark.filterwarnings("ignore:The search chooses batches")
SMALL = {
    "n_repeats": 2,
    "n_initial": 6,
    "batch_size": 4,
    "n_cycles": 2,
    "progress": False,
    "random_state": 0,
}
SEARCH = {"n_candidates": 4, "portfolio": [None, MarginSampling()]}
pytestmark = FEW


def compare(search=SEARCH, strategies=None, **params):
    strategies = [MarginSampling()] if strategies is None else strategies
    return compare_strategies(
        strategies, GaussianNB(), X, y, search=search, **(SMALL | params)
    )


@pytest.fixture(scope="module")
def tried():
    """Return all that a search tried, with what it took."""
    rounds, of_class = [], GreedySearch.tried

    def noted(self, y, pool):
        rounds.append((self, of_class(self, y, pool)))
        return rounds[-1][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GreedySearch, "tried", noted)
        compared = compare()
    return compared, rounds


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy", [MarginSampling(), CoreSet()], ids=["margin", "core"]
)
def test_one_candidate_of_one_strategy_is_that_strategy(strategy):
    search = {"n_candidates": 1, "portfolio": [strategy]}
    compared = compare(search, {"it": strategy})
    np.testing.assert_array_equal(compared.search, compared.curve("it"))
    gap = compared.gap("it")
    assert gap.area_difference.mean == gap.final_difference.mean == 0
    assert "did not show" in str(gap)


def test_the_batch_that_scores_best_is_taken(tried):
    compared, rounds = tried
    assert len(rounds) == 2 * 2
    for _, pairs in rounds:
        assert 1 < len(pairs) <= 4
    # a round's picks become labels: the next round has them
    assert compared.search.shape == (2, 3)
    for search, pairs in rounds:
        taken = max(pairs, key=lambda pair: pair[0])
        assert all(taken[0] >= score for score, _ in pairs)
        pool = np.concatenate([rows for _, rows in pairs])
        selection = search._game[3]
        visible = search._game[2].visible
        assert not set(selection.rows) & set(visible)
        assert not set(selection.rows) & set(search._game[2].test_rows)
        assert pool.max() < len(visible)


@pytest.mark.slow
def test_all_arms_have_the_pool_without_the_selection_rows(tried):
    compared, rounds = tried
    held = {
        len(set(search._game[3].rows)): set(search._game[3].rows)
        for search, _ in rounds
    }
    assert set(held) == {75}  # a quarter of the 300 that are not for scores
    by_repeat = [set(search._game[3].rows) for search, _ in rounds[::2]]
    for name in compared.strategies:
        for picked, rows in zip(compared.picked(name), by_repeat, strict=True):
            assert not set(np.concatenate(picked)) & rows


class Corner(QueryStrategy):
    """Asks for the rows that lie farthest along an axis."""

    def __init__(self, axis=0, missing_label=-1, random_state=None):
        super().__init__(random_state=random_state)
        self.axis = axis
        self.missing_label = missing_label

    def query(self, X, y, candidates=None, batch_size=1):
        rows = np.flatnonzero(y == -1) if candidates is None else candidates
        return rows[np.argsort(-X[rows, self.axis])[:batch_size]]


@pytest.mark.slow
def test_a_batch_that_alone_shows_a_class_is_found():
    labels = (rng.random(400) < 0.5).astype(int)
    inputs = rng.normal(size=(400, 3))
    inputs[:, 0] += 4 * labels
    labels[:40], inputs[:40, 0] = 2, 2
    inputs[:40, 2] += 12
    portfolio = [Corner(0), Corner(1), Corner(2)]
    game = SMALL | {"n_initial": 8, "initial": "random", "n_repeats": 6}
    compared = compare_strategies(
        {f"corner {i}": each for i, each in enumerate(portfolio)},
        LogisticRegression(C=10),
        inputs,
        labels,
        search={"n_candidates": 3, "portfolio": portfolio},
        **game,
    )
    unseen = [r for r in range(6) if 2 not in labels[compared.picked("random")[r][0]]]
    assert len(unseen) > 1
    for repeat in unseen:
        first = compared.search[repeat, 1]
        assert first == compared.curve("corner 2")[repeat, 1]
        assert first > compared.curve("corner 0")[repeat, 1]


@pytest.mark.slow
def test_labels_of_test_rows_change_no_pick():
    given = {"X_test": X[:100], "y_test": y[:100]}
    other = given | {"y_test": rng.permutation(y[:100])}
    picks, of_class = [], GreedySearch.tried
    for data in (given, other):
        noted = []

        def tried(self, y, pool, noted=noted):
            pairs = of_class(self, y, pool)
            noted.extend((score, rows.tolist()) for score, rows in pairs)
            return pairs

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GreedySearch, "tried", tried)
            compare_strategies(
                [None], GaussianNB(), X[100:], y[100:], search=SEARCH, **SMALL, **data
            )
        picks.append(noted)
    assert picks[0] == picks[1]
    assert picks[0]


@pytest.mark.slow
def test_gap_figure_and_table(tmp_path):
    compared = compare()
    gap = compared.gap("MarginSampling")
    assert gap.area[2] - gap.area[1] == pytest.approx(gap.area_difference.mean)
    assert gap.final[2] == pytest.approx(compared.search[:, -1].mean())
    assert str(gap).startswith("Found by search, beyond MarginSampling: ")
    rows = {row["strategy"]: row for row in compared.summary().rows}
    assert rows["MarginSampling"]["search gap"] == pytest.approx(
        gap.area_difference.mean
    )
    lines = {line.get_label(): line for line in plot_curves(compared).lines}
    best = np.max([compared.curve(n).mean(axis=0) for n in compared.strategies], axis=0)
    assert (lines[FOUND].get_ydata() >= best).all()
    compared.to_html(tmp_path / "page.html", X, y)
    assert "lower bound" in (tmp_path / "page.html").read_text("utf-8")
    with pytest.raises(ValueError, match="There is no 'bald'"):
        compared.gap("bald")
    with pytest.raises(ValueError, match="There was no search"):
        compare(search=False).gap("MarginSampling")


@pytest.mark.slow
def test_a_run_goes_on_and_knows_its_search(tmp_path):
    whole = compare()
    compare(run_dir=tmp_path, n_cycles=1)
    resumed = compare(run_dir=tmp_path)
    np.testing.assert_array_equal(resumed.search, whole.search)
    again = replay(tmp_path, X, y, estimator=GaussianNB(), progress=False)
    assert again.strategies == whole.strategies
    np.testing.assert_array_equal(again.search, whole.search)
    with pytest.raises(ValueError, match="n_candidates"):
        compare(SEARCH | {"n_candidates": 5}, run_dir=tmp_path)
    for other in (False, SEARCH | {"selection_size": 50}):
        with pytest.raises(ValueError, match="selection_size"):
            compare(other, run_dir=tmp_path)


@pytest.mark.slow
def test_default_portfolio_leaves_out_what_the_model_cannot_answer():
    compared = compare({"n_candidates": 7}, n_cycles=1, n_repeats=1)
    assert compared.search.shape == (1, 2)  # naive Bayes has no embedding
    both = compare_strategies(
        [None], LogisticRegression(), X, y, search={"n_candidates": 5}, **SMALL
    )
    assert both.search.shape == (2, 3)


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ({"search": 3}, TypeError, "must be True, False, or a dict"),
        ({"search": {"rounds": 3}}, ValueError, "no option 'rounds'"),
        ({"search": {"n_candidates": 0}}, ValueError, "from 1 on"),
        ({"search": {"selection_size": -1}}, ValueError, "selection_size"),
        ({"search": {"selection_size": 299}}, ValueError, "no choice"),
        ({"search": {"portfolio": []}}, TypeError, "at least one"),
        ({"search": {"portfolio": [3]}}, TypeError, "query strategies"),
        ({"strategies": {FOUND: None}}, ValueError, "is for the search"),
    ],
)
def test_wrong_searches_are_refused(params, error, words):
    with pytest.raises(error, match=words):
        compare(**params)


def test_all_labels_must_be_known():
    unknown = np.where(np.arange(400) < 5, -1, y)
    with pytest.raises(ValueError, match="5 of 400 rows have none"):
        compare_strategies([None], GaussianNB(), X, unknown, search=True, **SMALL)


def test_few_selection_rows_are_a_warning():
    with pytest.warns(UserWarning, match="by 75 selection rows"):
        compare(n_cycles=1, n_repeats=1)


def test_copies_of_selection_rows_leave_the_pool():
    compared = compare(n_copies=2, copy_noise=0.1, n_repeats=1)
    assert compared.search.shape == (1, 3)
    assert _search.n_selection_rows(300, 0.25) == 75
