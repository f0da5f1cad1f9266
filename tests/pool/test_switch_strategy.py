"""A switch asks the one strategy or the other, by the labels alone."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skal_deep.functional import margin
from skal_deep.pool import (
    BALD,
    CoreSet,
    DiverseMiniBatch,
    MarginSampling,
    SwitchStrategy,
    TypiClust,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y_TRUE = (X[:, 0] > 0).astype(int)


def labels(n):
    y = np.full(60, -1)
    y[:n] = Y_TRUE[:n]
    return y


def picks(strategy, n):
    return strategy.query(X, labels(n), LogisticRegression(), batch_size=4).tolist()


@pytest.mark.parametrize(("when", "is_switched"), [(0, True), (np.inf, False)])
def test_the_ends_are_the_strategies_themselves(when, is_switched):
    switch = SwitchStrategy(TypiClust(), MarginSampling(), when, random_state=0)
    alone = MarginSampling if is_switched else TypiClust
    assert picks(switch, 10) == picks(alone(random_state=0), 10)


@pytest.mark.parametrize(
    ("when", "n_first"), [(5, 9), (lambda y: len(y) > 15, 15), (2.5, 4)]
)
def test_the_labels_decide(when, n_first):
    switch = SwitchStrategy(CoreSet(), MarginSampling(), when, random_state=0)
    assert picks(switch, n_first) == picks(CoreSet(random_state=0), n_first)
    switched = picks(MarginSampling(random_state=0), n_first + 1)
    assert picks(switch, n_first + 1) == switched
    assert picks(clone(switch), n_first + 1) == switched


def test_what_both_need_is_asked_for():
    with pytest.raises(TypeError, match="SwitchStrategy needs sample_proba"):
        SwitchStrategy(BALD(), CoreSet()).query(X, labels(6), GaussianNB())
    with pytest.raises(ValueError, match="'first' parameter of SwitchStrategy"):
        picks(SwitchStrategy("bald", CoreSet()), 6)
    with pytest.raises(ValueError, match="'n_classes' parameter of ProbCover"):
        from skal_deep.pool import ProbCover

        picks(SwitchStrategy(ProbCover(n_classes=0), CoreSet()), 6)


def test_mini_batches_without_oversampling_are_the_smallest_margins():
    import torch

    y = labels(20)
    chosen = picks(DiverseMiniBatch(oversampling=1, random_state=0), 20)
    model = LogisticRegression().fit(X[y >= 0], y[y >= 0])
    score = margin(torch.as_tensor(model.predict_proba(X))[None]).numpy()
    score[y >= 0] = -1
    assert set(chosen) == set(np.argsort(score)[-4:].tolist())
