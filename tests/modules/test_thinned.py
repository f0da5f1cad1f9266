"""Thinner nets give what whole passes with masks give."""

import threading

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from skal_deep.modules import MLP, ConvNet, coupled_dropout
from skal_deep.modules._prefix import SharedPrefix
from skal_deep.modules._thinned import ThinnedDraws, draw_passes


@pytest.fixture(autouse=True)
def however_small(monkeypatch):
    monkeypatch.setattr("skal_deep.modules._thinned._MIN_WEIGHTS", 0)


class LeNet(nn.Module):
    """The net of BatchBALD's experiments, small."""

    def __init__(self, p=0.5):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 8, 3, padding=1)
        self.drop1, self.drop2 = nn.Dropout2d(p), nn.Dropout2d(p)
        self.fc1, self.fc2 = nn.Linear(8, 16), nn.Linear(16, 3)
        self.drop3 = nn.Dropout(p)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.drop1(self.conv1(x)), 2))
        x = torch.relu(F.max_pool2d(self.drop2(self.conv2(x)), 2))
        return self.fc2(self.drop3(F.relu(self.fc1(x.flatten(1)))))


def chain(*layers):
    return nn.Sequential(*layers)


VECTORS = {
    "mlp": lambda: MLP(6, 3),
    "two hidden layers": lambda: chain(
        nn.Linear(6, 8), nn.Dropout(0.4), nn.Tanh(), nn.Linear(8, 5, bias=False),
        nn.GELU(), nn.Dropout(0.3), nn.ELU(), nn.Linear(5, 3)
    ),
    "dropped input": lambda: chain(nn.Dropout(0.5), nn.Linear(6, 3)),
    "shared dropout": lambda: (lambda drop: chain(
        drop, nn.Linear(6, 5), nn.ReLU(), drop, nn.Linear(5, 4), drop, nn.Linear(4, 3)
    ))(nn.Dropout(0.3)),
    "no dropout between": lambda: chain(
        nn.Dropout(0.5), nn.Linear(6, 5), nn.Dropout(0.0), nn.SiLU(), nn.Linear(5, 3)
    ),
    "head without bias": lambda: chain(
        nn.Linear(6, 5), nn.Dropout(0.5), nn.ReLU(), nn.Linear(5, 3, bias=False)
    ),
    "nearly all dropped": lambda: chain(
        nn.Linear(6, 2), nn.Dropout(0.9), nn.Linear(2, 3), nn.Dropout(0.9),
        nn.Linear(3, 2)
    ),
    "all dropped": lambda: chain(
        nn.Linear(6, 4), nn.Dropout(1.0), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)
    ),
}  # fmt: skip
IMAGES = {
    "LeNet": LeNet,
    "LeNet, nearly all dropped": lambda: LeNet(0.95),
    "conv net": lambda: ConvNet(1, 3, n_hidden=8),
    "by unit after flatten": lambda: chain(
        nn.Conv2d(1, 4, 3), nn.Dropout2d(0.5), nn.LeakyReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Conv2d(4, 4, 2, stride=2, padding=1, padding_mode="reflect"),
        nn.Flatten(), nn.Dropout(0.5), nn.Linear(16, 3)
    ),
}  # fmt: skip


def plain(module, x, n_draws):
    with torch.no_grad(), coupled_dropout(module, 0) as masks:
        outputs = []
        for draw in range(n_draws):
            masks.use(draw)
            outputs.append(module(x))
    return torch.stack(outputs)


def thinned(module, x, n_draws, kind=ThinnedDraws):
    with coupled_dropout(module, 0) as masks:
        return torch.stack(list(kind(module).draws(x, masks, n_draws)))


@pytest.mark.parametrize("name", VECTORS | IMAGES)
def test_equals_whole_passes(name):
    torch.manual_seed(0)  # the nets' weights
    module = (VECTORS | IMAGES)[name]().double()
    shape = (5, 6) if name in VECTORS else (5, 1, 8, 8)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).double()
    module(x)  # lazy layers
    torch.testing.assert_close(thinned(module, x, 9), plain(module, x, 9))


@pytest.mark.parametrize("n_threads", [2, 3, 5])
@pytest.mark.parametrize("name", VECTORS | IMAGES)
def test_threads_share_draws_that_are_those_of_one(name, n_threads, monkeypatch):
    torch.manual_seed(0)  # the nets' weights
    module, n_before = (VECTORS | IMAGES)[name](), torch.get_num_threads()
    shape = (50, 6) if name in VECTORS else (50, 1, 8, 8)
    x, threads = torch.randn(shape), set()
    module(x)  # lazy layers
    one = thinned(module, x, 9)
    monkeypatch.setattr("skal_deep.modules._thinned._MUCH", 0)
    thin_pass = ThinnedDraws._thin_pass

    def told(*given):
        threads.add(threading.get_ident())
        assert torch.get_num_threads() == 1
        return thin_pass(*given)

    monkeypatch.setattr(ThinnedDraws, "_thin_pass", told)
    torch.set_num_threads(n_threads)
    try:
        several = thinned(module, x, 9)
        assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(n_before)
    assert torch.equal(one, several)
    # draws of a head alone are one product
    assert threading.get_ident() not in threads


