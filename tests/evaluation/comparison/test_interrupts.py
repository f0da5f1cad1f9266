"""Ctrl-C in the middle of a study: nothing half-trained is kept."""

import signal

import numpy as np
import pytest
from interrupts import Interrupted, interrupted, press_ctrl_c, raise_in_place
from sklearn.datasets import make_blobs
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from support import make_net

from skal_deep.classifier import DeepClassifier
from skal_deep.evaluation import (
    SimulatedActiveLearner,
    compare_strategies,
    does_al_help,
)
from skal_deep.evaluation.simulation._interrupts import interrupts_leave
from skal_deep.pool import LeastConfidence, MarginSampling

X, Y = make_blobs(90, centers=3, cluster_std=4.0, random_state=0)
X = X.astype(np.float32)
HOWS = [press_ctrl_c, raise_in_place]


def classifier():
    return DeepClassifier(make_net(Interrupted, max_epochs=3, module__n_hidden=16))


def compare(run_dir, estimator=None):
    return compare_strategies(
        {"margin": MarginSampling(), "least": LeastConfidence()},
        estimator or classifier(),
        X,
        Y,
        n_initial=6,
        batch_size=3,
        n_cycles=2,
        n_repeats=2,
        random_state=0,
        run_dir=run_dir,
        progress=False,
    )


def scores(comparison):
    return [
        {
            key: value
            for key, value in row.items()
            if key != "peak_megabytes" and "second" not in key
        }
        for row in comparison.curves
    ]


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
def test_a_comparison_is_left_and_goes_on(tmp_path, how):
    with interrupted(0):
        whole = compare(tmp_path / "whole")
    for at in np.linspace(2, Interrupted.n_batches, 3, dtype=int):
        left = tmp_path / str(at)
        with interrupted(at, how), pytest.raises(KeyboardInterrupt):
            compare(left)
        assert Interrupted.n_batches == at
        assert scores(compare(left)) == scores(whole)


@pytest.mark.parametrize("how", HOWS)
def test_nothing_is_kept_of_a_half_trained_net_inside_an_estimator(tmp_path, how):
    sizes = {"module__n_features": 2, "module__n_classes": 3}
    net = make_net(Interrupted, max_epochs=3, module__n_hidden=16, **sizes)
    with interrupted(9, how), pytest.raises(KeyboardInterrupt):
        compare(tmp_path, VotingClassifier([("net", net)], voting="soft"))
    assert Interrupted.n_batches == 9
    files = [file.read_text() for file in tmp_path.rglob("*.jsonl")]
    assert sum(text.count("\n") for text in files) == 2  # three epochs a training


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
def test_a_question_is_left(how):
    with interrupted(20, how), pytest.raises(KeyboardInterrupt):
        does_al_help(
            classifier(),
            X,
            Y,
            strategies=[MarginSampling()],
            n_repeats=2,
            n_initial=6,
            batch_size=3,
            n_cycles=1,
            progress=False,
        )
    assert Interrupted.n_batches == 20


@pytest.mark.parametrize("retrain", ["scratch", "warm", "shrink_perturb"])
@pytest.mark.parametrize("how", HOWS)
def test_a_simulation_is_left(how, retrain):
    learner = SimulatedActiveLearner(
        classifier(),
        MarginSampling(),
        n_initial=6,
        batch_size=3,
        n_cycles=2,
        retrain=retrain,
        random_state=0,
    )
    with interrupted(5, how), pytest.raises(KeyboardInterrupt):
        learner.fit(X, Y)
    with pytest.raises(NotFittedError):
        learner.predict(X)
    learner.fit(X, Y)
    expected = learner.predict(X)
    with interrupted(5, how), pytest.raises(KeyboardInterrupt):
        learner.fit(X, Y)
    np.testing.assert_array_equal(learner.predict(X), expected)


def test_the_handler_of_before_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="inside"), interrupts_leave():
        assert signal.getsignal(signal.SIGINT) is not before
        raise ValueError("inside")
    assert signal.getsignal(signal.SIGINT) is before
