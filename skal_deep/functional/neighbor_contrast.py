"""Contrastive active learning: predictions unlike those of labelled neighbours."""

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_counts, check_finite
from skal_deep.functional._chunks import chunks
from skal_deep.functional.neighbors import nearest_neighbors


@plain_torch()
def contrast(
    probas: Tensor,
    embeddings: Tensor,
    labeled_probas: Tensor,
    labeled_embeddings: Tensor,
    n_neighbors: int = 10,
) -> Tensor:
    """Return how much predictions differ from those of the nearest labelled rows.

    Parameters
    ----------
    probas : Tensor of shape (N, C)
        Class probabilities p of the candidates.
    embeddings : Tensor of shape (N, D)
        Their embeddings.
    labeled_probas : Tensor of shape (M, C)
        Class probabilities of the labelled rows.
    labeled_embeddings : Tensor of shape (M, D)
        Their embeddings.
    n_neighbors : int, default=10
        Number of nearest labelled rows j, at most M; the paper's 10.

    Returns
    -------
    Tensor of shape (N,)
        ``mean_j KL(p_j || p)`` in nats. A probability of 0 under a logarithm counts
        as the smallest positive number.

    See Also
    --------
    skal_deep.pool.ContrastiveAL : The strategy.

    References
    ----------
    K. Margatina, G. Vernikos, L. Barrault, N. Aletras. Active Learning by Acquiring
    Contrastive Examples. EMNLP, 2021.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import contrast
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> embeddings = torch.tensor([[0.0], [1.0]])
    >>> contrast(probas, embeddings, probas[:1], embeddings[:1], n_neighbors=1)
    tensor([0.0000, 0.2263])
    """
    check_counts(n_neighbors=n_neighbors)
    check_finite(probas=probas, labeled_probas=labeled_probas)
    k = min(n_neighbors, len(labeled_embeddings))
    _, neighbor_Nk = nearest_neighbors(embeddings, labeled_embeddings, k)
    tiny = torch.finfo(probas.dtype).tiny
    proba_MC, log_MC = _certain_sums(labeled_probas, tiny)
    negentropy_M = (proba_MC * log_MC).sum(-1)
    scores = probas.new_empty(len(probas))
    for part in chunks(len(probas), probas.shape[-1], probas.device):
        neighbor_Bk = neighbor_Nk[part]
        _, log_BC = _certain_sums(probas[part], tiny)
        # sum_c p_jc log p_jc - sum_c p_jc log p_c, in the mean, neighbour by neighbour
        mean_BC = torch.zeros_like(log_BC)
        for neighbor_B in neighbor_Bk.T:
            mean_BC += proba_MC[neighbor_B] / k
        divergence_B = negentropy_M[neighbor_Bk].mean(-1) - (mean_BC * log_BC).sum(-1)
        scores[part] = divergence_B.clamp_min_(0)  # rounding can go below
    return scores


def _certain_sums(proba_NC: Tensor, tiny: float) -> tuple[Tensor, Tensor]:
    """Return probabilities, and their logarithms, that sum to one in float64.

    A divergence of almost equal predictions is a small difference of two sums: what
    rounding leaves the sum of a row at in float32 would count as much as what differs.
    """
    proba_NC = proba_NC.double()
    proba_NC = proba_NC / proba_NC.sum(-1, keepdim=True)
    return proba_NC, proba_NC.clamp_min(tiny).log()
