"""Badge: k-means++ seeding on the gradients of the last layer."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._card import (
    gradient_differences,
    gradient_distances,
    has_loops,
)
from skal_deep.functional._checks import (
    check_finite,
    check_no_gradient,
    check_rows,
    own_generator,
)
from skal_deep.functional._chunks import chunks, memory_budget
from skal_deep.functional._distances import least_sure
from skal_deep.functional._picks import Picks

# Elements of the largest temporary array on a processor: 64 MiB in float32.
_MEMORY_BUDGET = 2**24
# Candidates drawn for one block of picks.
_DRAWS_AHEAD = 64


def errors_of_likeliest(probas: Tensor) -> Tensor:
    """Return ``p - onehot(argmax p)``.

    A certain prediction keeps its digits: ``p - 1`` is minus the sum of the other
    probabilities.

    Parameters
    ----------
    probas : Tensor of shape (N, C)
        Class probabilities p.

    Returns
    -------
    errors : Tensor of shape (N, C)
        The rows sum to 0.
    """
    likeliest_N1 = probas.argmax(-1, keepdim=True)
    errors = probas.scatter(1, likeliest_N1, 0.0)
    return errors.scatter(1, likeliest_N1, -errors.sum(-1, keepdim=True))


@plain_torch()
def badge(
    probas: Tensor,
    embeddings: Tensor,
    batch_size: int,
    *,
    population: tuple[Tensor, Tensor] | None = None,
    generator: torch.Generator | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose a batch by k-means++ seeding on gradient embeddings.

    The gradient of row i is the outer product of ``a_i = p_i - onehot(argmax p_i)``
    and ``h_i``. It is never formed: distances need its factors only,

    ``|g_i - g_j|^2 = |a_i|^2 |h_i|^2 + |a_j|^2 |h_j|^2 - 2 (a_i . a_j)(h_i . h_j)``,

    so a pick costs N (C + D) operations instead of N C D. Distances that round-off
    could have changed are computed again, from differences of the factors. The first
    pick is the longest gradient, as in the authors' code; each later one is drawn with
    probability proportional to the squared distance to the nearest pick. Picks are
    drawn in blocks, by the same law, so that all rows are looked at once a block.

    Parameters
    ----------
    probas : Tensor of shape (N, C)
        Class probabilities.
    embeddings : Tensor of shape (N, D)
        Inputs of the last layer.
    batch_size : int
        Number of picks b.
    population : tuple of Tensors of shapes (U, C) and (U, D), optional
        Probabilities and embeddings of the rows that row 0 of the utilities is relative
        to; ``None`` are the candidates.
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order.
    utilities : Tensor of shape (b, N)
        Row 0 holds squared gradient norms over the sum of those of the population; row
        t the probabilities of draw t, 0 at earlier picks. Each row sums to 1, but for
        row 0 where a population is given. Where all that is left coincides with a pick,
        the draw is uniform.

    See Also
    --------
    skal_deep.pool.Badge : The strategy.
    nearest_distinct : A batch by weighted clusters.

    References
    ----------
    J. T. Ash, C. Zhang, A. Krishnamurthy, J. Langford, A. Agarwal. Deep Batch Active
    Learning by Diverse, Uncertain Gradient Lower Bounds. ICLR, 2020.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import badge
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> generator = torch.Generator().manual_seed(0)
    >>> indices, utilities = badge(probas, embeddings, 1, generator=generator)
    >>> indices
    tensor([1])
    """
    n = len(probas)
    check_no_gradient(probas=probas, embeddings=embeddings)
    error_NC, others = errors_of_likeliest(probas), None
    # looked at together, as a card is waited for at each look
    finite = {"probas": probas, "errors": error_NC}
    largest = check_rows(finite, embeddings=embeddings)["errors"]
    if population:
        of_others = {
            "population_probas": population[0],
            "population_embeddings": population[1],
        }
        check_no_gradient(**of_others)
        others = errors_of_likeliest(population[0])
        seen = check_finite(**of_others, errors=others)
        largest = max(largest, seen["errors"])
    generator = own_generator(generator)
    scale = _scale_to_one(largest, error_NC.dtype)
    with threads_over_parts(probas.device):
        gradients = _Gradients(error_NC * scale, embeddings)
        norm_N = gradients.norm_N
        picks = Picks(norm_N, batch_size, with_utilities)
        first_N = _shares(norm_N, picks.left_N)
        if population and others is not None:
            of_others_U = _Gradients(others * scale, population[1]).norm_N
            first_N = _shares_among(norm_N, of_others_U)
        picks.add(int(norm_N.argmax()), first_N)
        budget = _MEMORY_BUDGET if norm_N.is_cpu else memory_budget(norm_N.device)
        most_ahead = max(1, min(batch_size - 1, budget // n, _DRAWS_AHEAD))
        # distances to the nearest pick before a block, and after each pick of it
        nearest_LN = norm_N.new_empty(most_ahead + 1, n)
        nearest_LN[0] = math.inf
        gradients.add_up(nearest_LN, gradients.places(picks.rows))
        n_new = 1
        while len(picks.rows) < batch_size:
            nearest_LN[0] = nearest_LN[n_new]
            n_ahead = min(batch_size - len(picks.rows), most_ahead)
            block = _draw_ahead(
                gradients, nearest_LN[0], picks.left_N, n_ahead, generator
            )
            block_K, n_new = gradients.places(block), len(block)
            gradients.add_up(nearest_LN, block_K)
            if with_utilities:
                for pick, before_N in zip(block, nearest_LN, strict=False):
                    picks.add(pick, _shares(before_N, picks.left_N))
            else:
                n_left = n - len(picks.rows)
                shares_K = _shares_of(block_K, nearest_LN[:n_new], n_left)
                picks.add_all(block, block_K, shares_K)
    return picks.answer()


def _scale_to_one(largest: float, dtype: torch.dtype) -> float:
    """Return a number that takes the largest error to about 1.

    Squares of errors below 1e-19 would be 0 in float32, and shares do not depend on the
    scale. It is a power of 2, which leaves all digits as they are, so that copies stay
    copies.
    """
    # the scale must not be infinite where the largest is smaller still
    return 2.0 ** -math.frexp(max(largest, torch.finfo(dtype).tiny))[1]


class _Gradients:
    """Outer products ``a (x) h`` of some rows, kept as their factors."""

    def __init__(self, error_NC: Tensor, embedding_ND: Tensor):
        # of whole numbers, probabilities may be in float32 and embeddings in float64
        dtype = torch.promote_types(error_NC.dtype, embedding_ND.dtype)
        error_NC, embedding_ND = error_NC.to(dtype), embedding_ND.to(dtype)
        self._error_NC, self._embedding_ND = error_NC, embedding_ND
        self.norm_N = error_NC.new_empty(len(error_NC))

        def work_on(part: slice) -> None:
            length_n = embedding_ND[part].square().sum(-1)
            self.norm_N[part] = error_NC[part].square().sum(-1).mul_(length_n)

        self._for_each_part(work_on)

    def _for_each_part(
        self, work_on: Callable[[slice], None], n_columns: int = 1
    ) -> None:
        """Work on parts of the rows, for so many columns of a result each."""
        n_factors = self._error_NC.shape[1] + self._embedding_ND.shape[1]
        parts = chunks(len(self.norm_N), max(n_factors, n_columns), self.norm_N.device)
        for_each_part(parts, lambda: work_on, self.norm_N.device)

    def places(self, rows: list[int]) -> Tensor:
        """Return rows as a tensor where the gradients are."""
        return torch.tensor(rows).to(self.norm_N.device, non_blocking=True)

    def distances(self, rows: list[int], among: list[int] | None = None) -> Tensor:
        """Return squared distances of some rows to all, or to some others."""
        if among is None:
            squared_KN = self.norm_N.new_empty(len(rows), len(self.norm_N))
            self._write_distances(self.places(rows), squared_KN)
            return squared_KN
        return self.between(self.places(rows), self.places(among))

    def add_up(self, nearest_LN: Tensor, at_K: Tensor) -> None:
        """Write what is nearest to all after some picks below what was before them.

        Squared distances: row 0 is given, row k + 1 is written of pick k.
        """
        self._write_distances(at_K, nearest_LN[1 : len(at_K) + 1], nearest_LN[0])

    def between(self, at_K: Tensor, among_M: Tensor) -> Tensor:
        """Return squared distances of some rows to some others, (K, M)."""
        if not at_K.is_cpu:  # which takes less than to ask which are not sure
            return self._all_by_differences(at_K, among_M)
        error, embedding = self._error_NC[among_M], self._embedding_ND[among_M]
        norm = self.norm_N[among_M]
        squared = self._products(at_K, error, embedding, norm)
        is_close = squared < self._sure * norm
        if is_close.any():
            row_L, other_L = is_close.nonzero().T
            squared[row_L, other_L] = self._by_differences(
                at_K[row_L], among_M[other_L]
            )
        return squared.clamp_min_(0)

    def _write_distances(
        self, at_K: Tensor, squared_KN: Tensor, nearest_N: Tensor | None = None
    ) -> None:
        """Write squared distances of some rows to all.

        With distances to the nearest of earlier rows (N,), those to the nearest of
        these and of each row with all before it.
        """
        if has_loops(self.norm_N):
            torch.mm(self._error_NC[at_K], self._error_NC.T, out=squared_KN)
            inner = self._embedding_ND[at_K] @ self._embedding_ND.T
            factors = self._error_NC, self._embedding_ND
            gradient_distances(
                squared_KN, inner, self.norm_N, at_K, factors, self._sure, nearest_N
            )
            return
        at = at_K.tolist()

        def work_on(part: slice) -> None:
            some_Kn, norm_n = squared_KN[:, part], self.norm_N[part]
            factors = self._error_NC[part], self._embedding_ND[part]
            self._products(at_K, *factors, norm_n, out=some_Kn)
            own = [
                (k, row) for k, row in enumerate(at) if part.start <= row < part.stop
            ]
            for k, row in own:  # nothing to be sure of
                squared_KN[k, row] = math.inf
            is_close = some_Kn < self._sure * norm_n
            if is_close.any():
                row_L, other_L = is_close.nonzero().T
                some_Kn[row_L, other_L] = self._by_differences(
                    at_K[row_L], part.start + other_L
                )
            for k, row in own:
                squared_KN[k, row] = 0
            some_Kn.clamp_min_(0)
            if nearest_N is None:
                return
            before_n = nearest_N[part]
            for after_n in some_Kn:
                before_n = torch.minimum(before_n, after_n, out=after_n)

        self._for_each_part(work_on, len(at))

    @property
    def _sure(self) -> float:
        """Share of a squared length below which distances by products are not sure."""
        return least_sure(self._error_NC) + least_sure(self._embedding_ND)

    def _products(
        self,
        at_K: Tensor,
        error: Tensor,
        embedding: Tensor,
        norm: Tensor,
        out: Tensor | None = None,
    ) -> Tensor:
        """Return squared distances of some rows to others by products of factors."""
        squared = torch.mm(self._error_NC[at_K], error.T, out=out)
        squared *= self._embedding_ND[at_K] @ embedding.T
        return squared.mul_(-2).add_(norm).add_(self.norm_N[at_K, None])

    def _all_by_differences(self, at_K: Tensor, among_M: Tensor) -> Tensor:
        """Return squared distances of some rows to some others, from differences."""
        squared_KM = self.norm_N.new_empty(len(at_K), len(among_M))
        if has_loops(squared_KM):
            factors = self._error_NC, self._embedding_ND
            gradient_differences(*factors, at_K, among_M, squared_KM)
            return squared_KM
        error_K, error_M = self._error_NC[at_K, None], self._error_NC[among_M]
        embedding_K, embedding_M = (
            self._embedding_ND[at_K, None],
            self._embedding_ND[among_M],
        )
        length = len(among_M) * (error_M.shape[1] + embedding_M.shape[1])
        for part in chunks(len(at_K), length, at_K.device):
            errors, embeddings = (
                (error_K[part], error_M),
                (embedding_K[part], embedding_M),
            )
            squared_KM[part] = _of_pairs(errors, embeddings)
        return squared_KM.clamp_min_(0)

    def _by_differences(self, left_L: Tensor, right_L: Tensor) -> Tensor:
        """Return squared distances of pairs of rows, from differences of factors."""
        squared_L = self.norm_N.new_empty(len(left_L))
        length = self._error_NC.shape[1] + self._embedding_ND.shape[1]
        for part in chunks(len(left_L), length, left_L.device):
            pair = left_L[part], right_L[part]
            squared_L[part] = _of_pairs(
                (self._error_NC[pair[0]], self._error_NC[pair[1]]),
                (self._embedding_ND[pair[0]], self._embedding_ND[pair[1]]),
            )
        return squared_L


def _of_pairs(
    errors: tuple[Tensor, Tensor], embeddings: tuple[Tensor, Tensor]
) -> Tensor:
    """Return squared distances of outer products, a of one side and b of the other.

    ``2 (a (x) h - b (x) k) = (a - b) (x) (h + k) + (a + b) (x) (h - k)``.
    """
    (a, b), (h, k) = errors, embeddings
    da, sa, dh, sh = a - b, a + b, h - k, h + k
    squared = da.square().sum(-1) * sh.square().sum(-1)
    squared += sa.square().sum(-1) * dh.square().sum(-1)
    squared += 2 * (da * sa).sum(-1) * (dh * sh).sum(-1)
    return squared / 4


def _shares(weight_N: Tensor, left_N: Tensor) -> Tensor:
    """Return weights of what is left as probabilities; uniform if they are all 0."""
    weight_N = torch.where(left_N, weight_N, 0.0)
    weight_N = torch.where(weight_N.any(), weight_N, left_N.to(weight_N.dtype))
    return weight_N / weight_N.sum()


def _shares_of(block_K: Tensor, before_KN: Tensor, n_left: int) -> Tensor:
    """Return the share that each pick of a block has in the weights before it, (K,).

    Weights are 0 at earlier picks. If they are all 0, the block is a single pick.
    """
    total_K = before_KN.sum(1)
    weight_K = before_KN.gather(1, block_K[:, None])[:, 0]
    return (weight_K / total_K).nan_to_num_(1 / n_left)


def _shares_among(weight_N: Tensor, weight_U: Tensor) -> Tensor:
    """Return weights over the sum of others; as many equal parts if they are all 0."""
    total = weight_U.sum()
    if not total > 0:
        return torch.full_like(weight_N, 1 / len(weight_U))
    return weight_N / total


def _draw_ahead(
    gradients: _Gradients,
    nearest_N: Tensor,
    left_N: Tensor,
    n_picks: int,
    generator: torch.Generator,
) -> list[int]:
    """Draw the next picks, as many as one look at all rows allows, at least one.

    Candidates are drawn at once from the distribution of the first pick. Each later
    one is accepted with probability new / stale distance to the nearest pick: that
    is rejection sampling, and exactly the law of drawing from the new distances. A
    row that is picked already has new distance 0.
    """
    n_ahead = 1 if n_picks == 1 else _DRAWS_AHEAD
    uniform_A = torch.rand(n_ahead, dtype=torch.float64, generator=generator)
    accept_A = torch.rand(n_ahead, dtype=torch.float64, generator=generator).numpy()
    drawn_A = _drawn(nearest_N, uniform_A)
    # read at once, as a card is waited for at each read
    between_AA = gradients.between(drawn_A, drawn_A).double()
    read = torch.cat([drawn_A, nearest_N[drawn_A], between_AA.flatten()])
    drawn, stale_A, *new_AA = read.numpy(force=True).reshape(-1, n_ahead)
    if not stale_A[0] > 0:  # nothing but copies is left: uniform
        return _drawn(left_N, uniform_A[:1]).tolist()
    rows: list[int] = drawn.astype(int).tolist()
    least: list[float] = (accept_A * stale_A).tolist()
    picks, new_A = rows[:1], np.minimum(stale_A, new_AA[0])
    for i in range(1, n_ahead):
        if len(picks) == n_picks:
            break
        if least[i] < new_A[i] and rows[i] not in picks:
            picks.append(rows[i])
            np.minimum(new_A, new_AA[i], out=new_A)
    return picks


def _drawn(weight_N: Tensor, uniform_A: Tensor) -> Tensor:
    """Draw positions, with replacement, by the inverse of the distribution function.

    ``torch.multinomial`` takes no more than 2^24 categories.
    """
    cdf_N = weight_N.cumsum(0, dtype=torch.float64)
    target = uniform_A.to(cdf_N.device, non_blocking=True) * cdf_N[-1]
    return torch.searchsorted(cdf_N, target, right=True).clamp_max_(len(cdf_N) - 1)
