"""Ctrl-C leaves whatever trains a net; a callback that ends the training does not."""

import gc
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
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
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from skorch import NeuralNet, NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import TrainEndCheckpoint
from support import MAKERS, make_net
from torch import nn

from skal_deep.classifier import (
    DeepEnsembleClassifier,
    LaplaceRegressor,
    fit_on_labeled,
)
from skal_deep.classifier.net import _dropout_draws, _interrupts
from skal_deep.classifier.net._interrupts import (
    leaves_on_interrupt,
    restore_unless_done,
)
from skal_deep.evaluation.simulation._cycle import fit_clone
from skal_deep.modules import MLP
from skal_deep.pool import BALD, VAAL, MarginSampling

SIZES = {"module__n_features": 2, "module__n_classes": 3, "module__n_hidden": 16}
HOWS = [press_ctrl_c, raise_in_place]
SKORCHS = NeuralNet.partial_fit


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


class OwnRegressor(NeuralNetRegressor):
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


AROUND = ["bagging", "piped", "voting", "stacking", "calibrated", "grid"]
AROUND += ["one vs rest", "self training", "wrapped"]


class Flat(Interrupted):
    def forward(self, x):
        return super().forward(x)[:, 0]


def members(model):
    return [("first", model), ("second", model)]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("net", [bare(), own_loop()], ids=["bare", "own loop"])
@pytest.mark.parametrize(
    "around",
    [
        BaggingClassifier,
        lambda net: BaggingClassifier(make_pipeline(StandardScaler(), net)),
        lambda net: VotingClassifier(members(net)),
        lambda net: StackingClassifier(members(net), cv=2),
        lambda net: CalibratedClassifierCV(net, cv=2),
        lambda net: GridSearchCV(net, {"lr": [0.1, 0.2]}, cv=2),
        OneVsRestClassifier,
        SelfTrainingClassifier,
        lambda net: SklearnClassifier(
            VotingClassifier(members(net)), classes=[0, 1, 2], missing_label=-1
        ),
    ],
    ids=AROUND,
)
def test_ctrl_c_leaves_nets_inside_estimators_of_others(around, net, partly, how):
    """At once: no other member is trained."""
    X, y = partly
    with interrupted(3, how), pytest.raises(KeyboardInterrupt):
        fit_clone(around(net), None, X, y, -1)
    assert Interrupted.n_batches == 3
    assert NeuralNet.partial_fit is SKORCHS


@pytest.mark.parametrize("how", HOWS)
def test_ctrl_c_leaves_regressors_inside_estimators_of_others(partly, how):
    X, _ = partly
    y = np.where(np.arange(60) < 12, X[:, 0], np.nan).astype(float)
    reg = NeuralNetRegressor(
        Flat, **(SIZES | {"module__n_classes": 1}), train_split=None, verbose=0
    )
    with interrupted(3, how), pytest.raises(KeyboardInterrupt):
        fit_on_labeled(BaggingRegressor(reg), X, y, np.nan)
    assert Interrupted.n_batches == 3


def test_callbacks_end_the_training_of_nets_inside_estimators_of_others(partly):
    fitted = fit_on_labeled(
        VotingClassifier(members(bare(callbacks=[Stops(2)]))), *partly
    )
    assert [len(member.history) for member in fitted.estimators_] == [2, 2]


@pytest.mark.parametrize("how", HOWS)
def test_ctrl_c_leaves_regressors_whose_net_has_a_loop_of_its_own(how, partly):
    X, _ = partly
    reg = LaplaceRegressor(
        OwnRegressor(
            Interrupted,
            **(SIZES | {"module__n_classes": 1}),
            train_split=None,
            verbose=0,
        )
    )
    with interrupted(2, how), pytest.raises(KeyboardInterrupt):
        reg.fit(X, X[:, 0])


def test_an_interrupt_in_a_thread_of_a_member_is_told_at_the_end(partly):
    """The pool of threads survives it; the half-trained member is not kept."""
    X, y = partly
    with interrupted(3, raise_in_place), pytest.raises(KeyboardInterrupt):
        fit_on_labeled(TrainsInThreads(bare()), X, y)


