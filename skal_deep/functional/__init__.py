"""The mathematics of acquisition and selection: tensors in, tensors out."""

from skal_deep.functional.alfa_mix import disagreements, flipping_mix
from skal_deep.functional.coverage import max_herding, prob_cover, purity_radius
from skal_deep.functional.density_weighting import density, density_k_center
from skal_deep.functional.falcun_sampling import falcun, log_relevance
from skal_deep.functional.gradients import badge, squared_gradient_norms
from skal_deep.functional.graphs import (
    cosine_graph,
    diffuse,
    propagate_labels,
    random_walk,
)
from skal_deep.functional.information import bald, entropy, predictive_entropy
from skal_deep.functional.joint_entropy import batch_bald, n_informed_picks
from skal_deep.functional.k_center import k_center_greedy
from skal_deep.functional.neighbor_contrast import contrast
from skal_deep.functional.neighbors import (
    closest_pair,
    nearest_centers,
    nearest_neighbors,
    squared_distances,
    unit_rows,
)
from skal_deep.functional.representatives import nearest_distinct, tempered
from skal_deep.functional.rounds import average_linkage, cluster_rounds
from skal_deep.functional.selection import (
    power_sample,
    softmax_sample,
    softrank_sample,
    top_k,
)
from skal_deep.functional.typical_rows import typi_clust, typicality
from skal_deep.functional.uncertainty import (
    least_confidence,
    margin,
    mean_std,
    variation_ratio,
)

__all__ = [
    "average_linkage",
    "badge",
    "bald",
    "batch_bald",
    "closest_pair",
    "cluster_rounds",
    "contrast",
    "cosine_graph",
    "density",
    "density_k_center",
    "diffuse",
    "disagreements",
    "entropy",
    "falcun",
    "flipping_mix",
    "k_center_greedy",
    "least_confidence",
    "log_relevance",
    "margin",
    "max_herding",
    "mean_std",
    "n_informed_picks",
    "nearest_centers",
    "nearest_distinct",
    "nearest_neighbors",
    "power_sample",
    "predictive_entropy",
    "prob_cover",
    "propagate_labels",
    "purity_radius",
    "random_walk",
    "softmax_sample",
    "softrank_sample",
    "squared_distances",
    "squared_gradient_norms",
    "tempered",
    "top_k",
    "typi_clust",
    "typicality",
    "unit_rows",
    "variation_ratio",
]
