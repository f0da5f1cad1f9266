"""The curve of models of control labels alone, beside that of chosen ones."""

import json

import numpy as np
import pytest

from skal_deep.campaign import Campaign
from skal_deep.evaluation.risk._intervals import clopper_pearson


@pytest.mark.slow
def test_both_curves_are_judged_on_all_control_labels(digits):
    played = digits(500, budget=200, control_share=0.3)
    played.play(4, batch_size=40)
    table = played.campaign.chance_curve()
    assert [row["labels"] for row in table.rows] == [7, 14, 21, 28, 35, 43]
    last = table.rows[-1]
    n = len(played.campaign.state().labeled("control"))
    assert n == 48
    for arm in ("chosen", "random"):
        assert last[f"{arm} low"] < last[arm] < last[f"{arm} high"]
        assert last[arm] < table.rows[0][arm]  # more labels, fewer mistakes
        assert (last[arm] * n) == pytest.approx(round(last[arm] * n))
    for row in table.rows:  # rows of a fold share a model, and folds share rows
        wrong = round(row["random"] * n)
        interval = clopper_pearson(0.8 * wrong, 0.8 * n, 0.95)
        assert (row["random low"], row["random high"]) == pytest.approx(interval)
        exact = clopper_pearson(round(row["chosen"] * n), n, 0.95)
        assert (row["chosen low"], row["chosen high"]) == pytest.approx(exact)
    more = last["only chosen right"] - last["only random right"]
    assert more == pytest.approx(n * (last["random"] - last["chosen"]))
    assert "these labels, not the strategy" in str(table)


@pytest.mark.slow
def test_no_control_label_is_judged_by_a_model_that_saw_it(digits):
    """With labels that are noise, a model that saw them would be right."""
    from sklearn.neighbors import KNeighborsClassifier

    played = digits(500, budget=200, control_share=0.5)
    rng = np.random.default_rng(0)
    noise = {name: str(rng.integers(10)) for name in played.truth}
    for _ in range(3):
        batch = Campaign(played.campaign.path).next(batch_size=40)
        played.campaign.label({n: noise[n] for n in batch.ids}, "anna")
    rows = played.campaign.chance_curve(KNeighborsClassifier(1)).rows
    assert min(row["random"] for row in rows) > 0.7


def test_it_needs_classes_and_some_labels(digits, tmp_path):
    played = digits()
    played.play(1, batch_size=10)
    with pytest.raises(ValueError, match="2 control labels say too little"):
        played.campaign.chance_curve()
    np.save(tmp_path / "N.npy", np.eye(60))
    numbers = Campaign.create(
        tmp_path / "n", embeddings=tmp_path / "N.npy", numbers=True, budget=9
    )
    with pytest.raises(ValueError, match="labels are numbers"):
        numbers.chance_curve()


@pytest.mark.slow
def test_the_command_prints_it(digits, capsys):
    from skal_deep import cli

    played = digits(300, budget=100, control_share=0.4)
    played.play(2, batch_size=30)
    folder = str(played.campaign.path)
    assert cli.main(["estimate", folder, "--curve"]) == 0
    assert "only chosen right" in capsys.readouterr().out
    assert cli.main(["estimate", folder, "--curve", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["curve"]) == 6
