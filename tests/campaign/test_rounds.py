"""Rounds: what is asked, in which order of events, and what may go wrong."""

import functools
import json
import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from skactiveml.pool import RandomSampling
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skal_deep.campaign import SKIP, UNSURE, Campaign, NothingToDoError
from skal_deep.campaign.honest._plan import Situation
from skal_deep.evaluation import SimulatedActiveLearner
from skal_deep.evaluation.simulation._loop import play
from skal_deep.evaluation.simulation._start import GivenData, start_of
from skal_deep.pool import (
    BALD,
    Badge,
    CoreSet,
    MarginSampling,
    Power,
    TypiClust,
    UncertaintyHerding,
)


def probe():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


@pytest.mark.slow
@pytest.mark.parametrize(
    "strategy",
    [
        MarginSampling(),
        MarginSampling(selection=Power()),
        CoreSet(),
        TypiClust(),
        UncertaintyHerding(),
        None,
    ],
    ids=str,
)
def test_a_campaign_picks_what_a_simulation_picks(digits, strategy, tmp_path):
    played = digits(150, control_share=0, seed=3)
    X, _, ids = played.campaign.data()
    y = np.array([int(played.truth[name]) for name in ids])
    learner = SimulatedActiveLearner(
        probe(),
        strategy,
        n_initial=12,
        batch_size=5,
        n_cycles=3,
        test_size=None,
        scoring="accuracy",
    )
    start = start_of(learner, 3, GivenData(X, y))
    rounds = [one.indices for one in play(learner, 3, start)]
    first = {ids[row]: played.truth[ids[row]] for row in rounds[0]}
    played.campaign.label(first, "before", given=True)
    chooser = RandomSampling() if strategy is None else strategy
    for number, rows in enumerate(rounds[1:], 1):
        campaign = Campaign(played.campaign.path)  # as another process would
        played.answer(campaign.next(chooser, probe(), batch_size=5))
        assert played.chosen(number) == [ids[row] for row in rows]


@pytest.mark.slow
def test_a_simulated_campaign_picks_what_a_campaign_picks(digits):
    played = digits(200, budget=45)
    salt = played.campaign.settings.salt
    X, _, ids = played.campaign.data()
    truth = [played.truth[name] for name in ids]
    from skal_deep.campaign.honest._simulate import play_campaign
    from skal_deep.campaign.store._control import control_keys

    codes = np.array([int(label) for label in truth])
    # Keys are made of ids; the simulation numbers rows, so it is told the ids here.
    simulated = play_campaign(
        X,
        codes,
        played.campaign.classes,
        probe(),
        batch_size=15,
        budget=45,
        keys=control_keys(salt, ids),
    )
    played.play(3, batch_size=15)
    for number in range(3):
        chosen = [ids[row] for row in simulated.picks[number]]
        assert played.chosen(number + 1) == chosen
    estimate = played.campaign.estimate()
    last = simulated.rounds[-1]
    assert (estimate.value, estimate.low) == (last["error"], last["low"])


@pytest.mark.slow
def test_next_gives_the_open_round_until_it_is_done(digits):
    played = digits()
    batch = played.campaign.next(batch_size=10)
    again = Campaign(played.campaign.path).next(batch_size=3)
    assert (again.number, again.ids) == (batch.number, batch.ids)
    played.campaign.label({batch.ids[0]: "3"}, "anna")
    assert len(played.campaign.next().left) == 9
    assert len(list((played.campaign.path / "rounds").glob("*.json"))) == 1
    played.answer(batch)
    assert played.campaign.open_round() is None
    assert played.campaign.next(batch_size=10).number == 2


def test_the_rest_of_a_round_can_be_skipped(digits):
    played = digits()
    batch = played.campaign.next(batch_size=10)
    control = [n for n, a in played.campaign.state().arms.items() if a == "control"]
    rest = [name for name in batch.ids if name not in control]
    played.campaign.label({rest[0]: played.truth[rest[0]]}, "anna")
    second = played.campaign.next(batch_size=10, skip_rest=True)
    assert second.number == 2
    assert set(control) <= set(second.ids)  # theirs are still the smallest keys
    assert rest[0] not in second.ids
    assert played.campaign.state().n_used == 1


