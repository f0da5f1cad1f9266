"""What posterior draws must be, one function a promise.

Each check takes an :class:`Audit` and returns what is wrong and what to do, or None.
"""

import copy
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from skactiveml.classifier import SkorchClassifier
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline
from skorch import NeuralNet
from skorch.utils import multi_indexing
from torch import Tensor, nn

from skal_deep.classifier import as_model
from skal_deep.classifier._dropout_posterior import DropoutPosterior
from skal_deep.classifier._posterior import MeanOfDraws
from skal_deep.classifier.door._inside import through_steps
from skal_deep.classifier.net._dropout_check import live_dropout
from skal_deep.classifier.net._output import NoProbabilitiesError
from skal_deep.modules._dropout import dropout_sites
from skal_deep.modules._weights import batch_norms
from skal_deep.rows._lent import lent

# Copies of a row: more than a mini-batch usually has, so that they fall into two.
_N_COPIES = 300
# Equal inputs in mini-batches of other sizes differ by round-off.
_ROUND_OFF = 1e-4


class Audit:
    """A classifier, rows, and draws that several checks look at."""

    def __init__(self, clf: Any, X: Any, n_samples: int, seed: int):
        self.last = clf[-1] if isinstance(clf, Pipeline) else clf
        self.model: Any = as_model(clf)
        self.X, self.seed = X, seed
        steps = clf[:-1] if isinstance(clf, Pipeline) and len(clf) > 1 else None
        self.seen = X if steps is None else through_steps(steps, lent(X))
        self._n_samples = n_samples
        self.modules = list(_modules(self.last, 3))
        self.states = [copy.deepcopy(m.state_dict()) for m in self.modules]
        self.modes = [[p.training for p in m.modules()] for m in self.modules]

    def sample(self, X: Any, seed: int | None = None) -> Tensor:
        """Return draws for some rows."""
        seed = self.seed if seed is None else seed
        try:
            draws_SNC: Tensor = self.model.sample_proba(X, self._n_samples, seed)
        except NoProbabilitiesError as error:  # which is a finding among others
            if error.values.ndim != 3:
                raise
            draws_SNC = error.values
        return draws_SNC

    @cached_property
    def draws_SNC(self) -> Tensor:
        """Draws for all rows."""
        return self.sample(self.X)

    @cached_property
    def copies_SNC(self) -> Tensor:
        """Draws for copies of one row."""
        row = int(
            (self.draws_SNC.max(0).values - self.draws_SNC.min(0).values)
            .sum(-1)
            .argmax()
        )
        return self.sample(multi_indexing(self.X, np.full(_N_COPIES, row)))

    @cached_property
    def n_distinct(self) -> int:
        """How many draws differ from all others."""
        return len(self.draws_SNC.flatten(1).unique(dim=0))

    def may_agree_by_chance(self) -> bool:
        """Return whether members that agree on all rows can be members of their own.

        Trees answer with few different numbers, and so do neighbours, so that two of
        them may well agree. They are no copies if each had a seed or rows of its own.
        Members with weights of their own never agree to the last bit.
        """
        if self.modules:
            return False
        members = _members(self.last)
        seeds = [getattr(member, "random_state", None) for member in members]
        has_seeds = None not in seeds and len(set(map(str, seeds))) == len(seeds)
        rows = getattr(_committee(self.last), "estimators_samples_", [])
        own_rows = {np.asarray(positions).tobytes() for positions in rows}
        return bool(members) and (has_seeds or len(own_rows) == len(members))

    def sites(self) -> tuple[list[str], list[str]]:
        """Say what differs from draw to draw, and what should and does not."""
        nets = [self.last] if isinstance(self.last, NeuralNet) else []
        if isinstance(self.last, DropoutPosterior):
            nets = self.last.nets_
        if isinstance(self.last, SkorchClassifier):
            nets = [self.last.neural_net_]
        if nets:
            return live_dropout(nets[0], self.seen)
        if isinstance(self.last, MeanOfDraws):
            return self.last._sites(), []
        if members := _members(self.last):
            return [f"{len(members)} members"], []
        return [site for module in self.modules for site in dropout_sites(module)], []


def _committee(clf: Any) -> Any:
    """Return the ensemble, that of scikit-learn inside one of scikit-activeml, too."""
    return clf if hasattr(clf, "estimators_") else getattr(clf, "estimator_", clf)


