"""What a strategy may ask of a classifier, one method each."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from numpy.typing import ArrayLike
from torch import Tensor


@runtime_checkable
class PredictsProba(Protocol):
    """A model that predicts class probabilities.

    Give your own classifier this method, and every uncertainty strategy can use it.

    See Also
    --------
    SamplesProba : The same from draws of a posterior.
    as_model : Finds what a classifier offers.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.classifier import PredictsProba, as_model
    >>> isinstance(as_model(LogisticRegression()), PredictsProba)
    True
    """

    def predict_proba(self, X: ArrayLike) -> Tensor:
        """Return probabilities of shape (N, C).

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        """


@runtime_checkable
class SamplesProba(Protocol):
    """A model that draws class probabilities from its posterior.

    Draws are coupled: each draw is one set of weights or masks, which is used for every
    row.

    Give your own classifier this method, and BALD, BatchBALD and the committee
    strategies can use it.

    See Also
    --------
    MCDropoutClassifier : A classifier with this method.
    PredictsProba : One prediction in place of draws.
    skal_deep.testing.check_posterior : Checks whether draws are coupled.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.classifier import SamplesProba, as_model
    >>> models = RandomForestClassifier(), GaussianNB()
    >>> [isinstance(as_model(model), SamplesProba) for model in models]
    [True, False]
    """

    def sample_proba(
        self, X: ArrayLike, n_samples: int | None = None, random_state: int = 0
    ) -> Tensor:
        """Return draws of shape (S, N, C); a draw is one model for all rows.

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        n_samples : int, default=None
            Number of draws; ``None`` is the model's own.
        random_state : int, default=0
            Seed of the draws: equal seeds are equal draws, whatever the rows.
        """


@runtime_checkable
class PredictsEvidence(Protocol):
    """A model that predicts the evidence for each class.

    Give your own classifier this method to use it with the strategy DEAL.

    See Also
    --------
    EvidentialClassifier : A classifier with this method.
    skal_deep.pool.DEAL : The strategy that asks for it.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.classifier import PredictsEvidence, as_model
    >>> isinstance(as_model(GaussianNB()), PredictsEvidence)
    False
    """

    def predict_evidence(self, X: ArrayLike) -> Tensor:
        """Return evidence >= 0 of shape (N, C); 0 is none.

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        """


@runtime_checkable
class PredictsLoss(Protocol):
    """A model that predicts the loss of each row.

    Give your own classifier this method to use it with the strategy LearningLoss.

    See Also
    --------
    LossPredictionClassifier : A classifier with this method.
    skal_deep.pool.LearningLoss : The strategy that asks for it.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.classifier import PredictsLoss, as_model
    >>> isinstance(as_model(GaussianNB()), PredictsLoss)
    False
    """

    def predict_loss(self, X: ArrayLike) -> Tensor:
        """Return predicted losses of shape (N,), of any scale.

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        """


@runtime_checkable
class PredictsNovelty(Protocol):
    """A model that tells how unlike the labelled rows a row is.

    Give your own classifier this method to use it with the strategy WAAL.

    See Also
    --------
    WassersteinClassifier : A classifier with this method.
    skal_deep.pool.WAAL : The strategy that asks for it.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.classifier import PredictsNovelty, as_model
    >>> isinstance(as_model(GaussianNB()), PredictsNovelty)
    False
    """

    def predict_novelty(self, X: ArrayLike) -> Tensor:
        """Return novelty of shape (N,), high = unlike the labelled rows.

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        """


@runtime_checkable
class PredictsVotes(Protocol):
    """A model that tells what it predicted at several stages of its training.

    Give your own classifier this method to use it with the strategies LabelDispersion
    and ForgettingEvents.

    See Also
    --------
    CheckpointClassifier : A classifier with this method.
    skal_deep.pool.LabelDispersion : A strategy that asks for it.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.classifier import PredictsVotes, as_model
    >>> isinstance(as_model(GaussianNB()), PredictsVotes)
    False
    """

    def predict_votes(self, X: ArrayLike) -> Tensor:
        """Return the positions of predicted classes, of shape (N, T), in order.

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        """


@runtime_checkable
class Embeds(Protocol):
    """A model that returns learned features.

    Give your own classifier this method, and Badge, CoreSet and the other strategies
    that compare rows can use its features.

    See Also
    --------
    HasLinearHead : The layer that makes logits of these features.
    skal_deep.embedding.Embedder : Features of a frozen model.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier, Embeds, as_model
    >>> from skal_deep.modules import MLP
    >>> clf = DeepClassifier(NeuralNetClassifier(MLP))
    >>> isinstance(as_model(clf), Embeds)
    True
    """

    def embed(self, X: ArrayLike) -> Tensor:
        """Return the input of the last linear layer, of shape (N, D).

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        """


@runtime_checkable
class HasLinearHead(Protocol):
    """A model whose last layer is linear.

    Give your own classifier this method for strategies that change features and predict
    again, such as AlfaMix and DropQuery.

    See Also
    --------
    Embeds : The features that the layer is given.
    skal_deep.pool.AlfaMix : A strategy that asks for the layer.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.classifier import HasLinearHead, as_model
    >>> isinstance(as_model(LogisticRegression()), HasLinearHead)
    True
    """

    def linear_head(self, X: ArrayLike) -> tuple[Tensor, Tensor]:
        """Return weights (C, D) and biases (C,) that make logits of embeddings of X.

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows, as the other methods take them.
        """


@runtime_checkable
class HasSlopes(Protocol):
    """A model that returns derivatives of its outputs with respect to its inputs.

    Give your own classifier this method for strategies that compare rows by these
    derivatives.

    See Also
    --------
    skal_deep.pool.DAMI : A strategy that asks for these derivatives.
    HasWeightGradients : Derivatives with respect to the weights.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier, HasSlopes, as_model
    >>> from skal_deep.modules import MLP
    >>> isinstance(as_model(DeepClassifier(NeuralNetClassifier(MLP))), HasSlopes)
    True
    """

    def jacobian(self, X: ArrayLike, n_features: int, seed: int) -> Tensor:
        """Return derivatives, or sketches of them, of shape (N, n_features or less).

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        n_features : int
            Longest sketch that is wanted.
        seed : int
            Of the sketch: equal seeds sketch alike.
        """


@runtime_checkable
class HasWeightGradients(Protocol):
    """A model that returns gradients with respect to the weights of all linear layers.

    Give your own model this method for LCMD and other strategies with gradient
    features.

    See Also
    --------
    skal_deep.pool.LCMD : A strategy with such features.
    MeasuresGradients : Lengths of gradients, for each label that a row may get.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier, HasWeightGradients, as_model
    >>> from skal_deep.modules import MLP
    >>> clf = DeepClassifier(NeuralNetClassifier(MLP))
    >>> isinstance(as_model(clf), HasWeightGradients)
    True
    """

    def weight_gradients(self, X: ArrayLike, n_features: int, seed: int) -> Tensor:
        """Return gradients, or sketches of them, of shape (N, n_features or less).

        Those of a classifier's cross-entropy of the most probable label, or of a
        regressor's outputs.

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        n_features : int
            Longest sketch that is wanted.
        seed : int
            Of the sketch: equal seeds sketch alike.
        """


@runtime_checkable
class PredictsLogits(Protocol):
    """A model with logits that can be differentiated with respect to the inputs.

    Give your own classifier this method for adversarial strategies such as DFAL.

    See Also
    --------
    skal_deep.pool.DFAL : A strategy that asks for such logits.
    HasSlopes : The derivatives themselves.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier, PredictsLogits, as_model
    >>> from skal_deep.modules import MLP
    >>> clf = DeepClassifier(NeuralNetClassifier(MLP))
    >>> isinstance(as_model(clf), PredictsLogits)
    True
    """

    def differentiable_logits(
        self, X: ArrayLike
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return rows as the net sees them, (N, ...), and a function of such rows.

        The function returns logits (N, C), up to a constant for each row.

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        """


