"""Small nets and classifiers that many tests share."""

import torch
from skorch import NeuralNetClassifier
from torch import nn

from skal_deep.classifier import (
    DeepClassifier,
    DeepEnsembleClassifier,
    EvidentialClassifier,
    LaplaceClassifier,
    MCDropoutClassifier,
    MultiHeadClassifier,
    SnapshotEnsembleClassifier,
    SWAGClassifier,
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


class Normed(nn.Module):
    """A net with batch normalisation and dropout."""

    def __init__(self, n_features, n_classes):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(16, n_classes),
        )

    def forward(self, x):
        return self.layers(x)


MAKERS = {
    "deep": DeepClassifier,
    "dropout": lambda net, **kw: MCDropoutClassifier(net, n_samples=8, **kw),
    "ensemble": lambda net, **kw: DeepEnsembleClassifier(net, n_estimators=3, **kw),
    "snapshots": lambda net, **kw: SnapshotEnsembleClassifier(
        net, n_estimators=3, n_cycles=3, **kw
    ),
    "heads": lambda net, **kw: MultiHeadClassifier(
        net, n_estimators=3, **({"bootstrap": True} | kw)
    ),
    "swag": lambda net, **kw: SWAGClassifier(net, n_samples=8, n_collected=5, **kw),
    "laplace": lambda net, **kw: LaplaceClassifier(net, n_samples=8, **kw),
    "evidential": EvidentialClassifier,
}
WITHOUT_POSTERIOR = ("deep", "evidential")
POSTERIORS = [kind for kind in MAKERS if kind not in WITHOUT_POSTERIOR]
