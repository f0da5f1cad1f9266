"""Training on rows in memory, against skorch's own training."""

import copy
import functools
import pickle
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from interrupts import interrupted_at
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from skorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
)
from skorch.dataset import Dataset, ValidSplit
from skorch.history import History
from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.utils import prune
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, Subset

from skal_deep.classifier.net import _adam_update, _fit, _in_memory
from skal_deep.classifier.net._adam_update import AdamUpdate
from skal_deep.classifier.net._chain_training import ChainTraining, chain_training
from skal_deep.classifier.net._fit import fit_net
from skal_deep.modules import MLP, ConvNet

RNG = np.random.default_rng(0)
X = RNG.normal(size=(53, 7)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)
DEFAULTS = {
    "max_epochs": 2,
    "batch_size": 8,
    "lr": 0.01,
    "optimizer": torch.optim.Adam,
    "train_split": None,
    "verbose": 0,
    "iterator_train__shuffle": True,
    "criterion": nn.CrossEntropyLoss,
}


class Net(nn.Module):
    """A net of odd sizes, with dropout and batch normalisation."""

    def __init__(self, n_features=7, n_classes=3):
        super().__init__()
        self.first, self.norm = nn.Linear(n_features, 13), nn.BatchNorm1d(13)
        self.drop, self.last = nn.Dropout(0.3), nn.Linear(13, n_classes)
        self.unused = nn.Parameter(torch.ones(5))

    def forward(self, x):
        return self.last(self.drop(torch.relu(self.norm(self.first(x)))))


class Used(Net):
    """A net all of whose weights have gradients."""

    def __init__(self, n_features=7, n_classes=3):
        super().__init__(n_features, n_classes)
        self.unused = None


class SometimesUsed(Net):
    """One weight has a gradient in some steps only."""

    def forward(self, x):
        out = super().forward(x)
        return out * self.unused[0] if x[0, 0] > 0 else out


class Frozen(Net):
    def __init__(self, **params):
        super().__init__(**params)
        self.first.requires_grad_(False)


class Tied(nn.Module):
    def __init__(self, n_features=7, n_classes=3):
        super().__init__()
        self.a, self.b = nn.Linear(7, 7), nn.Linear(7, 7)
        self.b.weight = self.a.weight
        self.last = nn.Linear(n_features, n_classes)

    def forward(self, x):
        return self.last(torch.relu(self.b(torch.relu(self.a(x)))))


class ChannelsLast(nn.Module):
    """Convolutions whose weights, and so images, have their channels side by side."""

    def __init__(self, n_classes=3):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten()
        )
        self.last = nn.Linear(128, n_classes)
        self.to(memory_format=torch.channels_last)

    def forward(self, x):
        return self.last(self.layers(x))


class OneStorage(Tied):
    """Two weights are parts of one tensor."""

    def __init__(self, **params):
        super().__init__(**params)
        both = torch.randn(14, 7) / 7
        self.a.weight, self.b.weight = nn.Parameter(both[:7]), nn.Parameter(both[7:])


class InEval(Net):
    """A module that a pass leaves in another mode."""

    def forward(self, x):
        out = super().forward(x)
        self.drop.eval()
        return out


class FixedNorm(Net):
    """Its batch normalisation stays as it is from the fifth step on."""

    def __init__(self, **params):
        super().__init__(**params)
        self.n_steps, self.norm.train = 0, self.train_norm

    def train_norm(self, mode=True):
        self.n_steps += mode
        return nn.Module.train(self.norm, mode and self.n_steps < 5)


class NoNumbers(nn.Module):
    """A net that has a weight without numbers, as a layer of size 0 has."""

    def __init__(self, n_features=7, n_classes=3):
        super().__init__()
        self.nothing = nn.Parameter(torch.empty(0, n_classes))
        self.last = nn.Linear(n_features, n_classes)

    def forward(self, x):
        return self.last(x) + self.nothing.sum(0)


class Words(nn.Module):
    def __init__(self, n_classes=3, sparse=True):
        super().__init__()
        self.table = nn.EmbeddingBag(20, 6, sparse=sparse)
        self.last = nn.Linear(6, n_classes)

    def forward(self, x):
        return self.last(self.table(x))


class Hooked(Used):
    """Hooks change gradients, before and after they are written."""

    def __init__(self, **params):
        super().__init__(**params)
        self.first.weight.register_hook(lambda gradient: gradient * 0.5)
        self.last.weight.register_post_accumulate_grad_hook(halve)


def halve(weight):
    weight.grad = weight.grad.t().contiguous().t() / 2  # of another layout


class Overflowing(Used):
    """A net whose gradients become infinite, then no numbers."""

    def forward(self, x):
        self.n_passes = getattr(self, "n_passes", 0) + 1
        return super().forward(x) * 10.0 ** (3 * self.n_passes)


class Halved(Used):
    def __init__(self, **params):
        super().__init__(**params)
        self.bfloat16()

    def forward(self, x):
        return super().forward(x.bfloat16())


class Doubled(Used):
    def __init__(self, **params):
        super().__init__(**params)
        self.double()

    def forward(self, x):
        return super().forward(x.double())


class TwoInputs(nn.Module):
    def __init__(self, n_classes=3):
        super().__init__()
        self.a, self.b = nn.Linear(7, 9), nn.Linear(2, 9)
        self.last = nn.Linear(9, n_classes)

    def forward(self, wide, narrow):
        return self.last(torch.relu(self.a(wide) + self.b(narrow)))


