"""A linear layer that drops weights."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F


class DropConnectLinear(nn.Linear):
    """Linear layer that drops single weights, not whole units [1]_.

    In training each mini-batch has one mask; the paper draws one for each row. In eval
    mode nothing is dropped, and as dropout of :class:`MCDropoutClassifier`, the mask of
    a draw is shared by all rows.

    Use it in place of ``nn.Linear`` and dropout in a module for
    :class:`MCDropoutClassifier`.

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

    See Also
    --------
    skal_deep.classifier.MCDropoutClassifier : Samples the dropped weights.
    MLP : A module with dropout of units.

    References
    ----------
    .. [1] L. Wan, M. Zeiler, S. Zhang, Y. LeCun, R. Fergus. Regularization of Neural
       Networks using DropConnect. ICML, 2013.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules import DropConnectLinear
    >>> DropConnectLinear(4, 3, p=0.2)(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
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
        """Return the output of shape (..., out_features).

        Parameters
        ----------
        input : Tensor of shape (..., in_features)
            Rows.

        Returns
        -------
        Tensor of shape (..., out_features)
            The output.
        """
        # a leading axis in the place of rows: masks of dropout layers are alike on it
        weight = self.drop(self.weight[None])[0]
        return F.linear(input, weight, self.bias)
