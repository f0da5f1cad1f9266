"""A variational autoencoder for vectors and for images."""

import math

import torch
from torch import Tensor, nn


class VAE(nn.Module):
    """Variational autoencoder.

    Vectors go through layers of 128 and 64 units; images, of any size, through two
    convolutions with stride 2. The decoder mirrors the encoder.

    Use it to learn codes of rows without labels, as the strategy VAAL does.

    Parameters
    ----------
    shape : tuple of int
        Shape of a row: (d,) or (c, h, w). Rows of other shapes are flattened.
    latent_dim : int, default=32
        Size of the code.

    See Also
    --------
    Discriminator : Tells labelled from unlabelled codes.
    train_vaal : Trains both against each other.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules import VAE
    >>> mean, log_variance = VAE((4,), latent_dim=2).encode(torch.zeros(5, 4))
    >>> mean.shape
    torch.Size([5, 2])
    """

    def __init__(self, shape: tuple[int, ...], latent_dim: int = 32):
        super().__init__()
        self.shape = shape
        if len(shape) == 3:
            channels, height, width = shape
            half, quarter = (
                (math.ceil(height / s), math.ceil(width / s)) for s in (2, 4)
            )
            n_flat = 64 * quarter[0] * quarter[1]
            self.encoder: nn.Module = nn.Sequential(
                nn.Conv2d(channels, 32, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(32, 64, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(n_flat, 2 * latent_dim),
            )
            self.decoder: nn.Module = nn.Sequential(
                nn.Linear(latent_dim, n_flat),
                nn.ReLU(),
                nn.Unflatten(1, (64, *quarter)),
                nn.Upsample(half),
                nn.Conv2d(64, 32, 3, padding=1),
                nn.ReLU(),
                nn.Upsample((height, width)),
                nn.Conv2d(32, channels, 3, padding=1),
            )
        else:
            n_features = math.prod(shape)
            self.encoder = nn.Sequential(
                nn.Flatten(),
                nn.Linear(n_features, 128),
                nn.ReLU(),
                nn.Linear(128, 64),
                nn.ReLU(),
                nn.Linear(64, 2 * latent_dim),
            )
            self.decoder = nn.Sequential(
                nn.Linear(latent_dim, 64),
                nn.ReLU(),
                nn.Linear(64, 128),
                nn.ReLU(),
                nn.Linear(128, n_features),
                nn.Unflatten(1, shape),
            )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log-variances of the codes, each of shape (N, L)."""
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def forward(
        self, x: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return a reconstruction from a random code, and the code's mu and logvar.

        The noise is drawn on the CPU, so that a seed means the same on any device.
        """
        mu, logvar = self.encode(x)
        noise = torch.randn(mu.shape, generator=generator).to(mu)
        code = mu + noise * (0.5 * logvar).exp()
        return self.decoder(code), mu, logvar
