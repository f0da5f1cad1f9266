"""Ctrl-C leaves whatever trains a net; a callback that ends the training does not."""

import signal
import threading

import numpy as np
import pytest
from interrupts import (
    Interrupted,
    Presses,
    Stops,
    interrupted,
    press_ctrl_c,
    raise_in_place,
)
from skactiveml.classifier import SklearnClassifier, SkorchClassifier
from skactiveml.regressor import SkorchRegressor
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import BaggingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import TrainEndCheckpoint
from support import MAKERS, make_net
from torch import nn

from skal_deep.classifier import DeepEnsembleClassifier, fit_on_labeled
from skal_deep.classifier.net import _interrupts
from skal_deep.classifier.net._interrupts import leaves_on_interrupt
from skal_deep.pool import VAAL, MarginSampling

SIZES = {"module__n_features": 2, "module__n_classes": 3, "module__n_hidden": 16}
HOWS = [press_ctrl_c, raise_in_place]


def net(**params):
    params = {"max_epochs": 6, "module__n_hidden": 16} | params
    return make_net(Interrupted, **params)


def bare(**params):
    return net(**(SIZES | params))


@pytest.fixture(autouse=True)
def same_handler():
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("at", [1, 3])
def test_ctrl_c_leaves_fit(make, partly, how, at):
    clf = make(net())
    with interrupted(at, how), pytest.raises(KeyboardInterrupt):
        clf.fit(*partly)
    assert Interrupted.n_batches == at  # at once
    assert set(vars(clf)) == set(clf.get_params(deep=False))


@pytest.mark.parametrize("how", HOWS)
def test_ctrl_c_in_a_later_fit_leaves_the_earlier_one(make, blobs, how):
    X, y = blobs
    clf = make(net()).fit(X[y < 2], y[y < 2])
    before, expected = dict(vars(clf)), clf.predict_proba(X)
    for fit in (clf.fit, lambda X, y: clf.fit_from(clf, X, y)):
        with interrupted(5, how), pytest.raises(KeyboardInterrupt):
            fit(X, y)
        assert vars(clf) == before
        np.testing.assert_array_equal(clf.predict_proba(X), expected)


@pytest.mark.slow
@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("shared_epochs", [0, 2])
@pytest.mark.parametrize("batched", [False, True])
def test_ctrl_c_leaves_every_training_of_an_ensemble(
    partly, how, shared_epochs, batched
):
    clf = DeepEnsembleClassifier(
        net(module__dropout=0.0),
        3,
        shared_epochs=shared_epochs,
        batched=batched,
        classes=[0, 1, 2],
        random_state=0,
    )
    with interrupted(0):
        clf.fit(*partly)
    for at in range(1, Interrupted.n_batches + 1, 2):
        with interrupted(at, how), pytest.raises(KeyboardInterrupt):
            clf.fit(*partly)


def test_ctrl_c_while_a_callback_runs_is_no_end_of_training(make, partly):
    with pytest.raises(KeyboardInterrupt):
        make(net(callbacks=[Presses()])).fit(*partly)


def test_a_callback_ends_the_training(make, partly):
    if make.kind == "snapshots":
        pytest.skip("needs its cycles")
    clf = make(net(callbacks=[Stops(2)]))
    clf.fit(*partly, np.arange(60.0) + 1)
    assert {len(fitted.history) for fitted in clf.nets_} == {2}
    assert fit_on_labeled(bare(callbacks=[Stops(3)]), *partly).history[-1]["epoch"] == 3


def test_nothing_is_written_at_the_end_of_a_training_that_did_not_end(partly, tmp_path):
    checkpoint = TrainEndCheckpoint(dirname=str(tmp_path / "made"))
    for how in HOWS:
        with interrupted(4, how), pytest.raises(KeyboardInterrupt):
            MAKERS["deep"](net(callbacks=[checkpoint]), classes=[0, 1, 2]).fit(*partly)
        assert not list((tmp_path / "made").glob("*"))


class OwnLoop(NeuralNetClassifier):
    def partial_fit(self, X, y=None, **params):
        return super().partial_fit(X, y, **params)


def own_loop():
    return OwnLoop(
        Interrupted,
        criterion=nn.CrossEntropyLoss,
        **SIZES,
        max_epochs=5,
        train_split=None,
        verbose=0,
    )


