"""Evidence for classes, and how it is learned."""

import numpy as np
import pytest
import torch
from support import make_net

from skal_deep.classifier import (
    CapabilityError,
    DeepClassifier,
    EvidentialClassifier,
    PredictsEvidence,
    SamplesProba,
    as_model,
)
from skal_deep.classifier.door._model_checks import check_needs
from skal_deep.modules import EvidentialLoss
from skal_deep.modules._evidential import evidence_of


def fit(X, y, **params):
    return EvidentialClassifier(
        make_net(), classes=[0, 1, 2], random_state=0, **params
    ).fit(X, y)


def test_probabilities_are_the_mean_of_the_dirichlet(partly):
    X, y = partly
    clf = fit(X, y)
    alpha = clf.predict_evidence(X) + 1
    assert alpha.min() >= 1
    np.testing.assert_allclose(
        clf.predict_proba(X), alpha / alpha.sum(1, keepdims=True), atol=1e-6
    )


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["log", "digamma", "mse"])
def test_evidence_is_where_labels_are(blobs, loss):
    X, y = blobs
    clf = fit(X, y, loss=loss)
    assert clf.score(X, y) > 0.8
    evidence = clf.predict_evidence(X)
    right = evidence[np.arange(60), y].mean()
    assert right > 3 * (evidence.sum() / 60 - right)


def test_capabilities(partly):
    clf = fit(*partly)
    model = as_model(clf)
    assert isinstance(model, PredictsEvidence)
    assert not isinstance(model, SamplesProba)
    assert not hasattr(clf, "sample_proba")
    np.testing.assert_array_equal(
        model.predict_evidence(partly[0]), clf.predict_evidence(partly[0])
    )
    with pytest.raises(CapabilityError, match="Pass an EvidentialClassifier"):
        check_needs("DEAL", DeepClassifier(make_net()), (PredictsEvidence,), False)


def test_the_divergence_is_annealed_by_epochs(partly, monkeypatch):
    weights = []
    forward = EvidentialLoss.forward

    def watched(self, *args):
        weights.append(self.divergence_weight)
        return forward(self, *args)

    monkeypatch.setattr(EvidentialLoss, "forward", watched)
    fit(*partly, n_annealing_epochs=4)
    assert weights[:6] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]


def test_false_evidence_is_punished():
    loss, logits = EvidentialLoss(), torch.tensor([[5.0, 5.0, -5.0]])
    plain = loss(logits, torch.tensor([0]))
    loss.divergence_weight = 1.0
    assert loss(logits, torch.tensor([0])) > plain + 0.5


def test_evidence_is_smooth_and_finite():
    logits = torch.tensor([-50.0, 0.0, 9.999, 10.001, 1e6], dtype=torch.float64)
    logits.requires_grad_()
    evidence = evidence_of(logits)
    torch.testing.assert_close(evidence[:3], logits[:3].exp())
    evidence.sum().backward()
    assert (evidence.diff() > 0).all()
    torch.testing.assert_close(logits.grad[2], logits.grad[3], rtol=0.01, atol=0)
    assert (logits.grad > 0).all()
    assert torch.isfinite(evidence_of(torch.tensor([1e6]))).all()


@pytest.mark.parametrize(
    "asked",
    [
        {"criterion__label_smoothing": 0.1},
        {"criterion__weight": torch.ones(3)},
        {"criterion": torch.nn.CrossEntropyLoss(weight=torch.ones(3))},
        {"criterion": torch.nn.CrossEntropyLoss(label_smoothing=0.1)},
    ],
    ids=["smoothing", "weight", "instance with weight", "instance with smoothing"],
)
def test_a_criterion_that_could_not_act_is_refused(partly, asked):
    clf = EvidentialClassifier(make_net(**asked), classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"criterion.*cannot act.*sample_weight"):
        clf.fit(*partly)


def test_a_plain_criterion_is_replaced(partly):
    net = make_net(criterion=torch.nn.CrossEntropyLoss())
    clf = EvidentialClassifier(net, classes=[0, 1, 2]).fit(*partly)
    assert isinstance(clf.nets_[0].criterion_, EvidentialLoss)
