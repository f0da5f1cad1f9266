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

    Asks for the rows that the fewest small steps along the signs of the loss's
    gradient [1]_ give another class. Scores are ``1 / (1 + |r|_2)`` for the change r
    that does it, and 0 where none does. As in active learning libraries, and unlike
    the paper, the change is not kept inside a ball around the row; unlike in those
    libraries, the number of steps is limited, since on a flat part of the loss no
    number would do. :class:`DFAL` takes fewer steps, which are longer.

    The time is that of ``n_steps`` passes backward at most. Rows are attacked in parts,
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

    References
    ----------
    .. [1] A. Kurakin, I. Goodfellow, S. Bengio. Adversarial Examples in the Physical
       World. ICLR Workshops, 2017.
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
