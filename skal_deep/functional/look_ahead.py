"""How predictions for other inputs are expected to change with labels of a batch."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional._checks import (
    check_counts,
    check_finite,
    check_no_gradient,
    own_generator,
)
from skal_deep.functional._chunks import chunks
from skal_deep.functional._configurations import Configurations
from skal_deep.functional._picks import Picks
from skal_deep.functional._second_order import SecondOrder
from skal_deep.functional.information import divergence, entropy
from skal_deep.functional.prediction_information import information_about, with_exact

# Share of the information of a batch that no label of it can add to.
_NEGLIGIBLE = 1e-3


@plain_torch()
def core_mse(samples: Tensor, target_samples: Tensor) -> Tensor:
    """Return the expected squared change of the predictions for the targets.

    With Bayes' weights ``w_s(y|x) = p_s(y|x) / sum_s p_s(y|x)`` of the draws,

    ``CoreMSE(x) = E_y mean_m sum_c (sum_s w_s(y|x) p_s(c|x_m) - mean_s p_s(c|x_m))^2``

    with y from the mean prediction for x: the expected drop of the Brier score of the
    mean prediction. The targets enter by the Gram matrix of their centred draws only,
    so the cost is ``S^2 (M + N) C`` operations.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Coupled posterior draws for the candidates.
    target_samples : Tensor of shape (S, M, C)
        The same draws for the targets.

    Returns
    -------
    Tensor of shape (N,)
        Expected squared change, between 0 and 2.

    See Also
    --------
    epig : Information in place of squares.
    skal_deep.pool.CoreMSE : The strategy.

    Notes
    -----
    The official code weighs the draws alike after a label, which computes another
    quantity than the paper's. Here it is the paper's.

    References
    ----------
    W. Tan, L. Du, W. Buntine. Diversity Enhanced Active Learning with Strictly Proper
    Scoring Rules. NeurIPS, 2021.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import core_mse
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> core_mse(samples, samples)
    tensor([0.1024, 0.0000])
    """
    check_no_gradient(samples=samples, target_samples=target_samples)
    _check_draws(samples, target_samples)
    n_draws, n, n_classes = samples.shape
    with threads_over_parts(samples.device):
        target_SF = target_samples.double().flatten(1)
        target_SF = target_SF - target_SF.mean(0)
        gram_SS = (target_SF @ target_SF.T) / (target_samples.shape[1] * n_draws**2)
        score_N = gram_SS.new_empty(n)
        parts = list(chunks(n, n_classes * n_draws, samples.device))

        def begin() -> Callable[[slice], None]:
            rooms = gram_SS.new_empty(2 * n_draws * parts[0].stop * n_classes)

            def work_on(part: slice) -> None:
                proba_SF = samples[:, part].double().flatten(1)
                mean_F = proba_SF.mean(0)
                shape = 2, *proba_SF.shape
                offset_SF, change_SF = rooms[: math.prod(shape)].view(shape)
                # The Gram matrix is that of centred rows: the mean adds nothing but
                # round-off.
                torch.sub(proba_SF, mean_F, out=offset_SF)
                torch.mm(gram_SS, offset_SF, out=change_SF).mul_(offset_SF)
                # A label that no draw thinks possible changes nothing.
                change_F = torch.where(mean_F > 0, change_SF.sum(0) / mean_F, 0)
                torch.sum(change_F.view(-1, n_classes), -1, out=score_N[part])

            return work_on

        for_each_part(parts, begin, samples.device)
    return score_N.clamp_min(0).to(samples.dtype)


@plain_torch()
def batch_epig(
    samples: Tensor,
    target_samples: Tensor,
    batch_size: int,
    *,
    n_configurations: int = 100,
    n_exact: int | None = None,
    generator: torch.Generator | None = None,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose greedily the batch whose labels say most about those of the targets.

    The objective is ``mean_* I(y_B; y_*)``. By the chain rule a pick x adds
    ``E_{y_B} mean_* I(y; y_* | y_B)``, that is, :func:`epig` under the weights that
    labels of the batch give the draws, averaged over these labels: all of them as
    long as ``C^t`` is at most ``n_configurations``, sampled ones after that. Nothing is
    fitted again. Pick t costs ``min(C^t, n_configurations)`` times as much as
    :func:`epig`.

    With ``n_exact``, what each candidate would add is estimated first, to second order
    and from its score under equal weights, and computed for the best of them alone: a
    row costs ``S^2 C`` operations, and ``S^2`` a pick.

    Parameters
    ----------
    samples : Tensor of shape (S, N, C)
        Coupled posterior draws for the candidates.
    target_samples : Tensor of shape (S, M, C)
        The same draws for the targets.
    batch_size : int
        Number of picks b.
    n_configurations : int, default=100
        Largest number of joint labels of the batch that are enumerated, and about how
        many are sampled.
    n_exact : int, optional
        Number of candidates that are scored exactly at each pick. The utilities of the
        others are then estimates, never above the exact ones. ``None`` are all.
    generator : torch.Generator, optional
        Draws joint labels where they are too many; ``None`` is a fresh one.
    with_utilities : bool, default=True
        Whether to keep the utilities of all candidates.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in order; the lowest position wins a tie.
    utilities : Tensor of shape (b, N)
        Row t holds ``mean_* I(y_B, y; y_*)`` in nats of the t picks so far together
        with each candidate; 0 at earlier picks. Of shape (b,), those of the picks
        alone, if the others are not asked for.

    See Also
    --------
    epig : The information of one row.
    skal_deep.pool.BatchEPIG : The strategy.

    References
    ----------
    F. Bickford Smith, A. Kirsch, S. Farquhar, Y. Gal, A. Foster, T. Rainforth.
    Prediction-Oriented Bayesian Active Learning. AISTATS, 2023.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import batch_epig
    >>> samples = torch.tensor([[[0.9, 0.1], [0.5, 0.5]], [[0.1, 0.9], [0.5, 0.5]]])
    >>> indices, _ = batch_epig(samples, samples, 1)
    >>> indices
    tensor([0])
    """
    check_counts(n_configurations=n_configurations)
    check_no_gradient(samples=samples, target_samples=target_samples)
    _check_draws(samples, target_samples)
    generator = own_generator(generator)
    with threads_over_parts(samples.device):
        picks = Picks(samples[0], batch_size, with_utilities)
        known = Configurations(samples[:, :1].double(), n_configurations)
        gains = _Gains(samples, target_samples, n_exact)
        total = 0.0
        for step in range(batch_size):
            utility_N = gains.after(known, picks.left_N, total).clamp_min(0) + total
            pick = picks.take(utility_N)
            total = float(utility_N[pick])
            if step + 1 < batch_size:
                known.learn(samples[:, pick].double(), generator)
        return picks.answer()


