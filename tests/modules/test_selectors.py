"""Nets of selectors: which way their steps move, and what they find."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from torch import nn

from skal_deep.functional import predictive_entropy
from skal_deep.modules import VAE, isolated_rng
from skal_deep.modules._joint_selector import (
    CosineHead,
    minimax_entropy,
    train_minimax_selector,
)
from skal_deep.modules._sraal import train_sraal
from skal_deep.modules._unlabeled_detector import train_unlabeled_detector
from skal_deep.modules._vaal import train_vaal

DIGITS, CLASSES = load_digits(return_X_y=True)
DIGITS, CLASSES = DIGITS.astype(np.float32)[:500], CLASSES[:500]


def shifted(seed):
    seen = np.flatnonzero(CLASSES < 5)
    chosen = np.random.default_rng(seed).choice(seen, 80, replace=False)
    rest = np.setdiff1d(np.arange(len(DIGITS)), chosen)
    return chosen, rest, torch.Generator().manual_seed(seed)


def entropy_of(head, features):
    proba = head(features).softmax(1).detach()
    return predictive_entropy(proba[None]).mean().item()


@pytest.fixture
def parts():
    with isolated_rng(0):
        backbone = nn.Linear(6, 5)
        head, x = CosineHead(5, 3), torch.randn(40, 6)
    head.weights.weight.data *= 0.05
    return backbone, head, x


@pytest.mark.parametrize("part", ["features", "head"])
def test_features_lower_the_entropy_and_the_head_raises_it(parts, part):
    backbone, head, x = parts
    before = entropy_of(head, backbone(x))
    minimax_entropy(backbone(x), head).backward()
    moved = backbone if part == "features" else head
    with torch.no_grad():
        for weight in moved.parameters():
            weight -= 1e-3 * weight.grad
    after = entropy_of(head, backbone(x))
    assert after < before if part == "features" else after > before


def test_the_length_of_features_does_not_matter(parts):
    backbone, head, x = parts
    torch.testing.assert_close(head(3 * backbone(x)), head(backbone(x)))


@pytest.mark.slow
def test_minimax_features_learn_the_classes():
    chosen, rest, generator = shifted(0)
    selector = train_minimax_selector(
        DIGITS[chosen],
        torch.as_tensor(CLASSES[chosen]),
        DIGITS[rest],
        n_iterations=80,
        batch_size=32,
        lr=2e-3,
        generator=generator,
    )
    proba = selector.proba(DIGITS)
    seen = np.setdiff1d(np.flatnonzero(CLASSES < 5), chosen)
    assert (proba[seen].argmax(1).numpy() == CLASSES[seen]).mean() > 0.8
    assert (proba.sum(1) - 1).abs().max() < 1e-6
    novelty = selector.novelty(DIGITS[rest])
    assert roc_auc_score(CLASSES[rest] >= 5, novelty) > 0.7


def sraal(seed, indicators):
    chosen, rest, generator = shifted(seed)
    score = train_sraal(
        DIGITS[chosen],
        torch.as_tensor(CLASSES[chosen]),
        DIGITS[rest],
        torch.full((len(rest),), indicators),
        n_iterations=60,
        batch_size=32,
        lr=1e-3,
        generator=generator,
    )
    return score(DIGITS[rest]), CLASSES[rest] >= 5


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_sraal_finds_unseen_classes_where_all_rows_are_uncertain(seed):
    score, is_unseen = sraal(seed, 1.0)
    assert roc_auc_score(is_unseen, score) > 0.7


@pytest.mark.slow
def test_sraal_tells_nothing_where_all_states_are_equal():
    score, _ = sraal(0, 0.0)
    uncertain, _ = sraal(0, 1.0)
    assert score.max() < 0
    assert score.std() < uncertain.std()


@pytest.mark.slow
def test_a_detector_stops_at_the_accuracy_that_is_asked_for():
    chosen, rest, _ = shifted(0)
    scores = [
        train_unlabeled_detector(
            DIGITS[chosen],
            DIGITS[rest],
            n_iterations=n,
            stop_accuracy=stop,
            lr=1e-3,
            generator=torch.Generator().manual_seed(0),
            name="test",
        )(DIGITS)
        for n, stop in ((20, 1.0), (60, 0.5), (60, 1.0))
    ]
    assert torch.equal(scores[0], scores[1])
    assert not torch.equal(scores[1], scores[2])


def test_a_decoder_that_ignores_what_is_appended_is_that_of_plain_codes():
    with isolated_rng(0):
        plain, other = VAE((4,), 3), VAE((4,), 3, 4)
        x = torch.randn(6, 4)
    state = plain.state_dict()
    first = "decoder.0.weight"
    state[first] = torch.cat([state[first], torch.zeros(64, 1)], dim=1)
    other.load_state_dict(state)
    generators = (torch.Generator().manual_seed(0) for _ in range(2))
    appended = torch.randn(6, 1, generator=torch.Generator().manual_seed(1))
    made = plain(x, next(generators)), other(x, next(generators), appended)
    for one, two in zip(*made, strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.slow
def test_task_information_that_tells_the_pools_apart_is_used():
    chosen, rest, generator = shifted(0)
    rest = rest[CLASSES[rest] < 5]  # no shift in the inputs
    tasks = torch.zeros(len(chosen)), (torch.arange(len(rest)) % 2).float()
    scorer = train_vaal(
        DIGITS[chosen],
        DIGITS[rest],
        tasks=tasks,
        n_iterations=60,
        batch_size=32,
        lr=1e-3,
        generator=generator,
    )
    novelty = 1 - scorer.proba(DIGITS[rest], tasks[1])
    assert roc_auc_score(tasks[1], novelty) > 0.9
