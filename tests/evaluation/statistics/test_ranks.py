"""Several data sets: ranks, critical difference, Bayesian signed ranks."""

import itertools

import numpy as np
import pytest
from comparisons import made_comparison
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy import stats

from skal_deep.evaluation import (
    AcrossDataSets,
    friedman,
    plot_ranks,
    signed_rank,
)

rng = np.random.default_rng(0)


class TestFriedman:
    @pytest.mark.slow
    @given(
        st.lists(
            st.lists(st.integers(0, 4), min_size=4, max_size=4),
            min_size=3,
            max_size=9,
        )
    )
    def test_is_that_of_scipy_ties_and_all(self, rows):
        scores = np.array(rows)
        if (scores == scores[:, :1]).all():
            assert friedman(scores).p_value == 1
            return
        theirs = stats.friedmanchisquare(*scores.T)
        ours = friedman(scores)
        assert ours.statistic == pytest.approx(theirs.statistic)
        assert ours.p_value == pytest.approx(theirs.pvalue)

    @pytest.mark.parametrize(("k", "n"), [(2, 4), (2, 5), (2, 8), (3, 3), (3, 4)])
    def test_few_data_sets_reject_a_true_null_at_most_as_often_as_stated(self, k, n):
        """All orders of ranks: chi-squared rejects at 5 % up to an eighth of them."""
        orders = list(itertools.permutations(range(k)))
        ways = itertools.product(orders, repeat=n - 1)
        p_values = np.array([friedman([orders[0], *rows]).p_value for rows in ways])
        for level in np.unique(p_values):
            assert (p_values <= level + 1e-12).mean() == pytest.approx(level)

    @pytest.mark.slow
    def test_counted_ties_are_those_of_all_orders(self):
        scores = np.array([[1, 1, 0], [2, 1, 1], [3, 2, 1]])
        ways = itertools.product(*(itertools.permutations(row) for row in scores))
        statistics = np.array([friedman(rows).statistic for rows in ways])
        found = friedman(scores)
        expected = (statistics >= found.statistic - 1e-9).mean()
        assert found.p_value == pytest.approx(expected)

    @pytest.mark.slow
    def test_many_data_sets_are_near_chi_squared(self):
        gain = np.array([0, 0, 0.2])
        scores = np.random.default_rng(1).normal(size=(100, 3)) + gain
        counted, more = friedman(scores), friedman(np.vstack([scores, [1, 2, 3]]))
        by_chi = stats.chi2.sf(counted.statistic, 2)
        assert counted.p_value == pytest.approx(by_chi, rel=0.05)
        assert more.p_value == stats.chi2.sf(more.statistic, 2)

    def test_one_is_the_best_rank(self):
        ranks = friedman([[0.9, 0.5, 0.7], [0.8, 0.8, 0.1]]).mean_ranks
        np.testing.assert_allclose(ranks, [1.25, 2.25, 2.5])

    @pytest.mark.parametrize(("k", "q"), [(2, 1.960), (5, 2.728), (10, 3.164)])
    def test_critical_difference_has_demsars_values(self, k, q):
        scores = rng.normal(size=(14, k))
        expected = q * np.sqrt(k * (k + 1) / (6 * 14))
        assert friedman(scores).critical_difference == pytest.approx(expected, rel=1e-3)

    def test_groups_are_those_of_posthocs(self):
        posthocs = pytest.importorskip("scikit_posthocs")
        scores = rng.normal(size=(12, 6)) + np.array([0, 0.3, 0.5, 1.5, 1.7, 3])
        ours = friedman(scores)
        p_values = posthocs.posthoc_nemenyi_friedman(scores).to_numpy()
        together = np.zeros((6, 6), bool)
        for group in ours.groups():
            together[np.ix_(group, group)] = True
        np.fill_diagonal(together, True)
        np.testing.assert_array_equal(together, p_values > 0.05)

    def test_groups_are_maximal_and_best_first(self):
        scores = np.repeat([[4.0, 3, 2, 1]], 5, axis=0)  # ranks 1 to 4, difference 2.1
        assert friedman(scores).groups() == [(0, 1, 2), (1, 2, 3)]
        assert friedman(np.repeat(scores, 20, axis=0)).groups() == []

    def test_ranks_are_not_told_apart_where_the_test_finds_nothing(self):
        """Four wins of four: one of eight pairs of strategies that are alike."""
        ranking = friedman([[2, 1]] * 4)
        assert ranking.p_value == 0.125
        assert ranking.critical_difference < 1  # Nemenyi's would tell them apart
        assert ranking.groups() == [(0, 1)]
        assert friedman([[2, 1]] * 6).groups() == []

    def test_one_data_set_is_refused(self):
        with pytest.raises(ValueError, match="at least two data sets"):
            friedman([[1, 2, 3]])

    def test_diagram(self):
        ranking = friedman(rng.normal(size=(8, 3)))
        ax = Figure().subplots()
        assert plot_ranks(ranking, ["a", "b", "c"], ax) is ax
        texts = [text.get_text() for text in ax.texts]
        assert any("critical difference" in text for text in texts)
        best = int(np.argmin(ranking.mean_ranks))
        assert f"{'abc'[best]}  {ranking.mean_ranks[best]:.2f}" in texts


