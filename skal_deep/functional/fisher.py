"""Bait: designs by the Fisher information of the last layer."""

from typing import Literal

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep._threads import threads_over_parts
from skal_deep.functional._checks import (
    check_batch_size,
    check_counts,
    check_finite,
    check_no_gradient,
    check_rows,
)
from skal_deep.functional._design import (
    Design,
    Factored,
    check_n_weights,
)
from skal_deep.functional._distances import round_off
from skal_deep.functional._picks import UnreadPicks
from skal_deep.functional._repeated import Repeated
from skal_deep.functional._stiff_design import StiffDesign
from skal_deep.functional.gradients import errors_of_likeliest

# Share of the information that round-off may be.
_MOST_ROUND_OFF = 1e-2
# A pick that changes the trace by less than round-off of so many times what a row would
# change it by at first is found in double precision: its gain is off by about 1e-4.
_MOST_LOST = 1e3

Weighting = Literal["official", "paper", "consistent"]


def softmax_factors(probas: Tensor, n_top: int | None = None) -> Tensor:
    """Return factors S of the Fisher information ``S' S (x) h h'`` of a softmax.

    Row y is ``r_y = sqrt(p_y) (onehot(y) - p)``: the gradient of the log-likelihood of
    label y with respect to the logits, so that ``S' S = diag(p) - p p'``. Each sums to
    0: they are written in an orthonormal basis of the C - 1 directions in which logits
    matter (Helmert's), which leaves all traces as they are. As also
    ``sum_y sqrt(p_y) r_y = 0``, a reflection that takes ``sqrt(p)`` to the last axis
    leaves ``S' S`` as it is and makes the last row 0:
    ``r_y - sqrt(p_y) / (1 + sqrt(p_C)) r_C`` are C - 1 rows that do for C.

    Parameters
    ----------
    probas : Tensor of shape (N, C)
        Class probabilities p.
    n_top : int, optional
        Take the expectation over the most probable labels only, this many, with their
        probabilities scaled to sum to 1; ``None`` is all.

    Returns
    -------
    factors : Tensor of shape (N, C - 1 or n_top, C - 1)
        Factors S.
    """
    n_classes = probas.shape[1]
    plane_CK = _helmert(n_classes).to(probas)
    error_NCK = plane_CK - (probas @ plane_CK)[:, None]
    root_NC = probas.sqrt()
    factors_NRK: Tensor = root_NC[..., None] * error_NCK
    if n_top is None or n_top >= n_classes:
        share_NR = root_NC[:, :-1] / (1 + root_NC[:, -1:])
        return factors_NRK[:, :-1] - share_NR[..., None] * factors_NRK[:, -1:]
    top_NR = probas.topk(n_top).indices
    share_N = probas.gather(1, top_NR).sum(1)
    top_NRK: Tensor = factors_NRK.gather(
        1, top_NR[..., None].expand(-1, -1, n_classes - 1)
    )
    top_NRK /= share_N.sqrt()[:, None, None]
    return top_NRK


def _helmert(n: int) -> Tensor:
    """Return orthonormal columns (n, n - 1), each of sum 0.

    Column k is the first k + 1 axes against the next one. A decomposition of the
    projection would choose any directions, as all its eigenvalues are equal.
    """
    k = torch.arange(1, n, dtype=torch.float64)
    columns = torch.triu(torch.ones(n, n - 1, dtype=torch.float64))
    columns[range(1, n), range(n - 1)] = -k
    return columns / (k * (k + 1)).sqrt()


