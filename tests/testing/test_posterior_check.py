"""The audit of posteriors: sound ones pass, planted faults are found."""

import copy

import numpy as np
import pytest
import torch
from skactiveml.classifier import SklearnClassifier, SkorchClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris, make_blobs
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from support import MAKERS, POSTERIOR_MAKERS, POSTERIORS, Normed, make_net
from torch import nn

from skal_deep.evaluation import check_posterior
from skal_deep.modules import MLP

X, Y = make_blobs(60, centers=3, cluster_std=3.0, random_state=0)
X = X.astype(np.float32)


def fitted(kind, net=None):
    net = make_net() if net is None else net
    return (MAKERS | POSTERIOR_MAKERS)[kind](
        net, classes=[0, 1, 2], random_state=0
    ).fit(X, Y)


@pytest.mark.parametrize("module", [MLP, Normed])
@pytest.mark.parametrize("kind", [*POSTERIORS, *POSTERIOR_MAKERS])
def test_our_posteriors_are_sound(kind, module):
    report = check_posterior(fitted(kind, make_net(module)), X)
    assert report.verdict == "sound", report
    assert report.sites
    # masks of a few units may be alike
    assert report.n_distinct >= report.n_draws - 1
    assert report.disagreement > 0


@pytest.mark.slow
def test_other_posteriors_are_sound():
    forest = RandomForestClassifier(5, random_state=0).fit(X, Y)
    report = check_posterior(forest, X)
    assert str(report).splitlines()[:2] == [
        "RandomForestClassifier: sound",
        "  what differs: 5 members",
    ]
    net = make_net(module__n_features=2, module__n_classes=3).fit(X, Y)
    pipeline = make_pipeline(StandardScaler(), fitted("dropout"))
    for clf in (net, pipeline.fit(X, Y)):
        report = check_posterior(clf, X)
        assert report.verdict == "sound", report
        assert report.sites == (
            "Dropout(p=0.5) 'layers.3'",
            "Dropout(p=0.5) 'layers.6'",
        )


@pytest.mark.slow
def test_a_skorch_wrapper_in_train_mode_is_sampled_soundly():
    clf = SkorchClassifier(
        MLP,
        forward_outputs={"proba": (0, nn.Softmax(dim=-1))},
        classes=[0, 1, 2],
        missing_label=-1,
        neural_net_param_dict={
            "module__n_features": 2,
            "module__n_classes": 3,
            "train_split": None,
            "verbose": 0,
        },
    ).fit(X, Y)
    clf.neural_net_.module_.train()
    report = check_posterior(clf, X)
    assert report.verdict == "sound", report
    assert report.n_distinct == 20


@pytest.mark.parametrize(
    ("clf", "words"),
    [
        (LogisticRegression(), "It offers no draws"),
        (SVC(), "It offers no draws"),
        (
            make_net(module__n_features=2, module__n_classes=3, module__dropout=0.0),
            "no dropout layer",
        ),
    ],
)
def test_classifiers_without_draws(clf, words):
    report = check_posterior(clf.fit(X, Y), X)
    assert report.verdict == "no posterior"
    assert words in str(report)


class Sampler(ClassifierMixin, BaseEstimator):
    """A sound posterior with dropout of its own; faults are planted in subclasses."""

    def __init__(self, module=MLP):
        self.module = module

    def fit(self, X, y):
        torch.random.manual_seed(0)
        self.module_ = self.module(2, 3).eval()
        self.classes_ = np.arange(3)
        return self

    def predict_proba(self, X):
        return self.sample_proba(X).mean(0)

    def sample_proba(self, X, n_samples=5, random_state=0):
        torch.random.manual_seed(random_state)
        with torch.no_grad():
            return np.stack([self.draw(torch.as_tensor(X)) for _ in range(n_samples)])

    def draw(self, x):
        linear, head = self.module_.layers[1], self.module_.layers[-1]
        mask = torch.rand(1, linear.out_features) > 0.5
        return head(2 * mask * linear(x)).softmax(-1)


class Uncoupled(Sampler):
    """A mask for each row: plain train mode."""

    def draw(self, x):
        self.module_.train()
        proba = self.module_(x).softmax(-1)
        self.module_.eval()
        return proba


class UncoupledBatches(Sampler):
    """A mask for each mini-batch."""

    def draw(self, x):
        parent = super()
        return torch.cat([parent.draw(part) for part in x.split(32)])


class BatchStatistics(Sampler):
    """Sound masks, but the mini-batch is normalised by itself."""

    def draw(self, x):
        return super().draw(x - x.mean(0))


class LeftTraining(Sampler):
    """Forgets to go back."""

    def draw(self, x):
        self.module_.train()
        return super().draw(x)


class Unseeded(Sampler):
    calls = 0

    def sample_proba(self, X, n_samples=5, random_state=0):
        Unseeded.calls += 1
        return super().sample_proba(X, n_samples, random_state + Unseeded.calls)


class Logits(Sampler):
    def draw(self, x):
        return super().draw(x).log()


class Members(Sampler):
    """Three members, two of them alike."""

    def sample_proba(self, X, n_samples=5, random_state=0):
        return super().sample_proba(X, 2, 0)[[0, 1, 1]]


class Dead(Sampler):
    def draw(self, x):
        return self.module_(x).softmax(-1)


