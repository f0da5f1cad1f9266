"""Kernels that pick take their arguments in one order."""

import inspect

import pytest
import torch

from skal_deep import functional

KERNELS = {
    name: kernel
    for name in functional.__all__
    if "batch_size" in inspect.signature(kernel := getattr(functional, name)).parameters
}


@pytest.mark.parametrize("name", KERNELS)
def test_data_come_first_and_all_else_by_keyword(name):
    parameters = list(inspect.signature(KERNELS[name]).parameters.values())
    at = [parameter.name for parameter in parameters].index("batch_size")
    for parameter in parameters[: at + 1]:
        assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        assert parameter.default is parameter.empty
    rest = parameters[at + 1 :]
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in rest)
    last = [parameter.name for parameter in rest]
    if name != "robust_k_center":  # whose picks are found together
        assert last.pop() == "with_utilities"
        assert rest[-1].default is True
    if "generator" in last:
        assert last.pop() == "generator"


def draws_of(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(shape, generator=generator).softmax(-1)


SAMPLES = draws_of(20, 15, 3)
SCORES, PROBAS = SAMPLES[0, :, 0], SAMPLES[0]
SAMPLING = {
    "badge": lambda: functional.badge(PROBAS, PROBAS, 5),
    "batch_bald": lambda: functional.batch_bald(SAMPLES, 5, n_configurations=4),
    "batch_epig": lambda: functional.batch_epig(
        SAMPLES, SAMPLES, 5, n_configurations=4
    ),
    "falcun": lambda: functional.falcun(PROBAS, 5),
    "last_layer_features": lambda: functional.last_layer_features(PROBAS, PROBAS, 5),
    "class_anchors": lambda: functional.class_anchors(
        PROBAS, torch.arange(len(PROBAS)) % 3, 2
    ),
    "power_sample": lambda: functional.power_sample(SCORES, 5),
    "softmax_sample": lambda: functional.softmax_sample(SCORES, 5),
    "softrank_sample": lambda: functional.softrank_sample(SCORES, 5),
}


def test_all_sampling_kernels_are_listed():
    assert set(SAMPLING) == {
        name
        for name in functional.__all__
        if "generator" in inspect.signature(getattr(functional, name)).parameters
    }


@pytest.mark.parametrize("name", SAMPLING)
def test_without_a_generator_two_calls_differ(name):
    state = torch.get_rng_state()
    answers = [SAMPLING[name]() for _ in range(4)]
    if isinstance(answers[0], tuple):
        answers = [utilities for _, utilities in answers]
    assert len({tuple(answer.flatten().tolist()) for answer in answers}) > 1
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("with_utilities", [True, False])
def test_the_highest_scores_and_what_decided_them(with_utilities):
    picks, utilities = functional.top_k(
        torch.tensor([1.0, 3.0, 2.0]), 2, with_utilities=with_utilities
    )
    assert picks.tolist() == [1, 2]
    expected = [[1, 3, 2], [1, 0, 2]] if with_utilities else [3, 2]
    assert utilities.tolist() == expected
