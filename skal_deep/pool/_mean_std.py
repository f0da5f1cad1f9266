"""Standard deviation over draws."""

from numbers import Integral
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import SamplesPredictions, SamplesProba
from skal_deep.functional import mean_std
from skal_deep.functional.gaussian_regression import spread_of_draws
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class MeanStd(ScoreQueryStrategy):
    """Mean standard deviation (mean STD).

    Queries the rows whose predicted probabilities vary most among the posterior draws:
    ``mean_c std_s p_sc`` [1]_, [2]_ with the standard deviation over all draws (divided
    by S), between 0 and 1/2.

    Use it as a simple measure of disagreement, for comparison with published work. In
    the experiments of [2]_ it was below :class:`BALD` and :class:`VariationRatio`.

    With a regressor, ``reg``, it is the standard deviation of its predictions over the
    draws, without noise. Several targets count alike: each is divided by the spread of
    all its draws. It asks for nothing but draws, as the members of bagging are. For
    batches take ``selection=Power(coldness=2)``, which draws by the variance.

    Scoring N rows by S draws takes ``O(S N C)`` operations beside the predictions.
    Memory is ``O(N)`` beside the draws, and the draws of a large pool never exist all
    at once.

    Parameters
    ----------
    n_samples : int, default=None
        Number of posterior draws; ``None`` is the classifier's own number, 20 where
        it has none. Ensembles use all their members instead.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    BALD : Disagreement as information, in nats.
    VariationRatio : Disagreement of the predicted classes.

    References
    ----------
    .. [1] M. Kampffmeyer, A.-B. Salberg, R. Jenssen. Semantic Segmentation of Small
       Objects and Modeling of Uncertainty in Urban Remote Sensing Images Using Deep
       Convolutional Neural Networks. CVPR Workshops, 2016.
    .. [2] Y. Gal, R. Islam, Z. Ghahramani. Deep Bayesian Active Learning with Image
       Data. ICML, 2017.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.pool import MeanStd
    >>> X = [[0.0], [1.0], [0.5], [2.9], [5.5], [5.0], [6.0]]
    >>> y = [0, 0, -1, -1, -1, 1, 1]
    >>> forest = RandomForestClassifier(30, random_state=0)
    >>> MeanStd(random_state=0).query(X, y, forest)
    array([3])
    """

    _needs = (SamplesProba,)
    _needs_of_regressor = (SamplesPredictions,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "n_samples": [Interval(Integral, 2, None, closed="left"), None],
    }

    def __init__(
        self, n_samples=None, selection=None, missing_label=-1, random_state=None
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_samples = n_samples
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        if pool.has_numbers:
            return spread_of_draws(
                pool.sample_predictions(self.n_samples),
                pool.population.sample_predictions(self.n_samples),
            )
        return pool.score_samples(mean_std, self.n_samples)
