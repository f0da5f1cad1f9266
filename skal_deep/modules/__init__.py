"""Parts made of torch.nn: reference nets and the machinery of dropout."""

from skal_deep.modules._conv_net import ConvNet
from skal_deep.modules._discriminator import Discriminator
from skal_deep.modules._dropout import (
    CoupledDropout,
    FunctionalDropout,
    coupled_dropout,
    dropout_layers,
    eval_mode,
    unreachable_dropout,
)
from skal_deep.modules._mlp import MLP
from skal_deep.modules._prefix import SharedPrefix
from skal_deep.modules._rng import isolated_rng
from skal_deep.modules._standardizer import Standardizer
from skal_deep.modules._training import Minibatches, train
from skal_deep.modules._vaal import LabeledScorer, train_vaal
from skal_deep.modules._vae import VAE

__all__ = [
    "MLP",
    "VAE",
    "ConvNet",
    "CoupledDropout",
    "Discriminator",
    "FunctionalDropout",
    "LabeledScorer",
    "Minibatches",
    "SharedPrefix",
    "Standardizer",
    "coupled_dropout",
    "dropout_layers",
    "eval_mode",
    "isolated_rng",
    "train",
    "train_vaal",
    "unreachable_dropout",
]
