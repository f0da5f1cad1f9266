"""Weights of rows: in the loss, and nowhere else."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback, Checkpoint, EpochScoring
from skorch.dataset import Dataset, ValidSplit, unpack_data
from skorch.helper import predefined_split
from support import MAKERS, make_net
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from skal_deep.classifier import DeepClassifier, MultiHeadClassifier, fit_on_labeled
from skal_deep.modules import MLP

WEIGHT = np.arange(60) % 4 / 2 + 0.5


def weights_of(clf):
    return [p.detach().numpy() for p in clf.nets_[0].module_.parameters()]


def assert_trained_alike(first, second, atol=1e-5):
    for one, other in zip(weights_of(first), weights_of(second), strict=True):
        np.testing.assert_allclose(one, other, atol=atol)


def deep(net):
    return DeepClassifier(net, classes=[0, 1, 2], random_state=0)


def heads(net, **params):
    params = {"bootstrap": True} | params
    return MultiHeadClassifier(net, 3, classes=[0, 1, 2], random_state=0, **params)


def plain(**params):
    return make_net(**({"max_epochs": 3, "module__dropout": 0.0} | params))


class Spy(Callback):
    """Keeps what callbacks are shown."""

    def on_train_begin(self, net, X=None, y=None, **_):
        self.seen = [type(X), X, y]

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **_):
        self.seen += [type(dataset_train), type(dataset_valid)]
        self.seen += [dataset_train[0][0], dataset_valid[0][1]]

    def on_batch_begin(self, net, batch=None, training=False, **_):
        self.seen += [batch[0], batch[1]]

    def on_batch_end(self, net, batch=None, training=False, y_pred=None, **_):
        self.seen += [batch[0], y_pred.shape]


def what_callbacks_see(make, X, y, weight):
    net = plain(train_split=ValidSplit(4), callbacks=[("spy", Spy())], max_epochs=1)
    net.set_params(iterator_train__shuffle=False)  # heads draw weights before batches
    clf = make(net).fit(X, y, weight)
    return dict(clf.nets_[0].callbacks_)["spy"].seen


@pytest.mark.parametrize("make", [deep, heads])
def test_what_callbacks_see_is_what_they_see_without_weights(blobs, make):
    X, y = blobs
    without = what_callbacks_see(deep, X, y, None)
    weighted = what_callbacks_see(make, X, y, WEIGHT)
    assert without
    for one, other in zip(without, weighted, strict=True):
        if isinstance(one, np.ndarray | torch.Tensor):
            np.testing.assert_array_equal(one, other)
        else:
            assert one == other


@pytest.mark.slow
@pytest.mark.parametrize("make", [deep, heads])
@pytest.mark.parametrize("on_train", [False, True])
@pytest.mark.parametrize("use_caching", [False, True])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_scores_of_epochs(make, blobs, on_train, use_caching, weight):
    X, y = blobs
    scoring = EpochScoring(
        "f1_macro", name="f1", on_train=on_train, use_caching=use_caching
    )
    net = make_net(train_split=ValidSplit(4), callbacks=[scoring])
    clf = make(net).fit(X, y, weight)
    assert clf.nets_[0].history[-1, "f1"] > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("weight", [None, WEIGHT[:40]])
def test_a_validation_set_of_the_users(make, blobs, weight):
    X, y = blobs
    split = predefined_split(Dataset(X[40:], y[40:].astype(int)))
    clf = make(make_net(train_split=split)).fit(X[:40], y[:40], weight)
    assert clf.nets_[0].history[-1, "valid_loss"] < 1.5


class Focal(nn.Module):
    """A criterion without a reduction, the mean of the losses of rows."""

    def forward(self, logits_NC, y_N):
        log_proba = -F.cross_entropy(logits_NC, y_N, reduction="none")
        return (-((1 - log_proba.exp()) ** 2) * log_proba).mean()


class FocalOfRows(Focal):
    """The same, as torch writes it."""

    reduction = "mean"

    def forward(self, logits_NC, y_N):
        log_proba = -F.cross_entropy(logits_NC, y_N, reduction="none")
        losses = -((1 - log_proba.exp()) ** 2) * log_proba
        return losses if self.reduction == "none" else losses.mean()


class Coupled(nn.Module):
    """Its loss is no mean over rows."""

    def forward(self, logits_NC, y_N):
        return F.cross_entropy(logits_NC, y_N) * logits_NC.std()


@pytest.mark.slow
@pytest.mark.parametrize("make", [deep, heads])
def test_a_criterion_without_reduction(blobs, make):
    X, y = blobs
    nets = [
        plain(criterion=criterion, predict_nonlinearity=lambda z: z.softmax(-1))
        for criterion in (Focal, FocalOfRows)
    ]
    assert_trained_alike(*(make(net).fit(X, y, WEIGHT) for net in nets))
    with pytest.raises(AssertionError):
        assert_trained_alike(
            *(make(nets[0]).fit(X, y, w) for w in (WEIGHT, WEIGHT[::-1]))
        )


def test_a_loss_that_couples_rows_is_refused(blobs):
    net = plain(criterion=Coupled, predict_nonlinearity=lambda z: z.softmax(-1))
    with pytest.raises(ValueError, match="a mean or sum over rows"):
        deep(net).fit(*blobs, WEIGHT)
    deep(net).fit(*blobs, np.full(60, 2.0))  # equal weights need no losses of rows


def test_a_sum_stays_a_sum(blobs):
    X, y = blobs
    first, second = (
        deep(
            plain(
                criterion__reduction=reduction,
                lr=lr,
                optimizer=torch.optim.SGD,
                batch_size=20,
            )
        ).fit(X, y, WEIGHT)
        for reduction, lr in (("sum", 0.001), ("mean", 0.02))
    )
    assert_trained_alike(first, second)


@pytest.mark.parametrize("make", [deep, heads])
def test_equal_weights_keep_the_weights_of_classes(blobs, make):
    X, y = blobs
    by_class = torch.tensor([0.5, 1.0, 8.0])
    net = plain(criterion__weight=by_class, optimizer=torch.optim.SGD, lr=0.1)
    params = {"bootstrap": False} if make is heads else {}
    almost = np.where(np.arange(60) == 0, 1 + 1e-9, 1.0)
    assert_trained_alike(
        make(net, **params).fit(X, y), make(net, **params).fit(X, y, almost)
    )


class OwnStep(NeuralNetClassifier):
    """Clips gradients, and counts on X being a tensor."""

    def train_step_single(self, batch, **fit_params):
        self._set_training(True)
        x, y = unpack_data(batch)
        y_pred = self.infer(x + torch.zeros_like(x), **fit_params)
        loss = self.get_loss(y_pred, y, X=x, training=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.module_.parameters(), 1e6)
        return {"loss": loss, "y_pred": y_pred}


class DirectStep(OwnStep):
    """Calls the criterion itself."""

    def train_step_single(self, batch, **fit_params):
        self._set_training(True)
        x, y = batch
        y_pred = self.module_(x)
        loss = self.criterion_(y_pred, y)
        loss.backward()
        return {"loss": loss, "y_pred": y_pred}


class OwnLoss(NeuralNetClassifier):
    """Adds a penalty that reads X."""

    def get_loss(self, y_pred, y_true, X=None, training=False):
        loss = super().get_loss(y_pred, y_true, X=X, training=training)
        return loss + 0 * X.sum()


class DeafStep(OwnStep):
    """Never asks the criterion."""

    def train_step_single(self, batch, **fit_params):
        self._set_training(True)
        y_pred = self.infer(batch[0])
        loss = F.cross_entropy(y_pred, batch[1])
        loss.backward()
        return {"loss": loss, "y_pred": y_pred}


def typed(net_type, **params):
    given = plain(**params)
    return net_type(**given.get_params(deep=False))


@pytest.mark.parametrize("kind", ["deep", "heads", "dropout"])
@pytest.mark.parametrize("net_type", [OwnStep, DirectStep, OwnLoss])
def test_own_steps_and_losses(kind, blobs, net_type):
    X, y = blobs
    pair = (typed(t, module__dropout=0.3) for t in (NeuralNetClassifier, net_type))
    make = partial(MAKERS[kind], classes=[0, 1, 2], random_state=0)
    assert_trained_alike(*(make(net).fit(X, y, WEIGHT) for net in pair))


def test_a_step_that_ignores_weights_is_refused(blobs):
    with pytest.raises(ValueError, match="sample_weight would be ignored"):
        deep(typed(DeafStep)).fit(*blobs, WEIGHT)
    deep(typed(DeafStep)).fit(*blobs)
    with pytest.raises(ValueError, match="3 rows a row, one for each head"):
        heads(typed(DeafStep), bootstrap=False).fit(*blobs)


class Wrapping:
    """A data set around another one that is no Subset."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, index):
        return self.dataset[index]


