"""Every classifier keeps its promises, and the checks find those who do not."""

import itertools
import sys
import threading
import time
import types

import numpy as np
import pytest
import torch
from support import JOINT_MAKERS, MAKERS, POSTERIOR_MAKERS, make_net
from zoo import ZOO, Maker

from skal_deep.classifier import CapabilityError, DeepClassifier, MCDropoutClassifier
from skal_deep.evaluation import check_classifier
from skal_deep.modules import MLP
from skal_deep.testing import _classifier_conformance as conformance
from skal_deep.testing._classifier_case import small_vectors
from skal_deep.testing._strategy_case import small_classifier, small_data

ALL_MAKERS = MAKERS | JOINT_MAKERS | POSTERIOR_MAKERS


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL_MAKERS)
def test_our_classifiers_keep_their_promises(kind):
    # A process of its own takes longer than all other checks of a kind. All of them are
    # loaded in one by test_unpickle_in_a_fresh_process.
    skip = () if kind == "dropout" else ("fresh_process",)
    if kind == "views":  # heads on hidden layers see nothing of what a hook makes of it
        skip += ("hooks_of_the_caller",)
    check_classifier(ALL_MAKERS[kind](make_net(max_epochs=6)), skip=skip)


@pytest.mark.slow
def test_images():
    X, y = small_data(True)
    net = small_classifier(True).net
    check_classifier(
        MCDropoutClassifier(net, n_samples=8),
        X,
        y,
        skip=["feature_names", "fresh_process"],
    )


# Left out are modules that predict at random or return tuples, which no net can train.
ANIMALS = [
    *("a kept tensor changed in place", "a draw added to a kept tensor"),
    *("a draw added to a kept tensor of two names", "an unread change in place"),
    *("an input changed in place", "an input changed in place late"),
    *("a constant changed in place", "ReLU in place", "ReLU in place on the input"),
    *("experts", "early exit", "a layer used twice", "a loop", "flow by values"),
    *("slices of Sequential", "batch norm"),
    *("batch norm after dropout", "alpha dropout", "drop connect"),
    *("multi-head attention", "a transformer", "attention as BERT's, sdpa"),
    *("attention as BERT's, a layer", "attention and layers", "weight norm"),
    *("spectral norm", "one recurrent layer", "dropout in place"),
    *("a layer that never runs", "no dropout", "F.dropout", "recurrent layers"),
    *("a dropout class of one's own", "dropout in a subclass of batch norm"),
]
# torch pickles no parametrisation, and nobody a lambda.
NOT_PICKLED = ["weight norm", "spectral norm", "F.dropout"]
# A few that differ most, each with another classifier, for every run of the tests.
SELECTED = [
    ("an input changed in place", "swag"),
    ("experts", "heads"),
    ("weight norm", "laplace"),
    ("batch norm", "evidential"),
    ("attention as BERT's, sdpa", "dropout"),
    ("F.dropout", "ensemble"),
    ("recurrent layers", "snapshots"),
]


def check_animal(name, kind):
    """Check a classifier over a module of the zoo, or that it is refused rightly."""
    animal = ZOO[name]
    X, y = small_vectors()
    clf = MAKERS[kind](make_net(Maker(name), max_epochs=6), random_state=0)
    refusal = animal.cause if animal.expected == "refused" else None
    if kind == "dropout" and refusal:
        with pytest.raises(CapabilityError, match=refusal):
            clf.fit(X, y)
        return
    skip = ["fresh_process", *(["copies"] if name in NOT_PICKLED else [])]
    check_classifier(clf, X, y, skip=skip)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), SELECTED)
def test_awkward_modules(name, kind):
    check_animal(name, kind)


@pytest.mark.nightly
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("name", ANIMALS)
def test_every_classifier_with_every_awkward_module(name, kind):
    if (name, kind) not in SELECTED:
        check_animal(name, kind)


def small(**params):
    return make_net(max_epochs=6, **params)


class RawLogits(DeepClassifier):
    def predict_proba(self, X):
        return 2 * super().predict_proba(X) - 0.5


class HalfPrecision(DeepClassifier):
    def predict_proba(self, X):
        return super().predict_proba(X).astype(np.float16)


class OtherPrediction(DeepClassifier):
    def predict(self, X):
        return np.roll(self.classes_, 1)[super().predict_proba(X).argmax(1)]


class LooksAround(DeepClassifier):
    def predict_proba(self, X):
        proba = super().predict_proba(X)
        mixed = proba + 0.01 * np.mean(proba, 0)
        return mixed / mixed.sum(1, keepdims=True)


class MovesAGenerator(DeepClassifier):
    def predict_proba(self, X):
        torch.rand(1)
        return super().predict_proba(X)


class GlobalSeed(MCDropoutClassifier):
    def fit(self, X, y, sample_weight=None):
        seed = int(np.random.get_state()[1][0] % 1000)
        chosen, self.random_state = self.random_state, seed
        try:
            return super().fit(X, y, sample_weight)
        finally:
            self.random_state = chosen


COUNTER = itertools.count()


class UnseededDraws(MCDropoutClassifier):
    def _draw(self, X, n_samples, seed):
        return super()._draw(X, n_samples, next(COUNTER))


class UncoupledDraws(MCDropoutClassifier):
    def _draw(self, X, n_samples, seed):
        parts = [
            super(UncoupledDraws, self)._draw(X[at : at + 16], n_samples, seed + at)
            for at in range(0, len(X), 16)
        ]
        return torch.cat(parts, 1)


class SortedColumns(DeepClassifier):
    """Columns in the order in which classes come, not in that of classes_."""

    def predict_proba(self, X):
        proba = super().predict_proba(X)
        return proba[:, ::-1] if isinstance(self.classes_[0], str) else proba


