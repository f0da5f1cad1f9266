"""The conformance checks are themselves checked: broken strategies must fail them."""

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


class ReturnsList(Entropy):
    def query(self, *args, **kwargs):
        answer = super().query(*args, **kwargs)
        if isinstance(answer, tuple):
            return answer[0].tolist(), answer[1]
        return answer.tolist()


class OneIndexTwice(Entropy):
    def query(
        self,
        X,
        y,
        clf=None,
        fit_clf=True,
        sample_weight=None,
        candidates=None,
        batch_size=1,
        return_utilities=False,
    ):
        answer = super().query(
            X, y, clf, fit_clf, sample_weight, candidates, batch_size, return_utilities
        )
        picks = answer[0] if return_utilities else answer
        picks[-1] = picks[0]
        return answer


class ShiftedIndices(Entropy):
    def query(
        self,
        X,
        y,
        clf=None,
        fit_clf=True,
        sample_weight=None,
        candidates=None,
        batch_size=1,
        return_utilities=False,
    ):
        answer = super().query(
            X, y, clf, fit_clf, sample_weight, candidates, batch_size, return_utilities
        )
        picks = answer[0] if return_utilities else answer
        picks += 2
        return answer


class FitsTheCallersClassifier(Entropy):
    def query(
        self,
        X,
        y,
        clf=None,
        fit_clf=True,
        sample_weight=None,
        candidates=None,
        batch_size=1,
        return_utilities=False,
    ):
        if fit_clf:
            clf.fit(X, y)
        return super().query(
            X, y, clf, False, None, candidates, batch_size, return_utilities
        )


class ForgetsTheNaN(Entropy):
    def query(
        self,
        X,
        y,
        clf=None,
        fit_clf=True,
        sample_weight=None,
        candidates=None,
        batch_size=1,
        return_utilities=False,
    ):
        answer = super().query(
            X, y, clf, fit_clf, sample_weight, candidates, batch_size, return_utilities
        )
        if return_utilities:
            return answer[0], np.nan_to_num(answer[1])
        return answer


class DrawsFromNumpysGlobalGenerator(Entropy):
    def query(self, *args, **kwargs):
        np.random.rand()
        return super().query(*args, **kwargs)


class DrawsFromTorchsGlobalGenerator(Entropy):
    def query(self, *args, **kwargs):
        torch.rand(1)
        return super().query(*args, **kwargs)


class DependsOnTheOrder(Entropy):
    def query(
        self,
        X,
        y,
        clf=None,
        fit_clf=True,
        sample_weight=None,
        candidates=None,
        batch_size=1,
        return_utilities=False,
    ):
        _, utilities = super().query(
            X, y, clf, fit_clf, sample_weight, candidates, batch_size, True
        )
        first = np.flatnonzero(~np.isnan(utilities[0]))[:batch_size]
        for step in range(batch_size):
            utilities[step, first[step]] = 9.0 - step
        return (first, utilities) if return_utilities else first


class ChangesItsInput(Entropy):
    def query(self, X, *args, **kwargs):
        answer = super().query(X, *args, **kwargs)
        X[0] += 1
        return answer


class KeepsState(Entropy):
    def query(self, X, *args, **kwargs):
        self.pool_ = X
        return super().query(X, *args, **kwargs)


MUTANTS = [
    ReturnsList,
    OneIndexTwice,
    ShiftedIndices,
    FitsTheCallersClassifier,
    ForgetsTheNaN,
    DrawsFromNumpysGlobalGenerator,
    DrawsFromTorchsGlobalGenerator,
    DependsOnTheOrder,
    ChangesItsInput,
    KeepsState,
]


def test_a_correct_strategy_passes():
    report = check_query_strategy(Entropy())
    assert not report.failures
    assert repr(report).endswith(
        f"{report.n_checks} of {report.n_checks} checks passed"
    )


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutants_fail(mutant):
    report = check_query_strategy(mutant(), data=("vectors",), raise_on_failure=False)
    assert report.failures
    assert mutant.__name__ in repr(report)


def test_failures_raise():
    with pytest.raises(AssertionError, match="check_output"):
        check_query_strategy(ReturnsList(), data=("vectors",))
