"""What scikit-learn's Gaussian process regressor answers."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from sklearn.exceptions import NotFittedError
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    ConstantKernel,
    DotProduct,
    Matern,
    Product,
    RationalQuadratic,
    Sum,
    WhiteKernel,
)
from torch import Tensor

from skal_deep.exceptions import CapabilityError

Array = NDArray[np.float64]
Frequencies = Callable[[np.random.Generator, int, int], Array]

# Random features of each term of a kernel: covariances are off by 1 / sqrt of it.
_N_FEATURES = 2_000
# Rows whose covariances are computed at once.
_MOST_ROWS = 1_000


def answers_of_process(reg: GaussianProcessRegressor) -> dict[str, Any]:
    """Return draws, variances and covariances of a Gaussian process.

    A white kernel is noise, wherever it stands in the kernel, and so is ``alpha``: the
    function has neither.
    """
    return {
        "sample_predictions": partial(_draws, reg),
        "predict_variance": partial(_variances, reg),
        "joint_covariance": partial(_covariance, reg),
    }


def _as_array(X: Any) -> Array:
    return np.asarray(X, dtype=float)


def _prior(reg: Any, rows: Array, others: Array) -> Array:
    """Return prior covariances of the function; those of white kernels are none.

    Given two arrays, such a kernel takes all rows for different ones.
    """
    if not hasattr(reg, "X_train_"):  # scikit-learn's own would answer by the prior
        raise NotFittedError(
            f"This {type(reg).__name__} is not fitted yet. Call `fit`, or pass "
            "fit_reg=True."
        )
    return np.asarray(reg.kernel_(rows, others))


def _in_parts(X: Any) -> Iterator[Array]:
    rows = _as_array(X)
    for start in range(0, max(len(rows), 1), _MOST_ROWS):
        yield rows[start : start + _MOST_ROWS]


def _white(reg: Any, rows: Array) -> Array:
    """Return the variance of the white kernels at rows."""
    function = np.concatenate([_prior(reg, x, x).diagonal() for x in _in_parts(rows)])
    return np.maximum(reg.kernel_.diag(rows) - function, 0)


def _unit(reg: Any) -> Array:
    """Return the scales of the targets, (T,)."""
    n_targets = 1 if reg.alpha_.ndim == 1 else reg.alpha_.shape[1]
    scale_T: Array = np.ones(n_targets) * reg._y_train_std
    return scale_T


def _whitened(reg: Any, rows: Array) -> Array:
    """Return what the training rows say of rows, (n_train, N)."""
    prior = _prior(reg, reg.X_train_, rows)
    told: Array = solve_triangular(reg.L_, prior, lower=True)
    return told


def _covariance(reg: Any, X: Any, X_other: Any) -> Tensor:
    """Return covariances (N, M, T) of the function."""
    rows, others = _as_array(X), _as_array(X_other)
    told = _whitened(reg, rows).T @ _whitened(reg, others)
    unit = _prior(reg, rows, others) - told
    return torch.as_tensor(unit[..., None] * np.square(_unit(reg)))


def _variances(reg: Any, X: Any) -> Tensor:
    """Return epistemic variances and noise, of shape (2, N, T)."""
    function = np.concatenate(
        [
            _prior(reg, rows, rows).diagonal()
            - np.square(_whitened(reg, rows)).sum(axis=0)
            for rows in _in_parts(X)
        ]
    )
    noise = _white(reg, _as_array(X)) + np.mean(reg.alpha)
    unit = np.stack([np.maximum(function, 0), noise])
    return torch.as_tensor(unit[..., None] * np.square(_unit(reg)))


class _Term(NamedTuple):
    """A product of kernels, as random features need it."""

    variance: float
    stationary: tuple[Frequencies, ...]
    linear: tuple[DotProduct, ...]


def _terms(kernel: Any) -> list[_Term]:
    """Return the products whose sum a kernel is, without white ones."""
    if isinstance(kernel, Sum):
        return _terms(kernel.k1) + _terms(kernel.k2)
    if isinstance(kernel, Product):
        return [
            _Term(
                left.variance * right.variance,
                left.stationary + right.stationary,
                left.linear + right.linear,
            )
            for left in _terms(kernel.k1)
            for right in _terms(kernel.k2)
        ]
    if isinstance(kernel, WhiteKernel):
        return []
    if isinstance(kernel, ConstantKernel):
        return [_Term(kernel.constant_value, (), ())]
    if isinstance(kernel, DotProduct):
        return [_Term(1.0, (), (kernel,))]
    for kind, frequencies in _FREQUENCIES.items():
        if type(kernel) is kind:
            return [_Term(1.0, (partial(frequencies, kernel),), ())]
    raise CapabilityError(
        f"Draws of a Gaussian process need a kernel of sums and products of RBF, "
        f"Matern, RationalQuadratic, DotProduct, ConstantKernel and WhiteKernel, and "
        f"{type(kernel).__name__} is another. BALD and EPIG do without draws."
    )


def _of_rbf(kernel: Any, rng: np.random.Generator, n: int, d: int) -> Array:
    return rng.normal(size=(d, n)) / np.reshape(kernel.length_scale, (-1, 1))


def _of_matern(kernel: Any, rng: np.random.Generator, n: int, d: int) -> Array:
    """Return frequencies, which have a t distribution."""
    normal = _of_rbf(kernel, rng, n, d)
    if math.isinf(kernel.nu):
        return normal
    return normal * np.sqrt(2 * kernel.nu / rng.chisquare(2 * kernel.nu, size=n))


def _of_quadratic(kernel: Any, rng: np.random.Generator, n: int, d: int) -> Array:
    """Return frequencies: the kernel is a mixture of RBF by a Gamma distribution."""
    share = rng.gamma(kernel.alpha, size=n) / kernel.alpha
    return _of_rbf(kernel, rng, n, d) * np.sqrt(share)


_FREQUENCIES: dict[type, Callable[..., Array]] = {
    RBF: _of_rbf,
    Matern: _of_matern,
    RationalQuadratic: _of_quadratic,
}


def _features(kernel: Any, n_columns: int, seed: int) -> Callable[[Array], Array]:
    """Return a function to features whose products are about a kernel's values."""
    rng = np.random.default_rng(seed)
    parts: list[Callable[[Array], Array]] = []
    for term in _terms(kernel):
        if term.linear and (term.stationary or len(term.linear) > 1):
            raise CapabilityError(
                "Draws of a Gaussian process need a kernel in which DotProduct is not "
                "multiplied by another. BALD and EPIG do without draws."
            )
        parts.append(_features_of(term, n_columns, rng))
    return lambda rows: np.concatenate([part(rows) for part in parts], axis=1)


