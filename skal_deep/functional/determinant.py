"""MaxDet: the most uncertain point of a Gaussian model, given the picks so far."""

import math

import torch
from torch import Tensor

from skal_deep._compiled import are_compiled
from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._checks import check_no_gradient, check_rows
from skal_deep.functional._chunks import chunks, slices
from skal_deep.functional._distances import is_plain, round_off
from skal_deep.functional._picks import UnreadPicks
from skal_deep.functional._repeated import Repeated

# Share of the largest variance, and of the noise, that round-off may be.
_DOUBT = 1e-2
# Features that a pick looks at sooner than it waits for threads.
_FEW_NUMBERS = 2**22
_TOO_CERTAIN = (
    "The rows tell so much that the noise={noise:.0e} is lost in the round-off of "
    "float64. Raise the noise, scale the inputs, for instance by a StandardScaler, or "
    "query fewer rows at once."
)


def noise_variance(share: float, features: Tensor, labeled_features: Tensor) -> float:
    """Return a variance of the noise that fits the scale of features.

    Parameters
    ----------
    share : float
        The noise, relative to the mean squared length of the labelled rows; of the
        candidates where there are none; to 1 where all these are 0.
    features : Tensor of shape (N, D)
        Candidates.
    labeled_features : Tensor of shape (M, D)
        Labelled rows.

    Returns
    -------
    noise : float
        The variance s of :func:`max_det`.
    """
    rows = labeled_features if len(labeled_features) else features
    scale = float(rows.double().square().sum()) / len(rows)
    return share * (scale or 1.0)


