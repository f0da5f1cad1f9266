"""What a net predicts for a row must not hang on the rows beside it: else a warning."""

import warnings

import numpy as np
import pytest
import torch
from skactiveml.classifier import SkorchClassifier
from skorch import NeuralNetClassifier, NeuralNetRegressor
from support import MAKERS, make_net
from torch import nn

from skal_deep.classifier import LaplaceRegressor, fit_on_labeled
from skal_deep.classifier.net._rows_beside import warn_of_rows_beside
from skal_deep.modules import MLP, isolated_rng
from skal_deep.pool import MarginSampling

SIZES = {"module__n_features": 2, "module__n_classes": 3}
WARNED = "hangs on the rows beside it"


class Own(MLP):
    """Does something to its inputs first."""

    def first(self, x):
        return x

    def forward(self, x):
        return super().forward(self.first(x))


class Centred(Own):
    def first(self, x):
        return x - x.mean(0)


class Standardised(Own):
    def first(self, x):
        return (x - x.mean(0)) / x.std(0)


class FromTheMedian(Own):
    def first(self, x):
        return x - x.median(0).values


class Scaled(Own):
    def first(self, x):
        return x / x.abs().max()


class Normed(Own):
    def first(self, x):
        return nn.functional.batch_norm(x, None, None, training=True)


class OverRows(Own):
    """Attends to rows as if they were words."""

    def first(self, x):
        return torch.softmax(x @ x.T, 1) @ x


class WithWhitening(Own):
    """Fails on copies of one row, whose covariance has no inverse."""

    def first(self, x):
        if self.training or len(x) > 100:
            return x
        return x @ torch.linalg.inv(x.T.cov())


class Words(MLP):
    """Takes rows of words, of which 0 pads, cut to the longest of a mini-batch."""

    is_masked = True

    def forward(self, x):
        is_word = x > 0
        n_words = int(is_word.sum(1).max())
        x, is_word = x[:, :n_words], is_word[:, :n_words]
        state = torch.stack([x, x.square()], 2)
        score = state.sum(2)
        if self.is_masked:
            score = score.masked_fill(~is_word, -torch.inf)
        return super().forward((torch.softmax(score, 1)[:, :, None] * state).sum(1))


class PadsCount(Words):
    is_masked = False


class Drops(Own):
    """Draws masks of dropout in predictions, too."""

    def first(self, x):
        return torch.dropout(x, 0.5, train=True)


class DrawsByItself(Own):
    def first(self, x):
        return x + torch.tensor(np.random.default_rng().normal(size=x.shape)).to(x)


class InHalf(Own):
    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(x).float()


class InPlace(Own):
    def first(self, x):
        return x.mul_(2)


class FarAway(Own):
    """Sums of large numbers leave much round-off."""

    def first(self, x):
        return (x + 1e4) - 1e4


class Experts(Own):
    """Sends rows to one of two layers, in groups."""

    def first(self, x):
        out, is_left = torch.empty_like(x), x[:, 0] > 0
        out[is_left], out[~is_left] = x[is_left] * 2, x[~is_left] / 3
        return out


class Squeezes(Own):
    def first(self, x):
        return x.squeeze()


HANGS = [Centred, Standardised, FromTheMedian, Scaled, Normed, OverRows, PadsCount]
STANDS = [MLP, Words, Drops, DrawsByItself, InHalf, InPlace, FarAway, Experts, Squeezes]
STANDS += [WithWhitening]  # it does, but not so that copies could tell


def plain(module, **params):
    return make_net(module, max_epochs=2, **params)


def wrapped(module):
    params = SIZES | {"train_split": None, "verbose": 0, "max_epochs": 2}
    return SkorchClassifier(
        module,
        criterion=nn.CrossEntropyLoss(),
        neural_net_param_dict=params,
        classes=[0, 1, 2],
        missing_label=-1,
    )


WRAPPERS = [
    lambda module: plain(module, **SIZES),
    lambda module: MAKERS["deep"](plain(module, **SIZES), classes=[0, 1, 2]),
    wrapped,
]