@pytest.mark.slow
def test_shares_of_control_items_are_right_over_small_batches_too(digits):
    played = digits(budget=100)
    for _ in range(25):
        played.play(1, batch_size=2)
    arms = list(played.campaign.state().arms.values())
    assert arms.count("control") == 10
    assert arms.count("chosen") == 40


def test_control_items_are_reserved_the_smallest_keys_first_and_never_train(digits):
    played = digits()
    played.play(3, batch_size=15)
    state = played.campaign.state()
    control = [n for n, arm in state.arms.items() if arm == "control"]
    keys = dict(zip(state.items.ids, state.keys, strict=True))
    smallest = sorted(keys, key=keys.get)[: len(control)]
    assert sorted(control) == sorted(smallest)
    assert not set(state.training()) & set(control)
    assert set(state.training(with_control=True)) >= set(control)
    for one in state.rounds:
        for item in one.content["items"]:
            assert ("key" in item) == (item["arm"] == "control")


def test_no_strategy_sees_a_reserved_item(digits):
    seen = []

    class Spy(MarginSampling):
        @functools.wraps(MarginSampling.query)
        def query(self, X, y, **kwargs):
            seen.append(np.asarray(X))
            return super().query(X, y, **kwargs)

    played = digits()
    played.play(1, batch_size=20)
    played.play(1, strategy=Spy(), batch_size=20)
    X, _, _ = played.campaign.data()
    reserved = X[played.campaign.state().is_reserved]
    distance = np.abs(reserved[:, None] - seen[0][None]).sum(-1).min()
    assert distance > 0


@pytest.mark.slow
def test_who_asks_a_model_of_one_class_is_told_that_chance_picks(digits):
    played = digits(60, budget=60)
    batch = played.campaign.next(batch_size=10)
    played.campaign.label(dict.fromkeys(batch.ids, "7"), "anna")
    with pytest.warns(UserWarning, match="Badge asks a model, and all labels"):
        played.campaign.next(Badge(), batch_size=5)
    about = played.campaign.state().rounds[-1].content["strategy"]
    assert about["class"].endswith("RandomSampling")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        played.campaign.next(RandomSampling(), batch_size=5, skip_rest=True)
        played.campaign.next(batch_size=5, skip_rest=True)


def test_cold_start_needs_no_label_and_survives_one_class(digits):
    played = digits(budget=40)
    first = played.campaign.next(batch_size=5)
    strategy = played.campaign.state().rounds[0].content["strategy"]["class"]
    assert strategy.endswith("TypiClust")
    played.campaign.label(dict.fromkeys(first.ids, "3"), "anna")
    second = played.campaign.next(batch_size=5)  # one class: no model to go by
    strategy = played.campaign.state().rounds[1].content["strategy"]["class"]
    assert strategy.endswith("TypiClust")
    played.campaign.label(dict.fromkeys(second.ids, "3"), "anna")
    for strategy in (MarginSampling(), Badge()):
        with pytest.warns(UserWarning, match="of one class yet"):
            batch = played.campaign.next(strategy, batch_size=5)
        played.campaign.label(dict.fromkeys(batch.ids, "3"), "anna")
    assert len(played.campaign.labels()) == 20


def test_a_strategy_that_asks_a_model_begins_without_one(digits):
    played = digits()
    with pytest.warns(UserWarning, match="BALD asks a model"):
        played.campaign.next(BALD(), batch_size=5)
    content = played.campaign.state().rounds[0].content
    assert content["strategy"]["class"].endswith("TypiClust")


@pytest.mark.slow
def test_margins_take_over_from_typical_items(digits):
    played = digits(budget=80)
    played.play(5, batch_size=10)
    used = [
        one.content["strategy"]["class"].rpartition(".")[2]
        for one in played.campaign.state().rounds
    ]
    assert used == ["TypiClust", "TypiClust", *["MarginSampling"] * 3]


@pytest.mark.slow
def test_draw_probabilities_are_kept_where_a_strategy_draws(digits):
    played = digits()
    played.play(1, batch_size=20)
    played.play(1, strategy=MarginSampling(selection=Power(epsilon=0.1)))
    first, second = played.campaign.state().rounds
    assert not any("draw" in item for item in first.content["items"])
    chosen = [i for i in second.content["items"] if i["arm"] == "chosen"]
    assert all(0 < item["draw"] < 1 for item in chosen)
    assert {"class", "set"} == second.content["strategy"].keys()
    assert {"name", "set", "hash"} == second.content["model"].keys()