class OwnStep(NeuralNetClassifier):
    def train_step_single(self, batch, **fit_params):
        step = super().train_step_single(batch, **fit_params)
        self.module_.last.weight.grad.mul_(0.5)
        return step


class OwnStepByWraps(NeuralNetClassifier):
    """Its step calls itself skorch's."""

    @functools.wraps(NeuralNetClassifier.train_step_single)
    def train_step_single(self, batch, **fit_params):
        step = super().train_step_single(batch, **fit_params)
        self.module_.last.weight.grad.mul_(0.5)
        return step


class OwnLoss(NeuralNetClassifier):
    def get_loss(self, y_pred, y_true, X=None, training=False):
        loss = super().get_loss(y_pred, y_true, X, training)
        return loss + 1e-3 * self.module_.last.weight.square().sum() + X.mean()


class Rows(History):
    """A history that counts what it is told."""

    def record_batch(self, attr, value):
        super().record_batch(f"own_{attr}", value)
        super().record_batch(attr, value)


class OwnHistory(NeuralNetClassifier):
    def initialize_history(self):
        self.history_ = Rows()
        return self


class OwnEpoch(NeuralNetClassifier):
    def run_single_epoch(self, iterator, training, **params):
        super().run_single_epoch(iterator, training=training, **params)
        self.history.record("own", iterator is None or len(iterator))


class OwnEvent(NeuralNetClassifier):
    def on_grad_computed(self, net, named_parameters, **kwargs):
        for _, weight in named_parameters:
            if weight.grad is not None:
                weight.grad.clamp_(-0.01, 0.01)


class Noise(Dataset):
    """Each row is another one each time."""

    def transform(self, X, y):
        X, y = super().transform(X, y)
        return X + np.float32(torch.rand(()).item()), y


class Twice(DataLoader):
    """Yields each mini-batch two times."""

    def __iter__(self):
        for batch in super().__iter__():
            yield batch
            yield batch


class Steps(Callback):
    """Counts steps, and notes what it is told."""

    def on_batch_end(self, net, batch=None, training=False, **step):
        net.history.record_batch("seen", batch[0].sum().item() + step["loss"].item())


class SeenAtTimes(Callback):
    """Notes a number of a step, of every other step only."""

    def on_batch_end(self, net, batch=None, training=False, **step):
        if len(net.history[-1]["batches"]) % 2:
            net.history.record_batch("seen", step["loss"].item())


class Raised(Callback):
    def on_epoch_end(self, net, **_):
        for group in net.optimizer_.param_groups:
            group["lr"] *= 0.5
            for weight in group["params"]:
                weight.data.add_(0.001)


class OtherRows(Callback):
    """Puts other rows into the data set on the way."""

    def on_epoch_begin(self, net, dataset_train=None, **_):
        dataset_train.X = dataset_train.X * np.float32(0.5)


class Clipped(Callback):
    """Adds a callback of steps in the second epoch."""

    def on_epoch_begin(self, net, **_):
        if len(net.history) == 2:
            net.callbacks_.append(("clip", GradientNormClipping(0.001)))


class Exchanged(Callback):
    """Exchanges the optimiser in the second epoch, for one that runs its closure."""

    def on_epoch_begin(self, net, **_):
        if len(net.history) == 2:
            net.optimizer_ = torch.optim.LBFGS(net.module_.parameters(), lr=0.1)


class OtherPositions(Callback):
    """Trains on other rows of the data set in each epoch."""

    def on_epoch_begin(self, net, dataset_train=None, **_):
        dataset_train.indices[:3] = [len(net.history), 4, -1]


class Augmented(Callback):
    """Lets the data set change its rows from the second epoch on."""

    def on_epoch_begin(self, net, dataset_train=None, **_):
        if len(net.history) > 1:
            dataset_train.transform = double_rows


def double_rows(X, y):
    return torch.as_tensor(2 * X), torch.as_tensor(y)


def some_from_the_end(dataset, y=None, **_):
    """Return a split whose rows are counted from the end, but for the outer ones."""
    return Subset(dataset, [0, -3, 5, -7, 8, 2, 9]), Subset(dataset, [1, 3])


class HookedLate(Callback):
    """Registers a hook of the optimiser's steps when the training begins."""

    def on_train_begin(self, net, **_):
        net.optimizer_.register_step_pre_hook(shrink)


def shrink(optimizer, *_):
    """Change weights before a step, and gradients of the step before, if there are."""
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.data.mul_(0.9)
            if weight.grad is not None:
                weight.grad.mul_(0.5)


def run_closure(optimizer, args, kwargs):
    """Compute the loss once more, by what skorch gives the step."""
    args[1]()


def adam_with(hook):
    """Return a maker of optimisers with something of the user's beside their steps."""

    def make(params, lr):
        optimizer = torch.optim.Adam(params, lr=lr)
        if hook == "pre":
            optimizer.register_step_pre_hook(shrink)
        elif hook == "post":
            optimizer.register_step_post_hook(run_closure)
        elif hook == "sums of gradients":
            optimizer.zero_grad = lambda set_to_none=True: None
        elif hook == "own step":
            optimizer.step = lambda closure: torch.optim.Adam.step(optimizer, closure)
        return optimizer

    return make


def chain(*between, n_classes=3, first=None):
    """Return a chain of two layers, and what stands between them."""
    first = nn.Linear(7, 12) if first is None else first
    return nn.Sequential(first, *between, nn.Linear(12, n_classes))


