"""How often a plan's band holds the curves of data sets that are not in its bank."""

import numpy as np

from benchmarks.bank import curve, tables
from skal_deep.evaluation import plan_labels
from skal_deep.evaluation.planning._bank import builtin_bank
from skal_deep.evaluation.planning._calibration import _calibrate
from skal_deep.evaluation.planning._forecast import isotonic

BATCH = 10
SMALL_GAIN = 0.02
STAGES = {10: 4.0, 16: 2.5}  # seen, and up to how many times as many are asked of


def outside(folder, names, n_tasks, n_seeds):
    """Return lines: data set, repeats, stages seen, curves, how many the band held."""
    held = {}
    for number, (name, X, y) in enumerate(tables(folder, names, n_tasks)):
        for strategy in ("random", "herding"):
            seeds = [1_000 * number + seed for seed in range(n_seeds)]
            curves = np.array([curve(X, y, strategy, BATCH, seed) for seed in seeds])
            n_test = round(len(y) / 3)
            for n_seen, longest in STAGES.items():
                for repeats in (curves[:1], curves):
                    is_held = _is_held(repeats, n_seen, longest, n_test)
                    key = (name, len(repeats), n_seen)
                    held.setdefault(key, []).append(is_held)
    lines = [[*key, len(each), np.mean(each)] for key, each in held.items()]
    for n_repeats, n_seen in sorted({key[1:] for key in held}):
        each = [v for key, v in held.items() if key[1:] == (n_repeats, n_seen)]
        total = np.concatenate(each)
        lines.append(["all", n_repeats, n_seen, len(total), total.mean()])
    return lines


def _is_held(curves_RT, n_seen, longest, n_test):
    """Return whether the band of a plan holds the rest of the mean curve."""
    labels = BATCH * np.arange(1, curves_RT.shape[1] + 1)
    plan = plan_labels(labels[:n_seen], curves_RT[:, :n_seen], n_test=n_test)
    whole = isotonic(curves_RT.mean(axis=0)[None])[0]
    asked = plan.labels[plan.labels <= min(labels[-1], longest * labels[n_seen - 1])]
    truth = np.maximum(np.interp(asked, labels, whole), plan.current)
    low, high = plan.low[: len(asked)], plan.high[: len(asked)]
    return bool(((low <= truth + 1e-9) & (truth <= high + 1e-9)).all())


def families():
    """Return lines: how often a plan by the other families holds for one.

    A family counts once, as in the promise, however many curves it has.
    """
    lines = []
    for n_repeats in (1, 8):
        for longest in (4.0, 2.5):
            known = _calibrate(builtin_bank(), longest, n_repeats)
            found = {}
            for family in np.unique(known.families):
                is_asked = known.families == family
                found[family] = _judged(known, is_asked)
            held, said, wrong = np.mean(list(found.values()), axis=0)
            missed = [
                f"{k} {each[0]:.2f}" for k, each in found.items() if each[0] < 0.9
            ]
            share = float(wrong / said) if said else "-"
            lines.append(
                [
                    n_repeats,
                    f"{longest:g}",
                    len(found),
                    float(held),
                    float(said),
                    share,
                    ", ".join(missed),
                ]
            )
    return lines


def _judged(known, is_asked):
    """Return shares of curves, judged by the others.

    Those that the band holds, of which it is said that doubling will not pay, and of
    which that is wrong.
    """
    others = known.without(is_asked)
    up, down = others.quantiles(0.9)
    is_held = (known.above <= up) & (known.below <= down)
    is_said = known.most_at_double <= others.largest_that_will_not_pay(SMALL_GAIN)
    is_wrong = is_said & (known.gain_at_double >= SMALL_GAIN)
    tasks = known.tasks[is_asked]
    return [
        np.mean([each[is_asked][tasks == task].mean() for task in np.unique(tasks)])
        for each in (is_held, is_said, is_wrong)
    ]
