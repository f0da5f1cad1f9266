"""Batches for a regression whose predictions are Gaussian: joint information."""

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_finite
from skal_deep.functional._picks import Picks
from skal_deep.functional.gaussian_regression import gaussian_bald, gaussian_epig


@plain_torch()
def gaussian_batch_bald(
    features: Tensor, noise: Tensor, batch_size: int, *, with_utilities: bool = True
) -> tuple[Tensor, Tensor]:
    """Choose the batch whose labels say most about the weights, greedily.

    ``sum_t log det(I + K_t / s_t) / 2`` with the covariance K of the predictions of the
    batch and the noise s, for each output t. It grows by ``sum_t log(1 + v_t / s_t) /
    2`` with the variance v given the picks before, and is at least 63 % of the best,
    as it is submodular. Time ``O(b N D T)``.

    Parameters
    ----------
    features : Tensor of shape (N, D, T)
        Their inner products are the covariances of the predictions; see
        :func:`~skal_deep.functional.gaussian_regression.deviations`.
    noise : Tensor of shape (N, T)
        Variances of the noise, above 0.
    batch_size : int
        Number of picks b.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N) or (b,)
        Row t holds what the label of each candidate adds to the t picks before.

    See Also
    --------
    gaussian_bald : The information of one row.
    batch_bald : For classes.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import gaussian_batch_bald
    >>> features = torch.tensor([[[1.0], [0.0]], [[2.0], [0.0]], [[0.0], [1.0]]])
    >>> indices, _ = gaussian_batch_bald(features, torch.ones(3, 1), 2)
    >>> indices
    tensor([1, 2])
    """
    check_finite(features=features, noise=noise)
    rows = _Predictions(features, noise)
    picks = Picks(rows.features_NDT, batch_size, with_utilities)
    for _ in range(batch_size):
        pick = picks.take(gaussian_bald(rows.variance_NT, rows.noise_NT))
        rows.learn(rows.features_NDT[pick], rows.noise_NT[pick])
    return picks.answer()


@plain_torch()
def gaussian_batch_epig(
    features: Tensor,
    noise: Tensor,
    target_features: Tensor,
    target_noise: Tensor,
    batch_size: int,
    *,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose the batch whose labels say most about those of targets, greedily.

    ``mean_* sum_t log((v_t + s_t) / (v_t|B + s_t)) / 2``, where v|B is the variance of
    a target's prediction given the labels of the batch. The first pick is that of
    :func:`gaussian_epig`. It is not submodular. Time ``O(b N (D + M) T)``.

    Parameters
    ----------
    features : Tensor of shape (N, D, T)
        Their inner products are the covariances of the predictions.
    noise : Tensor of shape (N, T)
        Variances of the noise, above 0.
    target_features : Tensor of shape (M, D, T)
        The same of the targets.
    target_noise : Tensor of shape (M, T)
        Variances of their noise, above 0.
    batch_size : int
        Number of picks b.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N) or (b,)
        Row t holds what the label of each candidate adds to the t picks before.

    See Also
    --------
    gaussian_epig : The information of one row.
    batch_epig : For classes.

    References
    ----------
    F. Bickford Smith, A. Kirsch, S. Farquhar, Y. Gal, A. Foster, T. Rainforth.
    Prediction-Oriented Bayesian Active Learning. AISTATS, 2023.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import gaussian_batch_epig
    >>> features = torch.tensor([[[1.0], [0.0]], [[0.0], [1.0]]])
    >>> noise = torch.ones(2, 1)
    >>> indices, _ = gaussian_batch_epig(features, noise, features[1:], noise[1:], 1)
    >>> indices
    tensor([1])
    """
    check_finite(features=features, noise=noise)
    check_finite(target_features=target_features, target_noise=target_noise)
    rows = _Predictions(features, noise)
    targets = _Predictions(target_features, target_noise)
    covariance_NMT = torch.einsum(
        "ndt,mdt->nmt", rows.features_NDT, targets.features_NDT
    )
    picks = Picks(rows.features_NDT, batch_size, with_utilities)
    for _ in range(batch_size):
        pick = picks.take(
            gaussian_epig(
                covariance_NMT,
                rows.variance_NT + rows.noise_NT,
                targets.variance_NT + targets.noise_NT,
            )
        )
        feature_DT, noise_T = rows.features_NDT[pick].clone(), rows.noise_NT[pick]
        along_NT = rows.along(feature_DT)
        along_MT = targets.along(feature_DT)
        total_T = feature_DT.square().sum(0) + noise_T
        covariance_NMT -= along_NT[:, None] * along_MT[None] / total_T
        rows.learn(feature_DT, noise_T)
        targets.learn(feature_DT, noise_T)
    return picks.answer()


class _Predictions:
    """Gaussian predictions of some rows, which labels of others sharpen.

    Parameters
    ----------
    features : Tensor of shape (N, D, T)
        Their inner products are the covariances.
    noise : Tensor of shape (N, T)
        Variances of the noise.
    """

    def __init__(self, features: Tensor, noise: Tensor):
        self.features_NDT = features.double().clone()
        self.noise_NT = noise.double()

    @property
    def variance_NT(self) -> Tensor:
        """Variances of the predictions given what was learned."""
        return self.features_NDT.square().sum(1)

    def along(self, feature_DT: Tensor) -> Tensor:
        """Return covariances (N, T) with one prediction."""
        return torch.einsum("ndt,dt->nt", self.features_NDT, feature_DT)

    def learn(self, feature_DT: Tensor, noise_T: Tensor) -> None:
        """Take a label as known: ``f <- (I - g g' / (s + g'g))^(1/2) f``."""
        feature_DT = feature_DT.clone()
        square_T = feature_DT.square().sum(0)
        # the root is I - c g g', and c has no cancellation in this form
        total_T = noise_T + square_T
        factor_T = 1 / (total_T + (noise_T * total_T).sqrt())
        self.features_NDT -= (factor_T * self.along(feature_DT))[:, None] * feature_DT