def own_split(dataset, y=None):
    return Wrapping(dataset), Wrapping(dataset)


def test_rows_that_cannot_be_followed_are_refused(blobs):
    net = plain(train_split=own_split)
    with pytest.raises(ValueError, match="train_split returns another data set"):
        deep(net).fit(*blobs, WEIGHT)
    deep(net).fit(*blobs)
    heads(net, bootstrap=False).fit(*blobs)

    class OwnLoader:
        def __init__(self, dataset, batch_size):
            self.loader = DataLoader(dataset, batch_size)

        def __iter__(self):
            return iter(self.loader)

        def __len__(self):
            return len(self.loader)

    net = NeuralNetClassifier(
        MLP, iterator_train=OwnLoader, train_split=None, verbose=0
    )
    with pytest.raises(ValueError, match="OwnLoader is none"):
        deep(net).fit(*blobs, WEIGHT)


class Looks(Callback):
    """Predicts in between: other rows, and those that are trained on."""

    def __init__(self, X):
        self.X = X

    def on_epoch_begin(self, net, dataset_train=None, **_):
        self.dataset = dataset_train

    def on_batch_begin(self, net, training=False, batch=None, **_):
        if training:
            net.module_.eval()
            net.predict(self.X)
            net.predict(self.dataset)


@pytest.mark.parametrize("make", [deep, heads])
def test_predictions_in_between_change_no_weights(blobs, make):
    X, y = blobs
    nets = (plain(iterator_train__shuffle=False, callbacks=c) for c in ([], [Looks(X)]))
    assert_trained_alike(*(make(net).fit(X, y, WEIGHT) for net in nets))


