"""A small net that predicts the loss of a row from hidden features."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class LossHead(nn.Module):
    """Net that predicts the loss of rows from the hidden features of another net.

    Each layer's features go through a linear layer and a ReLU; side by side they go
    through a last linear layer.

    Use it for the training of a loss predictor of your own;
    :class:`~skal_deep.classifier.LossPredictionClassifier` trains it.

    Parameters
    ----------
    sizes : sequence of int
        Number of features of each layer.
    n_hidden : int, default=128
        Units for each layer, as in the paper.

    See Also
    --------
    skal_deep.classifier.LossPredictionClassifier : Trains it beside a net.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules._loss_head import LossHead
    >>> LossHead([4, 2])([torch.zeros(5, 4), torch.zeros(5, 2)]).shape
    torch.Size([5])
    """

    def __init__(self, sizes: Sequence[int], n_hidden: int = 128):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(size, n_hidden) for size in sizes)
        self.last = nn.Linear(n_hidden * len(sizes), 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return predicted losses of shape (N,), of any scale."""
        hidden = [
            layer(part_ND.to(self.last.weight)).relu()
            for layer, part_ND in zip(self.layers, features, strict=True)
        ]
        predicted: Tensor = self.last(torch.cat(hidden, dim=1))[:, 0]
        return predicted
