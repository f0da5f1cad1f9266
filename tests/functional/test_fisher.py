"""Bait against its definition written out."""

import math
from itertools import combinations
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional import bait, bait_regression
from skal_deep.functional._design import Design, Factored, design_matrices
from skal_deep.functional.fisher import _binary_factors, _helmert, softmax_factors

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "bait.npz")
H, P = torch.as_tensor(GOLDEN["H"]), torch.as_tensor(GOLDEN["P"])
LABELED, UNLABELED = GOLDEN["labeled"], GOLDEN["unlabeled"]
WEIGHTS = {
    "official": lambda m, b: (m / (m + b), b / (m + b)),
    "paper": lambda m, b: (1, 1),
    "consistent": lambda m, b: (m / (m + b), 1 / (m + b)),
}


def information(proba, embedding):
    """Return the Fisher information of each row, as gradients of all labels."""
    n_classes = proba.shape[1]
    error = torch.eye(n_classes).double() - proba[:, None]
    gradient = torch.einsum("nyc,nd->nycd", error, embedding).flatten(2)
    return torch.einsum("ny,nyi,nyj->nij", proba, gradient, gradient)


def plain(all_information, labeled, unlabeled, b, lam, weighting):
    """Return picks, those before any was removed, and all traces."""
    of_labeled, w = WEIGHTS[weighting](len(labeled), b)
    size = all_information.shape[-1]
    mean = all_information.mean(0)
    start = lam * torch.eye(size).double()
    if len(labeled):
        start += of_labeled * all_information[labeled].mean(0)

    def trace(rows):
        precision = start + w * all_information[rows].sum(0)
        return float(torch.linalg.solve(precision, mean).trace())

    rows, traces = [], [trace([])]
    while len(rows) < min(2 * b, len(unlabeled)):
        options = {r: trace([*rows, r]) for r in unlabeled if r not in rows}
        rows.append(min(options, key=options.get))
        traces.append(options[rows[-1]])
    forward = list(rows)
    while len(rows) > b:
        options = {r: trace([s for s in rows if s != r]) for r in rows}
        rows.remove(min(options, key=options.get))
        traces.append(trace(rows))
    return rows, forward, traces


def traces_of(design, rows, kept):
    """Return the traces of our own updates."""
    traces = [design.trace]
    for row in rows:
        design.add(torch.tensor([row]))
        traces.append(design.trace)
    removed = [row for row in rows if row not in kept]
    for row in reversed(removed):
        design.remove(torch.tensor([row]))
        traces.append(design.trace)
    return traces


@pytest.mark.parametrize(
    ("name", "weighting"),
    [
        ("bait", "official"),
        ("bait_papermean", "paper"),
        ("bait_consistent", "consistent"),
    ],
)
def test_golden(name, weighting):
    picks, utilities = bait(
        P[UNLABELED], H[UNLABELED], P[LABELED], H[LABELED], 4, weighting=weighting
    )
    assert UNLABELED[picks].tolist() == GOLDEN[f"{name}_idx"].tolist()
    traces = GOLDEN[f"{name}_traces"]
    np.testing.assert_allclose(utilities[0].max(), traces[0] - traces[1], atol=1e-9)
    np.testing.assert_allclose(-np.diff(traces[:5]), utilities[range(4), picks])


def test_golden_where_early_picks_are_removed():
    lam = float(GOLDEN["bait_bwd_lam"])
    rest = np.setdiff1d(np.arange(len(H)), LABELED[:2])
    picks, _ = bait(
        P[rest], H[rest], P[LABELED[:2]], H[LABELED[:2]], 6, regularization=lam
    )
    assert rest[picks].tolist() == GOLDEN["bait_bwd_idx"].tolist()


def test_golden_traces_of_the_updates():
    of_labeled, w = WEIGHTS["official"](len(LABELED), 4)
    factors = softmax_factors(P)
    candidates = Factored(factors[UNLABELED], H[UNLABELED])
    design = Design(
        candidates,
        Factored(factors[LABELED], H[LABELED]),
        candidates,
        1.0,
        of_labeled,
        w,
    )
    rows = [UNLABELED.tolist().index(row) for row in GOLDEN["bait_forward"]]
    traces = traces_of(design, rows, rows[:4])
    np.testing.assert_allclose(traces, GOLDEN["bait_traces"], atol=1e-9)


