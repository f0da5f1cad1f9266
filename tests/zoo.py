"""Modules that are awkward to sample: each with inputs and what is to be expected."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrize import register_parametrization as parametrize

from skal_deep.modules import DropConnectLinear

N_FEATURES, N_CLASSES = 6, 3


def vectors(n_rows: int) -> Any:
    """Return rows that are vectors."""
    rng = np.random.default_rng(n_rows)
    return rng.standard_normal((n_rows, N_FEATURES)).astype(np.float32)


def images(n_rows: int) -> Any:
    """Return rows that are images of one channel."""
    rng = np.random.default_rng(n_rows)
    return rng.standard_normal((n_rows, 1, 6, 6)).astype(np.float32)


def dictionary(n_rows: int) -> Any:
    """Return rows that are spread over two arrays."""
    X = vectors(n_rows)
    return {"left": X[:, :4], "right": X[:, 4:]}


@dataclass(frozen=True)
class Animal:
    """A module of the zoo.

    Attributes
    ----------
    make : callable
        Returns the module, with weights from torch's global generator.
    expected : str
        "samples": by fast passes; "falls back": samples by whole passes; "refused":
        for the reason ``cause``.
    rows : callable
        Returns a number of rows.
    cause : str
        A part of the message.
    """

    make: Callable[[], nn.Module]
    expected: str = "samples"
    rows: Callable[[int], Any] = vectors
    cause: str = ""


def linear(n_in: int = N_FEATURES, n_out: int = N_FEATURES) -> nn.Linear:
    """Return a linear layer."""
    return nn.Linear(n_in, n_out)


class Base(nn.Module):
    """Two layers, a head, dropout; subclasses differ in how they run them."""

    drops = 1
    p = 0.4

    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = linear(), linear(), linear(N_FEATURES, N_CLASSES)
        if self.drops > 0:
            self.drop = nn.Dropout(self.p)
        if self.drops > 1:
            self.drop2 = nn.Dropout(self.p)


class InPlaceOnKept(Base):
    def forward(self, x):
        h = self.a(x)
        z = self.b(self.drop(h).tanh())
        return self.out(z + F.relu_(h))


class AddsToKept(Base):
    def forward(self, x):
        h = self.a(x)
        h += self.drop(h)
        return self.out(h)


class AddsToAlias(Base):
    def forward(self, x):
        h = kept = self.a(x)
        h += self.drop(h)
        return self.out(h * kept)


class UnreadInPlace(Base):
    """Changes in place what dropout reads, and does not read the result itself."""

    def forward(self, x):
        h = self.a(x)
        F.relu_(h)
        return self.out(self.drop(h))


class ChangesInput(Base):
    def forward(self, x):
        x -= 1
        x *= 0.5
        return self.out(self.drop(self.a(x).relu()))


class ChangesInputLate(Base):
    def forward(self, x):
        h = self.drop(x)
        x *= 0.5
        return self.out(h + self.a(x))


class Scratch(Base):
    """Adds to a tensor that tracing takes for a constant."""

    drops = 2

    def forward(self, x):
        total = torch.zeros(N_FEATURES)
        total = total.add_(self.drop(self.a(x)).mean() * 0)
        return self.out(self.drop2(self.b(x)) + total)


class Experts(Base):
    """Skips an expert that no row of the mini-batch goes to."""

    shares_dropout = False

    drops = 2

    def forward(self, x):
        h, out = self.a(x), torch.zeros(len(x), N_FEATURES)
        drops = (
            (self.drop, self.drop)
            if self.shares_dropout
            else (self.drop, nn.Identity())
        )
        for expert, drop, rows in zip(
            (self.a, self.b), drops, (x[:, 0] > 0.5, x[:, 0] <= 0.5), strict=True
        ):
            if rows.any():
                out[rows] = drop(expert(h[rows]))
        return self.out(self.drop2(out))


class ExpertsThatShare(Experts):
    shares_dropout = True


class EarlyExit(Base):
    """Runs a branch with dropout of its own only if some row needs it."""

    drops = 2

    def forward(self, x):
        h = self.a(x)
        hard = h[:, 0] < 0.3
        if hard.any():
            h = torch.where(hard[:, None], self.drop(self.b(h)), h)
        return self.out(self.drop2(h))


class SharedTwice(Base):
    def forward(self, x):
        h = self.drop(self.a(x).relu())
        return self.out(self.drop(self.b(h).relu()))


class Loop(Base):
    def forward(self, x):
        for _ in range(3):
            x = x + self.drop(self.a(x).relu())
        return self.out(x)


class DependsOnValues(Base):
    def forward(self, x):
        h = self.a(x)
        return self.out(self.drop(h if h.sum() * 0 == 0 else -h))


class Slices(Base):
    drops = 2

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(self.a, nn.ReLU(), self.drop, self.b, nn.ReLU())

    def forward(self, x):
        return self.out(self.drop2(self.layers[3:](self.layers[:3](x))))


class Remembers(Base):
    def forward(self, x):
        self.last = self.a(x)
        self.n_passes = getattr(self, "n_passes", 0) + 1
        return self.out(self.drop(self.last)), self.last


class Alternates(Base):
    """Is another function from call to call."""

    n_passes = 0

    def forward(self, x):
        type(self).n_passes += 1
        return self.out(self.drop(self.a(x)) * (1 + self.n_passes % 2))


class Joined(Base):
    def forward(self, left, right):
        return self.out(self.drop(self.a(torch.cat([left, right], 1)).relu()))


class Attends(Base):
    drops = 0

    def __init__(self):
        super().__init__()
        self.up = nn.Linear(1, 8)
        self.attend = nn.MultiheadAttention(8, 2, 0.5, batch_first=True)
        self.head = nn.Linear(8, N_CLASSES)

    def forward(self, x):
        h = self.up(x[..., None])
        return self.head(self.attend(h, h, h)[0].mean(1))


class Encodes(Base):
    drops = 0

    def __init__(self):
        super().__init__()
        self.up, self.head = nn.Linear(1, 8), nn.Linear(8, N_CLASSES)
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.3, batch_first=True)
        self.encode = nn.TransformerEncoder(layer, 2)

    def forward(self, x):
        return self.head(self.encode(self.up(x[..., None])).mean(1))


class Padded(Encodes):
    """Rows of two lengths; torch nests them, where the longer ones are all there is."""

    def forward(self, x):
        is_padding = torch.arange(N_FEATURES) >= 4 + 2 * (x[:, :1] > 0)
        h = self.encode(self.up(x[..., None]), src_key_padding_mask=is_padding)
        return self.head(h[:, 0])


class SelfAttention(nn.Module):
    """Attention as BERT of transformers has it, by three ways to drop it."""

    def __init__(self, kind, p):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))
        self.dropout, self.dropout_prob, self.kind = nn.Dropout(p), p, kind

    def forward(self, h):
        q, k, v = (
            layer(h).unflatten(-1, (2, 4)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        if self.kind == "sdpa":
            p = self.dropout_prob if self.training else 0.0
            mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=p)
        else:
            weights = (q @ k.transpose(-1, -2) / 2).softmax(-1)
            if self.kind == "function":
                p = self.dropout.p if self.training else 0.0
                weights = F.dropout(weights, p=p, training=self.training)
            else:
                weights = self.dropout(weights)
            mixed = weights @ v
        return mixed.transpose(1, 2).flatten(2)


class Bert(nn.Module):
    """A small look-alike of BERT for sequences of numbers."""

    def __init__(self, kind, attention=0.4, hidden=0.0):
        super().__init__()
        self.up, self.norm = nn.Linear(1, 8), nn.LayerNorm(8)
        self.attention, self.dense = SelfAttention(kind, attention), nn.Linear(8, 8)
        self.dropout, self.out = nn.Dropout(hidden), nn.Linear(8, N_CLASSES)

    def forward(self, x):
        h = self.up(x[..., None])
        h = self.norm(h + self.dropout(self.dense(self.attention(h))))
        return self.out(h.mean(1))


class TrainsOtherwise(SelfAttention):
    """In train mode it does more than to drop attention."""

    def forward(self, h):
        return super().forward(h) * (2 if self.training else 1)


class Places(Base):
    """Drops what it has learned of places, which has no rows, as it stands."""

    def __init__(self, first_axis):
        super().__init__()
        self.places = nn.Parameter(torch.randn(*first_axis, N_FEATURES, 4))
        self.up, self.head = nn.Linear(1, 4), nn.Linear(4 * N_FEATURES, N_CLASSES)

    def forward(self, x):
        h = self.up(x[..., None]) + self.drop(input=self.places)
        return self.head(h.relu().flatten(1))


class NeverOff(Base):
    """Keeps its dropout on, a common recipe for Monte Carlo dropout."""

    def train(self, mode=True):
        super().train(mode)
        self.drop.train()
        return self

    def forward(self, x):
        return self.out(self.drop(self.a(x).relu()))


class Recurrent(Base):
    def __init__(self, n_layers, dropout):
        super().__init__()
        self.lstm = nn.LSTM(1, 8, n_layers, batch_first=True, dropout=dropout)
        self.head = nn.Linear(8, N_CLASSES)

    def forward(self, x):
        return self.head(self.drop(self.lstm(x[..., None])[0][:, -1]))


class OwnDropout(nn.Module):
    def __init__(self, p=0.4):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        return x * torch.bernoulli(torch.full_like(x, 1 - self.p)) / (1 - self.p)


class AlwaysOn(nn.Dropout):
    def forward(self, x):
        return F.dropout(x, self.p, True)


class Locked(nn.Dropout):
    """Drops the same units at all positions, in training."""

    def forward(self, x):
        return x * (torch.rand(len(x), 1) > self.p) if self.training else x


class Beside(Base):
    """A live dropout layer, and something hidden after it."""

    def __init__(self, hidden):
        super().__init__()
        self.hidden = hidden if isinstance(hidden, nn.Module) else None
        self.function = hidden

    def forward(self, x):
        h = self.drop(self.a(x))
        return self.out(
            self.function(self, h) if self.hidden is None else self.hidden(h)
        )


class DropsInPlace(Base):
    """Another name of what is dropped in place sees it, too."""

    def __init__(self):
        super().__init__()
        self.drop.inplace = True

    def forward(self, x):
        h = self.a(x)
        return self.out(self.drop(h) + h)


class OwnGenerator(nn.Module):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        kept = self.rng.random(x.shape) > 0.4
        return x * torch.as_tensor(kept) if self.training else x


class AttendsOtherwise(nn.MultiheadAttention):
    def forward(self, x):
        h = x[:, :, None].expand(-1, -1, 2)
        return F.dropout(super().forward(h, h, h)[0], 0.4, self.training)[..., 0]


class NormsAndDrops(nn.BatchNorm1d):
    def forward(self, x):
        return F.dropout(super().forward(x), 0.4, self.training)


class Flagged(Base):
    """Asks another layer whether it trains."""

    asks = "a"

    def forward(self, x):
        h = self.drop(self.a(x))
        return self.out(F.dropout(h, 0.4, getattr(self, self.asks).training))


class FlaggedByDropout(Flagged):
    asks = "drop"


class InTrainingOnly(Base):
    drops = 2

    def forward(self, x):
        h = self.drop2(self.a(x))
        return self.out(self.drop(h) if self.training else h)


class Unregistered(Base):
    def __init__(self):
        super().__init__()
        self.parts = [nn.Dropout(0.5)]

    def forward(self, x):
        return self.out(self.parts[0](self.drop(self.a(x))))


class Idle(Base):
    drops = 2

    def forward(self, x):
        return self.out(self.drop(self.a(x)))


class RowsSecond(Base):
    def forward(self, x):
        return self.out(self.drop(x.T).T)


class Views(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.drop = nn.Conv2d(1, 3, 3), nn.Dropout2d(0.4)
        self.out = nn.Linear(48, N_CLASSES)

    def forward(self, x):
        return self.out(self.drop(self.conv(x)).relu_().view(x.size(0), -1))


def hooked(module=None):
    """Return a module whose output a hook changes."""
    module = module or SharedTwice()
    module.register_forward_hook(lambda _, inputs, output: output * 2)
    return module


def compiled_in_place():
    """Return a module that compiles its calls."""
    module = SharedTwice()
    module.compile(backend="eager")
    return module


def normed(norm):
    """Return a module with a layer whose weight is computed."""
    return nn.Sequential(
        linear(), nn.Dropout(0.4), norm(linear()), nn.ReLU(), linear(N_FEATURES, 3)
    )


def chain(*layers):
    """Return layers with a head."""
    return nn.Sequential(*layers, linear(N_FEATURES, N_CLASSES))


def scripted(module):
    """Return a module in TorchScript, which torch is about to give up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(module)


