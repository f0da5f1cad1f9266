"""The gradients of VAAL's two losses by hand, where its nets are chains."""

from typing import NamedTuple

import torch
from torch import Tensor

from skal_deep.functional.variational import logsigmoid_slopes, negative_elbo_slopes
from skal_deep.modules._discriminator import Discriminator
from skal_deep.modules._linear_chain import LinearChain, linear_chain
from skal_deep.modules._vae import VAE


class VAALSlopes(NamedTuple):
    """Gradients of VAAL's losses, operation by operation those of autograd."""

    encoder: LinearChain
    decoder: LinearChain
    discriminator: LinearChain
    beta: float
    adversary_weight: float
    loss_scaling: str

    @torch.no_grad()
    def of_vae(
        self, x: Tensor, task: Tensor | None, generator: torch.Generator
    ) -> list[Tensor]:
        """Return the gradients of the autoencoder's parameters.

        Parameters
        ----------
        x : Tensor of shape (N, ...)
            Labelled rows, and as many unlabelled ones.
        task : Tensor of shape (N,), optional
            Task information.
        generator : torch.Generator
            Of the noise in the codes.
        """
        x = x.flatten(1)
        encoded = self.encoder.run(x)
        mu, logvar = encoded.output.chunk(2, dim=1)
        noise = torch.randn(mu.shape, generator=generator).to(mu)
        deviation = (0.5 * logvar).exp_()
        code, told = torch.addcmul(mu, noise, deviation), mu
        if task is not None:
            code = torch.cat([code, task[:, None].sigmoid()], dim=1)
            told = torch.cat([mu, task[:, None].to(mu)], dim=1)
        decoded, looked = self.decoder.run(code), self.discriminator.run(told)

        fooled = logsigmoid_slopes(looked.output, -2 * self.adversary_weight / len(x))
        by_told = self.discriminator.by_input(
            self.discriminator.by_output(looked, fooled)
        )
        by_reconstruction, by_mu, by_logvar = negative_elbo_slopes(
            x, decoded.output, mu, logvar, self.beta, self.loss_scaling
        )
        # twice, as the loss is that of two pools
        of_decoder = self.decoder.by_output(decoded, by_reconstruction.mul_(2))
        by_code, n_codes = self.decoder.by_input(of_decoder), mu.shape[1]
        by_code, by_told = by_code[:, :n_codes], by_told[:, :n_codes]
        by_mu = by_told.add_(by_mu.mul_(2)).add_(by_code)
        by_logvar.mul_(2).add_(by_code.mul_(noise).mul_(deviation).mul_(0.5))
        of_encoder = self.encoder.by_output(
            encoded, torch.cat([by_mu, by_logvar], dim=1)
        )
        return [
            *self.encoder.by_parameters(encoded, of_encoder),
            *self.decoder.by_parameters(decoded, of_decoder),
        ]

    @torch.no_grad()
    def of_discriminator(self, x: Tensor, task: Tensor | None) -> list[Tensor]:
        """Return the gradients of the discriminator's parameters."""
        mu, _ = self.encoder.run(x.flatten(1)).output.chunk(2, dim=1)
        told = mu if task is None else torch.cat([mu, task[:, None].to(mu)], dim=1)
        looked = self.discriminator.run(told)
        n_labeled = len(x) // 2
        logit = looked.output.clone()
        logit[n_labeled:].neg_()
        slope = logsigmoid_slopes(logit, -1 / n_labeled)
        slope[n_labeled:].neg_()
        slopes = self.discriminator.by_output(looked, slope)
        return self.discriminator.by_parameters(looked, slopes)


def vaal_slopes(
    vae: VAE,
    discriminator: Discriminator,
    beta: float,
    adversary_weight: float,
    loss_scaling: str,
) -> VAALSlopes | None:
    """Return the gradients of VAAL's losses; ``None`` if a net is not a chain."""
    encoder, decoder = linear_chain(vae.encoder), linear_chain(vae.decoder)
    told = linear_chain(discriminator.layers)
    if encoder is None or decoder is None or told is None:
        return None
    return VAALSlopes(encoder, decoder, told, beta, adversary_weight, loss_scaling)
