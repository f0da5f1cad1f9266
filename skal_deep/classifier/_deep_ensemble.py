"""Independently trained nets as a posterior."""

from functools import partial
from numbers import Integral

import torch
from sklearn.utils._param_validation import Interval

from skal_deep.classifier._base import PosteriorClassifier, derived_seed
from skal_deep.classifier._capabilities import CapabilityError
from skal_deep.classifier._inference import net_proba, with_embeddings
from skal_deep.classifier._net import fit_net


class DeepEnsembleClassifier(PosteriorClassifier):
    """Ensemble of neural nets trained from independent initial weights.

    The members differ in initial weights, batch order and training noise; each is
    one draw from the posterior, and the prediction is their mean [1]_. Ensembles
    tend to be better calibrated than dropout for active learning [2]_, at the cost of
    ``n_estimators`` trainings.

    Parameters
    ----------
    net : skorch.NeuralNetClassifier
        The net of each member, fully configured; it is cloned in ``fit``. Its module
        should be a class: members that start from one module instance share their
        initial weights. See :class:`DeepClassifier`.
    n_estimators : int, default=5
        Number of members.
    embedding_layer : str, default=None
        Name of the layer of the module whose input is the embedding. ``None`` is the
        linear layer that runs last. The embeddings of the members stand side by side.
    classes : array-like of shape (n_classes,), default=None
        All classes. ``None`` takes those that the labels show.
    missing_label : scalar, str, nan or None, default=-1
        Marks a row without a label.
    cost_matrix : array-like of shape (n_classes, n_classes), default=None
        Costs ``[i, j]`` of predicting class j for class i.
    random_state : int, RandomState or None, default=None
        Seed of initial weights, batch order and training noise of all members.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        All classes, sorted.
    nets_ : list of skorch.NeuralNetClassifier
        The fitted members.
    n_features_in_ : int
        Size of the second axis of X.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel, C. Blundell. Simple and Scalable
       Predictive Uncertainty Estimation using Deep Ensembles. NeurIPS, 2017.
    .. [2] W. Beluch, T. Genewein, A. Nürnberger, J. Köhler. The Power of Ensembles
       for Active Learning in Image Classification. CVPR, 2018.
    """

    _parameter_constraints = {
        **PosteriorClassifier._parameter_constraints,
        "n_estimators": [Interval(Integral, 2, None, closed="left")],
    }

    def __init__(
        self,
        net,
        n_estimators=5,
        embedding_layer=None,
        classes=None,
        missing_label=-1,
        cost_matrix=None,
        random_state=None,
    ):
        super().__init__(
            classes=classes,
            missing_label=missing_label,
            cost_matrix=cost_matrix,
            random_state=random_state,
        )
        self.net = net
        self.n_estimators = n_estimators
        self.embedding_layer = embedding_layer

    def _fit_nets(self, *, start_from, **data):
        nets = [
            fit_net(
                self.net,
                n_classes=len(self.classes_),
                seed=derived_seed(self.seed_, 0, member),
                start_from=start_from[member] if start_from else None,
                **data,
            )
            for member in range(self.n_estimators)
        ]
        if len(data["shown"]) and len(self.classes_) > 1:
            proba_SNC = torch.stack([net_proba(net, data["shown"]) for net in nets])
            if (proba_SNC == proba_SNC[:1]).all():
                raise CapabilityError(
                    "All members of the ensemble predict the same, so it is no "
                    "posterior. Pass the module as a class, not an instance, and draw "
                    "its initial weights from torch's global generator."
                )
        return nets

    def _draw(self, X, n_samples=None, seed=0):  # noqa: ARG002
        """Return the members' class probabilities as a tensor (S, N, C).

        The members are all the draws there are: ``n_samples`` and ``seed`` do not
        matter.
        """
        return torch.stack([net_proba(net, X) for net in self.nets_])

    def _answer(self, X, embeddings=False):
        """Return probabilities (N, C) and, if asked, embeddings (N, D) as tensors."""
        if not embeddings:
            return self._draw(X).mean(0), None
        answers = [
            with_embeddings(
                partial(net_proba, net, X), net.module_, self.embedding_layer
            )
            for net in self.nets_
        ]
        proba_SNC = torch.stack([proba_NC for proba_NC, _ in answers])
        return proba_SNC.mean(0), torch.cat([e_ND for _, e_ND in answers], dim=1)