@pytest.mark.slow
def test_loading_in_other_processes(blobs):
    X, y = blobs
    nets = (plain(iterator_train__num_workers=n, max_epochs=2) for n in (0, 2))
    assert_trained_alike(*(deep(net).fit(X, y, WEIGHT) for net in nets))


def test_checkpoints_of_a_weighted_training_are_plain_nets(blobs, tmp_path):
    X, y = blobs
    saved = Checkpoint(
        monitor=None, f_pickle="net.pkl", dirname=str(tmp_path), f_optimizer=None
    )
    clf = deep(plain(callbacks=[saved])).fit(X, y, WEIGHT)
    net = pickle.loads((tmp_path / "net.pkl").read_bytes())
    np.testing.assert_array_equal(net.predict(X), clf.nets_[0].predict(X))
    net.partial_fit(X[:7], y[:7].astype(int))
    assert not set(vars(clf.nets_[0])) & {"train_step", "get_iterator", "get_dataset"}


class Staged(Dataset):
    """A data set with a mode of its own."""

    mode = "first"


class SetsMode(Callback):
    def on_epoch_begin(self, net, dataset_train=None, **_):
        assert dataset_train.mode == "first"
        dataset_train.mode = "second"

    def on_epoch_end(self, net, dataset_train=None, **_):
        assert dataset_train.mode == "second"


def test_the_mode_of_a_data_set_is_seen(make, blobs):
    if make.kind == "snapshots":
        pytest.skip("takes more than an epoch")
    net = make_net(
        dataset=Staged,
        callbacks=[SetsMode()],
        max_epochs=1,
        module__n_features=2,
    )
    make(net).fit(*blobs, WEIGHT)


@pytest.mark.slow
def test_weights_count_for_bare_nets(blobs):
    X, y = blobs
    sizes = {"module__n_features": 2, "module__n_classes": 3}
    tilted, even = (
        fit_on_labeled(plain(**sizes, max_epochs=20), X, y, -1, weight)
        for weight in (np.where(y == 0, 100.0, 0.01), None)
    )
    share = [net.predict_proba(X).argmax(1) == 0 for net in (tilted, even)]
    assert share[0].mean() > share[1].mean()


@pytest.mark.parametrize("weight", [WEIGHT.astype(str), WEIGHT[:, None], 1.0, None])
def test_weights_of_another_kind(blobs, weight):
    X, y = blobs
    if weight is None:  # numbers of any kind
        expected = deep(plain()).fit(X, y, WEIGHT).predict_proba(X)
        for weight in (WEIGHT.astype(object), list(WEIGHT), WEIGHT.astype(np.float32)):
            clf = deep(plain()).fit(X, y, weight)
            np.testing.assert_array_equal(clf.predict_proba(X), expected)
        return
    with pytest.raises(ValueError, match="sample_weight"):
        deep(plain()).fit(X, y, weight)
    with pytest.raises(ValueError, match="sample_weight must be one number a row"):
        fit_on_labeled(make_net(), X, y, -1, weight)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0])
def test_weights_that_are_none(make, blobs, bad):
    X, y = blobs
    weight = np.ones(60)
    weight[3] = bad
    for fit in (
        lambda: make().fit(X, y, weight),
        lambda: fit_on_labeled(make_net(), X, y, -1, weight),
    ):
        with pytest.raises(ValueError, match="sample_weight must not be"):
            fit()


@pytest.mark.slow
def test_a_hand_made_case():
    """Two rows that say one thing and one, of more weight, that says the other."""
    X, y = np.zeros((3, 1), np.float32), np.array([0, 0, 1])
    net = make_net(module__dropout=0.0, max_epochs=200)
    clf = DeepClassifier(net, classes=[0, 1], random_state=0).fit(X, y, [1.0, 1.0, 6.0])
    np.testing.assert_allclose(clf.predict_proba(X)[0], [0.25, 0.75], atol=0.02)


@pytest.mark.slow
def test_no_scale_of_weights_matters(make, blobs):
    """Not even one at which their sum is infinite."""
    X, y = blobs
    weight = np.where(np.arange(len(y)) % 2, 1.0, 0.1)
    small = make().fit(X, y, weight).predict_proba(X)
    large = make().fit(X, y, weight * 1e308).predict_proba(X)
    np.testing.assert_allclose(large, small, atol=1e-5)
