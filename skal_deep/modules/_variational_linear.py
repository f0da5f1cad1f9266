"""A last linear layer whose weights are Gaussian, and its loss in closed form."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, softplus

from skal_deep.functional import log_softmax_bound
from skal_deep.modules._gaussian_weights import spread_weights


class VariationalLinear(nn.Linear):
    """Linear layer with independent Gaussian weights.

    In eval mode it is the layer of the means. In training the variances of the logits
    stand beside their means: columns C ... 2 C - 1 of the output.

    Parameters
    ----------
    layer : nn.Linear
        Its weights are the means, its bias stays one.
    initial_scale : float
        Standard deviation of the weights, times the square root of their number.
    """

    weight_spread: nn.Parameter

    def __init__(self, layer: nn.Linear, initial_scale: float):
        super().__init__(
            layer.in_features,
            layer.out_features,
            layer.bias is not None,
            device=layer.weight.device,
            dtype=layer.weight.dtype,
        )
        self.load_state_dict(layer.state_dict())
        spread_weights(self, initial_scale)

    def forward(self, input: Tensor) -> Tensor:
        """Return logits (N, C); in training means and variances (N, 2 C)."""
        mean = super().forward(input)
        if not self.training:
            return mean
        variance = linear(input.square(), softplus(self.weight_spread).square())
        return torch.cat([mean, variance], -1)


class VariationalLoss(nn.Module):
    """Bound of the negative log-likelihood for Gaussian logits.

    In eval mode it is the cross-entropy of the means.

    Parameters
    ----------
    reduction : {"mean", "none"}, default="mean"
        As in torch's losses.
    """

    def __init__(self, reduction: str = "mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, output: Tensor, y_N: Tensor) -> Tensor:
        """Return the loss, or the losses of the rows."""
        if not self.training:
            return cross_entropy(output, y_N, reduction=self.reduction)
        mean_NC, variance_NC = output.chunk(2, -1)
        loss_N = -log_softmax_bound(mean_NC, variance_NC, y_N)
        return loss_N if self.reduction == "none" else loss_N.mean()
