"""What many tests share: small nets and classifiers, a look at memory."""

import os
import pickle
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from skorch import NeuralNetClassifier
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from skal_deep.classifier import (
    BayesByBackpropClassifier,
    CheckpointClassifier,
    DeepClassifier,
    DeepEnsembleClassifier,
    EntropyMinimizingClassifier,
    EvidentialClassifier,
    FixMatchClassifier,
    GenerativeAugmentationClassifier,
    LabelPropagationClassifier,
    LaplaceClassifier,
    LossPredictionClassifier,
    MCDropoutClassifier,
    MixMatchClassifier,
    MultiHeadClassifier,
    MultiViewClassifier,
    PseudoLabelClassifier,
    SnapshotEnsembleClassifier,
    SWAClassifier,
    SWAGClassifier,
    VariationalLastLayerClassifier,
    WassersteinClassifier,
)
from skal_deep.functional.gradients import _Gradients, errors_of_likeliest
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
# Classifiers that train on another term beside the net's own loss. They share all but
# that term with the others, so that they are put through the public checks alone.
JOINT_MAKERS = {
    "loss": LossPredictionClassifier,
    "entropy": EntropyMinimizingClassifier,
    "checkpoints": CheckpointClassifier,
    "mixmatch": MixMatchClassifier,
    "swa": lambda net, **kw: SWAClassifier(net, n_collected=5, **kw),
    "views": MultiViewClassifier,
    "critic": WassersteinClassifier,
    "pseudo": lambda net, **kw: PseudoLabelClassifier(net, threshold=0.5, **kw),
    "propagated": lambda net, **kw: LabelPropagationClassifier(
        net, n_neighbors=5, **kw
    ),
    "fixmatch": lambda net, **kw: FixMatchClassifier(net, unlabeled_ratio=1, **kw),
}
# Posteriors that share all but their draws and a term of the loss with the others: the
# public checks and the tests of draws see them, no more.
POSTERIOR_MAKERS = {
    "stochastic ensemble": lambda net, **kw: DeepEnsembleClassifier(
        net, n_estimators=3, n_dropout_draws=2, **kw
    ),
    "variational last layer": lambda net, **kw: VariationalLastLayerClassifier(
        net, n_samples=8, **kw
    ),
    "generated rows": lambda net, **kw: GenerativeAugmentationClassifier(
        net, n_samples=8, latent_dim=4, **kw
    ),
    "bayes by backprop": lambda net, **kw: BayesByBackpropClassifier(
        net, n_samples=8, **kw
    ),
}
ALL_MAKERS = MAKERS | JOINT_MAKERS | POSTERIOR_MAKERS
WITHOUT_POSTERIOR = ("deep", "evidential")
POSTERIORS = [kind for kind in MAKERS if kind not in WITHOUT_POSTERIOR]


_LOADER = """
import pickle, sys
sys.path[:0] = sys.argv[3:]
import torch
torch.set_num_threads(1)
with open(sys.argv[1], "rb") as file:
    models, X, question = pickle.load(file)
with open(sys.argv[2], "wb") as file:
    pickle.dump([getattr(model, question)(X) for model in models], file)
"""


def answers_of_a_fresh_process(models, X, question, folder):
    """Return what fitted models answer in one process that has to load them."""
    stored, answers = folder / "models.pkl", folder / "answers.pkl"
    stored.write_bytes(pickle.dumps((models, X, question)))
    command = [sys.executable, "-c", _LOADER, stored, answers, *sys.path]
    subprocess.run(command, check=True)
    return pickle.loads(answers.read_bytes())


def squared_gradient_norms(probas, embeddings):
    """Return ``|p - onehot(argmax p)|^2 |h|^2``, as Badge's kernel has them."""
    return _Gradients(errors_of_likeliest(probas), embeddings).norm_N


class Largest(TorchDispatchMode):
    """Remembers the size of the largest tensor that is made; views are none."""

    n_elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Call an operation and look at what it returns."""
        kwargs = kwargs or {}
        given = {_memory(part) for part in _tensors((args, kwargs))}
        made = func(*args, **kwargs)
        for part in _tensors(made):
            if _memory(part) not in given:
                self.n_elements = max(self.n_elements, part.numel())
        return made


def _tensors(tree):
    return [part for part in tree_leaves(tree) if isinstance(part, torch.Tensor)]


def _memory(tensor):
    return tensor.untyped_storage().data_ptr()


@contextmanager
def read_only(folder):
    """Take the right to write into a folder, from root, too."""
    paths = [Path(folder), *Path(folder).rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = os.geteuid() if hasattr(os, "geteuid") else None
    try:
        if user == 0:
            os.seteuid(65534)
        if os.access(folder, os.W_OK, effective_ids=user == 0):
            pytest.skip("this system lets its user write anywhere")
        if not os.access(folder, os.X_OK, effective_ids=user == 0):
            pytest.skip("root alone reads the temporary folder")
        yield
    finally:
        if user == 0:
            os.seteuid(0)
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)
