"""A bandit over strategies, beside its own arms, and the noise of its gains.

    python -m benchmarks bandit [--repeats 10] [--out benchmarks/RESULTS.md]

The digits as vectors, logistic regression, ten first labels and twenty batches of ten;
each repeat has a test part of its own. The arms are margin sampling and core-set
selection; random sampling is always one. The bandit is played at Exp3's
own rate and at one of 10. The second table has the gains that its replays found.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from benchmarks._measure import provenance
from benchmarks._report import interval, write_section
from skal_deep.datasets import load
from skal_deep.evaluation import compare_strategies, paired_difference
from skal_deep.pool import AdaptiveStrategy, CoreSet, MarginSampling

ARMS = {"margin": MarginSampling(), "core-set": CoreSet()}
RATES = {"bandit": None, "bandit, rate of 10": 10.0}
TITLE = "A bandit over strategies"


def play(repeats):
    """Return the data and the comparison of arms and bandits."""
    data = load("digits")
    X, y = data.X.reshape(len(data.X), -1).astype(np.float32), data.y.astype(int)
    bandits = {
        name: AdaptiveStrategy(list(ARMS.values()), learning_rate=rate)
        for name, rate in RATES.items()
    }
    played = compare_strategies(
        ARMS | bandits,
        LogisticRegression(max_iter=200),
        X,
        y,
        n_initial=10,
        batch_size=10,
        n_cycles=20,
        n_repeats=repeats,
        n_jobs=1,
        progress=False,
        random_state=0,
    )
    return X, y, played


def areas(played):
    """Yield the rows of the table of areas."""
    yield "| strategy | area | to random | to margin | to core-set | s a query |"
    yield "|---" * 6 + "|"
    for name in ("random", *ARMS, *RATES):
        its, seconds = played.areas(name), played.curve(name, "seconds_query")
        gaps = [
            ""
            if name in ("random", other) or (other != "random" and name in ARMS)
            else interval(paired_difference(its, played.areas(other), played.overlap))
            for other in ("random", *ARMS)
        ]
        yield (
            f"| {name} | {its.mean():.3f} | {' | '.join(gaps)} "
            f"| {seconds[:, 1:].mean():.2f} |"
        )


def gains(X, y, played):
    """Yield the rows of the table of gains and last shares."""
    yield (
        "| strategy | arm | gain a batch, mean | standard deviation | batches until "
        "the mean is twice its error | last share, mean | lowest | highest |"
    )
    yield "|---" * 8 + "|"
    for name, rate in RATES.items():
        strategy = AdaptiveStrategy(list(ARMS.values()), learning_rate=rate)
        found = []
        for start, *rounds in played.picked(name):
            shown = np.full(len(y), -1)
            for rows in (start, *rounds):
                shown[rows] = y[rows]
            model = LogisticRegression(max_iter=200)
            found.append(strategy.replay(X, shown, model, rounds))
        all_gains = np.concatenate([each["gains"] for each in found])
        shares = np.stack([each["shares"][-1] for each in found])
        for arm, title in enumerate(("random", *ARMS)):
            mean, spread = all_gains[:, arm].mean(), all_gains[:, arm].std(ddof=1)
            wanted = f"{(2 * spread / mean) ** 2:,.0f}" if arm else ""
            of_arm = shares[:, arm]
            numbers = f"{mean:+.4f} | {spread:.3f}" if arm else "0 | 0"
            yield (
                f"| {name} | {title} | {numbers} | {wanted} | {of_arm.mean():.2f} "
                f"| {of_arm.min():.2f} | {of_arm.max():.2f} |"
            )


def main():
    """Play, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    X, y, played = play(arguments.repeats)
    tables = "\n".join(areas(played)) + "\n\n" + "\n".join(gains(X, y, played))
    print(tables)
    if arguments.out:
        command = f"python -m benchmarks bandit --repeats {arguments.repeats}"
        text = (
            f"{provenance(command)}. Digits, logistic regression, {arguments.repeats} "
            "paired repeats, 10 first labels and 20 batches of 10. Areas under the "
            "accuracy curve, differences with 95 % intervals, of one difference each. "
            "A gain is (r - a) / (r + a), of the log losses after an arm's picks and "
            "after as many random ones, on the random picks of the next batch."
        )
        write_section(arguments.out, TITLE, f"{text}\n\n{tables}")


if __name__ == "__main__":
    main()