def plain_chain(n_classes=3):
    return chain(nn.ReLU(), nn.Dropout(0.4), n_classes=n_classes)


def in_place(n_classes=3):
    return chain(nn.ReLU(inplace=True), nn.Dropout(0.4), n_classes=n_classes)


def dropped_in_place(n_classes=3):
    return chain(nn.ReLU(), nn.Dropout(0.4, inplace=True), n_classes=n_classes)


def with_tanh(n_classes=3):
    return chain(nn.Tanh(), nn.Dropout(0.4), n_classes=n_classes)


def one_layer(n_classes=3):
    return nn.Sequential(nn.Linear(7, n_classes))


def repeated(n_classes=3):
    layer = nn.Linear(7, 7)
    return nn.Sequential(layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(7, n_classes))


def dropped_twice(n_classes=3):
    drop = nn.Dropout(0.4)
    layers = nn.Linear(7, 9), nn.ReLU(), drop, nn.Linear(9, 8), nn.ReLU(), drop
    return nn.Sequential(*layers, nn.Linear(8, n_classes))


def weight_normed(n_classes=3):
    first = nn.utils.parametrizations.weight_norm(nn.Linear(7, 12))
    return chain(nn.ReLU(), n_classes=n_classes, first=first)


def pruned(n_classes=3):
    first = nn.Linear(7, 12)
    prune.random_unstructured(first, "weight", 0.5)
    return chain(nn.ReLU(), n_classes=n_classes, first=first)


def hooked_chain(kind):
    """Return a maker of chains with a hook that changes what it sees."""

    def make(n_classes=3):
        layers = plain_chain(n_classes)
        if kind == "forward":
            layers[0].register_forward_hook(lambda layer, x, out: 2 * out)
        elif kind == "forward pre":
            layers[2].register_forward_pre_hook(lambda layer, x: (2 * x[0],))
        elif kind == "backward":
            layers[1].register_full_backward_hook(lambda layer, x, out: (2 * x[0],))
        elif kind == "backward pre":
            layers[3].register_full_backward_pre_hook(lambda layer, out: (2 * out[0],))
        elif kind == "forward of an instance":
            layers[0].forward = lambda x: nn.Linear.forward(layers[0], x) * 2
        elif kind == "gradient":
            layers[0].weight.register_hook(lambda gradient: 2 * gradient)
        elif kind == "written gradient":
            layers[3].weight.register_post_accumulate_grad_hook(halve)
        elif kind == "frozen":
            layers[0].bias.requires_grad_(False)
        return layers

    return make


class OwnMLP(MLP):
    """A module with another pass through the same layers."""

    def forward(self, x):
        return super().forward(2 * x)


class OwnLayers(nn.Sequential):
    def forward(self, x):
        return super().forward(2 * x)


def own_layers(n_classes=3):
    return OwnLayers(*plain_chain(n_classes))


