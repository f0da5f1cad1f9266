"""MaxDet: the most uncertain point of a Gaussian model, given the picks so far."""

import torch
from torch import Tensor

from skal_deep.functional._checks import check_rows
from skal_deep.functional._chunks import chunks
from skal_deep.functional._distances import round_off
from skal_deep.functional._picks import Picks

# Share of the largest variance that round-off may be.
_DOUBT = 1e-2


def max_det(
    features: Tensor,
    labeled_features: Tensor,
    batch_size: int,
    *,
    noise: float,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose the point of largest posterior variance, again and again (MaxDet).

    The model is linear in the features f, with weights of variance 1 a priori. Given
    rows F that are observed with variance s of the noise, the weights have the
    covariance ``M = s (F^T F + s I)^-1`` and row i the variance ``f_i . M f_i``. A
    variance does not depend on the label, so a pick can be conditioned on before it
    is labelled, at the cost of one product: ``M -= v v^T / (s + f . v)``, ``v = M f``.
    This maximises ``det(K + s I)`` of the posterior kernel of the batch greedily, and
    the information the batch carries about the weights: it is BatchBALD of a Gaussian
    process. Time ``O(N D^2)`` where there are labelled rows, and ``O(b D (N + D))``;
    memory ``O(N D + D^2)``, with utilities ``O(N (D + b) + D^2)``. Covariances are kept
    in float64. Where round-off of features in float32 could have decided, all is done
    again in float64.

    Parameters
    ----------
    features : Tensor of shape (N, D)
        Candidates.
    labeled_features : Tensor of shape (M, D)
        Rows that are observed already.
    batch_size : int
        Number of picks b.
    noise : float
        Variance s of the noise, above 0.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the variance of each candidate given the labelled rows and the
        picks before t, 0 at earlier picks.

    References
    ----------
    D. Holzmüller, V. Zaverkin, J. Kästner, I. Steinwart. A Framework and Benchmark for
    Deep Batch Active Learning for Regression. JMLR, 2023.
    """
    picks = Picks(features, batch_size, with_utilities)
    check_rows(features=features, labeled_features=labeled_features)
    if not noise > 0:
        raise ValueError(f"noise={noise} must be above 0.")
    covariance_DD, variance_N = _given(labeled_features, features, noise)
    longest = torch.linalg.vector_norm(features, dim=-1).max().double()
    toward2 = torch.zeros_like(longest)
    for _ in range(batch_size):
        feature_D = features[picks.take(variance_N)].double()
        toward_D = covariance_DD @ feature_D
        scale = 1 / (noise + feature_D @ toward_D)
        shared_N = (features @ toward_D.to(features.dtype)).double()
        variance_N = (variance_N - scale * shared_N.square()).clamp_min(0)
        covariance_DD -= scale * torch.outer(toward_D, toward_D)
        # No row has a larger variance than the pick: scale * shared is at most 1, and
        # round-off of shared counts twice. It is independent from pick to pick.
        toward2 += toward_D.square().sum()
        doubt = 2 * round_off(features) * longest * toward2.sqrt()
        if features.dtype != torch.float64 and doubt > _DOUBT * variance_N.max():
            indices, utilities = max_det(
                features.double(),
                labeled_features.double(),
                batch_size,
                noise=noise,
                with_utilities=with_utilities,
            )
            return indices, utilities.to(features.dtype)
    return picks.answer()


def _given(
    labeled_MD: Tensor, features_ND: Tensor, noise: float
) -> tuple[Tensor, Tensor]:
    """Return the covariance of the weights and the variance of each row, in float64."""
    n_dims = features_ND.shape[1]
    identity_DD = torch.eye(n_dims, dtype=torch.float64, device=features_ND.device)
    if not len(labeled_MD):
        return identity_DD, features_ND.double().square().sum(-1)
    labeled_MD = labeled_MD.double()
    factor_DD = torch.linalg.cholesky(labeled_MD.T @ labeled_MD + noise * identity_DD)
    # a sum of squares: exact where the difference of prior and explained would not be
    variance_N = identity_DD.new_empty(len(features_ND))
    for part in chunks(len(features_ND), n_dims):
        root_DB = torch.linalg.solve_triangular(
            factor_DD, features_ND[part].double().T, upper=False
        )
        variance_N[part] = root_DB.square_().sum(0)
    return noise * torch.cholesky_inverse(factor_DD), noise * variance_N
