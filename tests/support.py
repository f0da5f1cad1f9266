"""Small nets and classifiers that many tests share."""

import torch
from skorch import NeuralNetClassifier
from torch import nn

from skal_deep.classifier import (
    DeepClassifier,
    DeepEnsembleClassifier,
    MCDropoutClassifier,
)
from skal_deep.modules import MLP


def make_net(module=MLP, **params):
    """Return a net that learns the blobs in a few steps."""
    defaults = {
        "criterion": nn.CrossEntropyLoss,
        "optimizer": torch.optim.Adam,
        "lr": 0.03,
        "max_epochs": 20,
        "batch_size": 16,
        "iterator_train__shuffle": True,
        "train_split": None,
        "verbose": 0,
    }
    if module is MLP:
        defaults["module__n_hidden"] = 16
    return NeuralNetClassifier(module, **(defaults | params))


MAKERS = {
    "deep": DeepClassifier,
    "dropout": lambda net, **kw: MCDropoutClassifier(net, n_samples=8, **kw),
    "ensemble": lambda net, **kw: DeepEnsembleClassifier(net, n_estimators=3, **kw),
}