def wrapped():
    return SkorchClassifier(
        Interrupted,
        neural_net_param_dict={**SIZES, "train_split": None, "verbose": 0},
        classes=[0, 1, 2],
        missing_label=-1,
    )


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(
    "model",
    [
        bare(),
        own_loop(),
        wrapped(),
        make_pipeline(StandardScaler(), bare()),
        make_pipeline(StandardScaler(), wrapped()),
        SklearnClassifier(MAKERS["deep"](net()), classes=[0, 1, 2], missing_label=-1),
    ],
    ids=["bare", "own loop", "wrapped", "piped", "wrapped in a pipe", "ours in theirs"],
)
def test_ctrl_c_leaves_a_query(model, partly, how):
    X, y = partly
    strategy = MarginSampling(random_state=0)
    with interrupted(3, how), pytest.raises(KeyboardInterrupt):
        strategy.query(X, y, model)
    assert Interrupted.n_batches == 3
    assert len(strategy.query(X, y, model)) == 1


@pytest.mark.parametrize("how", HOWS)
def test_ctrl_c_leaves_the_training_of_regressors(partly, how):
    X, _ = partly
    y = np.where(np.arange(60) < 12, X[:, 0], np.nan).astype(float)
    sizes = SIZES | {"module__n_classes": 1}
    settings = {"train_split": None, "verbose": 0}
    for reg in (
        NeuralNetRegressor(Interrupted, **sizes, **settings),
        SkorchRegressor(Interrupted, neural_net_param_dict=sizes | settings),
    ):
        with interrupted(3, how), pytest.raises(KeyboardInterrupt):
            fit_on_labeled(reg, X, y, np.nan)


def test_ctrl_c_leaves_nets_inside_estimators_of_others(partly):
    """At once: the second member of the bagging is not trained."""
    X, y = partly
    with interrupted(3), pytest.raises(KeyboardInterrupt):
        fit_on_labeled(BaggingClassifier(bare()), X, y)
    assert Interrupted.n_batches == 3


class Swallows(ClassifierMixin, BaseEstimator):
    """Catches whatever comes."""

    def fit(self, X, y):
        try:
            press_ctrl_c()
        except BaseException:
            self.classes_ = np.unique(y)
        return self


def test_ctrl_c_leaves_what_swallows_it(partly):
    with pytest.raises(KeyboardInterrupt):
        fit_on_labeled(Swallows(), *partly)


def test_scikit_learns_nets_are_left(partly, monkeypatch):
    """They, too, take an interrupt for the end of the training."""
    monkeypatch.setattr(
        MLPClassifier, "_update_no_improvement_count", lambda *_: press_ctrl_c()
    )
    with pytest.raises(KeyboardInterrupt):
        fit_on_labeled(MLPClassifier(random_state=0), *partly)


@pytest.mark.parametrize("how", HOWS)
def test_ctrl_c_leaves_vaals_own_training(partly, monkeypatch, how):
    steps = []

    def interrupt(*_, **__):
        steps.append(1)
        if len(steps) == 3:
            how()
        return original(*_, **__)

    from skal_deep.modules import _vaal

    original = _vaal.negative_elbo
    monkeypatch.setattr(_vaal, "negative_elbo", interrupt)
    with pytest.raises(KeyboardInterrupt):
        VAAL(random_state=0, n_iterations=5).query(*partly)
    assert len(steps) == 3


def test_the_users_own_handler_is_asked():
    """It may, for example, only note that an interrupt came."""
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    try:
        assert leaves_on_interrupt(lambda: press_ctrl_c() or 3)() == 3
        assert seen == [1]
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_exceptions_pass():
    with pytest.raises(ZeroDivisionError):
        leaves_on_interrupt(lambda: 1 / 0)()


def test_in_another_thread_interrupts_leave_too(partly):
    caught = []

    def run():
        try:
            MAKERS["deep"](net(), classes=[0, 1, 2]).fit(*partly)
        except KeyboardInterrupt:
            caught.append(Interrupted.n_batches)

    with interrupted(3, raise_in_place):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert caught == [3]


def test_a_handler_that_is_set_inside_stays():
    before = signal.getsignal(signal.SIGINT)

    def own(number, frame):
        pass

    try:
        leaves_on_interrupt(lambda: signal.signal(signal.SIGINT, own))()
        assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)
    leaves_on_interrupt(lambda: None)()
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_while_the_handler_is_put_back(monkeypatch):
    before, n_looks = signal.getsignal(signal.SIGINT), []

    class Signals:
        SIGINT, signal = signal.SIGINT, staticmethod(signal.signal)

        @staticmethod
        def getsignal(number):
            n_looks.append(number)
            if len(n_looks) == 2:  # the first look after the function has returned
                press_ctrl_c()
            return signal.getsignal(number)

    monkeypatch.setattr(_interrupts, "signal", Signals)
    with pytest.raises(KeyboardInterrupt):
        leaves_on_interrupt(lambda: None)()
    assert signal.getsignal(signal.SIGINT) is before
