"""Comparisons made up of numbers, for tests of what is said of them."""

import numpy as np

from skal_deep.evaluation import Comparison

NOISE = 0.01


def made_comparison(
    gains,
    n_repeats=6,
    seed=0,
    shift=0.0,
    shared=0.0,
    test_is_given=True,
    n_stages=4,
):
    """Return a comparison in which each strategy gains what is said.

    Parameters
    ----------
    gains : dict of str to float or None
        Gain of each strategy at all stages after the first; ``None`` is random
        sampling by another name, draw by draw.
    shift : float
        Added to all scores.
    shared : float
        Standard deviation of what all repeats of a strategy share, in that of what
        each has for itself.
    """
    rng = np.random.default_rng(seed)
    gains = {"random": 0.0} | gains
    noise = NOISE * rng.normal(size=(len(gains), n_repeats))
    noise += NOISE * shared * rng.normal(size=(len(gains), 1))
    rows = [
        {
            "strategy": name,
            "repeat": repeat,
            "stage": stage,
            "n_labels": 10 + 10 * stage,
            "accuracy": shift
            + 0.5
            + 0.05 * stage
            + (stage > 0) * ((gain or 0) + noise[0 if gain is None else i, repeat]),
            "seconds_fit": 0.1,
            "seconds_query": 0.01 * i,
            "peak_megabytes": 1000.0 + 100 * i + stage + repeat,
        }
        for repeat in range(n_repeats)
        for i, (name, gain) in enumerate(gains.items())
        for stage in range(n_stages)
    ]
    settings = {
        "n_repeats": n_repeats,
        "n_initial": 10,
        "batch_size": 10,
        "n_cycles": n_stages - 1,
        "n_rows": 400,
        "test_size": 100,
        "test_is_given": test_is_given,
    }
    keys = ("strategy", "repeat", "stage")
    picks = [
        {key: row[key] for key in keys}
        | {"indices": rng.choice(300, size=10, replace=False).tolist()}
        for row in rows
    ]
    return Comparison(rows, ("accuracy",), settings, picks)
