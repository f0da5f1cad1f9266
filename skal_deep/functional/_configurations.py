"""Configurations of the labels of a batch, and what they tell about the weights."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from skal_deep._threads import for_each_part
from skal_deep.functional._chunks import slices
from skal_deep.functional.information import entropy, plogp

# Directions in which predictions vary most; their signs make the coarsest groups.
_N_DIRECTIONS = 3
# Rows by which these directions are found, about.
_N_SEEN = 200
# Configurations for each group at least, so that groups save work.
_MIN_SHARE = 4
# Configurations that a thread looks at in some tenths of a millisecond.
_ROWS_OF_A_PART = 1024


class Configurations:
    """Configurations of the labels of the picks so far, and what they tell.

    Each is kept once. One more label multiplies its weights by ``p(y | w_s)``, and they
    are divided by their sum. A weight may underflow: where labels are sampled from
    draws, the odds against the draw that they come from reach K with a probability of
    1/K at most (Ville's inequality), so what is lost would not have mattered again.

    Parameters
    ----------
    samples_SNC : Tensor of shape (S, N, C)
        Posterior draws.
    n_configurations : int
        Largest number M of configurations: all as long as they are no more, those of
        about that many sampled ones after that, J of them, E from each draw and at
        least one.

    Attributes
    ----------
    is_exact : bool
        Whether all configurations are there.
    pi_M : Tensor
        Their probabilities.
    weight_MS : Tensor
        The weights that they give to the draws.
    """

    def __init__(self, samples_SNC: Tensor, n_configurations: int):
        self.is_exact = True
        self._n_draws, self._n_configurations = len(samples_SNC), n_configurations
        self._proba_TSC: list[Tensor] = []
        self._start(samples_SNC.new_ones(1))

    def _start(self, pi_M: Tensor) -> None:
        """Begin with the one configuration of no labels."""
        self.pi_M = pi_M
        self.weight_MS = pi_M.new_full((1, self._n_draws), 1 / self._n_draws)
        self._place_J = torch.zeros(0, dtype=torch.int64, device=pi_M.device)

    def learn(self, proba_SC: Tensor, generator: torch.Generator) -> None:
        """Take in the label of one more pick."""
        self._proba_TSC.append(proba_SC)
        n_exact = len(self.weight_MS) * proba_SC.shape[1]
        if self.is_exact and n_exact <= self._n_configurations:
            self._enumerate(proba_SC)
        elif self.is_exact:
            self.is_exact = False
            self._start(self.pi_M.new_ones(1))
            n_each = max(1, self._n_configurations // self._n_draws)
            self._place_J = self._place_J.new_zeros(n_each * self._n_draws)
            for earlier_SC in self._proba_TSC:
                self._sample(earlier_SC, generator)
        else:
            self._sample(proba_SC, generator)

    def _enumerate(self, proba_SC: Tensor) -> None:
        """Extend each configuration by each label."""
        joint_MCS = self.weight_MS[:, None] * proba_SC.T
        self.weight_MS, evidence_M = _normalize(joint_MCS.flatten(0, 1))
        self.pi_M = self.pi_M.repeat_interleave(proba_SC.shape[1]) * evidence_M
        self.pi_M /= self.pi_M.sum().clamp_min(torch.finfo(self.pi_M.dtype).tiny)

    def _sample(self, proba_SC: Tensor, generator: torch.Generator) -> None:
        """Draw one more label for each configuration, from the draw that made it."""
        n_classes = proba_SC.shape[1]
        n_each = len(self._place_J) // self._n_draws
        cdf_SC = proba_SC.double().cumsum(-1)
        uniform_SE = torch.rand(
            self._n_draws, n_each, dtype=torch.float64, generator=generator
        ).to(cdf_SC.device)
        label_SE = torch.searchsorted(cdf_SC, uniform_SE * cdf_SC[:, -1:], right=True)
        label_J = label_SE.clamp_max(n_classes - 1).flatten()
        code_M, self._place_J, count_M = torch.unique(
            self._place_J * n_classes + label_J, return_inverse=True, return_counts=True
        )
        before_MS, proba_CS = self.weight_MS, proba_SC.T.contiguous()
        weight_MS = before_MS.new_empty(len(code_M), self._n_draws)

        def work_on(part: slice) -> None:
            joint_BS = weight_MS[part]
            joint_BS[:] = before_MS[code_M[part] // n_classes]
            joint_BS *= proba_CS[code_M[part] % n_classes]
            _normalize(joint_BS)

        _for_rows(weight_MS, work_on)
        self.weight_MS = weight_MS
        self.pi_M = count_M.to(self.pi_M) / len(label_J)


def _for_rows(rows: Tensor, work_on: Callable[[slice], None]) -> None:
    """Work on some configurations, in parts that threads share where there are any."""
    n, device = len(rows), rows.device
    size = _ROWS_OF_A_PART if device.type == "cpu" else max(1, n)
    for_each_part(slices(n, size), lambda: work_on, device)


def _normalize(joint_MS: Tensor) -> tuple[Tensor, Tensor]:
    """Return rows with sum 1 in the place of others, and their sums before."""
    sum_M = joint_MS.sum(-1)
    joint_MS /= sum_M.clamp_min(torch.finfo(sum_M.dtype).tiny)[:, None]
    return joint_MS, sum_M


def principal_directions(samples_SNC: Tensor) -> Tensor:
    """Return what weights of draws are compared by, of shape (S, K).

    Rows of weights W that are close after this map give close mean predictions
    ``W P`` over the pool: it is the square root of the covariance of the predictions
    between draws, its largest directions only, by some of the rows.
    """
    n_draws, n = samples_SNC.shape[:2]
    proba_SF = samples_SNC[:, :: max(1, n // _N_SEEN)].reshape(n_draws, -1)
    gram_SS = (proba_SF @ proba_SF.T).double()
    center_SS = torch.eye(n_draws, device=gram_SS.device).double() - 1 / n_draws
    variance_S, direction_SS = torch.linalg.eigh(center_SS @ gram_SS @ center_SS)
    largest_SK: Tensor = direction_SS[:, -_N_DIRECTIONS:]
    largest_SK *= variance_S[-_N_DIRECTIONS:].clamp_min(0).sqrt()
    return largest_SK


def group_configurations(
    pi_M: Tensor, weight_MS: Tensor, direction_SK: Tensor
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield ``pi`` and mean ``W`` of groups of configurations, coarsest first.

    First those on the same sides of the medians of a few directions; then those that
    favour the same draw; last, the loosest of these are split by the draw that a
    configuration favours more than its group does. For predictions ``q = W P`` the
    bound of group g is loose by ``sum_m pi_m KL(q_m || q_g)``, which is at most
    ``pi_g H(W_g) - sum_m pi_m H(W_m)`` for every candidate, by data processing.
    Nothing is yielded where there are too few configurations for groups to save work.
    """
    joint_MS = pi_M[:, None] * weight_MS

    def means(group_M: Tensor) -> tuple[Tensor, Tensor]:
        n_groups = int(group_M.max()) + 1
        pi_G = _sums(pi_M, group_M, n_groups)
        return pi_G, _sums(joint_MS, group_M, n_groups) / pi_G[:, None]

    def saves_work(group_M: Tensor) -> bool:
        return _MIN_SHARE * (int(group_M.max()) + 1) <= len(group_M)

    place_MK = weight_MS @ direction_SK.to(weight_MS)
    side_MK = place_MK > place_MK.median(0).values
    bit_K = 2 ** torch.arange(side_MK.shape[1], device=side_MK.device)
    group_M = _number_keys((side_MK * bit_K).sum(-1))
    if saves_work(group_M):
        yield means(group_M)
    favoured_M = torch.empty_like(group_M)

    def find_favoured(part: slice) -> None:
        favoured_M[part] = weight_MS[part].argmax(-1)

    _for_rows(weight_MS, find_favoured)
    group_M = _number_keys(favoured_M)
    if not saves_work(group_M):
        return
    pi_G, weight_GS = means(group_M)
    yield pi_G, weight_GS
    minus_own_M = torch.empty_like(pi_M)

    def sum_plogp(part: slice) -> None:
        some_BS = weight_MS[part]
        minus_own_M[part] = pi_M[part] * plogp(some_BS, torch.empty_like(some_BS)).sum(
            -1
        )

    _for_rows(weight_MS, sum_plogp)
    loose_G = pi_G * entropy(weight_GS) + _sums(minus_own_M, group_M, len(pi_G))
    rows = (loose_G >= loose_G.mean())[group_M].nonzero()[:, 0]

    def find_more_favoured(part: slice) -> None:
        some = rows[part]
        favoured_M[some] = (weight_MS[some] - weight_GS[group_M[some]]).argmax(-1)

    _for_rows(rows, find_more_favoured)
    group_M = _number_keys(group_M * weight_MS.shape[1] + favoured_M)
    if saves_work(group_M):
        yield means(group_M)


def _number_keys(key_M: Tensor) -> Tensor:
    """Return numbers from 0 up, the same where the keys are."""
    number_M: Tensor = key_M.unique(return_inverse=True)[1]
    return number_M


def _sums(values_M: Tensor, group_M: Tensor, n_groups: int) -> Tensor:
    """Return the sum over each group."""
    zeros_G = values_M.new_zeros(n_groups, *values_M.shape[1:])
    return zeros_G.index_add_(0, group_M, values_M)