def refused(hidden, cause):
    """Return a module with hidden dropout, which is refused."""
    return Animal(lambda: Beside(hidden()), "refused", cause=cause)


def function(call):
    """Return a maker of a function of the module and its hidden units."""
    return lambda: call


ZOO = {
    "a kept tensor changed in place": Animal(InPlaceOnKept, "falls back"),
    "a draw added to a kept tensor": Animal(AddsToKept, "falls back"),
    "a draw added to a kept tensor of two names": Animal(AddsToAlias, "falls back"),
    "an unread change in place": Animal(UnreadInPlace),
    "an input changed in place": Animal(ChangesInput),
    "an input changed in place late": Animal(ChangesInputLate, "falls back"),
    "a constant changed in place": Animal(Scratch, "falls back"),
    "ReLU in place": Animal(
        lambda: chain(linear(), nn.ReLU(inplace=True), nn.Dropout(0.4))
    ),
    "ReLU in place on the input": Animal(
        lambda: chain(nn.ReLU(inplace=True), nn.Dropout(0.4))
    ),
    "experts": Animal(Experts, "falls back"),
    "experts that share dropout": Animal(ExpertsThatShare, "refused", cause="alone"),
    "early exit": Animal(EarlyExit, "falls back"),
    "a layer used twice": Animal(SharedTwice),
    "a loop": Animal(Loop),
    "flow by values": Animal(DependsOnValues, "falls back"),
    "slices of Sequential": Animal(Slices),
    "two outputs, and state": Animal(Remembers),
    "a hook on the module": Animal(hooked, "falls back"),
    "a hook on a layer": Animal(
        lambda: chain(hooked(linear()), nn.Dropout(0.4)), "falls back"
    ),
    "batch norm": Animal(lambda: chain(linear(), nn.BatchNorm1d(6), nn.Dropout(0.4))),
    "batch norm after dropout": Animal(
        lambda: chain(linear(), nn.Dropout(0.4), nn.BatchNorm1d(6))
    ),
    "alpha dropout": Animal(lambda: chain(linear(), nn.SELU(), nn.AlphaDropout(0.4))),
    "drop connect": Animal(lambda: chain(DropConnectLinear(6, 6, 0.4))),
    "images that are viewed": Animal(Views, rows=images),
    "dict inputs": Animal(Joined, "falls back", dictionary),
    "multi-head attention": Animal(Attends),
    "a transformer": Animal(Encodes),
    "a transformer of padded rows": Animal(Padded),
    "attention as BERT's, sdpa": Animal(lambda: Bert("sdpa"), "falls back"),
    "attention as BERT's, a function": Animal(lambda: Bert("function"), "falls back"),
    "attention as BERT's, a layer": Animal(lambda: Bert("layer")),
    "attention and layers": Animal(lambda: Bert("sdpa", hidden=0.3), "falls back"),
    "attention that trains otherwise": Animal(
        lambda: nn.Sequential(
            nn.Unflatten(1, (-1, 1)), nn.Linear(1, 8), TrainsOtherwise("sdpa", 0.4),
            nn.Flatten(), nn.Linear(48, N_CLASSES)
        ),
        "refused", cause="train mode changes more",
    ),
    "places with an axis of rows": Animal(lambda: Places([1])),
    "places": Animal(lambda: Places([]), "refused", cause="'drop'.*no rows"),
    "dropout of weights": Animal(
        lambda: chain(parametrize(linear(), "weight", nn.Dropout(0.4))),
        "refused", cause="no rows.*DropConnectLinear",
    ),
    "dropout that train() leaves on": Animal(
        NeverOff, "refused", cause=r"on in predictions.*train\(False\)"
    ),
    "compiled": Animal(lambda: torch.compile(SharedTwice(), backend="eager")),
    "compiled in place": Animal(compiled_in_place),
    "weight norm": Animal(lambda: normed(nn.utils.parametrizations.weight_norm)),
    "spectral norm": Animal(lambda: normed(nn.utils.parametrizations.spectral_norm)),
    "spectral norm by hooks": Animal(lambda: normed(nn.utils.spectral_norm)),
    "one recurrent layer": Animal(lambda: Recurrent(1, 0.0)),
    "recurrent layers": Animal(
        lambda: Recurrent(2, 0.4), "refused", cause="between the layers of 'lstm'"
    ),
    "F.dropout": refused(
        function(lambda self, h: F.dropout(h, self.p, self.training)), "F.dropout"
    ),
    "torch.dropout": refused(
        function(lambda self, h: torch.dropout(h, self.p, self.training)),
        "torch.dropout",
    ),
    "F.alpha_dropout": refused(
        function(lambda self, h: F.alpha_dropout(h, self.p, self.training)),
        "F.alpha_dropout",
    ),
    "F.dropout that is always on": refused(
        function(lambda self, h: F.dropout(h, self.p)), "in predictions"
    ),
    "a dropout class of one's own": refused(OwnDropout, "torch.bernoulli in 'hidden'"),
    "a dropout class that is always on": refused(AlwaysOn, "in predictions"),
    "a dropout class with masks of its own": refused(Locked, "torch.rand in 'hidden'"),
    "masks of a generator of NumPy's": refused(OwnGenerator, "in each pass"),
    "a subclass of attention": refused(
        lambda: AttendsOtherwise(2, 1, 0.0, batch_first=True), "F.dropout in 'hidden'"
    ),
    "a subclass of attention that drops": refused(
        lambda: AttendsOtherwise(2, 1, 0.3, batch_first=True), "takes other arguments"
    ),
    "dropout in a subclass of batch norm": refused(
        lambda: NormsAndDrops(6), "F.dropout in 'hidden'"
    ),
    "dropout by the flag of a layer": Animal(Flagged, "refused", cause="F.dropout"),
    "dropout by the flag of dropout": Animal(
        FlaggedByDropout, "refused", cause="F.dropout"
    ),
    "dropout in TorchScript": refused(
        lambda: scripted(nn.Sequential(linear(), nn.Dropout(0.4))),
        "TorchScript of 'hidden'",
    ),
    "TorchScript": Animal(
        lambda: Beside(scripted(linear())), "falls back"
    ),
    "dropout in place": Animal(DropsInPlace, "falls back"),
    "a layer that runs in training only": Animal(
        InTrainingOnly, "refused", cause="training only.*'drop'"
    ),
    "a layer that is not registered": Animal(
        Unregistered, "refused", cause="in predictions"
    ),
    "rows on the second axis": Animal(RowsSecond, "refused", cause="first axis"),
    "a layer that never runs": Animal(Idle, "falls back"),
    "no dropout": Animal(lambda: chain(linear()), "refused", cause="no dropout layer"),
    "dead ReLUs": Animal(
        lambda: chain(linear(), nn.Threshold(1e9, 0.0), nn.Dropout(0.4)),
        "refused", cause=r"(?s)died.*Scale the inputs",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Maker:
    """Makes a module of the zoo; unlike a lambda it can be pickled."""

    name: str

    def __call__(self) -> nn.Module:
        """Return the module."""
        return ZOO[self.name].make()
