"""The criterion of nets that predict a mean and a variance."""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

# Variances are at least that, of standardised targets.
_LEAST_VARIANCE = 1e-4


def mean_and_variance(output_NO: Tensor) -> tuple[Tensor, Tensor]:
    """Return means and variances (N, T) of what a module returns, (N, 2T).

    The first half of the columns are the means; the variances are the softplus of the
    others, which overflows nowhere, as an exponential would.

    Parameters
    ----------
    output_NO : Tensor of shape (N, 2T)
        What the module returns.
    """
    mean_NT, raw_NT = output_NO.chunk(2, dim=1)
    return mean_NT, softplus(raw_NT) + _LEAST_VARIANCE


class GaussianLoss(nn.Module):
    """Negative log-likelihood of Gaussians, each row times its own variance.

    ``v (log v + (y - m)^2 / v) / 2``, where the factor v is a constant to the gradient.
    Without it rows that are fitted badly get a large variance, and then hardly a
    gradient; with it the mean learns as by the squared error.

    Parameters
    ----------
    reduction : {"mean", "none"}, default="mean"
        As in torch's losses.

    See Also
    --------
    mean_and_variance : How the output of the module is read.
    skal_deep.classifier.DeepEnsembleRegressor : Trains nets with this loss.

    References
    ----------
    M. Seitzer, A. Tavakoli, D. Antic, G. Martius. On the Pitfalls of Heteroscedastic
    Uncertainty Estimation with Probabilistic Neural Networks. ICLR, 2022. The factor
    is theirs for beta = 1.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules._gaussian_loss import GaussianLoss
    >>> output, target = torch.zeros(5, 2), torch.ones(5, 2)
    >>> GaussianLoss(reduction="none")(output, target).shape
    torch.Size([5])
    """

    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, output_NO: Tensor, target_NO: Tensor) -> Tensor:
        """Return the loss, or the losses of rows; targets are the first half."""
        mean_NT, variance_NT = mean_and_variance(output_NO)
        error_NT = target_NO.chunk(2, dim=1)[0] - mean_NT
        loss_NT = variance_NT.log() + error_NT.square() / variance_NT
        loss_N = (variance_NT.detach() * loss_NT).sum(1) / 2
        return loss_N if self.reduction == "none" else torch.mean(loss_N)
