"""The conformance checks are themselves checked: broken strategies must fail them."""

import functools
import inspect
import pickle

import numpy as np
import pytest
import torch

from skal_deep.classifier import PredictsProba
from skal_deep.evaluation import check_query_strategy
from skal_deep.functional import entropy
from skal_deep.pool import ScoreQueryStrategy


class Entropy(ScoreQueryStrategy):
    """A correct strategy, as a third party would write it."""

    _needs = (PredictsProba,)

    def __init__(self, selection=None, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.selection = selection

    def _score(self, pool):
        return entropy(pool.predict_proba())


class Mutant(Entropy):
    """Breaks what a correct query is asked, or what it answers."""

    @functools.wraps(Entropy.query)
    def query(self, *args, **kwargs):
        call = inspect.signature(Entropy.query).bind(self, *args, **kwargs)
        call.apply_defaults()
        asked = dict(call.arguments)
        with_utilities = asked["return_utilities"]
        self.before(asked)
        asked["return_utilities"] = True
        answer = self.after(asked, *Entropy.query(**asked))
        return answer if with_utilities else answer[0]

    def before(self, asked):
        """Change what is asked."""

    def after(self, asked, picks, utilities):
        """Change what is answered."""
        return picks, utilities


class Harmless(Mutant):
    """Breaks nothing: the harness itself is no mutation."""


class ReturnsList(Mutant):
    def after(self, asked, picks, utilities):
        return picks.tolist(), utilities


class OneIndexTwice(Mutant):
    def after(self, asked, picks, utilities):
        picks[-1] = picks[0]
        return picks, utilities


class ShiftedIndices(Mutant):
    def after(self, asked, picks, utilities):
        return picks + 2, utilities


class PicksByWhatIsAskedFor(Mutant):
    def before(self, asked):
        self.is_asked = asked["return_utilities"]

    def after(self, asked, picks, utilities):
        return (picks if self.is_asked else picks[::-1]), utilities


class FitsTheCallersClassifier(Mutant):
    def before(self, asked):
        if asked["fit_clf"]:
            asked["clf"].fit(asked["X"], asked["y"])
            asked["fit_clf"] = False


class ForgetsTheNaN(Mutant):
    def after(self, asked, picks, utilities):
        return picks, np.nan_to_num(utilities)


class DrawsFromNumpysGlobalGenerator(Mutant):
    def before(self, asked):
        np.random.rand()


class DrawsFromTorchsGlobalGenerator(Mutant):
    def before(self, asked):
        torch.rand(1)


class DependsOnTheOrder(Mutant):
    def after(self, asked, picks, utilities):
        first = np.flatnonzero(~np.isnan(utilities[0]))[: len(picks)]
        scores = utilities[0]
        for step, row in enumerate(utilities):
            row[:] = scores
            row[first[:step]] = np.nan
            row[first[step]] = 9.0
        return first, utilities


class ChangesItsInput(Mutant):
    def after(self, asked, picks, utilities):
        asked["X"][0] += 1
        return picks, utilities


class KeepsState(Mutant):
    def before(self, asked):
        self.pool_ = asked["X"]


class TakesMasks(Mutant):
    def before(self, asked):
        candidates = np.asarray(asked["candidates"])
        if candidates.dtype == bool:
            asked["candidates"] = np.flatnonzero(candidates)


BROKEN = [mutant for mutant in Mutant.__subclasses__() if mutant is not Harmless]


@pytest.mark.parametrize("strategy", [Entropy(), Harmless()])
def test_a_correct_strategy_passes(strategy):
    report = check_query_strategy(strategy)
    assert not report.failures
    assert repr(report).endswith(
        f"{report.n_checks} of {report.n_checks} checks passed"
    )


@pytest.mark.parametrize("mutant", BROKEN)
def test_mutants_fail(mutant):
    report = check_query_strategy(mutant(), data=("vectors",), raise_on_failure=False)
    assert report.failures
    assert mutant.__name__ in repr(report)


def test_failures_raise():
    with pytest.raises(AssertionError, match="check_output"):
        check_query_strategy(ReturnsList(), data=("vectors",))


def test_the_checks_leave_the_global_generators_alone():
    before = pickle.dumps(np.random.get_state()), torch.get_rng_state()
    check_query_strategy(Entropy(), data=("vectors",), raise_on_failure=False)
    assert pickle.dumps(np.random.get_state()) == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
