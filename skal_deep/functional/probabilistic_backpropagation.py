"""Probabilistic backpropagation: Gaussian weights of a net, label by label."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from skal_deep.functional._checks import check_finite

# Shape of the Gamma distributions of precisions, as the authors start them.
_SHAPE = 6.0
# Variances of weights stay above the first bound, those of cavities below the second.
_LEAST_VARIANCE, _MOST_VARIANCE = 1e-100, 1e6


class Layer(NamedTuple):
    """Means and variances of the weights of a layer, the bias in the last column."""

    mean_HD: Tensor
    variance_HD: Tensor


@dataclass(frozen=True)
class Gamma:
    """A Gamma distribution of a precision, of mean ``shape / rate``."""

    shape: float = _SHAPE
    rate: float = _SHAPE

    @property
    def variance(self) -> float:
        """The variance that it stands for: that of Student's t, by its moments."""
        return self.rate / (self.shape - 1)

    def given(self, log_z: tuple[float, float, float]) -> "Gamma":
        """Return what matches the first two moments after a factor.

        Parameters
        ----------
        log_z : tuple of float
            Log evidence of the factor for the shapes a - 1, a and a + 1.
        """
        z0, z1, z2 = log_z
        shape, rate = self.shape, self.rate
        new_shape = 1 / (math.exp(z2 - 2 * z1 + z0) * (shape + 1) / shape - 1)
        new_rate = 1 / (
            math.exp(z2 - z1) * (shape + 1) / rate - math.exp(z1 - z0) * shape / rate
        )
        return Gamma(new_shape, new_rate)

    def log_evidences(
        self, error: float, variance: float
    ) -> tuple[float, float, float]:
        """Return log densities of an error of such variance for three shapes."""
        totals = (
            variance + self.rate / (self.shape + step) for step in (-1.0, 0.0, 1.0)
        )
        found = [-(math.log(2 * math.pi * v) + error**2 / v) / 2 for v in totals]
        return found[0], found[1], found[2]


