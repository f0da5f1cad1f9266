"""The criterion of evidential classification."""

import torch
from torch import Tensor, nn

from skal_deep.functional import dirichlet_mean
from skal_deep.functional.evidential import evidential_loss, misleading_evidence

# Exponentials overflow soon after 88; the code of Sensoy et al. caps them here.
_STRAIGHT_FROM = 10.0


def evidence_of(logits_NC: Tensor) -> Tensor:
    """Return the evidence for each class: the exponential of the logits, at first.

    From 10 on it goes on as a straight line. Unlike the ReLU it has a gradient
    everywhere, so that a class that no label has shown yet can gain evidence later, and
    false evidence can be lost.
    """
    curved_NC = logits_NC.clamp_max(_STRAIGHT_FROM)
    return curved_NC.exp() * (1 + logits_NC - curved_NC)


def evidential_proba(logits_NC: Tensor) -> Tensor:
    """Return the probabilities that a module's logits stand for: ``alpha / S``."""
    return dirichlet_mean(evidence_of(logits_NC))


class EvidentialLoss(nn.Module):
    """Sensoy's loss of logits: fit, and a divergence that punishes false evidence.

    Parameters
    ----------
    kind : {"log", "digamma", "mse"}, default="log"
        See :func:`~skal_deep.functional.evidential.evidential_loss`.
    reduction : {"mean", "none"}, default="mean"
        As in torch's losses.
    """

    def __init__(self, kind: str = "log", reduction: str = "mean"):
        super().__init__()
        self.kind = kind
        self.reduction = reduction
        self.divergence_weight = 0.0

    def forward(self, logits_NC: Tensor, y_N: Tensor) -> Tensor:
        """Return the loss, or the losses of the rows."""
        if logits_NC.dtype in (torch.float16, torch.bfloat16):
            logits_NC = logits_NC.float()  # torch has no digamma of half precision
        evidence_NC = evidence_of(logits_NC)
        divergence_N = misleading_evidence(evidence_NC, y_N)
        loss_N = evidential_loss(evidence_NC, y_N, self.kind)
        loss_N = loss_N + self.divergence_weight * divergence_N
        return loss_N if self.reduction == "none" else torch.mean(loss_N)
