"""The way to the decision boundary: adversarial examples, batched over points."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import check_counts
from skal_deep.functional._chunks import memory_budget

Logits = Callable[[Tensor], Tensor]

# Elements of the gradients that exist at once: 64 MiB in float32.
_MEMORY_BUDGET = 2**24


@plain_torch()
def deepfool(
    logits: Logits,
    x: Tensor,
    n_steps: int = 50,
    overshoot: float = 0.02,
    n_classes: int = 10,
    norm: float = 2.0,
) -> tuple[Tensor, Tensor]:
    """Move points across the nearest decision boundary, by DeepFool.

    Each step goes to the boundary of the nearest class of a linear model of the net,

    ``r <- r + |f_k - f_y| / |w_k|_2^2 w_k``,  ``w_k = grad f_k - grad f_y``

    for the k with the smallest ``|f_k - f_y| / |w_k|_2``; for distances in the largest
    coordinate the step is ``|f_k - f_y| / |w_k|_1 sign(w_k)``. It stops once the
    prediction at ``x + (1 + overshoot) r`` is another one. Points are moved together,
    and those that have arrived drop out.

    Parameters
    ----------
    logits : callable
        Takes points (n, ...) and returns logits (n, C), differentiably. Rows must not
        depend on each other.
    x : Tensor of shape (N, ...)
        Points.
    n_steps : int, default=50
        Largest number of steps, 50 as in the paper.
    overshoot : float, default=0.02
        How far to go beyond the boundary, 0.02 as in the paper.
    n_classes : int, default=10
        Number of most probable classes to look at, 10 as in the paper.
    norm : {2, inf}, default=2
        The norm that measures distances.

    Returns
    -------
    distances : Tensor of shape (N,)
        ``|(1 + overshoot) r|``; infinite where no boundary was crossed.
    twins : Tensor of shape (N, ...)
        The points beyond the boundary; ``x`` itself where none was crossed.

    See Also
    --------
    iterated_sign_attack : Steps of one size.
    skal_deep.pool.DFAL : The strategy.

    References
    ----------
    S.-M. Moosavi-Dezfooli, A. Fawzi, P. Frossard. DeepFool: A Simple and Accurate
    Method to Fool Deep Neural Networks. CVPR, 2016.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import deepfool
    >>> distances, twins = deepfool(lambda x: torch.cat([x, -x], 1), torch.ones(1, 1))
    >>> distances
    tensor([1.0200])
    """
    check_counts(n_steps=n_steps, n_classes=n_classes)
    parts = []
    for start_N in x.split(max(1, _MEMORY_BUDGET // (int(n_classes) * x[:1].numel()))):
        with torch.no_grad():
            logit_NC = logits(start_N)
            class_NK = logit_NC.topk(min(n_classes, logit_NC.shape[1])).indices
        search = _Search(logits, start_N, class_NK[:, 0], 1 + overshoot)
        for _ in range(n_steps):
            if not len(search.rows):
                break
            search.move(_step_to_boundary(search, class_NK[search.rows], norm))
        parts.append(search.result(norm))
    distances, twins = zip(*parts, strict=True)
    return torch.cat(distances), torch.cat(twins)


@plain_torch()
def iterated_sign_attack(
    logits: Logits, x: Tensor, step_size: float = 0.05, n_steps: int = 100
) -> tuple[Tensor, Tensor]:
    """Move points along the signs of the loss's gradient until the prediction changes.

    ``r <- r + step_size sign(grad CE(f(x + r), y))`` with the label y predicted at x:
    the basic iterative method without its projection on a ball around x.

    Parameters
    ----------
    logits : callable
        Takes points (n, ...) and returns logits (n, C), differentiably. Rows must not
        depend on each other.
    x : Tensor of shape (N, ...)
        Points.
    step_size : float, default=0.05
        Length of a step in each coordinate.
    n_steps : int, default=100
        Largest number of steps. Without one, points at which the loss is flat would
        never arrive.

    Returns
    -------
    distances : Tensor of shape (N,)
        ``|r|_2``; infinite where the prediction stayed the same.
    twins : Tensor of shape (N, ...)
        The points with another prediction; ``x`` itself where there is none.

    See Also
    --------
    deepfool : Steps as long as the boundary is far.
    skal_deep.pool.AdversarialBIM : The strategy.

    References
    ----------
    A. Kurakin, I. Goodfellow, S. Bengio. Adversarial Examples in the Physical World.
    ICLR Workshops, 2017.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import iterated_sign_attack
    >>> logits = lambda x: torch.cat([x, -x], 1)
    >>> distances, _ = iterated_sign_attack(logits, torch.full((1, 1), 0.12))
    >>> distances
    tensor([0.1500])
    """
    check_counts(n_steps=n_steps)
    parts = []
    # a step is read and written several times: in a processor's cache, if it can be
    for start_N in x.split(max(1, memory_budget(x.device) // x[:1].numel())):
        with torch.no_grad():
            label_N = logits(start_N).argmax(-1)
        search = _Search(logits, start_N, label_N, 1.0)
        for _ in range(n_steps):
            if not len(search.rows):
                break
            with torch.enable_grad():
                point_M = search.points().requires_grad_()
                label_M = search.label_N[search.rows]
                loss = cross_entropy(logits(point_M), label_M, reduction="sum")
                [gradient_M] = torch.autograd.grad(loss, point_M)
            step_MD = gradient_M.flatten(1).sign().mul_(step_size)
            is_flat_M = torch.linalg.vector_norm(step_MD, math.inf, dim=-1) == 0
            if is_flat_M.any():
                step_MD[is_flat_M] = math.nan
            search.move(step_MD)
        parts.append(search.result(2.0))
    distances, twins = zip(*parts, strict=True)
    return torch.cat(distances), torch.cat(twins)


def nearness(distances: Tensor) -> Tensor:
    """Return ``1 / (1 + d)``: 1 on the boundary, 0 infinitely far from it.

    Parameters
    ----------
    distances : Tensor of shape (N,)
        Distances, infinite ones among them.
    """
    return 1 / (1 + distances)


class _Search:
    """Points on their way; ``rows`` are those that have not arrived.

    What is known of these is kept together, so that a step does not gather it anew.
    """

    def __init__(self, logits: Logits, x: Tensor, label_N: Tensor, scale: float):
        self.logits, self.label_N = logits, label_N
        self.rows = torch.arange(len(x), device=x.device)
        self._x, self._scale = x, scale
        self._start_M = self._point_M = x
        self._moved_MD = torch.zeros_like(x).flatten(1)
        self._arrived_N = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        self._moved_ND = torch.zeros_like(self._moved_MD)

    def points(self) -> Tensor:
        """Return where the points that have not arrived are."""
        return self._point_M.detach()

    def move(self, step_MD: Tensor) -> None:
        """Take a step. No step at all is needed on a boundary; NaN is no way out."""
        length_M = torch.linalg.vector_norm(step_MD, math.inf, dim=-1)
        found_M = ~length_M.isnan()
        if not found_M.all():
            self._go_on_with(found_M)
            step_MD, length_M = step_MD[found_M], length_M[found_M]
        self._moved_MD += step_MD
        moved_MD = self._scale * self._moved_MD
        self._point_M = self._start_M + moved_MD.reshape(self._start_M.shape)
        with torch.no_grad():
            label_M = self.logits(self._point_M).argmax(-1)
        arrived_M = (label_M != self.label_N[self.rows]) | (length_M == 0)
        if arrived_M.any():
            self._arrived_N[self.rows[arrived_M]] = True
            self._moved_ND[self.rows[arrived_M]] = self._moved_MD[arrived_M]
            self._go_on_with(~arrived_M)

    def _go_on_with(self, some_M: Tensor) -> None:
        """Leave the other points where they are."""
        self.rows = self.rows[some_M]
        self._start_M, self._point_M = self._start_M[some_M], self._point_M[some_M]
        self._moved_MD = self._moved_MD[some_M]

    def result(self, norm: float) -> tuple[Tensor, Tensor]:
        """Return distances (N,) and twins (N, ...)."""
        moved_ND = self._scale * self._moved_ND
        distance_N = torch.linalg.vector_norm(moved_ND, norm, dim=-1)
        distance_N = torch.where(self._arrived_N, distance_N, math.inf)
        return distance_N, self._x + moved_ND.reshape(self._x.shape)


def _step_to_boundary(search: _Search, class_MK: Tensor, norm: float) -> Tensor:
    """Return the way (M, D) to the boundary of the nearest class, NaN without one."""
    with torch.enable_grad():
        point_M = search.points().requires_grad_()
        logit_MK = search.logits(point_M).gather(1, class_MK)
        gradients = [
            torch.autograd.grad(logit_M.sum(), point_M, retain_graph=True)[0]
            for logit_M in logit_MK.unbind(1)
        ]
    gradient_KMD = torch.stack(gradients).flatten(2)
    if len(gradient_KMD) == 1:
        return torch.full_like(gradient_KMD[0], math.nan)
    towards_KMD = gradient_KMD[1:] - gradient_KMD[0]
    gap_KM = (logit_MK[:, 1:] - logit_MK[:, :1]).detach().abs().T
    length_KM = torch.linalg.vector_norm(towards_KMD, 2 if norm == 2 else 1, dim=-1)
    distance_KM = torch.where(length_KM > 0, gap_KM / length_KM, math.inf)
    nearest = distance_KM.argmin(0), torch.arange(len(point_M), device=point_M.device)
    distance_M, towards_MD = distance_KM[nearest], towards_KMD[nearest]
    unit_MD = towards_MD.sign()
    if norm == 2:
        unit_MD = towards_MD / length_KM[nearest][:, None]
    distance_M = torch.where(distance_M.isfinite(), distance_M, math.nan)
    return distance_M[:, None] * unit_MD
