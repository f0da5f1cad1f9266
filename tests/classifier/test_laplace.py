"""Laplace on the last layer: its curvature, its draws, and laplace-torch."""

import numpy as np
import pytest
import torch
from support import make_net
from torch import nn

from skal_deep.classifier import CapabilityError, LaplaceClassifier
from skal_deep.functional.laplace import laplace_weights
from skal_deep.modules import MLP


def fit(partly, net=None, **params):
    net = make_net(module__dropout=0.0) if net is None else net
    return LaplaceClassifier(net, classes=[0, 1, 2], random_state=0, **params).fit(
        *partly
    )


def covariance(clf):
    """Return the covariance of the weights (C, D + 1), the bias in the last column."""
    weights_CD = clf._weights(clf.nets_[0])
    noise = torch.eye(weights_CD.numel()).view(-1, *weights_CD.shape)
    draws = laplace_weights(weights_CD, clf.curvature_, clf.prior_precision_, noise)
    root = (draws - weights_CD.double()).flatten(1)
    return root.T @ root


@pytest.mark.parametrize("structure", ["full", "kron", "diag"])
def test_draws_are_the_net_with_other_last_weights(partly, structure):
    X, _ = partly
    clf = fit(partly, structure=structure)
    [net] = clf.nets_
    layer, weights_CD = net.module_.layers[-1], clf._weights(net)
    noise = torch.randn(
        weights_CD.shape,
        generator=torch.Generator().manual_seed(
            int(np.random.SeedSequence((5, 0)).generate_state(1)[0])
        ),
    )
    precision = clf.prior_precision_
    draw = laplace_weights(weights_CD, clf.curvature_, precision, noise[None])[0]
    draw = draw.float()
    sample = clf.sample_proba(X, 2, random_state=5)[0]
    with torch.no_grad():
        layer.weight.copy_(draw[:, :-1])
        layer.bias.copy_(draw[:, -1])
    np.testing.assert_allclose(net.predict_proba(X), sample, atol=1e-5)


def test_strong_priors_leave_the_trained_net(partly):
    X, _ = partly
    clf = fit(partly, prior_precision=1e12)
    np.testing.assert_allclose(
        clf.sample_proba(X, 3)[0], clf.nets_[0].predict_proba(X), atol=1e-4
    )


def test_the_evidence_chooses_the_precision(partly):
    clf = fit(partly, prior_precision="evidence", structure="full")
    weights = clf._weights(clf.nets_[0]).double()
    values = clf.curvature_.eigenvalues_CD
    # MacKay's fixed point: effective parameters over the squared norm of the weights
    effective = (values / (values + clf.prior_precision_)).sum()
    expected = float(effective / weights.square().sum())
    assert clf.prior_precision_ == pytest.approx(expected, rel=1e-3)


def test_cold_start_is_the_prior(blobs):
    X, _ = blobs
    for given, precision in ((None, 48), ("evidence", 48), (2.0, 2.0)):
        clf = fit((X, np.full(60, -1)), prior_precision=given)
        assert clf.prior_precision_ == precision
        assert (clf.curvature_.eigenvalues_CD == 0).all()


def test_the_prior_is_that_of_initial_weights(partly):
    torch.random.manual_seed(0)
    weights = nn.Linear(16, 5000).weight.detach()
    assert fit(partly).prior_precision_ == pytest.approx(1 / weights.var().item(), 0.02)


def test_a_last_layer_without_bias(partly):
    class Plain(nn.Module):
        def __init__(self, n_features, n_classes):
            super().__init__()
            self.layer = nn.Linear(n_features, n_classes, bias=False)

        def forward(self, x):
            return self.layer(x)

    samples = fit(partly, make_net(Plain), n_samples=4).sample_proba(np.zeros((1, 2)))
    np.testing.assert_allclose(samples, 1 / 3)


class Scaled(MLP):
    def forward(self, x):
        return 2 * super().forward(x)


def test_modules_that_go_on_after_the_last_layer_are_refused(partly):
    with pytest.raises(CapabilityError, match="does not return its last linear"):
        fit(partly, make_net(Scaled))


