"""Monte Carlo dropout: coupled draws, and no dead posterior."""

import numpy as np
import pytest
import torch
from support import make_net
from torch import nn

from skal_deep.classifier import CapabilityError, MCDropoutClassifier
from skal_deep.modules import MLP


def fit(net, X, y, **params):
    return MCDropoutClassifier(net, classes=[0, 1, 2], random_state=0, **params).fit(
        X, y
    )


def test_prediction_is_the_mean_over_draws(partly):
    clf = fit(make_net(), *partly, n_samples=7)
    samples = clf.sample_proba(partly[0])
    assert samples.shape == (7, 60, 3)
    np.testing.assert_allclose(clf.predict_proba(partly[0]), samples.mean(0), atol=1e-6)


def test_draws_are_coupled_across_chunks_and_permutations(partly):
    X, y = partly
    clf = fit(make_net(), X, y)
    whole = clf.sample_proba(X, 5, random_state=3)
    halves = [clf.sample_proba(half, 5, random_state=3) for half in (X[:31], X[31:])]
    np.testing.assert_allclose(whole, np.concatenate(halves, axis=1), atol=1e-6)
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(
        whole[:, order], clf.sample_proba(X[order], 5, random_state=3), atol=1e-6
    )


def test_seeds_decide_the_draws(partly):
    X, y = partly
    clf = fit(make_net(), X, y)
    first = clf.sample_proba(X, 4, random_state=0)
    np.testing.assert_array_equal(first, clf.sample_proba(X, 4, random_state=0))
    assert not np.array_equal(first, clf.sample_proba(X, 4, random_state=1))
    assert not np.array_equal(first[0], first[1])


def test_embeddings_are_without_dropout(partly):
    X, y = partly
    clf = fit(make_net(), X, y)
    np.testing.assert_array_equal(clf.embed(X), clf.embed(X))
    assert (clf.embed(X[:1]) > 0).mean() > 0.2


class Functional(MLP):
    def forward(self, x):
        return nn.functional.dropout(super().forward(x), 0.5, training=self.training)


class Attention(nn.Module):
    def __init__(self, n_features, n_classes, attention_dropout=0.5, dropout=0.5):
        super().__init__()
        self.up = nn.Linear(1, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout, batch_first=True)
        self.layer.self_attn.dropout = attention_dropout
        self.head = nn.Linear(8 * n_features, n_classes)

    def forward(self, x):
        return self.head(self.layer(self.up(x[..., None])).flatten(1))


class ZeroAttention(Attention):
    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes)
        self.layer.self_attn.add_zero_attn = True


class RowsSecond(nn.Module):
    """Transposes, so that dropout sees the rows on the second axis."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(n_features, n_classes)

    def forward(self, x):
        return self.head(self.drop(x.T).T)


class Unused(MLP):
    def forward(self, x):
        return x @ torch.ones(x.shape[1], 3)


@pytest.mark.parametrize(
    ("net", "cause"),
    [
        (make_net(module__dropout=0.0), "no dropout layer with p > 0"),
        (make_net(Functional, module__dropout=0.2), "F.dropout"),
        (make_net(ZeroAttention), "attention dropout"),
        (make_net(RowsSecond), "first axis"),
        (make_net(Unused, max_epochs=0), "change nothing"),
    ],
)
def test_dead_posteriors_are_refused(partly, net, cause):
    with pytest.raises(CapabilityError, match=cause):
        fit(net, *partly)


@pytest.mark.slow
@pytest.mark.parametrize(("attention", "others"), [(0.0, 0.5), (0.5, 0.0), (0.5, 0.5)])
def test_transformers_are_sampled(partly, attention, others):
    X, _ = partly
    rates = {"module__attention_dropout": attention, "module__dropout": others}
    clf = fit(make_net(Attention, **rates), *partly)
    samples = clf.sample_proba(X, 4)
    assert np.ptp(samples, axis=0).max() > 1e-3
    parts = [clf.sample_proba(part, 4) for part in (X[:7], X[7:])]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), samples, atol=1e-5)


def test_a_single_sample_is_refused(partly):
    with pytest.raises(ValueError, match="'n_samples' parameter"):
        fit(make_net(), *partly, n_samples=1)


def test_a_prediction_holds_the_draws_of_some_rows_at_a_time(partly, monkeypatch):
    clf = fit(make_net(), *partly, n_samples=7)
    whole, sizes = clf.predict_proba(partly[0]), []
    draw = MCDropoutClassifier._draw

    def recorded(self, X, *args):
        sizes.append(len(X))
        return draw(self, X, *args)

    monkeypatch.setattr(MCDropoutClassifier, "_draw", recorded)
    monkeypatch.setattr("skal_deep.classifier._posterior._NUMBERS_OF_A_DRAW", 75)
    np.testing.assert_allclose(clf.predict_proba(partly[0]), whole, atol=1e-6)
    assert sizes == [25, 25, 10]
