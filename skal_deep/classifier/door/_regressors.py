"""What regressors answer: draws of the function, and variances."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.ensemble import BaggingRegressor, VotingRegressor
from sklearn.ensemble._forest import ForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import ARDRegression, BayesianRidge
from sklearn.multioutput import MultiOutputRegressor
from torch import Tensor

from skal_deep.classifier._linear_posterior import flat_rows
from skal_deep.classifier.door._foreign import with_names
from skal_deep.classifier.door._gaussian_process import answers_of_process
from skal_deep.classifier.door._inside import is_linear_regressor
from skal_deep.exceptions import CapabilityError
from skal_deep.modules import isolated_rng
from skal_deep.modules._rng import draw_generator
from skal_deep.rows._lent import lent

Answers = dict[str, Callable[..., Any]]

# Draws where nobody has said how many. Covariances of few draws are noise: two rows
# that are unrelated correlate by 1 / sqrt(S) or so.
DEFAULT_N_DRAWS = 100


def posterior_of_regressor(reg: Any) -> Answers:
    """Return the draws and variances of a regressor, if it has any.

    Those of its own methods come first; scikit-learn's committees and Bayesian linear
    regressions get them here.
    """
    answers: Answers = {}
    if is_linear_regressor(reg):
        answers["embed"] = flat_rows
    if isinstance(reg, ForestRegressor | BaggingRegressor | VotingRegressor):
        answers["sample_predictions"] = partial(_member_predictions, reg)
    if isinstance(reg, ForestRegressor):
        answers["predict_variance"] = partial(_forest_variance, reg)
    if isinstance(reg, BayesianRidge | ARDRegression):
        answers["sample_predictions"] = partial(_linear_draws, reg)
        answers["predict_variance"] = partial(_linear_variance, reg)
        answers["joint_covariance"] = partial(_linear_covariance, reg)
    if isinstance(reg, GaussianProcessRegressor):
        answers |= answers_of_process(reg)
    if isinstance(reg, MultiOutputRegressor):
        answers |= _answers_side_by_side(reg)
    for name, own in _OWN.items():
        if callable(getattr(reg, name, None)):
            answers[name] = partial(own, reg)
    return answers


def _answers_side_by_side(reg: MultiOutputRegressor) -> Answers:
    """Return answers with an output for each member, where all members have them."""

    def ask(name: str, *args: Any, **params: Any) -> Tensor:
        told = [posterior_of_regressor(each)[name] for each in reg.estimators_]
        return torch.cat([tell(*args, **params) for tell in told], dim=-1)

    kinds = posterior_of_regressor(reg.estimator)
    asked = ("sample_predictions", "predict_variance", "joint_covariance")
    answers: Answers = {name: partial(ask, name) for name in asked if name in kinds}
    return {"embed": flat_rows, **answers} if "embed" in kinds else answers


def _checked(reg: Any, name: str, values: Any, n_rows: int) -> Tensor:
    """Return draws (S, N, T), or the two variances (2, N, T), as a tensor."""
    values = torch.as_tensor(_numbers(values))
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim != 3 or values.shape[1] != n_rows:
        wanted = "two arrays" if name == "predict_variance" else "draws, each"
        raise ValueError(
            f"{type(reg).__name__}.{name} must return {wanted} of {n_rows} rows; it "
            f"returned an array of shape {tuple(values.shape)}."
        )
    if not torch.isfinite(values).all():
        raise ValueError(f"{type(reg).__name__}.{name} returned NaN or infinity.")
    return values


def _numbers(values: Any) -> NDArray[np.float64]:
    """Return an answer, which may lie on a card, in float64."""
    if isinstance(values, Tensor):
        return values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=float)


def _own_draws(
    reg: Any, X: Any, n_samples: int | None = None, random_state: int = 0
) -> Tensor:
    with isolated_rng():
        draws = reg.sample_predictions(
            with_names(reg, lent(X)),
            n_samples=n_samples or DEFAULT_N_DRAWS,
            random_state=random_state,
        )
    return _checked(reg, "sample_predictions", draws, np.shape(X)[0])


def _own_variance(reg: Any, X: Any) -> Tensor:
    with isolated_rng():
        epistemic, noise = reg.predict_variance(with_names(reg, lent(X)))
    told = [_numbers(epistemic), _numbers(noise)]
    both = _checked(reg, "predict_variance", told, np.shape(X)[0])
    if (both[0] < 0).any() or (both[1] <= 0).any():
        raise ValueError(
            f"{type(reg).__name__}.predict_variance must return epistemic variances "
            "of at least 0, and a noise above 0."
        )
    return both


def _own_covariance(reg: Any, X: Any, X_other: Any) -> Tensor:
    with isolated_rng():
        found = reg.joint_covariance(
            with_names(reg, lent(X)), with_names(reg, lent(X_other))
        )
    found = torch.as_tensor(_numbers(found))
    found = found[None] if found.ndim == 2 else found
    wanted = (np.shape(X)[0], np.shape(X_other)[0])
    if found.ndim != 3 or tuple(found.shape[1:]) != wanted:
        raise ValueError(
            f"{type(reg).__name__}.joint_covariance must return an array of shape "
            f"{wanted}, or one for each target; it returned {tuple(found.shape)}."
        )
    if not torch.isfinite(found).all():
        raise ValueError(f"{type(reg).__name__}.joint_covariance returned NaN.")
    return found.movedim(0, -1)


_OWN: Answers = {
    "sample_predictions": _own_draws,
    "predict_variance": _own_variance,
    "joint_covariance": _own_covariance,
}


def _member_predictions(
    reg: Any,
    X: Any,
    n_samples: int | None = None,  # noqa: ARG001, the members are all there are
    random_state: int = 0,  # noqa: ARG001
) -> Tensor:
    """Return the predictions of the members of a committee."""
    rows = X.tocsr() if issparse(X) else np.asarray(X)
    columns = getattr(reg, "estimators_features_", [slice(None)] * len(reg.estimators_))
    draws = [
        member.predict(rows[:, of_member])
        for member, of_member in zip(reg.estimators_, columns, strict=True)
    ]
    return _checked(reg, "estimators_", draws, np.shape(X)[0])


def _forest_variance(reg: Any, X: Any) -> Tensor:
    """Return the variance over trees, and the variance inside leaves as noise."""
    if reg.criterion != "squared_error" or reg.n_outputs_ > 1:
        raise CapabilityError(
            f"The noise of {type(reg).__name__} is the variance inside leaves, which "
            "trees know for criterion='squared_error' and one target. For several, "
            "pass MultiOutputRegressor(forest)."
        )
    noise = float(np.mean([_within_leaves(tree.tree_) for tree in reg.estimators_]))
    if not noise > 0:
        raise CapabilityError(
            f"The leaves of {type(reg).__name__} hold one label each, so that there is "
            "no noise to be seen. Pass min_samples_leaf=3, or bootstrap=True."
        )
    epistemic_NT = _member_predictions(reg, X).var(0, correction=0)
    return torch.stack([epistemic_NT, torch.full_like(epistemic_NT, noise)])


def _within_leaves(tree: Any) -> float:
    is_leaf = tree.children_left == -1
    weight = tree.weighted_n_node_samples[is_leaf]
    return float((weight * tree.impurity[is_leaf]).sum() / weight.sum())


def _covariance(reg: Any) -> tuple[NDArray[np.bool_], Tensor]:
    """Return which features have weights, and the covariance of these."""
    kept = np.ones(len(reg.coef_), dtype=bool)
    if isinstance(reg, ARDRegression):
        kept = reg.lambda_ < reg.threshold_lambda
    return kept, torch.as_tensor(np.atleast_2d(reg.sigma_)).double()


def _centred(reg: Any, X: Any, kept: NDArray[np.bool_]) -> Tensor:
    rows = np.asarray(X, dtype=float) - reg.X_offset_
    return torch.as_tensor(rows[:, kept])


def _linear_draws(
    reg: Any, X: Any, n_samples: int | None = None, random_state: int = 0
) -> Tensor:
    """Return draws of the function: weights vary around the fitted ones."""
    kept, covariance_DD = _covariance(reg)
    values_D, basis_DD = torch.linalg.eigh(covariance_DD)
    root_DD = basis_DD * values_D.clamp_min(0).sqrt() @ basis_DD.T
    noise_SD = torch.stack(
        [
            torch.randn(len(root_DD), generator=draw_generator(random_state, draw))
            for draw in range(n_samples or DEFAULT_N_DRAWS)
        ]
    )
    change_SN = noise_SD.double() @ root_DD @ _centred(reg, X, kept).T
    mean_N = torch.as_tensor(np.asarray(X, dtype=float) @ reg.coef_ + reg.intercept_)
    return _checked(reg, "predict", mean_N + change_SN, np.shape(X)[0])


def _linear_variance(reg: Any, X: Any) -> Tensor:
    """Return epistemic variances, and the noise: ``alpha_`` is its precision."""
    kept, covariance_DD = _covariance(reg)
    rows_ND = _centred(reg, X, kept)
    epistemic_N = ((rows_ND @ covariance_DD) * rows_ND).sum(1)
    both = torch.stack([epistemic_N, torch.full_like(epistemic_N, 1 / reg.alpha_)])
    return _checked(reg, "predict_variance", both, np.shape(X)[0])


def _linear_covariance(reg: Any, X: Any, X_other: Any) -> Tensor:
    kept, covariance_DD = _covariance(reg)
    rows_ND, others_MD = (_centred(reg, rows, kept) for rows in (X, X_other))
    return (rows_ND @ covariance_DD @ others_MD.T)[..., None]
