"""A linear layer that drops weights."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F


class DropConnectLinear(nn.Linear):
    """Linear layer that drops single weights, not whole units [1]_.

    In training each mini-batch has one mask; the paper draws one for each row. In eval
    mode nothing is dropped, and as dropout of :class:`MCDropoutClassifier`, the mask of
    a draw is shared by all rows.

    Parameters
    ----------
    in_features : int
        Size of the input.
    out_features : int
        Size of the output.
    p : float, default=0.5
        Share of weights that are dropped; those that are left grow by ``1 / (1 - p)``.
    bias : bool, default=True
        Whether there is a bias; it is never dropped.
    **factory : dict
        ``device`` and ``dtype`` of the weights.

    References
    ----------
    .. [1] L. Wan, M. Zeiler, S. Zhang, Y. LeCun, R. Fergus. Regularization of Neural
       Networks using DropConnect. ICML, 2013.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        p: float = 0.5,
        bias: bool = True,
        **factory: Any,
    ):
        super().__init__(in_features, out_features, bias, **factory)
        self.drop = nn.Dropout(p)

    def forward(self, input: Tensor) -> Tensor:
        """Return the output of shape (..., out_features)."""
        # a leading axis in the place of rows: masks of dropout layers are alike on it
        weight = self.drop(self.weight[None])[0]
        return F.linear(input, weight, self.bias)
