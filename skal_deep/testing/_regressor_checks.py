"""What every regressor must answer, one function a promise.

Each check takes a :class:`RegressorCase` and raises ``AssertionError``.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.base import clone

from skal_deep.classifier import (
    CapabilityError,
    PredictsVariance,
    SamplesPredictions,
    as_model,
    fit_on_labeled,
)
from skal_deep.testing._classifier_case import ModelCase, must_raise, rows_first
from skal_deep.testing._promises import expect

CHECKS: list[Callable[["RegressorCase"], None]] = []

# Answers to the same question in other units, of nets in float32, relative to the
# spread of the targets.
_CLOSE = 1e-2
# Draws: their variance is off by a tenth or so.
_N_DRAWS, _MOST_OFF = 600, 0.5


class RegressorCase(ModelCase):
    """A regressor, and data to check it with; see :class:`ModelCase`."""

    missing: ClassVar[Any] = np.nan
    question: ClassVar[str] = "predict"

    def predict(self, model: Any, X: Any = None) -> NDArray[Any]:
        """Return the targets that a fitted regressor predicts."""
        return np.asarray(model.predict(self.X if X is None else X))

    def answers(self, model: Any) -> dict[str, Callable[[Any], NDArray[Any]]]:
        """Return what may be asked for rows, each answer with the rows on axis 0."""
        asked: Any = as_model(model)
        found: dict[str, Callable[[Any], NDArray[Any]]] = {
            "predict": lambda X: np.asarray(model.predict(X))
        }
        if isinstance(asked, SamplesPredictions):
            found["sample_predictions"] = lambda X: rows_first(
                asked.sample_predictions(X, 8, 7)
            )
        if isinstance(asked, PredictsVariance) and self._knows_its_noise(asked):
            found["predict_variance"] = lambda X: rows_first(
                torch.stack(tuple(asked.predict_variance(X)))
            )
        if hasattr(asked, "embed"):
            found["embed"] = lambda X: asked.embed(X).numpy(force=True)
        return found

    def _knows_its_noise(self, asked: Any) -> bool:
        """Return whether variances are told: forests of pure leaves have no noise."""
        try:
            asked.predict_variance(self.X[:1])
        except CapabilityError:
            return False
        return True

    def spread(self) -> float:
        """Return the standard deviation of the targets."""
        return float(np.std(self.y_true))


def check(function: Callable[[RegressorCase], None]) -> Callable[..., None]:
    """List a check."""
    CHECKS.append(function)
    return function


def _expect_close(found: Any, wanted: Any, spread: float, message: str) -> None:
    is_close = np.allclose(found, wanted, rtol=0, atol=_CLOSE * spread)
    expect(np.shape(found) == np.shape(wanted) and is_close, message)


@check
def check_predictions(case: RegressorCase) -> None:
    """Predictions are finite numbers, one a row."""
    found = case.predicted
    expect(found.shape in (case.y_true.shape, (len(case.y_true), 1)), "a wrong shape")
    expect(found.dtype.kind == "f", f"predictions are {found.dtype}")
    expect(np.isfinite(found).all(), "predictions are not finite")


@check
def check_draws_and_variances(case: RegressorCase) -> None:
    """Draws are seeded, vary, and agree with the prediction and its variance."""
    model: Any = as_model(case.fitted)
    asked = case.answers(case.fitted)
    if "sample_predictions" not in asked:
        return
    draws = torch.as_tensor(model.sample_predictions(case.X, _N_DRAWS, 3))
    again = torch.as_tensor(model.sample_predictions(case.X, _N_DRAWS, 3))
    expect(torch.equal(draws, again), "equal seeds give other draws")
    expect(draws.ndim == 3 and draws.shape[1] == len(case.y_true), "a wrong shape")
    expect(bool(draws.std(0, correction=0).any()), "all draws are equal")
    if "predict_variance" not in asked:
        return
    epistemic, noise = asked["predict_variance"](case.X).swapaxes(0, 1)
    expect((epistemic >= 0).all() and (noise > 0).all(), "a variance is not positive")
    variance = draws.double().var(0, correction=0).numpy()
    off = abs(variance.mean() / epistemic.mean() - 1)
    expect(off < _MOST_OFF, "the variance of draws is not the epistemic one")


@check
def check_the_spread_of_labels(case: RegressorCase) -> None:
    """``predict(return_std=True)`` is the root of both variances."""
    asked = case.answers(case.fitted)
    if not ("predict_variance" in asked and hasattr(case.fitted, "sample_y")):
        return
    if not hasattr(case.fitted, "noise_variance_"):  # others leave a part out
        return
    std = case.fitted.predict(case.X, return_std=True)[1]
    both = asked["predict_variance"](case.X).sum(axis=1)
    expect(np.allclose(std**2, both.reshape(std.shape)), "std is not of both variances")


@check
def check_units_of_the_target(case: RegressorCase) -> None:
    """Targets in other units, and far from zero, are learned as well."""
    for factor, shift in ((1e6, 0.0), (1e-6, 0.0), (1.0, 1e6), (1e6, 1e8)):
        reg = case.fit(y=factor * case.y + shift)
        found = (case.predict(reg).reshape(-1) - shift) / factor
        wanted = case.predicted.reshape(-1)
        where = f"targets times {factor:g}, plus {shift:g}, are learned otherwise"
        _expect_close(found, wanted, case.spread(), where)


@check
def check_types_of_the_target(case: RegressorCase) -> None:
    """Take lists, other number types and one column as the same."""
    y, wanted = case.y.astype(np.float32), None
    kinds: dict[str, Any] = {"float32": y, "float64": y.astype(np.float64)}
    if case.takes_missing_labels:
        kinds |= {"a list": y.tolist(), "one column": kinds["float64"][:, None]}
    for name, targets in kinds.items():
        found = case.predict(case.fit(y=targets)).reshape(-1)
        wanted = found if wanted is None else wanted
        _expect_close(found, wanted, case.spread(), f"targets as {name} differ")


@check
def check_several_targets(case: RegressorCase) -> None:
    """Two targets are predicted side by side, or refused by a clear error."""
    y = np.column_stack([case.y, -3 * case.y])
    try:
        reg = _fit_rows(case, y)
    except (ValueError, TypeError) as error:
        expect(len(str(error)) > 20, "two targets are refused without a reason")
        return
    found = case.predict(reg)
    expect(found.shape == y.shape, "two targets are not predicted as two columns")
    for name, ask in case.answers(reg).items():
        if name != "embed":
            expect(ask(case.X).shape[-1] == 2, f"{name} does not tell two targets")


def _fit_rows(case: RegressorCase, y: NDArray[Any]) -> Any:
    reg, known = case.classifier(), np.isfinite(y).all(axis=1)
    if case.takes_missing_labels:
        return reg.fit(case.X, y)
    return reg.fit(case.X[known], y[known])


@check
def check_equal_targets(case: RegressorCase) -> None:
    """Targets that are all equal are predicted, with finite variances."""
    for value in (0.0, 7.0, 1e6):
        reg = case.fit(y=np.where(np.isfinite(case.y), value, np.nan))
        found = case.predict(reg)
        size = max(abs(value) / 10, 2.0)  # a net may have learned little
        expect(
            np.allclose(found, value, atol=size), f"targets {value:g} are not predicted"
        )
        for name, ask in case.answers(reg).items():
            expect(np.isfinite(ask(case.X)).all(), f"{name} of equal targets")


@check
def check_few_targets(case: RegressorCase) -> None:
    """One target and none give finite answers, for those that take gaps."""
    if not case.takes_missing_labels:
        return
    for n_known in (0, 1, 2):
        y = np.where(np.arange(len(case.y)) < n_known, case.y, np.nan)
        reg = case.fit(y=y)
        for name, ask in case.answers(reg).items():
            expect(np.isfinite(ask(case.X)).all(), f"{name} with {n_known} targets")


@check
def check_missing_targets(case: RegressorCase) -> None:
    """Rows at NaN are none, and infinite targets are refused."""
    if not case.takes_missing_labels:
        return
    known = np.isfinite(case.y)
    alone = case.classifier().fit(case.X[known], case.y[known])
    wanted = case.predict(alone)
    _expect_close(case.predicted, wanted, case.spread(), "rows at NaN count")
    y = case.y.copy()
    y[0] = np.inf
    must_raise(
        lambda: case.classifier().fit(case.X, y), ValueError, "infinity is a target"
    )


@check
def check_rows_without_weight(case: RegressorCase) -> None:
    """Rows of weight 0 are none, and the scale of weights does not matter."""
    if not case.takes_missing_labels:
        return
    known = np.flatnonzero(np.isfinite(case.y))
    weight = np.ones(len(case.y))
    weight[known[:4]] = 0
    y = case.y.copy()
    y[known[:2]] = 1e9
    found = [
        case.predict(case.classifier().fit(case.X, y, sample_weight=w))
        for w in (weight, 1e3 * weight)
    ]
    wanted = case.predict(case.fit(y=np.where(weight > 0, case.y, np.nan)))
    for each in found:
        _expect_close(each, wanted, case.spread(), "rows of weight 0 count")


@check
def check_storage_order(case: RegressorCase) -> None:
    """Fit for a query whatever the order is in which rows are stored."""
    order = np.random.default_rng(0).permutation(len(case.y))
    found = [
        case.predict(
            fit_on_labeled(case.classifier(), case.X[rows], case.y[rows], np.nan)
        )
        for rows in (slice(None), order)
    ]
    expect(np.array_equal(found[0], found[1]), "the order of rows changes a fit")


@check
def check_sparse_rows(case: RegressorCase) -> None:
    """Sparse rows are as dense ones, or refused."""
    X = np.asarray(case.X)
    if X.ndim != 2:
        return
    try:
        reg = case.fit(X=csr_array(X))
        found = case.predict(reg, csr_array(X))
    except (TypeError, ValueError):
        return
    _expect_close(found, case.predicted, case.spread(), "sparse rows differ")


@check
def check_a_clone(case: RegressorCase) -> None:
    """Fit a clone of a fitted regressor as the first."""
    again = case.fit(clone(case.fitted))
    expect(np.array_equal(case.predict(again), case.predicted), "a clone differs")
