"""Every strategy and every rule once, beside random sampling, on two real data sets.

    python -m benchmarks every digits --run-dir DIR --out benchmarks/RESULTS.md
    python -m benchmarks every fashion --fashion-mnist DIR --run-dir DIR --out ...
    python -m benchmarks every fashion --slow --repeats 10 --fashion-mnist DIR --out ...

The same features for all, a linear classifier with a posterior, and few labels: a first
look, in minutes, at what each strategy does with its defaults. A strategy that asks for
a classifier of its own, such as ``DEAL``, is compared with random sampling under that
classifier, over a small net. All rows are written, in the order of the alphabet, and
their verdicts allow for their number. Strategies that take seconds a query have half
the repeats; with ``--fast`` they are left out, with ``--slow`` they are played alone,
into a section of their own.
"""

import argparse
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from benchmarks._measure import provenance
from benchmarks._net import make_net
from benchmarks._report import write_section
from skal_deep import classifier, pool
from skal_deep.datasets import load
from skal_deep.evaluation import (
    BASELINE,
    compare_strategies,
    paired_difference,
    verdicts,
)
from skal_deep.modules import MLP
from skal_deep.pool import DeepQueryStrategy, SelectionRule

EPOCHS = 40
N_INITIAL, BATCH, N_CYCLES = 20, 30, 2
N_IMAGES, N_COMPONENTS = 1_000, 50
# The classifier, and those of strategies that ask for more than a posterior.
USUAL = "BayesianLinearClassifier"
TRAINED_BY = {
    "CEAL": "PseudoLabelClassifier",
    "DEAL": "EvidentialClassifier",
    "ForgettingEvents": "CheckpointClassifier",
    "LabelDispersion": "CheckpointClassifier",
    "LearningLoss": "LossPredictionClassifier",
    "WAAL": "WassersteinClassifier",
}
# Those that cannot be made without arguments, or take minutes a query by default.
MADE = {
    "AdaptiveStrategy([TypiClust(), MarginSampling()])": pool.AdaptiveStrategy(
        [pool.TypiClust(), pool.MarginSampling()]
    ),
    "AnchorAL(MarginSampling())": pool.AnchorAL(pool.MarginSampling()),
    "BatchEPIG(n_configurations=10, n_targets=10)": pool.BatchEPIG(
        n_configurations=10, n_targets=10
    ),
    "MixedScore([BALD(), MarginSampling()])": pool.MixedScore(
        [pool.BALD(), pool.MarginSampling()]
    ),
    "SelectionViaProxy(MarginSampling(), LogisticRegression())": (
        pool.SelectionViaProxy(
            pool.MarginSampling(), LogisticRegression(max_iter=1_000)
        )
    ),
    "SwitchStrategy(TypiClust(), MarginSampling(), when=30)": pool.SwitchStrategy(
        pool.TypiClust(), pool.MarginSampling(), when=30
    ),
}
# Those that take seconds a query, most of them for nets of their own, are played last.
SLOW = {
    "AdversarialBIM",
    "BatchEPIG(n_configurations=10, n_targets=10)",
    "ConsistencySampling",
    "DAAL",
    "DAL",
    "JointSampling",
    "MAL",
    "SRAAL",
    "TAVAAL",
    "VAAL",
}
# Labels cost the same here.
LEFT_OUT = {"PerCost", "TopK"}


def strategies():
    """Return all strategies by name, and BALD with each rule."""
    found = dict(MADE)
    made = {name.partition("(")[0] for name in MADE}
    for name in pool.__all__:
        cls = getattr(pool, name)
        if name in made | LEFT_OUT or vars(cls).get("__abstractmethods__"):
            continue
        if issubclass(cls, SelectionRule):
            found[f"BALD(selection={name}())"] = pool.BALD(selection=cls())
        elif issubclass(cls, DeepQueryStrategy):
            found[name] = cls()
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def groups(chosen):
    """Return the strategies by the classifier that they ask, slow ones last."""
    found = {}
    for name in sorted(chosen, key=lambda name: name in SLOW):
        trainer = TRAINED_BY.get(name, USUAL)
        found.setdefault((trainer, name in SLOW), {})[name] = chosen[name]
    return found


def estimator(trainer):
    """Return the classifier; the prior of the linear one is not searched for."""
    if trainer == USUAL:
        return classifier.BayesianLinearClassifier(prior_precision=0.1)
    net = make_net(MLP, module__dropout=0.25, lr=5e-3, max_epochs=EPOCHS, batch_size=32)
    return getattr(classifier, trainer)(net)


