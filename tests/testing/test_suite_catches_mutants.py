"""The conformance checks are themselves checked: broken strategies must fail them."""

import ast
import functools
import inspect
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from strategies import asked_for, deep

import skal_deep
from skal_deep.classifier import Embeds, PredictsProba
from skal_deep.evaluation import check_query_strategy
from skal_deep.functional import entropy
from skal_deep.pool import ScoreQueryStrategy
from skal_deep.testing import _conformance
from skal_deep.testing._conformance import CHECKS
from skal_deep.testing._strategy_case import small_classifier

PUBLIC = sorted(Path(skal_deep.__file__).parent.rglob("*.py"))


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


class PicksByTheFormOfCandidates(Mutant):
    def after(self, asked, picks, utilities):
        is_subset = asked["candidates"] is not None and asked["candidates"].ndim == 1
        return (picks[::-1] if is_subset else picks), utilities


class LooksPastThePipeline(Mutant):
    def before(self, asked):
        if isinstance(asked["clf"], Pipeline):
            asked["clf"] = asked["clf"][-1]


class TakesAnyWeights(Mutant):
    def before(self, asked):
        if np.shape(asked["sample_weight"]) != np.shape(asked["y"]):
            asked["sample_weight"] = None


class TakesWeightsThatAreNone(Mutant):
    def before(self, asked):
        if asked["sample_weight"] is not None and len(asked["X"]) == np.size(
            asked["sample_weight"]
        ):
            asked["sample_weight"] = None


class TakesAnyClassifier(Mutant):
    def before(self, asked):
        if not hasattr(asked["clf"], "predict_proba"):
            asked["clf"] = small_classifier(False)


class TakesClasses(Mutant):
    def before(self, asked):
        if isinstance(asked["clf"], type):
            asked["clf"] = small_classifier(False)


class MeasuresByGramProducts(ScoreQueryStrategy):
    """Loses what it subtracts, in single precision and far from the origin."""

    _works_on_inputs = True
    _needs = (Embeds,)

    def __init__(self, selection=None, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.selection = selection

    def _score(self, pool):
        if not len(pool.labeled):
            return torch.ones(len(pool))
        rows_ND, labeled_MD = pool.embed(), pool.labeled.embed()
        squares_NM = (
            rows_ND.square().sum(1)[:, None]
            + labeled_MD.square().sum(1)
            - 2 * rows_ND @ labeled_MD.T
        )
        return squares_NM.amin(1)


class MeasuresDistances(MeasuresByGramProducts):
    """Loses nothing."""

    def _score(self, pool):
        if not len(pool.labeled):
            return torch.ones(len(pool))
        difference_NMD = pool.embed()[:, None] - pool.labeled.embed()
        return difference_NMD.square().sum(-1).amin(1)


class SwallowsInterrupts(Mutant):
    @functools.wraps(Mutant.query)
    def query(self, *args, **kwargs):
        try:
            return Mutant.query(self, *args, **kwargs)
        except KeyboardInterrupt:
            return np.arange(8, 11)


class LeavesTracesOfInterrupts(Mutant):
    @functools.wraps(Mutant.query)
    def query(self, X, y, clf, **kwargs):
        grad = torch.is_grad_enabled()
        torch.set_grad_enabled(False)  # no `finally`
        answer = Mutant.query(self, X, y, clf, **kwargs)
        torch.set_grad_enabled(grad)
        return answer


class SharesStateAmongThreads(Mutant):
    def before(self, asked):
        SharesStateAmongThreads.batch_size = asked["batch_size"]
        time.sleep(0.1)
        asked["batch_size"] = SharesStateAmongThreads.batch_size


class TakesTextsAsTheyStand(Mutant):
    def before(self, asked):
        if np.asarray(asked["X"]).dtype == object:
            asked["candidates"] = np.flatnonzero(asked["y"] == -1)[:4]


class TrainsInTheStoredOrder(Mutant):
    def before(self, asked):
        if asked["fit_clf"] and len(np.unique(asked["y"])) == 4:
            asked["clf"] = clone(asked["clf"]).fit(
                asked["X"], asked["y"], asked["sample_weight"]
            )
            asked["fit_clf"] = False


# The check that is there for a mutant, and is then run alone.
CAUGHT_BY = {
    ReturnsList: "output",
    OneIndexTwice: "output",
    ShiftedIndices: "whole_pool",
    PicksByWhatIsAskedFor: "utilities_do_not_matter",
    FitsTheCallersClassifier: "inputs_untouched",
    ForgetsTheNaN: "output",
    DrawsFromNumpysGlobalGenerator: "generators",
    DrawsFromTorchsGlobalGenerator: "generators",
    DependsOnTheOrder: "order_of_the_pool",
    ChangesItsInput: "inputs_untouched",
    KeepsState: "estimator_api",
    TakesMasks: "malformed_candidates",
    PicksByTheFormOfCandidates: "candidates_as_inputs",
    LooksPastThePipeline: "pipeline_space",
    TakesTextsAsTheyStand: "rows_of_other_kinds",
    TakesAnyWeights: "malformed_weights",
    TakesWeightsThatAreNone: "malformed_weights",
    TakesAnyClassifier: "junk_classifiers",
    TakesClasses: "junk_classifiers",
    MeasuresByGramProducts: "far_clusters",
    SwallowsInterrupts: "interrupts",
    LeavesTracesOfInterrupts: "interrupts",
    SharesStateAmongThreads: "threads",
    TrainsInTheStoredOrder: "storage_order_of_training",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "data", "make_classifier"),
    [
        (Entropy(), ("vectors", "images"), small_classifier),
        (Harmless(), ("vectors",), deep),  # mutants are checked on these
        (MeasuresDistances(), ("vectors",), deep),
    ],
)
def test_a_correct_strategy_passes(strategy, data, make_classifier):
    report = check_query_strategy(strategy, data=data, make_classifier=make_classifier)
    assert not report.failures
    assert report.n_checks == len(data) * len(CHECKS)
    assert repr(report).endswith(
        f"{report.n_checks} of {report.n_checks} checks passed"
    )


