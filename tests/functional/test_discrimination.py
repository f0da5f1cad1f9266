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


@pytest.mark.parametrize(
    ("size", "n_parts", "known"),
    [(7, 3, [0, 3, 5]), (7, 2, [0, 4]), (2, 10, [0, 1]), (6, 6, [0, 1, 2, 3, 4, 5])],
)
def test_each_part_is_told_of_all_picks_before_it(size, n_parts, known):
    seen = []

    def noted(picks):
        seen.append(picks.tolist())
        return discriminate(picks)

    picks, _ = discriminative_batches(noted, size, n_sub_batches=n_parts)
    assert seen == [picks[:n].tolist() for n in known]
