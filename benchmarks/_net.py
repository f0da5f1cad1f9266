"""The nets that the benchmarks train."""

import torch
from skorch import NeuralNetClassifier
from torch import nn


def make_net(module, **params):
    """Return a silent net that learns from all its rows, by Adam unless told else."""
    settings = {
        "criterion": nn.CrossEntropyLoss,
        "optimizer": torch.optim.Adam,
        "iterator_train__shuffle": True,
        "train_split": None,
        "verbose": 0,
    }
    return NeuralNetClassifier(module, **(settings | params))
