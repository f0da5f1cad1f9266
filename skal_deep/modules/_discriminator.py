"""A discriminator of labelled and unlabelled codes."""

from torch import Tensor, nn


class Discriminator(nn.Module):
    """Net that tells from a code whether its row is labelled.

    Use it with a :class:`VAE`, for strategies that prefer rows unlike the labelled
    ones.

    Parameters
    ----------
    n_features : int
        Size of the code.
    n_hidden : int, default=512
        Units of each of the two hidden layers.

    See Also
    --------
    VAE : Makes the codes.
    train_vaal : Trains both against each other.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules import Discriminator
    >>> Discriminator(n_features=2)(torch.zeros(5, 2)).shape
    torch.Size([5])
    """

    def __init__(self, n_features: int, n_hidden: int = 512):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, 1),
        )

    def forward(self, code: Tensor) -> Tensor:
        """Return the logit of "labelled" for each code, of shape (N,)."""
        logits: Tensor = self.layers(code)[:, 0]
        return logits
