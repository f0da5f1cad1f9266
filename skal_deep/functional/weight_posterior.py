"""Gaussians over weights: divergence from a prior, and a bound of the likelihood."""

import torch
from torch import Tensor


def gaussian_divergence(mean: Tensor, scale: Tensor, prior_scale: float) -> Tensor:
    """Return ``KL(N(mean, diag scale^2) || N(0, prior_scale^2 I))`` in nats.

    ``sum log(t / s) + (s^2 + m^2) / (2 t^2) - 1 / 2`` over weights, for means m, scales
    s and the prior's scale t.

    Parameters
    ----------
    mean, scale : Tensor of any shape
        Means and standard deviations of the weights; scales are above 0.
    prior_scale : float
        Standard deviation of the prior; above 0.

    Returns
    -------
    Tensor of shape ()
        At least 0; 0 where all weights have the prior for their distribution.

    See Also
    --------
    skal_deep.classifier.BayesByBackpropClassifier : Trains with it.

    References
    ----------
    C. Blundell, J. Cornebise, K. Kavukcuoglu, D. Wierstra. Weight Uncertainty in Neural
    Networks. ICML, 2015.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import gaussian_divergence
    >>> gaussian_divergence(torch.zeros(3), torch.ones(3), 1.0)
    tensor(0.)
    >>> gaussian_divergence(torch.ones(1), torch.ones(1), 1.0)
    tensor(0.5000)
    """
    share, shift = scale / prior_scale, mean / prior_scale
    return (0.5 * (share.square() + shift.square() - 1) - share.log()).sum()


def log_softmax_bound(mean_NC: Tensor, variance_NC: Tensor, y_N: Tensor) -> Tensor:
    """Return a lower bound of the mean log-likelihood of labels for Gaussian logits.

    ``E log softmax(z)_y >= m_y - logsumexp(m + v / 2)`` for independent logits z with
    means m and variances v, by Jensen's inequality.

    Parameters
    ----------
    mean_NC, variance_NC : Tensor of shape (N, C)
        Means and variances of the logits.
    y_N : Tensor of shape (N,)
        Labels as positions.

    Returns
    -------
    Tensor of shape (N,)
        In nats; the log-likelihood itself where variances are 0.

    See Also
    --------
    skal_deep.classifier.VariationalLastLayerClassifier : Trains with it.

    References
    ----------
    J. Harrison, J. Willes, J. Snoek. Variational Bayesian Last Layers. ICLR, 2024.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import log_softmax_bound
    >>> mean_NC = torch.tensor([[2.0, 0.0]])
    >>> log_softmax_bound(mean_NC, torch.zeros(1, 2), torch.tensor([0]))
    tensor([-0.1269])
    """
    fit_N = mean_NC.gather(-1, y_N[:, None]).squeeze(-1)
    return fit_N - torch.logsumexp(mean_NC + variance_NC / 2, -1)
