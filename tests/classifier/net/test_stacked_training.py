"""Members of an ensemble that are trained in one pass."""

import pickle
import re

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch import NeuralNetClassifier
from skorch.callbacks import EpochScoring, LRScheduler
from skorch.dataset import Dataset, ValidSplit
from support import Normed, make_net
from torch import nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader

from skal_deep.classifier import DeepEnsembleClassifier
from skal_deep.modules import MLP, ConvNet, isolated_rng
from skal_deep.pool import BALD

SGD, Adam = torch.optim.SGD, torch.optim.Adam
OPTIMIZERS = {
    "SGD": {"optimizer": SGD, "lr": 0.1},
    "momentum and weight decay": {
        "optimizer": SGD,
        "lr": 0.02,
        "optimizer__momentum": 0.9,
        "optimizer__weight_decay": 0.01,
    },
    "Adam": {"optimizer": Adam, "lr": 0.01},
    "AdamW": {"optimizer": torch.optim.AdamW, "lr": 0.01},
    "RMSprop": {"optimizer": torch.optim.RMSprop, "lr": 0.001},
}


class DoubleMLP(MLP):
    """Computes in float64."""

    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes, n_hidden=16, dropout=0.0)
        self.double()


def plain_net(module=MLP, **params):
    """Return a net that can be trained in one pass."""
    defaults = {"max_epochs": 4, "batch_size": 5}
    if module is MLP:
        defaults["module__dropout"] = 0.0
    return make_net(module, **(defaults | params))


def ensemble(net, batched=True, **params):
    return DeepEnsembleClassifier(
        net, 3, batched=batched, classes=[0, 1, 2], random_state=0, **params
    )


def assert_equal_members(first, second, atol):
    """Compare weights; 0 asks for equal bits."""
    for one, other in zip(first.nets_, second.nets_, strict=True):
        states = [
            {name: w for name, w in net.module_.state_dict().items() if not is_lazy(w)}
            for net in (one, other)
        ]
        torch.testing.assert_close(*states, atol=atol, rtol=0)


@pytest.fixture
def one_pass(monkeypatch):
    """Return a function that fits and fails if skorch trains the members."""

    def refuse(*_, **__):
        raise AssertionError("a member was trained on its own")

    def fit(clf, *data):
        with monkeypatch.context() as patch:
            patch.setattr(NeuralNetClassifier, "partial_fit", refuse)
            return clf.fit(*data)

    return fit


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("weighted", [False, True])
def test_members_are_those_trained_one_after_another(kind, weighted, partly, one_pass):
    X, y = partly
    weight = np.arange(60) % 3 / 2 if weighted else None
    net = plain_net(**OPTIMIZERS[kind])
    together = one_pass(ensemble(net), X, y, weight)
    apart = ensemble(net, False).fit(X, y, weight)
    assert_equal_members(together, apart, atol=1e-5)
    np.testing.assert_allclose(
        together.sample_proba(X), apart.sample_proba(X), atol=1e-5
    )
    assert_equal_members(together, one_pass(ensemble(net), X, y, weight), atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_in_double_precision_they_stay_the_same_for_longer(kind, partly, one_pass):
    net = plain_net(DoubleMLP, max_epochs=30, **OPTIMIZERS[kind])
    together = one_pass(ensemble(net), *partly)
    assert_equal_members(together, ensemble(net, False).fit(*partly), atol=1e-10)


@pytest.mark.slow
def test_images(one_pass):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 1, 8, 8)).astype(np.float32)
    y = np.arange(20) % 3
    net = plain_net(ConvNet, module__dropout=0.0, lr=0.001, max_epochs=2)
    together = one_pass(ensemble(net), X, y)
    assert_equal_members(together, ensemble(net, False).fit(X, y), atol=1e-5)


@pytest.mark.slow
def test_modules_that_end_in_a_softmax(partly, one_pass):
    class Probabilities(DoubleMLP):
        def forward(self, x):
            return super().forward(x).softmax(-1)

    net = plain_net(Probabilities, criterion=nn.NLLLoss)
    together = one_pass(ensemble(net), *partly)
    assert_equal_members(together, ensemble(net, False).fit(*partly), atol=1e-10)


@pytest.mark.slow
def test_whole_batches_in_order_of_the_rows(partly, one_pass):
    net = plain_net(DoubleMLP, batch_size=-1, iterator_train__shuffle=False)
    together = one_pass(ensemble(net), *partly)
    assert_equal_members(together, ensemble(net, False).fit(*partly), atol=1e-10)


