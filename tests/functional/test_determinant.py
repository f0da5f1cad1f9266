"""MaxDet against determinants and Gaussian process formulae."""

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skal_deep.functional import max_det
from skal_deep.functional.determinant import noise_variance

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "kernel_framework.npz")
H = torch.as_tensor(GOLDEN["H"])
LABELED, UNLABELED = GOLDEN["labeled"], GOLDEN["unlabeled"]


def posterior(features, observed, noise):
    """Return the posterior covariance of all rows, by the kernel's formula."""
    prior = features @ features.T
    shared = features @ observed.T
    inverse = torch.linalg.inv(observed @ observed.T + noise * torch.eye(len(observed)))
    return prior - shared @ inverse @ shared.T


def test_golden_picks():
    nearly_exact, _ = max_det(H[UNLABELED], H[:0], 4, noise=1e-9)
    assert UNLABELED[nearly_exact].tolist() == GOLDEN["maxdet_idx"].tolist()
    picks, _ = max_det(H[UNLABELED], H[:0], 8, noise=0.01)
    assert UNLABELED[picks].tolist() == GOLDEN["maxdet_noise_idx"].tolist()


def test_golden_variances():
    _, utilities = max_det(H, H[LABELED], 1, noise=0.1)
    np.testing.assert_allclose(utilities[0], GOLDEN["gp_post_var"], atol=1e-12)


@pytest.mark.slow
@given(st.integers(0, 100), st.integers(0, 6), st.integers(1, 8))
def test_variances_are_those_of_a_gaussian_process(seed, n_labeled, batch_size):
    rng = np.random.default_rng(seed)
    features = torch.as_tensor(rng.standard_normal((9, 3)))
    labeled = torch.as_tensor(rng.standard_normal((n_labeled, 3)))
    picks, utilities = max_det(features, labeled, batch_size, noise=0.05)
    for step in range(batch_size):
        observed = torch.cat([labeled, features[picks[:step]]])
        expected = posterior(features, observed, 0.05).diagonal().clone()
        expected[picks[:step]] = 0
        torch.testing.assert_close(utilities[step], expected, atol=1e-9, rtol=1e-6)
        assert picks[step] == expected.argmax()


@pytest.mark.slow
def test_each_pick_adds_the_most_to_the_determinant():
    noise, chosen = 0.01, []
    covariance = posterior(H, H[LABELED], noise) + noise * torch.eye(60)
    picks, utilities = max_det(H, H[LABELED], 5, noise=noise)
    for pick, row in zip(picks.tolist(), utilities, strict=True):
        gain = torch.stack(
            [torch.logdet(covariance[rows][:, rows]) for rows in _with_each(chosen)]
        )
        left = [i for i in range(60) if i not in chosen]
        assert pick == left[int(gain[left].argmax())]
        before = torch.logdet(covariance[chosen][:, chosen]) if chosen else 0
        torch.testing.assert_close((row[left] + noise).log(), gain[left] - before)
        chosen.append(pick)


def _with_each(chosen):
    return [[*chosen, i] if i not in chosen else [i] for i in range(60)]


def test_the_greedy_batch_is_near_the_best():
    noise = 0.1
    covariance = torch.eye(12) + H[:12] @ H[:12].T / noise
    value = {
        rows: float(torch.logdet(covariance[list(rows)][:, list(rows)]))
        for rows in combinations(range(12), 3)
    }
    picks, _ = max_det(H[:12], H[:0], 3, noise=noise)
    # a monotone submodular function: Nemhauser et al., 1978
    greedy = value[tuple(sorted(picks.tolist()))]
    assert (1 - 1 / math.e) * max(value.values()) <= greedy <= max(value.values())


def test_labelled_rows_and_picks_count_alike():
    first, _ = max_det(H[UNLABELED], H[LABELED], 6, noise=0.01)
    rest = np.delete(UNLABELED, first[:3])
    observed = np.concatenate([LABELED, UNLABELED[first[:3]]])
    then, _ = max_det(H[rest], H[observed], 3, noise=0.01)
    assert rest[then].tolist() == UNLABELED[first[3:]].tolist()


def test_more_picks_than_dimensions_and_copies():
    copies = H[:4].repeat(5, 1).float()
    picks, utilities = max_det(copies, copies[:2], 20, noise=1e-6)
    assert sorted(picks.tolist()) == list(range(20))
    assert utilities.dtype == torch.float32
    assert utilities.isfinite().all()
    assert (utilities >= 0).all()


def test_float32_agrees_with_float64():
    exact, rows = max_det(H[UNLABELED], H[LABELED], 8, noise=1e-3)
    rounded, single = max_det(H[UNLABELED].float(), H[LABELED].float(), 8, noise=1e-3)
    assert exact.tolist() == rounded.tolist()
    torch.testing.assert_close(single.double(), rows, rtol=1e-3, atol=1e-6)


def test_noise_has_the_scale_of_the_rows():
    rows = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert noise_variance(0.1, rows, rows[:0]) == pytest.approx(1.25)
    assert noise_variance(0.1, rows, 10 * rows[:1]) == pytest.approx(250.0)
    assert noise_variance(0.1, 0 * rows, rows[:0]) == pytest.approx(0.1)