@pytest.mark.slow
def test_golden_binary_and_regression():
    rows = P[UNLABELED], H[UNLABELED], P[LABELED], H[LABELED]
    picks, utilities = bait(*rows, 4, binary=True)
    assert UNLABELED[picks].tolist() == GOLDEN["bait_binary_idx"].tolist()
    gains = -np.diff(GOLDEN["bait_binary_traces"][:5])
    np.testing.assert_allclose(utilities[range(4), picks], gains)
    picks, utilities = bait_regression(H[UNLABELED], H[LABELED], 4)
    assert UNLABELED[picks].tolist() == GOLDEN["bait_regression_idx"].tolist()
    gains = -np.diff(GOLDEN["bait_regression_traces"][:5])
    np.testing.assert_allclose(utilities[range(4), picks], gains)


@pytest.mark.slow
@given(
    st.integers(0, 500),
    st.sampled_from([2, 3, 4]),
    st.integers(0, 4),
    st.sampled_from(list(WEIGHTS)),
    st.sampled_from([0.01, 1.0]),
)
def test_equals_the_definition(seed, n_classes, n_labeled, weighting, lam):
    rng = np.random.default_rng(seed)
    proba = torch.as_tensor(2 * rng.standard_normal((11, n_classes))).softmax(-1)
    embedding = torch.as_tensor(rng.standard_normal((11, 3)))
    labeled, rest = list(range(n_labeled)), list(range(n_labeled, 11))
    expected, _, _ = plain(
        information(proba, embedding), labeled, rest, 3, lam, weighting
    )
    picks, utilities = bait(
        proba[rest],
        embedding[rest],
        proba[labeled],
        embedding[labeled],
        3,
        regularization=lam,
        weighting=weighting,
    )
    assert sorted((picks + n_labeled).tolist()) == sorted(expected)
    assert (utilities >= -1e-9).all()


@pytest.mark.parametrize("seed", range(3))
def test_updates_equal_a_fresh_inverse(seed):
    rng = np.random.default_rng(seed)
    proba = torch.as_tensor(rng.standard_normal((20, 3))).softmax(-1)
    embedding = torch.as_tensor(rng.standard_normal((20, 4)))
    factors = softmax_factors(proba)
    candidates = Factored(factors[5:], embedding[5:])
    design = Design(
        candidates,
        Factored(factors[:5], embedding[:5]),
        candidates,
        0.5,
        1.0,
        0.7,
    )
    all_information = information(proba, embedding)
    rows = []
    for row in (3, 9, 3, 14, 0):
        before, gain = design.trace, float(design.gains()[row])
        design.add(torch.tensor([row]))
        rows.append(row + 5)
        assert before - design.trace == pytest.approx(gain, abs=1e-12)
    loss = float(design.losses([0, 9])[1])
    before = design.trace
    design.remove(torch.tensor([9]))
    rows.remove(14)
    assert design.trace - before == pytest.approx(loss, abs=1e-12)
    precision = 0.5 * torch.eye(12).double() + all_information[:5].mean(0)
    precision += 0.7 * all_information[rows].sum(0)
    trace = torch.linalg.solve(precision, all_information.mean(0)).trace()
    assert design.trace == pytest.approx(float(trace), abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("n_classes", "n_top"), [(2, None), (3, None), (7, 3), (34, 33), (36, 20)]
)
def test_without_the_compiled_loop_it_is_the_same(n_classes, n_top, dtype, monkeypatch):
    rng = np.random.default_rng(n_classes)
    proba = torch.as_tensor(rng.standard_normal((60, n_classes))).softmax(-1)
    embedding = torch.as_tensor(rng.standard_normal((60, 3)))
    given = [each.to(dtype) for each in (proba, embedding, proba[:5], embedding[:5])]
    picks, utilities = bait(*given, 6, n_top=n_top)
    monkeypatch.setattr("skal_deep.functional._design.are_compiled", lambda: False)
    slow_picks, slow_utilities = bait(*given, 6, n_top=n_top)
    assert torch.equal(picks, slow_picks)
    rtol = 1e-4 if dtype == torch.float32 else 1e-9
    torch.testing.assert_close(utilities, slow_utilities, rtol=rtol, atol=0)