@pytest.mark.slow
def test_members_from_a_common_net(partly):
    net = plain_net(DoubleMLP)
    together, apart = (
        ensemble(net, batched, shared_epochs=2).fit(*partly)
        for batched in (True, False)
    )
    assert_equal_members(together, apart, atol=1e-10)
    assert [len(n.history) for n in together.nets_] == [2, 2, 2]


@pytest.mark.slow
def test_warm_start(partly, one_pass, blobs):
    net = plain_net(DoubleMLP)
    together, apart = (
        ensemble(net, batched).fit_from(ensemble(net, batched).fit(*partly), *blobs)
        for batched in (True, False)
    )
    assert_equal_members(together, apart, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_members_are_fitted_nets(kind, partly):
    """Each goes on just as one that skorch has trained: its optimiser's state too."""
    X, y = partly
    net = plain_net(DoubleMLP, **OPTIMIZERS[kind])
    together, apart = (ensemble(net, b).fit(X, y) for b in (True, False))
    together = pickle.loads(pickle.dumps(together))
    for one, other in zip(together.nets_, apart.nets_, strict=True):
        np.testing.assert_array_equal(one.classes_, other.classes_)
        for epoch, as_it_was in zip(one.history, other.history, strict=True):
            assert epoch.keys() == as_it_was.keys()
            for column in ("epoch", "train_batch_count", "train_loss"):
                assert epoch[column] == pytest.approx(as_it_was[column], abs=1e-10)
        for member in (one, other):
            with isolated_rng(7):
                member.partial_fit(X[:12].astype(float), y[:12])
    assert_equal_members(together, apart, atol=1e-10)


def test_clones_keep_it(partly):
    assert clone(ensemble(plain_net())).batched


@pytest.mark.slow
def test_generators_are_not_moved(partly):
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    ensemble(plain_net()).fit(*partly)
    with pytest.warns(UserWarning, match="one after another"):
        ensemble(plain_net(Normed)).fit(*partly)
    assert np.array_equal(before[0], np.random.get_state()[1])
    assert torch.equal(before[1], torch.get_rng_state())


def test_before_the_first_label(partly):
    X, _ = partly
    y = np.full(60, -1)
    together, apart = (ensemble(plain_net(), b).fit(X, y) for b in (True, False))
    assert_equal_members(together, apart, atol=0)


def test_strategies_take_it(partly):
    X, y = partly
    assert len(BALD(random_state=0).query(X, y, ensemble(plain_net()), batch_size=2))


class OwnNet(NeuralNetClassifier):
    pass


class OwnDataset(Dataset):
    pass


class OwnLoader(DataLoader):
    pass


class OwnLoss(nn.CrossEntropyLoss):
    """A criterion with a parameter."""

    def __init__(self):
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(()))

    def forward(self, logits, y):
        return super().forward(logits / self.temperature, y)


