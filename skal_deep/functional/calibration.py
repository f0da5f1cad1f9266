"""How far predicted probabilities are from shares that come true."""

import torch
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_counts, check_finite

# More of them than predictions are as exact as there is one for each.
_MOST_BINS = 10**6


@plain_torch()
def expected_calibration_error(
    confidence: Tensor, is_right: Tensor, n_bins: int = 15
) -> Tensor:
    """Return the mean gap between confidence and accuracy.

    Predictions are put into bins of equal width by their confidence; the gaps of the
    bins are averaged with their shares of the predictions [1]_.

    Parameters
    ----------
    confidence : Tensor of shape (N,)
        Probability of the predicted class, between 0 and 1.
    is_right : Tensor of shape (N,)
        Whether the predicted class is the true one.
    n_bins : int, default=15
        Number of bins; 15 as in the paper.

    Returns
    -------
    Tensor of shape ()
        ``sum_b |B_b| / N * |mean(is_right) - mean(confidence)|`` over bins b, between
        0 and 1.

    See Also
    --------
    fit_temperature : Makes predictions less sure of themselves, or more.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. On Calibration of Modern
       Neural Networks. ICML, 2017.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import expected_calibration_error
    >>> confidence = torch.tensor([0.9, 0.9, 0.6])
    >>> is_right = torch.tensor([True, False, True])
    >>> expected_calibration_error(confidence, is_right)
    tensor(0.4000)
    """
    check_counts(most=_MOST_BINS, n_bins=n_bins)
    check_finite(confidence=confidence)
    gap = is_right.to(confidence) - confidence
    bins = (confidence * n_bins).ceil().long().clamp(1, n_bins) - 1  # (low, high]
    sums = torch.zeros(n_bins, dtype=confidence.dtype, device=confidence.device)
    return sums.index_add(0, bins, gap).abs().sum() / len(confidence)