class TestSignedRank:
    def test_probabilities_sum_to_one(self):
        found = signed_rank(rng.normal(size=7), 0.1, rng)
        assert found.worse + found.equivalent + found.better == pytest.approx(1)

    def test_certain_cases(self):
        assert signed_rank(np.full(10, 0.1), 0.01, rng).better > 0.99
        assert signed_rank(np.full(10, -0.1), 0.01, rng).worse > 0.99
        assert signed_rank(rng.normal(0, 0.001, 10), 0.01, rng).equivalent > 0.99

    def test_turning_the_signs_turns_the_answer(self):
        gain = rng.normal(0.01, 0.02, 9)
        ours = signed_rank(gain, 0.01, np.random.default_rng(0))
        turned = signed_rank(-gain, 0.01, np.random.default_rng(0))
        assert (ours.worse, ours.better) == (turned.better, turned.worse)

    def test_two_points_in_closed_form(self):
        """w of the observation is Beta(1, 1/2); better if w**2 is above half."""
        found = signed_rank([0.1], 0.06, np.random.default_rng(0))
        expected = stats.beta(1, 0.5).sf(np.sqrt(0.5))
        assert found.better == pytest.approx(expected, abs=0.015)

    @pytest.mark.slow
    def test_agrees_with_baycomp(self):
        baycomp = pytest.importorskip("baycomp")
        gain = rng.normal(0.01, 0.02, 12)
        theirs = baycomp.two_on_multiple(gain, np.zeros(12), rope=0.01)
        ours = signed_rank(gain, 0.01, rng)
        found = (ours.better, ours.equivalent, ours.worse)  # theirs is second - first
        np.testing.assert_allclose(found, theirs, atol=0.02)


class TestAcross:
    @pytest.fixture
    def across(self):
        return AcrossDataSets(
            {
                f"set {i}": made_comparison(
                    {"good": 0.1, "same": 0.0, "bad": -0.1}, seed=i
                )
                for i in range(8)
            }
        )

    def test_summary(self, across):
        rows = {row["strategy"]: row for row in across.summary().rows}
        assert list(rows) == ["random", "good", "same", "bad"]
        assert rows["good"]["mean rank"] == 1
        assert rows["good"]["ahead"] == 8
        assert rows["good"]["p"] == pytest.approx(3 * 2 / 2**8)
        assert rows["random"]["p"] is None
        area = across.comparisons["set 2"].areas("bad").mean()
        assert rows["bad"]["set 2"] == pytest.approx(area)
        assert "mean rank" in repr(across.summary())

    @pytest.mark.slow
    def test_the_rest(self, across):
        assert across.ranking().p_value < 0.01
        assert across.signed_rank("good").better > 0.95
        assert across.signed_rank("bad").worse > 0.95
        assert across.signed_rank("same").equivalent > 0.5
        matrix = across.penalty_matrix()
        assert matrix.shape == (4, 4)
        assert matrix[1, 0] == pytest.approx(8, abs=0.5)
        ax = Figure().subplots()
        assert across.plot(ax) is ax

    def test_other_strategies_are_refused(self):
        with pytest.raises(ValueError, match="same strategies"):
            AcrossDataSets(
                {"a": made_comparison({"x": 0.1}), "b": made_comparison({"y": 0.1})}
            )