class _Gains:
    """``E mean_* I(y; y_* | Y)`` of candidates, over the labels Y of picks before."""

    def __init__(self, samples: Tensor, target_samples: Tensor, n_exact: int | None):
        is_small = n_exact is None or n_exact >= samples.shape[1]
        dtype = torch.promote_types(samples.dtype, torch.float32)
        samples, target_samples = (
            draws.to(torch.float64 if is_small else dtype)
            for draws in (samples, target_samples)
        )
        n_targets = target_samples.shape[1]
        self._weight_M = target_samples.new_full((n_targets,), 1 / n_targets).double()
        self._samples_SNC, self._target_SMC = samples, target_samples
        self._n_exact = n_exact or len(samples[0])
        self._is_estimated = not is_small
        if is_small:
            return
        self._second_order = SecondOrder(samples)
        equal_S = samples.new_full((len(samples),), 1 / len(samples))
        weights_alone_N = self._second_order.form(equal_S.diag()) / 2
        # what is missing beyond the second order, about the same whatever is known
        self._scale_N = divergence(None, samples) / weights_alone_N.clamp_min(
            torch.finfo(samples.dtype).tiny
        )

    def after(self, known: Configurations, left_N: Tensor, total: float) -> Tensor:
        """Return gains of shape (N,), estimates where they are not among the best.

        Labels after which little is left to tell, less than a small share of what the
        picks before tell in total, are looked at to second order alone.
        """
        if not self._is_estimated:
            return self._exact(self._samples_SNC, known.pi_M, known.weight_MS)
        # labels tell no more about targets than about the weights
        bound_M, order_M = (known.pi_M * entropy(known.weight_MS)).sort()
        n_small = int((bound_M.cumsum(0) <= _NEGLIGIBLE * total).sum())
        small, large = (
            (known.pi_M[part], known.weight_MS[part])
            for part in (order_M[:n_small], order_M[n_small:])
        )
        small_SS, large_SS = self._form(*small), self._form(*large)
        estimate_N = self._second_order.form(small_SS + large_SS).clamp_min_(0)
        estimate_N *= self._scale_N
        n_exact = min(self._n_exact, int(left_N.sum()))
        rows = torch.where(left_N, estimate_N, -math.inf).topk(n_exact).indices
        some_SRC = self._samples_SNC[:, rows]
        rest_b = SecondOrder(some_SRC).form(small_SS).clamp_min_(0)
        rest_b *= self._scale_N[rows]
        exact_b = rest_b + self._exact(some_SRC, *large)
        return with_exact(estimate_N, rows, exact_b)

    def _exact(self, samples_SNC: Tensor, pi_M: Tensor, weight_MS: Tensor) -> Tensor:
        gain_N = samples_SNC.new_zeros(samples_SNC.shape[1])
        for pi, weight_S in zip(pi_M.tolist(), weight_MS, strict=True):
            if pi > 0:
                gain_N += pi * information_about(
                    samples_SNC, self._target_SMC, self._weight_M, weight_S
                )
        return gain_N

    def _form(self, pi_M: Tensor, weight_MS: Tensor) -> Tensor:
        """Return the matrix of the form that is the mean gain to second order, (S, S).

        Under weights w of the draws it is ``w_s w_t K_st / 2``, with the mean K_st of
        ``sum_c p_s p_t / p - 1`` for the draws of the targets.
        """
        target_SF = self._target_SMC.flatten(1)
        n_draws, n_columns = target_SF.shape
        # products with weights that do not count would be slow, below the normal range
        counts_MS = weight_MS > torch.finfo(target_SF.dtype).eps / n_draws
        weight_MS = torch.where(counts_MS, weight_MS, 0).to(target_SF)
        root_M1 = pi_M.sqrt().to(target_SF)[:, None]
        parts = list(chunks(len(pi_M), n_draws * n_columns, target_SF.device))
        product_PSS = target_SF.new_empty(len(parts), n_draws, n_draws)

        def begin() -> Callable[[tuple[int, slice]], None]:
            room = target_SF.new_empty(n_draws * parts[0].stop * n_columns)

            def work_on(given: tuple[int, slice]) -> None:
                at, part = given
                weight_BS = weight_MS[part]
                mean_BF = weight_BS @ target_SF
                root_BF = root_M1[part] / torch.where(mean_BF > 0, mean_BF, 1).sqrt_()
                scaled_SG = room[: n_draws * mean_BF.numel()].view(n_draws, -1)
                scaled_SBF = scaled_SG.unflatten(1, mean_BF.shape)
                torch.mul(target_SF[:, None], root_BF, out=scaled_SBF)
                scaled_SBF.mul_(weight_BS.T[:, :, None])
                torch.mm(scaled_SG, scaled_SG.T, out=product_PSS[at])

            return work_on

        for_each_part(enumerate(parts), begin, target_SF.device)
        weighted_MS = root_M1 * weight_MS
        product_SS = product_PSS.sum(0) / len(self._weight_M)
        return (product_SS - weighted_MS.T @ weighted_MS) / 2


def _check_draws(samples: Tensor, target_samples: Tensor) -> None:
    """Raise unless candidates and targets have the same draws and classes."""
    if len(samples) != len(target_samples):
        raise ValueError(
            f"Candidates have {len(samples)} draws and targets {len(target_samples)}: "
            "they must be the same."
        )
    if samples.shape[2] != target_samples.shape[2]:
        raise ValueError(
            f"Candidates have {samples.shape[2]} classes and targets "
            f"{target_samples.shape[2]}: they must be the same."
        )
    check_finite(samples=samples, target_samples=target_samples)