class Scaled(nn.CrossEntropyLoss):
    """A loss with a weight of its own."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, out, target):
        return super().forward(self.scale * out, target)


def collate(rows):
    """Return a mini-batch in reverse."""
    return torch.utils.data.default_collate(rows[::-1])


KINDS = {
    "dropout": {"module": MLP, "module__dropout": 0.4},
    "dropout and batch normalisation": {"module": Used},
    "a weight that is never used": {"module": Net},
    "images": {"module": ConvNet, "module__n_hidden": 8},
    "a weight that is sometimes used": {"module": SometimesUsed},
    "frozen weights": {"module": Frozen},
    "tied weights": {"module": Tied},
    "channels last": {"module": ChannelsLast},
    "weights of one storage": {"module": OneStorage},
    "a pass that changes the mode": {"module": InEval},
    "sparse gradients": {"module": Words, "optimizer": torch.optim.SGD},
    "tokens": {"module": Words, "module__sparse": False},
    "several inputs": {"module": TwoInputs},
    "in order": {"iterator_train__shuffle": False},
    "dropped last": {"iterator_train__drop_last": True},
    "one batch": {"batch_size": -1},
    "own batch size": {"iterator_train__batch_size": 5},
    "a collate function": {"iterator_train__collate_fn": collate},
    "an own iterator": {"iterator_train": Twice},
    "an own data set": {"dataset": Noise},
    "a sampler": {
        "iterator_train__shuffle": False,
        "iterator_train__sampler": torch.utils.data.SequentialSampler(range(20)),
    },
    "validation": {"train_split": ValidSplit(0.3, stratified=True, random_state=0)},
    "early stopping": {
        "train_split": ValidSplit(0.3, random_state=0),
        "callbacks": [EarlyStopping(patience=1, load_best=True)],
        "max_epochs": 8,
        "lr": 0.5,
    },
    "scores of training": {
        "callbacks": [EpochScoring("accuracy", on_train=True, name="train_acc")]
    },
    "a schedule of epochs": {
        "callbacks": [LRScheduler("StepLR", step_size=1, gamma=0.5)]
    },
    "a schedule of steps": {
        "callbacks": [LRScheduler("CyclicLR", base_lr=0.001, max_lr=0.1)],
        "optimizer": torch.optim.SGD,
        "optimizer__momentum": 0.9,
    },
    "clipped gradients": {"callbacks": [GradientNormClipping(0.01)]},
    "callbacks of steps": {"callbacks": [Steps()]},
    "a score of steps": {
        "callbacks": [Steps(), ("mean", PassthroughScoring("seen", on_train=True))]
    },
    "a score of some steps": {
        "callbacks": [
            SeenAtTimes(),
            ("mean", PassthroughScoring("seen", on_train=True)),
            ("of nothing", PassthroughScoring("unknown", on_train=True)),
        ]
    },
    "callbacks that change weights": {"callbacks": [Raised()]},
    "frozen by a callback": {"callbacks": [Freezer("layers.1.*")]},
    "no callbacks": {"callbacks": "disable"},
    "an own step": {"class": OwnStep, "module": Net},
    "an own step that wraps skorch's": {"class": OwnStepByWraps, "module": Net},
    "an own loss": {"class": OwnLoss, "module": Net},
    "an own epoch": {"class": OwnEpoch},
    "an own event": {"class": OwnEvent},
    "two classes": {
        "class": NeuralNetBinaryClassifier,
        "criterion": nn.BCEWithLogitsLoss,
        "module__n_classes": 1,
    },
    "groups": {
        "optimizer__param_groups": [
            ("layers.1.*", {"lr": 0.1}),
            ("*bias", {"weight_decay": 0.1}),
        ],
    },
    "AdamW": {"optimizer": torch.optim.AdamW, "optimizer__weight_decay": 0.1},
    "AdamW without": {"optimizer": torch.optim.AdamW, "optimizer__weight_decay": 0},
    "Adam with decay": {"optimizer__weight_decay": 0.1, "optimizer__eps": 1e-3},
    "other betas": {"optimizer__betas": (0.3, 0.6), "max_epochs": 9},
    "no first beta": {
        "optimizer__betas": (0.0, 0.9),
        "batch_size": 1,
        "module__n_hidden": 13,
    },
    "upwards": {"optimizer__maximize": True},
    "decoupled decay": {
        "optimizer__decoupled_weight_decay": True,
        "optimizer__weight_decay": 0.1,
    },
    "decoupled decay of a group": {
        "optimizer__param_groups": [
            ("*weight", {"weight_decay": 0.3, "decoupled_weight_decay": True})
        ],
    },
    "decay of a group of AdamW": {
        "optimizer": torch.optim.AdamW,
        "optimizer__param_groups": [("*bias", {"decoupled_weight_decay": False})],
    },
    **{
        f"an optimiser's own: {hook}": {"optimizer": adam_with(hook)}
        for hook in ("pre", "post", "sums of gradients", "own step")
    },
    "an optimiser hooked late": {"callbacks": [HookedLate()]},
    "normalisation that is fixed on the way": {"module": FixedNorm},
    "a weight without numbers": {"module": NoNumbers},
    "clipped on the way": {"callbacks": [Clipped()]},
    "another optimiser on the way": {"callbacks": [Exchanged()]},
    "other rows on the way": {"callbacks": [OtherRows()]},
    "other positions on the way": {
        "callbacks": [OtherPositions()],
        "train_split": ValidSplit(0.3, random_state=0),
    },
    "rows that change on the way": {"callbacks": [Augmented()]},
    "rows counted from the end": {"train_split": some_from_the_end},
    "a rate that is a tensor": {"optimizer__lr": torch.tensor(0.01)},
    "all at once": {"optimizer__foreach": True},
    "amsgrad": {"optimizer__amsgrad": True},
    "a schedule of Adam": {
        "callbacks": [LRScheduler(OneCycleLR, max_lr=0.1, total_steps=9)],
        "max_epochs": 8,
        "optimizer": torch.optim.AdamW,
    },
    "a group without gradients at times": {
        "module": SometimesUsed,
        "max_epochs": 5,
        "optimizer__param_groups": [("unused", {"lr": 0.1})],
    },
    "a frozen group": {
        "module": Frozen,
        "optimizer__param_groups": [("first.*", {"lr": 0.1})],
    },
    "hooks of weights": {"module": Hooked},
    "gradients that are no numbers": {"module": Overflowing, "max_epochs": 5},
    "half": {"module": Halved, "callbacks": "disable"},
    "double": {"module": Doubled},
    "a history of one's own": {"class": OwnHistory},
    "long": {"max_epochs": 60, "lr": 0.1},
    "fused": {"optimizer__fused": True},
    "SGD": {"optimizer": torch.optim.SGD},
    "Nesterov": {
        "optimizer": torch.optim.SGD,
        "optimizer__momentum": 0.9,
        "optimizer__nesterov": True,
        "optimizer__weight_decay": 0.01,
    },
    "RMSprop": {
        "optimizer": torch.optim.RMSprop,
        "optimizer__momentum": 0.5,
        "optimizer__centered": True,
    },
    "Adagrad": {"optimizer": torch.optim.Adagrad},
    "a chain": {"module": plain_chain},
    "a chain, in place": {"module": in_place},
    "a chain with another activation": {"module": with_tanh},
    "one layer": {"module": one_layer},
    "a repeated layer": {"module": repeated},
    "a repeated dropout": {"module": dropped_twice},
    "normed weights": {"module": weight_normed},
    "pruned weights": {"module": pruned},
    "a subclass of MLP": {"module": OwnMLP},
    "a subclass of Sequential": {"module": own_layers},
    "nothing dropped": {"module__dropout": 0.0},
    "all dropped": {"module__dropout": 1.0},
    "many layers": {"module__n_layers": 4},
    "one row and one unit": {"batch_size": 1, "module__n_hidden": 1},
    "no hidden layer": {"module__n_layers": 0},
    "layers that wait for their size": {"module__n_features": None},
    "rows of any shape": {},
    "too high a rate": {"lr": 1e30, "max_epochs": 4},
    "smoothed labels": {"criterion__label_smoothing": 0.1},
    "weights of classes": {"criterion__weight": torch.tensor([1.0, 2.0, 0.5])},
    "a sum of losses": {"criterion__reduction": "sum"},
    "margins": {
        "criterion": nn.MultiMarginLoss,
        "predict_nonlinearity": "softmax",
    },
    "a loss with a weight": {"criterion": Scaled},
    **{
        f"hook: {kind}": {"module": hooked_chain(kind)}
        for kind in (
            "forward",
            "forward pre",
            "backward",
            "backward pre",
            "forward of an instance",
            "gradient",
            "written gradient",
            "frozen",
        )
    },
    "LBFGS": {
        "optimizer": torch.optim.LBFGS,
        "lr": 0.1,
        "max_epochs": 1,
        "module__n_hidden": 2,
    },
}


def rows_of(kind):
    if kind in ("images", "channels last"):
        return RNG.random((21, 1, 8, 8), dtype=np.float32), np.arange(21) % 3
    if kind in ("tokens", "sparse gradients"):
        return np.arange(53 * 4).reshape(53, 4) % 19, Y
    if kind == "rows of any shape":
        return RNG.random((21, 2, 3, 4), dtype=np.float32), np.arange(21) % 3
    if kind == "several inputs":
        return {"wide": X, "narrow": X[:, :2].copy()}, Y
    if kind == "two classes":
        return X, (Y > 0).astype(int)
    return X, Y


def train(kind, rows, monkeypatch, in_memory, weight=None, tmp=None):
    params = DEFAULTS | {"module": MLP} | KINDS.get(kind, {})
    make, params = params.pop("class", NeuralNetClassifier), dict(params)
    net = make(**copy.deepcopy(params))
    shown, y = rows
    with monkeypatch.context() as patched:
        if not in_memory:
            patched.setattr(_fit, "in_memory", lambda net: nullcontext())
        fit = fit_by_hand if isinstance(shown, dict) else fit_net
        return fit(
            net, shown, y, n_classes=len(np.unique(y)), seed=3, sample_weight=weight
        )


def fit_by_hand(net, X, y, n_classes, seed, sample_weight):
    """Train a net on several inputs; what fits all others shows its module one."""
    torch.manual_seed(seed)
    with torch.random.fork_rng():
        net.set_params(module__n_classes=n_classes)
        net.initialize()
        _fit.train_on(net, X, y)
    return net


def assert_same(net, other):
    state, others = net.module_.state_dict(), other.module_.state_dict()
    for name, values in state.items():
        assert of_bits(values) == of_bits(others[name]), name
    for epoch, its in zip(net.history, other.history, strict=True):
        epoch, its = dict(epoch), dict(its)
        epoch.pop("dur", None)
        its.pop("dur", None)
        assert list(epoch) == list(its)
        assert repr(epoch) == repr(its)  # where no number equals no number
    optimizer, its = net.optimizer_.state_dict(), other.optimizer_.state_dict()
    assert settings(optimizer) == settings(its)
    assert optimizer["state"].keys() == its["state"].keys()
    for at, values in optimizer["state"].items():
        assert list(values) == list(its["state"][at])
        for name, value in values.items():
            assert of_bits(value) == of_bits(its["state"][at][name]), name
    for weight, theirs in zip(
        net.module_.parameters(), other.module_.parameters(), strict=True
    ):
        assert (weight.grad is None) == (theirs.grad is None)
        if weight.grad is not None and not weight.grad.is_sparse:
            assert of_bits(weight.grad) == of_bits(theirs.grad)


def of_bits(value):
    """Return what equal numbers have in common, the sign of zero included."""
    if isinstance(value, list):
        return [of_bits(part) for part in value]
    if not isinstance(value, torch.Tensor):
        return value
    bits = value.detach().contiguous().view(-1).view(torch.uint8)
    return value.dtype, value.shape, bits.numpy().tobytes()


def settings(state):
    return [
        {name: of_bits(value) for name, value in group.items()}
        for group in state["param_groups"]
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_the_results_are_skorchs_to_the_last_bit(kind, monkeypatch):
    rows = rows_of(kind)
    with np.errstate(all="ignore"):
        nets = [train(kind, rows, monkeypatch, quick) for quick in (True, False)]
    assert_same(*nets)


@pytest.mark.parametrize("n_rows", [1, 2, 7, 8, 9])
def test_few_rows(n_rows, monkeypatch):
    rows = X[:n_rows], np.arange(n_rows) % 3
    kind = "dropout and batch normalisation"
    assert_same(*[train(kind, rows, monkeypatch, quick) for quick in (True, False)])


def test_weights_of_rows_are_left_to_skorch(monkeypatch):
    weight = np.linspace(0.1, 2, 53)
    nets = [
        train("dropout", (X, Y), monkeypatch, quick, weight) for quick in (True, False)
    ]
    assert_same(*nets)


@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "SGD", "RMSprop"])
@pytest.mark.parametrize("n_hidden", [1, 3, 17, 33, 50])
def test_weights_of_all_sizes(optimizer, n_hidden, monkeypatch):
    kind = {
        "module__n_hidden": n_hidden,
        "optimizer": getattr(torch.optim, optimizer),
        "optimizer__weight_decay": 0.01,
    }
    monkeypatch.setitem(KINDS, "sizes", kind)
    nets = [train("sizes", (X, Y), monkeypatch, quick) for quick in (True, False)]
    assert_same(*nets)


def test_ordinary_nets_take_the_quick_path(monkeypatch):
    """Else all other tests would compare skorch with itself."""
    seen = []

    def spy(net, run, vectors, chain, iterator, *args, **kwargs):
        seen.append((type(iterator).__name__, len(vectors)))
        return run_epoch(net, run, vectors, chain, iterator, *args, **kwargs)

    run_epoch = _in_memory._run_epoch
    monkeypatch.setattr(_in_memory, "_run_epoch", spy)
    train("groups", (X, Y), monkeypatch, True)
    assert set(seen) == {("ArrayLoader", 3), ("NoneType", 3)}


@pytest.fixture
def passes(monkeypatch):
    """Passes of chains that are made without autograd."""
    seen, run = [], ChainTraining.run
    monkeypatch.setattr(
        ChainTraining, "run", lambda self, x: seen.append(len(x)) or run(self, x)
    )
    return seen


@pytest.mark.parametrize(
    "kind",
    [
        "dropout",
        "a chain",
        "all dropped",
        "one layer",
        "rows of any shape",
        "groups",
        "weights of classes",
        "validation",
    ],
)
def test_chains_train_without_autograd(kind, passes, monkeypatch):
    train(kind, rows_of(kind), monkeypatch, True)
    assert sum(passes) == 2 * (37 if kind == "validation" else len(rows_of(kind)[1]))


class Doubling(TorchFunctionMode):
    """What linear layers return is twice as large inside."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        return 2 * out if function is nn.functional.linear else out


