"""Training of VAAL's selector: does it find what was not labelled?"""

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from skal_deep.functional.variational import (
    adversarial_loss,
    discriminator_loss,
    negative_elbo,
)
from skal_deep.modules import (
    VAE,
    Discriminator,
    Minibatches,
    Standardizer,
    _standardizer,
    _vaal,
    isolated_rng,
)
from skal_deep.modules._vaal import LabeledScorer, train_vaal

DIGITS, CLASSES = load_digits(return_X_y=True)
DIGITS = DIGITS.astype(np.float32)
UNSEEN = CLASSES >= 5


def split(rows, seed, n_labeled=100):
    is_labeled = np.zeros(len(DIGITS), bool)
    chosen = np.random.default_rng(seed).choice(rows, n_labeled, replace=False)
    is_labeled[chosen] = True
    return is_labeled


def fit(X, is_labeled, seed=0, **params):
    generator = torch.Generator().manual_seed(seed)
    return train_vaal(X[is_labeled], X[~is_labeled], generator=generator, **params)


def auc_of_unseen_classes(rows, seed, **params):
    is_labeled = split(rows, seed)
    utilities = 1 - fit(DIGITS, is_labeled, seed, **params).proba(DIGITS[~is_labeled])
    return roc_auc_score(UNSEEN[~is_labeled], utilities)


@pytest.fixture(scope="module")
def scorer():
    return fit(DIGITS, split(len(DIGITS), 0), n_iterations=5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.nightly)])
def test_unseen_classes_look_unlabeled(seed):
    assert auc_of_unseen_classes(np.flatnonzero(~UNSEEN), seed) > 0.7


@pytest.mark.slow
def test_unseen_classes_of_images_look_unlabeled():
    images, is_labeled = DIGITS.reshape(-1, 1, 8, 8), split(np.flatnonzero(~UNSEEN), 0)
    utilities = 1 - fit(images, is_labeled, n_iterations=50).proba(images[~is_labeled])
    assert roc_auc_score(UNSEEN[~is_labeled], utilities) > 0.7


@pytest.mark.nightly
def test_nothing_is_found_where_there_is_nothing():
    aucs = [
        auc_of_unseen_classes(len(DIGITS), seed, n_iterations=100) for seed in range(3)
    ]
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.1)


def test_scores_do_not_depend_on_the_other_rows(scorer):
    order = np.random.default_rng(0).permutation(len(DIGITS))
    proba = scorer.proba(DIGITS)
    torch.testing.assert_close(scorer.proba(DIGITS[order]), proba[order])
    torch.testing.assert_close(scorer.proba(DIGITS[:1]), proba[:1])


def test_scores_are_probabilities_in_double_precision(scorer):
    proba = scorer.proba(DIGITS)
    assert proba.shape == (len(DIGITS),)
    assert proba.dtype == torch.float64
    assert not proba.requires_grad
    assert ((proba > 0) & (proba < 1)).all()


@pytest.mark.slow
def test_seeds():
    is_labeled = split(len(DIGITS), 0)
    first, again, other = (
        fit(DIGITS, is_labeled, seed, n_iterations=3).proba(DIGITS)
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.slow
def test_what_the_caller_owns_is_left_alone():
    X, is_labeled = DIGITS.copy(), split(len(DIGITS), 0)
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    fit(X, is_labeled, n_iterations=2).proba(X)
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])
    np.testing.assert_array_equal(X, DIGITS)


@pytest.mark.slow
@pytest.mark.parametrize("n_labeled", [1, 2])
@pytest.mark.parametrize("loss_scaling", ["elbo", "official"])
def test_hardly_any_labels(n_labeled, loss_scaling):
    is_labeled = split(len(DIGITS), 0, n_labeled)
    scorer = fit(DIGITS, is_labeled, n_iterations=2, loss_scaling=loss_scaling)
    assert scorer.proba(DIGITS).isfinite().all()


SETTINGS = {
    "defaults": {},
    "weights": {"beta": 0.3, "adversary_weight": 0.7, "n_vae_steps": 3},
    "no adversary": {"adversary_weight": 0.0, "latent_dim": 5},
    "official": {"loss_scaling": "official", "beta": 0.1},
    "a small mini-batch": {"batch_size": 3},
    "high rate": {"lr": 0.1},  # codes and logits grow large
    "tasks": {"tasks": (torch.linspace(-3, 3, 100), torch.linspace(9, -9, 1697))},
}


