"""Learning which rows have the larger loss."""

import torch
from torch import Tensor


def ranking_loss(predicted: Tensor, losses: Tensor, margin: float = 1.0) -> Tensor:
    """Return how badly predicted losses rank pairs of rows.

    Row i is compared with row N - 1 - i, so that each row is in one pair; of an odd
    number of rows the middle one is in none. A pair costs
    ``max(0, margin - s (predicted_i - predicted_j))``, with s = 1 where the loss of i
    is the larger one and s = -1 elsewhere: nothing as soon as the prediction is in the
    right order by the margin. The scale of the losses does not matter.

    Parameters
    ----------
    predicted : Tensor of shape (N,)
        Predicted losses, of any scale.
    losses : Tensor of shape (N,)
        Losses; they get no gradient.
    margin : float, default=1.0
        By how much predictions of a pair should differ.

    Returns
    -------
    Tensor of shape ()
        Mean over the pairs, at least 0; 0 where there is no pair.

    See Also
    --------
    skal_deep.classifier.LossPredictionClassifier : Trains with it.

    References
    ----------
    D. Yoo, I. S. Kweon. Learning Loss for Active Learning. CVPR, 2019, eq. 2.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import ranking_loss
    >>> losses = torch.tensor([0.1, 2.0])
    >>> ranking_loss(torch.tensor([0.0, 3.0]), losses)
    tensor(0.)
    >>> ranking_loss(torch.tensor([3.0, 0.0]), losses)
    tensor(4.)
    """
    n_pairs = len(predicted) // 2
    if not n_pairs:
        return predicted.sum() * 0
    first, second = slice(n_pairs), slice(len(predicted) - n_pairs, None)
    gap = predicted[first] - predicted[second].flip(0)
    larger = losses.detach()[first] > losses.detach()[second].flip(0)
    sign = torch.where(larger, 1.0, -1.0)
    return (margin - sign * gap).clamp_min(0).mean()