class MovedStatistics(Sampler):
    """Train mode moves the running statistics of batch normalisation."""

    def __init__(self, module=Normed):
        super().__init__(module)

    def draw(self, x):
        self.module_.train()
        self.module_(x)
        self.module_.eval()
        mask = torch.rand(1, 2) > 0.5
        return self.module_(2 * mask * x).softmax(-1)


@pytest.mark.parametrize(
    ("clf", "check"),
    [
        (Sampler(), None),
        (Uncoupled(), "rows are coupled"),
        (UncoupledBatches(), "batches are coupled"),
        (BatchStatistics(), "batches are coupled"),
        (LeftTraining(), "nothing moves"),
        (Unseeded(), "seeds decide"),
        (Logits(), "probabilities"),
        (Members(), "draws differ"),
        (Dead(), "draws differ"),
        (MovedStatistics(), "nothing moves"),
    ],
)
def test_planted_faults(clf, check):
    state = torch.get_rng_state()
    report = check_posterior(clf.fit(X, Y), X)
    torch.set_rng_state(state)
    if check is None:
        assert report.verdict == "sound", report
        return
    assert report.verdict == ("no posterior" if isinstance(clf, Dead) else "faulty")
    assert check in report.failures, report
    assert f"  {check}: " in str(report)


@pytest.mark.slow
def test_statistics_that_move_are_named():
    report = check_posterior(MovedStatistics().fit(X, Y), X)
    assert "running_mean" in report.failures["nothing moves"]


def test_dropout_that_is_switched_off_after_the_fit():
    clf = fitted("dropout")
    for layer in clf.nets_[0].module_.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    report = check_posterior(clf, X)
    assert report.verdict == "no posterior"
    assert "dropout off" in report.failures["draws differ"]


@pytest.mark.slow
def test_members_that_are_copies():
    clf = fitted("ensemble")
    clf.nets_[2] = copy.deepcopy(clf.nets_[0])
    assert "1 of 3 members" in check_posterior(clf, X).failures["draws differ"]
    clf.nets_ = [clf.nets_[0]] * 3
    assert check_posterior(clf, X).verdict == "no posterior"


@pytest.mark.parametrize(
    "ensemble",
    [
        RandomForestClassifier(10, random_state=0),
        BaggingClassifier(n_estimators=10, random_state=0),
        BaggingClassifier(KNeighborsClassifier(1), n_estimators=10, random_state=0),
        make_pipeline(StandardScaler(), RandomForestClassifier(10, random_state=0)),
        SklearnClassifier(RandomForestClassifier(10, random_state=0), classes=range(3)),
    ],
)
def test_trees_that_agree_by_chance_are_no_fault(ensemble):
    X, y = load_iris(return_X_y=True)
    report = check_posterior(ensemble.fit(X, y), X)
    assert report.n_distinct < report.n_draws  # two of ten agree
    assert report.verdict == "sound", report
    assert report.sites == ("10 members",)


def test_trees_that_are_copies_are_one():
    X, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(10, random_state=1).fit(X, y)
    assert check_posterior(forest, X).n_distinct == 10
    forest.estimators_[3] = forest.estimators_[2]
    failures = check_posterior(forest, X).failures
    assert "1 of 10 members are copies" in failures["draws differ"]


@pytest.mark.slow
def test_the_classifier_is_left_alone():
    clf = fitted("swag", make_net(Normed))
    before = clf.sample_proba(X)
    check_posterior(clf, X)
    np.testing.assert_array_equal(before, clf.sample_proba(X))


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrap", [lambda clf: clf, lambda clf: SklearnClassifier(clf, classes=[0, 1, 2])]
)
def test_steps_that_write_into_their_input_do_not_reach_the_callers(wrap):
    rows = np.asarray(X, np.float64)
    before = rows.copy()
    members = BaggingClassifier(random_state=0)
    for last in (RandomForestClassifier(5, random_state=0), members):
        clf = wrap(make_pipeline(StandardScaler(copy=False), last))
        clf.fit(rows.copy(), Y)
        report = check_posterior(clf, rows)
        np.testing.assert_array_equal(rows, before)
        assert report.verdict == "sound", report
    net = make_pipeline(StandardScaler(copy=False), fitted("dropout"))
    rows = np.ascontiguousarray(X)
    net.fit(rows.copy(), Y)
    assert check_posterior(net, rows).verdict == "sound"
    np.testing.assert_array_equal(rows, X)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dropout", "forest"])
def test_columns_in_another_order_are_refused(kind):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b"])
    clf = RandomForestClassifier(5, random_state=0)
    clf = clf if kind == "forest" else MAKERS[kind](make_net(max_epochs=2))
    clf.fit(frame, Y)
    assert check_posterior(clf, frame).verdict == "sound"
    with pytest.raises(ValueError, match="feature names"):
        check_posterior(clf, frame[["b", "a"]])


def test_trees_that_agree_on_their_training_rows_are_asked_about_others():
    """Extra trees fit the rows that they were trained on, all of them exactly."""
    rows, y = load_iris(return_X_y=True)
    trees = ExtraTreesClassifier(10, random_state=0).fit(rows[::2], y[::2])
    report = check_posterior(trees, rows[::2])
    assert report.verdict == "no posterior"
    assert "pass rows that they have not seen" in str(report)
    assert check_posterior(trees, rows[1::2]).verdict == "sound"
