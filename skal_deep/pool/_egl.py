"""Expected gradient length."""

from typing import Any, ClassVar

from sklearn.utils._param_validation import StrOptions
from torch import Tensor

from skal_deep.classifier import Embeds, MeasuresGradients, PredictsProba
from skal_deep.functional import (
    expected_gradient_length,
    last_layer_gradient_lengths,
)
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class EGL(ScoreQueryStrategy):
    """Expected Gradient Length (EGL).

    Queries the rows whose label is expected to change the net most: the length of the
    gradient of the cross-entropy, averaged over the labels by their predicted
    probabilities, ``sum_c p_c |g_c|`` [1]_.

    Use it with ``weights="words"`` for text classifiers with word vectors, where
    changing the vectors is what matters. Otherwise use :class:`Badge`: inputs with long
    embeddings, such as bright images or long texts, have long gradients whatever the
    net predicts, and EGL prefers them.

    For the last layer, weights and bias if it has one, the length has a closed form of
    ``O(N (C + D))`` operations and memory. For all weights it takes one backward pass a
    class, row by row; time and memory grow with the number of weights. For words only
    the word vectors count, and the word whose vector would move most decides: ``max_w
    sum_c p_c |g_cw|``. That is our reading of [2]_; one could also take the largest
    word for each class first and average then.

    Parameters
    ----------
    weights : {"last", "all", "words"}, default="last"
        Whose gradient: of the last layer, of all weights, or of the vectors of the
        words in an ``nn.Embedding`` layer of the module.
    word_layer : str, default=None
        Name of that layer, such as ``"bert.embeddings.word_embeddings"``. ``None`` is
        the only one there is.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    Badge : Draws by the same gradients, and spreads the batch.
    PredictiveEntropy : Uncertainty without the length of the embedding.
    MixedScore : Goes over from one score to another, as from words to entropy.

    References
    ----------
    .. [1] B. Settles, M. Craven, S. Ray. Multiple-Instance Active Learning. NeurIPS,
       2007.
    .. [2] Y. Zhang, M. Lease, B. C. Wallace. Active Discriminative Text
       Representation Learning. AAAI, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import EGL
    >>> X, y = np.array([[-2.0], [-1.5], [0.1], [1.5], [2.0]]), [0, -1, -1, -1, 1]
    >>> net = NeuralNetClassifier(
    ...     MLP, max_epochs=20, lr=0.1, train_split=None, verbose=0
    ... )
    >>> EGL(random_state=0).query(X, y, DeepClassifier(net, random_state=0))
    array([2])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "weights": [StrOptions({"last", "all", "words"})],
        "word_layer": [str, None],
    }

    def __init__(
        self,
        weights="last",
        word_layer=None,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.weights = weights
        self.word_layer = word_layer
        self.selection = selection

    @property
    def _needs(self) -> tuple[type, ...]:  # type: ignore[override]
        return PredictsProba, Embeds if self.weights == "last" else MeasuresGradients

    def _score(self, pool: Pool) -> Tensor:
        if self.weights == "last":
            proba_NC, embedding_ND = pool.predict_and_embed()
            lengths = last_layer_gradient_lengths(
                proba_NC, embedding_ND, pool.head_has_bias()
            )
        else:
            proba_NC = pool.predict_proba()
            words = self.weights == "words"
            lengths = pool.gradient_lengths(words and (self.word_layer or True))
        return expected_gradient_length(proba_NC, lengths)
