"""The discriminator."""

import torch

from skal_deep.modules import Discriminator


def test_one_logit_for_each_code():
    logits = Discriminator(3, n_hidden=8)(torch.randn(5, 3))
    assert logits.shape == (5,)
    assert logits.requires_grad


def test_codes_do_not_look_at_each_other():
    net, codes = Discriminator(3, n_hidden=8), torch.randn(5, 3)
    torch.testing.assert_close(net(codes)[2:3], net(codes[2:3]))
