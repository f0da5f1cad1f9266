"""A small convolutional net."""

from torch import Tensor, nn


class ConvNet(nn.Module):
    """Small convolutional net with dropout, of the size and shape of LeNet.

    Two convolutions and one hidden layer, for images of 8 x 8 pixels and more. Returns
    logits.

    Use it for small images, as the module of a first net.

    Parameters
    ----------
    n_channels : int, default=1
        Channels of the images.
    n_classes : int, default=10
        Number of outputs.
    n_hidden : int, default=128
        Units of the hidden layer.
    dropout : float, default=0.5
        Share of units that are dropped: whole channels after the second convolution
        at half this rate, units of the hidden layer at this rate.

    See Also
    --------
    MLP : A module for vectors.
    skal_deep.embedding.ImageEmbedder : Features of a pretrained net, for larger images.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules import ConvNet
    >>> ConvNet(n_channels=1, n_classes=10)(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        n_channels: int = 1,
        n_classes: int = 10,
        n_hidden: int = 128,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(n_channels, 16, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout2d(dropout / 2),
            nn.Flatten(),
            nn.LazyLinear(n_hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(n_hidden, n_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of shape (N, C).

        Parameters
        ----------
        x : Tensor of shape (N, channels, height, width)
            Images.

        Returns
        -------
        Tensor of shape (N, C)
            Logits.
        """
        logits: Tensor = self.layers(x)
        return logits
