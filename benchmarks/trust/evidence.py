"""False alarms of the evidence of wins and losses, where there is no difference."""

import math

import numpy as np

from skal_deep.evaluation import log_e_value, share_interval
from skal_deep.evaluation.control._evidence import log_e_margin, sign_test

LEVEL = 0.05
THRESHOLD = math.log(2 / LEVEL)
Z = 1.96
FEWEST = 10  # decided rows before the naive test is looked at
MANY = 3_000  # rows in which a difference should be found
REFEREES = 4  # judged between two looks


class Streams:
    """Many streams of wins, losses and ties at once, looked at after every row."""

    def __init__(self, n_runs):
        self.wins, self.losses = np.zeros((2, n_runs), int)
        self.truth = np.zeros(n_runs)  # sum of the expectations of decided rows
        self.known = {}

    def log_e(self):
        """Return the evidence for each side, of shape (2, n_runs)."""
        sides = (self.wins, self.losses), (self.losses, self.wins)
        return np.array([self._each(log_e_value, *side) for side in sides])

    def interval(self):
        """Return the lower and the upper bounds."""
        return self._each(share_interval, self.wins, self.losses).T

    def draw(self, win, loss, rng):
        """Judge one more row in each run, given the chances of a win and a loss."""
        chance = rng.random(len(self.wins))
        is_win, is_loss = chance < win, (chance >= win) & (chance < win + loss)
        self.wins, self.losses = self.wins + is_win, self.losses + is_loss
        self.truth += (is_win | is_loss) * (win - loss) / (win + loss)

    def _each(self, function, wins, losses):
        """Return what a function of the package says of each pair of counts."""
        pairs, place = np.unique([wins, losses], axis=1, return_inverse=True)
        for pair in map(tuple, pairs.T.tolist()):
            if (function, pair) not in self.known:
                self.known[function, pair] = function(*pair)
        values = [self.known[function, tuple(pair)] for pair in pairs.T.tolist()]
        return np.array(values)[place.ravel()]


def nulls(n_rows):
    """Return the chances of a win and of a loss, given the row and the evidence."""

    def even(share):
        return lambda _t, _log_e: (share / 2, share / 2)

    def falling(t, _log_e):
        share = 0.4 - 0.35 * t / n_rows
        return share / 2, share / 2

    def adversarial(_t, log_e):
        share = np.where(log_e > 0, 0.05, 0.4)  # few rows once there is something
        return share / 2, share / 2

    def late(t, _log_e):
        return (0.6, 0.4) if t < n_rows // 2 else (0.4, 0.6)

    return {
        "equal models, 25 % disagree": even(0.25),
        "equal, disagreement falls from .4 to .05": falling,
        "equal, referees with 30 % ties": even(0.7),
        "equal, referees without ties": even(1.0),
        "equal, disagreement follows the evidence": adversarial,
        "chosen model worse (.45 to .55)": lambda _t, _log_e: (0.45, 0.55),
        "better in the first half, worse after": late,
    }


def alarms(n_runs, n_rows):
    """Return a line for each null: alarms of each side, missed means, naive tests."""
    lines = []
    for number, (name, chances) in enumerate(nulls(n_rows).items()):
        rng, streams = np.random.default_rng(number), Streams(n_runs)
        ever = np.zeros((4, n_runs), bool)  # better, worse, missed, naive
        log_e = np.zeros((2, n_runs))
        for t in range(n_rows):
            streams.draw(*chances(t, log_e[0]), rng)
            log_e = streams.log_e()
            n = streams.wins + streams.losses
            low, high = streams.interval()
            mean = streams.truth / np.maximum(n, 1)
            gap = np.abs(streams.wins - streams.losses)
            ever |= [
                log_e[0] >= THRESHOLD,
                log_e[1] >= THRESHOLD,
                (low > mean) | (mean > high),
                (gap > Z * np.sqrt(n)) & (n >= FEWEST),
            ]
        lines.append([name, *ever.mean(axis=1)])
    return lines


def margin_alarms(n_runs, n_rows):
    """Return the false alarms where the difference is the margin itself."""
    lines = []
    for share, margin in ((0.05, 0.01), (0.15, 0.01), (0.3, 0.02)):
        rng = np.random.default_rng(round(1e3 * share))
        bound = margin / share  # of the mean outcome of a row on which models disagree
        chance = [(0.8 + bound) / 2, 0.2, (0.8 - bound) / 2]
        outcomes = rng.choice([1, 0, -1], p=chance, size=(n_runs, n_rows))
        ever = [
            any(
                log_e_margin(row[:n], np.full(n, bound)) >= THRESHOLD
                for n in range(REFEREES, n_rows + 1, REFEREES)
            )
            for row in outcomes
        ]
        lines.append([f"disagreement {share:.2f}, margin {margin}", np.mean(ever)])
    return lines


def rows_to_alarm(n_runs):
    """Return the decided rows until a difference is found, by the share of wins."""
    lines = []
    for share in (0.6, 0.65, 0.7, 0.8):
        rng, streams = np.random.default_rng(round(100 * share)), Streams(n_runs)
        first = np.full(n_runs, np.inf)
        for t in range(1, MANY + 1):
            streams.draw(share, 1 - share, rng)
            first[(streams.log_e()[0] >= THRESHOLD) & np.isinf(first)] = t
            if np.isfinite(first).all():
                break
        rows = np.quantile(first, (0.5, 0.8), method="inverted_cdf")
        lines.append([f"{share:.2f}", *map(_as_rows, rows)])
    return lines


def _as_rows(value):
    """Return a number of rows as one, or that it is beyond the last look."""
    return int(value) if np.isfinite(value) else f"more than {MANY}"


def guard_returns(n_runs):
    """Return how often the guard hands out a model that is no better."""
    rng = np.random.default_rng(0)
    lines = []
    for n_decided in (10, 30, 56):
        wins = rng.binomial(n_decided, 0.5, n_runs)
        found = np.mean([sign_test(w, n_decided - w) <= LEVEL for w in wins.tolist()])
        lines.append([f"{n_decided} decided rows", found])
    return lines