class Halving(TorchDispatchMode):
    """What ReLUs return is half as large inside."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        return out / 2 if function is torch.ops.aten.relu.default else out


def kept_in_half_precision():
    """Return a context in which passes keep little for the way back."""

    def pack(kept):
        return kept.dtype, kept.bfloat16() if kept.is_floating_point() else kept

    return torch.autograd.graph.saved_tensors_hooks(pack, lambda p: p[1].to(p[0]))


CONTEXTS = {
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "a function mode": Doubling,
    "a dispatch mode": Halving,
    "hooks on what passes keep": kept_in_half_precision,
}


@pytest.mark.parametrize("context", [*CONTEXTS, "a hook on all modules"])
def test_contexts_that_change_passes_are_left_to_torch(context, passes, monkeypatch):
    def double(module, x, out):
        return 2 * out if isinstance(module, nn.Linear) else out

    nets = []
    for quick in (True, False):
        if context == "a hook on all modules":
            around = torch_module.register_module_forward_hook(double)
        else:
            around = CONTEXTS[context]()
        with around, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            nets.append(train("dropout", (X, Y), monkeypatch, quick))
    assert_same(*nets)
    assert passes == []


def test_rows_that_a_chain_takes_otherwise_are_left_to_torch():
    def takes(layers, x):
        net = NeuralNetClassifier(**DEFAULTS | {"module": layers}).initialize()
        return chain_training(net, list(net.module_.parameters())).takes(x)

    assert takes(plain_chain, torch.zeros(2, 7))
    assert takes(MLP(n_features=7), torch.zeros(2, 1, 7))
    assert not takes(plain_chain, torch.zeros(2, 1, 7))  # layers see the last axis
    assert not takes(plain_chain, torch.zeros(2, 7, dtype=torch.float64))
    assert not takes(plain_chain, torch.zeros(2, 7).to_sparse())
    assert not takes(plain_chain, nn.Parameter(torch.zeros(2, 7)))
    assert not takes(plain_chain, {"X": torch.zeros(2, 7)})


def test_rows_of_another_width_are_torchs_error(monkeypatch):
    net = NeuralNetClassifier(**DEFAULTS | {"module": plain_chain}).initialize()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        _fit.train_on(net, X[:, :5], Y)


@pytest.mark.parametrize(
    ("kind", "n_steps"),
    [
        ("dropout and batch normalisation", 13),
        ("AdamW", 13),
        ("groups", 39),
        ("a schedule of Adam", 55),
        ("amsgrad", 0),
        ("SGD", 0),
        ("a group without gradients at times", 14),  # in its first seven steps
    ],
)
def test_steps_of_adam_are_made_directly_where_torch_makes_no_others(
    kind, n_steps, monkeypatch
):
    """The first step of each group is the optimiser's, which makes its state."""
    for optimizer in (torch.optim.Adam, torch.optim.AdamW):
        _adam_update._rounds_as_torch(optimizer)
    n_seen, step = [], AdamUpdate.step
    monkeypatch.setattr(
        AdamUpdate, "step", lambda self, g: n_seen.append(0) or step(self, g)
    )
    train(kind, (X, Y), monkeypatch, True)
    assert len(n_seen) == n_steps


