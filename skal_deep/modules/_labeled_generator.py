"""A net that makes rows with a label, and its training against a discriminator."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from skal_deep.functional.variational import (
    adversarial_loss,
    discriminator_loss,
    negative_elbo,
)
from skal_deep.modules._training import Descent
from skal_deep.modules._vae import VAE, make_encoder


class LabeledGenerator(nn.Module):
    """Autoencoder whose decoder is told the class, at the scale of its rows.

    Parameters
    ----------
    shape : tuple of int
        Shape of a row.
    n_classes : int
        Number of classes.
    mean, std : Tensor
        Shift and scale of the rows, of the shape of a row or of one number.
    latent_dim : int
        Size of the codes.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        n_classes: int,
        mean: Tensor,
        std: Tensor,
        latent_dim: int,
    ):
        super().__init__()
        self.n_classes, self.latent_dim = n_classes, latent_dim
        self.vae = VAE(shape, latent_dim, latent_dim + n_classes)
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def scaled(self, x: Tensor) -> Tensor:
        """Return rows at mean 0 and variance 1."""
        return (x.to(self.mean) - self.mean) / self.std

    def at_scale(self, made: Tensor) -> Tensor:
        """Return what the decoder makes at the scale of the rows."""
        return made * self.std + self.mean

    def told(self, y: Tensor) -> Tensor:
        """Return classes (N,) as the decoder is told them, (N, C)."""
        return nn.functional.one_hot(y, self.n_classes).to(self.mean)

    def near(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Tensor:
        """Return rows from random codes of rows, of the same classes.

        Parameters
        ----------
        x : Tensor of shape (N, ...)
            Rows.
        y : Tensor of shape (N,)
            Their classes as positions.
        generator : torch.Generator
            Of the codes, on the CPU.
        """
        return self.at_scale(self.vae(self.scaled(x), generator, self.told(y))[0])

    def invented(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Return rows of some classes from codes that belong to no row.

        Parameters
        ----------
        y : Tensor of shape (N,)
            Classes as positions.
        generator : torch.Generator
            Of the codes, on the CPU.
        """
        return self.at_scale(self.decoded(y, generator))

    def decoded(self, y: Tensor, generator: torch.Generator) -> Tensor:
        """Return :meth:`invented` rows at mean 0 and variance 1."""
        noise = torch.randn(len(y), self.latent_dim, generator=generator)
        made: Tensor = self.vae.decoder(
            torch.cat([noise.to(self.mean), self.told(y)], 1)
        )
        return made


class GeneratorTraining:
    """Steps of a generator and of the discriminator that it is to deceive.

    Parameters
    ----------
    generator_net : LabeledGenerator
        The generator, in train mode.
    lr : float
        Learning rate of both (Adam).
    """

    def __init__(self, generator_net: LabeledGenerator, lr: float):
        self._net = generator_net
        shape = generator_net.vae.shape
        self.discriminator = make_encoder(shape, 1).to(generator_net.mean)
        self._down = [Descent(n, lr) for n in (generator_net, self.discriminator)]

    def step(
        self,
        x: Tensor,
        y: Tensor,
        class_loss: Callable[[Tensor], Tensor],
        generator: torch.Generator,
    ) -> None:
        """Make a step of the generator, then one of the discriminator.

        The generator's loss is that of an autoencoder, that its rows are taken for
        real, and that the classifier finds the class of invented rows.

        Parameters
        ----------
        x : Tensor of shape (N, ...)
            Labelled rows.
        y : Tensor of shape (N,)
            Their classes as positions.
        class_loss : callable
            Takes rows of these classes, at their scale; returns the classifier's loss.
        generator : torch.Generator
            Of the codes, on the CPU.
        """
        net, real = self._net, self._net.scaled(x)
        made, mu, logvar = net.vae(real, generator, net.told(y))
        invented = net.decoded(y, generator)
        loss = negative_elbo(real, made, mu, logvar)
        loss = loss + adversarial_loss(*map(self._logit, (made, invented)))
        loss = loss + class_loss(net.at_scale(invented))
        self._down[0].step(loss)
        ends = [self._logit(rows.detach()) for rows in (real, made, invented)]
        found = discriminator_loss(ends[0], torch.cat(ends[1:]))
        self._down[1].step(found)

    def _logit(self, rows: Tensor) -> Tensor:
        """Return the discriminator's logits of "real", (N,)."""
        logit_N: Tensor = self.discriminator(rows)[:, 0]
        return logit_N