def test_every_mutant_has_a_check():
    assert CAUGHT_BY.keys() >= {*Mutant.__subclasses__()} - {Harmless}


@pytest.mark.parametrize("mutant", CAUGHT_BY)
def test_mutants_fail_the_check_that_is_there_for_them(mutant, monkeypatch):
    wanted = f"check_{CAUGHT_BY[mutant]}"
    one = [check for check in CHECKS if check.__name__ == wanted]
    monkeypatch.setattr(_conformance, "CHECKS", one)
    make = asked_for(CAUGHT_BY[mutant], deep)
    report = check_query_strategy(
        mutant(), data=("vectors",), make_classifier=make, raise_on_failure=False
    )
    torch.set_grad_enabled(True)
    assert list(report.failures) == [f"{wanted} (vectors)"]
    assert mutant.__name__ in repr(report)


@pytest.mark.slow
def test_checks_check_without_assertions():
    """``python -O`` leaves out ``assert``: no check may hang on it."""
    script = (
        "from skal_deep.evaluation import check_query_strategy\n"
        "from skal_deep.pool import MarginSampling\n"
        "from skal_deep.testing import _conformance as checks\n"
        "names = 'check_output', 'check_whole_pool'\n"
        "checks.CHECKS = [c for c in checks.CHECKS if c.__name__ in names]\n"
        "class Shifted(MarginSampling):\n"
        "    def query(self, X, y, clf=None, **kwargs):\n"
        "        answer = super().query(X, y, clf, **kwargs)\n"
        "        if kwargs.get('return_utilities'):\n"
        "            return answer[0] + 1, answer[1]\n"
        "        return answer + 1\n"
        "report = check_query_strategy(\n"
        "    Shifted(), data=('vectors',), raise_on_failure=False)\n"
        "print(*report.failures)\n"
    )
    failed = subprocess.run(
        [sys.executable, "-O", "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert failed.split("\n")[0] == "check_output (vectors) check_whole_pool (vectors)"


def test_nothing_public_hangs_on_assertions():
    assert len(PUBLIC) > 400
    for path in PUBLIC:
        statements = ast.walk(ast.parse(path.read_text()))
        assert not any(isinstance(node, ast.Assert) for node in statements), path


def test_failures_raise(monkeypatch):
    one = [check for check in CHECKS if check.__name__ == "check_output"]
    monkeypatch.setattr(_conformance, "CHECKS", one)
    with pytest.raises(AssertionError, match="check_output"):
        check_query_strategy(ReturnsList(), data=("vectors",), make_classifier=deep)


@pytest.mark.slow
def test_the_checks_leave_the_global_generators_alone():
    before = pickle.dumps(np.random.get_state()), torch.get_rng_state()
    check_query_strategy(Entropy(), data=("vectors",), make_classifier=deep)
    assert pickle.dumps(np.random.get_state()) == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
