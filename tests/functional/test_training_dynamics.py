"""Dispersion, forgetting and switches of predictions, against counting."""

from pathlib import Path

import numpy as np
import torch

from skal_deep.functional import (
    forgetting_events,
    label_dispersion,
    prediction_switches,
)

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "learned.npz")


def test_label_dispersion_golden():
    found = label_dispersion(torch.as_tensor(GOLDEN["disp_votes"]))
    np.testing.assert_allclose(found.numpy(), GOLDEN["disp"], rtol=1e-6)


def test_label_dispersion_of_four_rows():
    rows = ["00000", "01010", "01212", "22122"]
    votes = torch.tensor([[int(vote) for vote in row] for row in rows]).T
    np.testing.assert_allclose(label_dispersion(votes), [0, 0.4, 0.6, 0.2], rtol=1e-6)


def test_label_dispersion_by_counting():
    votes = torch.randint(5, (30, 200), generator=torch.Generator().manual_seed(0))
    commonest = [np.bincount(row).max() for row in votes.T.numpy()]
    np.testing.assert_allclose(
        label_dispersion(votes), 1 - np.array(commonest) / 30, rtol=1e-5
    )
    shuffled = votes[torch.randperm(30, generator=torch.Generator().manual_seed(1))]
    assert torch.equal(label_dispersion(shuffled), label_dispersion(votes))


def test_one_checkpoint():
    votes = torch.tensor([[3, 1]])
    assert label_dispersion(votes).tolist() == [0, 0]
    assert prediction_switches(votes).tolist() == [0, 0]


def test_forgetting_events_golden():
    found = forgetting_events(torch.as_tensor(GOLDEN["forget_correct"]))
    assert found.tolist() == GOLDEN["forget_events"].tolist()


def test_switches_are_forgetting_and_learning():
    """With two classes each change of a prediction is one of the two."""
    votes = torch.randint(2, (12, 50), generator=torch.Generator().manual_seed(2))
    lost, learned = forgetting_events(votes == 1), forgetting_events(votes == 0)
    both = torch.where(lost.isfinite(), lost, 0) + torch.where(
        learned.isfinite(), learned, 0
    )
    assert torch.equal(prediction_switches(votes), both)