def test_torch_makes_all_steps_where_it_rounds_otherwise(monkeypatch):
    assert _adam_update._rounds_as_torch(torch.optim.Adam)
    assert _adam_update._rounds_as_torch(torch.optim.AdamW)
    _adam_update._rounds_as_torch.cache_clear()

    def nothing(self, gradient):
        raise AssertionError("a step that torch would have made")

    def other(self, gradient):
        self._vector.sub_(gradient)  # as another version might

    for step in (other, nothing):
        monkeypatch.setattr(AdamUpdate, "step", step)
        net = train("dropout", (X, Y), monkeypatch, True)
    monkeypatch.undo()
    _adam_update._rounds_as_torch.cache_clear()
    assert_same(net, train("dropout", (X, Y), monkeypatch, False))


def test_weights_are_tensors_of_their_own_afterwards(monkeypatch):
    net = train("dropout", (X, Y), monkeypatch, True)
    weights = list(net.module_.parameters())
    storages = {weight.untyped_storage().data_ptr() for weight in weights}
    assert len(storages) == len(weights)
    for weight in weights:
        assert weight.untyped_storage().nbytes() == 4 * weight.numel()
    held = [p for group in net.optimizer_.param_groups for p in group["params"]]
    assert all(p is weight for p, weight in zip(held, weights, strict=True))
    assert "run_single_epoch" not in vars(net)
    pickle.loads(pickle.dumps(net)).partial_fit(X, Y)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_an_exception_leaves_what_skorch_leaves(error, monkeypatch):
    class Ends(nn.Module):
        def __init__(self, **params):
            super().__init__()
            self.inner, self.n_passes = Used(), 0

        def forward(self, x):
            self.n_passes += self.training
            if self.n_passes == 9:
                raise error
            return self.inner(x)

    nets = []
    for quick in (True, False):
        with monkeypatch.context() as patched:
            if not quick:
                patched.setattr(_fit, "in_memory", lambda net: nullcontext())
            torch.manual_seed(0)
            net = NeuralNetClassifier(**DEFAULTS | {"module": Ends}).initialize()
            with pytest.raises(error):
                _fit.train_on(net, X, Y)
            nets.append(net)
    assert_same(*nets)
    net = nets[0]
    weights = list(net.module_.parameters())
    held = net.optimizer_.param_groups[0]["params"]
    assert all(p is weight for p, weight in zip(held, weights, strict=True))
    assert not {"run_single_epoch", "get_iterator"} & set(vars(net))
    assert set(net.optimizer_.state) == set(weights)
    assert len({w.untyped_storage().data_ptr() for w in weights}) == len(weights)