def test_what_round_off_would_decide_is_refused():
    """Rows that noise cannot be told from are either labelled or picked."""
    with pytest.raises(ValueError, match="Raise the noise"):
        max_det(H, H, 1, noise=1e-15)
    with pytest.raises(ValueError, match="Raise the noise"):
        max_det(H, H[:0], 8, noise=1e-16)
    few, _ = max_det(H, H[:0], H.shape[1], noise=1e-16)  # fewer than dimensions
    assert len(set(few.tolist())) == H.shape[1]


def test_certainty_about_rows_that_are_not_left_is_no_doubt():
    rows = torch.tensor([[1e5, 0], [0, 0], [0, 0]]).double()
    assert max_det(rows, rows[:0], 3, noise=1e-12)[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
@pytest.mark.parametrize("labeled", [[], LABELED])
def test_picks_do_not_depend_on_the_scale(scale, labeled):
    picks = []
    for rows in (H, scale * H.float()):
        noise = noise_variance(1e-3, rows, rows[labeled])
        picks.append(max_det(rows, rows[labeled], 8, noise=noise)[0].tolist())
    assert picks[0] == picks[1]


@pytest.fixture
def _small_parts(monkeypatch):
    n_threads = torch.get_num_threads()
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 100)
    monkeypatch.setattr("skal_deep.functional.determinant._FEW_NUMBERS", 0)
    yield
    torch.set_num_threads(n_threads)


def clustered(n):
    """Return rows (n, 9) of clusters, of which a pick tells much about all others."""
    source = torch.Generator().manual_seed(0)
    centers = 3 * torch.randn(6, 9, generator=source)
    return centers.repeat(n // 6, 1) + torch.randn(n, 9, generator=source)


ROWS = clustered(96)
HARD_ROWS = {
    "clusters": ROWS,
    "copies": ROWS[torch.arange(96) ** 2 % 17],
    "all equal": ROWS[:1].repeat(96, 1),
    "of one length": ROWS.sign(),
    "zeros": 0 * ROWS,
    "some zeros": torch.cat([0 * ROWS[:40], ROWS, 0 * ROWS[:40]]),
    "one is huge": torch.cat([ROWS, 1e4 * ROWS[:1], ROWS[:9]]),
    "of any length": ROWS * 10 ** torch.linspace(-3, 3, 96)[:, None],
}


def answer(rows, labeled, n_picks, noise, with_utilities):
    """Return picks and their utilities, or what is said against the noise."""
    try:
        picks, utilities = max_det(
            rows, labeled, n_picks, noise=noise, with_utilities=with_utilities
        )
    except ValueError as error:
        return str(error)
    own = utilities[range(n_picks), picks] if with_utilities else utilities
    return picks.tolist(), own.tolist()


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_labeled", [0, 30])
@pytest.mark.parametrize("noise", [1e-6, 0.1, 1e4])
@pytest.mark.parametrize("kind", HARD_ROWS)
def test_rows_that_wait_are_brought_up_to_date(
    kind, noise, n_labeled, dtype, n_threads
):
    rows = HARD_ROWS[kind].to(dtype)
    given = rows, rows[::3][:n_labeled], len(rows), noise
    torch.set_num_threads(n_threads)
    assert answer(*given, with_utilities=False) == answer(*given, with_utilities=True)


@pytest.mark.slow
@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_many_rows_of_a_part_wait(dtype, n_threads, monkeypatch):
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 20_000)
    rows = clustered(6000).to(dtype)
    given = torch.cat([rows, rows]), rows[:0], 60, 0.1
    torch.set_num_threads(n_threads)
    assert answer(*given, with_utilities=False) == answer(*given, with_utilities=True)


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("seed", [13, 78, 112, 163])
@pytest.mark.parametrize("noise", [1e-6, 1e-9, 1e-11])
def test_no_row_waits_where_round_off_lets_variances_grow(seed, noise):
    """The covariance of the weights loses what copies of far rows would leave of it."""
    source = torch.Generator().manual_seed(seed)
    labeled = torch.randn(3, 5, generator=source, dtype=torch.float64)
    far, near = (
        torch.randn(n, 3, generator=source, dtype=torch.float64) @ labeled
        for n in (2, 20)
    )
    rows = torch.cat([0.1 * near, 1e6 * far.repeat(3, 1)])
    given = rows, labeled, len(rows), noise
    assert answer(*given, with_utilities=False) == answer(*given, with_utilities=True)


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("with_utilities", [False, True])
def test_variances_that_are_no_numbers_are_found(with_utilities):
    huge = 1e150 * H
    with pytest.raises(ValueError, match="utilities holds NaN or infinite"):
        max_det(huge, 0 * H[:2], 1, noise=1e-307, with_utilities=with_utilities)


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("exponent", [-500, -300, 260, 490])
@pytest.mark.parametrize("with_utilities", [False, True])
def test_squares_of_what_rows_share_are_no_numbers_but_picks_are(
    exponent, with_utilities
):
    scale = 2.0**exponent  # of which no digit is lost
    one, other = (
        max_det(rows, rows[:2], 8, noise=noise, with_utilities=with_utilities)
        for rows, noise in ((H, 0.01), (scale * H, 0.01 * scale**2))
    )
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1] / scale**2)


def test_bad_input():
    for noise in (0, -1.0, 1e-320, math.inf, math.nan):
        with pytest.raises(ValueError, match="noise="):
            max_det(H, H[:0], 1, noise=noise)
    with pytest.raises(ValueError, match="labeled_features holds NaN"):
        max_det(H, torch.full((1, 5), math.nan), 1, noise=1.0)
