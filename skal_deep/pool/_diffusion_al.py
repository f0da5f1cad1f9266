"""Diffusion: rows that labels have not reached, or where they contradict."""

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

    Lets each label diffuse over a graph of nearest neighbours. For each class, its
    labelled rows send 1 and the other labelled rows -1; each step replaces a row's
    signal by the mean of its neighbours' signals. A small signal means that no label
    has come near, or that labels contradict each other. Queries rows whose strongest
    signal is smallest: the score is minus the largest signal over classes [1]_, and 1,
    the highest, where no label has come at all. Without a classifier, or with one that
    has no embeddings, the inputs themselves are used.

    Use it with good embeddings and a moderate number of labels, to explore first and to
    refine the boundaries later. It reads embeddings and labels, not predictions.

    The definition is ours after the paper's abstract: the graph of k neighbours, the
    number of steps and the maximum over classes are our choices. Without a label no
    signal is sent: all scores are equal, the draw is random, and a warning says so.
    Candidates that are given as inputs stand for the nearest row of ``X``. Finding
    neighbours of N rows takes ``O(N^2 D)`` operations in chunks, a step ``O(N k C)``;
    memory is ``O(N (D + k + C))``.

    Parameters
    ----------
    n_neighbors : int, default=10
        Number of neighbours k in the graph.
    n_steps : int, default=None
        Number of steps of diffusion. ``None`` stops when a step reaches no new row, so
        that the rows farthest from labels have the smallest signals. With very many
        steps the signals are those of label propagation.
    max_exact : int, default=30_000
        Up to that many rows have exact neighbours, for N^2 D operations; those of more
        are sought in groups, which finds most of them.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    JointLabelPropagation : Ignores classes: pure exploration along the graph.
    ContrastiveAL : Compares predictions of labelled neighbours.
    ProbCover : Explores by balls of one radius, without a graph.

    References
    ----------
    .. [1] D. Kushnir, L. Venturi. Diffusion-Based Deep Active Learning.
       arXiv:2003.10339, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from skal_deep.pool import DiffusionAL
    >>> noise = np.random.default_rng(0).normal(size=(15, 3))
    >>> X = np.repeat(np.eye(3), 5, axis=0) + 0.05 * noise  # three groups of five rows
    >>> y = np.full(15, -1)
    >>> y[0], y[5] = 0, 1
    >>> DiffusionAL(n_neighbors=4).query(X, y) // 5  # the group without a label
    array([2])
    """

    _needs = (Embeds,)
    _does_without_labels: ClassVar[bool] = True
    _works_on_inputs: ClassVar[bool] = True
    _reads_classes: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "max_exact": [Interval(Integral, 1, None, closed="left")],
        "n_steps": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        n_neighbors=10,
        n_steps=None,
        max_exact=30_000,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_neighbors = n_neighbors
        self.n_steps = n_steps
        self.max_exact = max_exact
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
        walk = random_walk(data_MD, self.n_neighbors, max_exact=self.max_exact)
        scores_M = diffusion_scores(walk, signs_MC, self.n_steps)
        return scores_M[pool.rows_of_data()]
