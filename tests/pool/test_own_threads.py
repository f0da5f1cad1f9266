"""Whose threads are where in a query: a model has them all, our kernels one each."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_info, threadpool_limits

from skal_deep._threads import (
    for_each_part,
    one_blas_thread,
    one_thread,
    threads_given_back,
    threads_over_parts,
)
from skal_deep.classifier import BayesianLinearClassifier, CapabilityError
from skal_deep.functional import _k_means, softmax_regression
from skal_deep.functional._chunks import slices
from skal_deep.modules import train
from skal_deep.pool import (
    VAAL,
    CoreSet,
    DeepQueryStrategy,
    MarginSampling,
    SelectionRule,
    SelectionViaProxy,
    SwitchStrategy,
    TypiClust,
)
from tests.forked import Forked
from tests.interrupts import interrupted_at
from tests.strategies import STRATEGIES

N_THREADS = 3
CPU = torch.device("cpu")
X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
Y = np.where(np.arange(60) < 20, np.arange(60) % 3, -1)


def numbers():
    """Return how many threads torch has, and how many numpy and scipy at most."""
    info = threadpool_info()
    blas = [each["num_threads"] for each in info if each["user_api"] == "blas"]
    return torch.get_num_threads(), max(blas)


@pytest.fixture(autouse=True)
def all_of_them():
    """Give torch and numpy some threads: a query must leave what it finds."""
    before = torch.get_num_threads()
    torch.set_num_threads(N_THREADS)
    with threadpool_limits(2, "blas"):
        yield N_THREADS, 2
        assert numbers() == (N_THREADS, 2)
    torch.set_num_threads(before)


SEEN = {}


class Watching(ClassifierMixin, BaseEstimator):
    """A classifier that writes down how many threads it has."""

    def fit(self, X, y):
        SEEN["fit"] = numbers()
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        SEEN["predict_proba"] = numbers()
        sums = np.abs(np.asarray(X)[:, :3]) + 1
        return sums / sums.sum(1, keepdims=True)


class WatchingRule(SelectionRule):
    """A rule that writes down how many threads a strategy has."""

    def _select(self, scores, batch_size, pool):
        SEEN["rule"] = numbers()
        return scores.argsort(descending=True)[:batch_size], scores


def watched(strategy, **params):
    SEEN.clear()
    strategy.query(X, Y, Watching(), batch_size=2, **params)
    return SEEN


def test_a_model_has_all_threads_and_a_strategy_one(all_of_them):
    assert watched(MarginSampling(selection=WatchingRule())) == {
        "fit": all_of_them,
        "predict_proba": all_of_them,
        "rule": (1, 1),
    }


@pytest.mark.parametrize("wrap", [SwitchStrategy, SelectionViaProxy])
def test_so_has_the_model_of_a_strategy_inside_another(wrap, all_of_them):
    inner = MarginSampling(selection=WatchingRule())
    other = MarginSampling() if wrap is SwitchStrategy else Watching()
    seen = watched(wrap(inner, other))
    assert seen["fit"] == seen["predict_proba"] == all_of_them
    assert seen["rule"] == (1, 1)


class WatchingStep(TransformerMixin, BaseEstimator):
    """A step of a Pipeline that writes down how many threads it has."""

    def fit(self, X, y=None):
        SEEN["fit of a step"] = numbers()
        return self

    def transform(self, X):
        SEEN["transform"] = numbers()
        return X


def test_so_have_the_steps_before_a_model_inside(all_of_them):
    proxy = make_pipeline(WatchingStep(), Watching())
    seen = watched(SelectionViaProxy(CoreSet(), proxy))
    assert seen == {"fit of a step": all_of_them, "transform": all_of_them}


def test_a_strategy_from_elsewhere_has_all_threads(all_of_them):
    class OwnScore(MarginSampling):
        def _score(self, pool):
            SEEN["own"] = numbers()
            return super()._score(pool)

    class OwnSelect(DeepQueryStrategy):
        def _select(self, pool, batch_size):
            SEEN["own"] = numbers()
            return torch.arange(batch_size), torch.zeros(len(pool))

    for strategy in (OwnScore(), OwnSelect()):
        assert watched(strategy)["own"] == all_of_them


def test_numpy_has_one_where_torch_has_one(all_of_them):
    torch.set_num_threads(1)
    seen = watched(MarginSampling(selection=WatchingRule()))
    torch.set_num_threads(N_THREADS)
    assert seen == {"fit": (1, 2), "predict_proba": (1, 2), "rule": (1, 1)}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["query", "parts"])
def test_an_interrupt_at_any_line_gives_the_threads_back(name, all_of_them):
    model = Watching().fit(X[:20], Y[:20])
    call = {
        "query": lambda: MarginSampling().query(X, Y, model, fit_clf=False),
        "parts": lambda: for_each_part(slices(9, 1), lambda: lambda part: None, CPU),
    }[name]
    n, before = 0, threading.enumerate()
    while interrupted_at(call, n := n + 1, "_threads"):
        assert numbers() == all_of_them
        assert threading.enumerate() == before
        with ThreadPoolExecutor(1) as later:
            assert later.submit(torch.get_num_threads).result() == N_THREADS
        assert watched(MarginSampling(selection=WatchingRule()))["rule"] == (1, 1)
    assert n > 40


def test_a_query_that_fails_gives_the_threads_back():
    class Fails(SelectionRule):
        def _select(self, scores, batch_size, pool):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watched(MarginSampling(selection=Fails()))


def test_nets_of_a_strategy_are_trained_and_asked_by_all_threads(
    monkeypatch, all_of_them
):
    layer, seen = torch.nn.Linear(1, 1), []
    with threads_over_parts(CPU):
        train([layer], lambda: seen.append(numbers()) or True, 5, name="fit")
        assert numbers() == (1, 1)
    forward = torch.nn.Linear.forward

    def watch(self, x):
        seen.append(numbers())
        return forward(self, x)

    monkeypatch.setattr(torch.nn.Linear, "forward", watch)
    VAAL(n_iterations=1).query(X, Y)
    assert len(seen) > 1
    assert set(seen) == {all_of_them}


def test_one_may_be_in_the_other(all_of_them):
    with threads_given_back():  # nothing to undo
        assert numbers() == all_of_them
    with threads_over_parts(CPU), threads_given_back(), threads_over_parts(CPU):
        assert numbers() == (1, 1)
        with threads_given_back():
            assert numbers() == all_of_them
        assert numbers() == (1, 1)


class Elsewhere:
    """Enters a block in a thread of its own, which stays there until it is let go."""

    def __init__(self, block, n_threads=N_THREADS):
        self.entered, self.let_go = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.stay, args=(block, n_threads))
        self.thread.start()
        self.entered.wait()

    def stay(self, block, n_threads):
        torch.set_num_threads(n_threads)
        with block:
            self.entered.set()
            self.let_go.wait()

    def leave(self):
        self.let_go.set()
        self.thread.join()


def test_whoever_is_last_gives_numpy_its_threads_back(all_of_them):
    other = Elsewhere(one_blas_thread())
    with one_blas_thread():
        other.leave()
        assert numbers()[1] == 1
    assert numbers() == all_of_them
    with one_blas_thread():
        other = Elsewhere(one_blas_thread())
    assert numbers()[1] == 1
    other.leave()
    assert numbers() == all_of_them


def test_and_leaves_the_number_of_torch_that_another_thread_has(all_of_them):
    other = Elsewhere(one_blas_thread(), n_threads=1)
    torch.set_num_threads(N_THREADS)
    with one_blas_thread():
        other.leave()
    assert numbers() == all_of_them


def test_jobs_and_queries_give_numpy_the_threads_that_there_were_before(
    monkeypatch, all_of_them
):
    other = Elsewhere(one_blas_thread())
    with one_thread():
        assert numbers() == (1, 1)
        other.leave()
        assert numbers() == (1, 1)
    assert numbers() == all_of_them
    other, lloyd = Elsewhere(one_blas_thread()), _k_means.lloyd

    def lloyd_alone(*args):
        other.leave()
        return lloyd(*args)

    monkeypatch.setattr(_k_means, "lloyd", lloyd_alone)
    torch.set_num_threads(1)
    TypiClust().query(X, Y)
    torch.set_num_threads(N_THREADS)
    assert numbers() == all_of_them


@pytest.mark.parametrize("n_threads", [1, N_THREADS])
def test_a_forked_process_has_all_threads(n_threads):
    def see():
        assert numbers()[1] == 2
        with threads_over_parts(CPU):
            assert numbers() == (1, 1)
        assert numbers() == (N_THREADS, 2)

    other = Elsewhere(threads_over_parts(CPU), n_threads)
    torch.set_num_threads(N_THREADS)
    code = Forked(see).wait()
    with threads_over_parts(CPU), threads_given_back():
        code_inside = Forked(see).wait()
    other.leave()
    assert (code, code_inside) == (0, 0)


@pytest.mark.slow
def test_queries_in_several_threads_leave_what_they_found():
    def work():
        torch.set_num_threads(N_THREADS)
        for _ in range(20):
            watched(MarginSampling(selection=WatchingRule()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("n_threads", [1, N_THREADS])
def test_a_search_of_scipy_and_torch_is_by_one_thread_each(n_threads, monkeypatch):
    seen, search = [], softmax_regression.minimize

    def watch(*args, **params):
        seen.append(numbers())
        return search(*args, **params)

    monkeypatch.setattr(softmax_regression, "minimize", watch)
    torch.set_num_threads(n_threads)
    BayesianLinearClassifier(classes=[0, 1, 2]).fit(X[:20], Y[:20])
    torch.set_num_threads(N_THREADS)
    assert set(seen) == {(1, 1)}


# What shares nothing of so many rows, and what trains nets of its own.
ALONE = {
    "AdversarialBIM",
    "AlfaMix",
    "AnchorAL",
    "DAL",
    "DFAL",
    "DropQuery",
    "JointSampling",
    "MAL",
    "MaxDet",
    "SelectionViaProxy",
    "VAAL",
}
TRAINS = {"DAAL", "DAL", "JointSampling", "MAL", "SRAAL", "TAVAAL", "VAAL"}


@pytest.mark.nightly
@pytest.mark.parametrize("name", STRATEGIES)
def test_results_do_not_hang_on_the_number_of_threads(name, monkeypatch):
    """Rows are so many that threads share them."""
    strategy, submit, n_shared = STRATEGIES[name], ThreadPoolExecutor.submit, 0
    rows = np.random.default_rng(0).normal(size=(20_000, 24)).astype(np.float32)
    y = np.where(np.arange(len(rows)) < 60, np.arange(len(rows)) % 3, -1)
    clf = BayesianLinearClassifier(random_state=0).fit(rows[:60], y[:60])
    rounds = [] if name == "AdaptiveStrategy" else None

    def count(*args, **params):
        nonlocal n_shared
        n_shared += 1
        return submit(*args, **params)

    def query(n_threads):
        torch.set_num_threads(n_threads)
        try:
            return strategy.set_params(random_state=0).query(
                rows,
                y,
                clf,
                fit_clf=False,
                batch_size=5,
                return_utilities=True,
                rounds=rounds,
            )
        except CapabilityError:
            pytest.skip("it needs another classifier")
        finally:
            torch.set_num_threads(N_THREADS)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", count)
    alone = query(1)
    assert not n_shared
    together = query(N_THREADS)
    assert bool(n_shared) == (name not in ALONE)
    np.testing.assert_array_equal(alone[0], together[0])
    # torch's own threads round otherwise, also logits of about 0
    tolerance = 1e-6 if name in TRAINS else 0
    np.testing.assert_allclose(alone[1], together[1], tolerance, tolerance)
