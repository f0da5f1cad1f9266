"""What is no number is named, with what was wanted, wherever one number is taken."""

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from skal_deep.evaluation import (
    Bank,
    current_error,
    detectable_effect,
    effect_size,
    labels_to_reach,
    log_e_value,
    paired_difference,
    paired_power,
    penalty_matrix,
    plan_labels,
    repeats_needed,
    share_interval,
    sign_flip_test,
    signed_rank,
    split_overlap,
    stopping_advice,
)

FIRST, SECOND = [0.82, 0.91, 0.86], [0.71, 0.81, 0.77]
CURVES = [np.ones((3, 2)), np.zeros((3, 2))]
LABELS, SCORES = np.arange(10, 90, 10), np.linspace(0.5, 0.8, 8)
RNG = np.random.default_rng(0)
ROLES = np.repeat(["control", "chosen"], 5)
POINTS = np.arange(10.0)[:, None]
CLASSES = np.arange(10) % 2

NUMBERS = {
    "overlap": [
        lambda value: paired_difference(FIRST, SECOND, value),
        lambda value: penalty_matrix(CURVES, value),
        lambda value: paired_power(0.5, 10, 0.05, value),
        lambda value: detectable_effect(10, 0.05, value),
        lambda value: repeats_needed(0.5, 0.05, value),
    ],
    "effect": [lambda value: paired_power(value, 10), repeats_needed],
    "n": [lambda value: paired_power(0.5, value), detectable_effect],
    "rope": [lambda value: signed_rank(FIRST, value, RNG)],
    "wins": [
        lambda value: log_e_value(value, 1),
        lambda value: share_interval(value, 1),
    ],
    "losses": [
        lambda value: log_e_value(1, value),
        lambda value: share_interval(1, value),
    ],
    "level": [
        lambda value: share_interval(1, 1, value),
        lambda value: plan_labels(LABELS, SCORES, level=value),
        lambda value: current_error(GaussianNB(), POINTS, CLASSES, ROLES, level=value),
    ],
    "target": [lambda value: plan_labels(LABELS, SCORES, target=value)],
    "gain": [lambda value: plan_labels(LABELS, SCORES, gain=value)],
    "highest": [lambda value: plan_labels(LABELS, SCORES, highest=value)],
    "smallest_gain": [
        lambda value: plan_labels(LABELS, SCORES, smallest_gain=value),
        lambda value: stopping_advice(LABELS, SCORES, smallest_gain=value),
    ],
    "n_more": [lambda value: stopping_advice(LABELS, SCORES, n_more=value)],
    "n_rows": [lambda value: split_overlap([[1, 2], [3, 4]], value)],
}
CASES = [(name, call) for name, calls in NUMBERS.items() for call in calls]


@pytest.mark.parametrize("value", ["0.1", 1j, [0.1, 0.2], {}, np.array([0.1])])
@pytest.mark.parametrize(("name", "call"), CASES)
def test_what_is_no_number(name, call, value):
    with pytest.raises(TypeError, match=f"^{name} must be a "):
        call(value)


@pytest.mark.parametrize("value", [-0.1, np.inf, np.nan, 10**400])
@pytest.mark.parametrize(
    ("name", "call"),
    [case for case in CASES if case[0] in ("overlap", "rope", "wins", "losses")],
)
def test_numbers_out_of_bounds(name, call, value):
    with pytest.raises(ValueError, match=f"^{name} must be a "):
        call(value)


@pytest.mark.parametrize("bank", [1j, None, [], 3.0, "builtins", {}])
def test_what_is_no_bank(bank):
    with pytest.raises(ValueError, match="bank must be a Bank or 'builtin'"):
        plan_labels(LABELS, SCORES, bank=bank)


@pytest.mark.parametrize("values", [[{}] * 8, [10**400] * 8, ["a"] * 8, [1j] * 8])
def test_arrays_of_no_numbers(values):
    for call in (
        lambda: plan_labels(values, SCORES),
        lambda: plan_labels(LABELS, values),
        lambda: Bank().add_curve(values, SCORES, task="a"),
    ):
        with pytest.raises(TypeError, match="must be numbers"):
            call()


@pytest.mark.parametrize("estimator", ["GaussianNB", None, GaussianNB])
def test_what_is_no_estimator(estimator):
    with pytest.raises(TypeError, match="estimator must be a classifier"):
        current_error(estimator, POINTS, CLASSES, ROLES)


def test_what_else_is_taken_for_something_else():
    with pytest.raises(TypeError, match="rng must be a numpy Generator, not 0"):
        signed_rank(FIRST, 0.01, 0)
    with pytest.raises(TypeError, match="test_rows must hold the test rows"):
        split_overlap(3, 10)
    with pytest.raises(ValueError, match=r"targets must be a list .* shape \(\)"):
        labels_to_reach(LABELS, SCORES, 0.6)


@pytest.mark.parametrize("value", [FIRST, 0.5, None, "words"])
def test_an_effect_is_that_of_a_paired_difference(value):
    with pytest.raises(TypeError, match=r"what paired_difference returns, not a "):
        effect_size(value)


def test_one_number_is_no_list_of_pairs():
    with pytest.raises(ValueError, match="one number a pair"):
        sign_flip_test(0.5, RNG)


@pytest.mark.parametrize("value", ["words", ["a", "b"], {}, [1j, 2j]])
def test_numbers_of_labels_are_numbers(value):
    with pytest.raises(TypeError, match="n_labels must be numbers"):
        stopping_advice(value, SCORES)
