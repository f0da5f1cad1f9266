"""Parts made of torch.nn: reference nets and the machinery of dropout."""

from skal_deep.modules._conv_net import ConvNet
from skal_deep.modules._dropout import (
    FunctionalDropout,
    coupled_dropout,
    dropout_layers,
    eval_mode,
    unreachable_dropout,
)
from skal_deep.modules._mlp import MLP
from skal_deep.modules._rng import isolated_rng

__all__ = [
    "ConvNet",
    "FunctionalDropout",
    "MLP",
    "coupled_dropout",
    "dropout_layers",
    "eval_mode",
    "isolated_rng",
    "unreachable_dropout",
]
