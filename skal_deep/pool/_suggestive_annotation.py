"""Suggestive annotation: what is uncertain, and represents the rest."""

from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import SamplesProba
from skal_deep.functional import mean_std, suggestive_annotation
from skal_deep.pool._base import DeepQueryStrategy
from skal_deep.pool._features import most_uncertain
from skal_deep.pool._pool import Pool


class SuggestiveAnnotation(DeepQueryStrategy):
    """Suggestive annotation: uncertain rows that represent the others.

    First takes the rows on which the members of an ensemble differ most, several for
    each pick; then chooses among these, greedily, the batch to which the unlabelled
    rows are most similar, by the cosine of their embeddings [1]_. Use it where
    uncertain rows come in groups, and the classifier has draws and embeddings.

    Embeddings are the inputs where the classifier has none. The utilities of row t are
    what a row would add to the similarity at pick t, less the number of unlabelled
    rows for those that are not uncertain enough. A query of b of N rows takes about
    ``oversampling b^2 N D`` operations.

    Parameters
    ----------
    n_samples : int, default=None
        Number of posterior draws; ``None`` is the classifier's own number, 20 where
        it has none. Ensembles use all their members instead.
    oversampling : float, default=2.0
        Number of uncertain rows for each pick; the paper takes 16 for 8.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    DiverseMiniBatch : Clusters of uncertain rows, without a posterior.
    ClusterMargin : Small margins from many clusters.

    References
    ----------
    .. [1] L. Yang, Y. Zhang, J. Chen, S. Zhang, D. Z. Chen. Suggestive Annotation: A
       Deep Active Learning Framework for Biomedical Image Segmentation. MICCAI, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.pool import SuggestiveAnnotation
    >>> X = np.random.default_rng(0).normal(size=(30, 3))
    >>> y = np.full(30, -1)
    >>> y[:4] = 0, 0, 1, 1
    >>> strategy = SuggestiveAnnotation(random_state=0)
    >>> strategy.query(X, y, RandomForestClassifier(20), batch_size=3).shape
    (3,)
    """

    _needs = (SamplesProba,)
    _plans_batch: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **DeepQueryStrategy._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left"), None],
        "oversampling": [Interval(Real, 1, None, closed="left")],
    }

    def __init__(
        self,
        n_samples=None,
        oversampling=2.0,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_samples = n_samples
        self.oversampling = oversampling

    def _select(self, pool: Pool, batch_size: int) -> tuple[Tensor, Tensor]:
        data_MD = pool.population.embed()
        chosen_N, _ = most_uncertain(
            pool,
            lambda rows: rows.score_samples(mean_std, self.n_samples),
            round(self.oversampling * batch_size),
        )
        handicap_N = torch.where(chosen_N, 0.0, float(len(data_MD)))
        return suggestive_annotation(
            pool.embed(),
            data_MD,
            batch_size,
            handicaps=handicap_N.to(data_MD.device),
            with_utilities=pool.with_utilities,
        )
