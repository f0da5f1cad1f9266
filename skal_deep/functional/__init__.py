"""The mathematics of acquisition and selection: tensors in, tensors out."""

from skal_deep.functional.adversarial import deepfool, iterated_sign_attack, nearness
from skal_deep.functional.dependence import ical
from skal_deep.functional.disagreement import consensus_kl, vote_entropy
from skal_deep.functional.evidence import (
    dirichlet_information,
    dirichlet_mean,
    vacuity,
)
from skal_deep.functional.gradient_length import (
    expected_gradient_length,
    last_layer_gradient_lengths,
)
from skal_deep.functional.gradients import badge, squared_gradient_norms
from skal_deep.functional.information import bald, entropy, predictive_entropy
from skal_deep.functional.joint_entropy import batch_bald, n_informed_picks
from skal_deep.functional.k_center import k_center_greedy
from skal_deep.functional.mixture import rescaled, stage_weights
from skal_deep.functional.prediction_information import class_weights, epig
from skal_deep.functional.selection import (
    power_sample,
    softmax_sample,
    softrank_sample,
    top_k,
)
from skal_deep.functional.uncertainty import (
    least_confidence,
    margin,
    mean_std,
    variation_ratio,
    vote_shares,
)

__all__ = [
    "badge",
    "bald",
    "batch_bald",
    "class_weights",
    "consensus_kl",
    "deepfool",
    "dirichlet_information",
    "dirichlet_mean",
    "entropy",
    "epig",
    "expected_gradient_length",
    "ical",
    "iterated_sign_attack",
    "k_center_greedy",
    "last_layer_gradient_lengths",
    "least_confidence",
    "margin",
    "mean_std",
    "n_informed_picks",
    "nearness",
    "power_sample",
    "predictive_entropy",
    "rescaled",
    "softmax_sample",
    "softrank_sample",
    "squared_gradient_norms",
    "stage_weights",
    "top_k",
    "vacuity",
    "variation_ratio",
    "vote_entropy",
    "vote_shares",
]