@pytest.mark.slow
def test_a_class_can_be_added_and_none_with_labels_taken_away(digits):
    played = digits()
    played.play(2, batch_size=20)
    played.campaign.add_classes(["owl"])
    assert played.campaign.classes == [*map(str, range(10)), "owl"]
    with pytest.raises(ValueError, match="cannot be taken out"):
        played.campaign.add_classes(["0", "owl"])
    batch = played.campaign.next()
    played.campaign.label(dict.fromkeys(batch.ids, "owl"), "anna")
    assert played.campaign.status().to_dict()["classes"]["owl"] == 20
    assert played.campaign.estimate().n_control == 12


@pytest.mark.slow
def test_all_skipped(digits):
    played = digits(60, budget=40)
    for _ in range(2):
        batch = played.campaign.next(batch_size=20)
        played.campaign.label(dict.fromkeys(batch.ids, SKIP), "anna")
    status = played.campaign.status().to_dict()
    assert (status["skipped"], status["used"]) == (40, 0)
    third = played.campaign.next(batch_size=30)
    assert len(third) == 20
    played.campaign.label(dict.fromkeys(third.ids, SKIP), "anna")
    with pytest.raises(NothingToDoError, match="No item"):
        played.campaign.next()
    assert played.campaign.estimate().value is None


@pytest.mark.slow
def test_the_budget_ends_and_can_be_raised(digits):
    played = digits(budget=25)
    played.play(1, batch_size=20)
    batch = played.campaign.next(batch_size=20)
    assert len(batch) == 5
    played.answer(batch)
    with pytest.raises(NothingToDoError, match="budget of 25"):
        played.campaign.next()
    played.campaign.set_budget(30)
    assert len(played.campaign.next()) == 5


def test_a_batch_larger_than_the_pool_is_all_of_it(digits):
    played = digits(40, budget=100)
    batch = played.campaign.next(batch_size=100)
    assert sorted(batch.ids) == sorted(played.truth)
    played.answer(batch)
    with pytest.raises(NothingToDoError):
        played.campaign.next()
    estimate = played.campaign.estimate()
    assert estimate.n_control == 20
    # Nothing is left to chance: all control items are known.
    assert estimate.to_dict()["items"]["low"] <= estimate.value


@pytest.mark.slow
def test_who_was_unsure_is_asked_again_but_not_at_once(digits):
    played = digits(60, budget=60, control_share=0)
    batch = played.campaign.next(batch_size=10)
    doubt = batch.ids[0]
    played.answer(batch)
    played.campaign.undo(doubt, "anna")
    played.campaign.label({doubt: UNSURE}, "anna")
    second = played.campaign.next(batch_size=40)
    assert doubt not in second.ids
    played.answer(second)
    assert doubt in played.campaign.next(batch_size=11).ids


@pytest.mark.slow
def test_disputed_items_are_asked_again_once_and_train_nobody(digits):
    played = digits(control_share=0)
    batch = played.campaign.next(batch_size=10)
    played.answer(batch)
    item = batch.ids[0]
    other = "1" if played.truth[item] != "1" else "2"
    played.campaign.label({item: other}, "bob")
    assert item not in played.campaign.state().training()
    second = played.campaign.next(batch_size=10)
    assert item in second.ids
    assert item in second.left
    played.answer(second)  # both keep to what they said
    third = played.campaign.next(batch_size=10)
    assert item not in third.ids
    assert played.campaign.status().to_dict()["disputed"] == [item]


@pytest.mark.slow
def test_labels_given_before_train_and_are_never_control(digits):
    played = digits(100, budget=20)
    state = played.campaign.state()
    reserved = [n for n, r in zip(state.items.ids, state.is_reserved, strict=True) if r]
    given = [*reserved[:5], *[n for n in state.items.ids if n not in reserved][:10]]
    played.campaign.label({n: played.truth[n] for n in given}, "old", given=True)
    state = played.campaign.state()
    assert sorted(state.training()) == sorted(given)
    assert not state.is_reserved[state.items.rows(given)].any()
    assert state.n_used == 0
    batch = played.campaign.next()
    assert not set(batch.ids) & set(given)
    assert len(played.campaign.state().rounds[0].content["items"]) == 20


