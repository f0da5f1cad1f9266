"""What a card does by one compiled loop.

Triton, which torch for CUDA brings along, compiles the loops: about a second for each
at its first call, kept on disk. Where it is missing, or finds no compiler, operations
of torch do the same and read their inputs more often.
"""

import math
import warnings
from functools import cache
from typing import Any

import torch
from torch import Tensor

from skal_deep.functional._chunks import memory_budget, slices

# Factors of a row of a design for which its matrices are held by one program.
LARGEST_SIDE = 32
# Programs that keep a card busy, about.
_N_PROGRAMS = 2048
# Programs that keep it busy where each has much to do.
_ENOUGH_PROGRAMS = 512
# Blocks of numbers whose largest is sought by one program.
_MOST_BLOCKS = 1024
# Share of a block that is worth what the rest of it idles.
_LEAST_FILLED = 0.75


def has_loops(values: Tensor) -> bool:
    """Return whether the compiled loops work on a tensor where it is.

    Parameters
    ----------
    values : Tensor
        Numbers of float32 or float64 on a card; what else there is has none.
    """
    is_known = values.dtype in (torch.float32, torch.float64)
    return is_known and not values.is_cpu and _compiles(values.device)


def has_products(values: Tensor) -> bool:
    """Return whether :func:`product_sums` works on a tensor where it is.

    Parameters
    ----------
    values : Tensor
        Numbers of float32 on a card; those of float64 have more digits than two halves.
    """
    return values.dtype == torch.float32 and has_loops(values)


@cache
def _compiles(device: torch.device) -> bool:
    """Return whether loops can be compiled for a device."""
    if not is_cuda(device):
        return False
    try:
        divergences(None, torch.ones(1, 1, 1, device=device))
    except ModuleNotFoundError:  # torch for some systems comes without Triton
        return False
    except Exception as error:
        warnings.warn(
            f"Triton cannot compile loops for {device}: {error} Operations of torch do "
            "the same, slower. Triton needs a C compiler, such as gcc, and a folder "
            "for its cache that can be written.",
            stacklevel=2,
        )
        return False
    return True


def is_cuda(device: torch.device) -> bool:
    """Return whether a device is a card of CUDA's own."""
    return device.type == "cuda" and not torch.version.hip


def _run(loop: str, grid: tuple[int, ...], *args: Any, **options: Any) -> None:
    """Run a loop by its name, on the card of the first of its tensors."""
    with torch.cuda.device_of(args[0]):
        _loop(loop)[grid](*args, **options)


@cache
def _loop(name: str) -> Any:
    """Return a loop by its name."""
    from skal_deep.functional import _card_loops

    return getattr(_card_loops, name)