class ForgetsColumns(DeepClassifier):
    def predict_proba(self, X):
        proba = super().predict_proba(X)[:, :3]
        return proba / proba.sum(1, keepdims=True)


class NeedsLabels(DeepClassifier):
    def fit(self, X, y, sample_weight=None):
        if (np.asarray(y) == -1).all():
            raise ValueError("no labels")
        return super().fit(X, y, sample_weight)


class AnswersUnfitted(DeepClassifier):
    def predict_proba(self, X):
        if not hasattr(self, "classes_"):
            return np.full((len(X), 3), 1 / 3)
        return super().predict_proba(X)


class ChangesItsParameters(DeepClassifier):
    def fit(self, X, y, sample_weight=None):
        self.missing_label = float(self.missing_label)
        return super().fit(X, y, sample_weight)


class ChangesData(DeepClassifier):
    def fit(self, X, y, sample_weight=None):
        X += 1
        try:
            return super().fit(X, y, sample_weight)
        finally:
            X -= 0.5


class LeavesTrainMode(DeepClassifier):
    def predict_proba(self, X):
        was_training = self.nets_[0].module_.training
        proba = super().predict_proba(X)
        self.nets_[0].module_.train(not was_training)
        return proba


class LeavesHooks(DeepClassifier):
    def predict_proba(self, X):
        self.nets_[0].module_.register_forward_hook(lambda *args: None)
        return super().predict_proba(X)


class IgnoresHooks(DeepClassifier):
    def predict_proba(self, X):
        module = self.nets_[0].module_
        with torch.inference_mode():
            return module.eval().forward(torch.as_tensor(X)).softmax(-1).numpy()


class DoesNotPickle(DeepClassifier):
    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        self.function_ = lambda: None
        return self


class OnlyHere(DeepClassifier):
    """Its class is not where its module says."""


class SwallowsInterrupts(DeepClassifier):
    def fit(self, X, y, sample_weight=None):
        try:
            return super().fit(X, y, sample_weight)
        except KeyboardInterrupt:
            return self


class HalfFitted(DeepClassifier):
    def fit(self, X, y, sample_weight=None):
        self.__dict__.pop("nets_", None)
        return super().fit(X, y, sample_weight)


class SharedRows(DeepClassifier):
    """Keeps the rows that it is asked for, where another thread finds them."""

    def predict_proba(self, X):
        self.rows_ = X if threading.current_thread() is threading.main_thread() else -X
        time.sleep(0.01)
        return super().predict_proba(self.rows_)


class TakesAnyWeights(DeepClassifier):
    def fit(self, X, y, sample_weight=None):
        return super().fit(X, y)


class ReadsByPosition(DeepClassifier):
    def fit(self, X, y, sample_weight=None):
        super().fit(np.asarray(X), y, sample_weight)
        if hasattr(X, "columns"):
            self.feature_names_in_ = np.asarray(X.columns, object)
        return self

    def predict_proba(self, X):
        names, self.__dict__["feature_names_in_"] = (
            self.__dict__.get("feature_names_in_"),
            None,
        )
        del self.feature_names_in_
        try:
            return super().predict_proba(np.asarray(X))
        finally:
            if names is not None:
                self.feature_names_in_ = names


MUTANTS = {
    RawLogits: "probabilities",
    HalfPrecision: "probabilities",
    OtherPrediction: "probabilities",
    LooksAround: "rows_stand_alone",
    MovesAGenerator: "equal_seeds",
    GlobalSeed: "equal_seeds",
    UnseededDraws: "draws",
    UncoupledDraws: "rows_stand_alone",
    SortedColumns: "classes_by_label",
    ForgetsColumns: "a_class_without_labels_has_its_column",
    NeedsLabels: "a_cold_start",
    AnswersUnfitted: "what_is_not_fitted",
    ChangesItsParameters: "inputs_untouched",
    ChangesData: "inputs_untouched",
    LeavesTrainMode: "asking_changes_nothing",
    LeavesHooks: "asking_changes_nothing",
    IgnoresHooks: "hooks_of_the_caller",
    DoesNotPickle: "copies",
    OnlyHere: "pickles_in_a_fresh_process",
    SwallowsInterrupts: "interrupts",
    HalfFitted: "a_fit_that_fails",
    SharedRows: "threads",
    TakesAnyWeights: "wrong_arguments",
    ReadsByPosition: "feature_names",
}


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_broken_classifiers_are_found(mutant, monkeypatch):
    wanted = f"check_{MUTANTS[mutant]}"
    one = [check for check in conformance.CHECKS if check.__name__ == wanted]
    monkeypatch.setattr(conformance, "CHECKS", one)
    if mutant is OnlyHere:
        mutant.__module__ = "nowhere_to_be_found"
        home = types.ModuleType("nowhere_to_be_found")
        home.OnlyHere = OnlyHere
        monkeypatch.setitem(sys.modules, "nowhere_to_be_found", home)
    report = check_classifier(mutant(small()), raise_on_failure=False)
    assert list(report.failures) == [wanted]
    assert report.n_checks == 1


def test_arguments_are_checked():
    clf = DeepClassifier(small())
    with pytest.raises(ValueError, match="no check called 'speed'"):
        check_classifier(clf, skip=["speed"])
    with pytest.raises(ValueError, match="whole numbers from 0"):
        check_classifier(clf, np.zeros((4, 2)), [1, 2, 1, 2])
    with pytest.raises(ValueError, match="Give the labels"):
        check_classifier(clf, np.zeros((4, 2)))


@pytest.mark.slow
def test_a_failure_raises_and_says_which():
    with pytest.raises(AssertionError, match=r"RawLogits: .*\n.*check_probabilities"):
        check_classifier(
            RawLogits(small(module=MLP)), skip=["fresh_process", "threads"]
        )
