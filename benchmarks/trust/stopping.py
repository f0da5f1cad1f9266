"""How often the advice on stopping is wrong, on noise around curves that are known."""

import itertools

import numpy as np

from skal_deep.evaluation import stopping_advice

N_LABELS = 20 * np.arange(1, 17)
CURVES = {
    "flat": lambda n: np.full(len(n), 0.8),
    "rising slowly": lambda n: 0.85 - 0.25 * np.sqrt(20 / n),
    "rising": lambda n: 0.95 - 0.5 * np.sqrt(20 / n),
}
_N_ROWS, _N_CLASSES = 200, 3


def table(n_runs):
    """Return a line for each curve, and for probabilities without a trend."""
    lines = []
    for name, n_repeats, n_test in itertools.product(CURVES, (1, 8), (50, 1000)):
        true, rng = CURVES[name](N_LABELS), np.random.default_rng(0)
        after = CURVES[name](N_LABELS[-1:] + N_LABELS[-1] - N_LABELS[0])
        seen = rng.binomial(n_test, true, (n_runs, n_repeats, len(true))) / n_test
        words = [stopping_advice(N_LABELS, scores).word for scores in seen]
        kind = f"scores, {name}: {n_repeats} on {n_test} rows"
        lines.append([kind, 100 * float((after - true[-1])[0]), *_shares(words), "-"])
    for spread in (0.05, 0.5):
        rng = np.random.default_rng(0)
        words, falls = [], []
        for _ in range(n_runs):
            noise = rng.normal(size=(len(N_LABELS), _N_ROWS, _N_CLASSES))
            odds = np.exp(2 * rng.normal(size=(_N_ROWS, _N_CLASSES)) + spread * noise)
            proba = odds / odds.sum(axis=2, keepdims=True)
            advice = stopping_advice(N_LABELS, proba=proba)
            words.append(advice.word)
            falls.append(advice.signals[-1].stop is True)
        kind = f"probabilities without a trend, noise of {spread} in logits"
        lines.append([kind, "-", *_shares(words), float(np.mean(falls))])
    return lines


def _shares(words):
    return [
        float(np.mean([word == said for said in words])) for word in ("stop", "go on")
    ]
