"""The mathematics of acquisition and selection: tensors in, tensors out."""

from skal_deep.functional.calibration import fit_temperature, temperature_scaled
from skal_deep.functional.determinant import max_det
from skal_deep.functional.features import last_layer_features, sketched_outer
from skal_deep.functional.gradients import badge, squared_gradient_norms
from skal_deep.functional.information import bald, entropy, predictive_entropy
from skal_deep.functional.joint_entropy import batch_bald, n_informed_picks
from skal_deep.functional.k_center import k_center_greedy
from skal_deep.functional.largest_cluster import lcmd
from skal_deep.functional.robust_k_center import robust_k_center
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
)

__all__ = [
    "badge",
    "bald",
    "batch_bald",
    "entropy",
    "fit_temperature",
    "k_center_greedy",
    "last_layer_features",
    "lcmd",
    "least_confidence",
    "margin",
    "max_det",
    "mean_std",
    "n_informed_picks",
    "power_sample",
    "predictive_entropy",
    "robust_k_center",
    "sketched_outer",
    "softmax_sample",
    "softrank_sample",
    "squared_gradient_norms",
    "temperature_scaled",
    "top_k",
    "variation_ratio",
]