@plain_torch()
def bait(
    probas: Tensor,
    embeddings: Tensor,
    labeled_probas: Tensor,
    labeled_embeddings: Tensor,
    batch_size: int,
    *,
    pool: tuple[Tensor, Tensor] | None = None,
    regularization: float = 1.0,
    weighting: Weighting = "official",
    n_top: int | None = None,
    binary: bool = False,
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose the batch after which the last layer is known best (Bait).

    With ``I(x) = (diag(p) - p p') (x) h h'`` the Fisher information of a row about the
    weights of the last layer, F its mean over all rows, and
    ``M = regularization 1 + a mean_labeled I + w sum_batch I``, the batch minimises
    ``tr(M^-1 F)``: a bound on the excess risk, and the expected variance of the
    predictions. 2 b rows are added greedily, then b of them removed greedily.

    No matrix of gradients is formed. What a row adds depends on ``S V S'``, its own
    blocks of ``M^-1`` and of ``M^-1 F M^-1`` seen through h, two matrices of C - 1 rows
    and columns; adding a row changes M by rank C - 1, and those matrices by one thin
    product for all rows. A pick costs ``N C^2 (D + C) + (C D)^2 C`` operations; memory
    is 2 N C^2 and a few times (C D)^2 numbers.

    Parameters
    ----------
    probas : Tensor of shape (N, C)
        Class probabilities of the candidates.
    embeddings : Tensor of shape (N, D)
        Inputs h of their last layer.
    labeled_probas : Tensor of shape (M, C)
        The same of the labelled rows, of which there may be none.
    labeled_embeddings : Tensor of shape (M, D)
        The same of the labelled rows.
    batch_size : int
        Number of picks b.
    pool : tuple of Tensors, optional
        Probabilities and embeddings of the rows that F is the mean over, beside the
        labelled ones; ``None`` are the candidates.
    regularization : float, default=1.0
        Added to the diagonal of M. The authors take 1, and 0.01 for CIFAR.
    weighting : {"official", "paper", "consistent"}, default="official"
        How labelled and new rows count in M, ``(a, w)``: ``(M, b) / (M + b)`` as in
        the authors' code, where a new row counts b times a labelled one; ``(1, 1)``;
        or ``(M, 1) / (M + b)``, which makes M the mean over all labelled rows.
    n_top : int, optional
        Number of most probable labels that the information is averaged over; ``None``
        is all.
    binary : bool, default=False
        Whether to tell the most probable class from the rest only. The information of
        a row is then ``p (1 - p) h h'`` with its largest probability p, and M has
        D x D numbers: for many classes.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in the order in which they were added.
    utilities : Tensor of shape (b, N)
        Row t holds how much each candidate lowers the trace when pick t was added; 0
        at rows added earlier.

    Raises
    ------
    ValueError
        If the last layer has so many weights, (C - 1) D, that their information
        matrix does not fit into memory, or the rows tell so much, or so little, beside
        the regularization that it would be lost in round-off.

    See Also
    --------
    bait_regression : The same for numbers.
    skal_deep.pool.Bait : The strategy.

    References
    ----------
    J. T. Ash, S. Goel, A. Krishnamurthy, S. Kakade. Gone Fishing: Neural Active
    Learning with Fisher Embeddings. NeurIPS, 2021. The binary form and that of the most
    probable labels: D. Huseljic, P. Hahn, M. Herde, L. Rauch, B. Sick. Fast Fishing:
    Approximating Bait for Efficient and Scalable Deep Active Image Classification.
    arXiv:2404.08981, 2024.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import bait
    >>> probas = torch.tensor([[0.9, 0.1], [0.5, 0.5], [0.8, 0.2]])
    >>> embeddings = torch.eye(3)
    >>> indices, _ = bait(probas, embeddings, probas[:1], embeddings[:1], 2)
    >>> indices
    tensor([1, 2])
    """
    check_counts(n_top=1 if n_top is None else n_top)
    check_no_gradient(probas=probas, labeled_probas=labeled_probas)
    check_finite(probas=probas, labeled_probas=labeled_probas)
    if not binary:  # before the factors are made, which may not fit, either
        check_n_weights((probas.shape[1] - 1) * embeddings.shape[1])

    def factor(probas: Tensor, embeddings: Tensor) -> Factored:
        if binary:
            return Factored(_binary_factors(probas), embeddings)
        return Factored(softmax_factors(probas, n_top), embeddings)

    candidates = factor(probas, embeddings)
    return _forward_backward(
        candidates,
        factor(labeled_probas, labeled_embeddings),
        factor(*pool) if pool else candidates,
        batch_size,
        regularization,
        weighting,
        with_utilities,
    )


@plain_torch()
def bait_regression(
    embeddings: Tensor,
    labeled_embeddings: Tensor,
    batch_size: int,
    *,
    pool: Tensor | None = None,
    regularization: float = 1.0,
    weighting: Weighting = "official",
    with_utilities: bool = True,
) -> tuple[Tensor, Tensor]:
    """Choose as :func:`bait` does, for a last layer with Gaussian noise.

    The information of a row is ``h h'``; several outputs factor out. The trace is the
    mean predictive variance of a Bayesian linear regression.

    Parameters
    ----------
    embeddings : Tensor of shape (N, D)
        Inputs h of the last layer of the candidates.
    labeled_embeddings : Tensor of shape (M, D)
        The same of the labelled rows, of which there may be none.
    batch_size : int
        Number of picks b.
    pool : Tensor of shape (P, D), optional
        Embeddings of the rows that the mean is over, beside the labelled ones; ``None``
        are the candidates.
    regularization : float, default=1.0
        Added to the diagonal of M.
    weighting : {"official", "paper", "consistent"}, default="official"
        How labelled and new rows count, as in :func:`bait`.
    with_utilities : bool, default=True
        ``False`` keeps the utilities of the picks alone, (b,) numbers.

    Returns
    -------
    indices : Tensor of shape (b,)
        Picks in the order in which they were added.
    utilities : Tensor of shape (b, N) or (b,)
        As in :func:`bait`.

    See Also
    --------
    bait : The same for classes.
    max_det : The largest variance, in place of the mean one.

    References
    ----------
    J. T. Ash, S. Goel, A. Krishnamurthy, S. Kakade. Gone Fishing: Neural Active
    Learning with Fisher Embeddings. NeurIPS, 2021.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import bait_regression
    >>> embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    >>> indices, _ = bait_regression(embeddings, embeddings[:1], 1)
    >>> indices
    tensor([2])
    """
    candidates, labeled, everything = (
        Factored(rows_ND.new_ones(len(rows_ND), 1, 1), rows_ND)
        for rows_ND in (
            embeddings,
            labeled_embeddings,
            embeddings if pool is None else pool,
        )
    )
    return _forward_backward(
        candidates,
        labeled,
        everything,
        batch_size,
        regularization,
        weighting,
        with_utilities,
    )


def _binary_factors(probas: Tensor) -> Tensor:
    """Return ``sqrt(p (1 - p))`` of the largest probability, of shape (N, 1, 1)."""
    others_N = errors_of_likeliest(probas).abs().amax(-1)  # 1 - p, with its digits
    return (probas.amax(-1) * others_N).sqrt()[:, None, None]


def _forward_backward(
    candidates: Factored,
    labeled: Factored,
    everything: Factored,
    batch_size: int,
    regularization: float,
    weighting: Weighting,
    with_utilities: bool,
) -> tuple[Tensor, Tensor]:
    """Add twice as many rows as wanted, then remove half of them."""
    check_batch_size(batch_size, len(candidates))
    given = {
        "embeddings": candidates.embedding_ND,
        "labeled_embeddings": labeled.embedding_ND,
        "pool_embeddings": everything.embedding_ND,
    }
    check_no_gradient(**given)
    check_rows(**given)
    n_labeled = len(labeled)
    total = n_labeled + batch_size
    of_labeled, of_new = {
        "official": (n_labeled / total, batch_size / total),
        "paper": (1.0, 1.0),
        "consistent": (n_labeled / total, 1 / total),
    }[weighting]
    parts = (candidates, labeled, everything)
    of_parts = [candidates.largest(), labeled.largest()]
    is_same = everything is candidates
    of_parts.append(of_parts[0] if is_same else everything.largest())
    condition = max(of_parts) * max(of_labeled, of_new) / regularization
    embeddings = candidates.embedding_ND
    # what the best row takes off the trace, about, where little is known
    gain = of_new * of_parts[0] / regularization * (of_parts[2] / regularization)
    is_told = min(of_parts[0], of_parts[2]) > 0
    if is_told and gain < torch.finfo(embeddings.dtype).tiny:
        dtype = str(embeddings.dtype).removeprefix("torch.")
        raise ValueError(
            f"A row tells {condition:.0e} times as much as the regularization="
            f"{regularization}, less than {dtype} can resolve. Scale the inputs, for "
            "instance by a StandardScaler, or lower the regularization."
        )
    if round_off(embeddings) * condition > _MOST_ROUND_OFF:
        parts = _in_double(*parts)
    if round_off(parts[0].embedding_ND) * condition > _MOST_ROUND_OFF:
        raise ValueError(
            f"A row tells {condition:.0e} times as much as the regularization="
            f"{regularization}, more than float64 can resolve. Scale the inputs, for "
            "instance by a StandardScaler, or raise the regularization."
        )
    is_stiff = round_off(embeddings.double()) * condition**2 > _MOST_ROUND_OFF
    setting = regularization, of_labeled, of_new
    n_added = min(2 * batch_size, len(candidates))
    added = UnreadPicks(embeddings, n_added, with_utilities)
    if is_stiff:
        stiff = StiffDesign(*parts, *setting)
        indices, utilities = _added(stiff, added, n_added)
        stays = stiff.kept(indices, batch_size)
        return indices[stays], utilities[stays]
    with threads_over_parts(embeddings.device):
        design = Design(*parts, *setting)
        most = design.most_change()
        indices, utilities = _added(design, added, n_added)
        precision = parts[0].embedding_ND.dtype
        lost = most * _MOST_LOST * torch.finfo(precision).eps
        if precision != torch.float64 and float(added.utility_B.min()) < lost:
            design = Design(*_in_double(*parts), *setting)
            added = UnreadPicks(embeddings, n_added, with_utilities)
            indices, utilities = _added(design, added, n_added)
        stays = _not_removed(design, indices, batch_size)
    return indices[stays], utilities[stays]


def _in_double(
    candidates: Factored, labeled: Factored, everything: Factored
) -> tuple[Factored, Factored, Factored]:
    """Return the same rows in double precision; what is one object stays one."""
    rows = candidates.double()
    is_same = everything is candidates
    return rows, labeled.double(), rows if is_same else everything.double()


def _added(
    design: Design | StiffDesign, added: UnreadPicks, n_added: int
) -> tuple[Tensor, Tensor]:
    """Return the rows that are added one after another, and their utilities."""

    def add_one() -> None:
        design.add(added.take(design.gains()))

    if isinstance(design, Design) and design.is_on_card:
        Repeated(add_one, added.pick_B.device)(n_added - 1)
    else:
        for _ in range(n_added - 1):
            add_one()
    added.take(design.gains())
    return added.answer()


def _not_removed(design: Design, indices: Tensor, n_left: int) -> list[int]:
    """Return which of the added rows stay, when others are removed one by one."""
    n_added = len(indices)
    design = design.among(indices)  # the others are not looked at again
    places = torch.arange(n_added, device=indices.device)
    design.add(places[-1:])
    stays = list(range(n_added))
    while len(stays) > n_left:
        loss_K = design.losses(stays).flip(0)  # of equal ones, the last is removed
        check_finite(losses=loss_K)  # a card does not say that a root failed
        removed = stays.pop(len(stays) - 1 - int(loss_K.argmin()))
        design.remove(places[removed : removed + 1])
    return stays