@runtime_checkable
class MeasuresGradients(Protocol):
    """A model that returns the lengths of the gradients that each label would cause.

    Give your own classifier this method for the strategy EGL (expected gradient
    length).

    See Also
    --------
    skal_deep.pool.EGL : The strategy that asks for these lengths.
    HasWeightGradients : The gradients of the most probable label.

    Examples
    --------
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import DeepClassifier, MeasuresGradients, as_model
    >>> from skal_deep.modules import MLP
    >>> clf = DeepClassifier(NeuralNetClassifier(MLP))
    >>> isinstance(as_model(clf), MeasuresGradients)
    True
    """

    def gradient_lengths(self, X: ArrayLike, words: bool | str = False) -> Tensor:
        """Return lengths of shape (N, W, C), of all weights or of W words.

        ``words`` is the name of the layer of word vectors, or whether to look at them.

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        words : bool or str, default=False
            Whether to look at vectors of words, or the name of their layer.
        """


@runtime_checkable
class SamplesPredictions(Protocol):
    """A regressor that draws functions from its posterior.

    Draws are coupled, and without noise: each draw is one set of weights, which is
    used for every row.

    Give your own regressor this method, and BatchBALD and EPIG can use it.

    See Also
    --------
    BayesianLinearRegressor : A regressor with this method.
    PredictsVariance : Tells what labels can reduce from noise.

    Examples
    --------
    >>> from sklearn.linear_model import BayesianRidge, Ridge
    >>> from skal_deep.classifier import SamplesPredictions, as_model
    >>> models = BayesianRidge(), Ridge()
    >>> [isinstance(as_model(model), SamplesPredictions) for model in models]
    [True, False]
    """

    def sample_predictions(
        self, X: ArrayLike, n_samples: int | None = None, random_state: int = 0
    ) -> Tensor:
        """Return draws of shape (S, N), or (S, N, T) of T targets.

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        n_samples : int, default=None
            Number of draws; ``None`` is the model's own.
        random_state : int, default=0
            Seed of the draws: equal seeds are equal draws, whatever the rows.
        """