@plain_torch()
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
    in float64. Where round-off of features in float32 could decide, all is done again
    in float64.

    Parameters
    ----------
    features : Tensor of shape (N, D)
        Candidates.
    labeled_features : Tensor of shape (M, D)
        Rows that are observed already.
    batch_size : int
        Number of picks b.
    noise : float
        Variance s of the noise, above 0; see :func:`noise_variance`.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers, and computes few
        others where there are many rows on a processor.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the variance of each candidate given the labelled rows and the
        picks before t, 0 at earlier picks.

    Raises
    ------
    ValueError
        If the noise is so small beside the features that round-off of float64 would
        decide.

    See Also
    --------
    bait_regression : The mean variance that is left.
    skal_deep.pool.MaxDet : The strategy.

    References
    ----------
    D. Holzmüller, V. Zaverkin, J. Kästner, I. Steinwart. A Framework and Benchmark for
    Deep Batch Active Learning for Regression. JMLR, 2023.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import max_det
    >>> features = torch.tensor([[1.0, 0.0], [0.0, 3.0]])
    >>> indices, _ = max_det(features, features[:1], 1, noise=0.1)
    >>> indices
    tensor([1])
    """
    picks = UnreadPicks(features, batch_size, with_utilities)
    check_no_gradient(features=features, labeled_features=labeled_features)
    check_rows(features=features, labeled_features=labeled_features)
    if not torch.finfo(torch.float64).tiny <= noise < math.inf:
        raise ValueError(f"noise={noise} must be above 0, and finite.")
    (n, n_dims), device = features.shape, features.device
    are_few = device.type == "cpu" and features.numel() < _FEW_NUMBERS
    parts = list(slices(n, n) if are_few else chunks(n, n_dims, device))
    with threads_over_parts(device):
        covariance_DD, variance_N, length_N = _given(labeled_features, features, noise)
        toward_BD = variance_N.new_empty(batch_size, n_dims)
        # of one part no thread waits for the lock in each operation
        in_loops = len(parts) > 1 and is_plain(features) and are_compiled()
        variances: _Variances | _WaitingVariances
        if in_loops and not with_utilities:
            variances = _WaitingVariances(features, variance_N, parts, batch_size)
        else:
            variances = _Variances(features, variance_N, parts, in_loops)

        def take_one() -> None:
            step_1 = picks.step_1.clone()
            at_1 = variances.take(picks)
            feature_D = features.index_select(0, at_1)[0].double()
            toward_D = covariance_DD @ feature_D
            toward_BD.index_copy_(0, step_1, toward_D[None])
            scale = 1 / (noise + feature_D @ toward_D)
            variances.explain(toward_D.to(features.dtype), scale)
            covariance_DD.addr_(toward_D, scale * toward_D, alpha=-1)

        Repeated(take_one, device)(batch_size)
    told_B = toward_BD.square().sum(-1)
    # No row has a larger variance than the pick: scale * shared is at most 1, and
    # round-off of shared counts twice. It is independent from pick to pick.
    toward_B = (told_B.cumsum(0) - told_B).clamp_min(0)
    longest_B = _longest_left(length_N, picks.pick_B.tolist())
    doubt_B = 2 * round_off(features) * longest_B * toward_B.sqrt()
    if not (doubt_B > _DOUBT * picks.utility_B).any():
        return picks.answer()
    if features.dtype == torch.float64:
        raise ValueError(_TOO_CERTAIN.format(noise=noise))
    indices, utilities = max_det(
        features.double(),
        labeled_features.double(),
        batch_size,
        noise=noise,
        with_utilities=with_utilities,
    )
    return indices, utilities.to(features.dtype)


class _Variances:
    """The variance of each row, given the picks so far.

    Parameters
    ----------
    features : Tensor of shape (N, D)
        Rows.
    variance_N : Tensor of shape (N,)
        Their variances before the picks, which are overwritten.
    parts : list of slice
        Parts of the rows, which threads share.
    in_loops : bool
        Whether by compiled loops.
    """

    def __init__(
        self,
        features: Tensor,
        variance_N: Tensor,
        parts: list[slice],
        in_loops: bool,
    ):
        self._features, self._variance_N = features, variance_N
        self._parts, self._in_loops = parts, in_loops

    def take(self, picks: UnreadPicks) -> Tensor:
        """Pick the largest variance, (1,)."""
        return picks.take(self._variance_N)

    def explain(self, toward_D: Tensor, scale: Tensor) -> None:
        """Take from each variance what the pick tells of it."""
        features, variance_N = self._features, self._variance_N

        def work_on(part: slice) -> None:
            shared_n = (features[part] @ toward_D).double()
            explained_n = scale * shared_n
            variance_N[part].addcmul_(shared_n, explained_n, value=-1).clamp_min_(0)

        if self._in_loops:
            from skal_deep.functional import _loops

            rows, toward, variance = (
                each.numpy() for each in (features, toward_D, variance_N)
            )
            share = float(scale)

            def work_on(part: slice) -> None:
                _loops.explain(rows[part], toward, share, variance[part])

        for_each_part(self._parts, lambda: work_on, features.device)


class _WaitingVariances:
    """The same for picks alone, in compiled loops that bring few rows up to date.

    A variance only shrinks, so that one which has not seen all picks is an upper bound:
    its row waits until that could be the largest.

    Parameters
    ----------
    features, variance_N, parts
        As of :class:`_Variances`.
    n_picks : int
        Number of picks to come.
    """

    def __init__(
        self, features: Tensor, variance_N: Tensor, parts: list[slice], n_picks: int
    ):
        self._variance_N, self._parts = variance_N, parts
        self._toward_BD = features.new_empty(n_picks, features.shape[1])
        self._scale_B = variance_N.new_empty(n_picks)
        self._n_told, self._are_all = 0, False
        seen_N = torch.zeros(len(features), dtype=torch.int64)
        self._rows, self._variance, self._seen = (
            each.numpy() for each in (features, variance_N, seen_N)
        )
        self._largest_P = variance_N.new_empty(len(parts))
        self._at_P = seen_N.new_empty(len(parts))

    def take(self, picks: UnreadPicks) -> Tensor:
        """Pick the largest variance, (1,)."""
        from skal_deep.functional import _loops

        told = slice(self._n_told)
        toward, scale = self._toward_BD[told].numpy(), self._scale_B[told].numpy()
        largest, at = self._largest_P.numpy(), self._at_P.numpy()

        def work_on(number: int) -> None:
            part, own = self._parts[number], slice(number, number + 1)
            _loops.explain_largest(
                self._rows[part],
                toward,
                scale,
                self._seen[part],
                self._variance[part],
                self._are_all,
                largest[own],
                at[own],
            )

        numbers = range(len(self._parts))
        for_each_part(numbers, lambda: work_on, self._variance_N.device)
        if self._are_all:
            return picks.take(self._variance_N)
        first = int(self._largest_P.argmax())  # of equal ones that of the lowest row
        at_1 = self._at_P[first].add(self._parts[first].start)[None]
        picks.add(at_1, self._variance_N)
        self._variance_N[at_1] = -math.inf
        return at_1

    def explain(self, toward_D: Tensor, scale: Tensor) -> None:
        """Keep what the pick tells, until it is taken from a variance that matters."""
        self._toward_BD[self._n_told], self._scale_B[self._n_told] = toward_D, scale
        self._n_told += 1
        # where round-off has made a scale that is none, variances may grow
        self._are_all |= not 0 < scale < math.inf


def _longest_left(length_N: Tensor, picks: list[int]) -> Tensor:
    """Return the largest length of what is left before each pick, (b,)."""
    found = length_N.topk(len(picks))  # of which a pick before takes one at most
    order, place, before, longest = found.indices.tolist(), 0, set(), []
    for pick in picks:
        while order[place] in before:
            place += 1
        longest.append(found.values[place])
        before.add(pick)
    return torch.stack(longest)


def _given(
    labeled_MD: Tensor, features_ND: Tensor, noise: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the covariance of the weights, and variances and lengths of the rows.

    All are in float64.
    """
    (n, n_dims), device = features_ND.shape, features_ND.device
    covariance_DD = torch.eye(n_dims, dtype=torch.float64, device=device)
    factor_DD, variance_N = None, covariance_DD.new_empty(n)
    length_N = torch.empty_like(variance_N)
    if len(labeled_MD):
        labeled_MD = labeled_MD.double()
        told = torch.finfo(torch.float64).eps * float(labeled_MD.square().sum())
        if told > _DOUBT * noise:  # the sum below might not be positive definite
            raise ValueError(_TOO_CERTAIN.format(noise=noise))
        precision_DD = labeled_MD.T @ labeled_MD + noise * covariance_DD
        factor_DD = torch.linalg.cholesky(precision_DD)
        covariance_DD = noise * torch.cholesky_inverse(factor_DD)

    def work_on(part: slice) -> None:
        length_N[part] = torch.linalg.vector_norm(features_ND[part], dim=-1)
        root_DP = features_ND[part].T.to(torch.float64, copy=True)
        if factor_DD is not None:
            # a sum of squares: exact where the difference of prior and explained would
            # not be
            root_DP = torch.linalg.solve_triangular(factor_DD, root_DP, upper=False)
        variance_N[part] = root_DP.square_().sum(0)

    for_each_part(chunks(n, n_dims, device), lambda: work_on, device)
    if factor_DD is not None:
        variance_N *= noise
    return covariance_DD, variance_N, length_N
