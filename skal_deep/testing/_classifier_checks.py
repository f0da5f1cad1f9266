"""What every classifier must answer, one function a promise.

Each check takes a :class:`ClassifierCase` and raises ``AssertionError``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from skal_deep.classifier import SamplesProba, as_model
from skal_deep.modules import isolated_rng
from skal_deep.testing._classifier_case import (
    ROUND_OFF,
    ClassifierCase,
    generator_states,
)
from skal_deep.testing._promises import expect

CHECKS: list[Callable[[ClassifierCase], None]] = []


def check(function: Callable[[ClassifierCase], None]) -> Callable[..., None]:
    """List a check."""
    CHECKS.append(function)
    return function


@check
def check_probabilities(case: ClassifierCase) -> None:
    """Rows are probabilities, and the prediction is the most probable class."""
    proba_NC = case.proba_NC
    n_classes = len(case.fitted.classes_)
    expect(proba_NC.shape == (len(case.y_true), n_classes), "the shape is wrong")
    expect(proba_NC.dtype.kind == "f", f"probabilities are {proba_NC.dtype}")
    expect(proba_NC.dtype.itemsize >= 4, f"probabilities are {proba_NC.dtype}")
    expect(bool(np.isfinite(proba_NC).all()), "probabilities are not finite")
    expect(proba_NC.min() >= 0, "a probability is negative")
    expect(
        bool(np.allclose(proba_NC.sum(1), 1, atol=ROUND_OFF)), "rows do not sum to 1"
    )
    if getattr(case.fitted, "cost_matrix", None) is None:
        best = np.asarray(case.fitted.classes_)[proba_NC.argmax(1)]
        given = np.asarray(case.fitted.predict(case.X))
        clear = np.sort(proba_NC, 1)[:, -1] - np.sort(proba_NC, 1)[:, -2] > ROUND_OFF
        expect(
            bool((given == best)[clear].all()), "predict is not the most probable class"
        )


@check
def check_rows_stand_alone(case: ClassifierCase) -> None:
    """The rows and mini-batches around a row do not change its answers."""
    n = len(case.y_true)
    for name, ask in case.answers(case.fitted).items():
        whole = ask(case.X)
        for size in (1, 7):
            rows = range(0, n if size > 1 else min(n, 10), size)
            parts = np.concatenate(
                [ask(case.X[start : start + size]) for start in rows]
            )
            expect(
                bool(np.allclose(parts, whole[: len(parts)], atol=ROUND_OFF)),
                f"{name} of chunks of {size} rows differs from that of all rows",
            )
        expect(
            bool(np.allclose(ask(case.X[::-1])[::-1], whole, atol=ROUND_OFF)),
            f"{name} depends on the order of the rows",
        )
        many = ask(np.concatenate([case.X[:1]] * 300))
        expect(
            bool(np.allclose(many, many[:1], atol=ROUND_OFF)),
            f"{name} differs between copies of a row",
        )


@check
def check_draws(case: ClassifierCase) -> None:
    """Draws are seeded probabilities whose mean is the prediction."""
    model: Any = as_model(case.fitted)
    if not isinstance(model, SamplesProba):
        return
    draws_SNC = torch.as_tensor(model.sample_proba(case.X, 8, 3))
    expect(draws_SNC.ndim == 3, "draws have no three axes")
    expect(draws_SNC.shape[1:] == case.proba_NC.shape, "draws have a wrong shape")
    expect(bool((draws_SNC >= 0).all()), "a draw has negative probabilities")
    sums_SN = draws_SNC.sum(-1)
    is_one = torch.allclose(sums_SN, torch.ones_like(sums_SN), atol=ROUND_OFF)
    expect(is_one, "rows of draws do not sum to 1")
    again_SNC = torch.as_tensor(model.sample_proba(case.X, 8, 3))
    expect(torch.equal(draws_SNC, again_SNC), "equal seeds give other draws")
    expect(len(draws_SNC.flatten(1).unique(dim=0)) > 1, "all draws are equal")


@check
def check_equal_seeds(case: ClassifierCase) -> None:
    """Equal seeds give equal bits; global generators neither matter nor move."""
    found = []
    for seed in (1, 2):
        with isolated_rng(seed):  # the caller's generators are none of our business
            before = generator_states()
            clf = case.fit()
            answers = [ask(case.X) for ask in case.answers(clf).values()]
            moved = generator_states() != before
        expect(not moved, "a global random generator was moved")
        found.append(answers)
    for first, second in zip(*found, strict=True):
        expect(np.array_equal(first, second), "equal seeds give other results")


@check
def check_classes_by_label(case: ClassifierCase) -> None:
    """Labels of any kind come back, each with the column of its own."""
    if not case.takes_missing_labels:
        return
    n_classes = int(case.y_true.max()) + 1
    words = [f"class {number:03d}" for number in range(n_classes)]
    kinds: list[tuple[Any, Any]] = [
        (np.array(words, dtype=object), None),
        (10 * np.arange(1, n_classes + 1), -1),
    ]
    for names, missing in kinds:
        y = names[case.y_true].copy()
        y[case.y == -1] = missing
        params: dict[str, Any] = {"missing_label": missing, "classes": names.tolist()}
        clf = case.fit(case.classifier(**params), y=y)
        expect(list(clf.classes_) == names.tolist(), "classes_ are not the labels")
        # The labels are in the order of the numbers that they stand for, so that the
        # training is the same, and with it each column.
        proba_NC = np.asarray(clf.predict_proba(case.X))
        is_same = np.allclose(proba_NC, case.proba_NC, atol=ROUND_OFF)
        expect(is_same, "columns are not those of the labels")


@check
def check_a_class_without_labels_has_its_column(case: ClassifierCase) -> None:
    """A class that no label shows has a column, or is refused by its number.

    A module whose number of outputs is fixed cannot have one more.
    """
    if not case.takes_missing_labels or "classes" not in case.template.get_params():
        return
    classes = list(range(int(case.y_true.max()) + 2))
    for y in (case.y, np.full(len(case.y), -1)):
        try:
            clf = case.fit(case.classifier(classes=classes), y=y)
        except ValueError as error:
            is_clear = f"{len(classes)} classes" in str(error)
            expect(is_clear, f"one class more is refused without a reason: {error}")
            continue
        _expect_columns(clf, case.X, len(classes))


@check
def check_a_cold_start(case: ClassifierCase) -> None:
    """With no label at all, each class that was named has its column."""
    if not case.takes_missing_labels or "classes" not in case.template.get_params():
        return
    classes = list(range(int(case.y_true.max()) + 1))
    clf = case.fit(case.classifier(classes=classes), y=np.full(len(case.y), -1))
    _expect_columns(clf, case.X, len(classes))


def _expect_columns(clf: Any, X: Any, n_classes: int) -> None:
    proba_NC = np.asarray(clf.predict_proba(X))
    expect(proba_NC.shape[1] == n_classes, "a class has no column")
    expect(
        bool(np.allclose(proba_NC.sum(1), 1, atol=ROUND_OFF)), "rows do not sum to 1"
    )
