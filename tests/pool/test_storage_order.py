"""What a query picks does not depend on how rows are stored, nor does its training."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from strategies import check_remembered, remembered
from support import MAKERS, make_net

from skal_deep.classifier import DeepClassifier, fit_on_labeled
from skal_deep.classifier.door._as_model import Inputs
from skal_deep.classifier.door._fitting import model_to_ask
from skal_deep.modules import MLP
from skal_deep.pool import Badge, CoreSet, MarginSampling
from skal_deep.rows import _order
from skal_deep.rows._order import canonical_order, random_order, training_order
from skal_deep.testing._strategy_case import small_data

X, Y = small_data(False)
Y_KNOWN = np.where(np.arange(36) < 22, Y, -1)
ORDERS = [np.random.default_rng(seed).permutation(36) for seed in range(5)]
NET = make_net(max_epochs=4, module__dropout=0.3)
MODELS = {
    **{
        name: remembered(make)(NET, classes=[0, 1, 2], random_state=0)
        for name, make in MAKERS.items()
    },
    "without shuffling": remembered(DeepClassifier)(
        make_net(max_epochs=4, iterator_train__shuffle=False),
        classes=[0, 1, 2],
        random_state=0,
    ),
    "net": make_net(max_epochs=4, module__n_features=2, module__n_classes=3),
    "forest": RandomForestClassifier(5, random_state=0),
    "pipeline": make_pipeline(PCA(2), remembered(DeepClassifier)(NET, random_state=0)),
}


# The nets are fitted once to the same rows in the same order; in another order, anew.
@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_five_of_five_permutations_agree(name):
    weight = np.linspace(0.5, 2, 36)
    for strategy in (MarginSampling(), Badge(), CoreSet()):
        if name == "forest" and isinstance(strategy, Badge):
            continue
        strategy.set_params(random_state=0)
        is_net = name == "net"  # plain nets of skorch take no weights
        picks = strategy.query(
            X, Y_KNOWN, MODELS[name], True, None if is_net else weight, batch_size=4
        )
        for order in ORDERS:
            its = strategy.query(
                X[order],
                Y_KNOWN[order],
                MODELS[name],
                True,
                None if is_net else weight[order],
                batch_size=4,
            )
            np.testing.assert_array_equal(picks, order[its])
    check_remembered()


class Remember(FunctionTransformer):
    """Keeps what it is fitted to."""

    def fit(self, X, y=None, sample_weight=None):
        self.seen_ = np.column_stack([X, np.zeros(len(X)) if y is None else y])
        self.weight_ = sample_weight
        return super().fit(X, y)


@pytest.mark.parametrize("n_labels", [0, 22])
def test_steps_whose_last_is_not_needed_are_fitted_in_the_order_of_the_contents(
    n_labels,
):
    """A mean hangs on the order of its rows by a last digit, and clusters on that."""
    y = np.where(np.arange(36) < n_labels, Y, -1)
    fitted = []
    for order in [np.arange(36), *ORDERS]:
        pipeline = make_pipeline(Remember(), LogisticRegression())
        asked = model_to_ask(Inputs(pipeline), True, X[order], y[order], -1, None)
        fitted.append(asked.model[0].seen_)
        np.testing.assert_array_equal(fitted[-1], fitted[0])
    if n_labels:
        whole = fit_on_labeled(pipeline, X, y)
        np.testing.assert_array_equal(fitted[0], whole[0].seen_)


def test_such_steps_are_given_the_weights_that_they_ask_for():
    weight = np.linspace(0.5, 2, 36)
    with config_context(enable_metadata_routing=True):
        step = Remember().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler(), step, LogisticRegression())
        asked = model_to_ask(Inputs(pipeline), True, X, Y_KNOWN, -1, weight)
        whole = fit_on_labeled(pipeline, X, Y_KNOWN, -1, weight)
    np.testing.assert_array_equal(asked.model[1].weight_, whole[1].weight_)
    np.testing.assert_array_equal(asked.model[0].mean_, whole[0].mean_)


@pytest.mark.slow
def test_equal_rows_with_other_labels_and_weights():
    copies = np.repeat(X[:6], 6, axis=0)
    y, weight = np.tile([0, 1, 2, 0, 1, -1], 6), np.tile([1, 2, 3, 4, 5, 6.0], 6)
    clf = DeepClassifier(NET, classes=[0, 1, 2], random_state=0)
    proba = fit_on_labeled(clf, copies, y, -1, weight).predict_proba(X)
    for order in ORDERS:
        its = fit_on_labeled(clf, copies[order], y[order], -1, weight[order])
        np.testing.assert_array_equal(proba, its.predict_proba(X))


@pytest.mark.parametrize(
    "rows",
    [
        np.tile([1e20, 0.0], (50, 1)) + np.arange(50)[:, None] * [0, 1.0],
        np.where(
            np.arange(50)[:, None] % 3 == 0, np.nan, np.arange(100.0).reshape(50, 2)
        ),
        np.arange(50)[:, None] // 2,
    ],
    ids=["absorbed", "with NaN", "in pairs"],
)
def test_rows_that_are_hard_to_tell_apart(rows):
    y = np.array([str(number) for number in range(50)], dtype=object)
    rows[3:9, 0] = rows[3, 0]
    first = canonical_order(rows, np.arange(50), y)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(50)
        second = order[canonical_order(rows[order], np.arange(50), y[order])]
        np.testing.assert_array_equal(first, second)


REPEATED = np.array([[0.0], [1.0], [2.0], [2.0], [2.0]])


@pytest.mark.slow
def test_the_first_of_some_rows_is_a_fair_draw():
    """Three equal rows are three of five, and each of them is one of five."""
    first = [random_order(REPEATED, np.arange(5), seed)[0] for seed in range(4000)]
    share = np.bincount(first, minlength=5) / 4000
    np.testing.assert_allclose(share, 0.2, atol=0.025)


@pytest.mark.slow
def test_all_orders_are_equally_likely():
    orders = [random_order(X[:4], np.arange(4), seed) for seed in range(4800)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert ((counts - 200) ** 2 / 200).sum() < 49.7  # chi-square, p = 0.001


@pytest.mark.parametrize("seed", range(5))
def test_a_random_order_hangs_on_contents_and_seed(seed):
    rows = np.repeat(X, 2, axis=0)
    storage = ORDERS[seed]
    storage = np.concatenate([storage, 36 + storage])
    first = rows[random_order(rows, np.arange(72), seed)]
    second = rows[storage][random_order(rows[storage], np.arange(72), seed)]
    np.testing.assert_array_equal(first, second)
    some = np.arange(5, 60)
    np.testing.assert_array_equal(
        rows[random_order(rows, some, seed)],
        rows[some][random_order(rows[some], np.arange(55), seed)],
    )
    assert not np.array_equal(first, rows[random_order(rows, np.arange(72), seed + 1)])


def _sorted_by_numpy(keys):
    order = np.argsort(keys, kind="stable")
    is_repeated = np.zeros(len(keys), dtype=bool)
    is_repeated[1:] = keys[order[1:]] == keys[order[:-1]]
    return order, is_repeated


def _hashes(n):
    return np.random.default_rng(n).integers(2**64, size=n, dtype=np.uint64)


def _some_of(keys, n):
    return keys[np.random.default_rng(0).integers(len(keys), size=n)]


# Some differ only where a sort by the highest bits does not look.
KEYS = {
    "hashes": _hashes,
    "equal": lambda n: np.full(n, 2**64 - 1, dtype=np.uint64),
    "each twice": lambda n: _some_of(_hashes(1 + n // 2), n),
    "falling": lambda n: np.arange(n, dtype=np.uint64)[::-1],
    "falling from the largest": lambda n: ~np.arange(n, dtype=np.uint64),
    "low bits": lambda n: _hashes(n) % np.uint64(n + 1),
    "low bits of few": lambda n: (
        _some_of(_hashes(9), n) ^ (_hashes(n) % np.uint64(n + 1))
    ),
}


@pytest.mark.parametrize("n", [0, 1, 2, 3, 255, 256, 257, 4095, 4096])
@pytest.mark.parametrize("kind", KEYS)
def test_keys_are_sorted_as_by_numpy(kind, n):
    keys = KEYS[kind](n)
    before = keys.copy()
    for found, expected in zip(
        _order._sorted(keys), _sorted_by_numpy(keys), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    np.testing.assert_array_equal(keys, before)


@pytest.mark.parametrize("n_kinds", [1, 40, 4000])
def test_orders_are_those_of_a_plain_sort(n_kinds, monkeypatch):
    rng = np.random.default_rng(n_kinds)
    rows = rng.normal(size=(n_kinds, 3))[rng.integers(n_kinds, size=3000)]
    some, y = np.sort(rng.permutation(3000)[:2500]), rng.integers(3, size=3000)

    def orders():
        return [
            *(random_order(rows, some, seed) for seed in range(3)),
            canonical_order(rows, some, y),
            canonical_order(rows, some),
        ]

    found = orders()
    monkeypatch.setattr(_order, "_sorted", _sorted_by_numpy)
    np.testing.assert_array_equal(found, orders())


def test_rows_to_train_on_have_no_trend():
    rows = np.linspace(0, 1, 400)[:, None]
    order = training_order(rows, np.arange(400), np.zeros(400))
    assert abs(np.corrcoef(np.arange(400), rows[order, 0])[0, 1]) < 0.1
    assert np.array_equal(np.sort(order), np.arange(400))


def test_fitting_by_hand_keeps_the_order_of_the_rows():
    """A user's sampler or split may know rows by number."""
    seen = []

    class Recorded(MLP):
        def forward(self, x):
            seen.append(x.numpy(force=True).copy())
            return super().forward(x)

    net = make_net(
        Recorded, module__n_hidden=4, max_epochs=1, iterator_train__shuffle=False
    )
    DeepClassifier(net, classes=[0, 1, 2]).fit(X[:16], Y[:16])
    assert any(np.array_equal(batch, X[:16]) for batch in seen)