@pytest.mark.slow
def test_what_is_derived_can_be_deleted(images):
    played = images()
    played.campaign.embed("pixels")
    played.play(1, batch_size=10)
    batch = played.campaign.next(batch_size=10)
    batch.to_html()
    batch.to_csv()
    path = played.campaign.path
    before = Campaign(path).status().to_dict()
    for derived in ("batch.html", "batch.csv", "batch.classes.txt", ".lock"):
        (path / derived).unlink()
    for file in (path / "features").iterdir():
        file.unlink()
    Campaign(path).embed("pixels")
    assert Campaign(path).status().to_dict() == before
    assert Campaign(path).next().ids == batch.ids


@pytest.mark.slow
def test_a_regression_campaign(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    campaign = Campaign.create(
        tmp_path / "c",
        embeddings=tmp_path / "X.npy",
        numbers=True,
        budget=100,
        reserve=24,
    )
    for _ in range(5):
        batch = campaign.next(batch_size=20)
        rows = [int(name[1:]) for name in batch.ids]
        campaign.label(
            {name: X[row, 0] for name, row in zip(batch.ids, rows, strict=True)}, "anna"
        )
    used = [
        r.content["strategy"]["class"].rpartition(".")[2]
        for r in campaign.state().rounds
    ]
    assert used[0] == "TypiClust"
    assert used[-1] == "LCMD"
    estimate = campaign.estimate()
    assert (estimate.metric, estimate.n_control) == ("mae", 20)
    assert 0 <= estimate.low <= estimate.value <= estimate.high < 0.5
    assert "mae" in str(estimate)
    rounds = campaign.status().to_dict()["rounds"]
    assert rounds[-1]["error"] < 0.5
    with pytest.raises(ValueError, match="use mae"):
        campaign.estimate("error")
    with pytest.raises(ValueError, match="finite number"):
        campaign.label({batch.ids[0]: float("nan")}, "anna")
    with pytest.raises(TypeError, match="need a regressor"):
        campaign.fit(LogisticRegression())


def test_a_situation_knows_what_trains():
    empty = np.empty(0, np.intp)
    y = np.array([np.nan, 1.0, np.nan])
    situation = Situation(np.eye(3), y, empty, empty, empty, empty, empty, np.nan)
    assert situation.trained_on.tolist() == [1]


@pytest.mark.slow
def test_a_round_that_was_damaged_is_named(digits):
    played = digits()
    played.play(2)
    path = played.campaign.path / "rounds" / "0001.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "round": 7}))
    with pytest.raises(ValueError, match=r"0001\.json is not round 1"):
        played.campaign.next()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes of POSIX")
def test_two_processes_that_ask_at_once_get_one_round(digits):
    path = digits().campaign.path
    pids = []
    for _ in range(3):
        if not (pid := os.fork()):
            try:
                batch = Campaign(path).next(batch_size=7)
                Path(path.parent / f"{os.getpid()}.ids").write_text(str(batch.ids))
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    said = [file.read_text() for file in path.parent.glob("*.ids")]
    assert len(said) == 3
    assert len(set(said)) == 1
    assert [file.name for file in (path / "rounds").glob("*.json")] == ["0001.json"]
    assert not list(path.rglob("*.tmp"))


@pytest.mark.slow
def test_nets_on_pixels(images, tmp_path):
    played = images(40)
    campaign = played.campaign
    with pytest.raises(ValueError, match="--features pixels"):
        campaign.next(model={"name": "cnn", "set": {}})
    campaign.embed("pixels")
    played.play(1, batch_size=15)
    few = {"n_samples": 4, "net__max_epochs": 1}
    few = {f"mcdropoutclassifier__{name}": value for name, value in few.items()}
    model = {"name": "cnn", "set": few}
    played.play(1, batch_size=5, strategy=BALD(), model=model)
    assert campaign.settings.model == model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        files = campaign.export(tmp_path / "out", ["model"])
    assert tmp_path / "out" / "model" / "weights.pt" in files
