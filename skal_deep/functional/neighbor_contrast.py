"""Contrastive active learning: predictions unlike those of labelled neighbours."""

import torch
from torch import Tensor

from skal_deep.functional.neighbors import nearest_neighbors


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
    scores : Tensor of shape (N,)
        ``mean_j KL(p_j || p)`` in nats. A probability of 0 under a logarithm counts
        as the smallest positive number.

    References
    ----------
    K. Margatina, G. Vernikos, L. Barrault, N. Aletras. Active Learning by Acquiring
    Contrastive Examples. EMNLP, 2021.
    """
    k = min(n_neighbors, len(labeled_embeddings))
    _, neighbor_Nk = nearest_neighbors(embeddings, labeled_embeddings, k)
    tiny = torch.finfo(probas.dtype).tiny
    log_NC, log_MC = (p.clamp_min(tiny).log() for p in (probas, labeled_probas))
    # mean_j sum_c p_jc log p_jc - sum_c (mean_j p_jc) log p_c, neighbour by neighbour
    negentropy_M = (labeled_probas * log_MC).sum(-1)
    mean_NC = torch.zeros_like(probas)
    for neighbor_N in neighbor_Nk.T:
        mean_NC += labeled_probas[neighbor_N] / k
    scores = negentropy_M[neighbor_Nk].mean(-1) - (mean_NC * log_NC).sum(-1)
    return scores.clamp_min(0)  # rounding can go below