def _features_of(
    term: _Term, n_columns: int, rng: np.random.Generator
) -> Callable[[Array], Array]:
    root = math.sqrt(term.variance)
    if term.linear:
        bias = term.linear[0].sigma_0
        return lambda rows: root * np.pad(rows, ((0, 0), (0, 1)), constant_values=bias)
    if not term.stationary:
        return lambda rows: np.full((len(rows), 1), root)
    frequency = sum(
        (draw(rng, _N_FEATURES, n_columns) for draw in term.stationary),
        np.zeros((n_columns, _N_FEATURES)),
    )
    phase = rng.uniform(0, 2 * np.pi, _N_FEATURES)
    scale = root * math.sqrt(2 / _N_FEATURES)
    return lambda rows: scale * np.cos(rows @ frequency + phase)


def _draws(
    reg: Any, X: Any, n_samples: int | None = None, random_state: int = 0
) -> Tensor:
    """Return coupled draws (S, N, T) of the function.

    A draw from the prior, by random features, is moved by what the training rows say
    of it: Wilson et al., Efficiently Sampling Functions from Gaussian Process
    Posteriors, ICML, 2020. So rows in parts belong to the same draw.
    """
    rows = _as_array(X)
    _prior(reg, rows[:1], rows[:1])  # says so if nothing is fitted
    train = reg.X_train_
    features = _features(reg.kernel_, train.shape[1], random_state)
    rng = np.random.default_rng([random_state, 1])
    scale_T, known = _unit(reg), np.reshape(reg.y_train_, (len(train), -1))
    n_draws, n_targets = n_samples or 100, len(scale_T)
    weight = rng.normal(size=(features(train[:1]).shape[1], n_draws * n_targets))
    noise = np.sqrt(_white(reg, train) + reg.alpha)[:, None]
    seen = features(train) @ weight + noise * rng.normal(
        size=(len(train), n_draws * n_targets)
    )
    error = np.tile(known, (1, n_draws)) - seen
    correction = cho_solve((reg.L_, True), error)
    drawn = np.concatenate(
        [
            features(rows) @ weight + _prior(reg, rows, train) @ correction
            for rows in _in_parts(X)
        ]
    ).reshape(-1, n_draws, n_targets)
    return torch.as_tensor(drawn * scale_T + reg._y_train_mean).movedim(1, 0)
