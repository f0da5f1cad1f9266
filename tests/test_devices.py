"""What is known of devices without a word to them."""

import torch

from skal_deep._devices import for_scores


def test_a_card_is_not_started_to_know_what_it_knows():
    card = torch.device("cuda:1")
    assert for_scores(card) == card
