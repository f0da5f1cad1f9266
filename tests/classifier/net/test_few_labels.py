"""The first rounds: few labels for a split, for callbacks, for mini-batches."""

import random
import warnings

import numpy as np
import pytest
import torch
from skactiveml.classifier import SkorchClassifier
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    LRScheduler,
)
from skorch.dataset import Dataset, ValidSplit
from skorch.helper import predefined_split
from support import MAKERS, Normed, make_net
from torch.optim.lr_scheduler import ReduceLROnPlateau

from skal_deep.classifier import DeepClassifier, fit_on_labeled
from skal_deep.classifier.net._splits import make_trainable

UNSAVED = dict.fromkeys(["f_params", "f_optimizer", "f_criterion", "f_history"])
SIZES = {"module__n_features": 2, "module__n_classes": 3}


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 3
    return (rng.normal(size=(400, 2)) + 2 * y[:, None]).astype(np.float32), y


def deep(net):
    return DeepClassifier(net, classes=[0, 1, 2], random_state=0)


@pytest.mark.parametrize("n_labels", [12, 22])
def test_batch_normalisation_with_a_split(make, many, n_labels):
    """11 and 9 rows of 12, 18 and 17 of 22: it is the training part that counts."""
    X, y = (part[:n_labels] for part in many)
    net = make_net(Normed, batch_size=8, train_split=ValidSplit(5), max_epochs=5)
    clf = make(net).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X).sum(1), 1, atol=1e-5)


def test_batch_normalisation_with_the_defaults_of_skorch(many):
    X, y = (part[:161] for part in many)
    net = make_net(
        Normed,
        batch_size=128,
        train_split=ValidSplit(5, stratified=True),
        max_epochs=1,
    )
    deep(net).fit(X, y)
    fit_on_labeled(net.set_params(**SIZES), X, y)


def test_batch_normalisation_without_statistics_of_its_own_is_told(many):
    """A row's prediction would be that of its mini-batch."""

    class Mixed(Normed):
        def __init__(self, n_features, n_classes):
            super().__init__(n_features, n_classes)
            for part in self.modules():
                if isinstance(part, torch.nn.BatchNorm1d):
                    part.running_mean = part.running_var = None

    X, y = (part[:60] for part in many)
    net = make_net(Mixed, max_epochs=1)
    wrapped = SkorchClassifier(
        Mixed,
        neural_net_param_dict={**SIZES, "max_epochs": 1, "verbose": 0},
        classes=[0, 1, 2],
        missing_label=-1,
    )
    bare = clone(net).set_params(**SIZES)
    for clf in (deep(net), bare, wrapped):
        with pytest.warns(UserWarning, match="without running statistics"):
            fit_on_labeled(clf, X, y)


@pytest.mark.slow
@pytest.mark.parametrize("train_split", [None, ValidSplit(5), ValidSplit(0.5)])
@pytest.mark.parametrize("batch_size", [1, 2, 5, 8, -1])
def test_no_batch_of_one_ever_meets_batch_normalisation(many, train_split, batch_size):
    sizes = []

    class Watched(Normed):
        def forward(self, x):
            if self.training:
                sizes.append(len(x))
            return super().forward(x)

    net = make_net(
        Watched, batch_size=batch_size, train_split=train_split, max_epochs=1
    )
    for n in range(1, 24):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "[1-5] labels are too few")
            deep(net).fit(many[0][:n], many[1][:n])
    assert min(sizes) > 1


@pytest.mark.slow
def test_statistics_that_are_taken_anew_need_no_batch_of_one_either(many):
    """13 rows of 17 are trained on, in batches of 8 and 5; all 17 leave one over."""
    for n in (9, 17, 21):
        net = make_net(Normed, batch_size=8, train_split=ValidSplit(4), max_epochs=2)
        clf = MAKERS["swag"](net, classes=[0, 1, 2])
        proba = clf.fit(many[0][:n], many[1][:n]).predict_proba(many[0])
        np.testing.assert_allclose(proba.sum(1), 1, atol=1e-5)


def test_a_split_that_fails_for_its_own_reason_says_so(many):
    def split(dataset, y=None):
        raise ValueError("no fold of this name")

    with pytest.warns(UserWarning, match="no fold of this name"):
        deep(make_net(train_split=split)).fit(many[0][:9], many[1][:9])


def test_weights_of_zero_do_not_count_as_rows_of_the_training_part(many):
    X, y = (part[:30] for part in many)
    net = make_net(Normed, batch_size=8, train_split=ValidSplit(5), max_epochs=2)
    deep(net).fit(X, y, np.arange(30) < 22)


def test_drop_last_leaves_a_mini_batch(many):
    """skorch would train on none, in silence."""
    X, y = (part[:5] for part in many)
    net = make_net(batch_size=16, iterator_train__drop_last=True, max_epochs=3)
    history = deep(net).fit(X, y).nets_[0].history
    assert history[:, "train_batch_count"] == [1, 1, 1]


STRATIFIED = [
    ValidSplit(5, stratified=True),
    ValidSplit(0.4, stratified=True, random_state=0),
    ValidSplit(StratifiedKFold(5), stratified=True),
]