@pytest.mark.slow
def test_interrupts_at_any_line_leave_the_optimiser_its_weights():
    """Also those that cut short how weights become a vector, or their own again."""
    settings = DEFAULTS | {"module": one_layer, "max_epochs": 1}
    n, was_interrupted = 0, True
    while was_interrupted:
        n += 1
        net = NeuralNetClassifier(**settings).initialize()
        fit = functools.partial(_fit.train_on, net, X[:16], Y[:16])
        was_interrupted = interrupted_at(fit, n, "_weight_vector")
        weights = list(net.module_.parameters())
        [group] = net.optimizer_.param_groups
        assert all(p is w for p, w in zip(group["params"], weights, strict=True))
        n_batches = sum(len(epoch["batches"]) for epoch in net.history)
        has_state = n_batches > 1 or bool(net.optimizer_.state)
        assert set(net.optimizer_.state) == set(weights if has_state else [])
        assert len({w.untyped_storage().data_ptr() for w in weights}) == len(weights)
    assert n > 50


def test_a_second_training_goes_on_from_the_first(monkeypatch):
    nets = []
    for quick in (True, False):
        with monkeypatch.context() as patched:
            if not quick:
                patched.setattr(_fit, "in_memory", lambda net: nullcontext())
            torch.manual_seed(0)
            net = NeuralNetClassifier(**DEFAULTS | {"module": Net}).initialize()
            for _ in range(2):
                _fit.train_on(net, X, Y)
            nets.append(net)
    assert_same(*nets)


def test_a_checkpoint_on_the_way_has_the_usual_state(tmp_path, monkeypatch):
    callbacks = [Checkpoint(monitor=None, dirname=tmp_path, event_name=None)]
    monkeypatch.setitem(KINDS, "saved", {"callbacks": callbacks})
    net = train("saved", (X, Y), monkeypatch, True)
    saved = torch.load(tmp_path / "optimizer.pt", weights_only=True)
    assert len(saved["state"]) == len(list(net.module_.parameters()))


def test_the_log_is_as_before(capsys, monkeypatch):
    logs = []
    for quick in (True, False):
        monkeypatch.setitem(
            KINDS, "logged", {"verbose": 1, "callbacks__print_log__keys_ignored": "dur"}
        )
        train("logged", (X, Y), monkeypatch, quick)
        logs.append(capsys.readouterr().out)
    assert logs[0] == logs[1]
    assert logs[0].count("\n") == 4
    lines = []
    own = {"callbacks__print_log": PrintLog(sink=lines.append)}
    monkeypatch.setitem(KINDS, "own sink", own)
    net = train("own sink", (X, Y), monkeypatch, True)
    assert dict(net.callbacks_)["print_log"].sink.__self__ is not None


class MaxNorm(nn.Linear):
    """A layer that puts other numbers in the place of its weights, in each pass."""

    def forward(self, x):
        self.weight.data = torch.renorm(self.weight.data, 2, 0, 1.0)
        return super().forward(x)


class Thawing(nn.Module):
    """A net that thaws its first layer in its fourth pass."""

    def __init__(self, n_classes=3):
        super().__init__()
        self.first, self.last = nn.Linear(X.shape[1], 8), nn.Linear(8, n_classes)
        self.first.requires_grad_(False)
        self.n_passes = 0

    def forward(self, x):
        self.n_passes += 1
        self.first.requires_grad_(self.n_passes > 3)
        return self.last(self.first(x).relu())


