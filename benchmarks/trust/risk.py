"""How often intervals of a mean loss hold the truth, where mistakes are rare."""

import warnings

import numpy as np
import torch

from skal_deep.evaluation import unbiased_risk
from skal_deep.functional import power_sample

N_POOL = 2_000
N_LABELS = (10, 30, 100, 300)
ERRORS = (0.01, 0.05, 0.1, 0.2)
EPSILONS = (0.05, 0.2, 0.5)
UNSUSPECTED = 0.002  # loss expected of a row of which the surrogate knows nothing
SPREAD = 0.3  # of the Beta distribution of the true chances: most rows are clear
N_ANYTIME = 40  # pools: an interval takes 20 ms


def pool(error, is_overconfident, rng):
    """Return losses, and those that a surrogate expects.

    An overconfident one expects none on half of the rows, and of the mistakes.
    """
    chance = rng.beta(SPREAD, SPREAD * (1 - error) / error, N_POOL)
    losses = rng.random(N_POOL) < chance
    if is_overconfident:
        chance = np.where(rng.random(N_POOL) < 0.5, UNSUSPECTED, chance)
    return losses.astype(float), chance.clip(UNSUSPECTED)


def draw(expected, epsilon, seed):
    """Return draws as active testing makes them, their probabilities and floors."""
    left = N_POOL - np.arange(N_LABELS[-1])
    if epsilon is None:
        rows = np.random.default_rng(seed).permutation(N_POOL)[: len(left)]
        return rows, 1 / left, 1 / left
    picks, proba_TN = power_sample(
        torch.as_tensor(expected),
        len(left),
        epsilon=epsilon,
        generator=torch.Generator().manual_seed(seed),
    )
    proba = proba_TN.gather(1, picks[:, None])[:, 0]
    floor = torch.where(proba_TN > 0, proba_TN, torch.inf).amin(1)
    return picks.numpy(), proba.numpy(), floor.numpy()


def kinds():
    """Return the kinds of draws: their name, epsilon, and the surrogate's fault."""
    yield "at random", None, False
    for epsilon in EPSILONS:
        for is_overconfident in (False, True):
            what = "overconfident" if is_overconfident else "calibrated"
            yield f"{what}, epsilon {epsilon}", epsilon, is_overconfident


def coverage(n_runs):
    """Return lines: draws, labels, smallest coverage over the errors, widths."""
    lines = []
    for number, (name, epsilon, is_overconfident) in enumerate(kinds()):
        found = np.zeros((len(ERRORS), n_runs, len(N_LABELS), 2, 2))
        for e, error in enumerate(ERRORS):
            for run in range(n_runs):
                rng = np.random.default_rng((number, e, run))
                losses, expected = pool(error, is_overconfident, rng)
                rows, proba, floor = draw(expected, epsilon, int(rng.integers(2**31)))
                found[e, run] = [
                    [_judge(losses, rows[:m], proba[:m], floor[:m], kind)
                     for kind in ("auto", "t")]
                    for m in N_LABELS
                ]  # fmt: skip
        held, width = np.moveaxis(found.mean(axis=1), -1, 0)
        for m, n_labels in enumerate(N_LABELS):
            lines.append(
                [
                    name,
                    n_labels,
                    held[:, m, 0].min(),
                    held[:, m, 1].min(),
                    width[1, m, 0],
                    width[1, m, 1],
                ]
            )
    return lines


def anytime(n_runs):
    """Return how often the anytime interval holds the truth at all looks."""
    lines = []
    for name, epsilon, is_overconfident in kinds():
        held = []
        for run in range(n_runs):
            rng = np.random.default_rng((99, run))
            losses, expected = pool(0.05, is_overconfident, rng)
            rows, proba, floor = draw(expected, epsilon, run)
            looks = [
                _judge(losses, rows[:m], proba[:m], floor[:m], "anytime")[0]
                for m in N_LABELS[:3]
            ]
            held.append(all(looks))
        lines.append([name, np.mean(held)])
    return lines


def _judge(losses, rows, proba, floor, kind):
    """Return whether an interval holds the pool's mean loss, and its width."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that t is not to be relied on: seen below
        found = unbiased_risk(losses[rows], proba, N_POOL, floor=floor, interval=kind)
    return found.low <= losses.mean() <= found.high, found.high - found.low