def test_factors_are_the_information_by_autograd():
    factors = softmax_factors(P)
    plane = torch.eye(4).double() - 1 / 4
    for row in range(3):
        logits = P[row].log().requires_grad_()
        gradients = torch.stack(
            [torch.autograd.grad(logits.log_softmax(0)[y], logits)[0] for y in range(4)]
        )
        expected = (P[row][:, None] * gradients).T @ gradients
        error = plane - P[row] @ plane
        torch.testing.assert_close(expected, (P[row][:, None] * error).T @ error)
        eigen = torch.linalg.eigvalsh(factors[row].T @ factors[row])
        torch.testing.assert_close(eigen, torch.linalg.eigvalsh(expected)[1:])


@pytest.mark.slow
def test_all_top_labels_are_all_labels():
    rows = P[UNLABELED], H[UNLABELED], P[LABELED], H[LABELED]
    torch.testing.assert_close(bait(*rows, 3)[1], bait(*rows, 3, n_top=4)[1])
    top = softmax_factors(P, 2)
    assert top.shape == (60, 2, 3)
    sure = softmax_factors(torch.tensor([[1.0, 0.0, 0.0]]), 1)
    assert sure.eq(0).all()


def test_greedy_is_close_to_the_best_pair():
    rows = UNLABELED[:9]
    everything = [*LABELED, *rows]
    all_information = information(P[everything], H[everything])
    of_labeled, w = WEIGHTS["official"](len(LABELED), 2)
    start = torch.eye(20).double() + of_labeled * all_information[:6].mean(0)
    mean = all_information.mean(0)

    def trace(pair):
        precision = start + w * all_information[[6 + i for i in pair]].sum(0)
        return float(torch.linalg.solve(precision, mean).trace())

    picks, _ = bait(P[rows], H[rows], P[LABELED], H[LABELED], 2)
    best = min(map(trace, combinations(range(9), 2)))
    assert best <= trace(picks.tolist()) <= 1.01 * best


@pytest.mark.slow
def test_turning_embeddings_and_permuting_classes_changes_nothing():
    source = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=source).double()).Q
    rows = P[UNLABELED], H[UNLABELED], P[LABELED], H[LABELED]
    picks, utilities = bait(*rows, 4)
    permuted = P[:, [2, 0, 3, 1]]
    turned, same = bait(
        permuted[UNLABELED],
        (H @ turn)[UNLABELED],
        permuted[LABELED],
        (H @ turn)[LABELED],
        4,
    )
    assert picks.tolist() == turned.tolist()
    torch.testing.assert_close(utilities, same)


def test_heavy_regularisation_asks_for_the_most_information():
    picks, _ = bait(
        P[UNLABELED], H[UNLABELED], P[LABELED], H[LABELED], 1, regularization=1e9
    )
    every = information(P, H)
    mean = every.mean(0)
    scores = torch.einsum("nij,ji->n", every[UNLABELED], mean)
    assert int(picks[0]) == int(scores.argmax())


@pytest.mark.slow
def test_float32():
    rows = P[UNLABELED], H[UNLABELED], P[LABELED], H[LABELED]
    picks, utilities = bait(*rows, 5)
    single, rounded = bait(*(r.float() for r in rows), 5)
    assert picks.tolist() == single.tolist()
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded.double(), utilities, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_a_pool_may_be_looked_at_in_parts():
    rows, known = (P[UNLABELED], H[UNLABELED]), (P[LABELED], H[LABELED])
    whole = bait(*rows, *known, 1)[1][0]
    parts = [
        bait(rows[0][part], rows[1][part], *known, 1, pool=rows)[1][0]
        for part in (slice(0, 20), slice(20, 54))
    ]
    torch.testing.assert_close(torch.cat(parts), whole)


def test_one_class_carries_no_information():
    ones = torch.ones(6, 1)
    picks, utilities = bait(ones, H[:6].float(), ones[:2], H[:2].float(), 2)
    assert utilities.eq(0).all()
    assert len(set(picks.tolist())) == 2