@pytest.mark.parametrize("split", STRATIFIED)
def test_a_split_that_cannot_be_stratified_is_made_without(many, split):
    X, y = many[0][:5], np.array([0, 0, 1, 1, 2])
    net = make_net(train_split=split, callbacks=[EarlyStopping(patience=3)])
    with pytest.warns(UserWarning, match="5 labels are too few .* without regard"):
        clf = deep(net).fit(X, y)
    assert "valid_loss" in clf.nets_[0].history[-1]
    assert "EarlyStopping" in dict(clf.nets_[0].callbacks_)


MONITORS = {
    "EarlyStopping": EarlyStopping(),
    "of accuracy": EarlyStopping("valid_acc", lower_is_better=False),
    "of a metric": EarlyStopping("f1", lower_is_better=False),
    "Checkpoint": Checkpoint(**UNSAVED),
    "of the best": Checkpoint("valid_acc_best", **UNSAVED),
    "of a function": Checkpoint(
        lambda net: net.history[-1, "valid_loss_best"],
        **UNSAVED,
    ),
    "plateau": LRScheduler("ReduceLROnPlateau", monitor="valid_loss"),
    "plateau by class": LRScheduler(ReduceLROnPlateau, monitor="valid_loss"),
    "plateau by a function": LRScheduler(
        ReduceLROnPlateau, monitor=lambda net: net.history[-1, "valid_loss"]
    ),
}
F1 = ("f1", EpochScoring("f1_macro", name="f1", lower_is_better=False))


@pytest.mark.parametrize("name", MONITORS)
@pytest.mark.parametrize("n_labels", [1, 4])
def test_what_monitors_the_validation_set_is_switched_off(many, name, n_labels):
    X, y = (part[:n_labels] for part in many)
    for split in (ValidSplit(5), ValidSplit(5, stratified=True)):
        net = make_net(
            train_split=split, callbacks=[F1, ("watch", MONITORS[name])], max_epochs=7
        )
        with pytest.warns(
            UserWarning,
            match=f"^{n_labels} labels are too few .* without the callbacks watch",
        ):
            clf = deep(net).fit(X, y)
        assert len(clf.nets_[0].history) == 7
        assert "watch" in dict(net.initialize_callbacks().callbacks_)


OTHERS = {
    "train loss": EarlyStopping("train_loss", patience=100),
    "steps": LRScheduler("StepLR", step_size=1, monitor="valid_loss"),
    "plateau": LRScheduler("ReduceLROnPlateau", monitor="train_loss"),
    "function": Checkpoint(
        lambda net: net.history[-1, "train_loss"] < 1,
        **UNSAVED,
    ),
    "each epoch": Checkpoint(None, **UNSAVED),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_monitors_the_training_stays_on(many, name):
    net = make_net(
        train_split=ValidSplit(5), callbacks=[("watch", OTHERS[name])], max_epochs=3
    )
    with pytest.warns(UserWarning, match="training on all of them. Pass"):
        clf = deep(net).fit(many[0][:3], many[1][:3])
    assert "watch" in dict(clf.nets_[0].callbacks_)


class Reads(Callback):
    def on_epoch_end(self, net, **_):
        net.history[-1, "valid_loss"]


def test_a_callback_of_the_users_that_needs_validation_is_named(many):
    net = make_net(train_split=ValidSplit(5), callbacks=[Reads()])
    with (
        pytest.warns(UserWarning, match="too few"),
        pytest.raises(ValueError, match=r"3 labels are too few .*valid_loss"),
    ):
        deep(net).fit(many[0][:3], many[1][:3])


@pytest.mark.parametrize("stop", ["EarlyStopping", "plateau"])
def test_bare_nets_get_the_same(many, stop):
    X, y = many
    net = make_net(
        Normed, train_split=ValidSplit(5), callbacks=[MONITORS[stop]], **SIZES
    )
    labels = np.where(np.arange(400) < 3, y, -1)
    with pytest.warns(UserWarning, match="3 labels are too few"):
        fit_on_labeled(net, X, labels)


@pytest.mark.slow
def test_a_validation_set_of_the_users_is_no_split(many):
    X, y = many
    split = predefined_split(Dataset(X, y.astype(int)))
    net = make_net(train_split=split, callbacks=[EarlyStopping()], max_epochs=3)
    clf = deep(net).fit(X[:2], y[:2])
    assert "valid_loss" in clf.nets_[0].history[-1]


def test_the_split_of_a_few_rows_moves_no_generator(many):
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    net = make_net(train_split=ValidSplit(0.4), max_epochs=1)
    deep(net).fit(many[0][:9], many[1][:9])
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_trying_a_split_draws_nothing():
    split = ValidSplit(0.2, random_state=np.random.mtrand._rand)
    net = make_net(train_split=split).initialize()
    numpys = np.random.get_state()[1].copy()
    torchs, pythons = torch.get_rng_state(), random.getstate()
    make_trainable(net, np.zeros((20, 2), np.float32), np.arange(20) % 2)
    np.testing.assert_array_equal(np.random.get_state()[1], numpys)
    assert torch.equal(torch.get_rng_state(), torchs)
    assert random.getstate() == pythons
