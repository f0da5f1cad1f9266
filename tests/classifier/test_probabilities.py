"""What a net says is probabilities in float32, or it is refused."""

from functools import partial

import numpy as np
import pytest
import torch
from skactiveml.classifier import SkorchClassifier
from skorch import NeuralNetBinaryClassifier
from skorch.dataset import ValidSplit
from support import MAKERS, POSTERIORS, make_net
from torch import nn

from skal_deep.classifier import (
    CapabilityError,
    DeepClassifier,
    MCDropoutClassifier,
    as_model,
)
from skal_deep.functional import bald
from skal_deep.modules import MLP
from skal_deep.pool import (
    BALD,
    DEAL,
    DFAL,
    EGL,
    LCMD,
    AlfaMix,
    Badge,
    Bait,
    CoreSet,
    DropQuery,
    MarginSampling,
    UncertaintyHerding,
)

# The classifiers that take any criterion of the user's.
BY_CRITERION = [kind for kind in MAKERS if kind not in ("evidential", "laplace")]


class Focal(nn.Module):
    """A loss of logits that skorch has never heard of."""

    reduction = "mean"

    def forward(self, logits, y):
        log_proba = logits.log_softmax(-1).gather(1, y[:, None])[:, 0]
        return -((1 - log_proba.exp()) ** 2 * log_proba).mean()


class Small(nn.Module):
    """A dropout net of any number type and any activation at its end."""

    def __init__(self, n_features=2, n_classes=3, dtype=None, last=None):
        super().__init__()
        layers = [
            nn.Linear(n_features, 16, dtype=dtype),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(16, n_classes, dtype=dtype),
        ]
        self.layers = nn.Sequential(*layers, *([] if last is None else [last]))

    def forward(self, x):
        return self.layers(x)


NO_PROBABILITIES = {
    "margin": {"criterion": nn.MultiMarginLoss},
    "focal": {"criterion": Focal},
    "no nonlinearity": {"predict_nonlinearity": None},
    "sigmoid": {"criterion": Focal, "module__last": nn.Sigmoid()},
    "sums of 2": {"predict_nonlinearity": lambda output: 2 * output.softmax(-1)},
    "negative": {"predict_nonlinearity": lambda output: output.tanh()},
}


@pytest.mark.parametrize("kind", BY_CRITERION)
@pytest.mark.parametrize("fault", ["margin", "focal", "no nonlinearity"])
def test_fit_refuses_logits_and_names_the_remedy(kind, fault, partly):
    net = make_net(Small, **NO_PROBABILITIES[fault])
    clf = MAKERS[kind](net, classes=[0, 1, 2], random_state=0)
    with pytest.raises(ValueError, match='predict_nonlinearity="softmax"'):
        clf.fit(*partly)
    with pytest.raises(ValueError, match='predict_nonlinearity="softmax"'):
        clf.fit(partly[0], np.full(60, -1))


@pytest.mark.parametrize("fault", NO_PROBABILITIES)
def test_every_fault_is_refused(fault, partly):
    net = make_net(Small, **NO_PROBABILITIES[fault])
    with pytest.raises(ValueError, match="predicts no probabilities"):
        DeepClassifier(net, random_state=0).fit(*partly)


@pytest.mark.parametrize("kind", BY_CRITERION)
@pytest.mark.parametrize("choice", ["softmax", partial(torch.softmax, dim=-1)])
def test_the_remedy_works(kind, choice, blobs):
    net = make_net(Small, criterion=nn.MultiMarginLoss, predict_nonlinearity=choice)
    clf = MAKERS[kind](net, classes=[0, 1, 2], random_state=0).fit(*blobs)
    np.testing.assert_allclose(clf.predict_proba(blobs[0]).sum(-1), 1, atol=1e-5)
    assert clf.score(*blobs) > 0.7
    assert clf.nets_[0].predict_proba(blobs[0]).shape == (60, 3)  # by skorch itself


@pytest.mark.parametrize("strategy", [MarginSampling(), BALD(), Badge()])
def test_bare_nets_are_looked_at_by_the_door(strategy, partly):
    net = make_net(Small, criterion=nn.MultiMarginLoss)
    with pytest.raises(ValueError, match='predict_nonlinearity="softmax"'):
        strategy.query(*partly, net)
    net.set_params(predict_nonlinearity="softmax")
    strategy.query(*partly, net)


@pytest.mark.slow
def test_scikit_activemls_wrapper_is_looked_at(partly):
    def wrapper(last):
        return SkorchClassifier(
            Small,
            forward_outputs={"proba": (0, last)},
            classes=[0, 1, 2],
            missing_label=-1,
            neural_net_param_dict={"train_split": None, "verbose": 0},
        )

    for strategy in (MarginSampling(), BALD(), Badge()):
        with pytest.raises(ValueError, match="forward_outputs"):
            strategy.query(*partly, wrapper(None))
        strategy.query(*partly, wrapper(nn.Softmax(dim=-1)))