class Linear(nn.Module):
    """What the modules below have in common."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.layer = nn.Linear(n_features, n_classes)
        self.register_buffer("n_calls", torch.zeros(()))

    def forward(self, x):
        return self.layer(x)


class Counting(Linear):
    def forward(self, x):
        if self.training:
            self.n_calls += 1
        return super().forward(x)


class Replacing(Linear):
    def forward(self, x):
        if self.training:
            self.n_calls = self.n_calls + 1
        return super().forward(x)


class FunctionalDropout(Linear):
    def forward(self, x):
        return F.dropout(super().forward(x), 0.1, self.training)


class Branching(Linear):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else super().forward(2 * x)


class Aging(Linear):
    """Its output is larger each time."""

    n_passes = 0

    def forward(self, x):
        self.n_passes += 1
        return super().forward(x) * self.n_passes


def watched(kind):
    """Return a module with something beside its class that decides what it does."""

    class Watched(Linear):
        def __init__(self, n_features, n_classes):
            super().__init__(n_features, n_classes)
            layer, weight = self.layer, self.layer.weight
            if kind == "forward":
                layer.forward = lambda x: 2 * nn.Linear.forward(layer, x)
            elif kind == "hook":
                layer.register_forward_hook(lambda layer, x, out: 2 * out)
            elif kind == "gradient":
                weight.register_hook(torch.sign)
            elif kind == "written gradient":
                weight.register_post_accumulate_grad_hook(halve)

    return Watched


def halve(weight):
    weight.grad.div_(2)


def hooked_adam(params, lr):
    optimizer = Adam(params, lr=lr)
    optimizer.register_step_post_hook(shrink)
    return optimizer


def shrink(optimizer, *_):
    for weight in optimizer.param_groups[0]["params"]:
        weight.data.mul_(0.9)


class RandomFeatures(Linear):
    """It keeps random numbers that are neither weights nor buffers."""

    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes)
        self.random = torch.randn(n_features, n_features)

    def forward(self, x):
        return super().forward(torch.sin(x @ self.random))


class Unused(Linear):
    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes)
        self.unused = nn.LazyLinear(3)


OBSTACLES = {
    "OwnNet may not train as": OwnNet(
        Linear, criterion=nn.CrossEntropyLoss, train_split=None, verbose=0
    ),
    "a data set class of its own": plain_net(
        Linear, dataset=OwnDataset, module__n_features=2
    ),
    "a train_split (pass train_split=None)": plain_net(train_split=ValidSplit(2)),
    "more than a batch_size and shuffle": plain_net(iterator_train__drop_last=True),
    "is set to more than": plain_net(iterator_train=OwnLoader),
    "the callback schedule": plain_net(
        callbacks=[("schedule", LRScheduler("StepLR", step_size=2))]
    ),
    "the callback EpochScoring": plain_net(
        callbacks=[EpochScoring("accuracy", on_train=True)]
    ),
    "optimizer ASGD is none of SGD, Adam, AdamW": plain_net(optimizer=torch.optim.ASGD),
    "has groups of parameters": plain_net(
        optimizer__param_groups=[("*bias", {"lr": 0.01})]
    ),
    "the criterion has parameters": plain_net(criterion=OwnLoss),
    "the module is compiled": plain_net(Linear, compile=True, compile__backend="eager"),
    "the module has dropout": plain_net(module__dropout=0.5),
    "has dropout; the module has batch normalisation": plain_net(Normed),
    "lazy parameters that no pass has given a size": plain_net(Unused),
    "cannot run its module or loss (vmap: called random": plain_net(FunctionalDropout),
    "cannot run its module or loss (vmap: It looks like": plain_net(Branching),
    "its output changes from pass to pass": plain_net(Aging),
    "own to the optimizer": plain_net(Linear, optimizer=hooked_adam),
    "hooks or an own forward stand": plain_net(watched("forward")),
    "hooks or an own forward": plain_net(watched("hook")),
    "weights have hooks": plain_net(watched("gradient")),
    "its weights have hooks": plain_net(watched("written gradient")),
    "has buffers that training changes": plain_net(Counting),
    "buffers that training changes": plain_net(Replacing),
}


@pytest.mark.slow
@pytest.mark.parametrize("words", OBSTACLES)
def test_what_stands_in_the_way_is_said(words, partly):
    """Once a fit; members are then those of ``batched=False`` to the last bit."""
    net = OBSTACLES[words]
    X, y = partly
    with pytest.warns(UserWarning, match=re.escape(words)) as said:
        together = ensemble(net).fit(X.astype(np.float32), y)
    assert len(said) == 1
    assert str(said[0].message).startswith("batched=True, but the members are trained")
    assert_equal_members(together, ensemble(net, False).fit(X, y), atol=0)


def test_members_that_keep_more_than_weights_and_buffers(partly):
    net = plain_net(RandomFeatures)
    with pytest.warns(UserWarning, match="more than weights and buffers") as said:
        together = ensemble(net).fit(*partly)
    assert len(said) == 1
    assert_equal_members(together, ensemble(net, False).fit(*partly), atol=1e-5)


def test_weights_without_gradients_have_no_state(partly, one_pass):
    class Frozen(Linear):
        def __init__(self, n_features, n_classes):
            super().__init__(n_features, n_classes)
            self.layer.bias.requires_grad_(False)

    net = plain_net(Frozen, optimizer=Adam)
    for member in one_pass(ensemble(net), *partly).nets_:
        assert list(member.optimizer_.state) == [member.module_.layer.weight]


@pytest.mark.parametrize("callbacks", ["disable", None])
def test_buffers_that_stay_and_no_callbacks_are_no_obstacle(
    callbacks, partly, one_pass
):
    net = plain_net(Linear, callbacks=callbacks)
    together = one_pass(ensemble(net), *partly)
    assert_equal_members(together, ensemble(net, False).fit(*partly), atol=1e-5)


def test_a_loss_that_is_no_number_is_refused_as_ever(partly):
    net = plain_net(criterion__reduction="none")
    with (
        pytest.warns(UserWarning, match="cannot run its module or loss"),
        pytest.raises(RuntimeError, match="scalar outputs"),
    ):
        ensemble(net).fit(*partly)
