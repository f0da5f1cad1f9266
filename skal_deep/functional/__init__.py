"""The mathematics of acquisition and selection: tensors in, tensors out.

A function that picks takes its data, then ``batch_size``, and everything else by
keyword: data that may be left out, parameters of the method, ``generator``,
``with_utilities``. It returns ``(indices, utilities)``. Row t of the utilities, of
shape (b, N), is what decided pick t: high = query, 0 at earlier picks.

``with_utilities=False`` is the cheap form: the picks are the same, and the utilities
are those of the picks alone, of shape (b,). :func:`robust_k_center` finds all picks
at once and tells how good they are instead.
"""

from skal_deep.functional.adversarial import deepfool, iterated_sign_attack
from skal_deep.functional.alfa_mix import disagreements, flipping_mix
from skal_deep.functional.anchors import class_anchors, near_anchors
from skal_deep.functional.calibration import expected_calibration_error
from skal_deep.functional.consistency import inconsistency
from skal_deep.functional.cost import per_cost
from skal_deep.functional.coverage import max_herding, prob_cover, purity_radius
from skal_deep.functional.density_weighting import density, density_k_center
from skal_deep.functional.dependence import ical
from skal_deep.functional.determinant import max_det
from skal_deep.functional.disagreement import consensus_kl, vote_entropy
from skal_deep.functional.discrimination import discriminative_batches
from skal_deep.functional.evidence import dirichlet_information, dirichlet_mean, vacuity
from skal_deep.functional.falcun_sampling import falcun
from skal_deep.functional.features import last_layer_features
from skal_deep.functional.fisher import bait, bait_regression
from skal_deep.functional.gaussian_batches import (
    gaussian_batch_bald,
    gaussian_batch_epig,
)
from skal_deep.functional.gaussian_regression import (
    gaussian_bald,
    gaussian_crps,
    gaussian_epig,
)
from skal_deep.functional.gradient_length import (
    expected_gradient_length,
    last_layer_gradient_lengths,
)
from skal_deep.functional.gradients import badge
from skal_deep.functional.graphs import (
    cosine_graph,
    diffusion_scores,
    propagate_labels,
    random_walk,
)
from skal_deep.functional.information import bald, entropy, predictive_entropy
from skal_deep.functional.joint_entropy import batch_bald
from skal_deep.functional.k_center import k_center_greedy
from skal_deep.functional.largest_cluster import lcmd
from skal_deep.functional.look_ahead import batch_epig, core_mse
from skal_deep.functional.loss_ranking import ranking_loss
from skal_deep.functional.neighbor_contrast import contrast
from skal_deep.functional.neighbors import (
    grouped_neighbors,
    nearest_centers,
    nearest_neighbors,
    squared_distances,
    unit_rows,
)
from skal_deep.functional.novelty import (
    novelty_and_entropy,
    uncertain_among_new,
    uncertainty_indicator,
    wasserstein_score,
)
from skal_deep.functional.prediction_information import epig, second_order_epig
from skal_deep.functional.pseudo_labels import (
    confident_labels,
    propagated_labels,
    sharpen,
    spread_labels,
)
from skal_deep.functional.representation import suggestive_annotation
from skal_deep.functional.representatives import nearest_distinct
from skal_deep.functional.robust_k_center import robust_k_center
from skal_deep.functional.rounds import average_linkage, cluster_rounds
from skal_deep.functional.selection import (
    power_sample,
    softmax_sample,
    softrank_sample,
    top_k,
)
from skal_deep.functional.temperature import apply_temperature, fit_temperature
from skal_deep.functional.training_dynamics import (
    forgetting_events,
    label_dispersion,
    prediction_switches,
)
from skal_deep.functional.typical_rows import typi_clust, typicality
from skal_deep.functional.uncertainty import (
    least_confidence,
    margin,
    mean_std,
    variation_ratio,
)
from skal_deep.functional.weight_posterior import (
    gaussian_divergence,
    log_softmax_bound,
)

__all__ = [
    "gaussian_divergence",
    "class_anchors",
    "near_anchors",
    "per_cost",
    "log_softmax_bound",
    "inconsistency",
    "confident_labels",
    "spread_labels",
    "propagated_labels",
    "sharpen",
    "discriminative_batches",
    "novelty_and_entropy",
    "uncertain_among_new",
    "uncertainty_indicator",
    "wasserstein_score",
    "apply_temperature",
    "average_linkage",
    "badge",
    "bait",
    "bait_regression",
    "bald",
    "batch_bald",
    "batch_epig",
    "cluster_rounds",
    "consensus_kl",
    "contrast",
    "core_mse",
    "cosine_graph",
    "deepfool",
    "density",
    "density_k_center",
    "diffusion_scores",
    "dirichlet_information",
    "dirichlet_mean",
    "disagreements",
    "entropy",
    "epig",
    "expected_calibration_error",
    "expected_gradient_length",
    "falcun",
    "fit_temperature",
    "flipping_mix",
    "forgetting_events",
    "gaussian_bald",
    "gaussian_batch_bald",
    "gaussian_batch_epig",
    "gaussian_crps",
    "gaussian_epig",
    "grouped_neighbors",
    "ical",
    "iterated_sign_attack",
    "k_center_greedy",
    "label_dispersion",
    "last_layer_features",
    "last_layer_gradient_lengths",
    "lcmd",
    "least_confidence",
    "margin",
    "max_det",
    "max_herding",
    "mean_std",
    "nearest_centers",
    "nearest_distinct",
    "nearest_neighbors",
    "power_sample",
    "prediction_switches",
    "predictive_entropy",
    "prob_cover",
    "propagate_labels",
    "purity_radius",
    "random_walk",
    "ranking_loss",
    "robust_k_center",
    "second_order_epig",
    "softmax_sample",
    "softrank_sample",
    "squared_distances",
    "suggestive_annotation",
    "top_k",
    "typi_clust",
    "typicality",
    "unit_rows",
    "vacuity",
    "variation_ratio",
    "vote_entropy",
]
