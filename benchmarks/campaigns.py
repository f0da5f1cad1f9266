"""Campaigns: does the interval of the error cover, does stopping come too early.

    python -m benchmarks campaigns --campaigns 300

Many labelling campaigns are played in memory, on data whose labels are known. After
each round the error is estimated from control labels, and compared with the share of
wrong predictions on the other half of the data, which no campaign saw. Beside it stands
what not to do: cross-validation on the labels that a strategy chose. With ``--models``
the models that can be had by name are compared instead, over so many campaigns. With
``--referees`` so many campaigns are played by their files, with ``referee_share``: does
the interval cover beside referees, and how often do these call an arm better where both
arms are random? ``--data`` and ``--choices`` take a part of it; ``random`` ones are
those in which chance picks every item. With ``--items`` a campaign of so many
items is made and asked once, and timed.
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from skactiveml.pool import RandomSampling
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skal_deep.campaign import Campaign
from skal_deep.campaign.honest._intervals import upper_bound
from skal_deep.campaign.honest._simulate import play_campaign
from skal_deep.campaign.models._models import bayesian_probe, probe
from skal_deep.campaign.store._control import control_keys
from skal_deep.evaluation import Table
from skal_deep.evaluation.risk._intervals import clopper_pearson
from skal_deep.pool import MarginSampling

_FEW_DRAWS = {"bayesianlinearclassifier__n_samples": 20}
SETS = {"digits": load_digits, "breast cancer": load_breast_cancer}
CHOICES = ["auto", "random"]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=20)
    parser.add_argument("--items", type=int, default=0)
    parser.add_argument("--models", type=int, default=0)
    parser.add_argument("--referees", type=int, default=0)
    parser.add_argument("--referee-share", type=float, default=0.2)
    parser.add_argument("--data", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--choices", nargs="+", choices=CHOICES, default=CHOICES)
    args = parser.parse_args()
    if args.items:
        print(timed(args.items))
        return
    if args.models:
        print(Table(models(args)))
        return
    if args.referees:
        refereed(args)
        return
    rows, stops = [], []
    for name in args.data:
        X, y = SETS[name](return_X_y=True)
        looks = [campaign(X, y, number, args) for number in range(args.campaigns)]
        rows += summaries(name, looks)
        stops += stopping(name, looks)
    print(Table(rows), end="\n\n")
    print(Table(stops))


def campaign(X, y, number: int, args: argparse.Namespace) -> list[dict[str, float]]:
    """Return what is said after each round, and what is true."""
    rng = np.random.default_rng(number)
    order = rng.permutation(len(X))
    some, others = order[: len(X) // 2], order[len(X) // 2 :]
    new = X[others], y[others]
    X, y = X[some], y[some]
    classes = [str(label) for label in np.unique(y)]
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    played = play_campaign(
        X,
        y,
        classes,
        model,
        batch_size=args.batch_size,
        budget=args.budget,
        keys=control_keys(f"{number}", map(str, range(len(X)))),
        seed=number,
        new=new,
    )
    chosen = np.concatenate(played.picks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes of fewer labels than folds
        said = cross_val_predict(model, X[chosen], y[chosen], cv=5)
    wrong = int((said != y[chosen]).sum())
    low, high = clopper_pearson(wrong, len(chosen), 0.95)
    last = {"cv": wrong / len(chosen), "cv_low": low, "cv_high": high}
    return [*played.rounds[:-1], {**played.rounds[-1], **last}]


def models(args: argparse.Namespace) -> list[dict]:
    """Return the errors and the seconds of campaigns, a row for each model."""
    makers = {
        "probe": lambda: probe(False),
        "bayes, 20 draws": lambda: bayesian_probe(False).set_params(**_FEW_DRAWS),
        "bayes, 100 draws": lambda: bayesian_probe(False),
    }
    rows = []
    for name in args.data:
        X, y = SETS[name](return_X_y=True)
        classes = [str(label) for label in np.unique(y)]
        for model, make in makers.items():
            started, played = time.perf_counter(), []
            for number in range(args.models):
                order = np.random.default_rng(number).permutation(len(X))
                some, others = order[: len(X) // 2], order[len(X) // 2 :]
                played.append(
                    play_campaign(
                        X[some],
                        y[some],
                        classes,
                        make(),
                        batch_size=args.batch_size,
                        budget=args.budget,
                        keys=control_keys(f"{number}", map(str, range(len(some)))),
                        seed=number,
                        new=(X[others], y[others]),
                    ).rounds
                )
            errors = [[row["true_error"] for row in rounds] for rounds in played]
            rows.append(
                {
                    "data": name,
                    "model": model,
                    "last error": float(np.mean([row[-1] for row in errors])),
                    "mean error": float(np.mean([np.mean(row) for row in errors])),
                    "seconds": (time.perf_counter() - started) / args.models,
                }
            )
    return rows


def refereed(args: argparse.Namespace) -> None:
    """Print coverage, stopping and verdicts of campaigns with referees."""
    for choice in args.choices:
        for name in args.data:
            X, y = SETS[name](return_X_y=True)
            X = StandardScaler().fit_transform(X).astype(np.float32)
            played = [files(X, y, n, choice, args) for n in range(args.referees)]
            looks, words = zip(*played, strict=True)
            title = f"{name}, {choice}"
            verdict = {"data": title, "campaigns": len(played)} | {
                f"ever {word}": float(np.mean([word in said for said in words]))
                for word in ("better", "worse")
            }
            for rows in (summaries(title, looks), stopping(title, looks), [verdict]):
                print(Table(rows), end="\n\n", flush=True)


def files(X, y, number: int, choice: str, args: argparse.Namespace):
    """Return what a campaign with files says after each round, and of its choice."""
    order = np.random.default_rng(number).permutation(len(X))
    some, others = order[: len(X) // 2], order[len(X) // 2 :]
    model = LogisticRegression(max_iter=100)
    looks, words = [], set()
    with tempfile.TemporaryDirectory() as name:
        np.save(f"{name}/X.npy", X[some])
        c = Campaign.create(
            f"{name}/c",
            embeddings=f"{name}/X.npy",
            classes=[str(label) for label in np.unique(y)],
            budget=args.budget,
            referee_share=args.referee_share,
            seed=number,
        )
        truth = {f"r{row:06d}": str(label) for row, label in enumerate(y[some])}
        while c.state().n_left:
            strategy = None if choice == "auto" else RandomSampling(random_state=number)
            batch = c.next(strategy, model, args.batch_size)
            c.label({n: truth[n] for n in batch.ids}, "anna")
            said = c.fit(model).predict(X[others])
            estimate = c.estimate(estimator=model)
            looks.append(
                {
                    "control": estimate.n_control,
                    "error": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                    "true_error": float(np.mean(said != y[others])),
                }
            )
            words.add(c.status().to_dict()["choice"]["word"])
    return looks, words


def summaries(name: str, looks: list[list[dict[str, float]]]) -> list[dict]:
    """Return bias, coverage and width, of the honest estimate and of the other."""
    last = [rounds[-1] for rounds in looks]
    true = np.array([row["true_error"] for row in last])
    rows = []
    ways = [("control labels", "error", "low", "high")]
    if "cv" in last[0]:
        ways.append(("cross-validation on chosen labels", "cv", "cv_low", "cv_high"))
    for what, value, low, high in ways:
        lows, highs = (np.array([row[key] for row in last]) for key in (low, high))
        values = np.array([row[value] for row in last])
        rows.append(
            {
                "data": name,
                "estimate from": what,
                "true error": float(true.mean()),
                "bias": float((values - true).mean()),
                "coverage": float(((lows <= true) & (true <= highs)).mean()),
                "mean width": float((highs - lows).mean()),
            }
        )
    return rows


def stopping(name: str, looks: list[list[dict[str, float]]]) -> list[dict]:
    """Return how often the first look that says so says it too early."""
    finals = np.array([rounds[-1]["true_error"] for rounds in looks])
    rows = []
    for target in np.quantile(finals, [0.5, 0.9]).round(3) + 0.02:
        early = {"bound": 0, "point": 0}
        stopped = {"bound": 0, "point": 0}
        for rounds in looks:
            for rule in early:
                first = next((r for r in rounds if says(r, target, rule)), None)
                if first is not None:
                    stopped[rule] += 1
                    early[rule] += first["true_error"] >= target
        n = len(looks)
        rows += [
            {
                "data": name,
                "target": float(target),
                "stops at the first": rule,
                "stopped": stopped[rule] / n,
                "too early": early[rule] / n,
            }
            for rule in early
        ]
    return rows


def says(row: dict[str, float], target: float, rule: str) -> bool:
    """Return whether a look says that the error is below the target."""
    wrong = round(row["error"] * row["control"])
    if rule == "point":
        return row["error"] < target
    return upper_bound(wrong, int(row["control"]), 0.95) < target


def timed(n_items: int) -> Table:
    """Return the seconds that a campaign of so many items takes."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        X = np.random.default_rng(0).normal(size=(n_items, 16)).astype(np.float32)
        np.save(folder / "X.npy", X)

        def step(what: str, call):
            started, busy = time.perf_counter(), time.process_time()
            result = call()
            rows.append(
                {
                    "step": what,
                    "seconds": time.perf_counter() - started,
                    "processor seconds": time.process_time() - busy,
                }
            )
            return result

        c = step(
            "create",
            lambda: Campaign.create(
                folder / "c",
                embeddings=folder / "X.npy",
                classes=["a", "b"],
                budget=500,
            ),
        )
        c = step("open and read the items", lambda: _opened(folder / "c"))
        batch = step("next, by chance", lambda: c.next(_chance(), batch_size=100))
        labels = {n: "a" if X[int(n[1:]), 0] > 0 else "b" for n in batch.ids}
        step("label 100", lambda: c.label(labels, "anna"))
        step("status", c.status)
        step("next, by margins", lambda: c.next(MarginSampling()))
    return Table(rows)


def _opened(path: Path) -> Campaign:
    c = Campaign(path)
    len(c.items.row_of)
    return c


def _chance():
    from skactiveml.pool import RandomSampling

    return RandomSampling()
