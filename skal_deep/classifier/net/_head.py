"""The linear layer that turns embeddings into logits."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from skorch import NeuralNet
from torch import Tensor

from skal_deep._devices import computable
from skal_deep.classifier.net._answers import last_linear, own_output, with_embeddings
from skal_deep.classifier.net._compiled import with_attributes
from skal_deep.classifier.net._output import (
    as_float,
    check_net_proba,
    head_tolerance,
    to_proba,
)
from skal_deep.exceptions import CapabilityError


def net_head(
    net: NeuralNet, X: NDArray[Any], embedding_layer: str | None = None
) -> tuple[Tensor, Tensor]:
    """Return weights (C, D) and biases (C,) of the linear layer that runs last.

    Parameters
    ----------
    net : skorch.NeuralNet
        A fitted net.
    X : ndarray of shape (N, ...)
        Rows to make sure that the layer turns embeddings into the prediction.
    embedding_layer : str or None
        The layer whose input is the embedding.
    """
    layer = net.module_.get_submodule(last_linear(net, X))
    output_NC, embedding_ND = with_embeddings(
        lambda: own_output(net, X), net.module_, embedding_layer
    )
    proba_NC = check_net_proba(net, to_proba(net)(output_NC))
    weight_CD = computable(as_float(layer.weight.detach().clone()))
    bias_C = weight_CD.new_zeros(len(weight_CD))
    if layer.bias is not None:
        bias_C = computable(as_float(layer.bias.detach().clone()))
    # What the module does after this layer is unknown code. So results decide: only a
    # layer whose softmax is the prediction is returned.
    if embedding_ND.shape[1] == weight_CD.shape[1]:
        logits_NC = embedding_ND @ weight_CD.T + bias_C
        tolerance = head_tolerance(logits_NC, output_NC.dtype)
        if logits_NC.shape == proba_NC.shape and torch.allclose(
            logits_NC.softmax(-1), proba_NC, atol=tolerance
        ):
            return weight_CD, bias_C
    raise CapabilityError(
        f"{type(net.module_).__name__} does not predict the softmax of what its last "
        "linear layer makes of the embedding. Let it return the logits of that layer, "
        "and leave embedding_layer=None."
    )


def linear_classifier_head(clf: Any, X: NDArray[Any]) -> tuple[Tensor, Tensor]:
    """Return weights (C, D) and biases (C,) of a linear classifier of scikit-learn.

    Parameters
    ----------
    clf : LinearClassifierMixin
        A fitted classifier.
    X : ndarray of shape (N, D)
        Rows to make sure that it predicts the softmax of its linear functions; one
        that normalises the answers of one classifier against the rest does not.
    """
    coef = clf.coef_.toarray() if issparse(clf.coef_) else clf.coef_
    weight_CD = np.atleast_2d(coef)
    bias_C = np.broadcast_to(clf.intercept_, len(weight_CD))
    if len(weight_CD) == 1:  # of two classes, the first has logit 0
        weight_CD = np.concatenate([np.zeros_like(weight_CD), weight_CD])
        bias_C = np.concatenate([np.zeros_like(bias_C), bias_C])
    rows_ND = X if issparse(X) else np.asarray(X)
    logits_NC = torch.tensor(np.asarray(rows_ND @ weight_CD.T + bias_C))
    # Where all probabilities are 0 or 1, one rule looks like another: the second look
    # is at a classifier with small logits.
    scale = max(1.0, logits_NC.abs().max().item())
    small = with_attributes(
        clf, coef_=clf.coef_ / scale, intercept_=clf.intercept_ / scale
    )
    for asked, divisor in ((clf, 1.0), (small, scale)):
        proba_NC = torch.as_tensor(np.asarray(asked.predict_proba(X)))
        tolerance = head_tolerance(logits_NC, proba_NC.dtype)
        expected_NC = (logits_NC / divisor).softmax(-1).to(proba_NC)
        if not torch.allclose(expected_NC, proba_NC, atol=tolerance):
            raise CapabilityError(
                f"{type(clf).__name__} does not predict the softmax of its linear "
                "functions: it fits one classifier a class against the rest, or "
                "scales them. Use LogisticRegression, or a DeepClassifier."
            )
    return torch.tensor(weight_CD), torch.tensor(bias_C)
