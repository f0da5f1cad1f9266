"""Slopes of a net against golden values and derivatives one output at a time."""

from pathlib import Path

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from support import MAKERS, make_net
from torch import nn
from torch.autograd.functional import jacobian

from skal_deep.classifier import CapabilityError, DeepClassifier, as_model
from skal_deep.functional import k_center_greedy
from skal_deep.modules import ConvNet

GOLDEN = np.load(
    Path(__file__).parent.parent.parent / "golden" / "kernel_framework.npz"
)
H = GOLDEN["H"].astype(np.float32)


def perceptron(*last):
    """Return a net with the weights of the golden values."""
    module = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3), *last)
    for layer, name in ((module[0], "1"), (module[2], "2")):
        layer.weight.data = torch.as_tensor(GOLDEN[f"dami_W{name}"]).float()
        layer.bias.data = torch.as_tensor(GOLDEN[f"dami_b{name}"]).float()
    return NeuralNetClassifier(module).initialize()


@pytest.mark.parametrize("last", [(), (nn.Softmax(-1),), (nn.LogSoftmax(-1),)])
def test_golden_slopes_are_those_before_the_softmax(last):
    slopes = as_model(perceptron(*last)).jacobian(H, 15, 0)
    np.testing.assert_allclose(slopes, GOLDEN["dami_repr"], atol=1e-5)


def test_golden_picks():
    slopes = as_model(perceptron()).jacobian(H, 15, 0)
    labeled, unlabeled = GOLDEN["labeled"], GOLDEN["unlabeled"]
    picks, _ = k_center_greedy(slopes[unlabeled], slopes[labeled], 5)
    # the fifth pick is a tie: regions that differ in one unit are equally far apart
    assert unlabeled[picks[:4]].tolist() == GOLDEN["dami_idx"][:4].tolist()
    distance = torch.cdist(
        torch.as_tensor(GOLDEN["dami_repr"]),
        torch.as_tensor(GOLDEN["dami_repr"])[[*labeled, *unlabeled[picks]]],
    )
    radius = [float(distance[:, : 6 + t].amin(1).max()) for t in range(1, 6)]
    np.testing.assert_allclose(radius, GOLDEN["dami_radius"], atol=1e-5)


def test_slope_times_input_and_bias_is_the_output():
    net = perceptron()
    slopes = as_model(net).jacobian(H, 15, 0).reshape(60, 3, 5)
    on = torch.as_tensor(H) @ net.module_[0].weight.T + net.module_[0].bias > 0
    bias = (on * net.module_[0].bias) @ net.module_[2].weight.T + net.module_[2].bias
    output = torch.einsum("ncd,nd->nc", slopes, torch.as_tensor(H)) + bias
    torch.testing.assert_close(
        output, net.module_(torch.as_tensor(H)), atol=1e-5, rtol=0
    )


def test_rows_of_one_region_have_equal_slopes():
    net = perceptron()
    slopes = as_model(net).jacobian(H, 15, 0)
    on = torch.as_tensor(H) @ net.module_[0].weight.T + net.module_[0].bias > 0
    _, region = on.unique(dim=0, return_inverse=True)
    _, slope = slopes.unique(dim=0, return_inverse=True)
    assert int(region.max()) == 12
    assert torch.equal(region[:, None] == region, slope[:, None] == slope)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_slopes_of_our_classifiers(kind, blobs):
    X, y = blobs
    clf = MAKERS[kind](make_net(), classes=[0, 1, 2], random_state=0).fit(X, y)
    slopes = as_model(clf).jacobian(X[:7], 512, 0)
    expected = []
    for module in [net.module_.eval() for net in clf.nets_]:
        every = jacobian(
            lambda x, module=module: module(x).sum(0), torch.as_tensor(X[:7])
        )
        expected.append(every.transpose(0, 1).flatten(1))
    torch.testing.assert_close(slopes, torch.cat(expected, 1), atol=1e-5, rtol=1e-4)


def test_images_in_batches_of_any_size():
    X = np.random.default_rng(0).normal(size=(9, 1, 8, 8)).astype(np.float32)
    clf = DeepClassifier(make_net(ConvNet), classes=[0, 1], random_state=0)
    clf.fit(X, np.arange(9) % 2)
    whole = as_model(clf).jacobian(X, 512, 0)
    assert whole.shape == (9, 128)
    clf.nets_[0].iterator_valid__batch_size = 4
    assert torch.equal(whole, as_model(clf).jacobian(X, 512, 0))


@pytest.mark.slow
def test_sketches_have_the_right_inner_products_on_average():
    model = as_model(perceptron())
    exact = model.jacobian(H, 15, 0)
    inner = torch.stack(
        [s @ s.T for s in (model.jacobian(H, 14, seed) for seed in range(300))]
    )
    error = (inner.mean(0) - exact @ exact.T) / (inner.std(0) / 300**0.5 + 1e-6)
    assert error.abs().max() < 6
    assert torch.equal(model.jacobian(H, 14, 3)[:5], model.jacobian(H[:5], 14, 3))


def test_the_net_is_left_alone():
    net = perceptron()
    before = {name: value.clone() for name, value in net.module_.state_dict().items()}
    as_model(net).jacobian(H, 15, 0)
    assert all(torch.equal(before[k], v) for k, v in net.module_.state_dict().items())
    assert not net.module_[2]._forward_hooks
    assert all(p.requires_grad and p.grad is None for p in net.module_.parameters())


def test_inputs_without_a_slope_are_refused():
    module = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(8, 2))
    net = NeuralNetClassifier(module).initialize()
    with pytest.raises(CapabilityError, match="floating-point tensor"):
        as_model(net).jacobian(np.ones((3, 2), np.int64), 9, 0)
    convolution = nn.Sequential(nn.Conv1d(1, 2, 1), nn.Flatten())
    net = NeuralNetClassifier(convolution).initialize()
    with pytest.raises(CapabilityError, match="No linear layer ran"):
        as_model(net).jacobian(np.ones((3, 1, 4), np.float32), 9, 0)
