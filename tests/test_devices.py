"""What is known of devices without a word to them."""

import torch

from skal_deep._devices import has_float64


def test_a_card_is_not_started_to_know_what_it_knows():
    assert has_float64(torch.device("cuda"))
