"""Referees: whether chosen labels made a better model than as many random ones."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from skal_deep.campaign import SKIP, Campaign
from skal_deep.campaign.store._rounds import CHOSEN, CONTROL, REFEREE


@pytest.fixture(autouse=True)
def _same_items_by_chance(monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda n: "0" * 2 * n)


@pytest.fixture
def compared(digits):
    played = digits(900, budget=200, referee_share=0.2)
    played.play(6, batch_size=20)
    return played


@pytest.mark.slow
def test_without_it_nothing_is_kept_back(digits):
    played = digits()
    assert not played.campaign.state().is_fresh.any()
    assert played.campaign.settings.content["control"].keys() == {"share", "reserve"}
    played.play(2)
    assert played.campaign.status().to_dict()["choice"] is None


@pytest.mark.slow
def test_referees_are_asked_where_the_models_disagree(compared):
    state = compared.campaign.state()
    n = {arm: len(state.labeled(arm)) for arm in (CHOSEN, CONTROL, REFEREE)}
    assert sum(n.values()) == 120
    assert n[CONTROL] == 24
    assert 10 <= n[REFEREE] <= 20  # none in the first round, which has no arms
    for one in state.rounds:
        for item in one.items.values():
            if item["arm"] == REFEREE:
                assert item["said"][CHOSEN] != item["said"][CONTROL]
    # They are no strategy's, no control item, and they train nothing.
    rows = state.items.rows(state.labeled(REFEREE))
    assert state.is_fresh[rows].all()
    assert not (state.is_fresh & state.is_reserved).any()
    assert not set(state.labeled(REFEREE)) & set(state.training())
    assert set(state.labeled(REFEREE)) <= set(state.training(with_control=True))
    chosen = state.items.rows(state.labeled(CHOSEN))
    assert not state.is_fresh[chosen].any()


@pytest.mark.slow
def test_no_fresh_item_is_looked_at_twice(compared):
    state = compared.campaign.state()
    until = [one.content["comparison"]["until"] for one in state.rounds[1:]]
    assert until == sorted(until, reverse=True)
    for one, before in zip(state.rounds[2:], until, strict=False):
        names = [n for n, item in one.items.items() if item["arm"] == REFEREE]
        assert (state.keys[state.items.rows(names)] < before).all()


@pytest.mark.slow
def test_the_verdict_is_that_of_the_files(compared):
    said = Campaign(compared.campaign.path).status().to_dict()["choice"]
    wins = losses = 0
    for path in sorted((compared.campaign.path / "rounds").glob("*.json")):
        for item in json.loads(path.read_text())["items"]:
            if item["arm"] == REFEREE:
                wins += item["said"][CHOSEN] == compared.truth[item["id"]]
                losses += item["said"][CONTROL] == compared.truth[item["id"]]
    assert (said["wins"], said["losses"]) == (wins, losses)
    assert wins + losses > 5
    assert (said["word"], said["n_arm"]) == ("no difference shown", 20)
    text = str(compared.campaign.status())
    assert "Choosing: No difference shown yet: " in text
    assert "referees" in text
    json.dumps(said)


@pytest.mark.slow
def test_control_items_are_the_same_with_and_without_referees(digits, tmp_path):
    played = digits(400, budget=100, referee_share=0.2)
    settings = played.campaign.settings
    played.play(3, batch_size=20)
    state = played.campaign.state()
    rows = np.sort(state.items.rows(state.labeled(CONTROL)))
    smallest = np.sort(np.argsort(state.keys)[: len(rows)])
    assert rows.tolist() == smallest.tolist()
    assert settings.reserve + settings.fresh < 1


@pytest.mark.slow
def test_a_referee_that_nobody_can_label_or_agree_on_counts_nowhere(compared):
    batch = compared.campaign.next(batch_size=20)
    state = compared.campaign.state()
    before = compared.campaign.status().to_dict()["choice"]
    items = state.rounds[-1].items
    first, second, *rest = [n for n, item in items.items() if item["arm"] == REFEREE]
    labels = {n: compared.truth[n] for n in batch.ids if n not in (first, *rest)}
    compared.campaign.label({**labels, first: SKIP}, "anna")
    compared.campaign.label(dict.fromkeys(rest, SKIP), "anna")
    wrong = next(c for c in compared.campaign.classes if c != compared.truth[second])
    compared.campaign.label({second: wrong}, "bob")
    after = compared.campaign.status().to_dict()["choice"]
    assert [after[k] for k in ("wins", "losses", "ties")] == [
        before[k] for k in ("wins", "losses", "ties")
    ]
    assert second in compared.campaign.state().labels.disputed
    assert second not in compared.campaign.next(batch_size=20).ids


@pytest.mark.slow
def test_a_worse_choice_is_found(digits):
    played = digits(1500, budget=600, referee_share=0.3)
    # Chosen labels that are wrong make the worse model for sure.
    for _ in range(8):
        batch = played.campaign.next(batch_size=50)
        arms = played.campaign.state().arms
        labels = {
            n: "7" if arms[n] == CHOSEN and int(n[1:]) % 4 else played.truth[n]
            for n in batch.ids
        }
        played.campaign.label(labels, "anna")
    said = played.campaign.status().to_dict()["choice"]
    assert said["word"] == "worse"
    assert "Label at random from here." in str(played.campaign.status())


class Choosy(LogisticRegression):
    """A model that few labels cannot train."""

    def fit(self, X, y, sample_weight=None):
        if len(y) < 12:
            raise ValueError("more labels than that")
        return super().fit(X, y, sample_weight)


@pytest.mark.slow
def test_a_model_that_few_labels_cannot_train_has_no_referees_yet(digits):
    played = digits(900, budget=200, referee_share=0.2)
    played.play(1, batch_size=20)
    with pytest.warns(UserWarning, match="on 4 labels Choosy cannot be trained"):
        batch = played.campaign.next(estimator=Choosy(), batch_size=60)
    assert REFEREE not in {played.campaign.state().arms[n] for n in batch.ids}
    played.answer(batch)
    batch = played.campaign.next(estimator=Choosy(), batch_size=20)
    assert REFEREE in {played.campaign.state().arms[n] for n in batch.ids}


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"comparison": None},
        {"comparison": {"n_arm": 4, "disagreement": 0.0, "until": 0.9}},
        {"comparison": {"n_arm": 4, "disagreement": 0.3}},
        {"comparison": {"n_arm": "4", "disagreement": 0.3, "until": 0.9}},
        {"comparison": [0.3]},
        {"said": {"chosen": "3"}},
        {"said": None},
    ],
)
def test_damaged_rounds_are_named(digits, change):
    played = digits(400, budget=80, referee_share=0.2)
    played.play(2, batch_size=20)
    path = played.campaign.path / "rounds" / "0002.json"
    content = json.loads(path.read_text())
    if "said" in change:
        one = next(i for i in content["items"] if i["arm"] == REFEREE)
        one |= change
    else:
        content |= change
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"0002\.json is not round 2"):
        played.campaign.status()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"referee_share": 0.9}, "below 1 - control_share"),
        ({"referee_share": -0.1}, "referee_share must be from 0"),
        ({"referee_share": 0.2, "control_share": 0.0}, "control_share above 0"),
    ],
)
def test_shares_that_cannot_be_are_refused(digits, options, match):
    with pytest.raises(ValueError, match=match):
        digits(**options)


def test_numbers_have_no_referees(tmp_path):
    np.save(tmp_path / "X.npy", np.eye(60))
    with pytest.raises(ValueError, match="needs classes"):
        Campaign.create(
            tmp_path / "c",
            embeddings=tmp_path / "X.npy",
            numbers=True,
            budget=9,
            referee_share=0.2,
        )


@pytest.mark.slow
def test_a_small_pool_has_few_referees_or_none(digits):
    played = digits(30, budget=30, referee_share=0.3)
    played.play(3, batch_size=10)
    state = played.campaign.state()
    assert int(state.is_fresh.sum()) <= 8
    # What is kept for referees is asked by nobody else, even at the end.
    assert len(state.labels.label) + int(state.is_fresh.sum()) >= 30


@pytest.mark.slow
def test_an_export_tells_who_was_a_referee(compared, tmp_path):
    compared.campaign.export(tmp_path / "out", ["labels"], refit="all")
    lines = (tmp_path / "out" / "labels.csv").read_text().splitlines()
    n = len(compared.campaign.state().labeled(REFEREE))
    assert sum(",referee," in line for line in lines) == n > 0
    words = (tmp_path / "out" / "README.txt").read_text()
    assert f"{n} referees" in words
    assert "they are no random sample" in words
    page = (tmp_path / "out" / "report.html").read_text()
    assert "chosen and random labels disagree" in page


@pytest.mark.slow
def test_a_page_does_not_tell_referees_from_others(compared):
    batch = compared.campaign.next(batch_size=20)
    page = batch.to_html().read_text() + batch.to_csv().read_text()
    assert "referee" not in page
    assert "control" not in page.replace("control-", "")
