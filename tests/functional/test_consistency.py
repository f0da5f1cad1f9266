"""Variance over views: known cases."""

import torch

from skal_deep.functional import inconsistency
from skal_deep.functional.consistency import logit_sensitivity


def test_known_cases():
    same = torch.tensor([[0.2, 0.8]]).expand(4, 3, 2)
    torch.testing.assert_close(inconsistency(same), torch.zeros(3))
    split = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
    torch.testing.assert_close(inconsistency(split), torch.tensor([0.5]))
    assert inconsistency(split[:1]).tolist() == [0]


def test_sensitivity_is_that_of_the_softmax():
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).double()
    expected = [
        torch.autograd.functional.jacobian(lambda z: z.softmax(-1), row).square().sum()
        for row in logits
    ]
    found = logit_sensitivity(logits.softmax(-1))
    torch.testing.assert_close(found, torch.stack(expected))
    assert logit_sensitivity(torch.eye(3)).tolist() == [0, 0, 0]
    assert float(logit_sensitivity(torch.full((1, 2), 0.5))) == 0.25