BYSTANDERS = np.eye(2, dtype=np.float32), np.arange(2)


def test_nets_of_bystanders_are_trained_as_ever(partly):
    """skorch takes an interrupt that code raises for the wish to stop early."""
    X, y = partly
    begins, goes_on, kept = threading.Event(), threading.Event(), []

    def train():
        begins.wait()
        kept.append(bare().fit(*BYSTANDERS))
        goes_on.set()

    class Waits(Swallows):
        def fit(self, X, y):
            begins.set()
            goes_on.wait(10)
            self.classes_ = np.unique(y)
            return self

    bystander = threading.Thread(target=train)
    bystander.start()
    with interrupted(3, raise_in_place):
        fit_on_labeled(Waits(), X, y)
        assert Interrupted.at == 0
    bystander.join()
    assert len(kept) == 1
    assert NeuralNet.partial_fit is SKORCHS


def test_a_method_that_code_inside_gives_skorch_stays(monkeypatch):
    monkeypatch.setattr(NeuralNet, "partial_fit", SKORCHS)  # put back at the end

    def own(net, X, y=None, **params):
        return net

    def inside():
        assert NeuralNet.partial_fit is not SKORCHS
        leaves_on_interrupt(lambda: None)()
        assert NeuralNet.partial_fit is not SKORCHS  # the outer one still watches
        assert NeuralNet.partial_fit.__name__ == "partial_fit"
        NeuralNet.partial_fit = own

    leaves_on_interrupt(inside)()
    assert NeuralNet.partial_fit is own


class TrainsInThreads(ClassifierMixin, BaseEstimator):
    """Trains its members in threads of its own."""

    def __init__(self, net):
        self.net = net

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        with ThreadPoolExecutor(1) as threads:
            self.net_ = threads.submit(clone(self.net).fit, X, y).result()
        return self


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
@pytest.mark.parametrize("is_by_hand", [True, False])
def test_ctrl_c_leaves_vaals_own_training(partly, monkeypatch, how, is_by_hand):
    steps = []

    def interrupt(*_, **__):
        steps.append(1)
        if len(steps) == 3:
            how()
        return original(*_, **__)

    from skal_deep.modules import _vaal, _vaal_slopes

    place, name = _vaal_slopes, "negative_elbo_slopes"
    if not is_by_hand:
        monkeypatch.setattr(_vaal, "vaal_slopes", lambda *_: None)
        place, name = _vaal, "negative_elbo"
    original = getattr(place, name)
    monkeypatch.setattr(place, name, interrupt)
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


def test_a_fit_that_was_done_stays_when_its_block_ends_late():
    """Ctrl-C after its last line leaves the end of the block to the collector."""

    class Fitted:
        """Has attributes."""

    estimator = Fitted()
    block = restore_unless_done(estimator)
    block.__enter__()
    estimator.value_ = 1
    block.gen.close()
    assert estimator.value_ == 1


class Residual(MLP):
    """Has draws that share all before the first dropout, by a trace."""

    def forward(self, x):
        return super().forward(x) + x.sum(1, keepdim=True)


@pytest.mark.slow
@pytest.mark.parametrize("module", [MLP, Residual])
def test_gradients_are_on_after_an_interrupt_between_two_draws(
    partly, monkeypatch, module
):
    """The traceback holds what makes the draws, and is collected late."""
    X, y = partly
    clf = MAKERS["dropout"](make_net(module, max_epochs=1), classes=[0, 1, 2]).fit(X, y)
    first_output, seen, at = _dropout_draws.first_output, [], 0

    def interrupted_output(output):
        seen.append(1)
        if len(seen) == at:
            raise_in_place()
        return first_output(output)

    def query():
        seen.clear()
        return BALD(n_samples=5, random_state=0).query(X, y, clf, fit_clf=False)

    monkeypatch.setattr(_dropout_draws, "first_output", interrupted_output)
    query()
    assert len(seen) > 4
    for at in range(1, len(seen) + 1):  # noqa: B007 - read where it is raised
        with pytest.raises(KeyboardInterrupt) as caught, torch.no_grad():
            query()
        assert torch.is_grad_enabled()
        del caught
        gc.collect()
        assert torch.is_grad_enabled()
