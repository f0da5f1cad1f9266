"""Distance to the decision boundary, by DeepFool."""

from functools import partial
from math import inf
from numbers import Integral, Real
from typing import Any, ClassVar

from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor

from skal_deep.classifier import PredictsLogits, as_model
from skal_deep.classifier.door._model_checks import check_fitted, check_needs
from skal_deep.functional import deepfool
from skal_deep.functional.adversarial import nearness
from skal_deep.pool._base import ScoreQueryStrategy
from skal_deep.pool._pool import Pool
from skal_deep.rows._as_data import as_data


class DFAL(ScoreQueryStrategy):
    """DeepFool Active Learning (DFAL).

    Queries the rows that the smallest change of the input would give another class:
    those nearest to the decision boundary, by the adversarial attack DeepFool [1]_,
    [2]_. Scores are ``1 / (1 + distance)``, and 0 for a row that no step took across a
    boundary.

    Use it for nets with continuous inputs, such as images, on a few hundred candidates,
    or when the adversarial twins of queried rows shall be trained on. On a large pool
    it is slow.

    Dropout is off; several nets are attacked in their mean prediction. Rows are moved
    as the net sees them, after the steps of a Pipeline, and never clipped to a range.

    The time is that of at most ``n_steps`` times ``n_classes`` backward passes. Rows
    are attacked in parts, so that memory does not grow with the pool. The authors look
    at 300 random candidates, as does ``SubSamplingWrapper(DFAL(), max_candidates=300)``
    of scikit-activeml.

    Parameters
    ----------
    n_steps : int, default=50
        Largest number of steps of DeepFool, 50 as in [2]_; the authors' code of [1]_
        takes 10.
    overshoot : float, default=0.02
        How far to go beyond the boundary, 0.02 as in [2]_; in the authors' code of
        [1]_ 0.
    n_classes : int, default=10
        Number of most probable classes to look at, 10 as in [2]_.
    norm : {"l2", "linf"}, default="l2"
        What a distance is: the length of the change, or its largest coordinate.
    selection : SelectionRule, default=None
        How to form a batch from the scores; ``None`` is :class:`TopK`, and
        :class:`Power` gives its stochastic form.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    random_state : int, RandomState or None, default=None
        Seed of training, draws and tie breaking.

    See Also
    --------
    AdversarialBIM : Small steps of one size, one backward pass each.
    MarginSampling : Closeness of two classes in probability, in one forward pass.
    skactiveml.pool.SubSamplingWrapper : Looks at a random part of the candidates.

    References
    ----------
    .. [1] M. Ducoffe, F. Precioso. Adversarial Active Learning for Deep Networks: a
       Margin Based Approach. arXiv:1802.09841, 2018.
    .. [2] S.-M. Moosavi-Dezfooli, A. Fawzi, P. Frossard. DeepFool: A Simple and
       Accurate Method to Fool Deep Neural Networks. CVPR, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import DFAL
    >>> X, y = np.array([[-2.0], [-1.5], [0.1], [1.5], [2.0]]), [0, -1, -1, -1, 1]
    >>> net = NeuralNetClassifier(
    ...     MLP, max_epochs=20, lr=0.1, train_split=None, verbose=0
    ... )
    >>> DFAL(random_state=0).query(X, y, DeepClassifier(net, random_state=0))
    array([2])
    """

    _needs = (PredictsLogits,)
    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ScoreQueryStrategy._parameter_constraints,
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "overshoot": [Interval(Real, 0, None, closed="left")],
        "n_classes": [Interval(Integral, 2, None, closed="left")],
        "norm": [StrOptions({"l2", "linf"})],
    }

    def __init__(
        self,
        n_steps=50,
        overshoot=0.02,
        n_classes=10,
        norm="l2",
        selection=None,
        missing_label=-1,
        random_state=None,
    ):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.n_steps = n_steps
        self.overshoot = overshoot
        self.n_classes = n_classes
        self.norm = norm
        self.selection = selection

    def adversarial_twins(self, X: ArrayLike, clf: Any) -> NDArray[Any]:
        """Return rows moved just beyond the nearest decision boundary.

        The semi-supervised half of the method: once an annotator has labelled a row,
        its twin, which looks the same, joins the training set with the same label,
        at no cost.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...)
            Rows that were queried.
        clf : object
            The fitted classifier that they were queried with.

        Returns
        -------
        ndarray of shape (n_samples, ...)
            Rows as the net sees them; those that no step took across a boundary are
            returned as they are.
        """
        check_needs(type(self).__name__, clf, self._needs, False)
        check_fitted(clf)
        model: Any = as_model(clf)
        x, logits = model.differentiable_logits(as_data(X))
        return self._attack(logits, x)[1].numpy(force=True)

    def _score(self, pool: Pool) -> Tensor:
        return pool.score_logits(lambda *of_rows: nearness(self._attack(*of_rows)[0]))

    @property
    def _attack(self) -> Any:
        return partial(
            deepfool,
            n_steps=self.n_steps,
            overshoot=self.overshoot,
            n_classes=self.n_classes,
            norm=2.0 if self.norm == "l2" else inf,
        )
