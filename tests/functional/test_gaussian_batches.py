"""Batches of Gaussian predictions against brute force and golden values."""

from pathlib import Path

import numpy as np
import pytest
import torch

from skal_deep.functional import gaussian_batch_bald, gaussian_batch_epig, max_det

GOLDEN = {
    name: torch.as_tensor(value)
    for name, value in np.load(
        Path(__file__).parents[1] / "golden" / "regression.npz"
    ).items()
}
ALPHA, NOISE = (float(GOLDEN[f"blr_{name}"]) for name in ("alpha", "s2"))
LABELED = GOLDEN["blr_L"]
PRECISION = LABELED.T @ LABELED / NOISE + ALPHA * torch.eye(4).double()
ROOT = torch.linalg.cholesky(torch.linalg.inv(PRECISION))
ROWS, TARGETS = (GOLDEN[f"blr_{name}"] @ ROOT for name in ("U", "T"))
GENERATOR = torch.Generator().manual_seed(0)


def noise(rows, value=NOISE):
    return torch.full((len(rows), 1), value, dtype=torch.float64)


def test_golden_batches():
    picks, gains = gaussian_batch_bald(ROWS[..., None], noise(ROWS), 3)
    assert picks.tolist() == GOLDEN["greedy_batchbald"].tolist()
    gained = gains[torch.arange(3), picks].cumsum(0)
    torch.testing.assert_close(gained, GOLDEN["batchbald_value"])
    picks, gains = gaussian_batch_epig(
        ROWS[..., None], noise(ROWS), TARGETS[..., None], noise(TARGETS), 3
    )
    assert picks.tolist() == GOLDEN["greedy_epig"].tolist()
    gained = gains[torch.arange(3), picks].cumsum(0)
    torch.testing.assert_close(gained, GOLDEN["epig_batch_value"])


def variance_given(features, batch, noise_N, rows):
    """Return variances of predictions of rows given labels of a batch, by inversion."""
    known = features[batch]
    total = known @ known.T + torch.diag(noise_N[batch])
    told = features[rows] @ known.T
    prior = features[rows].square().sum(1)
    return prior - (told @ torch.linalg.inv(total) * told).sum(1)


@pytest.mark.slow
def test_each_gain_is_that_of_the_definition():
    """Two outputs, and noise that differs from row to row."""
    features = torch.randn(12, 5, 2, generator=GENERATOR).double()
    s = torch.rand(12, 2, generator=GENERATOR).double() + 0.1
    targets = torch.randn(7, 5, 2, generator=GENERATOR).double()
    s_target = torch.rand(7, 2, generator=GENERATOR).double() + 0.1
    bald = gaussian_batch_bald(features, s, 4)
    epig = gaussian_batch_epig(features, s, targets, s_target, 4)
    both, s_both = torch.cat([features, targets]), torch.cat([s, s_target])
    for t in range(4):
        for name, (picks, gains) in {"bald": bald, "epig": epig}.items():
            for row in set(range(12)) - set(picks[:t].tolist()):
                before, after = picks[:t].tolist(), [*picks[:t].tolist(), row]
                gain = 0.0
                for out in range(2):
                    f, n = both[..., out], s_both[:, out]
                    if name == "bald":
                        v = variance_given(f, before, n, [row])
                        gain += float((v / n[row]).log1p()) / 2
                        continue
                    of_targets = list(range(12, 19))
                    totals = [
                        variance_given(f, batch, n, of_targets) + n[of_targets]
                        for batch in (before, after)
                    ]
                    gain += float((totals[0] / totals[1]).log().mean()) / 2
                assert float(gains[t, row]) == pytest.approx(gain, abs=1e-9)
            assert int(picks[t]) == int(
                torch.where(
                    torch.isin(torch.arange(12), picks[:t]), -1, gains[t]
                ).argmax()
            )


def test_one_output_of_equal_noise_is_max_det():
    features = torch.randn(30, 6, generator=GENERATOR).double()
    picks, gains = gaussian_batch_bald(features[..., None], noise(features, 0.3), 5)
    others, variances = max_det(features, features[:0], 5, noise=0.3)
    assert picks.tolist() == others.tolist()
    gained = gains[torch.arange(5), picks]
    expected = (variances[torch.arange(5), others] / 0.3).log1p() / 2
    torch.testing.assert_close(gained, expected)


def test_a_copy_tells_little_more():
    """The second copy of a row adds log((s + 2v) / (s + v)) / 2."""
    rows = torch.tensor([[2.0], [2.0]]).double()
    _, gains = gaussian_batch_bald(rows[..., None], noise(rows, 0.5), 2)
    expected = np.log((0.5 + 8) / (0.5 + 4)) / 2
    assert float(gains[1, gains[1].argmax()]) == pytest.approx(expected)


def test_arguments_stay_and_utilities_are_optional():
    features = torch.randn(9, 4, 1, generator=GENERATOR).double()
    before = features.clone()
    whole = gaussian_batch_epig(
        features, noise(features), features[:3], noise(features[:3]), 3
    )
    picks, gains = gaussian_batch_epig(
        features,
        noise(features),
        features[:3],
        noise(features[:3]),
        3,
        with_utilities=False,
    )
    assert torch.equal(features, before)
    assert torch.equal(picks, whole[0])
    assert torch.equal(gains, whole[1][torch.arange(3), picks])
    with pytest.raises(ValueError, match="NaN"):
        gaussian_batch_bald(features * np.nan, noise(features), 2)
