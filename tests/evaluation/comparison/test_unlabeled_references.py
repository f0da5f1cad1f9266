"""Random sampling with unlabelled rows against chosen labels, in one call."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale
from support import make_net

from skal_deep.classifier import (
    DeepClassifier,
    FixMatchClassifier,
    LabelPropagationClassifier,
    PseudoLabelClassifier,
)
from skal_deep.evaluation import compare_strategies
from skal_deep.pool import MarginSampling

X, y = load_iris(return_X_y=True)
X = scale(X).astype(np.float32)
IS_TEST = np.arange(len(X)) % 3 == 0
POOL, LABELS = X[~IS_TEST], y[~IS_TEST]


def compare(labels):
    net = make_net(max_epochs=5)
    return compare_strategies(
        {"active": MarginSampling()},
        DeepClassifier(net),
        POOL,
        labels,
        X_test=X[IS_TEST],
        y_test=y[IS_TEST],
        test_size=None,
        references={
            "random, FixMatch": FixMatchClassifier(net, threshold=0.5),
            "random, pseudo-labels": PseudoLabelClassifier(net, threshold=1.0),
            "random, propagation": LabelPropagationClassifier(net, n_neighbors=5),
        },
        n_repeats=1,
        n_initial=6,
        batch_size=6,
        n_cycles=1,
        initial="random",
        scoring="neg_log_loss",
        progress=False,
        random_state=0,
    )


def curves(comparison):
    """Return the scores of each arm, the references among them."""
    found = {}
    for row in (*comparison.curves, *comparison.references):
        found.setdefault(row["strategy"], []).append(row["neg_log_loss"])
    return found


@pytest.fixture(scope="module")
def comparison():
    return compare(LABELS)


def test_arms_that_learn_from_unlabelled_rows_stand_beside_the_others(comparison):
    found = curves(comparison)
    assert len(found) == 5
    assert {len(scores) for scores in found.values()} == {2}
    references = [scores for name, scores in found.items() if "random, " in name]
    for scores in references:  # they do learn something else from the same labels
        assert scores[1] != found["random"][1]


@pytest.mark.slow
def test_labels_that_were_not_bought_do_not_count(comparison):
    """Other labels for the rows that random sampling left alone: the same scores."""
    [stages] = comparison.picked("random")
    rows = np.concatenate(stages)
    assert 0 < len(rows) < len(LABELS)
    poisoned = (LABELS + 1) % 3
    poisoned[rows] = LABELS[rows]
    before, after = curves(comparison), curves(compare(poisoned))
    for name in before:
        assert name == "active" or before[name] == after[name], name
