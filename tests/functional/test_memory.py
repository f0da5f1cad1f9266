"""Kernels make no array that grows with the pool times something else."""

from functools import cache
from math import prod

import pytest
import torch
from support import Largest

from skal_deep import functional


def normal(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def probas(*shape):
    return (2 * normal(*shape)).softmax(-1)


def source():
    return torch.Generator().manual_seed(0)


S, C, D = 20, 10, 64


@cache  # made by the first test, and not while tests are collected
def probas_S():
    return probas(S, 60_000, C)


@cache
def points():
    return normal(60_000, D)


# a call, the largest array that it may make, the array of the plain form
KERNELS = {
    "bald": (
        lambda: functional.bald(probas_S()),
        2**19,
        (S, 60_000, C),
    ),
    "batch_bald": (
        lambda: functional.batch_bald(
            probas_S(),
            4,
            n_configurations=2_000,
            generator=source(),
            with_utilities=False,
        ),
        2**22,
        (2_000, 60_000, C),
    ),
    "epig": (
        lambda: functional.epig(probas_S()[:, :4_000], probas_S()[:, :200]),
        2**20,
        (4_000, C, 200, C),
    ),
    "badge": (
        lambda: functional.badge(
            probas_S()[0], points(), 50, generator=source(), with_utilities=False
        ),
        2**24,
        (60_000, C, D),
    ),
    "bait": (
        lambda: functional.bait(
            probas_S()[0, :16_000],
            points()[:16_000],
            probas_S()[0, :50],
            points()[:50],
            3,
            with_utilities=False,
        ),
        2**22,
        (16_000, C, C, D),
    ),
    "k_center_greedy": (
        lambda: functional.k_center_greedy(
            points()[1_000:], points()[:1_000], 50, with_utilities=False
        ),
        2**22,
        (59_000, 1_000),
    ),
    "prob_cover": (
        lambda: functional.prob_cover(
            points()[:5_000],
            points()[:5_000],
            points()[:0],
            5,
            radius=8.0,
            with_utilities=False,
        ),
        2**22,
        (5_000, 5_000),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_no_array_is_as_large_as_that_of_the_plain_form(name):
    call, most, plain = KERNELS[name]
    assert most < prod(plain) / 2
    probas_S()  # what is given must not count as made
    given = points().numel()
    with Largest() as largest:
        call()
    assert largest.n_elements <= max(most, given)
