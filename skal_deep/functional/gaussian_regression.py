"""Scores of a regression whose predictions are Gaussian, and linear regression."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_finite
from skal_deep.functional._chunks import chunks

# The noise is at least this share of the variance of the targets: targets that are met
# exactly would have an infinite density.
_LEAST_NOISE = 1e-6
# Correlations are at most this far from 1: a target that the label itself reveals
# would have infinite information.
_LEAST_DOUBT = 1e-12


@plain_torch()
def gaussian_bald(variance: Tensor, noise: Tensor) -> Tensor:
    """Return the mutual information of a label and the weights, in nats.

    ``I = sum_t log(1 + v_t / s_t) / 2``: the epistemic variance v of the prediction
    and the variance s of the noise, for each output t.

    Parameters
    ----------
    variance : Tensor of shape (N,) or (N, T)
        Epistemic variances.
    noise : Tensor of the same shape
        Variances of the noise, above 0.

    Returns
    -------
    Tensor of shape (N,)
        At least 0.

    See Also
    --------
    gaussian_batch_bald : The information of a batch.
    bald : For classes.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import gaussian_bald
    >>> gaussian_bald(torch.tensor([1.0, 0.1]), torch.tensor([1.0, 1.0]))
    tensor([0.3466, 0.0477])
    """
    check_finite(variance=variance, noise=noise)
    return _summed((variance / noise).log1p() / 2)


@plain_torch()
def gaussian_epig(
    covariance: Tensor, total_variance: Tensor, target_variance: Tensor
) -> Tensor:
    """Return the expected information of a label about those of targets, in nats.

    ``mean_* -log(1 - c^2 / ((v + s)(v_* + s_*))) / 2`` with the covariance c of the
    predictions of a row and a target; it is at most that of BALD.

    Parameters
    ----------
    covariance : Tensor of shape (N, M) or (N, M, T)
        Covariances of the predictions of rows and targets, without noise.
    total_variance : Tensor of shape (N,) or (N, T)
        Variances v + s of the labels of the rows.
    target_variance : Tensor of shape (M,) or (M, T)
        Variances of the labels of the targets.

    Returns
    -------
    Tensor of shape (N,)
        At least 0; outputs are summed.

    See Also
    --------
    gaussian_batch_epig : The information of a batch.
    epig : For classes.

    References
    ----------
    F. Bickford Smith, A. Kirsch, S. Farquhar, Y. Gal, A. Foster, T. Rainforth.
    Prediction-Oriented Bayesian Active Learning. AISTATS, 2023.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import gaussian_epig
    >>> covariance = torch.tensor([[0.5], [0.0]])
    >>> gaussian_epig(covariance, torch.ones(2), torch.ones(1))
    tensor([0.1438, 0.0000], dtype=torch.float64)
    """
    check_finite(
        covariance=covariance,
        total_variance=total_variance,
        target_variance=target_variance,
    )
    variances = total_variance.double()[:, None] * target_variance.double()[None]
    squared = covariance.double().square() / variances
    information = -(-squared.clamp_max(1 - _LEAST_DOUBT)).log1p() / 2
    return _summed(information.mean(1))


def _summed(score: Tensor) -> Tensor:
    """Return scores (N,), summed over outputs."""
    return score if score.ndim == 1 else score.sum(-1)


@plain_torch()
def gaussian_crps(mean: Tensor, std: Tensor, y: Tensor) -> Tensor:
    """Return the continuous ranked probability score of Gaussian predictions.

    ``s (z (2 F(z) - 1) + 2 f(z) - 1 / sqrt(pi))`` with ``z = (y - m) / s``, the density
    f and the distribution function F of a standard normal variable. It is the absolute
    error of a prediction without spread, and lower is better.

    Parameters
    ----------
    mean : Tensor
        Means of the predictions.
    std : Tensor of the same shape
        Standard deviations of labels, at least 0.
    y : Tensor of the same shape
        Labels.

    Returns
    -------
    Tensor of the same shape
        In the unit of y, at least 0.

    See Also
    --------
    skal_deep.evaluation.compare_strategies : Takes it as ``neg_crps``.

    References
    ----------
    T. Gneiting, A. Raftery. Strictly Proper Scoring Rules, Prediction, and Estimation.
    Journal of the American Statistical Association 102, 2007.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import gaussian_crps
    >>> gaussian_crps(torch.zeros(2), torch.ones(2), torch.tensor([0.0, 3.0]))
    tensor([0.2337, 2.4366], dtype=torch.float64)
    """
    check_finite(mean=mean, std=std, y=y)
    error = (y - mean).double().abs()
    std = std.double()
    z = torch.where(std > 0, error / std, torch.inf)
    within = torch.erf(z / math.sqrt(2))  # 2 F(z) - 1; z times s is the error
    rest = (math.sqrt(2) * (-(z**2) / 2).exp() - 1) / math.sqrt(math.pi)
    return error * within + std * rest


def spread_of_draws(samples: Tensor, population: Tensor) -> Tensor:
    """Return the mean standard deviation of predictions over draws.

    Parameters
    ----------
    samples : Tensor of shape (S, N, T)
        Draws of the predictions.
    population : Tensor of shape (S, M, T)
        Draws for all rows. Their standard deviation is the unit of each output, where
        there are several.

    Returns
    -------
    scores : Tensor of shape (N,)
        At least 0.
    """
    check_finite(samples=samples)
    spread_NT = samples.double().std(0, correction=0)
    if spread_NT.shape[1] == 1:
        return spread_NT[:, 0]
    unit_T = population.double().flatten(0, 1).std(0, correction=0)
    return (spread_NT / torch.where(unit_T > 0, unit_T, 1)).mean(1)


def deviations(samples: Tensor) -> Tensor:
    """Return features whose inner products are covariances of draws.

    Parameters
    ----------
    samples : Tensor of shape (S, N, T)
        Draws of the predictions.

    Returns
    -------
    features : Tensor of shape (N, S, T)
        ``(f_s - mean_s f_s) / sqrt(S)``, in float64.
    """
    samples = samples.double()
    centred = samples - samples.mean(0)
    return centred.movedim(0, 1) / math.sqrt(len(samples))


def gaussian_epig_of_draws(
    samples: Tensor, noise: Tensor, target_samples: Tensor, target_noise: Tensor
) -> Tensor:
    """Return :func:`gaussian_epig` with the covariances of draws.

    Parameters
    ----------
    samples : Tensor of shape (S, N, T)
        Draws of the predictions of the rows.
    noise : Tensor of shape (N, T)
        Variances of their noise.
    target_samples : Tensor of shape (S, M, T)
        The same draws for the targets.
    target_noise : Tensor of shape (M, T)
        Variances of their noise.

    Returns
    -------
    scores : Tensor of shape (N,)
        At least 0.
    """
    row_NST, target_MST = deviations(samples), deviations(target_samples)
    target_MT = target_MST.square().sum(1) + target_noise
    scores = []
    for part in chunks(
        len(row_NST), target_MST.shape[0] * target_MST.shape[2], row_NST.device
    ):
        covariance = torch.einsum("nst,mst->nmt", row_NST[part], target_MST)
        total_NT = row_NST[part].square().sum(1) + noise[part]
        scores.append(gaussian_epig(covariance, total_NT, target_MT))
    return torch.cat(scores)


class LinearRegression(NamedTuple):
    """The posterior of the weights of a linear regression with Gaussian noise.

    The weights of output t have the mean ``weights_TD[t]`` and the covariance
    ``noise_T[t] * (F'F + ratio I)^-1 = noise_T[t] * root_DD root_DD'``.

    Attributes
    ----------
    weights_TD : Tensor of shape (T, D)
        Means of the weights.
    root_DD : Tensor of shape (D, D)
        Symmetric root of the covariance, in units of the noise.
    noise_T : Tensor of shape (T,)
        Variances of the noise.
    ratio : float
        Prior precision times noise.
    log_evidence : float
        Log density of the targets, in nats, summed over outputs.
    """

    weights_TD: Tensor
    root_DD: Tensor
    noise_T: Tensor
    ratio: float
    log_evidence: float


def linear_regression(
    features_ND: Tensor,
    y_NT: Tensor,
    noise_T: Tensor | None = None,
    ratio: float | None = None,
) -> LinearRegression:
    """Return the posterior for the prior, and the noise, of the largest evidence.

    The weights are Gaussian with the precision ``ratio / noise`` a priori. For a ratio
    the noise of largest evidence is known in closed form, so that one number is left
    to search for: on a grid, and between its neighbours.

    Parameters
    ----------
    features_ND : Tensor of shape (N, D)
        Features of the labelled rows.
    y_NT : Tensor of shape (N, T)
        Targets, of variance 1 or so.
    noise_T : Tensor of shape (T,), optional
        Variances of the noise, where these are known.
    ratio : float, optional
        Prior precision times noise, where it is known.

    References
    ----------
    D. MacKay. Bayesian Interpolation. Neural Computation 4, 1992.
    """
    features_ND, y_NT = features_ND.double(), y_NT.double()
    n_rows = len(features_ND)
    left_NR, length_R, right_RD = torch.linalg.svd(features_ND, full_matrices=False)
    squares_R, z_RT = length_R.square(), left_NR.T @ y_NT
    rest_T = (y_NT.square().sum(0) - z_RT.square().sum(0)).clamp_min(0)

    def noise(ratio: float) -> tuple[Tensor, Tensor]:
        share_R1 = 1 / (1 + squares_R / ratio)[:, None]
        errors_T = (z_RT.square() * share_R1).sum(0) + rest_T
        best_T = (errors_T / max(n_rows, 1)).clamp_min(_LEAST_NOISE)
        return errors_T, best_T if noise_T is None else noise_T.double()

    def log_evidence(log_ratio: float) -> float:
        ratio = math.exp(log_ratio)
        errors_T, s_T = noise(ratio)
        log_det = (squares_R / ratio).log1p().sum()
        terms_T = n_rows * (2 * math.pi * s_T).log() + log_det + errors_T / s_T
        return float(-terms_T.sum() / 2)

    if ratio is None:
        ratio = _best_ratio(squares_R, n_rows, log_evidence)
    shrunk_RT = z_RT * (length_R / (squares_R + ratio))[:, None]
    # the root is that of the prior outside of what the rows span
    gain_R = (squares_R + ratio).rsqrt() - ratio**-0.5
    root_DD = (right_RD.T * gain_R) @ right_RD
    root_DD.diagonal().add_(ratio**-0.5)
    return LinearRegression(
        (right_RD.T @ shrunk_RT).T,
        root_DD,
        noise(ratio)[1],
        ratio,
        log_evidence(math.log(ratio)),
    )


def _best_ratio(
    squares_R: Tensor, n_rows: int, log_evidence: Callable[[float], float]
) -> float:
    """Return the ratio of the largest evidence."""
    scale = float(squares_R.sum()) / max(n_rows, 1) if float(squares_R.sum()) else 1.0
    grid = math.log(scale) + np.linspace(-14, 9, 200)
    best = grid[int(np.argmax([log_evidence(at) for at in grid]))]
    step = grid[1] - grid[0]
    fine = np.linspace(best - step, best + step, 41)
    return math.exp(fine[int(np.argmax([log_evidence(at) for at in fine]))])
