"""Control arms on real data: alarms, their sign, and the error of the model of now."""

import numpy as np
from skactiveml.pool import RandomSampling

from benchmarks.trust._probe import Probe, strategies
from skal_deep.evaluation import ControlArm, current_error

N_START = 20


def play(X, y, strategy, n_rounds, seed):
    """Return what one run showed, and what was true.

    The alarms of each side at any round; the mean difference in accuracy of the two
    models, over the rounds in which they were compared; whether the interval of the
    error of the last model held it, and the estimate less the truth.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    pool, test = order[: len(y) * 2 // 3], order[len(y) * 2 // 3 :]
    X_pool, y_pool, X_test, y_test = X[pool], y[pool], X[test], y[test]
    known = np.where(np.arange(len(pool)) < N_START, y_pool, -1)
    arm = ControlArm(Probe(), strategy, random_state=seed)
    words, gaps = set(), []
    for _ in range(n_rounds):
        ask = arm.ask(X_pool, known)
        arm.tell(ask.indices, y_pool[ask.indices])
        words.add(arm.verdict().word)
        if getattr(arm, "arms_", None):
            chosen, random = (np.mean(a.predict(X_test) == y_test) for a in arm.arms_)
            gaps.append(chosen - random)
    error = np.mean(arm.estimator_.predict(X_test) != y_test)
    found = current_error(Probe(), X_pool, arm.y_, arm.role_, random_state=seed)
    return (
        "better" in words,
        "worse" in words,
        np.mean(gaps),
        found.low <= error <= found.high,
        found.risk - error,
    )


def table(pools, n_runs, n_rounds):
    """Return a line for each data set and strategy."""
    lines = []
    for data, (X, y) in pools.items():
        for name, strategy in {**strategies(), "random": RandomSampling()}.items():
            runs = np.array(
                [play(X, y, strategy, n_rounds, seed) for seed in range(n_runs)]
            )
            better, worse, gap, held, bias = runs.T
            wrong = np.where(gap > 0, worse, better)
            lines.append(
                [
                    f"{data}, {name}",
                    gap.mean(),
                    better.mean(),
                    worse.mean(),
                    wrong.mean(),
                    held.mean(),
                    bias.mean(),
                ]
            )
    return lines