class NoBias(MLP):
    def __init__(self, n_features, n_classes):
        super().__init__(n_features, n_classes, 16, dropout=0.0)
        self.layers[-1].bias = None


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("structure", ["full", "diag", "kron"])
def test_same_covariance_as_laplace_torch(partly, structure):
    laplace = pytest.importorskip("laplace")
    X, y = partly
    # laplace-torch factors the Kronecker product without the bias, ours with it
    net = make_net(NoBias) if structure == "kron" else None
    clf = fit(partly, net, structure=structure, prior_precision=3.0)
    module = clf.nets_[0].module_.eval()
    theirs = laplace.Laplace(
        module,
        "classification",
        subset_of_weights="last_layer",
        hessian_structure=structure,
        prior_precision=3.0,
    )
    rows = torch.as_tensor(X[:12]), torch.as_tensor(y[:12])
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*rows), batch_size=12
    )
    theirs.fit(loader)
    if structure == "kron":
        cov = theirs.posterior_precision.to_matrix(exponent=-1)
    elif structure == "diag":
        cov = torch.diag(theirs.posterior_variance)
    else:
        cov = theirs.posterior_covariance
    if structure != "kron":  # theirs: all weights, then all biases
        order = [48 + c if d == 16 else 16 * c + d for c in range(3) for d in range(17)]
        cov = cov[order][:, order]
    cov = cov.detach().double()
    torch.testing.assert_close(covariance(clf), cov, atol=1e-4, rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("structure", ["full", "diag", "kron"])
def test_rows_of_weight_0_are_no_data(partly, structure):
    X, y = partly
    labeled = np.flatnonzero(y != -1)
    weight = np.ones(len(y))
    weight[labeled[::2]] = 0
    without = y.copy()
    without[labeled[::2]] = -1
    net = make_net(module__dropout=0.0, iterator_train__shuffle=False)
    with_zeros = fit((X, y, weight), net, structure=structure)
    left_out = fit((X, without, np.ones(len(y))), net, structure=structure)
    torch.testing.assert_close(
        with_zeros.curvature_.eigenvalues_CD, left_out.curvature_.eigenvalues_CD
    )
    np.testing.assert_allclose(with_zeros.sample_proba(X), left_out.sample_proba(X))


CLASS_WEIGHT = torch.tensor([0.2, 1.0, 3.0])


@pytest.mark.parametrize("weigh_rows", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight": CLASS_WEIGHT},
        {"weight": CLASS_WEIGHT, "label_smoothing": 0.3},
        {"label_smoothing": 0.3},
        {"ignore_index": 1},
        {"weight": CLASS_WEIGHT, "ignore_index": 1},
    ],
    ids=str,
)
def test_curvature_is_that_of_the_loss(partly, options, weigh_rows):
    """The Hessian by autograd of the loss that the net is trained by."""
    X, y = partly
    weight = np.linspace(0.5, 2, len(y)) if weigh_rows else None
    params = {f"criterion__{name}": value for name, value in options.items()}
    net = make_net(module__dropout=0.0, max_epochs=2, **params)
    clf = fit((X, y, weight), net, structure="full")
    rows = np.flatnonzero(y != -1)
    features_ND = clf._features(clf.nets_[0], X[rows]).double()
    weights_CD = clf._weights(clf.nets_[0]).double()
    target = torch.as_tensor(y[rows])
    options = {
        name: value.double() if torch.is_tensor(value) else value
        for name, value in options.items()
    }
    n_counted = int((target != options.get("ignore_index", -100)).sum())

    def loss(flat):
        logits = features_ND @ flat.view(weights_CD.shape).T
        if weight is None:
            mean = nn.functional.cross_entropy(logits, target, **options)
            return n_counted * mean
        each = nn.functional.cross_entropy(logits, target, reduction="none", **options)
        row_weight = torch.as_tensor(weight[rows] / weight[rows].mean())
        return (row_weight * each).sum()

    hessian = torch.autograd.functional.hessian(loss, weights_CD.flatten())
    expected = torch.linalg.inv(hessian + clf.prior_precision_ * torch.eye(51))
    torch.testing.assert_close(covariance(clf), expected, atol=1e-6, rtol=1e-4)


class Focal(nn.CrossEntropyLoss):
    def forward(self, logits, target):
        loss = nn.functional.cross_entropy(logits, target, reduction="none")
        return ((1 - (-loss).exp()) ** 2 * loss).mean()


@pytest.mark.parametrize("criterion", [nn.MultiMarginLoss, Focal])
def test_criteria_of_another_curvature_are_refused(partly, criterion):
    softmax = {"predict_nonlinearity": lambda z: z.softmax(-1)}
    net = make_net(criterion=criterion, **softmax)
    with pytest.raises(CapabilityError, match=r"criterion.*CrossEntropyLoss"):
        fit(partly, net)


@pytest.mark.slow
def test_a_hook_of_the_caller_counts(partly):
    """Draws are then whole passes, each with its own weights of the last layer."""
    X, _ = partly
    for net in (None, make_net(nn.Linear(2, 3, bias=False))):
        clf = fit(partly, net)
        module = clf.nets_[0].module_
        expected = clf.sample_proba(X, 5, random_state=0)
        handle = module.register_forward_hook(lambda _, x, output: output[:, [1, 2, 0]])
        try:
            found = clf.sample_proba(X, 5, random_state=0)
        finally:
            handle.remove()
        np.testing.assert_allclose(found, expected[..., [1, 2, 0]], atol=1e-5)
        np.testing.assert_array_equal(clf.sample_proba(X, 5, random_state=0), expected)


@pytest.mark.slow
@pytest.mark.parametrize("structure", ["full", "kron", "diag"])
def test_draws_hardly_depend_on_the_number_of_threads(structure):
    """Weights that threads round otherwise have nearly the same draws."""
    n_hidden = 16 if structure == "full" else 128
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 256)).astype(np.float32)
    y = (X @ rng.normal(size=(256, 3))).argmax(1)
    net = make_net(module__n_hidden=n_hidden, module__dropout=0.0, max_epochs=2)
    net.set_params(batch_size=-1)  # products so large that threads share them
    draws, n_threads = [], torch.get_num_threads()
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            clf = fit((X, y), net, structure=structure)
            draws.append(clf.sample_proba(X[:200], 4, random_state=0))
    finally:
        torch.set_num_threads(n_threads)
    np.testing.assert_allclose(draws[0], draws[1], atol=1e-4)
    assert draws[0].std(0).max() > 1e-2
