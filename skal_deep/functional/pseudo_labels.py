"""Labels that are guessed for rows without one."""

import math

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import cg
from torch import Tensor

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_counts, check_finite
from skal_deep.functional.information import entropy

# More of them are a slip, and no memory would hold their signals.
_MOST_CLASSES = 10**6
# Residual of the conjugate gradients, relative to the right-hand side.
_TOLERANCE = 1e-6


@plain_torch()
def confident_labels(proba: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Return the rows whose prediction is certain enough, and their labels.

    Parameters
    ----------
    proba : Tensor of shape (N, C)
        Class probabilities.
    threshold : float
        Entropy in nats that rows must be below.

    Returns
    -------
    rows : Tensor of shape (M,)
        Positions, in order.
    labels : Tensor of shape (M,)
        Their most probable classes.

    See Also
    --------
    skal_deep.pool.CEAL : Queries beside such labels.
    skal_deep.classifier.PseudoLabelClassifier : Trains on them.

    References
    ----------
    K. Wang, D. Zhang, Y. Li, R. Zhang, L. Lin. Cost-Effective Active Learning for Deep
    Image Classification. TCSVT, 2016.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import confident_labels
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> confident_labels(probas, 0.4)
    (tensor([0]), tensor([0]))
    """
    rows = (entropy(proba) < threshold).nonzero()[:, 0]
    return rows, proba[rows].argmax(1)


@plain_torch()
def spread_labels(
    graph: csr_array, rows: Tensor, labels: Tensor, n_classes: int, alpha: float = 0.99
) -> Tensor:
    """Return what reaches each row of the labels, along the edges of a graph.

    ``Z = (I - alpha S)^-1 Y`` with ``Y = 1 / n_c`` at the n_c labelled rows of class c,
    by conjugate gradients.

    Parameters
    ----------
    graph : csr_array of shape (N, N)
        Symmetric, with eigenvalues between -1 and 1, such as :func:`cosine_graph`.
    rows : Tensor of shape (M,)
        Labelled rows.
    labels : Tensor of shape (M,)
        Their classes, from 0.
    n_classes : int
        Number of classes C.
    alpha : float, default=0.99
        Below 1; large ones reach far.

    Returns
    -------
    Tensor of shape (N, C)
        At least 0; all 0 at rows that no label reaches.

    See Also
    --------
    cosine_graph : Makes the graph.
    propagated_labels : Labels by what reaches the rows.

    References
    ----------
    A. Iscen, G. Tolias, Y. Avrithis, O. Chum. Label Propagation for Deep
    Semi-Supervised Learning. CVPR, 2019.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import cosine_graph, spread_labels
    >>> embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.1, 1.0]])
    >>> graph = cosine_graph(embeddings, 1)
    >>> rows, labels = torch.tensor([0, 2]), torch.tensor([0, 1])
    >>> spread_labels(graph, rows, labels, 2, alpha=0.5).argmax(1)
    tensor([0, 0, 1])
    """
    check_counts(most=_MOST_CLASSES, n_classes=n_classes)
    n = graph.shape[0]
    system = csr_array(diags_array(np.ones(n)) - alpha * graph)
    signals_NC = torch.zeros(n, n_classes, dtype=torch.float64)
    for c in labels.unique().tolist():
        source = np.zeros(n)
        of_class = rows[labels == c].numpy(force=True)
        source[of_class] = 1 / len(of_class)
        signals_NC[:, c] = torch.as_tensor(cg(system, source, rtol=_TOLERANCE)[0])
    return signals_NC.clamp_min(0).to(labels.device)


@plain_torch()
def propagated_labels(
    signals: Tensor, largest_entropy: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Return labels, and how much each of them counts, of what reaches the rows.

    Parameters
    ----------
    signals : Tensor of shape (N, C)
        At least 0.
    largest_entropy : float, default=1.0
        Of the signals' shares, over ``log C``; rows from there on count nothing.

    Returns
    -------
    labels : Tensor of shape (N,)
        The classes with the largest signals.
    weights : Tensor of shape (N,)
        ``1 - H / log C`` with the entropy H of the signals' shares, over the largest
        such number; 0 for rows that no signal reaches.

    See Also
    --------
    spread_labels : Finds signals.
    skal_deep.classifier.LabelPropagationClassifier : Trains on such labels.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import propagated_labels
    >>> propagated_labels(torch.tensor([[0.9, 0.0], [0.2, 0.2]]))
    (tensor([0, 0]), tensor([1., 0.]))
    """
    check_finite(signals=signals)
    total_N1 = signals.sum(1, keepdim=True)
    is_reached_N1 = total_N1 > 0
    share_NC = torch.where(is_reached_N1, signals, 1) / torch.where(
        is_reached_N1, total_N1, signals.shape[1]
    )
    spread_N = entropy(share_NC) / math.log(max(2, signals.shape[1]))
    weight_N = (1 - spread_N).clamp_min(0)
    weight_N = torch.where(spread_N < largest_entropy, weight_N, 0)
    top = weight_N.max()
    return signals.argmax(1), weight_N / top if top > 0 else weight_N


@plain_torch()
def sharpen(proba: Tensor, temperature: float) -> Tensor:
    """Return probabilities to the power ``1 / temperature``, scaled to sum to 1.

    Parameters
    ----------
    proba : Tensor of shape (N, C)
        Class probabilities.
    temperature : float
        Above 0; 1 changes nothing, small ones leave the largest alone.

    Returns
    -------
    Tensor of shape (N, C)
        Probabilities.

    See Also
    --------
    skal_deep.classifier.MixMatchClassifier : Sharpens guesses.

    References
    ----------
    D. Berthelot, N. Carlini, I. Goodfellow, N. Papernot, A. Oliver, C. Raffel.
    MixMatch: A Holistic Approach to Semi-Supervised Learning. NeurIPS, 2019.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import sharpen
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> sharpen(probas, 0.5)
    tensor([[0.9878, 0.0122],
            [0.6923, 0.3077]])
    """
    check_finite(proba=proba)
    # the largest is 1, so that no power of it vanishes
    return ((proba.log() - proba.log().amax(1, True)) / temperature).softmax(1)