@pytest.mark.parametrize(
    ("criterion", "last"),
    [(nn.BCEWithLogitsLoss, None), (nn.BCELoss, nn.Sigmoid())],
)
def test_one_output_for_two_classes(criterion, last, blobs):
    X, y = blobs[0], blobs[1] == 0
    options = {"module__n_classes": 1, "max_epochs": 20, "lr": 0.1}
    net = NeuralNetBinaryClassifier(
        Small, criterion=criterion, module__last=last, train_split=None, verbose=0
    ).set_params(**options)
    clf = MCDropoutClassifier(net, n_samples=5, random_state=0).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X).sum(-1), 1, atol=1e-6)
    assert clf.score(X, y) > 0.8
    for criterion in (Focal, nn.SoftMarginLoss):  # one number a row is no probability
        with pytest.raises(ValueError, match="NeuralNetBinaryClassifier with BCE"):
            DeepClassifier(net.set_params(criterion=criterion)).fit(X, y)


def test_outputs_of_every_pixel_are_refused(partly):
    class Pixels(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 3)

        def forward(self, x):
            return self.layer(x)[:, None].expand(-1, 4, -1)

    with pytest.raises(ValueError, match=r"shape \(2, 4, 3\) where \(N, C\) is wanted"):
        DeepClassifier(make_net(Pixels), random_state=0).fit(*partly)


def test_a_temperature_is_in_the_logits_too(blobs):
    sharp = make_net(Small, predict_nonlinearity=lambda out: (out * 3).softmax(-1))
    clf = DeepClassifier(sharp, random_state=0).fit(*blobs)
    model = as_model(clf)
    x, logits = model.differentiable_logits(blobs[0])
    torch.testing.assert_close(
        logits(x).softmax(-1), model.predict_proba(blobs[0]), atol=1e-5, rtol=0
    )
    with pytest.raises(CapabilityError, match="last linear layer"):
        model.linear_head(blobs[0])


HALF = [torch.bfloat16, torch.float16]


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_leaves_the_net_as_float32(kind, dtype, blobs):
    X, y = blobs
    net = make_net(Small, module__dtype=dtype, optimizer=torch.optim.SGD)
    clf = MAKERS[kind](net, classes=[0, 1, 2], random_state=0).fit(X, y)
    assert clf.predict_proba(X).dtype == clf.embed(X).dtype == np.float32
    np.testing.assert_allclose(clf.predict_proba(X).sum(-1), 1, atol=1e-5)
    assert clf.score(X, y) > 0.5
    if kind in POSTERIORS:
        draws = clf.sample_proba(X)
        assert draws.dtype == np.float32
        assert bald(torch.as_tensor(draws)).max() > 0


class Mixed(MLP):
    """Computes in bfloat16 by weights in float32."""

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(x)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The draws of Mixed are computed one by one")
def test_mixed_precision_leaves_the_net_as_float32(make, blobs):
    X, y = blobs
    clf = make(make_net(Mixed)).fit(X, y)
    assert clf.predict_proba(X).dtype == clf.embed(X).dtype == np.float32
    assert clf.score(X, y) > 0.5
    if make.kind in POSTERIORS:
        assert bald(torch.as_tensor(clf.sample_proba(X))).max() > 0


def test_the_head_of_mixed_precision(blobs):
    X, y = blobs
    clf = DeepClassifier(make_net(Mixed), classes=[0, 1, 2], random_state=0).fit(X, y)
    weight_CD, bias_C = as_model(clf).linear_head(X)
    logits_NC = torch.as_tensor(clf.embed(X)) @ weight_CD.T + bias_C
    np.testing.assert_allclose(logits_NC.softmax(-1), clf.predict_proba(X), atol=0.05)


def test_probabilities_rounded_to_half_sum_to_one(blobs):
    net = make_net(
        Small,
        module__dtype=torch.bfloat16,
        module__last=nn.Softmax(-1),
        criterion=nn.NLLLoss,
        optimizer=torch.optim.SGD,
    )
    clf = DeepClassifier(net, classes=[0, 1, 2], random_state=0).fit(*blobs)
    np.testing.assert_allclose(clf.predict_proba(blobs[0]).sum(-1), 1, atol=1e-6)


