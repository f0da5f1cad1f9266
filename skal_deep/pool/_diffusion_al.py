"""Diffusion: ask where labels have not come, or contradict each other."""

import warnings
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import Embeds
from skal_deep.functional import diffusion_scores, random_walk
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class DiffusionAL(ScoreQueryStrategy):
    """Diffusion-based active learning: explore, then refine.

    Lets each label diffuse over a graph of nearest neighbours: for each class, its
    rows send 1 and the other labelled rows -1, and each step replaces a row's signal
    by the mean of its neighbours'. Where even the strongest signal is small, labels
    have hardly come yet or contradict each other, and these rows are asked for: the
    score is minus the largest signal over classes [1]_, and 1, the highest, where no
    label has come at all. It looks at embeddings and
    labels alone. A classifier that has no embeddings, or none, makes it work on the
    inputs themselves.

    The paper's abstract and others' accounts were at hand, not its text: the graph,
    the cut of the diffusion and the largest over classes follow those. Without a
    label no signal is sent: all scores are equal, so the draw is random, and a
    warning says so. Candidates that are given as inputs stand for the nearest row of
    ``X``. Neighbours of N rows take ``O(N^2 D)`` operations in chunks, a step ``O(N k
    C)``; memory is ``O(N (D + k + C))``.

    Parameters
    ----------
    n_neighbors : int, default=10
        Number of neighbours k in the graph.
    n_steps : int, default=None
        Number of steps of diffusion; ``None`` goes on until no new row is reached, so
        that the rows farthest from labels have the smallest signals. With very many
        the signals are those of label propagation.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    References
    ----------
    .. [1] D. Kushnir, L. Venturi. Diffusion-Based Deep Active Learning.
       arXiv, 2020.
    """

    _needs = (Embeds,)
    _does_without_labels: ClassVar[bool] = True
    _works_on_inputs: ClassVar[bool] = True
    _reads_classes: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "n_steps": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        n_neighbors=10,
        n_steps=None,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_neighbors = n_neighbors
        self.n_steps = n_steps
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        n_labeled = len(pool.labeled)
        if not n_labeled:
            warnings.warn(
                "DiffusionAL diffuses labels; without any it draws at random.",
                stacklevel=4,
            )
            return torch.ones(len(pool))
        data_MD = pool.embed_data()
        classes, column = np.unique(pool.y_labeled, return_inverse=True)
        signs_MC = data_MD.new_zeros(len(data_MD), len(classes))
        signs_MC[:n_labeled] = -1
        signs_MC[range(n_labeled), column] = 1
        walk = random_walk(data_MD, self.n_neighbors)
        scores_M = diffusion_scores(walk, signs_MC, self.n_steps)
        return scores_M[pool.rows_of_data()]
