"""Parts made of torch.nn: reference nets and the machinery of dropout."""

from skal_deep.modules._conv_net import ConvNet
from skal_deep.modules._discriminator import Discriminator
from skal_deep.modules._drop_connect import DropConnectLinear
from skal_deep.modules._dropout import coupled_dropout, eval_mode
from skal_deep.modules._evidential import EvidentialLoss
from skal_deep.modules._mask_noise import MaskNoise
from skal_deep.modules._mlp import MLP
from skal_deep.modules._rng import isolated_rng
from skal_deep.modules._standardizer import Standardizer
from skal_deep.modules._training import Minibatches, train
from skal_deep.modules._vae import VAE

__all__ = [
    "MaskNoise",
    "ConvNet",
    "Discriminator",
    "DropConnectLinear",
    "EvidentialLoss",
    "MLP",
    "Minibatches",
    "Standardizer",
    "VAE",
    "coupled_dropout",
    "eval_mode",
    "isolated_rng",
    "train",
]
