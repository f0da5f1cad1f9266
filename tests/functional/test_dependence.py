"""ICAL: goldens, kernels written out, invariances."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional import dependence as module
from skal_deep.functional import ical

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "ical.npz")
LABELS = torch.nn.functional.one_hot(torch.as_tensor(GOLDEN["E_labels"])).double()
CONDENSE = LABELS[:, GOLDEN["E_condense"]]


def kernels(labels_SN):
    """Return the paper's kernels, S x S for each row, from the labels' distances."""
    squared = 2.0 * (labels_SN[:, None] != labels_SN[None])  # (S, S, N)
    return np.mean([(1 + squared / (2 * a)) ** -a for a in module._SCALES], axis=0)


def hsic(first_SS, second_SS):
    center = np.eye(len(first_SS)) - 1 / len(first_SS)
    return np.trace(first_SS @ center @ second_SS @ center) / len(first_SS) ** 2


@pytest.mark.parametrize("chunk", [1, 2**19])
def test_golden(chunk, monkeypatch):
    monkeypatch.setattr(module, "chunk_elements", lambda device: chunk)
    picks, utilities = ical(LABELS, lambda _: CONDENSE, 2)
    assert picks[0] == 2
    np.testing.assert_allclose(utilities[0], GOLDEN["E_score_step0"], atol=1e-12)
    expected = GOLDEN["E_score_step1"].copy()
    expected[2] = 0
    np.testing.assert_allclose(utilities[1], expected, atol=1e-12)
    _, utilities = ical(LABELS, lambda _: CONDENSE, 2, n_probes=4)
    expected = GOLDEN["E_pointwise_ratio_step1"]
    np.testing.assert_allclose(utilities[1], expected, atol=1e-12)


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_it_is_the_criterion_of_the_papers_kernels(seed):
    rng = np.random.default_rng(seed)
    n_draws, n, n_classes = rng.integers(2, 6, 3)
    labels = rng.integers(n_classes, size=(n_draws, n))
    rows = rng.integers(n, size=3)
    kernel = kernels(labels)
    samples = torch.nn.functional.one_hot(torch.as_tensor(labels)).double()
    picks, utilities = ical(samples, lambda _: samples[:, rows], 2)
    condense = kernel[:, :, rows].mean(-1)
    expected = [hsic(condense, kernel[:, :, i]) for i in range(n)]
    np.testing.assert_allclose(utilities[0], expected, atol=1e-12)
    first = int(picks[0])
    for i in set(range(n)) - {first}:
        both = (kernel[:, :, first] + kernel[:, :, i]) / 2
        assert abs(float(utilities[1, i]) - hsic(condense, both)) < 1e-12


def random_draws(seed=0, shape=(12, 9, 4)):
    noise = np.random.default_rng(seed).normal(size=shape)
    return torch.as_tensor(2 * noise).softmax(-1)


@pytest.mark.parametrize("n_probes", [None, 3])
def test_order_of_draws_rows_and_classes_does_not_matter(n_probes):
    samples, rng = random_draws(), np.random.default_rng(1)
    s, n, c = (rng.permutation(k) for k in samples.shape)
    picks, utilities = ical(
        samples, lambda k: samples[:, :k], 4, n_condense=5, n_probes=n_probes
    )
    other = samples[s][..., c]
    its, permuted = ical(
        other[:, n], lambda k: other[:, :k], 4, n_condense=5, n_probes=n_probes
    )
    np.testing.assert_array_equal(picks, n[its])
    np.testing.assert_allclose(utilities[:, n], permuted, atol=1e-12)
    single = ical(
        samples.float(),
        lambda k: samples[:, :k].float(),
        4,
        n_condense=5,
        n_probes=n_probes,
    )
    assert single[1].dtype == torch.float32
    np.testing.assert_allclose(single[1], utilities, atol=1e-6)


@pytest.mark.slow
def test_unrelated_draws_are_independent():
    related = random_draws(shape=(2_000, 6, 3))
    mixed = related[np.random.default_rng(0).permutation(2_000)]
    with_itself = ical(related, lambda _: related, 1)[1]
    with_mixed = ical(related, lambda _: mixed, 1)[1]
    assert with_mixed.max() < 0.05 * with_itself.min()


@pytest.mark.parametrize("n_probes", [None, 3])
@pytest.mark.parametrize("shape", [(5, 40, 3), (3, 40, 6)])
def test_picks_that_share_a_pass_are_those_of_a_pass_for_each(
    shape, n_probes, monkeypatch
):
    samples = random_draws(shape=shape)
    samples[:, 20:] = samples[:, :20]  # each row has a copy: scores tie

    def query():
        rng = np.random.default_rng(0)
        others = [samples[:, rng.permutation(40)[:9]] for _ in range(60)]
        return ical(samples, lambda n: others.pop(0)[:, :n], 20, n_probes=n_probes)

    picks, utilities = query()
    monkeypatch.setattr(module, "_N_AT_ONCE", 1)
    same, expected = query()
    assert picks.tolist() == same.tolist()
    np.testing.assert_allclose(utilities, expected, rtol=1e-12, atol=1e-15)


def test_with_one_condensing_set_the_batch_is_the_highest_scores():
    samples = random_draws()
    picks, utilities = ical(samples, lambda _: samples, 5)
    assert picks.tolist() == utilities[0].argsort(descending=True)[:5].tolist()


def test_pointwise_does_not_repeat_itself():
    samples = random_draws()
    strong = torch.zeros(12, 3, 4, dtype=torch.float64)
    strong[torch.arange(12), :, torch.arange(12) % 4] = 1
    samples[:, :2] = strong[:, :2]
    plain, _ = ical(samples, lambda _: samples, 2)
    pointwise, utilities = ical(samples, lambda _: samples, 2, n_probes=9)
    assert plain.tolist() == [0, 1]  # the best row and its copy
    assert pointwise[0] == 0
    assert pointwise[1] > 2
    assert utilities[1, 1] < 1e-12


@pytest.mark.slow
def test_without_disagreement_there_is_no_dependence():
    same = random_draws()[:1].expand(5, 9, 4)
    for n_probes in (None, 2):
        picks, utilities = ical(same, lambda _: same, 9, n_probes=n_probes)
        assert sorted(picks.tolist()) == list(range(9))
        np.testing.assert_allclose(utilities, 0, atol=1e-20)