class SeenTwice(nn.Module):
    """A net with a second way to the numbers of its first layer."""

    def __init__(self, n_classes=3):
        super().__init__()
        self.first, self.last = nn.Linear(X.shape[1], 7), nn.Linear(7, n_classes)
        self.seen = self.first.weight.detach()

    def forward(self, x):
        return self.last(self.first(x) @ self.seen)


class Decay:
    """A schedule of the user's that looks at the weights."""

    def __init__(self, optimizer, **_):
        self.optimizer = optimizer

    def step(self, *_, **__):
        for group in self.optimizer.param_groups:
            group["lr"] /= len(group["params"])

    def state_dict(self):
        return {}


def score_of_optimizer(net, _X, _y):
    """Return what hangs on how the optimiser holds its weights."""
    net.optimizer_.load_state_dict(net.optimizer_.state_dict())
    held = [p for group in net.optimizer_.param_groups for p in group["params"]]
    return len(held) + float(net.optimizer_.state[held[-1]]["exp_avg"].sum())


SCORED = EpochScoring(score_of_optimizer, name="held", on_train=False)


def with_max_norm(n_classes=3):
    return nn.Sequential(nn.Dropout(0.1), MaxNorm(X.shape[1], n_classes))


class Shrinking(NeuralNetClassifier):
    """A net that finds its weights by way of the optimiser."""

    def get_loss(self, *args, **kwargs):
        weights = self.optimizer_.param_groups[0]["params"]
        penalty = sum((weight**2).sum() for weight in weights)
        return super().get_loss(*args, **kwargs) + 0.1 * penalty

    def on_epoch_end(self, net, **kwargs):
        super().on_epoch_end(net, **kwargs)
        with torch.no_grad():
            for weight in self.optimizer_.param_groups[0]["params"]:
                weight.mul_(0.9)


@pytest.mark.parametrize(
    "kind",
    [
        {"module": with_max_norm},
        {"module": Thawing},
        {"class": Shrinking, "module": MLP},
        {"module": SeenTwice},
        {
            "callbacks": [SCORED],
            "train_split": ValidSplit(0.3, stratified=True, random_state=0),
        },
        {"callbacks": [LRScheduler(Decay)]},
    ],
    ids=[
        "max norm",
        "thawing",
        "by the optimiser",
        "a view of them",
        "a score",
        "a schedule",
    ],
)
def test_what_reaches_for_the_weights_gets_them(kind, monkeypatch):
    monkeypatch.setitem(KINDS, "reaching", kind)
    nets = [train("reaching", (X, Y), monkeypatch, quick) for quick in (True, False)]
    assert_same(*nets)


def test_a_callback_with_a_method_of_its_own_sees_the_weights(monkeypatch):
    nets = []
    for quick in (True, False):
        with monkeypatch.context() as patched:
            if not quick:
                patched.setattr(_fit, "in_memory", lambda net: nullcontext())
            torch.manual_seed(0)
            net = NeuralNetClassifier(**DEFAULTS | {"module": MLP(7, 3)}).initialize()
            decay = Decay(net.optimizer_)
            dict(net.callbacks_)["epoch_timer"].on_epoch_end = decay.step
            _fit.train_on(net, X, Y)
            nets.append(net)
    assert_same(*nets)


def test_hooks_on_all_optimisers_see_the_weights(monkeypatch):
    seen = []
    hook = register_optimizer_step_post_hook(
        lambda optimizer, *_: seen.append(
            [p.shape for group in optimizer.param_groups for p in group["params"]]
        )
    )
    try:
        net = train("dropout", (X, Y), monkeypatch, True)
    finally:
        hook.remove()
    shapes = [weight.shape for weight in net.module_.parameters()]
    assert seen == [shapes] * 14


def test_a_hook_before_the_steps_of_all_optimisers_comes_before_the_gradients(
    monkeypatch,
):
    hook = register_optimizer_step_pre_hook(lambda optimizer, *_: shrink(optimizer))
    try:
        nets = [train("dropout", (X, Y), monkeypatch, quick) for quick in (True, False)]
    finally:
        hook.remove()
    assert_same(*nets)


@pytest.mark.parametrize("quick", [True, False])
def test_an_optimiser_that_torch_cannot_run_fails(quick, monkeypatch):
    monkeypatch.setitem(KINDS, "refused", {"optimizer__differentiable": True})
    with pytest.raises(RuntimeError, match="leaf Variable"):
        train("refused", (X, Y), monkeypatch, quick)


class Single(Used):
    def __init__(self, **params):
        super().__init__(**params)
        self.float()


def test_torchs_default_type_is_not_that_of_the_weights(monkeypatch):
    monkeypatch.setitem(KINDS, "single", {"module": Single})
    before = torch.get_default_dtype()
    _adam_update._rounds_as_torch.cache_clear()
    try:
        torch.set_default_dtype(torch.float64)
        nets = [train("single", (X, Y), monkeypatch, quick) for quick in (True, False)]
    finally:
        torch.set_default_dtype(before)
    assert nets[0].module_.last.weight.dtype == torch.float32
    assert_same(*nets)


def test_training_inside_a_query_has_gradients(monkeypatch):
    with torch.no_grad():
        net = train("dropout", (X, Y), monkeypatch, True)
    assert_same(net, train("dropout", (X, Y), monkeypatch, False))
