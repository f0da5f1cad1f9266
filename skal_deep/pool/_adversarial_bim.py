"""Distance to another prediction, by the basic iterative method."""

from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.utils._param_validation import Interval
from torch import Tensor

from skal_deep.classifier import PredictsLogits
from skal_deep.functional import iterated_sign_attack
from skal_deep.functional.adversarial import nearness
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool


class AdversarialBIM(ScoreQueryStrategy):
    """Adversarial margin by the basic iterative method (BIM).

    Moves each row in small steps along the signs of the gradient of the loss [1]_,
    until the predicted class changes. Queries the rows that need the smallest change:
    the score is ``1 / (1 + |r|_2)`` for the change r, and 0 where no step changes the
    class.

    Use it for nets with continuous inputs and a small pool, as an approximation of the
    distance to the decision boundary. On a large pool it is slow, and
    :class:`MarginSampling` measures a similar closeness from the prediction alone.

    As in other active learning libraries, and unlike in the paper, the change is not
    kept inside a ball around the row. Unlike in those libraries, the number of steps is
    limited: where the loss is flat, no number of steps changes the class.

    The time is that of at most ``n_steps`` backward passes. Rows are attacked in parts,
    so that memory does not grow with the pool.

    Parameters
    ----------
    step_size : float, default=0.05
        Length of a step in each coordinate.
    n_steps : int, default=100
        Largest number of steps, each a pass forward and backward.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    DFAL : Larger steps that aim at the nearest boundary; usually fewer of them.
    MarginSampling : Closeness of two classes in probability, in one forward pass.

    References
    ----------
    .. [1] A. Kurakin, I. Goodfellow, S. Bengio. Adversarial Examples in the Physical
       World. ICLR Workshops, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import AdversarialBIM
    >>> X, y = np.array([[-2.0], [-1.5], [0.1], [1.5], [2.0]]), [0, -1, -1, -1, 1]
    >>> net = NeuralNetClassifier(
    ...     MLP, max_epochs=20, lr=0.1, train_split=None, verbose=0
    ... )
    >>> AdversarialBIM(random_state=0).query(X, y, DeepClassifier(net, random_state=0))
    array([2])
    """

    _needs = (PredictsLogits,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "step_size": [Interval(Real, 0, None, closed="neither")],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        step_size=0.05,
        n_steps=100,
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.step_size = step_size
        self.n_steps = n_steps
        self.selection = selection

    def _score(self, pool: Pool) -> Tensor:
        return pool.score_logits(
            lambda logits, x: nearness(
                iterated_sign_attack(logits, x, self.step_size, self.n_steps)[0]
            )
        )