@runtime_checkable
class PredictsVariance(Protocol):
    """A regressor that tells its two variances apart.

    Give your own regressor this method, and BALD can use it.

    See Also
    --------
    BayesianLinearRegressor : A regressor with this method.
    SamplesPredictions : Draws of the function.

    Examples
    --------
    >>> from sklearn.linear_model import BayesianRidge, Ridge
    >>> from skal_deep.classifier import PredictsVariance, as_model
    >>> models = BayesianRidge(), Ridge()
    >>> [isinstance(as_model(model), PredictsVariance) for model in models]
    [True, False]
    """

    def predict_variance(self, X: ArrayLike) -> tuple[Tensor, Tensor]:
        """Return the epistemic variance and the noise, of shape (N,) or (N, T) each.

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        """


@runtime_checkable
class GivesCovariance(Protocol):
    """A regressor that knows the covariances of its function in closed form.

    Give your own regressor this method, and EPIG is exact for it, without draws.

    See Also
    --------
    BayesianLinearRegressor : A regressor with this method.
    SamplesPredictions : Draws, which tell covariances roughly.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from sklearn.linear_model import BayesianRidge
    >>> from skal_deep.classifier import GivesCovariance, as_model
    >>> models = BayesianRidge(), RandomForestRegressor()
    >>> [isinstance(as_model(model), GivesCovariance) for model in models]
    [True, False]
    """

    def joint_covariance(self, X: ArrayLike, X_other: ArrayLike) -> Tensor:
        """Return covariances of shape (N, M), or (T, N, M) of T targets.

        Parameters
        ----------
        X : array-like of shape (N, ...)
            Rows.
        X_other : array-like of shape (M, ...)
            Other rows.
        """


_POSTERIOR_OF_NUMBERS = (
    "Pass a regressor with a posterior: BayesianLinearRegressor, a net as "
    "LaplaceRegressor, or scikit-learn's BayesianRidge, GaussianProcessRegressor or a "
    "random forest."
)
_NET_OR_LINEAR = (
    "Pass a neural net, DeepClassifier or a skorch net, or, where X holds embeddings, "
    "BayesianLinearClassifier or LogisticRegression, for numbers "
    "BayesianLinearRegressor or Ridge."
)
# What to tell a user whose classifier lacks a capability.
REMEDIES: dict[type, str] = {
    PredictsProba: "Pass a classifier with `predict_proba`.",
    SamplesProba: (
        "Pass a classifier with a posterior: MCDropoutClassifier, "
        "DeepEnsembleClassifier, BayesianLinearClassifier, a random forest or bagging."
    ),
    PredictsEvidence: "Pass an EvidentialClassifier.",
    PredictsNovelty: "Pass a WassersteinClassifier.",
    PredictsVotes: "Pass a CheckpointClassifier.",
    PredictsLoss: "Pass a LossPredictionClassifier.",
    Embeds: _NET_OR_LINEAR,
    HasLinearHead: (
        "Pass a single net, as DeepClassifier, or a linear classifier: "
        "BayesianLinearClassifier or LogisticRegression."
    ),
    HasSlopes: _NET_OR_LINEAR,
    HasWeightGradients: _NET_OR_LINEAR,
    PredictsLogits: _NET_OR_LINEAR,
    MeasuresGradients: _NET_OR_LINEAR,
    SamplesPredictions: _POSTERIOR_OF_NUMBERS,
    PredictsVariance: _POSTERIOR_OF_NUMBERS,
    GivesCovariance: _POSTERIOR_OF_NUMBERS,
}


def method_name(capability: type) -> str:
    """Return the name of the one method of a capability."""
    return next(name for name in vars(capability) if not name.startswith("_"))


# The methods that a strategy may ask for.
CAPABILITIES: tuple[str, ...] = tuple(method_name(need) for need in REMEDIES)