def relu_moments(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and variance of ``max(0, a)`` of a Gaussian a.

    With ``z = m / sqrt(v)``, the density f and the distribution function F of a
    standard normal variable they are ``m F(z) + sqrt(v) f(z)``, and ``(m^2 + v) F(z) +
    m sqrt(v) f(z)`` less the square of the first.

    Parameters
    ----------
    mean, variance : Tensor of the same shape
        Moments of a.
    """
    std = variance.sqrt()
    z = mean / std
    density = (-z.square() / 2).exp() / math.sqrt(2 * math.pi)
    below = torch.special.ndtr(z)
    first = mean * below + std * density
    second = (mean.square() + variance) * below + mean * std * density
    return first, (second - first.square()).clamp_min(0)


def predictive_moments(layers: list[Layer], rows_ND: Tensor) -> tuple[Tensor, Tensor]:
    """Return means and epistemic variances of the output, (N,) each.

    For one hidden layer both are exact: given a row its units are independent.

    Parameters
    ----------
    layers : list of Layer
        From the inputs to the output, which has one unit; ReLU between.
    rows_ND : Tensor of shape (N, D)
        Inputs, in float64.
    """
    mean, variance = rows_ND, torch.zeros_like(rows_ND)
    for number, (mean_HD, variance_HD) in enumerate(layers):
        if number:
            mean, variance = relu_moments(mean, variance)
        mean, variance = _with_bias(mean, 1.0), _with_bias(variance, 0.0)
        scale = math.sqrt(mean.shape[1])
        square = mean.square()
        variance = (
            variance @ (mean_HD.square() + variance_HD).T + square @ variance_HD.T
        )
        mean, variance = mean @ mean_HD.T / scale, variance / scale**2
    return mean[:, 0], variance[:, 0]


def function_draws(layers: list[Layer], rows_ND: Tensor, noise: list[Tensor]) -> Tensor:
    """Return the outputs (N,) of the net with one draw of the weights.

    Parameters
    ----------
    layers : list of Layer
        Distributions of the weights.
    rows_ND : Tensor of shape (N, D)
        Inputs, in float64.
    noise : list of Tensor
        Standard normal noise of the shape of each layer.
    """
    units = rows_ND
    for number, (layer, noise_HD) in enumerate(zip(layers, noise, strict=True)):
        units = units.clamp_min(0) if number else units
        units = _with_bias(units, 1.0)
        weight_HD = layer.mean_HD + layer.variance_HD.sqrt() * noise_HD
        units = units @ weight_HD.T / math.sqrt(units.shape[1])
    return units[:, 0]


def _with_bias(units: Tensor, value: float) -> Tensor:
    return torch.cat([units, units.new_full((len(units), 1), value)], dim=1)


class ProbabilisticNet:
    """A net whose weights are Gaussian, learned label by label.

    Each label updates the moments of all weights by the gradients of its evidence
    (assumed density filtering); after each pass the prior of each weight, whose
    precision is unknown, is brought up to date (expectation propagation) [1]_.

    Parameters
    ----------
    sizes : list of int
        Units of the layers, inputs first, the output, one, last.
    generator : torch.Generator
        Source of the means of the weights at the start, and of the order of labels.

    References
    ----------
    .. [1] J. M. Hernandez-Lobato, R. Adams. Probabilistic Backpropagation for Scalable
       Learning of Bayesian Neural Networks. ICML, 2015.
    """

    def __init__(self, sizes: list[int], generator: torch.Generator):
        self._generator = generator
        self.noise, self._precision = Gamma(), Gamma()
        start = self._precision.variance
        self.layers = []
        for n_in, n_out in pairwise(sizes):
            shape = (n_out, n_in + 1)
            mean_HD = torch.randn(shape, generator=generator, dtype=torch.float64)
            self.layers.append(
                Layer(mean_HD / math.sqrt(n_in + 1), torch.full_like(mean_HD, start))
            )
        # the factor of each weight's prior: natural parameters, and those of the Gamma
        self._factors = [
            torch.stack(
                [torch.zeros_like(v), 1 / v, torch.zeros_like(v), torch.zeros_like(v)]
            )
            for _, v in self.layers
        ]

    def learn(self, rows_ND: Tensor, y_N: Tensor, n_epochs: int) -> None:
        """Learn labels.

        Parameters
        ----------
        rows_ND : Tensor of shape (N, D)
            Inputs, in float64.
        y_N : Tensor of shape (N,)
            Targets, of variance 1 or so.
        n_epochs : int
            How often to go through them.
        """
        check_finite(rows=rows_ND, y=y_N)
        for _ in range(n_epochs if len(y_N) else 0):
            for at in torch.randperm(len(y_N), generator=self._generator).tolist():
                self._learn_one(rows_ND[at : at + 1], float(y_N[at]))
            self._refine_prior()

    def forget_factors(self) -> None:
        """Forget what only further learning needs, four numbers a weight."""
        del self._factors, self._generator

    def _learn_one(self, row: Tensor, y: float) -> None:
        """Update all weights, and the noise, by one label."""
        layers = [
            Layer(*(part.clone().requires_grad_() for part in layer))
            for layer in self.layers
        ]
        with torch.enable_grad():
            mean, variance = predictive_moments(layers, row)
            total = variance + self.noise.variance
            log_z = (-(total.log() + (y - mean).square() / total) / 2).sum()
            slopes = torch.autograd.grad(log_z, [p for layer in layers for p in layer])
        self.layers = [
            _updated(layer, by_mean, by_variance)
            for layer, by_mean, by_variance in zip(
                self.layers, slopes[::2], slopes[1::2], strict=True
            )
        ]
        error, spread = y - float(mean.detach()), float(variance.detach())
        noise = self.noise.given(self.noise.log_evidences(error, spread))
        if noise.shape > 1 and 0 < noise.rate < math.inf:
            self.noise = noise

    def _refine_prior(self) -> None:
        """Bring the prior of each weight up to date, one after another."""
        for number, layer in enumerate(self.layers):
            factor = self._factors[number]
            mean, variance = (part.flatten().tolist() for part in layer)
            factors = factor.flatten(1).T.tolist()
            for weight, known in enumerate(factors):
                new = self._refined(mean[weight], variance[weight], known)
                if new is not None:
                    mean[weight], variance[weight], factors[weight] = new
            shape = layer.mean_HD.shape
            self.layers[number] = Layer(
                torch.tensor(mean, dtype=torch.float64).reshape(shape),
                torch.tensor(variance, dtype=torch.float64).reshape(shape),
            )
            self._factors[number] = torch.tensor(
                factors, dtype=torch.float64
            ).T.reshape(factor.shape)

    def _refined(
        self, mean: float, variance: float, known: list[float]
    ) -> tuple[float, float, list[float]] | None:
        """Return a weight's moments and its factor, if these are proper."""
        precision = 1 / variance - known[1]
        cavity = Gamma(
            self._precision.shape - known[2], self._precision.rate - known[3]
        )
        if not precision > 1 / _MOST_VARIANCE or cavity.rate <= 0 or cavity.shape <= 1:
            return None
        v = 1 / precision
        m = v * (mean / variance - known[0])
        total = v + cavity.variance
        by_mean, by_variance = -m / total, (m**2 / total - 1) / total / 2
        new_mean = m + v * by_mean
        new_variance = v - v**2 * (by_mean**2 - 2 * by_variance)
        try:
            gamma = cavity.given(cavity.log_evidences(m, v))
        except (OverflowError, ZeroDivisionError):  # moments that no floats hold
            return None
        if new_variance <= _LEAST_VARIANCE or not (gamma.shape > 1 and gamma.rate > 0):
            return None
        self._precision = replace(gamma)
        factor = [
            new_mean / new_variance - m / v,
            1 / new_variance - 1 / v,
            gamma.shape - cavity.shape,
            gamma.rate - cavity.rate,
        ]
        return new_mean, new_variance, factor


def _updated(layer: Layer, by_mean: Tensor, by_variance: Tensor) -> Layer:
    """Return moments of weights after a factor whose log evidence has these slopes."""
    mean, variance = layer
    new_mean = mean + variance * by_mean
    new = variance - variance.square() * (by_mean.square() - 2 * by_variance)
    is_proper = (new > _LEAST_VARIANCE) & new.isfinite() & new_mean.isfinite()
    return Layer(
        torch.where(is_proper, new_mean, mean), torch.where(is_proper, new, variance)
    )
