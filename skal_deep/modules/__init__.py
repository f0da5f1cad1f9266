"""Parts made of torch.nn: reference nets and the machinery of dropout."""

from skal_deep.modules._conv_net import ConvNet
from skal_deep.modules._discriminator import Discriminator
from skal_deep.modules._drop_connect import DropConnectLinear
from skal_deep.modules._dropout import (
    CoupledDropout,
    coupled_dropout,
    dropout_layers,
    dropout_sites,
    eval_mode,
    unreachable_dropout,
)
from skal_deep.modules._evidential import EvidentialLoss, evidence_of, evidential_proba
from skal_deep.modules._hidden import RandomSite, parts_that_may_hide, random_pass
from skal_deep.modules._hooks import as_before
from skal_deep.modules._images import axes_hint, has_channels_last
from skal_deep.modules._layout import ChannelsLast, convolves
from skal_deep.modules._mlp import MLP
from skal_deep.modules._prefix import SharedPrefix
from skal_deep.modules._rng import draw_generator, isolated_rng, one_thread_at_a_time
from skal_deep.modules._split_linear import (
    SplitLinear,
    heads_apart,
    one_head,
    split_linear,
)
from skal_deep.modules._standardizer import Standardizer
from skal_deep.modules._thinned import ThinnedDraws, draw_passes
from skal_deep.modules._training import Minibatches, train
from skal_deep.modules._vaal import LabeledScorer, train_vaal
from skal_deep.modules._vae import VAE
from skal_deep.modules._weights import (
    batch_norms,
    refresh_batch_norm,
    restored_state,
    set_trained_weights,
    trained_weights,
)

__all__ = [
    "ChannelsLast",
    "ConvNet",
    "CoupledDropout",
    "Discriminator",
    "DropConnectLinear",
    "EvidentialLoss",
    "LabeledScorer",
    "MLP",
    "Minibatches",
    "RandomSite",
    "SharedPrefix",
    "SplitLinear",
    "Standardizer",
    "ThinnedDraws",
    "VAE",
    "as_before",
    "axes_hint",
    "batch_norms",
    "convolves",
    "coupled_dropout",
    "draw_generator",
    "draw_passes",
    "dropout_layers",
    "dropout_sites",
    "eval_mode",
    "evidence_of",
    "evidential_proba",
    "has_channels_last",
    "heads_apart",
    "isolated_rng",
    "one_head",
    "one_thread_at_a_time",
    "parts_that_may_hide",
    "random_pass",
    "refresh_batch_norm",
    "restored_state",
    "set_trained_weights",
    "split_linear",
    "train",
    "train_vaal",
    "trained_weights",
    "unreachable_dropout",
]
