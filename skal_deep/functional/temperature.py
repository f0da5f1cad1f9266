"""Temperatures: probabilities made softer or sharper until they are honest."""

import math

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_finite, check_no_gradient

# Temperatures lie between 1 / 10 and 10: past that, predictions are one-hot or uniform.
_LARGEST_TEMPERATURE = 10.0
# Halvings of the interval of log temperatures: to one part in a million.
_N_HALVINGS = 22


@plain_torch()
def apply_temperature(probas: Tensor, temperature: float) -> Tensor:
    """Return ``softmax(z / T)`` for logits z, from probabilities ``p = softmax(z)``.

    Logits are known from probabilities up to a constant: the result is
    ``p ** (1 / T)`` over its sum. The order of classes does not change.

    Parameters
    ----------
    probas : Tensor of shape (..., C)
        Class probabilities p.
    temperature : float
        T > 0: above 1 softer, below 1 sharper.

    Returns
    -------
    Tensor of shape (..., C)
        Probabilities.

    See Also
    --------
    fit_temperature : Finds the temperature.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. On Calibration of Modern Neural
    Networks. ICML, 2017.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import apply_temperature
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> apply_temperature(probas, 2.0)
    tensor([[0.7500, 0.2500],
            [0.5505, 0.4495]])
    """
    check_finite(probas=probas)
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be above 0.")
    return (probas.log() / temperature).softmax(-1)


@plain_torch()
def fit_temperature(probas: Tensor, labels: Tensor) -> float:
    """Return the temperature that makes labels most probable.

    Minimises the negative log-likelihood of ``softmax(z / T)``. It is convex in
    ``1 / T``, with slope ``mean(E_T[z] - z_label)``, whose zero is found by bisection
    between 1/10 and 10.

    Parameters
    ----------
    probas : Tensor of shape (N, C)
        Class probabilities of rows that the model was not fitted to.
    labels : Tensor of shape (N,)
        Their classes as positions 0 ... C - 1.

    Returns
    -------
    float
        The temperature T.

    See Also
    --------
    apply_temperature : Uses it.
    expected_calibration_error : Measures what it changes.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. On Calibration of Modern Neural
    Networks. ICML, 2017.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import fit_temperature
    >>> probas = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    >>> round(fit_temperature(probas, torch.tensor([0, 0, 1])), 2)
    3.17
    """
    check_no_gradient(probas=probas)
    check_finite(probas=probas)
    if not len(probas):
        raise ValueError("A temperature needs at least one row.")
    # a softmax underflows to 0 where it is tiny; a label there has a finite cost
    smallest = torch.finfo(probas.dtype).tiny
    logit_NC = probas.clamp_min(smallest).double().log()
    is_label_NC = one_hot(labels.to(probas.device), probas.shape[1])

    def slope(log_temperature: float) -> float:
        proba_NC = (logit_NC * math.exp(-log_temperature)).softmax(-1)
        return float(((proba_NC - is_label_NC) * logit_NC).sum())

    low, high = -math.log(_LARGEST_TEMPERATURE), math.log(_LARGEST_TEMPERATURE)
    for _ in range(_N_HALVINGS):
        middle = (low + high) / 2
        if slope(middle) > 0:  # labels are less probable than promised: softer
            low = middle
        else:
            high = middle
    return math.exp((low + high) / 2)
