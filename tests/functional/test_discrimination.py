"""Sub-batches of discriminative active learning, with a logistic discriminator."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from skal_deep.functional import discriminative_batches

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "selectors.npz")
ROWS, LABELED, LEFT = GOLDEN["H"], GOLDEN["labeled"], GOLDEN["unlabeled"]


def discriminate(picks):
    is_labeled = np.zeros(len(ROWS), bool)
    is_labeled[LABELED] = is_labeled[LEFT[picks.numpy()]] = True
    net = LogisticRegression(class_weight="balanced", C=1.0).fit(ROWS, ~is_labeled)
    return torch.as_tensor(net.decision_function(ROWS[LEFT]))


@pytest.mark.parametrize("n_parts", [1, 3])
def test_the_golden_cases(n_parts):
    picks, utilities = discriminative_batches(discriminate, 6, n_sub_batches=n_parts)
    assert LEFT[picks].tolist() == GOLDEN[f"dal_logreg_{n_parts}sub"].tolist()
    assert utilities.shape == (6, len(LEFT))
    cheap, scores = discriminative_batches(
        discriminate, 6, n_sub_batches=n_parts, with_utilities=False
    )
    assert torch.equal(cheap, picks)
    assert torch.equal(scores, utilities[torch.arange(6), picks])


@pytest.mark.parametrize(("size", "n_parts", "n_trainings"), [(7, 3, 3), (2, 10, 2)])
def test_fewer_picks_than_parts_end(size, n_parts, n_trainings):
    seen = []

    def counted(picks):
        seen.append(len(picks))
        return discriminate(picks)

    discriminative_batches(counted, size, n_sub_batches=n_parts)
    assert len(seen) == n_trainings
    assert seen[0] == 0