def compare(chosen, trainer, run_dir, **data):
    """Return the comparison of some strategies under one classifier."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few draws, and of a net that is slow
        return compare_strategies(
            chosen,
            estimator(trainer),
            **data,
            n_initial=N_INITIAL,
            batch_size=BATCH,
            n_cycles=N_CYCLES,
            run_dir=run_dir,
            same_code=True,
            n_jobs=1,
            progress=False,
            random_state=0,
        )


def on_digits(chosen, trainer, n_repeats, run_dir, _):
    """Return the comparison on the digits: a test part of a quarter in each repeat."""
    data = load("digits")
    X = normalize(data.X.reshape(len(data.X), -1)).astype(np.float32)
    return compare(chosen, trainer, run_dir, X=X, y=data.y, n_repeats=n_repeats)


def on_fashion(chosen, trainer, n_repeats, run_dir, source):
    """Return the comparison on frozen features: a pool of its own in each repeat."""
    X, y, X_test, y_test = fashion(source)
    parts = []
    for repeat in range(n_repeats):
        rows = slice(repeat * N_IMAGES, (repeat + 1) * N_IMAGES)
        place = run_dir and run_dir / str(repeat)
        data = {"X": X[rows], "y": y[rows], "X_test": X_test, "y_test": y_test}
        parts.append(compare(chosen, trainer, place, n_repeats=[repeat], **data))
    return replace(parts[0], curves=[row for part in parts for row in part.curves])


def fashion(source):
    """Return features and classes of Fashion-MNIST, pools first, then test images."""
    data = load(source)
    rows = np.random.default_rng(0).permutation(len(data.y))
    X = data.X.reshape(len(data.X), -1)[rows]
    X_test = data.X_test[:N_IMAGES].reshape(N_IMAGES, -1)
    pca = PCA(N_COMPONENTS, random_state=0).fit(X[-5_000:])
    features = [
        normalize(pca.transform(part)).astype(np.float32)
        for part in (X[:20_000], X_test)
    ]
    return features[0], data.y[rows][:20_000], features[1], data.y_test[:N_IMAGES]


def order(row):
    """Return where a row of the table stands: random first, then by the alphabet."""
    name, trainer = row
    return name != BASELINE, name.lower(), trainer != USUAL, trainer


def table(found):
    """Return the lines of the table."""
    differences, ends = {}, {}
    for (trainer, _), comparison in found.items():
        end = comparison.curve(BASELINE)[:, -1].mean()
        ends.setdefault((BASELINE, trainer), end)  # slow strategies come last
        for name in comparison.strategies[1:]:
            ends[name, trainer] = comparison.curve(name)[:, -1].mean()
            differences[name] = paired_difference(
                comparison.areas(name),
                comparison.areas(BASELINE),
                comparison.overlap,
            )
    judged = verdicts(differences, is_share=True)
    lines = [
        "| strategy | classifier | accuracy | area, difference to random (95 %, "
        "all together) | repeats | p (Holm) | verdict |",
        "|---" * 7 + "|",
    ]
    for (name, trainer), end in sorted(ends.items(), key=lambda item: order(item[0])):
        size = f"| {name} | {trainer} | {end:.3f} |"
        if name == BASELINE:
            lines.append(f"{size} | | | baseline |")
            continue
        verdict = judged[name]
        lines.append(
            f"{size} {verdict.difference.mean:+.3f} ({verdict.low:+.3f} to "
            f"{verdict.high:+.3f}) | {verdict.difference.n} | {verdict.p_value:.3f} "
            f"| {verdict.word} |"
        )
    return "\n".join(lines)


STUDIES = {
    "digits": (
        on_digits,
        "Every strategy on digits",
        "1,797 digits of 64 pixels, a quarter to score on, another one in each repeat",
    ),
    "fashion": (
        on_fashion,
        "Every strategy on Fashion-MNIST",
        f"{N_COMPONENTS} principal components of unit length, {N_IMAGES:,} images as "
        f"the pool, other ones in each repeat, and {N_IMAGES:,} to score on",
    ),
}


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=list(STUDIES))
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--only", nargs="+", help="names of strategies")
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--fast", action="store_true", help="leave out slow strategies")
    part.add_argument("--slow", action="store_true", help="only slow strategies")
    parser.add_argument("--fashion-mnist", default="fashion-mnist")
    parser.add_argument("--run-dir", type=Path, help="to go on after an interruption")
    parser.add_argument("--out", type=Path, help="Markdown file for the table")
    args = parser.parse_args()
    torch.set_num_threads(1)
    play, title, what = STUDIES[args.what]
    chosen = strategies()
    if args.fast or args.slow:
        chosen = {n: one for n, one in chosen.items() if (n in SLOW) == args.slow}
    if args.only:
        chosen = {name: chosen[name] for name in args.only}
    found = {}
    for (trainer, is_slow), members in groups(chosen).items():
        n_repeats = args.repeats // 2 if is_slow else args.repeats
        place = args.run_dir and args.run_dir / args.what / f"{trainer}{is_slow:d}"
        comparison = play(members, trainer, n_repeats, place, args.fashion_mnist)
        found[trainer, is_slow] = comparison
        print(trainer, is_slow, "is done", flush=True)
    text = table(found)
    print(text)
    if args.out:
        command = f"python -m benchmarks every {args.what} --repeats {args.repeats}"
        command += " --fast" * args.fast + " --slow" * args.slow
        write_section(
            args.out,
            title + ", those that take seconds a query" * args.slow,
            f"{provenance(command)}. {what}; rows of unit length; a linear classifier "
            f"with a Laplace posterior, or a small net, {EPOCHS} epochs, under the "
            f"classifier that is named; {N_INITIAL} first labels, {N_CYCLES} batches "
            f"of {BATCH}. Paired repeats, half as many for what takes seconds a query"
            f"{', which is left out here' * args.fast}"
            f"{': there is nothing else here' * args.slow}; "
            "defaults of all but for what names say. Accuracy is that with all labels, "
            "the area that over all numbers of labels. Intervals and p allow "
            f"for the number of strategies.\n\n{text}",
        )


if __name__ == "__main__":
    main()
