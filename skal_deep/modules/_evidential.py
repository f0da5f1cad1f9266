"""The criterion of evidential classification."""

import torch
from torch import Tensor, nn

from skal_deep.functional.evidential import evidential_loss, misleading_evidence

# Exponentials overflow soon after 88; the code of Sensoy et al. caps them here.
_STRAIGHT_FROM = 10.0


def evidence_of(logits_NC: Tensor) -> Tensor:
    """Return the evidence for each class: the exponential of the logits, at first.

    From 10 on it goes on as a straight line. Unlike the ReLU it has a gradient
    everywhere, so that a class that no label has shown yet can gain evidence later, and
    false evidence can be lost.

    Use it to read evidence from the logits of a net that was trained with
    :class:`EvidentialLoss`.

    Parameters
    ----------
    logits_NC : Tensor of shape (N, C)
        Logits.

    Returns
    -------
    Tensor of shape (N, C)
        Evidence, at least 0.

    See Also
    --------
    evidential_proba : The probabilities of the same logits.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules._evidential import evidence_of
    >>> evidence_of(torch.zeros(1, 3)).tolist()
    [[1.0, 1.0, 1.0]]
    """
    curved_NC = logits_NC.clamp_max(_STRAIGHT_FROM)
    return curved_NC.exp() * (1 + logits_NC - curved_NC)


def evidential_proba(logits_NC: Tensor) -> Tensor:
    """Return the class probabilities that a module's logits stand for.

    With the evidence e for each class they are ``(e + 1) / sum(e + 1)``, the mean of
    the Dirichlet distribution.

    Use it as ``predict_nonlinearity`` of a net that is trained with
    :class:`EvidentialLoss`.

    Parameters
    ----------
    logits_NC : Tensor of shape (N, C)
        Logits.

    Returns
    -------
    Tensor of shape (N, C)
        Probabilities.

    See Also
    --------
    evidence_of : The evidence of the same logits.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules._evidential import evidential_proba
    >>> evidential_proba(torch.zeros(1, 4)).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    # Not the kernel dirichlet_mean, whose check cannot be mapped by torch.func.vmap.
    alpha_NC = evidence_of(logits_NC) + 1
    return alpha_NC / alpha_NC.sum(-1, keepdim=True)


class EvidentialLoss(nn.Module):
    """Evidential loss of logits: it fits the labels and punishes false evidence.

    :class:`EvidentialClassifier` uses it; use it as a criterion in a training of your
    own.

    Parameters
    ----------
    kind : {"log", "digamma", "mse"}, default="log"
        See :func:`~skal_deep.functional.evidential.evidential_loss`.
    reduction : {"mean", "none"}, default="mean"
        As in torch's losses.

    See Also
    --------
    evidence_of : The evidence of the same logits.
    skal_deep.classifier.EvidentialClassifier : Trains a net with this loss.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules import EvidentialLoss
    >>> loss = EvidentialLoss("digamma", reduction="none")
    >>> loss(torch.zeros(5, 3), torch.tensor([0, 1, 2, 0, 1])).shape
    torch.Size([5])
    """

    def __init__(self, kind: str = "log", reduction: str = "mean"):
        super().__init__()
        self.kind = kind
        self.reduction = reduction
        self.divergence_weight = 0.0

    def forward(self, logits_NC: Tensor, y_N: Tensor) -> Tensor:
        """Return the loss, or the losses of the rows.

        Parameters
        ----------
        logits_NC : Tensor of shape (N, C)
            Output of the net.
        y_N : Tensor of shape (N,)
            Classes, as whole numbers.

        Returns
        -------
        Tensor
            The mean, or of shape (N,), as ``reduction`` says.
        """
        if logits_NC.dtype in (torch.float16, torch.bfloat16):
            logits_NC = logits_NC.float()  # torch has no digamma of half precision
        evidence_NC = evidence_of(logits_NC)
        divergence_N = misleading_evidence(evidence_NC, y_N)
        loss_N = evidential_loss(evidence_NC, y_N, self.kind)
        loss_N = loss_N + self.divergence_weight * divergence_N
        return loss_N if self.reduction == "none" else torch.mean(loss_N)
