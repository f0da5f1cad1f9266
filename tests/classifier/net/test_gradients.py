"""Logits as a function, and gradient lengths, of nets of all kinds."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetBinaryClassifier, NeuralNetClassifier
from support import MAKERS, make_net
from torch import nn

from skal_deep.classifier import CapabilityError, DeepClassifier, as_model
from skal_deep.classifier.net._gradient_lengths import gradient_lengths
from skal_deep.functional import expected_gradient_length
from skal_deep.modules import ConvNet

GOLDEN = np.load(Path(__file__).parent.parent.parent / "golden" / "gradient_length.npz")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4)).astype(np.float32)
Y = np.arange(12) % 3


def given(module, criterion=nn.CrossEntropyLoss):
    return NeuralNetClassifier(module.double(), criterion=criterion).initialize()


class Probabilities(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 3), nn.Softmax(dim=-1))


class OneLogit(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, x):
        return self.layer(x)[:, 0]


@pytest.mark.parametrize("kind", MAKERS)
def test_logits_are_those_of_the_prediction_without_draws(kind):
    clf = MAKERS[kind](make_net(), classes=[0, 1, 2], random_state=0).fit(X, Y)
    x, logits = as_model(clf).differentiable_logits(X)
    assert torch.equal(x, torch.as_tensor(X))
    proba = logits(x).softmax(-1)
    if len(clf.nets_) == 1 and kind != "heads":  # what draws vary is off
        [clf] = clf.nets_
    np.testing.assert_allclose(proba.detach(), clf.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    ("net", "y"),
    [
        (NeuralNetClassifier(Probabilities), Y),
        (NeuralNetBinaryClassifier(OneLogit), (Y > 0).astype(np.float32)),
        (NeuralNetClassifier(nn.Linear(4, 3), criterion=nn.CrossEntropyLoss), Y),
    ],
)
def test_logits_of_plain_nets(net, y):
    net.set_params(verbose=0, train_split=None, max_epochs=1).fit(X, y)
    x, logits = as_model(net).differentiable_logits(X)
    proba = logits(x).softmax(-1).detach()
    np.testing.assert_allclose(proba, net.predict_proba(X), atol=1e-6)
    x.requires_grad_()
    [gradient] = torch.autograd.grad(logits(x)[:, -1].sum(), x)
    assert gradient.abs().sum() > 0
    assert all(
        p.grad is None or p.grad.isfinite().all() for p in net.module_.parameters()
    )


def test_a_pipeline_is_looked_at_behind_its_steps():
    clf = MAKERS["deep"](make_net(), classes=[0, 1, 2], random_state=0)
    pipe = make_pipeline(StandardScaler(), clf).fit(X, Y)
    x, logits = as_model(pipe).differentiable_logits(X)
    np.testing.assert_allclose(x, pipe[0].transform(X))
    np.testing.assert_allclose(
        logits(x).softmax(-1).detach(), pipe.predict_proba(X), atol=1e-6
    )


def one_by_one(net, x):
    """The obvious way: a backward pass for each row and label."""
    lengths = []
    for row in x:
        with torch.enable_grad():
            log_proba = net.infer(row[None]).log_softmax(-1)[0]
            for value in log_proba:
                net.module_.zero_grad()
                value.backward(retain_graph=True)
                gradients = [p.grad.flatten() for p in net.module_.parameters()]
                lengths.append(float(torch.cat(gradients).norm()))
    net.module_.zero_grad()
    return torch.tensor(lengths).reshape(len(x), 1, -1)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [1, 2**24])
def test_lengths_are_those_of_one_row_at_a_time(budget, monkeypatch):
    monkeypatch.setattr(
        "skal_deep.classifier.net._gradient_lengths._MEMORY_BUDGET", budget
    )
    normed = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    images = RNG.normal(size=(5, 1, 8, 8)).astype(np.float32)
    for net, rows in (
        (make_net(), X),
        (make_net(ConvNet, module__n_hidden=8), images),
        (make_net(normed), X),
    ):
        clf = DeepClassifier(net, classes=[0, 1, 2], random_state=0)
        clf.fit(rows, Y[: len(rows)])
        [fitted] = clf.nets_
        fitted.module_.eval()
        torch.testing.assert_close(
            gradient_lengths([fitted], rows),
            one_by_one(fitted, torch.as_tensor(rows)),
            rtol=1e-4,
            atol=1e-5,
        )


def test_golden_of_all_weights():
    layers = nn.Linear(4, 6), nn.Linear(6, 3)
    for layer, i in zip(layers, (1, 2), strict=True):
        layer.weight = nn.Parameter(torch.as_tensor(GOLDEN[f"H_mlp_W{i}"]))
        layer.bias = nn.Parameter(torch.as_tensor(GOLDEN[f"H_mlp_b{i}"]))
    net = given(nn.Sequential(layers[0], nn.Tanh(), layers[1]))
    rows = GOLDEN["H_X"]
    proba = torch.as_tensor(net.module_(torch.as_tensor(rows)).softmax(-1).detach())
    scores = expected_gradient_length(proba, gradient_lengths([net], rows))
    np.testing.assert_allclose(scores, GOLDEN["I_egl_mlp_full"], atol=1e-9)


@pytest.mark.slow
def test_several_nets_count_as_one():
    clf = MAKERS["ensemble"](make_net(), classes=[0, 1, 2], random_state=0).fit(X, Y)
    each = torch.stack([gradient_lengths([net], X) for net in clf.nets_])
    both = as_model(clf).gradient_lengths(X, False)
    torch.testing.assert_close(both, each.square().sum(0).sqrt())


class Words(nn.Module):
    def __init__(self, vectors, weight, bend):
        super().__init__()
        self.words = nn.Embedding.from_pretrained(vectors, freeze=False, padding_idx=0)
        self.last = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        self.last.weight = nn.Parameter(weight)
        self.bend = bend

    def forward(self, tokens):
        there = (tokens != 0)[..., None]
        vectors = self.bend(self.words(tokens)) * there
        return self.last(vectors.sum(1) / there.sum(1))


def words_net(weight, bend=torch.clone):
    vectors = torch.as_tensor(GOLDEN["I_word_E"])
    return given(Words(vectors.clone(), torch.as_tensor(weight).clone(), bend))


def test_golden_of_words():
    tokens = GOLDEN["I_word_tokens"]
    net = words_net(GOLDEN["I_word_W"])
    proba = net.module_(torch.as_tensor(tokens)).softmax(-1).detach()
    lengths = gradient_lengths([net], tokens, words=True)
    assert (lengths[tokens == 0] == 0).all()
    scores = expected_gradient_length(proba, lengths)
    np.testing.assert_allclose(scores, GOLDEN["I_egl_word"], atol=1e-9)
    assert not net.module_.words._forward_hooks


@pytest.mark.parametrize("budget", [1, 2**24])
def test_lengths_of_words_are_those_of_their_rows_of_weights(budget, monkeypatch):
    monkeypatch.setattr(
        "skal_deep.classifier.net._gradient_lengths._MEMORY_BUDGET", budget
    )
    tokens = torch.as_tensor(GOLDEN["I_word3_tokens"])
    net = words_net(GOLDEN["I_word3_W"], nn.Tanh())
    lengths = gradient_lengths([net], tokens.numpy(), words=True)
    for row, of_row in zip(tokens, lengths, strict=True):
        for label in range(3):
            net.module_.zero_grad()
            (-net.module_(row[None]).log_softmax(-1)[0, label]).backward()
            expected = net.module_.words.weight.grad.norm(dim=1)[row]
            torch.testing.assert_close(of_row[:, label], expected)


def test_lengths_of_words_by_hand():
    """The mean vector is orthogonal to all weights, so that each label has p = 1/3.

    The gradient of label c with respect to the mean is ``-weight_c``, of length 3, 0
    and 3. Of three words, the first stands there twice and gets 2/3 of it.
    """
    vectors = torch.tensor([[0.0, 0.0], [4.0, -3.0], [-8.0, 6.0]]).double()
    weight = torch.tensor([[1.8, 2.4], [0.0, 0.0], [-1.8, -2.4]]).double()
    net, tokens = given(Words(vectors, weight, torch.clone)), np.array([[1, 2, 0, 1]])
    lengths = gradient_lengths([net], tokens, words=True)
    expected = torch.tensor([[[2, 0, 2], [1, 0, 1], [0, 0, 0], [2, 0, 2]]]).double()
    torch.testing.assert_close(lengths, expected)
    score = expected_gradient_length(torch.full((1, 3), 1 / 3).double(), lengths)
    assert score.item() == pytest.approx(4 / 3)


def test_what_cannot_be_differentiated_is_named():
    tokens = GOLDEN["I_word_tokens"]
    net = words_net(GOLDEN["I_word_W"])
    with pytest.raises(CapabilityError, match=r"Words takes torch\.int64 as input"):
        as_model(net).differentiable_logits(tokens)
    with pytest.raises(CapabilityError, match=r"has 0 nn\.Embedding layers"):
        gradient_lengths([given(nn.Linear(4, 3))], X, words=True)


class Twice(nn.Module):
    """A net in which one layer stands at two places, and one weight in two layers."""

    def __init__(self):
        super().__init__()
        layer, other = nn.Linear(4, 4), nn.Linear(4, 4)
        other.weight = layer.weight
        self.layers = nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), other)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.layers(x))


def test_weights_at_several_places_count_once_and_stay():
    net = given(Twice())
    before = dict(net.module_.named_parameters(remove_duplicate=False))
    x = torch.as_tensor(X, dtype=torch.float64)
    lengths = gradient_lengths([net], X.astype(float))[:, 0]
    after = dict(net.module_.named_parameters(remove_duplicate=False))
    assert before.keys() == after.keys()
    assert all(before[name] is after[name] for name in before)
    pickle.loads(pickle.dumps(net.module_))
    weights = list(net.module_.parameters())
    assert len(weights) == 5
    for row, label in ((0, 0), (1, 2), (2, 1)):
        loss = nn.functional.cross_entropy(
            net.module_(x[row : row + 1]), torch.tensor([label])
        )
        gradients = torch.autograd.grad(loss, weights)
        norm = torch.cat([g.flatten() for g in gradients]).norm()
        assert lengths[row, label].item() == pytest.approx(norm.item())