@pytest.mark.parametrize("params", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("shape", [(64,), (4, 16)])
def test_gradients_by_hand_are_autograds(params, shape, monkeypatch):
    X, is_labeled = DIGITS.reshape(-1, *shape), split(len(DIGITS), 0)
    task = params.get("tasks", (None,))[0]
    by_hand, by_autograd = [], []
    for found in (by_hand, by_autograd):
        scorer = fit(X, is_labeled, n_iterations=4, **params)
        found += [scorer.proba(X[is_labeled], task), *scorer._vae.parameters()]
        found += scorer._discriminator.parameters()
        monkeypatch.setattr(_vaal, "vaal_slopes", lambda *args: None)
    for ours, autograds in zip(by_hand, by_autograd, strict=True):
        torch.testing.assert_close(ours, autograds, rtol=1e-5, atol=1e-6)


def test_an_empty_pool_is_an_error():
    with pytest.raises(ValueError, match="at least one row"):
        fit(DIGITS, np.zeros(len(DIGITS), bool))


@pytest.mark.slow
def test_the_default_dtype_does_not_matter():
    torch.set_default_dtype(torch.float64)
    try:
        scorer = fit(DIGITS, split(len(DIGITS), 0), n_iterations=2)
        assert scorer.proba(DIGITS).isfinite().all()
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.slow
def test_rows_mapped_from_a_file(tmp_path):
    X = np.memmap(tmp_path / "X", np.uint8, "w+", shape=(200, 1, 8, 8))
    X[:] = DIGITS[:200].reshape(X.shape)
    generators = (torch.Generator().manual_seed(0) for _ in range(2))
    mapped, in_memory = (
        train_vaal(rows[:20], rows[20:], n_iterations=2, generator=generator)
        for rows, generator in zip((X, np.array(X)), generators, strict=True)
    )
    assert torch.equal(mapped.proba(X), in_memory.proba(np.array(X)))


def test_the_scorer_travels(scorer):
    expected = scorer.proba(DIGITS[:9])
    for other in (copy.deepcopy(scorer), pickle.loads(pickle.dumps(scorer))):
        assert torch.equal(other.proba(DIGITS[:9]), expected)


@pytest.mark.slow
@pytest.mark.parametrize("scaling", ["elbo", "official"])
def test_steps_are_those_of_the_plain_recipe(scaling):
    """One pass for both pools, no gradients for D: the same numbers, only sooner."""
    X, n_labeled, size = DIGITS[:60], 20, 16
    generator = torch.Generator().manual_seed(3)
    quick = train_vaal(
        X[:n_labeled],
        X[n_labeled:],
        n_iterations=3,
        batch_size=size,
        beta=0.3,
        loss_scaling=scaling,
        generator=generator,
    ).proba(X)
    generator.manual_seed(3)
    scale = Standardizer(X[:n_labeled], X[n_labeled:])
    pools = [
        Minibatches(rows, batch_size=size, generator=generator, scale=scale)
        for rows in (X[:n_labeled], X[n_labeled:])
    ]
    with isolated_rng(int(torch.randint(2**31, (1,), generator=generator))):
        vae, judge = VAE((64,), 32), Discriminator(32)
    first, second = (torch.optim.Adam(m.parameters(), lr=5e-4) for m in (vae, judge))
    for _ in range(3):
        for _ in range(2):
            x_labeled, x_unlabeled = (next(pool)[0] for pool in pools)
            made = vae(torch.cat([x_labeled, x_unlabeled]), generator)
            labeled, unlabeled = zip(*(part.chunk(2) for part in made), strict=True)
            loss = (
                negative_elbo(x_labeled, *labeled, 0.3, scaling)
                + negative_elbo(x_unlabeled, *unlabeled, 0.3, scaling)
                + adversarial_loss(judge(labeled[1]), judge(unlabeled[1]))
            )
            first.zero_grad()
            loss.backward()
            first.step()
        mus = [vae.encode(next(pool)[0])[0].detach() for pool in pools]
        second.zero_grad()
        discriminator_loss(*map(judge, mus)).backward()
        second.step()
    plain = LabeledScorer(vae.eval(), judge.eval(), scale).proba(X)
    torch.testing.assert_close(quick, plain, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_pools_too_large_to_keep_are_scaled_as_they_are_read(monkeypatch):
    is_labeled = split(len(DIGITS), 0)
    kept = fit(DIGITS, is_labeled, n_iterations=2).proba(DIGITS)
    monkeypatch.setattr(_standardizer, "_KEPT_NUMBERS", 0)
    assert torch.equal(kept, fit(DIGITS, is_labeled, n_iterations=2).proba(DIGITS))