def test_draws_of_another_precision_stay_in_their_thread(monkeypatch):
    monkeypatch.setattr("skal_deep.modules._thinned._MUCH", 0)
    module, x = LeNet(), torch.rand(7, 1, 8, 8)
    n_before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            outputs, whole = thinned(module, x, 5), plain(module, x, 5)
    finally:
        torch.set_num_threads(n_before)
    assert outputs.dtype == whole.dtype == torch.bfloat16
    torch.testing.assert_close(outputs, whole, rtol=0.1, atol=0.05)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*"dlrt"]), min_size=1, max_size=9), st.integers(1, 7))
def test_any_chain_equals_whole_passes(kinds, n_rows):
    torch.manual_seed(0)
    make = {
        "d": lambda: nn.Dropout(0.5),
        "l": lambda: nn.Linear(4, 4),
        "r": nn.ReLU,
        "t": nn.Tanh,
    }
    module = chain(nn.Dropout(0.2), *(make[kind]() for kind in kinds), nn.Linear(4, 2))
    x = torch.randn(n_rows, 4, generator=torch.Generator().manual_seed(n_rows))
    torch.testing.assert_close(thinned(module, x, 4), plain(module, x, 4))


def test_mini_batches_share_the_masks():
    module, x = LeNet(), torch.rand(7, 1, 8, 8)
    with coupled_dropout(module, 0) as masks:
        passes = ThinnedDraws(module)
        parts = [torch.stack(list(passes.draws(part, masks, 5))) for part in x.split(3)]
    torch.testing.assert_close(torch.cat(parts, 1), plain(module, x, 5))


def test_many_draws_of_a_head_in_parts(monkeypatch):
    monkeypatch.setattr("skal_deep.modules._thinned._MEMORY_BUDGET", 40)
    module, x = VECTORS["head without bias"](), torch.rand(4, 6)
    torch.testing.assert_close(thinned(module, x, 11), plain(module, x, 11))


def test_dropped_units_are_not_computed():
    widths = []
    module = chain(
        nn.Linear(6, 40), nn.Dropout(0.5), nn.Linear(40, 40), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(40, 2)
    )  # fmt: skip
    linear = F.linear

    def watched(x, weight, bias):
        widths.append(tuple(weight.shape))
        return linear(x, weight, bias)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skal_deep.modules._thinned.F.linear", watched)
        thinned(module, torch.rand(3, 6), 8)
    assert all(rows < 40 and columns < 40 for rows, columns in widths[1::2])


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 6)
        self.drop = nn.Dropout(0.4)

    def forward(self, x):
        return self.drop(self.a(x)) + self.b(x)


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(6, 2, 8, 0.3, batch_first=True)

    def forward(self, x):
        return self.layer(x)


OTHERS = {
    "branches": (Branches, (5, 6)),
    "batch norm": (
        lambda: chain(nn.Dropout(0.5), nn.BatchNorm1d(6), nn.Linear(6, 2)),
        (5, 6),
    ),
    "a hook": (
        lambda: chain(nn.Dropout(0.5), nn.utils.weight_norm(nn.Linear(6, 4))),
        (5, 6),
    ),
    "softmax": (
        lambda: chain(nn.Dropout(0.5), nn.Linear(6, 4), nn.Softmax(-1)),
        (5, 6),
    ),
    "groups": (
        lambda: chain(nn.Dropout2d(0.5), nn.Conv2d(4, 4, 1, groups=2)),
        (5, 4, 2, 2),
    ),
    "inside": (Wrapped, (5, 2, 6)),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("name", OTHERS)
def test_other_modules_take_the_shared_prefix(name):
    torch.manual_seed(0)
    make, shape = OTHERS[name]
    module, x = make().eval(), torch.rand(shape)
    with pytest.raises(ValueError, match=r"chain|other layers|inside"):
        ThinnedDraws(module)
    assert isinstance(draw_passes(module), SharedPrefix)
    torch.testing.assert_close(thinned(module, x, 5, draw_passes), plain(module, x, 5))


def test_tiny_nets_are_left_whole(monkeypatch):
    monkeypatch.setattr("skal_deep.modules._thinned._MIN_WEIGHTS", 100)
    with pytest.raises(ValueError, match="too small"):
        ThinnedDraws(chain(nn.Dropout(0.5), nn.Linear(6, 3)))


def test_rows_of_sequences_take_the_shared_prefix():
    module = chain(nn.Linear(6, 4), nn.Dropout(0.5), nn.ReLU(), nn.Linear(4, 2))
    x = torch.rand(5, 3, 6)
    torch.testing.assert_close(thinned(module, x, 6), plain(module, x, 6))
    images = chain(nn.Conv2d(1, 2, 3), nn.Dropout(0.5), nn.ReLU(), nn.Flatten(),
                   nn.Linear(72, 2))  # fmt: skip
    x = torch.rand(5, 1, 8, 8)
    torch.testing.assert_close(thinned(images, x, 6), plain(images, x, 6))


@pytest.fixture
def folded(monkeypatch):
    """Let the processor run draws as a card does."""
    monkeypatch.setattr("skal_deep.modules._thinned._folds", lambda source: True)


@pytest.mark.usefixtures("folded")
@pytest.mark.parametrize("budget", [1, 10_000])
@pytest.mark.parametrize("name", VECTORS | IMAGES)
def test_folded_draws_equal_whole_passes(name, budget, monkeypatch):
    """Those of one pass each, too, and of a layer that drops in several places."""
    monkeypatch.setattr(
        "skal_deep.modules._thinned.memory_budget", lambda device: budget
    )
    test_equals_whole_passes(name)


@pytest.mark.usefixtures("folded")
def test_folded_draws_in_mini_batches():
    test_mini_batches_share_the_masks()