def words(n_rows=60):
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 7, n_rows)[:, None]
    rows = rng.uniform(0.2, 1, (n_rows, 6))
    return np.where(np.arange(6) < lengths, rows, 0).astype(np.float32)


def rows_for(module, X):
    return words() if issubclass(module, Words) else X


def warned(function):
    """Return whether a call warns of rows beside a row, and of nothing else twice."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        function()
    about = [warning for warning in seen if WARNED in str(warning.message)]
    assert len(about) < 2
    return bool(about)


@pytest.mark.parametrize("wrap", WRAPPERS, ids=["bare", "ours", "wrapped"])
@pytest.mark.parametrize("module", HANGS + STANDS)
def test_a_net_that_mixes_rows_is_told(partly, module, wrap):
    X, y = rows_for(module, partly[0]), partly[1]
    clf = wrap(module)
    assert warned(lambda: fit_on_labeled(clf, X, y)) == (module in HANGS)


@pytest.mark.parametrize("module", [Centred, MLP])
def test_a_fitted_net_is_looked_at_when_it_is_asked(partly, module):
    X, y = partly
    net = plain(module, **SIZES).fit(X[:12], y[:12].astype(np.int64))
    strategy = MarginSampling(random_state=0)
    query = lambda: strategy.query(X, y, net, fit_clf=False)  # noqa: E731
    assert warned(query) == (module is Centred)


@pytest.mark.parametrize("module", [Centred, MLP])
def test_before_the_first_label_and_with_a_fit_of_its_own(partly, module):
    X, y = partly
    clf = MAKERS["deep"](plain(module), classes=[0, 1, 2])
    assert warned(lambda: clf.fit(X, np.full(60, -1))) == (module is Centred)

    class OwnFit(NeuralNetClassifier):
        def fit(self, X, y, **params):
            return super().fit(X, y, **params)

    net = OwnFit(
        module, criterion=nn.CrossEntropyLoss, **SIZES, train_split=None, verbose=0
    )
    assert warned(lambda: fit_on_labeled(net, X, y)) == (module is Centred)


@pytest.mark.parametrize("module", [Centred, MLP])
def test_regressors_are_looked_at(partly, module):
    X, _ = partly
    sizes = SIZES | {"module__n_classes": 1}
    net = NeuralNetRegressor(module, **sizes, max_epochs=2, train_split=None, verbose=0)
    assert warned(lambda: LaplaceRegressor(net).fit(X, X[:, 0])) == (module is Centred)


def test_a_mini_batch_of_one_row_has_no_rows_beside(partly):
    clf = WRAPPERS[0](Centred).set_params(iterator_valid__batch_size=1)
    assert not warned(lambda: fit_on_labeled(clf, *partly))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("module", [Centred, MLP])
def test_other_numbers(partly, module, dtype):
    class Typed(module):
        def __init__(self, **sizes):
            super().__init__(**sizes)
            self.to(dtype)

    clf = MAKERS["deep"](plain(Typed, **SIZES), classes=[0, 1, 2])
    assert warned(lambda: clf.fit(*partly)) == (module is Centred)


def test_generators_stay_and_labels_of_one_row_are_enough(partly):
    X, y = partly
    y = np.where(np.arange(60) < 1, y, -1)
    with isolated_rng(0):
        before = torch.get_rng_state()
        clf = MAKERS["deep"](plain(MLP), classes=[0, 1, 2])
        assert not warned(lambda: clf.fit(X, y))
        assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("base", "own", "others", "is_told"),
    [
        (1.0, 1e-3, 1e-4, False),  # as half precision inside a net would leave
        (0.0, 1.0, 2e-3, False),
        (1.0, 1e-3, 1e-2, True),
        (0.0, 1.0, 0.1, True),
        (0.0, 1e-6, 1e-6, True),
    ],
)
def test_round_off_is_no_row_beside(base, own, others, is_told):
    class Mixes(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return base + own * x + others * x.mean(0)

    net = make_net(Mixes).initialize()
    X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    assert warned(lambda: warn_of_rows_beside(net, X)) == is_told
