"""Multinomial logistic regression with a Gaussian prior, and its evidence."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor
from torch.nn.functional import one_hot

from skal_deep._threads import one_blas_thread
from skal_deep.functional.laplace import Curvature, ggn, hessian

# L-BFGS stops at this part of the gradient in scaled coordinates, where a gradient of 1
# is a step of about a posterior standard deviation if probabilities are even. When it
# stops hangs on the last digits of the rows, and so would draws: Newton's method goes
# on from there to what does not.
_NEAR = 1e-3
_N_STEPS = 1_000
# Each step takes about three digits; with labels that are separated and a weak prior,
# whose curvature changes on the way, some more are needed.
_NEWTON_ERROR = 1e-3
_N_NEWTON_STEPS = 20
# Posterior standard deviations that the last step may have: what remains is less.
_DISTANCE = 1e-8


class SoftmaxRegression:
    """The posterior of the weights W of ``softmax(W f)`` for one set of labelled rows.

    ``log p(W | y) = sum_n w_n log softmax(W f_n)[y_n] - t |W|^2 / 2`` up to a constant,
    with the prior precision t, is concave and has one maximum. It is found in float64;
    with features in float32 the products of the search are in float32, which take half
    the time: enough for weights that need not be exact.

    Parameters
    ----------
    features_ND : Tensor of shape (N, D)
        Features f, with a column of ones for a bias.
    y_N : Tensor of shape (N,)
        Classes as positions.
    weight_N : Tensor of shape (N,)
        Weights of the rows.
    n_classes : int
        Number of classes C, those without a label among them.
    """

    def __init__(
        self, features_ND: Tensor, y_N: Tensor, weight_N: Tensor, n_classes: int
    ):
        self._features_ND = features_ND
        self._target_NC = one_hot(y_N.long(), n_classes).to(features_ND)
        self._weight_N = weight_N.to(features_ND)
        weighted_ND = self._weight_N[:, None] * self._features_ND
        values_D, basis_DD = torch.linalg.eigh(self._features_ND.T @ weighted_ND)
        self._gram = values_D.clamp_min(0), basis_DD
        # Of D directions the rows span N at most; the others have no gradient.
        n_spanned = min(self._features_ND.shape)
        self._spanned = slice(len(values_D) - n_spanned, None)
        self._turned_NR = self._features_ND @ basis_DD[:, self._spanned]

    @one_blas_thread()
    def weights(
        self,
        precision: float,
        start_CD: Tensor | None = None,
        is_exact: bool = True,
    ) -> Tensor:
        """Return the weights (C, D) of the largest posterior density.

        Parameters
        ----------
        precision : float
            Inverse variance of the prior of each weight; above 0.
        start_CD : Tensor of shape (C, D), optional
            Where the search begins; ``None`` is 0.
        is_exact : bool, default=True
            Whether the weights are exact but for round-off. If not, they are some
            thousandths of a posterior standard deviation away, and take half the time.
        """
        values_D, basis_DD = self._gram
        n_classes = self._target_NC.shape[1]
        # The curvature where all classes are equally probable. The most that it can be,
        # half a unit square (Böhning, 1992), is far above it with many classes, and
        # made the search take twice as many steps with a hundred.
        curvature_R = values_D[self._spanned] / n_classes
        scale_R = (curvature_R + precision).rsqrt()
        to_weights_RD = scale_R[:, None] * basis_DD[:, self._spanned].T
        rows_NR = self._turned_NR * scale_R
        start_CR = scale_R.new_zeros(n_classes, len(scale_R))
        if start_CD is not None:
            start_CR = start_CD @ basis_DD[:, self._spanned] / scale_R

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            v_CR = torch.from_numpy(flat).view_as(start_CR).to(start_CR)
            logp_NC = (rows_NR @ v_CR.T).log_softmax(-1)
            error_NC = self._weight_N[:, None] * (logp_NC.exp() - self._target_NC)
            penalty_CR = precision * scale_R.square() * v_CR
            gradient_CR = error_NC.T @ rows_NR + penalty_CR
            penalty = (v_CR * penalty_CR).sum(dtype=torch.float64) / 2
            value = penalty - self._log_likelihood(logp_NC)
            return float(value), gradient_CR.double().numpy().ravel()

        def curve(flat: np.ndarray) -> LinearOperator:
            """Return the Hessian at a point, as a product with directions."""
            v_CR = torch.from_numpy(flat).view_as(start_CR)
            proba_NC = (rows_NR @ v_CR.T).softmax(-1)

            def times(flat: np.ndarray) -> np.ndarray:
                d_CR = torch.from_numpy(flat).view_as(start_CR)
                logit_NC = rows_NR @ d_CR.T
                mean_N1 = (proba_NC * logit_NC).sum(-1, keepdim=True)
                change_NC = self._weight_N[:, None] * proba_NC * (logit_NC - mean_N1)
                penalty_CR = precision * scale_R.square() * d_CR
                curved_CR: Tensor = change_NC.T @ rows_NR + penalty_CR
                return curved_CR.numpy().ravel()

            return LinearOperator((flat.size, flat.size), times, dtype=float)

        found = minimize(
            loss,
            start_CR.double().numpy().ravel(),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _N_STEPS, "gtol": _NEAR, "ftol": 0},
        ).x
        if is_exact:
            found = _newton(lambda flat: loss(flat)[1], curve, found)
        found_CR = torch.from_numpy(found).view_as(start_CR).to(start_CR)
        weights_CD: Tensor = found_CR @ to_weights_RD
        return weights_CD

    def curvature(self, weights_CD: Tensor, structure: str) -> Curvature:
        """Return the curvature of the negative log-likelihood, see :func:`ggn`."""
        return ggn(
            self._features_ND,
            (self._features_ND @ weights_CD.T).softmax(-1),
            self._weight_N,
            structure,
            self._gram,
        )

    def log_evidence(
        self, weights_CD: Tensor, precision: float, structure: str
    ) -> float:
        """Return Laplace's approximation of the log probability of the labels, in nats.

        ``log p(y | W) - t |W|^2 / 2 - log det(H / t + I) / 2`` at the weights W of the
        largest posterior density, with the curvature H there and the precision t.

        References
        ----------
        D. MacKay. The Evidence Framework Applied to Classification Networks. Neural
        Computation 4, 1992.
        """
        logp_NC = (self._features_ND @ weights_CD.T).log_softmax(-1)
        penalty = precision * weights_CD.square().sum()
        if structure == "full":  # a Cholesky factor is quicker than eigenvalues
            proba_NC = logp_NC.exp()
            hessian_PP = hessian(self._features_ND, proba_NC, self._weight_N)
            unit_PP = torch.eye(len(hessian_PP), dtype=torch.float64)
            root = torch.linalg.cholesky(hessian_PP / precision + unit_PP)
            log_det = 2 * root.diagonal().log().sum()
        else:
            values_CD = self.curvature(weights_CD, structure).eigenvalues_CD
            log_det = (values_CD / precision).log1p().sum()
        return float(self._log_likelihood(logp_NC) - (penalty + log_det) / 2)

    def predictive(
        self,
        weights_CD: Tensor,
        precision: float,
        features_MD: Tensor,
        noise_SMC: Tensor,
    ) -> Tensor:
        """Return probabilities (M, C) of other rows, the mean over the posterior.

        The curvature is of the structure "kron". What counts of a row is the law of its
        logits, a Gaussian: the noise of each is multiplied by the symmetric root of
        their covariance, which depends on no basis.

        Parameters
        ----------
        weights_CD : Tensor of shape (C, D)
            Weights of the largest posterior density.
        precision : float
            Inverse variance of the prior.
        features_MD : Tensor of shape (M, D)
            Features of the other rows.
        noise_SMC : Tensor of shape (S, M, C)
            Standard normal noise.
        """
        values_CD, (left_CC, right_DD) = self.curvature(weights_CD, "kron")
        values_CD, left_CC = values_CD.to(features_MD), left_CC.to(features_MD)
        square_MD = (features_MD @ right_DD.to(features_MD)).square()
        variance_MC = square_MD @ (values_CD + precision).reciprocal().T
        turned_SMC = noise_SMC.to(features_MD) @ left_CC * variance_MC.sqrt()
        logit_SMC = features_MD @ weights_CD.T + turned_SMC @ left_CC.T
        return logit_SMC.softmax(-1).mean(0)

    def _log_likelihood(self, logp_NC: Tensor) -> Tensor:
        of_label_N = (self._target_NC * logp_NC).sum(-1)
        return (self._weight_N * of_label_N).sum(dtype=torch.float64)


def _newton(
    gradient_at: Callable[[np.ndarray], np.ndarray],
    curve: Callable[[np.ndarray], LinearOperator],
    found: np.ndarray,
) -> np.ndarray:
    """Return the minimum of a convex function, from near by."""
    slope = gradient_at(found)
    for _ in range(_N_NEWTON_STEPS):
        step, _ = cg(curve(found), slope, rtol=_NEWTON_ERROR)
        next_slope = gradient_at(found - step)
        if not np.linalg.norm(next_slope) < np.linalg.norm(slope):
            break  # too far away, or at the last digit
        # the step's length in the metric of the curvature
        is_short = step @ slope <= _DISTANCE**2
        found, slope = found - step, next_slope
        if is_short:
            break
    return found


def prior_precisions(features_ND: Tensor) -> list[float]:
    """Return prior precisions to try, from strong to weak, at the scale of features.

    A logit has the prior variance ``|f|^2 / t``. At the mean of ``|f|^2`` its standard
    deviation goes from 0.3, where all classes are about equally probable, to 30.
    """
    square = _mean_square(features_ND)
    return [square / deviation**2 for deviation in np.geomspace(0.3, 30, 9)]


def default_precision(features_ND: Tensor) -> float:
    """Return the prior precision for which logits have the standard deviation 5."""
    return _mean_square(features_ND) / 25


def _mean_square(features_ND: Tensor) -> float:
    if not len(features_ND):
        return 1.0
    return float(features_ND.double().square().sum(-1).mean())