@pytest.mark.parametrize("budget", [1, 100])  # one row at a time, or a few
def test_memory_does_not_change_anything(monkeypatch, budget):
    rows = P[UNLABELED], H[UNLABELED], P[LABELED], H[LABELED]
    expected = bait(*rows, 5)
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", budget)
    picks, utilities = bait(*rows, 5)
    assert picks.tolist() == expected[0].tolist()
    torch.testing.assert_close(utilities, expected[1])


@pytest.mark.parametrize(("norm", "regularization"), [(1.0, 0.01), (10.0, 1.0)])
def test_float32_suffices_for_large_embeddings(norm, regularization):
    source = torch.Generator().manual_seed(1)
    embedding = norm * torch.randn(200, 64, generator=source).relu()
    proba = torch.full((200, 2), 0.5)
    rows = proba, embedding, proba[:0], embedding[:0]
    picks = bait(*rows, 10, regularization=regularization)[0].tolist()
    exact = bait(*(row.double() for row in rows), 10, regularization=regularization)[
        0
    ].tolist()
    assert picks == exact


def test_the_lowest_of_equal_rows_stay():
    certain = torch.eye(3).double()[torch.arange(12) % 3]
    assert bait(certain, H[:12], certain[:0], H[:0], 3)[0].tolist() == [0, 1, 2]


def test_certain_rows_carry_no_information():
    certain = torch.eye(3).double()[[0, 1, 2, 0, 1]]
    picks, utilities = bait(certain, H[:5], certain[:0], H[:0], 5)
    assert sorted(picks.tolist()) == [*range(5)]
    assert utilities.eq(0).all()
    assert _binary_factors(certain).eq(0).all()


def test_predictions_that_are_almost_certain_tell_them_apart():
    rest = torch.tensor([1e-9, 4e-9, 2e-9], dtype=torch.float64)
    proba = torch.stack([1 - rest, rest / 4, 3 * rest / 4], 1)
    assert proba.float()[:, 0].eq(1).all()
    factors = _binary_factors(proba.float())[:, 0, 0]
    torch.testing.assert_close(factors, (rest * (1 - rest)).sqrt().float())
    rows = proba.float(), torch.full((3, 1), 1e3)
    picks, _ = bait(*rows, rows[0][:0], rows[1][:0], 1, binary=True)
    assert picks.tolist() == [1]


def test_bad_input(monkeypatch):
    rows = P[UNLABELED], H[UNLABELED], P[LABELED], H[LABELED]
    with pytest.raises(ValueError, match="batch_size=55"):
        bait(*rows, 55)
    with pytest.raises(ValueError, match="embeddings holds NaN"):
        bait(rows[0], rows[1] * math.nan, *rows[2:], 2)
    monkeypatch.setattr("skal_deep.functional._design._MAX_N_WEIGHTS", 14)
    with pytest.raises(ValueError, match="binary form"):
        bait(*rows, 2)
    bait(*rows, 2, binary=True)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
def test_one_product_for_both_forms_of_a_single_factor(scale):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(50, 6, generator=generator)
    rows[:, 5] = rows[:, 4] + 1e-3 * rows[:, 5]  # directions hardly apart
    factored = Factored(
        torch.rand(50, 1, 1, generator=generator), scale * rows
    ).double()
    labeled = Factored(factored.factor_NRK[:4], factored.embedding_ND[:4])
    information, precision = design_matrices(labeled, factored, 1.0, 0.5)
    covariance = precision.inverse()
    inner, outer = factored.seen_through_both(covariance, information)
    # without an absolute bound, which would be far above small embeddings
    exact = {"rtol": 1e-7, "atol": 0}
    torch.testing.assert_close(inner, factored.seen_through(covariance), **exact)
    expected = factored.seen_through(covariance @ information @ covariance)
    torch.testing.assert_close(outer, expected, **exact)