@pytest.mark.parametrize("dtype", HALF)
def test_callbacks_score_half_precision(dtype, blobs):
    net = make_net(
        Small,
        module__dtype=dtype,
        optimizer=torch.optim.SGD,
        train_split=ValidSplit(3),
        max_epochs=2,
    )
    clf = DeepClassifier(net, random_state=0).fit(*blobs)
    assert clf.nets_[0].history[-1, "valid_acc"] >= 0
    weight, bias = as_model(clf).linear_head(blobs[0])
    assert weight.dtype == bias.dtype == torch.float32
    x, logits = as_model(clf).differentiable_logits(blobs[0])
    assert x.dtype == logits(x).dtype == torch.float32
    assert (logits(x) > 0).any()  # the logits themselves, not their log-softmax


HALF_STRATEGIES = [
    AlfaMix(),
    DropQuery(),
    Bait(),
    UncertaintyHerding(),
    DFAL(),
    EGL(weights="all"),
    LCMD(weights="all"),
    CoreSet(),
    BALD(),
]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", HALF_STRATEGIES, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("dtype", HALF)
def test_strategies_take_half_precision(strategy, dtype, partly):
    net = make_net(Small, module__dtype=dtype, optimizer=torch.optim.SGD)
    clf = MCDropoutClassifier(net, n_samples=5, classes=[0, 1, 2], random_state=0)
    strategy.query(*partly, clf, batch_size=3)
    if not isinstance(strategy, UncertaintyHerding):  # that fits a net of its own
        bare = clf.fit(*partly).nets_[0]
        strategy.query(*partly, bare, fit_clf=False, batch_size=3)


@pytest.mark.parametrize("dtype", HALF)
def test_deal_takes_half_precision(dtype, partly):
    net = make_net(Small, module__dtype=dtype, optimizer=torch.optim.SGD)
    clf = MAKERS["evidential"](net, classes=[0, 1, 2], random_state=0)
    DEAL().query(*partly, clf, batch_size=3)


class CompiledInside(nn.Module):
    """A module whose trunk its author has compiled."""

    def __init__(self):
        super().__init__()
        self.trunk = torch.compile(Small(2, 8), backend="eager")
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.trunk(x).relu())


COMPILED = {
    "net": lambda: make_net(Small, compile=True, compile__backend="eager"),
    "module": lambda: make_net(torch.compile(Small(), backend="eager")),
    "inside": lambda: make_net(CompiledInside),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("which", COMPILED)
def test_compiled_modules_are_trained_and_asked(kind, which, blobs):
    if kind == "ensemble" and which == "module":
        pytest.skip("members of one instance start from the same weights")
    X, y = blobs
    net = COMPILED[which]().set_params(max_epochs=5)
    clf = MAKERS[kind](net, classes=[0, 1, 2], random_state=0).fit(X, y)
    plain = make_net(Small, max_epochs=5)
    if which == "net":
        same = MAKERS[kind](plain, classes=[0, 1, 2], random_state=0).fit(X, y)
        np.testing.assert_allclose(
            clf.predict_proba(X), same.predict_proba(X), atol=1e-4
        )
        np.testing.assert_allclose(clf.embed(X), same.embed(X), atol=1e-3)
    assert clf.embed(X).shape[0] == 60
    assert not any(hasattr(n.module_, "_orig_mod") for n in clf.nets_)
    assert net.module is not clf.nets_[0].module_


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's, on compiling
@pytest.mark.parametrize("which", COMPILED)
def test_compiled_bare_nets_are_asked(which, blobs):
    X, y = blobs
    net = COMPILED[which]().set_params(max_epochs=2).fit(X, y)
    compiled, state = (
        net.module_,
        {n: t.clone() for n, t in net.module_.state_dict().items()},
    )
    model = as_model(net)
    embedding = model.embed(X)
    weight, bias = model.linear_head(X)
    proba = (embedding @ weight.T + bias).softmax(-1)
    torch.testing.assert_close(proba, torch.as_tensor(net.predict_proba(X)))
    assert bald(model.sample_proba(X, 5, 0)).max() > 0
    assert model.jacobian(X, 6, 0).abs().sum() > 0
    assert model.weight_gradients(X, 6, 0).abs().sum() > 0
    assert net.module_ is compiled
    for name, tensor in net.module_.state_dict().items():
        assert torch.equal(tensor, state[name])


@pytest.mark.slow
def test_training_runs_compiled(blobs):
    calls = []

    def backend(graph, _inputs):
        calls.append(graph)
        return graph.forward

    net = make_net(Small, compile=True, compile__backend=backend, max_epochs=1)
    clf = DeepClassifier(net, random_state=0).fit(*blobs)
    assert calls
    calls.clear()
    clf.predict_proba(blobs[0])
    assert not calls
    assert clf.nets_[0].module_._compiled_call_impl is None
