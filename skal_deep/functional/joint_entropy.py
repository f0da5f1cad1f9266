"""BatchBALD: the information that the labels of a batch carry jointly."""

import math
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._card import has_products, product_sums
from skal_deep.functional._checks import (
    check_counts,
    check_finite,
    check_no_gradient,
    own_generator,
)
from skal_deep.functional._chunks import slices
from skal_deep.functional._configurations import (
    Configurations,
    group_configurations,
    principal_directions,
)
from skal_deep.functional._picks import Picks
from skal_deep.functional._second_order import SecondOrder
from skal_deep.functional.information import (
    chunk_elements,
    compiled_divergence,
    divergence,
)
from skal_deep.functional.prediction_information import with_exact

# Share of log S at which S draws are used up: a published run with S = 100 gets there
# with its eighth pick, and chooses by round-off from then on.
_CEILING = 0.99
# Bounds in float32 may fall short by round-off.
_ROUND_OFF = 1e-5
# Candidates that are evaluated at once, at least; with few configurations a quarter of
# a chunk, as a call costs more than they do.
_N_TRIED = 8
# Parts that threads share, where each then has enough candidates to be worth its start.
_N_SHARED, _N_WORTH_A_THREAD = 32, 128
# Numbers of float32 that a processor works on at once.
_N_NUMBERS_OF_A_REGISTER = 16
# Candidates for which bounds by groups of configurations cost more than they save.
_FEW = 16
# Products that a card does in some milliseconds by its loop, in which bounds would have
# to be waited for a hundred times.
_QUICK_PRODUCTS = 2**38


