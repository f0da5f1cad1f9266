"""The net that tells unlabelled rows from labelled ones: weights, stop, fresh start."""

import numpy as np
import pytest
import torch

from skal_deep.modules import Minibatches
from skal_deep.modules._unlabeled_detector import (
    _tells_apart,
    train_unlabeled_detector,
)

ROWS = np.eye(2, dtype=np.float32)


def mixture(*counts):
    """Return so many copies of each of two rows."""
    return ROWS[np.repeat([0, 1], counts)]


def detector(labeled, unlabeled, seed=0, n_iterations=200, batch_size=32, **params):
    return train_unlabeled_detector(
        labeled,
        unlabeled,
        n_hidden=16,
        n_iterations=n_iterations,
        batch_size=batch_size,
        lr=1e-2,
        generator=torch.Generator().manual_seed(seed),
        name="test",
        **params,
    )


def test_both_pools_count_equally_whatever_their_sizes():
    """The logit is that of shares, log p(x | unlabelled) / p(x | labelled)."""
    shares = np.log([0.25 / 0.5, 0.75 / 0.5])
    for counts in ((50, 150), (1, 3)):
        scores = detector(mixture(10, 10), mixture(*counts), n_iterations=400)(ROWS)
        np.testing.assert_allclose(scores, shares, atol=0.3)


@pytest.mark.parametrize(
    ("labeled", "unlabeled", "is_met"),
    [
        # Told are all labelled rows and half of the others: 0.75 for each pool alone.
        (mixture(2, 0), mixture(50, 50), True),
        # Told are half of the labelled rows and all others: of all rows 0.99.
        (mixture(1, 1), mixture(98, 0), True),
        (mixture(2, 2), mixture(50, 50), False),
    ],
)
def test_a_training_ends_by_the_mean_of_both_pools_shares(labeled, unlabeled, is_met):
    whole = detector(labeled, unlabeled, n_iterations=100)(ROWS)
    for accuracy, ends in ((0.7, is_met), (0.75, False), (0.8, False)):
        found = detector(labeled, unlabeled, n_iterations=100, stop_accuracy=accuracy)(
            ROWS
        )
        assert torch.equal(found, whole) != ends


@pytest.mark.parametrize("chunk", [1, 3, 1024])
def test_a_look_that_ends_early_says_what_a_whole_one_does(chunk, monkeypatch):
    """Logits of 0, which are those of unlabelled rows, and shares at the bound, too."""
    monkeypatch.setattr("skal_deep.modules._standardizer._CHUNK_ROWS", chunk)
    rng, generator = np.random.default_rng(0), torch.Generator()
    outcomes = []
    for _ in range(50):
        logits = [rng.integers(-2, 3, size=n) for n in rng.integers(1, 9, size=2)]
        shares = [(logits[0] > 0).mean(), (logits[1] <= 0).mean()]
        pools = [
            (Minibatches(part, batch_size=1, generator=generator), len(part), known)
            for part, known in zip(logits, (True, False), strict=True)
        ]
        for bound in (0.3, np.mean(shares), np.nextafter(np.mean(shares), 0)):
            ends = _tells_apart(lambda rows: rows, pools, bound)
            assert ends == (np.mean(shares) > bound)
            outcomes.append(ends)
    assert 10 < sum(outcomes) < 140


def test_each_training_begins_anew_from_its_seed():
    labeled, unlabeled = mixture(4, 0), mixture(0, 4)  # every mini-batch is the same
    first, other, again = (
        detector(labeled, unlabeled, seed, n_iterations=1)(ROWS) for seed in (0, 1, 0)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_rows_of_both_pools_set_the_scale():
    labeled, unlabeled = mixture(3, 1) + 5, 100 * mixture(1, 7)
    scale = detector(labeled, unlabeled, n_iterations=1).args[1]
    rows = np.concatenate([labeled, unlabeled])
    np.testing.assert_allclose(scale.mean, rows.mean(axis=0))
    np.testing.assert_allclose(scale.std, rows.std(axis=0))


def test_the_first_look_at_the_accuracy_is_after_twenty_steps():
    rows = mixture(2, 2), mixture(3, 1)
    stopped = detector(*rows, stop_accuracy=1e-9)(ROWS)
    assert torch.equal(stopped, detector(*rows, n_iterations=20)(ROWS))


@pytest.mark.parametrize("n_layers", [1, 3])
def test_the_net_has_the_layers_asked_for(n_layers):
    net = detector(mixture(2, 2), mixture(3, 1), n_iterations=1, n_layers=n_layers)
    sizes = [layer.out_features for layer in net.args[0].layers[::2]]
    assert sizes == [16] * n_layers + [1]


def test_mini_batches_have_the_rows_asked_for():
    rows = mixture(2, 2), mixture(3, 1)
    few, many = (detector(*rows, n_iterations=1, batch_size=n)(ROWS) for n in (2, 64))
    assert not torch.equal(few, many)


@pytest.mark.parametrize("verbose", [True, False])
def test_progress_is_shown_if_asked_for(capsys, verbose):
    detector(mixture(2, 2), mixture(3, 1), n_iterations=1, verbose=verbose)
    assert ("test:" in capsys.readouterr().err) == verbose