def _members(clf: Any) -> list[Any]:
    """Return the members of an ensemble in a list, none of anything else."""
    members = getattr(_committee(clf), "estimators_", None)
    return [] if members is None else list(np.ravel(members))


def _modules(value: Any, depth: int) -> Iterator[nn.Module]:
    """Yield the modules inside a classifier of any kind."""
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, NeuralNet):
        yield value.module_
    elif depth and isinstance(value, list | tuple):
        for part in value:
            yield from _modules(part, depth - 1)
    elif depth and isinstance(value, BaseEstimator):
        for part in vars(value).values():
            if not isinstance(part, NeuralNet) or part.initialized_:
                yield from _modules(part, depth - 1)


def _probabilities(audit: Audit) -> str | None:
    draws_SNC = audit.draws_SNC
    sums_SN = draws_SNC.sum(-1)
    if draws_SNC.min() < 0 or not torch.allclose(
        sums_SN, torch.ones_like(sums_SN), atol=_ROUND_OFF
    ):
        return "Draws are no probabilities: rows must be at least 0 and sum to 1."
    return None


def _draws_differ(audit: Audit) -> str | None:
    n_draws, n_distinct = len(audit.draws_SNC), audit.n_distinct
    if n_distinct == 1 and audit.may_agree_by_chance():
        return (
            f"All {n_draws} draws are equal on these rows, so that every disagreement "
            "is 0. If the members were trained on them, pass rows that they have not "
            "seen."
        )
    if n_distinct == 1:
        return (
            f"All {n_draws} draws are equal, so that every disagreement is 0. Is "
            "dropout off, or its p 0? Do members start from the same weights?"
        )
    is_committee = torch.equal(audit.draws_SNC, audit.sample(audit.X, audit.seed + 1))
    if n_distinct < n_draws and is_committee and not audit.may_agree_by_chance():
        return (
            f"{n_draws - n_distinct} of {n_draws} members are copies of others. Give "
            "each its own initial weights or rows."
        )
    return None


def _seeds_decide(audit: Audit) -> str | None:
    again_SNC = audit.sample(audit.X)
    if not torch.allclose(again_SNC, audit.draws_SNC, atol=_ROUND_OFF):
        return "Equal seeds give other draws. Seed masks and weights by random_state."
    return None


def _rows_are_coupled(audit: Audit) -> str | None:
    near_SNC = audit.copies_SNC[:, :8]
    if _spread(near_SNC) > _ROUND_OFF:
        return (
            "Copies of a row get other probabilities in one draw: rows have masks of "
            "their own, and joint methods take them for independent. Use "
            "MCDropoutClassifier, which shares the masks of a draw."
        )
    return None


def _batches_are_coupled(audit: Audit) -> str | None:
    if _rows_are_coupled(audit):
        return None
    half = _N_COPIES // 2
    some = slice(audit.draws_SNC.shape[1] // 2 + 1)
    alone_SNC = audit.sample(multi_indexing(audit.X, some))
    together_SNC = audit.draws_SNC[:, some]
    if (
        _spread(audit.copies_SNC[:, [0, half, -1]]) > _ROUND_OFF
        or (alone_SNC - together_SNC).abs().max() > _ROUND_OFF
    ):
        return (
            "A row's probabilities in a draw depend on its mini-batch or on the rows "
            "beside it: masks are drawn anew for each mini-batch, or batch "
            "normalisation is in train mode. Use MCDropoutClassifier."
        )
    return None


def _spread(draws_SNC: Tensor) -> Tensor:
    """Return how far rows of a draw are apart."""
    return (draws_SNC - draws_SNC[:, :1]).abs().max()


def _nothing_moves(audit: Audit) -> str | None:
    for module, state in zip(audit.modules, audit.states, strict=True):
        moved = [
            name
            for name, value in module.state_dict().items()
            if not torch.equal(value, state[name])
        ]
        if moved:
            kind = (
                "batch normalisation's statistics" if batch_norms(module) else "state"
            )
            return (
                f"Sampling changes {kind}: {', '.join(moved[:3])}. Keep all but "
                "dropout in eval mode."
            )
    if audit.modes != [[p.training for p in m.modules()] for m in audit.modules]:
        return "Sampling leaves layers in another mode (train or eval) than before."
    return None


CHECKS: list[Callable[[Audit], str | None]] = [
    _probabilities,
    _draws_differ,
    _seeds_decide,
    _rows_are_coupled,
    _batches_are_coupled,
    _nothing_moves,
]
