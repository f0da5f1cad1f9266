"""Access of strategies to models of any kind."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from skactiveml.classifier import SkorchClassifier
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.ensemble._forest import ForestClassifier
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.pipeline import Pipeline
from skorch import NeuralNet
from torch import Tensor

from skal_deep._devices import for_scores
from skal_deep._modes import cpu_by_default
from skal_deep.classifier._array_classifier import ArrayClassifier
from skal_deep.classifier._base import NetClassifier
from skal_deep.classifier._linear_posterior import flat_rows
from skal_deep.classifier.door._capabilities import CAPABILITIES
from skal_deep.classifier.door._foreign import (
    by_method,
    member_draws,
    with_names,
)
from skal_deep.classifier.door._inside import (
    hides_features,
    innermost,
    is_regressor,
    through_steps,
    wrapped_estimator,
)
from skal_deep.classifier.door._logistic import answers_of_linear
from skal_deep.classifier.door._net_answers import (
    answers_of_net,
    answers_of_regressor,
    answers_of_wrapped_net,
)
from skal_deep.classifier.door._regressors import posterior_of_regressor
from skal_deep.classifier.door._wrapped import wrapped_answers
from skal_deep.classifier.net._origin import is_written_in
from skal_deep.classifier.net._rows import net_rows
from skal_deep.rows._lent import lent

Answers = dict[str, Callable[..., Any]]


class Model:
    """A model as query strategies see it: one method for each capability.

    An instance has exactly the methods that the model behind it can answer, so that
    ``isinstance(model, SamplesProba)`` says whether to ask. A model that computes
    probabilities and embeddings in one pass has ``predict_and_embed``, too.

    :func:`as_model` makes it; construct one yourself only to test a strategy without a
    classifier.

    Parameters
    ----------
    **methods : dict of str to callable
        The methods, by the names of the protocols.

    See Also
    --------
    as_model : Makes a model of any classifier.
    SamplesProba : One of the protocols.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.classifier import Embeds, Model, PredictsProba
    >>> model = Model(predict_proba=lambda X: torch.full((len(X), 2), 0.5))
    >>> isinstance(model, PredictsProba), isinstance(model, Embeds)
    (True, False)
    """

    _place: torch.device | None = None

    def __init__(self, **methods: Callable[..., Any]):
        own = cpu_by_default()
        vars(self).update({name: own(method) for name, method in methods.items()})

    @cpu_by_default()
    def inputs(self, X: NDArray[Any]) -> Tensor:
        """Return rows as vectors, as the classifier sees them.

        Parameters
        ----------
        X : ndarray of shape (N, ...)
            Rows as the caller has them.

        Returns
        -------
        Tensor of shape (N, D)
            The rows, flattened.
        """
        return flat_rows(X)

    def place(self, X: Any, name: str, device: torch.device) -> torch.device:
        """Return the device that all answers are brought to.

        It is where the first comes from if that is a card, else that of embeddings or
        probabilities. Warnings of an answer that is asked for here are told, as any
        others are: to silence them would silence those of all threads.

        Parameters
        ----------
        X : object
            A row to ask for, the first time.
        name : str
            The method that has answered.
        device : torch.device
            Where its answer lies.

        Returns
        -------
        torch.device
            A card, or the processor.
        """
        if self._place is None:
            others = (each for each in ("embed", "predict_proba") if each != name)
            cards = filter(None, (self._card_of(each, X) for each in others))
            is_card = device.type != "cpu"
            self._place = device if is_card else next(cards, torch.device("cpu"))
        return self._place

    def _card_of(self, name: str, X: Any) -> torch.device | None:
        """Return the card that an answer comes from, if it can be given and does."""
        try:
            device: torch.device = getattr(self, name)(X).device
        except Exception:  # who wants the answer will be told
            return None
        return None if for_scores(device).type == "cpu" else device

    def after(self, transform: Callable[[Any], Any]) -> "Model":
        """Return the model that sees transformed rows.

        Parameters
        ----------
        transform : callable
            Takes rows, returns the rows that the classifier is to see.

        Returns
        -------
        Model
            It transforms rows before it answers.
        """
        methods = {"inputs": self.inputs, **vars(self)}
        methods.pop("_place", None)
        return Model(
            **{
                name: partial(_ask_transformed, method, transform)
                for name, method in methods.items()
            }
        )


def _ask_transformed(
    method: Callable[..., Any],
    transform: Callable[[Any], Any],
    X: Any,
    *args: Any,
    **params: Any,
) -> Any:
    if "X_other" in params:
        params["X_other"] = transform(params["X_other"])
    return method(transform(X), *args, **params)


class Inputs:
    """A model that a strategy only asks for the inputs of its last step."""

    def __init__(self, model: Any):
        self.model = model


def as_model(clf: Any) -> Model:
    """Return what a strategy may ask of a classifier or regressor.

    A capability is honoured wherever the method of its protocol exists, whoever wrote
    the class. What this package knows about nets, scikit-learn's linear classifiers
    and committees, and about wrappers around one estimator, is added.

    Use it in a strategy of your own, or to see which strategies a classifier can serve.

    Parameters
    ----------
    clf : object or None
        One of our classifiers, a skorch net, a classifier or regressor of
        scikit-activeml or scikit-learn, any class that has some of the methods below,
        or a Pipeline that ends in any of these. It may be unfitted as long as nothing
        is asked. ``None`` embeds rows as they are.

    Returns
    -------
    Model
        An object with some of the methods ``predict_proba``, ``sample_proba``,
        ``predict_evidence``, ``embed``, ``linear_head``, ``jacobian``,
        ``weight_gradients``, ``differentiable_logits``, ``gradient_lengths``,
        ``sample_predictions``, ``predict_variance`` and ``joint_covariance``.

    Raises
    ------
    TypeError
        If ``clf`` is a class in place of an instance.

    See Also
    --------
    Model : What is returned.
    SamplesProba : One of the protocols to ask for.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.classifier import as_model
    >>> model = as_model(GaussianNB().fit([[0.0], [1.0], [9.0]], [0, 0, 1]))
    >>> model.predict_proba([[0.5]]).shape
    torch.Size([1, 2])
    """
    if clf is None:
        return Model(embed=flat_rows)
    if isinstance(clf, type):
        raise TypeError(
            f"{clf.__name__} is a class. Pass an instance: {clf.__name__}(...)."
        )
    if isinstance(clf, Inputs):
        return Model(embed=as_model(clf.model).inputs)
    if isinstance(clf, Pipeline):
        return as_model(clf[-1]).after(partial(_through, clf))
    if (inner := wrapped_estimator(clf)) is not None:
        return Model(**wrapped_answers(clf, inner, as_model(inner)))
    if is_regressor(clf):
        return Model(**posterior_of_regressor(clf) | answers_of_regressor(clf))
    if isinstance(clf, NetClassifier):
        answers = _written_anew(clf, clf._answers(), "skal_deep.")
        return Model(**answers).after(partial(net_rows, clf.net))
    if isinstance(clf, ArrayClassifier):
        return Model(**_written_anew(clf, clf._answers(), "skal_deep."))
    if isinstance(clf, NeuralNet):
        answers = _written_anew(clf, answers_of_net(clf), "skorch.")
        return Model(**answers).after(partial(net_rows, clf))
    if isinstance(clf, SkorchClassifier):
        return Model(**_written_anew(clf, answers_of_wrapped_net(clf), "skactiveml."))
    return Model(**_of_any(clf))


def warn_of_inputs(model: Any, stacklevel: int) -> None:
    """Warn that distances are measured on X and not inside the model."""
    name = type(innermost(model)).__name__
    warnings.warn(
        f"Falling back to the inputs as they are: {name} holds estimators that "
        "transform them or learn features, each in its own way. Pass one Pipeline or "
        "one net to measure what it sees.",
        stacklevel=stacklevel,
    )


def _inputs_for_lack_of_one_space(clf: Any, X: Any) -> Tensor:
    warn_of_inputs(clf, stacklevel=3)
    return flat_rows(X)


def _through(pipeline: Pipeline, X: NDArray[Any]) -> Any:
    """Apply the steps of a pipeline before the last."""
    if len(pipeline) == 1:
        return X
    return through_steps(pipeline[:-1], with_names(pipeline, lent(X)))


def _written_anew(clf: Any, known: Answers, home: str) -> Answers:
    """Return known answers, but those that a subclass from elsewhere has rewritten."""
    rewritten = {
        name: by_method(clf, name)
        for name in CAPABILITIES
        if callable(getattr(type(clf), name, None))
        and not is_written_in(home, type(clf), name)
    }
    if rewritten.keys() & {"predict_proba", "embed"}:
        known = {name: f for name, f in known.items() if name != "predict_and_embed"}
    return known | rewritten


def _of_any(clf: Any) -> Answers:
    """Return what a classifier answers by its methods, or as scikit-learn's do."""
    answers = {
        name: by_method(clf, name)
        for name in CAPABILITIES
        if callable(getattr(clf, name, None))
    }
    if isinstance(clf, StackingClassifier) and clf.final_estimator is None:
        # It makes a logistic regression when it is fitted, and has no word for it
        # before.
        answers.setdefault("predict_proba", by_method(clf, "predict_proba"))
    if hides_features(clf):
        answers["inputs"] = partial(_inputs_for_lack_of_one_space, clf)
    if "predict_proba" not in answers:
        return answers
    if isinstance(clf, LinearClassifierMixin):
        predict = answers["predict_proba"]
        if "embed" not in answers:  # a Pipeline then transforms once for both
            answers["predict_and_embed"] = lambda X: (predict(X), flat_rows(X))
        answers = answers_of_linear(clf) | answers
    if isinstance(clf, ForestClassifier | BaggingClassifier):
        answers.setdefault("sample_proba", partial(member_draws, clf))
    return answers
