"""A multilayer perceptron."""

from torch import Tensor, nn


class MLP(nn.Module):
    """Multilayer perceptron with dropout after each hidden layer.

    Inputs of any shape are flattened. Returns logits.

    Use it for vectors, as the module of a first net.

    Parameters
    ----------
    n_features : int or None, default=None
        Number of inputs; ``None`` takes it from the first batch.
    n_classes : int, default=2
        Number of outputs.
    n_hidden : int, default=128
        Units of each hidden layer.
    n_layers : int, default=2
        Number of hidden layers.
    dropout : float, default=0.5
        Share of hidden units that are dropped.

    See Also
    --------
    ConvNet : A module for images.
    skal_deep.classifier.MCDropoutClassifier : Makes a posterior of the dropout.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules import MLP
    >>> MLP(n_features=4, n_classes=3)(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self,
        n_features: int | None = None,
        n_classes: int = 2,
        n_hidden: int = 128,
        n_layers: int = 2,
        dropout: float = 0.5,
    ):
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        size = n_features
        for _ in range(n_layers):
            linear = (
                nn.LazyLinear(n_hidden) if size is None else nn.Linear(size, n_hidden)
            )
            layers += [linear, nn.ReLU(), nn.Dropout(dropout)]
            size = n_hidden
        head = nn.LazyLinear(n_classes) if size is None else nn.Linear(size, n_classes)
        self.layers = nn.Sequential(*layers, head)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits of shape (N, C).

        Parameters
        ----------
        x : Tensor of shape (N, ...)
            Rows.

        Returns
        -------
        Tensor of shape (N, C)
            Logits.
        """
        logits: Tensor = self.layers(x)
        return logits