def exact_picks(proba, embedding, n_labeled, b, lam=1):
    """Return the picks of binary classes, in numbers of a hundred digits."""
    with mpmath.workdps(100):
        slope = [mpmath.mpf(float(p)) * (1 - mpmath.mpf(float(p))) for p in proba[:, 0]]
        infos = [
            mpmath.matrix([[s * mpmath.mpf(float(a)) * float(b) for a in h] for b in h])
            for s, h in zip(slope, embedding, strict=True)
        ]
        n_dims = embedding.shape[1]
        zero = mpmath.zeros(n_dims)
        mean = sum(infos, zero) / len(infos)
        total = n_labeled + b
        start = lam * mpmath.eye(n_dims)
        if n_labeled:
            start += sum(infos[:n_labeled], zero) / total

        def trace(rows):
            inside = start + sum((infos[r] for r in rows), zero) * b / total
            product = inside**-1 * mean
            return sum(product[i, i] for i in range(n_dims))

        rows = []
        for _ in range(2 * b):
            others = [r for r in range(n_labeled, len(infos)) if r not in rows]
            rows.append(min(others, key=lambda r: trace([*rows, r])))
        while len(rows) > b:
            lost = min(rows, key=lambda r: trace([q for q in rows if q != r]))
            rows.remove(lost)
        return [r - n_labeled for r in rows]


@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4, 1e5])
@pytest.mark.parametrize("n_labeled", [0, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inputs_of_any_scale(scale, n_labeled, dtype):
    source = torch.Generator().manual_seed(0)
    embedding = scale * torch.randn(16, 4, generator=source)
    proba = torch.rand(16, 1, generator=source) / 2
    proba = torch.cat([proba, 1 - proba], 1).to(dtype)
    rows = proba, embedding.to(dtype)
    labeled, others = ([r[:n_labeled] for r in rows], [r[n_labeled:] for r in rows])
    picks, utilities = bait(*others, *labeled, 3)
    assert picks.tolist() == exact_picks(proba, embedding, n_labeled, 3)
    assert utilities.isfinite().all()
    assert utilities.dtype == dtype


def test_scales_that_no_number_resolves_are_refused():
    rows = P[UNLABELED], 1e9 * H[UNLABELED], P[LABELED], H[LABELED]
    with pytest.raises(ValueError, match=r"regularization=1.0.*StandardScaler"):
        bait(*rows, 2)


@pytest.mark.parametrize("kwargs", [{}, {"binary": True}, {"n_top": 2}], ids=str)
def test_removals_among_all_rows_are_those_one_by_one(monkeypatch, kwargs):
    rows = P[UNLABELED], 9 * H[UNLABELED], P[LABELED], 9 * H[LABELED]
    expected = bait(*rows, 6, **kwargs)
    monkeypatch.setattr("skal_deep.functional.fisher._MOST_ROUND_OFF", 1e-11)
    monkeypatch.setattr(Design, "remove", None)
    picks, utilities = bait(*rows, 6, **kwargs)
    assert picks.tolist() == expected[0].tolist()
    torch.testing.assert_close(utilities, expected[1])


@pytest.mark.parametrize("n", [2, 3, 10])
def test_the_basis_of_logits_is_fixed(n):
    basis = _helmert(n)
    torch.testing.assert_close(basis.T @ basis, torch.eye(n - 1).double())
    torch.testing.assert_close(basis.sum(0), torch.zeros(n - 1).double())


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 10])
def test_what_is_left_after_much_is_told_keeps_its_digits(seed):
    """The first picks of few dimensions leave a thousandth and less to the last."""
    rows = torch.randn(64, 5, generator=torch.Generator().manual_seed(seed))
    setting = {"regularization": 0.01, "weighting": "paper"}
    picks, utilities = bait_regression(rows[4:], rows[:4], 5, **setting)
    rows = rows.double()
    expected, exact = bait_regression(rows[4:], rows[:4], 5, **setting)
    assert torch.equal(picks, expected)
    torch.testing.assert_close(utilities, exact.float(), rtol=1e-3, atol=1e-6)


def test_double_precision_is_not_sought_twice(monkeypatch):
    """Rows that tell nothing are picked last, with a gain of 0 in any precision."""
    rows = torch.eye(4, dtype=torch.float64)[[0, 1, 2, 3, 0, 1]]
    rows[2:4] = 0
    expected = bait_regression(rows, rows[:0], 3)
    monkeypatch.setattr("skal_deep.functional.fisher._in_double", None)
    assert torch.equal(bait_regression(rows, rows[:0], 3)[0], expected[0])
    with pytest.raises(TypeError):
        bait_regression(rows.float(), rows[:0].float(), 3)