@plain_torch()
def batch_bald(
    samples: Tensor,
    batch_size: int,
    *,
    n_configurations: int = 2000,
    n_exact: int | None = None,
    generator: torch.Generator | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose a batch greedily by its joint mutual information with the weights.

    ``I(y_1 ... y_t; w)`` grows at each pick by the gain of the new row: the BALD score
    that it has, on average, once the labels y of the picks before are known,

    ``gain(x) = sum_m pi_m { H[sum_s W_ms p_s(x)] - sum_s W_ms H[p_s(x)] }``,

    where configuration m of those labels has probability ``pi_m`` and turns the draws'
    weights from ``1/S`` into ``W_ms = p(w_s | y_m)``. This is the paper's objective, in
    a form that involves no tiny joint probabilities. All configurations are
    enumerated while they are at most ``n_configurations``; then labels are sampled
    from the draws, in equal numbers from each, and kept from pick to pick.

    S draws can carry at most log S nats, which is where estimates from sampled labels
    are cut. Once 99 % of that is reached, gains are round-off, and the rest of the
    batch follows the order of BALD: its utilities spread over what is left below log S
    in proportion to BALD.

    Without utilities, upper bounds leave few candidates whose gain is computed with all
    configurations; the picks are the same. With ``n_exact`` gains are first estimated,
    by BALD and to second order in how much the draws differ, and those of the best rows
    alone are computed.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Coupled posterior draws: draw s is the same model for all rows.
    batch_size : int
        Number of picks b.
    n_configurations : int, default=2000
        Largest number of label configurations.
    n_exact : int, optional
        Number of candidates whose gains are computed at each pick but the first. The
        utilities of the others are then estimates, never above the computed ones.
        ``None`` are all.
    generator : torch.Generator, optional
        Source of sampled labels; ``None`` is a fresh one.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers, and saves most
        gains.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds the joint mutual information, in nats, of the picks before t
        together with each candidate; 0 at those picks.

    See Also
    --------
    bald : The information of one row.
    skal_deep.pool.BatchBALD : The strategy.

    References
    ----------
    A. Kirsch, J. van Amersfoort, Y. Gal. BatchBALD: Efficient and Diverse Batch
    Acquisition for Deep Bayesian Active Learning. NeurIPS, 2019.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import batch_bald
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> indices, utilities = batch_bald(samples, 2)
    >>> indices
    tensor([0, 1])
    >>> utilities
    tensor([[0.3681, 0.0000],
            [0.0000, 0.3681]])
    """
    check_counts(n_configurations=n_configurations)
    check_no_gradient(samples=samples)
    check_finite(samples=samples)
    if samples.dtype.itemsize < 4:  # weights need more digits
        samples = samples.float()
    if not samples.is_cpu:
        samples = samples.clamp_min(0)  # which round-off may be below
    samples = samples.contiguous()  # once, as every part would do it
    with threads_over_parts(samples.device):
        return _greedy(
            samples,
            batch_size,
            n_configurations,
            n_exact,
            own_generator(generator),
            with_utilities,
        )


def _greedy(
    samples: Tensor,
    batch_size: int,
    n_configurations: int,
    n_exact: int | None,
    generator: torch.Generator,
    with_utilities: bool,
) -> tuple[Tensor, Tensor]:
    """Return the batch and its utilities, of checked samples."""
    gains: _Gains | _GainsOfBest
    if n_exact is None or n_exact >= samples.shape[1]:
        gains = _Gains(samples)
    else:
        gains = _GainsOfBest(samples, n_exact)
    picks = Picks(gains.bald_N, batch_size, with_utilities)
    known = Configurations(samples, n_configurations)
    ceiling, reached = math.log(len(samples)), 0.0
    for step in range(batch_size):
        used_up = reached >= _CEILING * ceiling
        gain_N, share = gains.bald_N, 1.0
        if used_up:
            share = (ceiling - reached) / ceiling if ceiling else 1.0
        elif step > 0:
            known.learn(samples[:, picks.rows[-1]], generator)
            if with_utilities and isinstance(gains, _Gains):
                gain_N = gains.of_all(known)
            else:
                gain_N = gains.largest(known, picks.left_N)
        pick = int(torch.where(picks.left_N, gain_N, -math.inf).argmax())
        picks.add(pick, (reached + share * gain_N).clamp_max(ceiling))
        if not used_up:
            reached = min(ceiling, reached + float(gain_N[pick]))
    return picks.answer()


def n_informed_picks(utilities: Tensor, indices: Tensor, n_draws: int) -> int:
    """Return how many picks of :func:`batch_bald` were made below the ceiling.

    Parameters
    ----------
    utilities : Tensor of shape (b, N) or (b,)
        What :func:`batch_bald` returned.
    indices : Tensor of shape (b,)
        What :func:`batch_bald` returned.
    n_draws : int
        Number S of posterior draws.
    """
    if utilities.ndim == 2:
        utilities = utilities[torch.arange(len(indices)), indices]
    before = torch.cat([utilities.new_zeros(1), utilities[:-1]])
    return int((before < _CEILING * math.log(n_draws)).sum())


class _Gains:
    """Gains of candidates, for any knowledge of the labels of the picks before.

    ``I(y; w | Y) = I(y; w) - I(y; Y)``: what the weights tell of a label less what the
    labels Y of the picks before tell of it. Both are divergences, one between draws,
    one between the mean predictions of configurations.
    """

    def __init__(self, samples_SNC: Tensor):
        self._samples_SNC = samples_SNC
        self.bald_N = self._bound_N = _divergence(None, samples_SNC)

    @cached_property
    def _direction_SK(self) -> Tensor:
        return principal_directions(self._samples_SNC)

    def of_all(self, known: Configurations) -> Tensor:
        """Return the gains of all candidates, of shape (N,)."""
        told_N = _told(self._samples_SNC, None, known.pi_M, known.weight_MS)
        return (self._information(known) - told_N).clamp_min_(0)

    def largest(self, known: Configurations, left_N: Tensor) -> Tensor:
        """Return the gains of those left that may have the largest, else -inf.

        Labels tell no less than fewer labels do: with all configurations, a gain is no
        larger than it was before (submodularity). Neither do the members of a group
        tell less than the group: ``sum_m pi_m H[W_m P] <= sum_g pi_g H[W_g P]`` with
        mean weights W_g, as H is concave. So a gain is no larger than with groups. A
        candidate whose bound is below the gain of another has not the largest.
        """
        n_products = known.weight_MS.numel() * self._samples_SNC[0].numel()
        if has_products(self._samples_SNC) and n_products <= _QUICK_PRODUCTS:
            return torch.where(left_N, self.of_all(known), -math.inf)
        information_N = self._information(known)
        gain_N = torch.full_like(information_N, -math.inf)
        n_tried = max(_N_TRIED, _n_in_a_chunk(known.weight_MS, self._samples_SNC) // 4)

        def gains(rows: Tensor, pi_M: Tensor, weight_MS: Tensor) -> Tensor:
            told_R = _told(self._samples_SNC, rows, pi_M, weight_MS)
            return (information_N[rows] - told_R).clamp_min_(0)

        rows = left_N.nonzero()[:, 0]
        bound_R = (self._bound_N if known.is_exact else information_N)[rows]
        groups = group_configurations(known.pi_M, known.weight_MS, self._direction_SK)
        for pi_G, weight_GS in () if known.is_exact else groups:
            bound_R = gains(rows, pi_G, weight_GS)
            tried = rows[bound_R.topk(min(n_tried, len(rows))).indices]
            tried = tried[gain_N[tried] == -math.inf]
            gain_N[tried] = gains(tried, known.pi_M, known.weight_MS)
            is_left_R = bound_R >= gain_N.max() - _ROUND_OFF
            rows, bound_R = rows[is_left_R], bound_R[is_left_R]
            if len(rows) <= _FEW:
                break
        is_new_R = gain_N[rows] == -math.inf
        bound_R, order_R = bound_R[is_new_R].sort(descending=True)
        rows = rows[is_new_R][order_R]
        best = float(gain_N.max())
        found_R = self._of_the_first(known, rows, information_N[rows], bound_R, best)
        gain_N[rows[: len(found_R)]] = found_R
        self._bound_N = torch.where(gain_N > -math.inf, gain_N, self._bound_N)
        return gain_N

    def _of_the_first(
        self,
        known: Configurations,
        rows: Tensor,
        information_R: Tensor,
        bound_R: Tensor,
        best_before: float,
    ) -> Tensor:
        """Return the gains of rows with falling bounds, until no bound reaches a gain.

        Threads begin with rows before the gains of all rows above these are known.
        What one thread would not have come to is left out, so that gains do not hang
        on the number of threads.
        """
        in_chunk = _n_in_a_chunk(known.weight_MS, self._samples_SNC)
        parts = _growing_parts(len(rows), max(1, in_chunk))
        bounds = bound_R[[part.start for part in parts]].tolist()
        told_R, best = torch.empty_like(bound_R), best_before
        arrays: list[Any] = [information_R, told_R]
        if rows.is_cpu:  # NumPy keeps Python's lock while it works on few numbers
            arrays = [tensor.numpy() for tensor in arrays]
        information, told = arrays
        best_of: dict[int, float] = {}
        size = max((part.stop - part.start for part in parts), default=0)

        def begin() -> Callable[[slice], None]:
            tell = _teller(
                self._samples_SNC, rows, known.pi_M, known.weight_MS, size, told_R
            )

            def work_on(part: slice) -> None:
                nonlocal best
                tell(part)
                best_of[part.start] = float((information[part] - told[part]).max())
                best = max(best, best_of[part.start])

            return work_on

        def open_parts() -> Iterator[slice]:
            for part, bound in zip(parts, bounds, strict=True):
                if bound < best - _ROUND_OFF:
                    return
                yield part

        for_each_part(open_parts(), begin, rows.device)
        best, n_known = best_before, 0
        for part in open_parts():
            best, n_known = max(best, best_of[part.start]), part.stop
        return (information_R[:n_known] - told_R[:n_known]).clamp_min_(0)

    def _information(self, known: Configurations) -> Tensor:
        """Return ``I(y; w)`` under the mean weights of the configurations."""
        if known.is_exact:  # it is the prior 1/S
            return self.bald_N
        return _divergence(known.pi_M @ known.weight_MS, self._samples_SNC)


class _GainsOfBest:
    """Gains of the candidates with the best estimates, and estimates of the others.

    To second order the gain of a row is ``<K, diag(W) - sum_m pi_m W_m W_m'> / 2`` with
    the mean W of the weights W_m that configurations give. What is missing of the gain
    is about the same share as of BALD, its value under equal weights.
    """

    def __init__(self, samples_SNC: Tensor, n_exact: int):
        self._samples_SNC, self._n_exact = samples_SNC, n_exact
        self.bald_N = _divergence(None, samples_SNC)
        self._second_order = SecondOrder(samples_SNC)
        equal_S = samples_SNC.new_full((len(samples_SNC),), 1 / len(samples_SNC))
        tiny = torch.finfo(samples_SNC.dtype).tiny
        bald_to_second_order_N = self._second_order.form(equal_S.diag()) / 2
        self._scale_N = self.bald_N / bald_to_second_order_N.clamp_min(tiny)

    def largest(self, known: Configurations, left_N: Tensor) -> Tensor:
        """Return the gains of those left with the best estimates, else no more."""
        weight_MS = known.weight_MS
        weighted_MS = known.pi_M[:, None] * weight_MS
        form_SS = (weighted_MS.sum(0).diag() - weight_MS.T @ weighted_MS) / 2
        estimate_N = self._second_order.form(form_SS).clamp_min_(0) * self._scale_N
        n_exact = min(self._n_exact, int(left_N.sum()))
        rows = torch.where(left_N, estimate_N, -math.inf).topk(n_exact).indices
        gain_b = _Gains(self._samples_SNC[:, rows]).of_all(known)
        return with_exact(estimate_N, rows, gain_b)


def _told(
    samples_SNC: Tensor, rows: Tensor | None, pi_M: Tensor, weight_MS: Tensor
) -> Tensor:
    """Return ``I(y; Y)`` for some rows, or all.

    A chunk of candidates at a time, whose mean predictions a processor's cache holds.
    """
    n = samples_SNC.shape[1]
    if rows is not None and 2 * len(rows) > n:
        return _told(samples_SNC, None, pi_M, weight_MS)[rows]
    n = n if rows is None else len(rows)
    in_chunk = max(1, n)
    if not has_products(samples_SNC):
        in_chunk = min(in_chunk, max(1, _n_in_a_chunk(weight_MS, samples_SNC)))
    if samples_SNC.is_cpu:
        in_chunk = min(in_chunk, max(_N_WORTH_A_THREAD, -(-n // _N_SHARED)))
    n_parts = -(-n // in_chunk)
    size = max(1, -(-n // max(1, n_parts)))  # all parts alike, for threads to share
    told_N = samples_SNC.new_empty(n)

    def begin() -> Callable[[slice], None]:
        return _teller(samples_SNC, rows, pi_M, weight_MS, size, told_N)

    for_each_part(slices(n, size), begin, samples_SNC.device)
    return told_N


def _teller(
    samples_SNC: Tensor,
    rows: Tensor | None,
    pi_M: Tensor,
    weight_MS: Tensor,
    size: int,
    told_N: Tensor,
) -> Callable[[slice], None]:
    """Return what writes ``I(y; Y)`` for a slice of the rows, of that size at most."""
    n_draws, _, n_classes = samples_SNC.shape
    n_configurations = len(weight_MS)

    def some(part: slice) -> Tensor:
        if rows is None:
            return samples_SNC[:, part].view(n_draws, -1)
        return samples_SNC.index_select(1, rows[part]).view(n_draws, -1)

    def tell_by_loop_of_card(part: slice) -> None:
        mean_F, plogp_F = product_sums(weight_MS, some(part), pi_M)
        told_F = plogp_F + torch.special.entr(mean_F.clamp_min_(0))
        told_N[part] = told_F.view(-1, n_classes).sum(-1).clamp_min_(0)

    if has_products(samples_SNC):
        return tell_by_loop_of_card
    loop = compiled_divergence(samples_SNC)
    if loop is not None:
        return _compiled_teller(loop, samples_SNC, rows, pi_M, weight_MS, size, told_N)
    scratch = samples_SNC.new_empty(n_configurations * size * n_classes)

    def tell(part: slice) -> None:
        shape = n_configurations, part.stop - part.start, n_classes
        mean_MRC = scratch[: math.prod(shape)].view(shape)
        torch.mm(weight_MS, some(part), out=mean_MRC.view(n_configurations, -1))
        told_N[part] = _divergence(pi_M, mean_MRC)

    return tell


def _compiled_teller(
    loop: Callable[..., None],
    samples_SNC: Tensor,
    rows: Tensor | None,
    pi_M: Tensor,
    weight_MS: Tensor,
    size: int,
    told_N: Tensor,
) -> Callable[[slice], None]:
    """Return what :func:`_teller` does, by a loop for divergences.

    A part takes a millisecond. Threads would wait for each other in every operation of
    torch that they do beside, be it a view, as each gives Python's lock away and asks
    for it again. NumPy's views do not.
    """
    n_draws, _, n_classes = samples_SNC.shape
    draws, pi, told = (each.numpy() for each in (samples_SNC, pi_M, told_N))
    places = None if rows is None else rows.numpy()
    lengths = n_draws, len(weight_MS)
    scratch = [samples_SNC.new_empty(k * size * n_classes) for k in lengths]

    @cache
    def room_for(n_some: int) -> tuple[Tensor, Tensor, Any, Any]:
        pairs = zip(scratch, lengths, strict=True)
        some, mean = (room[: k * n_some * n_classes].view(k, -1) for room, k in pairs)
        shape = -1, n_some, n_classes
        return some, mean, some.numpy().reshape(shape), mean.numpy().reshape(shape)

    def tell(part: slice) -> None:
        some_SF, mean_MF, some, mean = room_for(part.stop - part.start)
        if places is None:
            some_SF = torch.from_numpy(draws[:, part].reshape(n_draws, -1))
        else:
            np.take(draws, places[part], axis=1, out=some, mode="clip")
        torch.mm(weight_MS, some_SF, out=mean_MF)
        loop(pi, mean, told[part], 0, mean.shape[1])
        np.maximum(told[part], 0, out=told[part])

    return tell


def _growing_parts(n: int, largest: int) -> list[slice]:
    """Return parts of rows by falling bounds: each a quarter larger than the last one.

    The longer it takes to find the best, the less bounds tell.
    """
    parts, start, size = [], 0, min(largest, max(_N_TRIED, largest // 4))
    while start < n:
        parts.append(slice(start, min(start + size, n)))
        start, size = start + size, min(largest, size + size // 4)
    return parts


def _divergence(weight_R: Tensor | None, proba_RNC: Tensor) -> Tensor:
    """Return the divergence of samples that were checked, or of means of them."""
    return divergence(weight_R, proba_RNC, is_positive=not proba_RNC.is_cpu)


def _n_in_a_chunk(weight_MS: Tensor, samples_SNC: Tensor) -> int:
    """Return for how many rows there is room for the mean predictions.

    On a processor that is its cache.
    """
    n_classes = samples_SNC.shape[2]
    n_elements = chunk_elements(samples_SNC.device)
    n_fit = n_elements // (len(weight_MS) * n_classes)
    # a product of 50 columns takes longer than one of 80, of five whole registers
    together = _N_NUMBERS_OF_A_REGISTER // math.gcd(n_classes, _N_NUMBERS_OF_A_REGISTER)
    return -(-n_fit // together) * together
