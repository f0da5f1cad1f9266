"""Pictures of pools, queries and uncertainty; each takes axes and returns them.

Pictures of comparisons, such as learning curves, are in ``skal_deep.evaluation``.
"""

from skal_deep.visualization._images import plot_images
from skal_deep.visualization._model import plot_boundary, plot_uncertainty
from skal_deep.visualization._pool import plot_batch, plot_picks, plot_points
from skal_deep.visualization._query import plot_query, plot_utilities

__all__ = [
    "plot_batch",
    "plot_boundary",
    "plot_images",
    "plot_picks",
    "plot_points",
    "plot_query",
    "plot_uncertainty",
    "plot_utilities",
]
