"""Losses of evidential classification: the Dirichlet distribution of a row."""

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from skal_deep._devices import computable


def evidential_loss(evidence_NC: Tensor, y_N: Tensor, kind: str) -> Tensor:
    """Return the loss of each row, without the divergence.

    With evidence e, the probabilities of a row have the distribution Dirichlet(alpha),
    alpha = e + 1, with the sum S and the mean p = alpha / S.

    Parameters
    ----------
    evidence_NC : Tensor of shape (N, C)
        Evidence for each class, at least 0.
    y_N : Tensor of shape (N,)
        Classes.
    kind : {"log", "digamma", "mse"}
        "log" is the negative log marginal likelihood ``log S - log alpha_y`` (equation
        3 in the paper); "digamma" the expected cross-entropy ``psi(S) - psi(alpha_y)``
        (equation 4); "mse" the expected squared error ``sum (y - p)^2 + p (1 - p) /
        (S + 1)`` (equation 5).

    Returns
    -------
    losses : Tensor of shape (N,)
        In nats; "mse" in squared probability.

    References
    ----------
    M. Sensoy, L. Kaplan, M. Kandemir. Evidential Deep Learning to Quantify
    Classification Uncertainty. NeurIPS, 2018.
    """
    alpha_NC = evidence_NC + 1
    sum_N = alpha_NC.sum(-1)
    if kind == "mse":
        p_NC = alpha_NC / sum_N[:, None]
        target_NC = one_hot(y_N, alpha_NC.shape[-1]).to(p_NC)
        variance_NC = p_NC * (1 - p_NC) / (sum_N[:, None] + 1)
        return ((target_NC - p_NC).square() + variance_NC).sum(-1)
    functions = {"log": torch.log, "digamma": torch.digamma}
    if kind not in functions:
        raise ValueError(f"kind must be 'log', 'digamma' or 'mse', not {kind!r}.")
    alpha_N = alpha_NC.gather(-1, y_N[:, None])[:, 0]
    return functions[kind](sum_N) - functions[kind](alpha_N)


def misleading_evidence(evidence_NC: Tensor, y_N: Tensor) -> Tensor:
    """Return ``KL(Dirichlet(e~ + 1) || Dirichlet(1))`` for the evidence e~ but for y.

    The evidence of the true class is removed first, so that only evidence for other
    classes costs something.

    Parameters
    ----------
    evidence_NC : Tensor of shape (N, C)
        Evidence for each class, at least 0.
    y_N : Tensor of shape (N,)
        Classes.

    Returns
    -------
    divergences : Tensor of shape (N,)
        In nats, at least 0.
    """
    target_NC = one_hot(y_N, evidence_NC.shape[-1]).to(evidence_NC)
    return kl_to_uniform(1 + (1 - target_NC) * evidence_NC)


def kl_to_uniform(alpha_NC: Tensor) -> Tensor:
    """Return ``KL(Dirichlet(alpha) || Dirichlet(1))`` in nats, of shape (N,).

    Parameters
    ----------
    alpha_NC : Tensor of shape (N, C)
        Concentrations, above 0.

    Notes
    -----
    Terms as large as ``alpha log alpha`` cancel: they are computed in float64, which
    holds a thousandth of a nat for concentrations up to 1e11.
    """
    given, alpha_NC = alpha_NC[..., 0], computable(alpha_NC).double()
    sum_N = alpha_NC.sum(-1)
    n_classes = torch.full_like(sum_N, alpha_NC.shape[-1])
    spread_NC = (alpha_NC - 1) * (alpha_NC.digamma() - sum_N.digamma()[..., None])
    constant_N = sum_N.lgamma() - n_classes.lgamma() - alpha_NC.lgamma().sum(-1)
    return (constant_N + spread_NC.sum(-1)).clamp_min(0).to(given)
