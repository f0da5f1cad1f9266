"""A discriminator of labelled and unlabelled codes."""

import itertools

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
        Units of each hidden layer.
    n_layers : int, default=2
        Number of hidden layers.

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

    def __init__(self, n_features: int, n_hidden: int = 512, n_layers: int = 2):
        super().__init__()
        sizes = [n_features, *[n_hidden] * n_layers]
        layers: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(n_hidden, 1))

    def forward(self, code: Tensor) -> Tensor:
        """Return the logit of "labelled" for each code, of shape (N,).

        Parameters
        ----------
        code : Tensor of shape (N, L)
            Codes.

        Returns
        -------
        Tensor of shape (N,)
            Logits.
        """
        logits: Tensor = self.layers(code).squeeze(1)
        return logits
