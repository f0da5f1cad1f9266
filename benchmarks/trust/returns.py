"""Which of two models to hand out, by random labels that neither was trained on."""

import numpy as np
from sklearn.preprocessing import normalize

from benchmarks.trust._probe import MostConfident, Probe, synthetic
from skal_deep.classifier import PredictsProba
from skal_deep.evaluation.control._evidence import sign_test
from skal_deep.pool import MarginSampling, ScoreQueryStrategy, UncertaintyHerding

N_POOL, N_TEST = 1_700, 8_000
N_START, N_RANDOM, N_CHOSEN = 20, 140, 140
GUARD_SHARE = 0.4  # of the random labels, as ControlArm(guard=True) keeps
N_BATCHES = 5
LEVEL = 0.05
POINT = 0.01


class OneClass(ScoreQueryStrategy):
    """Asks for what the model takes for the first class: labels of one kind."""

    _needs = (PredictsProba,)

    def __init__(self, selection=None, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.selection = selection

    def _score(self, pool):
        return pool.predict_proba()[:, 0]


STRATEGIES = {
    "margin": MarginSampling(),
    "herding": UncertaintyHerding(),
    "most confident": MostConfident(),
    "one class": OneClass(),
}


def clean(X, y, rng):  # noqa: ARG001 as the others
    """Return the pool as it is."""
    return X, y


def noise_region(X, y, rng):
    """Return random labels where the classes meet."""
    proba = np.sort(Probe().fit(X, y).predict_proba(X), axis=1)
    gap = proba[:, -1] - proba[:, -2]
    return X, np.where(gap <= np.quantile(gap, 0.3), rng.permutation(y), y)


def copies(X, y, rng):
    """Return near copies of a third of one class in the place of half of the rows."""
    rows = rng.permutation(np.flatnonzero(y == y[0]))
    rows = np.resize(rows[: len(rows) // 3], len(y) // 2)
    rows = np.concatenate([rows, rng.permutation(len(y))[: len(y) - len(rows)]])
    noise = 1e-3 * rng.normal(size=X[rows].shape)
    return normalize(X[rows] + noise), y[rows]


def annotator_trap(X, y, rng):
    """Return what an annotator says who takes one kind of row for one class."""
    direction = rng.normal(size=X.shape[1])
    side = X @ direction
    return X, np.where(side >= np.quantile(side, 0.8), y[0], y)


POOLS = {
    "clean": clean,
    "noise region": noise_region,
    "copies": copies,
    "annotator trap": annotator_trap,
}
RULES = {
    "always all": lambda _wins, _losses: True,
    "fewer mistakes": lambda wins, losses: wins >= losses,
    "all unless proved worse": lambda wins, losses: sign_test(losses, wins) > LEVEL,
    "all if proved better": lambda wins, losses: sign_test(wins, losses) <= LEVEL,
}


def play(make, strategy, seed):
    """Return the errors of the models, and the wins and losses that judge them.

    Errors of the model of all labels but the guard, of that of random ones without the
    guard, and of one of as many random labels as all; wins and losses of the first
    against the second on the labels of the guard.
    """
    rng = np.random.default_rng(seed)
    X, y = make(*synthetic(seed, N_POOL + N_TEST), rng)
    order = rng.permutation(len(y))
    X, y, X_test, y_test = (
        part for rows in np.split(order, [N_POOL]) for part in (X[rows], y[rows])
    )
    start, random, rest = np.split(np.arange(N_POOL), [N_START, N_START + N_RANDOM])
    guard, train = np.split(random, [round(GUARD_SHARE * N_RANDOM)])
    free, mine = rest, np.concatenate([start, train])
    for _ in range(N_BATCHES):
        model = Probe().fit(X[mine], y[mine])
        shown = np.concatenate([mine, free])
        known = np.where(np.arange(len(shown)) < len(mine), y[shown], -1)
        asked = strategy.query(
            X[shown], known, model, fit_clf=False, batch_size=N_CHOSEN // N_BATCHES
        )
        mine = np.concatenate([mine, shown[asked]])
        free = np.setdiff1d(free, mine)

    def fit(rows):
        return Probe().fit(X[rows], y[rows])

    full, few = fit(mine), fit(np.concatenate([start, train]))
    many = fit(np.arange(N_START + N_RANDOM + N_CHOSEN))
    full_right, right = (m.predict(X[guard]) == y[guard] for m in (full, few))
    errors = [float(np.mean(m.predict(X_test) != y_test)) for m in (full, few, many)]
    wins, losses = (full_right & ~right).sum(), (right & ~full_right).sum()
    return *errors, int(wins), int(losses)


def table(n_pools):
    """Return a line for each rule."""
    played = {
        (pool, name): [play(make, strategy, seed) for seed in range(n_pools)]
        for pool, make in POOLS.items()
        for name, strategy in STRATEGIES.items()
    }
    lines = []
    for rule, takes_all in RULES.items():
        worse, far, errors, against_all = [], [], {}, []
        for cell, runs in played.items():
            full, few, many, wins, losses = np.array(runs).T
            pairs = zip(wins, losses, strict=True)
            is_all = np.array([takes_all(*pair) for pair in pairs])
            returned = np.where(is_all, full, few)
            worse.append(np.mean(returned > few))
            far.append(np.mean(returned > few + POINT))
            against_all.append(np.mean(returned > many + POINT))
            errors[cell] = returned.mean(), many.mean()
        pair = [errors["clean", "margin"], errors["copies", "one class"]]
        lines.append(
            [
                rule,
                float(np.mean(worse)),
                float(max(worse)),
                float(max(far)),
                float(max(against_all)),
                *(f"{mine:.3f} ({theirs:.3f})" for mine, theirs in pair),
            ]
        )
    return lines
