"""Steps of MixMatch against the formulas of the paper."""

import numpy as np
import pytest
import torch
from support import make_net
from torch import nn

from skal_deep.classifier import MixMatchClassifier, _mix_match

N_LABELED, N_UNLABELED, N_CLASSES, LR = 4, 4, 3, 0.5
# Unit vectors: the numbers of a mixed row are the shares of the rows in it.
X = np.eye(N_LABELED + N_UNLABELED, dtype=np.float32)
Y = np.array([0, 1, 2, 0, -1, -1, -1, -1])


class Linear(nn.Module):
    """A linear net that keeps its weights and inputs of passes with gradients."""

    steps: list = []

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.layer = nn.Linear(n_features, n_classes)

    def forward(self, x):
        if self.training and torch.is_grad_enabled():
            weights = [p.detach().clone() for p in self.layer.parameters()]
            self.steps.append((weights, x.clone()))
        return self.layer(x)


def reference(weights, mixed, label_of_row, unlabeled_weight):
    """Return the loss of [Berthelot et al., 2019, eq. 3-5], and its gradients."""
    weight, bias = (w.clone().requires_grad_() for w in weights)
    # eq. 7; all views of a row are the row itself
    guess = torch.softmax(torch.as_tensor(X) @ weight.detach().T + bias.detach(), 1)
    guess = guess**2 / (guess**2).sum(1, keepdim=True)
    target = torch.where(
        torch.as_tensor(label_of_row >= 0)[:, None],
        torch.eye(N_CLASSES)[label_of_row],
        guess,
    )
    p = torch.softmax(mixed @ weight.T + bias, 1)
    q = mixed @ target
    supervised = -(q * p.log())[:N_LABELED].sum() / N_LABELED
    n_unlabeled = len(mixed) - N_LABELED
    squared = (q - p)[N_LABELED:].square().sum() / (N_CLASSES * n_unlabeled)
    loss = supervised + unlabeled_weight * squared
    loss.backward()
    return loss.item(), weight.grad, bias.grad


def fitted(n_steps, **params):
    """Return what went into the steps of a fit, and the classifier."""
    Linear.steps = []
    net = make_net(
        Linear,
        optimizer=torch.optim.SGD,
        lr=LR,
        batch_size=N_LABELED,
        max_epochs=n_steps,
    )
    clf = MixMatchClassifier(net, augment=lambda x: x, random_state=0, **params)
    clf.fit(X, Y)
    return Linear.steps, clf


def test_a_step_is_that_of_the_paper():
    steps, clf = fitted(6, unlabeled_weight=30.0, n_views=3, n_ramp_steps=4)
    [net] = clf.nets_
    after = [weights for weights, _ in steps[1:]]
    after.append([p.detach() for p in net.module_.parameters()])
    for step, ((weights, mixed), later) in enumerate(zip(steps, after, strict=True)):
        reached = 30.0 * min(1, (step + 1) / 4)
        loss, *gradients = reference(weights, mixed, Y, reached)
        assert net.history[step, "train_loss"] == pytest.approx(loss, rel=1e-5)
        for before, gradient, new in zip(weights, gradients, later, strict=True):
            torch.testing.assert_close(new, before - LR * gradient)


def test_each_row_is_mixed_with_another_by_a_weight_of_its_own():
    steps, _ = fitted(30, n_views=2)
    mixed = torch.cat([x for _, x in steps])
    assert len(mixed) == 30 * (N_LABELED + 2 * N_UNLABELED)
    torch.testing.assert_close(mixed.sum(1), torch.ones(len(mixed)))
    assert ((mixed > 0).sum(1) <= 2).all()
    # the larger share is the row's own: the first ones are the labelled rows
    top = mixed.max(1)
    assert (top.values >= 0.5).all()
    is_labeled = top.indices.reshape(30, -1) < N_LABELED
    assert is_labeled[:, :N_LABELED].all()
    assert not is_labeled[:, N_LABELED:].any()
    # of the larger of Beta(.75, .75) and its rest, to be seen where two rows differ
    share = top.values[top.values < 1]
    larger = np.random.default_rng(0).beta(0.75, 0.75, 10_000)
    larger = np.maximum(larger, 1 - larger)
    assert share.mean().item() == pytest.approx(larger.mean(), abs=0.03)
    assert len(share.unique()) > 0.9 * len(share)
    # with all the others: labelled rows with unlabelled ones and the reverse
    second = mixed.topk(2).indices[:, 1].reshape(30, -1)[:, :N_LABELED]
    assert {*second.flatten().tolist()} == {*range(8)}


def test_a_guess_is_the_sharpened_mean_of_views_that_differ(monkeypatch):
    shown, asked, own = [], [], _mix_match.sharpen

    def augment(x):  # each view is another multiple of the rows
        shown.append((len(shown) + 2) * x)
        return shown[-1]

    def sharpen(proba, temperature):
        asked.append((proba, temperature))
        return own(proba, temperature)

    monkeypatch.setattr(_mix_match, "sharpen", sharpen)
    Linear.steps = []
    net = make_net(Linear, optimizer=torch.optim.SGD, batch_size=4, max_epochs=1)
    clf = MixMatchClassifier(net, augment, temperature=0.3, random_state=0)
    clf.fit(X, Y)
    [((weight, bias), mixed)] = Linear.steps
    _, *views = shown
    assert [len(part) for part in shown] == [4, 4, 4]
    expected = sum((view @ weight.T + bias).softmax(1) for view in views) / 2
    [(proba, temperature)] = asked
    torch.testing.assert_close(proba, expected)
    assert temperature == 0.3
    # what is mixed are these views, each row's own share the larger one
    largest = torch.cat(shown).amax(1)
    assert (mixed.amax(1) >= largest / 2).all()