def _n_blocks(n: int, size: int) -> int:
    """Return how many blocks of a size there are."""
    return -(-n // size)


def divergences(weight_R: Tensor | None, proba_RNC: Tensor) -> Tensor:
    """Return ``H[sum_r w_r p_r] - sum_r w_r H[p_r]``, (N,), not below 0.

    Parameters
    ----------
    weight_R : Tensor of shape (R,) or None
        Weights w; ``None`` are equal ones of sum 1.
    proba_RNC : Tensor of shape (R, N, C)
        Distributions p over C classes, which are read once.
    """
    n_rows, n, n_classes = proba_RNC.shape
    proba_RF = proba_RNC.reshape(n_rows, n * n_classes)
    if proba_RF.stride(1) != 1:
        proba_RF = proba_RF.contiguous()
    height, width = 4, 512
    side = 1 << (n_classes - 1).bit_length()
    n_blocks = _n_blocks(n * side, width)
    is_filled = _LEAST_FILLED * side <= n_classes and side <= width
    if is_filled and n_blocks >= _ENOUGH_PROGRAMS:
        n_parts, n_summed = 1, n_classes
        plogp_PF = mean_PF = proba_RF.new_empty(1, n)
    else:
        n_summed, n_blocks = 0, _n_blocks(n * n_classes, width)
        n_parts = min(_n_blocks(n_rows, 8 * height), max(1, _N_PROGRAMS // n_blocks))
        plogp_PF = proba_RF.new_empty(n_parts, n * n_classes)
        mean_PF = plogp_PF if n_parts == 1 else torch.empty_like(plogp_PF)
    _run(
        "plogp_sums",
        (n_blocks, n_parts),
        proba_RF,
        proba_RF if weight_R is None else weight_R.contiguous(),
        mean_PF,
        plogp_PF,
        n_rows,
        n * n_classes,
        proba_RF.stride(0),
        _n_blocks(n_rows, n_parts),
        tiny=torch.finfo(proba_RF.dtype).tiny,
        has_weights=weight_R is not None,
        is_whole=n_parts == 1,
        n_classes=n_summed,
        side=side,
        height=height,
        width=width,
    )
    divergence_F = plogp_PF[0]
    if n_parts > 1:
        divergence_F = plogp_PF.sum(0)
        divergence_F += torch.special.entr(mean_PF.sum(0).clamp_min_(0))
    if n_summed:
        return divergence_F
    return divergence_F.reshape(n, n_classes).sum(-1).clamp_min_(0)


class FarthestFirst:
    """Rows that are farthest from all centres, and become centres one after another.

    Parameters
    ----------
    rows_ND : Tensor of shape (N, D)
        Rows.
    name_N : Tensor of shape (N,)
        Their names, which rise.
    nearest_N : Tensor of shape (N,)
        Squared distances to the nearest centre, which are changed; -inf where a row is
        picked.
    outside : tuple of Tensors of shape (1,)
        A squared distance and a name: a row is only picked if it is farther, or as far
        with a lower name.
    n_picks : int
        Most picks.

    Attributes
    ----------
    n_picked_1 : Tensor of shape (1,)
        Number of picks so far.
    pick_B, farthest_B : Tensor of shape (n_picks,)
        Their places, and squared distances when they were picked.
    """

    # So many rows are looked for in one call, at most.
    n_a_call = 2

    def __init__(
        self,
        rows_ND: Tensor,
        name_N: Tensor,
        nearest_N: Tensor,
        outside: tuple[Tensor, Tensor],
        n_picks: int,
    ):
        self._rows_ND, self._height = rows_ND.contiguous(), 16
        while _n_blocks(len(rows_ND), self._height) > _MOST_BLOCKS:
            self._height *= 2
        self._n_blocks = _n_blocks(len(rows_ND), self._height)
        value_TP = nearest_N.new_empty(2, self._n_blocks)
        place_TP = name_N.new_empty(2, self._n_blocks)
        step_T, self.pick_B = name_N.new_zeros(2), name_N.new_zeros(n_picks)
        self.n_picked_1 = step_T[:1]
        self.farthest_B = nearest_N.new_empty(n_picks)
        self._tensors = (
            self._rows_ND, name_N, nearest_N, *outside, value_TP, place_TP, step_T,
            self.pick_B, self.farthest_B,
        )  # fmt: skip
        self._start(1, is_first=True)

    def take_some(self) -> None:
        """Pick rows while they are decided, so many as are looked for in one call."""
        for step in range(self.n_a_call):
            self._start(step % 2)

    def _start(self, turn: int, is_first: bool = False) -> None:
        """Start the loop; ``turn`` says which of two sets of numbers it reads."""
        n, n_dims = self._rows_ND.shape
        _run(
            "take_farthest",
            (self._n_blocks,),
            *self._tensors,
            n,
            n_dims,
            self._rows_ND.stride(0),
            len(self.pick_B),
            self._n_blocks,
            turn,
            is_first=is_first,
            most_blocks=_MOST_BLOCKS,
            height=self._height,
            width=128,
        )


def product_sums(
    left_RS: Tensor, right_SF: Tensor, weight_R: Tensor
) -> tuple[Tensor, Tensor]:
    """Return ``sum_r w_r q_rf`` and ``sum_r w_r q_rf log q_rf`` of a product q = A B.

    The product is never kept. Each number is the sum of two in half precision, which
    hold 22 of its binary digits: cards multiply these many times as fast as those of
    single precision. What is below 2^-39 of the largest number is lost.

    Parameters
    ----------
    left_RS, right_SF : Tensor of shapes (R, S) and (S, F)
        Numbers A and B in single precision for which there are loops.
    weight_R : Tensor of shape (R,)
        Weights w.

    Returns
    -------
    mean_F, plogp_F : Tensor of shape (F,)
        The sums; ``p log p`` is 0 where p is not above 0.
    """
    height, depth, width = 128, 32, 128
    n_rows, n_columns = len(left_RS), right_SF.shape[1]
    both_KF = right_SF.new_zeros(2, n_columns)
    high_RS, low_RS, largest_R = _halves(left_RS, height, depth)
    n_draws = high_RS.shape[1]
    for part in slices(
        n_columns, max(width, memory_budget(weight_R.device) // n_draws)
    ):
        high_SF, low_SF, largest_F = _halves(right_SF[:, part], depth, width)
        n_blocks = high_SF.shape[1] // width
        n_parts = min(_n_blocks(n_rows, height), max(1, _N_PROGRAMS // n_blocks))
        both_KPF = right_SF.new_empty(2, n_parts, part.stop - part.start)
        _run(
            "product_sums",
            (n_blocks, n_parts),
            high_RS,
            low_RS,
            high_SF,
            low_SF,
            largest_R,
            largest_F,
            weight_R.contiguous(),
            *both_KPF,
            n_rows,
            n_draws,
            both_KPF.shape[2],
            high_RS.stride(0),
            high_SF.stride(0),
            height * _n_blocks(_n_blocks(n_rows, height), n_parts),
            tiny=torch.finfo(right_SF.dtype).tiny,
            height=height,
            depth=depth,
            width=width,
            num_warps=8,
        )
        torch.sum(both_KPF, 1, out=both_KF[:, part])
    return both_KF[0], both_KF[1]


def _halves(values: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return numbers as sums of two in half precision, and the largest of them.

    Parameters
    ----------
    values : Tensor of shape (n, m)
        The numbers.
    height, width : int
        What shapes are made multiples of, by zeros.
    """
    n_rows, n_columns = values.shape
    largest: Tensor = torch.linalg.vector_norm(values, math.inf)
    n_down, n_across = _n_blocks(n_rows, height), _n_blocks(n_columns, width)
    shape = 2, n_down * height, n_across * width
    high, low = values.new_empty(shape, dtype=torch.half)
    _run(
        "halves",
        (n_down * n_across,),
        values,
        largest,
        high,
        low,
        n_rows,
        n_columns,
        *values.stride(),
        shape[2],
        n_across,
        height=height,
        width=width,
        num_warps=8,
    )
    return high, low, largest


def join_center(
    rows_ND: Tensor,
    center_D: Tensor,
    nearest_N: Tensor,
    owner_N: Tensor | None = None,
    name_1: Tensor | None = None,
) -> None:
    """Bring squared distances to the nearest centre up to date with one more.

    Parameters
    ----------
    rows_ND : Tensor of shape (N, D)
        Points.
    center_D : Tensor of shape (D,)
        The centre.
    nearest_N : Tensor of shape (N,)
        The squared distances, which are changed.
    owner_N, name_1 : Tensor of shapes (N,) and (1,), optional
        Which centre is the nearest, which is changed, and the name of this one.
    """
    rows_ND = rows_ND.contiguous()
    n, n_dims = rows_ND.shape
    height, width = 16, 128
    _run(
        "join_center",
        (_n_blocks(n, height),),
        rows_ND,
        center_D.contiguous(),
        nearest_N,
        nearest_N if owner_N is None else owner_N,
        nearest_N if name_1 is None else name_1,
        n,
        n_dims,
        rows_ND.stride(0),
        has_owners=owner_N is not None,
        height=height,
        width=width,
    )


def clamped_sums(
    kernel_MN: Tensor, low_M: Tensor, high_M: Tensor, weight_M: Tensor
) -> Tensor:
    """Return ``sum_m w_m (min(max(k_mn, low_m), high_m) - low_m)``, (N,) in float64.

    Parameters
    ----------
    kernel_MN : Tensor of shape (M, N)
        Numbers k, of which those rows are read in which high is above low.
    low_M, high_M, weight_M : Tensor of shape (M,)
        Bounds and weights w.
    """
    kernel_MN = kernel_MN.contiguous()
    n_rows, n_columns = kernel_MN.shape
    height, width = 4, 1024
    n_blocks = _n_blocks(n_columns, width)
    n_parts = min(_n_blocks(n_rows, height), max(1, _N_PROGRAMS // n_blocks))
    sums_PN = kernel_MN.new_empty(n_parts, n_columns)
    _run(
        "clamped_sums",
        (n_blocks, n_parts),
        kernel_MN,
        low_M.contiguous(),
        high_M.contiguous(),
        weight_M.contiguous(),
        sums_PN,
        n_rows,
        n_columns,
        kernel_MN.stride(0),
        _n_blocks(n_rows, n_parts),
        height=height,
        width=width,
    )
    return sums_PN.sum(0, dtype=torch.float64)


def gradient_distances(
    product_KN: Tensor,
    inner_KN: Tensor,
    norm_N: Tensor,
    at_K: Tensor,
    factors: tuple[Tensor, Tensor],
    sure: float,
    nearest_N: Tensor | None = None,
) -> None:
    """Write ``|g_k|^2 + |g_n|^2 - 2 a b`` of products a and b over the former.

    0 at a gradient's own place, and never below 0.

    Parameters
    ----------
    product_KN, inner_KN : Tensor of shape (K, N)
        Products a and b of the factors of some gradients and all, side by side.
    norm_N : Tensor of shape (N,)
        Squared lengths.
    at_K : Tensor of shape (K,)
        Which of all these some are.
    factors : tuple of Tensors of shapes (N, C) and (N, D)
        For distances from differences.
    sure : float
        Share of a squared length below which a distance is computed so.
    nearest_N : Tensor of shape (N,) or None
        If given, the smallest of it, a distance and those in rows before is written.
    """
    n_rows, n_columns = product_KN.shape
    adds_up = nearest_N is not None
    height, width = 4, 256
    _run(
        "gradient_distances",
        (_n_blocks(n_columns, width), 1 if adds_up else _n_blocks(n_rows, height)),
        product_KN,
        inner_KN,
        norm_N,
        at_K,
        norm_N if nearest_N is None else nearest_N,
        *factors,
        sure,
        n_rows,
        n_columns,
        *(factor.shape[1] for factor in factors),
        product_KN.stride(0),
        inner_KN.stride(0),
        *factors[0].stride(),
        *factors[1].stride(),
        adds_up=adds_up,
        height=height,
        width=width,
        class_width=16,
        dim_width=256,
    )


def gradient_differences(
    error_NC: Tensor,
    embedding_ND: Tensor,
    at_K: Tensor,
    among_M: Tensor,
    squared_KM: Tensor,
) -> None:
    """Write squared distances of outer products, from differences of their factors.

    Parameters
    ----------
    error_NC, embedding_ND : Tensor of shapes (N, C) and (N, D)
        The factors, of one type.
    at_K, among_M : Tensor of shapes (K,) and (M,)
        Which of them are compared with which.
    squared_KM : Tensor of shape (K, M)
        Where the distances are written, in any type, each row side by side.
    """
    height = 4
    _run(
        "gradient_differences",
        (len(at_K), _n_blocks(len(among_M), height)),
        error_NC,
        embedding_ND,
        at_K,
        among_M,
        squared_KM,
        len(among_M),
        error_NC.shape[1],
        embedding_ND.shape[1],
        *error_NC.stride(),
        *embedding_ND.stride(),
        squared_KM.stride(0),
        height=height,
        class_width=16,
        width=256,
    )


def design_step(
    factor_NRK: Tensor,
    form_NQK: Tensor | None,
    inner_NRR: Tensor,
    outer_NRR: Tensor,
    change_N: Tensor,
    diagonal_1: Tensor,
    sign: int,
) -> None:
    """Bring what rows tell of a design up to date, and write what each would change.

    ``inner -= sign a a'`` and ``outer -= 2 sign a b'`` with ``a`` and ``b`` the
    products of a row's factors and the two halves of its forms, and
    ``change = tr[(diagonal_1 + sign inner)^-1 outer]``.

    Parameters
    ----------
    factor_NRK : Tensor of shape (N, R, K)
        Factors, R at most :data:`LARGEST_SIDE`, as K.
    form_NQK : Tensor of shape (N, 2 R, K) or None
        Forms; ``None`` leaves ``inner`` and ``outer`` as they are.
    inner_NRR, outer_NRR : Tensor of shape (N, R, R)
        In float64, one after another, which are changed.
    change_N : Tensor of shape (N,)
        Where the changes are written, in float64.
    diagonal_1 : Tensor of shape (1,)
        In float64.
    sign : int
        1 or -1.
    """
    factor_NRK = factor_NRK.contiguous()
    n, n_own, n_factors = factor_NRK.shape
    side = 16 if max(n_own, n_factors) <= 16 else LARGEST_SIDE
    together = 4 if side == 16 else 1
    _run(
        "design_step",
        (_n_blocks(n, together),),
        factor_NRK,
        factor_NRK if form_NQK is None else form_NQK.contiguous(),
        inner_NRR,
        outer_NRR,
        change_N,
        diagonal_1,
        n,
        sign,
        has_forms=form_NQK is not None,
        n_own=n_own,
        n_factors=n_factors,
        together=together,
        side=side,
        num_warps=2,
    )


def inverse_root(square_RR: Tensor) -> Tensor:
    """Return the inverse of the lower triangular L of ``L L'``; nothing is checked.

    Parameters
    ----------
    square_RR : Tensor of shape (R, R)
        Positive definite, R at most :data:`LARGEST_SIDE`.
    """
    square_RR = square_RR.contiguous()
    inverse_RR = torch.empty_like(square_RR)
    _run(
        "inverse_root",
        (1,),
        square_RR,
        inverse_RR,
        len(square_RR),
        side=LARGEST_SIDE,
    )
    return inverse_RR


def largest_left(value_N: Tensor, left_N: Tensor) -> Tensor:
    """Return the lowest place of the largest number that is left, (1,).

    Parameters
    ----------
    value_N : Tensor of shape (N,)
        Numbers; NaN and infinity are the largest.
    left_N : Tensor of shape (N,)
        Which are left, one at least.
    """
    return _largest(value_N, left_N, None)


def take_largest(
    value_N: Tensor,
    left_N: Tensor,
    pick_B: Tensor,
    step_1: Tensor,
    utility_B: Tensor | None,
) -> Tensor:
    """Return the lowest place of the largest number that is left, (1,), and take it.

    Parameters
    ----------
    value_N, left_N : Tensor of shape (N,)
        As of :func:`largest_left`; the place is no longer left.
    pick_B, step_1 : Tensor of shapes (b,) and (1,)
        Where the place is written, and at which position, which grows by one.
    utility_B : Tensor of shape (b,) or None
        Where the number is written, if anywhere.
    """
    return _largest(value_N, left_N, (pick_B, step_1, utility_B))


def take(
    at_1: Tensor,
    utility_1: Tensor,
    left_N: Tensor,
    pick_B: Tensor,
    step_1: Tensor,
    utility_B: Tensor | None,
) -> None:
    """Take what is left at a place, as :func:`take_largest` does.

    Parameters
    ----------
    at_1, utility_1 : Tensor of shape (1,)
        The place, and the number that is written.
    left_N, pick_B, step_1, utility_B : Tensor
        As of :func:`take_largest`.
    """
    places = left_N, pick_B, utility_1 if utility_B is None else utility_B, step_1
    _run(
        "largest_of_all",
        (1,),
        utility_1,
        at_1,
        at_1,
        *places,
        1,
        takes=True,
        keeps_utility=utility_B is not None,
        width=_MOST_BLOCKS,
    )


def _largest(
    value_N: Tensor,
    left_N: Tensor,
    takes: tuple[Tensor, Tensor, Tensor | None] | None,
) -> Tensor:
    """Return the place of the largest number that is left, by two loops."""
    n, width = len(value_N), 1024
    while _n_blocks(n, width) > _MOST_BLOCKS:
        width *= 2
    n_blocks = _n_blocks(n, width)
    value_P = value_N.new_empty(n_blocks)
    place_P = left_N.new_empty(n_blocks + 1, dtype=torch.int64)
    at_1 = place_P[n_blocks:]
    _run(
        "largest_of_blocks",
        (n_blocks,),
        value_N.contiguous(),
        left_N,
        value_P,
        place_P,
        n,
        width=width,
    )
    pick_B, step_1, utility_B = takes or (at_1, at_1, None)
    _run(
        "largest_of_all",
        (1,),
        value_P,
        place_P,
        at_1,
        left_N,
        pick_B,
        value_P if utility_B is None else utility_B,
        step_1,
        n_blocks,
        takes=takes is not None,
        keeps_utility=utility_B is not None,
        width=_MOST_BLOCKS,
    )
    return at_1


def cluster_sizes(
    nearest_N: Tensor, owner_N: Tensor, left_N: Tensor, n_clusters: int
) -> tuple[Tensor, Tensor]:
    """Return the sum of squared distances of clusters, and how many rows are left.

    Parameters
    ----------
    nearest_N, owner_N : Tensor of shape (N,)
        Squared distances to the nearest centre, and which that is.
    left_N : Tensor of shape (N,)
        Which rows are left.
    n_clusters : int
        Number K of clusters.

    Returns
    -------
    size_K, n_left_K : Tensor of shape (K,)
        In float64.
    """
    n, width = len(nearest_N), 512
    size_K, n_left_K = nearest_N.new_zeros(2, n_clusters, dtype=torch.float64)
    _run(
        "cluster_sizes",
        (_n_blocks(n, width),),
        nearest_N,
        owner_N,
        left_N,
        size_K,
        n_left_K,
        n,
        width=width,
    )
    return size_K, n_left_K
