"""An audit of a classifier's posterior draws, with a report."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from skorch.utils import multi_indexing

from skal_deep._modes import cpu_by_default
from skal_deep.classifier import CapabilityError, SamplesProba
from skal_deep.classifier._base import as_seed
from skal_deep.classifier.door._model_checks import check_feature_names, check_fitted
from skal_deep.functional import bald
from skal_deep.testing._posterior_audit import CHECKS, Audit

_N_ROWS = 256


@dataclass(frozen=True, repr=False)
class PosteriorReport:
    """The results of the audit of a posterior.

    :func:`check_posterior` returns it: print it, and mend what ``failures`` names
    before you query.

    Attributes
    ----------
    classifier : str
        The classifier.
    sites : tuple of str
        What differs from draw to draw.
    n_draws : int
        How many draws were looked at; 0 where there are none.
    n_distinct : int
        How many of them differ from one another.
    disagreement : float
        Mean mutual information of prediction and draw (BALD), in nats.
    failures : dict of str to str
        What is wrong and what to do, by check.
    dead : tuple of str
        Dropout that should differ from draw to draw, and changes nothing.

    See Also
    --------
    check_posterior : Makes the audit.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skal_deep.evaluation import check_posterior
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = LogisticRegression(max_iter=1000).fit(X, y)
    >>> check_posterior(clf, X).verdict
    'no posterior'
    """

    classifier: str
    sites: tuple[str, ...]
    n_draws: int
    n_distinct: int
    disagreement: float
    failures: dict[str, str]
    dead: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Whether the draws are fit for use: "sound", "faulty" or "no posterior"."""
        if self.n_distinct < 2:
            return "no posterior"
        return "faulty" if self.failures else "sound"

    def __repr__(self) -> str:
        lines = [
            f"{self.classifier}: {self.verdict}",
            f"  what differs: {', '.join(self.sites) or 'nothing was found'}",
            f"  draws: {self.n_draws}, {self.n_distinct} of them distinct, "
            f"disagreement {self.disagreement:.4f} nats",
        ]
        lines += [f"  without effect: {site}" for site in self.dead]
        lines += [f"  {name}: {message}" for name, message in self.failures.items()]
        return "\n".join(lines)


@cpu_by_default()
def check_posterior(
    clf: Any,
    X: ArrayLike | Mapping[str, Any],
    *,
    n_samples: int = 20,
    random_state: int = 0,
) -> PosteriorReport:
    """Check that the draws of a fitted classifier are those of a posterior.

    Draws must be probabilities that differ; each must be one function for all rows,
    mini-batches and calls; seeds must decide them; and sampling must leave the model
    as it was. Nothing is fitted. Methods that look at several rows together, such as
    BatchBALD, go wrong without an error where draws are not coupled.

    Use it before you query with BALD, BatchBALD or another strategy that needs draws.

    Parameters
    ----------
    clf : object
        A fitted classifier of any kind: one of ours, a skorch net, a classifier of
        scikit-activeml or scikit-learn, one with a ``sample_proba`` of its own, or a
        Pipeline that ends in any of these.
    X : array-like of shape (n_samples, ...), or dict of such
        Rows to look at; the first 256 count.
    n_samples : int, default=20
        Number of draws. Ensembles return all their members.
    random_state : int, default=0
        Seed of the draws.

    Returns
    -------
    PosteriorReport
        Prints as a verdict and what is wrong.

    See Also
    --------
    check_classifier : Checks an unfitted classifier in many more ways.
    PosteriorReport : What is returned.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from skal_deep.evaluation import check_posterior
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    >>> check_posterior(forest, X).verdict
    'sound'
    """
    check_fitted(clf)
    if not isinstance(X, Mapping):
        check_feature_names(clf, False, X, None)
    rows = X if isinstance(X, Mapping) else np.asarray(X)
    seed = as_seed(random_state)
    audit = Audit(clf, multi_indexing(rows, slice(_N_ROWS)), n_samples, seed)
    name = type(audit.last).__name__
    if not isinstance(audit.model, SamplesProba):
        advice = "Use MCDropoutClassifier or another classifier with a posterior."
        return PosteriorReport(
            name, (), 0, 0, 0.0, {"draws": f"It offers no draws. {advice}"}
        )
    try:
        draws_SNC = audit.draws_SNC
    except CapabilityError as error:
        return PosteriorReport(name, (), 0, 0, 0.0, {"draws": str(error)})
    found = {check.__name__.strip("_"): check(audit) for check in CHECKS}
    failures = {name.replace("_", " "): text for name, text in found.items() if text}
    live, dead = audit.sites()
    return PosteriorReport(
        name,
        tuple(live),
        len(draws_SNC),
        audit.n_distinct,
        math.nan if "probabilities" in failures else float(bald(draws_SNC).mean()),
        failures,
        tuple(dead),
    )
