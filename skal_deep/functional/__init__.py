"""The mathematics of acquisition and selection: tensors in, tensors out."""

from skal_deep.functional.calibration import expected_calibration_error
from skal_deep.functional.gradients import badge, squared_gradient_norms
from skal_deep.functional.information import bald, entropy, predictive_entropy
from skal_deep.functional.joint_entropy import batch_bald, n_informed_picks
from skal_deep.functional.k_center import k_center_greedy
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
    "expected_calibration_error",
    "k_center_greedy",
    "least_confidence",
    "margin",
    "mean_std",
    "n_informed_picks",
    "power_sample",
    "predictive_entropy",
    "softmax_sample",
    "softrank_sample",
    "squared_gradient_norms",
    "top_k",
    "variation_ratio",
]
