"""Chains of linear layers against autograd."""

import pytest
import torch
from torch import nn

from skal_deep.modules._linear_chain import linear_chain

CHAINS = {
    "one layer": lambda: nn.Sequential(nn.Linear(3, 2)),
    "reshapes at the ends": lambda: nn.Sequential(
        nn.Flatten(),
        nn.Linear(3, 300),
        nn.ReLU(),
        nn.Linear(300, 6),
        nn.Unflatten(1, (2, 3)),
    ),
    "many layers": lambda: nn.Sequential(
        nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 33), nn.ReLU(), nn.Linear(33, 1)
    ),
}


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


OTHERS = {
    "nothing": list,
    "a ReLU at the end": lambda: [nn.Linear(3, 2), nn.ReLU()],
    "no ReLU between": lambda: [nn.Linear(3, 2), nn.Linear(2, 1)],
    "no bias": lambda: [nn.Linear(3, 2, bias=False)],
    "another activation": lambda: [nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)],
    "a convolution": lambda: [nn.Conv1d(3, 2, 1)],
    "a layer of one's own": lambda: [Doubled(3, 2)],
    "a reshape between": lambda: [nn.Linear(3, 2), nn.Flatten(), nn.Linear(2, 1)],
}


@pytest.mark.parametrize("make", CHAINS.values(), ids=CHAINS)
@pytest.mark.parametrize("n_rows", [1, 7, 128])
@pytest.mark.parametrize("is_part", [False, True])
def test_slopes_are_autograds(make, n_rows, is_part):
    generator = torch.Generator().manual_seed(n_rows)
    net = make()
    # columns of a larger array, as the means among the outputs of an encoder are
    x = torch.randn(n_rows, 6 if is_part else 3, generator=generator)[:, :3]
    x[0] = torch.nan if n_rows == 7 else 0  # what is not a number stays none
    leaf = x.clone().requires_grad_()
    out = net(leaf)
    slope = torch.randn(out.shape, generator=generator)
    expected = torch.autograd.grad(out, [leaf, *net.parameters()], slope)
    chain = linear_chain(net)
    passed = chain.run(x)
    slopes = chain.by_output(passed, slope.flatten(1))
    by_input = chain.by_input(slopes)
    by_parameters = chain.by_parameters(passed, slopes)
    torch.testing.assert_close(passed[-1], out.flatten(1).detach(), equal_nan=True)
    for found, true in zip([by_input, *by_parameters], expected, strict=True):
        torch.testing.assert_close(found, true, equal_nan=True)


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_what_is_no_chain(make):
    assert linear_chain(nn.Sequential(*make())) is None


def test_layers_of_a_module_that_may_call_them_otherwise():
    assert linear_chain(nn.ModuleList([nn.Linear(3, 2)])) is None
