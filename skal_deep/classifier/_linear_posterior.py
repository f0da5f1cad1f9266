"""Answers of a linear softmax classifier with a Gaussian posterior of its weights."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, pad

from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.classifier._posterior import mean_of_draws
from skal_deep.classifier.net._output import as_float
from skal_deep.exceptions import CapabilityError
from skal_deep.functional._chunks import chunks
from skal_deep.functional.features import last_layer_features
from skal_deep.functional.gaussian_regression import LinearRegression
from skal_deep.functional.gradient_length import last_layer_gradient_lengths
from skal_deep.functional.laplace import Curvature, laplace_weights
from skal_deep.modules._rng import draw_generator
from skal_deep.rows._as_data import as_data
from skal_deep.rows._data import native
from skal_deep.rows._numbers import numbers

# A posterior of that many weights has them all in its covariance: the eigenvalues of a
# larger one take minutes.
_N_JOINT_WEIGHTS = 2_000


def posterior_structure(n_classes: int, n_features: int) -> str:
    """Return the structure of the curvature, see :func:`ggn`, that takes seconds."""
    return "full" if n_classes * n_features <= _N_JOINT_WEIGHTS else "kron"


def flat_rows(X: Any) -> Tensor:
    """Return rows as vectors of floating-point numbers, of half precision in float32.

    The memory is that of X where it can be. Products with weights may be too large for
    half precision.
    """
    who = "A strategy that measures the rows themselves"
    array = np.ascontiguousarray(native(numbers(as_data(X), who=who)))
    # torch shares no memory that must not be written to
    rows_ND = torch.as_tensor(array if array.flags.writeable else array.copy())
    rows_ND = as_float(rows_ND.flatten(1))
    return rows_ND if rows_ND.is_floating_point() else rows_ND.double()


class LinearPosterior:
    """A Gaussian on the weights of ``softmax(W [x, 1])``, around its maximum.

    Parameters
    ----------
    weights_RD : Tensor of shape (R, D)
        Weights of the largest posterior density, the bias in the last column.
    curvature : Curvature
        Curvature of the loss by the weights of scaled features ``f_d / scale_d``.
    scale_D : Tensor of shape (D,)
        Roots of the prior precisions of the columns; infinite where a column is fixed.
    n_classes : int
        Number of classes C: as many as rows of weights, or one more if the first class
        has the logit 0.
    """

    def __init__(
        self, weights_RD: Tensor, curvature: Curvature, scale_D: Tensor, n_classes: int
    ):
        self._n_zeros = n_classes - len(weights_RD)
        self.weights_RD = weights_RD
        self._curvature = curvature
        self._scale_D = scale_D
        self._latest: tuple[Any, Tensor] = (None, weights_RD)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_latest": (None, self.weights_RD)}

    def weights(self, n_samples: int, seed: int) -> Tensor:
        """Return draws (S, R, D) of the weights, in float64; each has a seed."""
        asked, (answered, draws_SRD) = (n_samples, seed), self._latest
        if asked != answered:  # a pool asks for the same draws chunk by chunk
            noise = [
                torch.randn(self.weights_RD.shape, generator=draw_generator(seed, draw))
                for draw in range(n_samples)
            ]
            zeros_RD = torch.zeros_like(self.weights_RD)
            change_SRD = laplace_weights(
                zeros_RD, self._curvature, 1.0, torch.stack(noise)
            )
            draws_SRD = self.weights_RD + change_SRD / self._scale_D
            self._latest = asked, draws_SRD
        return draws_SRD

    def sample_proba(self, rows_ND: Tensor, n_samples: int, seed: int) -> Tensor:
        """Return coupled draws of the class probabilities, of shape (S, N, C)."""
        n_classes = self.weights_RD.shape[0] + self._n_zeros
        proba_SNC = rows_ND.new_empty(n_samples, len(rows_ND), n_classes)

        def keep(part: slice, proba_SnC: Tensor) -> None:
            proba_SNC[:, part] = proba_SnC

        self._draw_by_parts(rows_ND, n_samples, seed, keep)
        return proba_SNC

    def mean_proba(self, rows_ND: Tensor, n_samples: int, seed: int) -> Tensor:
        """Return the mean (N, C) of the draws, which never exist all at once."""
        n_classes = self.weights_RD.shape[0] + self._n_zeros
        proba_NC = rows_ND.new_empty(len(rows_ND), n_classes)

        def keep(part: slice, proba_SnC: Tensor) -> None:
            proba_NC[part] = mean_of_draws(proba_SnC)

        self._draw_by_parts(rows_ND, n_samples, seed, keep)
        return proba_NC

    def _draw_by_parts(
        self,
        rows_ND: Tensor,
        n_samples: int,
        seed: int,
        keep: Callable[[slice, Tensor], None],
    ) -> None:
        """Make the draws (S, n, C) of some rows at a time; threads share the rows."""
        weights_SRD = self.weights(n_samples, seed).to(rows_ND)
        n_draws, n_logits, _ = weights_SRD.shape
        # one product for all draws: one each takes a third longer
        weight_DM = weights_SRD[..., :-1].flatten(0, 1).T.contiguous()
        bias_M = weights_SRD[..., -1].flatten()
        n_numbers = n_draws * (n_logits + self._n_zeros)

        def work_on(part: slice) -> None:
            logit_NM = torch.addmm(bias_M, rows_ND[part], weight_DM)
            logit_NSR = logit_NM.unflatten(1, (n_draws, n_logits))
            if self._n_zeros:
                logit_NSR = pad(logit_NSR, (self._n_zeros, 0))
            keep(part, logit_NSR.softmax(-1).transpose(0, 1))

        with threads_over_parts(rows_ND.device):
            parts = chunks(len(rows_ND), n_numbers, rows_ND.device)
            for_each_part(parts, lambda: work_on, rows_ND.device)


Head = Callable[[Any], tuple[Tensor, Tensor]]


def linear_answers(inputs: Callable[[Any], Tensor], head: Head) -> dict[str, Any]:
    """Return what a linear classifier answers beside probabilities and draws.

    Parameters
    ----------
    inputs : callable
        Returns rows as the classifier sees them, a tensor (N, D).
    head : callable
        Takes rows; returns weights (C, D) and biases (C,) of the logits.
    """
    return {
        "embed": inputs,
        "linear_head": head,
        "jacobian": partial(_jacobian, inputs, head),
        "weight_gradients": partial(_weight_gradients, inputs, head),
        "differentiable_logits": partial(_differentiable_logits, inputs, head),
        "gradient_lengths": partial(_gradient_lengths, inputs, head),
    }


def _proba(inputs: Callable[[Any], Tensor], head: Head, X: Any) -> tuple[Tensor, ...]:
    rows_ND = inputs(X)
    weight_CD, bias_C = (part.to(rows_ND) for part in head(X))
    return rows_ND, linear(rows_ND, weight_CD, bias_C).softmax(-1)


def _jacobian(
    inputs: Callable[[Any], Tensor],
    head: Head,
    X: Any,
    n_features: int,
    seed: int,  # noqa: ARG001, nothing is drawn
) -> Tensor:
    """Return the weights, which are the derivative of the logits at every row.

    Where that is too long, their length: all inner products are its square.
    """
    rows_ND, weight_CD = inputs(X), head(X)[0]
    slope_P = weight_CD.flatten()
    if len(slope_P) > n_features:
        slope_P = torch.linalg.vector_norm(slope_P)[None]
    return slope_P.float().repeat(len(rows_ND), 1)


def _weight_gradients(
    inputs: Callable[[Any], Tensor], head: Head, X: Any, n_features: int, seed: int
) -> Tensor:
    rows_ND, proba_NC = _proba(inputs, head, X)
    sketch = torch.Generator().manual_seed(seed)
    return last_layer_features(proba_NC, rows_ND, n_features, sketch)


def _differentiable_logits(
    inputs: Callable[[Any], Tensor], head: Head, X: Any
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    rows_ND = inputs(X)
    weight_CD, bias_C = (part.to(rows_ND) for part in head(X))
    return rows_ND, lambda x: linear(x, weight_CD, bias_C)


def _gradient_lengths(
    inputs: Callable[[Any], Tensor], head: Head, X: Any, words: bool = False
) -> Tensor:
    if words:
        raise CapabilityError(
            "The gradient of words needs a net with an nn.Embedding layer; a linear "
            "classifier has none. Use EGL(weights='last') or EGL(weights='all')."
        )
    rows_ND, proba_NC = _proba(inputs, head, X)
    return last_layer_gradient_lengths(proba_NC, rows_ND)[:, None]


def linear_regression_draws(
    posterior: LinearRegression, n_samples: int, seed: int
) -> Tensor:
    """Return draws (S, T, D) of the weights of a linear regression, in float64."""
    noise = [
        torch.randn(posterior.weights_TD.shape, generator=draw_generator(seed, draw))
        for draw in range(n_samples)
    ]
    change_STD = torch.stack(noise).double() @ posterior.root_DD
    return posterior.weights_TD + change_STD * posterior.noise_T.sqrt()[:, None]
