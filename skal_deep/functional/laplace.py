"""Laplace's approximation of the posterior of a last linear layer."""

import math
from typing import NamedTuple

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

# The prior precision that maximises the evidence is looked for between these.
_PRECISIONS = (1e-6, 1e6)


class Curvature(NamedTuple):
    """Curvature of the loss at the weights of the last layer, in its own basis.

    Attributes
    ----------
    eigenvalues_CD : Tensor of shape (C, D)
        At least 0, in float64.
    basis : tuple of Tensor
        None: the axes are the weights. One, (CD, CD): columns are directions of the
        weights, class by class. Two, (C, C) and (D, D): directions are products.
    """

    eigenvalues_CD: Tensor
    basis: tuple[Tensor, ...]

    def scaled(self, precision: float) -> "Curvature":
        """Return the curvature in the unit in which the prior has the precision 1."""
        return self._replace(eigenvalues_CD=self.eigenvalues_CD / precision)


def ggn(
    features_ND: Tensor,
    proba_NC: Tensor,
    weight_N: Tensor,
    structure: str,
    gram: tuple[Tensor, Tensor] | None = None,
) -> Curvature:
    """Return the generalised Gauss-Newton matrix of the cross-entropy.

    ``H = sum_n w_n (diag(p_n) - p_n p_n') (x) f_n f_n'``, the exact Hessian in the
    weights of the last layer. "diag" is its diagonal; "kron" is the product ``B (x) A``
    of ``A = sum_n w_n f_n f_n'`` and the weighted mean B of ``diag(p_n) - p_n p_n'``,
    which is exact where all rows have the same probabilities.

    Parameters
    ----------
    features_ND : Tensor of shape (N, D)
        Inputs of the layer, with a column of ones for its bias.
    proba_NC : Tensor of shape (N, C)
        Probabilities at the trained weights.
    weight_N : Tensor of shape (N,)
        Weights of the rows.
    structure : {"full", "kron", "diag"}
        Time and memory: O((CD)^3) and (CD)^2; O(C^3 + D^3) and C^2 + D^2; CD.
    gram : tuple of Tensor, optional
        Eigenvalues (D,) and eigenvectors (D, D) of A, where they are known.

    Returns
    -------
    curvature : Curvature
        Of the sum over rows, without the prior.
    """
    features_ND, proba_NC = features_ND.double(), proba_NC.double()
    weight_N = weight_N.double()
    (n_rows, n_dims), n_classes = features_ND.shape, proba_NC.shape[1]
    if structure == "diag":
        variance_NC = weight_N[:, None] * proba_NC * (1 - proba_NC)
        return Curvature(variance_NC.T @ features_ND.square(), ())
    if structure == "kron":
        if gram is None:
            gram = _eigen(features_ND.T @ (weight_N[:, None] * features_ND))
        total = weight_N.sum() if n_rows else torch.ones(())
        share_NC = (weight_N / total)[:, None] * proba_NC
        B_CC = share_NC.sum(0).diag() - share_NC.T @ proba_NC
        (b_C, left_CC), (a_D, right_DD) = _eigen(B_CC), gram
        return Curvature(torch.outer(b_C, a_D), (left_CC, right_DD))
    if structure != "full":
        raise ValueError(f"structure must be full, kron or diag, not {structure!r}.")
    values, directions = _eigen(hessian(features_ND, proba_NC, weight_N))
    return Curvature(values.view(n_classes, n_dims), (directions,))


def hessian(features_ND: Tensor, proba_NC: Tensor, weight_N: Tensor) -> Tensor:
    """Return the Hessian (CD, CD) of the cross-entropy by the weights, in float64.

    Parameters
    ----------
    features_ND, proba_NC, weight_N : Tensor
        As of :func:`ggn`.
    """
    features_ND = features_ND.double()
    blocks = []
    curvature_NCC = _logit_curvature(proba_NC.double(), weight_N.double())
    for row_NC in curvature_NCC.unbind(1):  # a class at a time: N x C x D numbers
        per_row = (row_NC[:, :, None] * features_ND[:, None]).flatten(1)
        blocks.append(features_ND.T @ per_row)
    return torch.cat(blocks)


def _logit_curvature(proba_NC: Tensor, weight_N: Tensor) -> Tensor:
    """Return ``w_n (diag(p_n) - p_n p_n')`` of shape (N, C, C)."""
    outer = proba_NC[:, :, None] * proba_NC[:, None, :]
    return weight_N[:, None, None] * (torch.diag_embed(proba_NC) - outer)


def _eigen(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    """Return eigenvalues, round-off below 0 removed, and eigenvectors."""
    values, vectors = torch.linalg.eigh(symmetric)
    return values.clamp_min(0), vectors


def laplace_weights(
    weights_CD: Tensor, curvature: Curvature, prior_precision: float, noise_SCD: Tensor
) -> Tensor:
    """Return draws of the weights from ``N(weights, (H + prior_precision I)^-1)``.

    Noise is multiplied by the symmetric root ``Q (d + prior_precision)^-1/2 Q'`` of the
    covariance, for eigenvalues d and directions Q of H. Directions are arbitrary where
    eigenvalues are equal, and their signs always: this root depends on neither, and
    moves no more than H does.

    Parameters
    ----------
    weights_CD : Tensor of shape (C, D)
        Trained weights, the bias in the last column.
    curvature : Curvature
        From :func:`ggn`.
    prior_precision : float
        Inverse variance of the Gaussian prior around 0; above 0.
    noise_SCD : Tensor of shape (S, C, D)
        Standard normal noise.

    Returns
    -------
    draws : Tensor of shape (S, C, D)
        In float64.
    """
    eigenvalues_CD, basis = curvature
    drawn_SCD, root_CD = noise_SCD.double(), (eigenvalues_CD + prior_precision).rsqrt()
    if len(basis) == 1:
        turned_SP = drawn_SCD.flatten(1) @ basis[0] * root_CD.flatten()
        drawn_SCD = (turned_SP @ basis[0].T).view_as(drawn_SCD)
    elif len(basis) == 2:
        drawn_SCD = basis[0].T @ drawn_SCD @ basis[1] * root_CD
        drawn_SCD = basis[0] @ drawn_SCD @ basis[1].T
    else:
        drawn_SCD = drawn_SCD * root_CD
    return weights_CD.double() + drawn_SCD


def evidence_precision(weights_CD: Tensor, curvature: Curvature) -> float:
    """Return the prior precision that maximises the evidence of the data.

    With eigenvalues e of the curvature and P weights, up to a constant the logarithm
    of Laplace's evidence is ``(P log t - t ||weights||^2 - sum log(e + t)) / 2`` at the
    precision t.

    Parameters
    ----------
    weights_CD : Tensor of shape (C, D)
        Trained weights.
    curvature : Curvature
        From :func:`ggn`.

    Returns
    -------
    precision : float
        Between 1e-6 and 1e6.

    References
    ----------
    D. MacKay. Bayesian Interpolation. Neural Computation 4, 1992.
    """
    values = curvature.eigenvalues_CD
    norm = float(weights_CD.double().square().sum())

    def loss(log_t: float) -> float:
        t = math.exp(log_t)
        return float((values / t).log1p().sum()) + t * norm

    bounds = tuple(math.log(t) for t in _PRECISIONS)
    return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x)
