"""A change of rows that leaves their class: numbers are set to 0."""

from torch import Tensor
from torch.nn.functional import dropout


class MaskNoise:
    """Sets a random share of the numbers of rows to 0.

    It draws from torch's global generator, as changes of torchvision do; training and
    queries of this package seed it and put it back.

    Use it for vectors that are scaled to mean 0, where nothing better is known.

    Parameters
    ----------
    share : float, default=0.2
        Share of the numbers.

    See Also
    --------
    skal_deep.classifier.FixMatchClassifier : Trains on changed rows.
    skal_deep.pool.ConsistencySampling : Queries rows that changes upset.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules import MaskNoise
    >>> changed = MaskNoise(0.5)(torch.ones(100, 10))
    >>> sorted(set(changed.flatten().tolist()))
    [0.0, 1.0]
    """

    def __init__(self, share: float = 0.2):
        self.share = share

    def __call__(self, x: Tensor) -> Tensor:
        """Return changed rows; the given ones stay as they are."""
        if not x.is_floating_point():
            raise TypeError(
                f"MaskNoise changes floating-point numbers, not {x.dtype}. Give a "
                "callable of your own for such rows."
            )
        masked: Tensor = x * (dropout(x.new_ones(x.shape), self.share) > 0)
        return masked
