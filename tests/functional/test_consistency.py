"""Variance over views: known cases."""

import torch

from skal_deep.functional import inconsistency


def test_known_cases():
    same = torch.tensor([[0.2, 0.8]]).expand(4, 3, 2)
    torch.testing.assert_close(inconsistency(same), torch.zeros(3))
    split = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    torch.testing.assert_close(inconsistency(split), torch.tensor([0.5]))
    assert inconsistency(split[:1]).tolist() == [0]
