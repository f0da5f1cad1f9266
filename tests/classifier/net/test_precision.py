"""Nets predict in half precision where that is asked for, and nowhere else."""

import numpy as np
import pytest
import torch
from support import ALL_MAKERS, make_net

from skal_deep.classifier import (
    DeepClassifier,
    MCDropoutClassifier,
    as_model,
    inference_precision,
)
from skal_deep.modules import MLP

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = np.where(np.arange(60) < 30, (X[:, 0] > 0) + (X[:, 1] > 0), -1)


class Watched(MLP):
    """Notes what its last layer returns in training, and in predictions."""

    seen, predicted = [], []

    def forward(self, x):
        """Return logits."""
        logits = super().forward(x)
        (self.seen if self.training else self.predicted).append(logits.dtype)
        return logits


@pytest.fixture
def clf():
    net = make_net(Watched, module__n_hidden=16, max_epochs=5)
    return MCDropoutClassifier(net, 20, random_state=0).fit(X, Y)


@pytest.mark.parametrize(
    ("dtype", "error"), [("bfloat16", 2.0**-6), ("float16", 2.0**-9)]
)
def test_the_error_is_as_stated(clf, dtype, error):
    exact = clf.sample_proba(X, 20, 0), as_model(clf).embed(X)
    with inference_precision(dtype):
        proba, embedding = clf.sample_proba(X, 20, 0), as_model(clf).embed(X)
    assert proba.dtype == exact[0].dtype
    assert embedding.dtype == torch.float32
    np.testing.assert_allclose(proba.sum(-1), 1, rtol=1e-6)
    off = np.abs(proba - exact[0]).max()
    assert 0 < off < error
    torch.testing.assert_close(embedding, exact[1], rtol=2 * error, atol=2 * error)


def test_outside_of_the_block_nothing_changes(clf):
    before = clf.predict_proba(X)
    with pytest.raises(KeyError), inference_precision("bfloat16"):
        raise KeyError
    np.testing.assert_array_equal(clf.predict_proba(X), before)
    Watched.seen.clear()
    with inference_precision("bfloat16"):
        net = make_net(Watched, module__n_hidden=16, max_epochs=1)
        DeepClassifier(net, random_state=0).fit(X, Y)
    assert {*Watched.seen} == {torch.float32}, "training is as it was"


@pytest.mark.parametrize("kind", ALL_MAKERS)
@pytest.mark.filterwarnings("error")
def test_every_classifier_predicts_by_the_same_ways(kind):
    """No warning says that draws are computed one by one."""
    clf = ALL_MAKERS[kind](make_net(max_epochs=2), random_state=0).fit(X, Y)
    exact = clf.predict_proba(X)
    with inference_precision("bfloat16"):
        np.testing.assert_allclose(clf.predict_proba(X), exact, atol=0.05)


@pytest.mark.parametrize("kind", ALL_MAKERS)
def test_every_prediction_is_in_half_precision(kind):
    clf = ALL_MAKERS[kind](make_net(Watched, max_epochs=2), random_state=0).fit(X, Y)
    names = ("predict_proba", "sample_proba", "predict_loss", "predict_novelty")
    for name in names:
        if hasattr(clf, name):
            Watched.predicted.clear()
            with inference_precision("bfloat16"):
                getattr(clf, name)(X)
            # a pass that is traced has no numbers, and no type of them
            seen = {d for d in Watched.predicted if isinstance(d, torch.dtype)}
            assert seen <= {torch.bfloat16}, name


@pytest.mark.parametrize("dtype", ["half", torch.float16, None, "float32"])
def test_other_precisions_are_refused(dtype):
    with (
        pytest.raises(ValueError, match=r"must be 'bfloat16' or 'float16'"),
        inference_precision(dtype),
    ):
        pass
