"""The highest scores, or draws by scores, over all shards: exact."""

import math

import numpy as np
from numpy.typing import NDArray

from skal_deep.pool import Power, SelectionRule, Softmax, TopK
from skal_deep.shards._files import Part
from skal_deep.shards._look import Look
from skal_deep.shards._noise import gumbel
from skal_deep.shards._tasks import map_parts

# Stream of the noise that draws, and breaks ties.
_STREAM = 0


def best_by_score(
    parts: list[Part],
    look: Look,
    rule: SelectionRule,
    batch_size: int,
    labeled: NDArray[np.int64],
    n_jobs: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], dict[str, float]]:
    """Return picks, their scores or the probabilities of their draws, and nothing.

    Each part returns its own best, and they are compared. A draw without replacement
    takes the largest sums of log weight and Gumbel noise, which belongs to a row. So
    picks do not depend on how rows are spread over shards.
    """
    found = map_parts(_best_of_part, parts, n_jobs, look, rule, batch_size, labeled)
    ids, key_N2, value_N = (
        np.concatenate([part[place] for part in found]) for place in range(3)
    )
    order = np.lexsort((-key_N2[:, 1], -key_N2[:, 0]))
    chosen = order[:batch_size]
    if isinstance(rule, TopK):
        return ids[chosen], value_N[chosen], {}
    others = [value_N[order[batch_size:]], np.array([part[3] for part in found])]
    n_open = sum(part[4] for part in found)
    shares = _shares(
        value_N[chosen], np.logaddexp.reduce(np.concatenate(others)), n_open
    )
    return ids[chosen], shares, {}


def _shares(
    log_weights: NDArray[np.float64], log_rest: float, n_rows: int
) -> NDArray[np.float64]:
    """Return the share of each pick in the weights that were left for it.

    Parameters
    ----------
    log_weights : ndarray of shape (b,)
        Of the picks, in order.
    log_rest : float
        Logarithm of the sum over all other rows.
    n_rows : int
        Number of all rows: of weights 0 each is as probable.
    """
    total, n_left, shares = log_rest, n_rows - len(log_weights), []
    for own in reversed(log_weights.tolist()):
        total, n_left = np.logaddexp(total, own), n_left + 1
        shares.append(math.exp(own - total) if total > -math.inf else 1 / n_left)
    return np.array(shares[::-1])


def _best_of_part(
    part: Part,
    look: Look,
    rule: SelectionRule,
    batch_size: int,
    labeled: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], float, int]:
    """Return the best rows of a part, what decides between them, and their values.

    Values are scores, or log weights. The sum of the weights of all others comes after
    them, and the number of rows.
    """
    score_N = look.scores(part).numpy()
    if not np.isfinite(score_N).all():
        raise ValueError("scores are NaN or infinite.")
    noise_N = gumbel(look.seed, _STREAM, part.offset, len(part))
    value_N = _log_weights(score_N, rule)
    is_open = np.isin(part.ids, labeled, invert=True)
    ids, value_N, noise_N = part.ids[is_open], value_N[is_open], noise_N[is_open]
    key_N = value_N if isinstance(rule, TopK) else value_N + noise_N
    # equal keys are weights of 0, or ties of scores
    order = np.lexsort((-noise_N, -key_N))
    best, others = order[:batch_size], order[batch_size:]
    rest = np.logaddexp.reduce(value_N[others], initial=-math.inf)
    keys = np.stack([key_N[best], noise_N[best]], 1)
    return ids[best], keys, value_N[best], float(rest), len(ids)


def _log_weights(
    score_N: NDArray[np.float64], rule: SelectionRule
) -> NDArray[np.float64]:
    """Return logarithms of the weights of draws, or scores where none are drawn."""
    if isinstance(rule, TopK):
        return score_N
    coldness = rule.get_params()["coldness"]
    if coldness == 0:
        return np.zeros_like(score_N)
    with np.errstate(divide="ignore", over="ignore"):
        if isinstance(rule, Power):
            score_N = np.log(score_N.clip(0))
        log_weight_N: NDArray[np.float64] = coldness * score_N
    if (np.isinf(log_weight_N) & np.isfinite(score_N)).any():
        raise ValueError(f"coldness={coldness} is too large: take TopK().")
    return log_weight_N


def check_rule(rule: SelectionRule) -> None:
    """Raise unless picks by the rule need no more than each row's own score."""
    is_known = type(rule) in (TopK, Power, Softmax)
    if not is_known or getattr(rule, "epsilon", 0) > 0:
        raise ValueError(
            f"selection={rule!r} needs the scores of all rows at once. Over shards "
            "TopK(), Power(coldness) and Softmax(coldness) with epsilon=0 are exact."
        )
