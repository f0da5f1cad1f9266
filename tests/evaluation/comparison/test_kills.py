"""Killed and interrupted anywhere, a run goes on as if nothing had been."""

import os
import signal
import threading
import time
from functools import partial
from itertools import cycle

import kills
import numpy as np
import pytest
import torch
from forked import Forked, of_group
from skactiveml.pool import UncertaintySampling
from sklearn.neural_network import MLPClassifier
from torch import nn

from skal_deep.evaluation import SimulatedActiveLearner, compare_strategies
from skal_deep.evaluation.comparison._run_directory import RunDirectory

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    # an interrupt may come inside a destructor, from where nothing can be raised
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    """What undisturbed runs store, and how long they take."""
    made = {}
    for name, play in kills.PLAYS.items():
        # The first time compiles: an interrupt within its time would mostly come late.
        for _ in range(2):
            folder, started = tmp_path_factory.mktemp(name), time.perf_counter()
            play(folder)
        made[name] = kills.stored(folder), time.perf_counter() - started
    return made


def kill(tmp_path, wholes, name, n_jobs, n_kills, rng, signals):
    """Start, kill, look at what is left, start again; every few times to the end."""
    whole, seconds = wholes[name]
    signals, n_folders, done = cycle(signals), 0, 0
    while done < n_kills:
        folder = tmp_path / f"{name}-{n_jobs}-{n_folders}"
        folder.mkdir()
        n_folders += 1
        while done < n_kills and kills.stored(folder) != whole:
            number, is_group = next(signals)
            child = Forked(partial(kills.PLAYS[name], folder, n_jobs))
            # workers have to import before they begin
            time.sleep(rng.uniform(0, seconds + (10 if n_jobs > 1 else 0)))
            code = child.end(number, is_group)
            ends = {signal.SIGINT: 130}.get(number, -number)
            assert code in (ends, 0), (number, code)
            assert not child.left()
            kills.check(folder, whole)
            done += 1
        kills.PLAYS[name](folder)
        assert kills.stored(folder) == whole


def signals(*names, is_group=False):
    return [(getattr(signal, name), is_group) for name in names]


@pytest.mark.slow
def test_a_few_kills(tmp_path, wholes):
    rng = np.random.default_rng(0)
    some = signals("SIGTERM", "SIGINT")
    kill(tmp_path, wholes, "api", 1, 2, rng, some)
    kill(tmp_path, wholes, "command", 1, 1, rng, signals("SIGINT"))


@pytest.mark.nightly
@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks at processes by /proc")
def test_workers_end_with_the_process_that_waits_for_them(tmp_path, wholes):
    whole, _ = wholes["api"]
    child = Forked(partial(kills.api, tmp_path, 2))
    end = time.monotonic() + 120
    while not kills.stored(tmp_path) and time.monotonic() < end:
        time.sleep(0.05)
    assert len(of_group(child.pid)) >= 3
    assert child.end() == -signal.SIGKILL
    assert not child.left()
    kills.check(tmp_path, whole)
    kills.api(tmp_path)
    assert kills.stored(tmp_path) == whole


def is_usable():
    """Raise unless torch does what it does, and signals are as they were."""
    with torch.random.fork_rng(devices=[]):
        net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Dropout())
    holder = nn.Module()
    holder.part = net
    graph = torch.fx.symbolic_trace(holder.part)
    x = torch.ones(3, 2)
    torch.testing.assert_close(graph.eval()(x), holder.part.eval()(x))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert nn.Module.__call__.__qualname__ == "Module._wrapped_call_impl"
    assert torch.get_num_threads() == 1


def interrupt(tmp_path, whole, seconds, n_interrupts, rng):
    """Interrupt a comparison in this process, again and again."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    alarm = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    state, generator = np.random.get_state()[1], torch.get_rng_state()
    n_done, n_folders = 0, 0
    try:
        while n_done < n_interrupts:
            folder = tmp_path / f"inside-{n_folders}"
            n_folders += 1
            while n_done < n_interrupts and kills.stored(folder) != whole:
                try:
                    signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.001, seconds))
                    kills.api(folder)
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except KeyboardInterrupt:
                    n_done += 1
                is_usable()
                kills.check(folder, whole)
            kills.api(folder)
            assert kills.stored(folder) == whole
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        signal.signal(signal.SIGINT, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert torch.equal(torch.get_rng_state(), generator)


needs_main = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(),
    reason="signals come to the main thread",
)


@pytest.mark.slow
@needs_main
def test_a_few_interrupts(tmp_path, wholes):
    interrupt(tmp_path, *wholes["api"], 3, np.random.default_rng(0))


@pytest.mark.nightly
@needs_main
def test_a_hundred_interrupts(tmp_path, wholes):
    interrupt(tmp_path, *wholes["api"], 100, np.random.default_rng(1))


@pytest.mark.nightly
@pytest.mark.parametrize("name", kills.PLAYS)
@pytest.mark.parametrize(("n_jobs", "n_kills"), [(1, 40), (2, 12)])
def test_a_hundred_kills(tmp_path, wholes, name, n_jobs, n_kills):
    some = signals("SIGKILL", "SIGTERM", "SIGINT")
    some += signals("SIGINT", "SIGKILL", is_group=True)
    kill(tmp_path, wholes, name, n_jobs, n_kills, np.random.default_rng(2), some)


class TestSwallowed:
    """scikit-learn's nets take an interrupt for the wish to stop early."""

    @pytest.fixture(autouse=True)
    def own_handler(self):
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    @staticmethod
    def net():
        class Interrupted(MLPClassifier):
            """Is interrupted in its second fit, as by Ctrl-C."""

            n_fits = 0

            def _update_no_improvement_count(self, *args):
                if self.n_iter_ == 1:
                    Interrupted.n_fits += 1
                    if Interrupted.n_fits == 2:
                        signal.raise_signal(signal.SIGINT)
                super()._update_no_improvement_count(*args)

        return Interrupted((4,), max_iter=400, tol=1e-2)

    @pytest.mark.slow
    @needs_main
    @pytest.mark.filterwarnings("ignore:Training interrupted")
    def test_nothing_half_trained_is_stored(self, tmp_path):
        def go(**params):
            return compare_strategies(
                {},
                net,
                kills.X,
                kills.y,
                n_repeats=1,
                n_cycles=3,
                progress=False,
                random_state=0,
                **params,
            )

        net = self.net()
        with pytest.raises(KeyboardInterrupt):
            go(run_dir=tmp_path)
        assert len(RunDirectory(tmp_path).rows("random", 0)) == 1
        again = go(run_dir=tmp_path).curve("random")
        np.testing.assert_array_equal(again, go().curve("random"))

    @needs_main
    @pytest.mark.filterwarnings("ignore:Training interrupted")
    def test_the_simulator_is_left_as_it_was(self):
        learner = SimulatedActiveLearner(self.net(), n_cycles=2, random_state=0)
        with pytest.raises(KeyboardInterrupt):
            learner.fit(kills.X, kills.y)
        assert not hasattr(learner, "estimator_")
        assert not hasattr(learner, "classes_")


@pytest.mark.slow
def test_nothing_is_left_of_a_run_that_was_interrupted_at_once(tmp_path):
    class Interrupted(UncertaintySampling):
        def query(self, *args, **kwargs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_strategies(
            {"i": Interrupted()},
            MLPClassifier((4,), max_iter=400, tol=1e-1),
            kills.X,
            kills.y,
            n_repeats=1,
            run_dir=tmp_path / "run",
            progress=False,
        )
    assert not (tmp_path / "run/i/1.jsonl").exists()
