"""A variational autoencoder for vectors and for images."""

import math

import torch
from torch import Tensor, nn


def make_encoder(shape: tuple[int, ...], n_outputs: int) -> nn.Sequential:
    """Return an encoder of vectors or images (c, h, w) into so many numbers."""
    if len(shape) == 3:
        channels, height, width = shape
        quarter = math.ceil(height / 4) * math.ceil(width / 4)
        return nn.Sequential(
            nn.Conv2d(channels, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * quarter, n_outputs),
        )
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(shape), 128),
        nn.ReLU(),
        nn.Linear(128, 64),
        nn.ReLU(),
        nn.Linear(64, n_outputs),
    )


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
    n_decoded : int, default=None
        Number of inputs of the decoder: the first numbers of the code with those that
        :meth:`forward` is given to append; ``None`` is the code.

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

    def __init__(
        self,
        shape: tuple[int, ...],
        latent_dim: int = 32,
        n_decoded: int | None = None,
    ):
        super().__init__()
        self.shape = shape
        self.n_decoded = latent_dim if n_decoded is None else n_decoded
        self.encoder = make_encoder(shape, 2 * latent_dim)
        if len(shape) == 3:
            channels, height, width = shape
            half, quarter = (
                (math.ceil(height / s), math.ceil(width / s)) for s in (2, 4)
            )
            n_flat = 64 * quarter[0] * quarter[1]
            self.decoder: nn.Module = nn.Sequential(
                nn.Linear(self.n_decoded, n_flat),
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
            self.decoder = nn.Sequential(
                nn.Linear(self.n_decoded, 64),
                nn.ReLU(),
                nn.Linear(64, 128),
                nn.ReLU(),
                nn.Linear(128, n_features),
                nn.Unflatten(1, shape),
            )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and log-variances of the codes, each of shape (N, L).

        Parameters
        ----------
        x : Tensor of shape (N, ...)
            Rows.

        Returns
        -------
        tuple of Tensor
            Means and log-variances.
        """
        mu, logvar = self.encoder(x).chunk(2, dim=1)
        return mu, logvar

    def forward(
        self,
        x: Tensor,
        generator: torch.Generator,
        appended: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return a reconstruction from a random code, and the code's mu and logvar.

        The noise is drawn on the CPU, so that a seed means the same on any device.
        The decoder is given the code with what is appended to it, (N, K).

        Parameters
        ----------
        x : Tensor of shape (N, ...)
            Rows.
        generator : torch.Generator
            Of the noise, on the CPU.
        appended : Tensor of shape (N, K), default=None
            What the decoder is given beside the code.

        Returns
        -------
        tuple of Tensor
            The reconstruction, and mu and logvar of shape (N, L).
        """
        mu, logvar = self.encode(x)
        noise = torch.randn(mu.shape, generator=generator).to(mu)
        code = torch.addcmul(mu, noise, (0.5 * logvar).exp())
        if appended is not None:
            code = torch.cat([code, appended], dim=1)
        if self.n_decoded < code.shape[1]:
            code = code[:, : self.n_decoded]
        return self.decoder(code), mu, logvar
