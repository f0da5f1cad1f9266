"""Labels in and out: CSV, events, Label Studio, exports."""

import csv
import json
import re
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from skal_deep.campaign import SKIP, UNSURE, Campaign


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def asked(digits):
    """Return a campaign with an open round, and its ids."""
    played = digits()
    return played, played.campaign.next(batch_size=8).ids


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_csv_in(asked, tmp_path, mark, start):
    played, ids = asked
    cells = ["3", "", "?", "-", " 4 "]
    lines = [
        f"id{mark}label",
        *(f"{n}{mark}{c}" for n, c in zip(ids, cells, strict=False)),
    ]
    (tmp_path / "in.csv").write_text(start + "\r\n".join(lines) + "\r\n")
    added = played.campaign.add(tmp_path / "in.csv", "anna")
    assert (added.added, added.skipped, added.same, added.refused) == (2, 2, 0, [])
    assert played.campaign.labels() == {ids[0]: "3", ids[4]: "4"}
    assert {e.via for e in played.campaign.events()} == {"csv"}
    again = played.campaign.add(tmp_path / "in.csv", "anna")
    assert (again.added, again.same, len(played.campaign.events())) == (0, 4, 4)


def test_corrections_and_several_annotators(asked, tmp_path):
    played, ids = asked
    text = f"id,label,annotator\n{ids[0]},3,bob\n{ids[0]},4,\n{ids[0]},5,bob\n"
    (tmp_path / "in.csv").write_text(text)
    added = played.campaign.add(tmp_path / "in.csv", "anna")
    assert (added.added, added.corrected) == (2, 1)
    assert played.campaign.labels("bob") == {ids[0]: "5"}
    assert played.campaign.labels("anna") == {ids[0]: "4"}


def test_nothing_is_added_if_a_line_is_refused(asked, tmp_path):
    played, ids = asked
    other = next(n for n in played.truth if n not in ids)
    text = f"id,label\n{ids[0]},3\nnobody,3\n{ids[1]},cat\n{other},3\n"
    (tmp_path / "in.csv").write_text(text)
    added = played.campaign.add(tmp_path / "in.csv", "anna")
    assert added.added == 0
    assert [line.partition(":")[0] for line in added.refused] == [
        "line 3",
        "line 4",
        "line 5",
    ]
    assert "--given" in added.refused[2]
    assert played.campaign.events() == []
    dry = played.campaign.add(tmp_path / "in.csv", "anna", partial=True, dry_run=True)
    assert (dry.added, len(dry.refused)) == (1, 3)
    assert played.campaign.events() == []
    played.campaign.add(tmp_path / "in.csv", "anna", partial=True, given=True)
    assert played.campaign.labels() == {ids[0]: "3", other: "3"}
    assert played.campaign.state().arms.keys() >= {ids[0]}
    assert [e.round for e in played.campaign.events()] == [1, 0]


def test_a_quotation_mark_that_is_not_closed_swallows_no_answers(asked, tmp_path):
    played, ids = asked
    (tmp_path / "in.csv").write_text(f'id,label,note\n{ids[0]},3,"?\n{ids[1]},3,\n')
    with pytest.raises(ValueError, match=r"in\.csv, line 3: .*quotation mark"):
        played.campaign.add(tmp_path / "in.csv", "anna", partial=True)


def test_cells_that_spreadsheets_would_run_come_back(tmp_path):
    names = ["=1+1.png", "+x", "@y", "-z", "'q", "'=1+1.png", "''@y", "\tx"]
    n = len(names)
    np.save(tmp_path / "X.npy", np.random.default_rng(0).normal(size=(n, 2)))
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n")
    campaign = Campaign.create(
        tmp_path / "c",
        embeddings=tmp_path / "X.npy",
        ids=tmp_path / "names.txt",
        classes=["+1", "-1"],
        budget=n,
        control_share=0,
    )
    path = campaign.next(batch_size=n).to_csv()
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["id", "label"]
    marked = ["=1+1.png", "+x", "@y", "-z", "'=1+1.png", "''@y", "\tx"]
    assert {row[0] for row in rows[1:]} == {"'q", *(f"'{name}" for name in marked)}
    assert (campaign.path / "batch.classes.txt").read_text() == "+1\n-1\n"
    filled = [rows[0], *([name, "+1"] for name, _ in rows[1:])]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(filled)
    assert campaign.add(path).added == n
    assert campaign.labels() == dict.fromkeys(names, "+1")


def test_events_of_another_copy_are_added_once(asked, tmp_path):
    played, ids = asked
    played.campaign.label({ids[0]: "3", ids[1]: SKIP}, "anna", 1.5)
    played.campaign.undo(ids[0], "anna")
    file = played.campaign.path / "labels" / "anna.jsonl"
    copy = tmp_path / "anna.jsonl"
    copy.write_bytes(file.read_bytes())
    file.unlink()
    added = played.campaign.add(copy)
    assert (added.added, added.skipped) == (1, 1)
    assert file.read_bytes() == copy.read_bytes()
    assert played.campaign.add(copy).same == 3
    copy.write_text("no event\n")
    assert played.campaign.add(copy).refused == ["line 1: it cannot be read"]


def annotation(label, who, unique, **more):
    result = [
        {
            "from_name": "label",
            "to_name": "item",
            "type": "choices",
            "value": {"choices": [label]},
        }
    ]
    return {
        "completed_by": who,
        "unique_id": unique,
        "updated_at": "2026-11-26T12:01:02.123456Z",
        "lead_time": 2.5,
        "was_cancelled": False,
        "result": [] if label is None else result,
        **more,
    }


def test_label_studio_in(asked, tmp_path):
    played, ids = asked
    a, b, c, d, *_ = ids
    tasks = [
        {"id": 11, "data": {"skal_id": a}, "annotations": [annotation("3", 1, "u1")]},
        {
            "id": 12,
            "data": {"skal_id": b},
            "annotations": [
                annotation("4", {"id": 2, "email": "x@y"}, "u2"),
                annotation("5", 1, "u3"),
            ],
        },
        {
            "id": 13,
            "data": {"skal_id": c},
            "annotations": [annotation(None, 1, "u4", was_cancelled=True)],
        },
        {"id": 14, "data": {"skal_id": d}, "annotations": []},
    ]
    path = tmp_path / "project.json"
    path.write_text(json.dumps(tasks))
    added = played.campaign.add(path)
    assert (added.added, added.skipped, added.refused) == (3, 1, [])
    assert played.campaign.labels("ls-1") == {a: "3", b: "5"}
    assert played.campaign.labels("ls-2") == {b: "4"}
    state = played.campaign.state()
    assert (state.labels.disputed, state.labels.skipped) == ([b], [c])
    first = next(e for e in played.campaign.events() if e.event == "u1")
    assert (first.time, first.seconds) == ("2026-11-26T12:01:02Z", 2.5)
    assert played.campaign.add(path).same == 4
    # A corrected annotation keeps its name on the server.
    tasks[0]["annotations"][0] = annotation(
        "7", 1, "u1", updated_at="2026-11-27T09:00:00Z"
    )
    path.write_text(json.dumps(tasks))
    assert played.campaign.add(path).corrected == 1
    assert played.campaign.add(path).same == 4
    assert played.campaign.labels("ls-1")[a] == "7"
    foreign = [
        {"id": 1, "data": {"text": "x"}, "annotations": [annotation("3", 1, "z")]}
    ]
    path.write_text(json.dumps(foreign))
    assert played.campaign.add(path).refused == ["task 1: it names no item"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"annotations": ["x"]},
        {"annotations": {"a": 1}},
        {"data": "x"},
        {"annotations": [annotation(None, 1, "u", result="abc")]},
        {"annotations": [annotation(None, 1, "u", result=["abc"])]},
        {"annotations": [annotation("3", 1, "u", result=[{"value": "a"}])]},
        {"annotations": [{"result": [{"type": "choices", "value": "a"}]}]},
    ],
)
def test_a_task_that_label_studio_never_wrote_is_named(asked, tmp_path, wrong):
    played, ids = asked
    right = {"data": {"skal_id": ids[0]}, "annotations": [annotation("3", 1, "v")]}
    file = tmp_path / "ls.json"
    tasks = [right, {"id": 8, "data": {"skal_id": ids[1]}, "annotations": []} | wrong]
    file.write_text(json.dumps(tasks))
    assert played.campaign.add(file).refused == ["task 8: it cannot be read"]
    assert played.campaign.add(file, partial=True).added == 1


def test_label_studio_two_choices_are_no_label(asked, tmp_path):
    played, ids = asked
    both = [{"type": "choices", "value": {"choices": ["3", "4"]}}]
    task = {
        "data": {"skal_id": ids[0]},
        "annotations": [annotation("3", 1, "u", result=both)],
    }
    file = tmp_path / "ls.json"
    file.write_text(json.dumps([task]))
    (refused,) = played.campaign.add(file).refused
    assert "['3', '4'] is no class" in refused


@pytest.mark.parametrize("lead", [float("nan"), float("inf"), "x", [1], 10**400])
def test_label_studio_a_time_that_is_none_costs_no_label(asked, tmp_path, lead):
    played, ids = asked
    made = annotation("3", 1, "u", lead_time=lead)
    file = tmp_path / "ls.json"
    file.write_text(json.dumps([{"data": {"skal_id": ids[0]}, "annotations": [made]}]))
    assert played.campaign.add(file).added == 1
    assert played.campaign.labels() == {ids[0]: "3"}


def test_nested_json_is_named(asked, tmp_path):
    played, _ = asked
    (tmp_path / "ls.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"ls\.json is no JSON"):
        played.campaign.add(tmp_path / "ls.json")


def test_label_studio_in_by_path_of_the_file(images, tmp_path):
    played = images(20)
    played.campaign.embed("pixels")
    name = played.campaign.next(batch_size=5).ids[0]
    address = f"/data/local-files/?d=photos/{name.replace(' ', '%20')}"
    task = {"data": {"image": address}, "annotations": [annotation("3", 1, "u")]}
    (tmp_path / "p.json").write_text(json.dumps([task]))
    assert played.campaign.add(tmp_path / "p.json").added == 1
    assert played.campaign.labels() == {name: "3"}


def test_label_studio_min_and_csv_warn_of_what_they_lose(asked, tmp_path):
    played, ids = asked
    rows = [
        {"skal_id": ids[0], "label": "3", "annotator": 1, "annotation_id": 5},
        {"skal_id": ids[1], "label": "4", "annotator": 2, "annotation_id": 6},
    ]
    (tmp_path / "min.json").write_text(json.dumps(rows))
    added = played.campaign.add(tmp_path / "min.json")
    assert added.added == 2
    assert "loses skipped" in added.warning
    with (tmp_path / "ls.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert played.campaign.add(tmp_path / "ls.csv").same == 2
    (tmp_path / "wrong.json").write_text('{"a": 1}')
    with pytest.raises(ValueError, match="list of tasks"):
        played.campaign.add(tmp_path / "wrong.json")


@pytest.mark.slow
def test_label_studio_out(images):
    played = images(30, control_share=0.3)
    played.campaign.embed("pixels")
    played.play(1, batch_size=10)
    batch = played.campaign.next(batch_size=10)
    out = played.campaign.path.parent / "out"
    played.campaign.export(out, ["labelstudio"])
    tasks = json.loads((out / "labelstudio" / "tasks.json").read_text())
    assert [t["data"]["skal_id"] for t in tasks] == batch.ids
    assert [t["data"]["skal_rank"] for t in tasks] == list(range(10))
    for task in tasks:
        assert task.keys() == {"data", "predictions"}
        assert task["data"].keys() == {"image", "skal_id", "skal_round", "skal_rank"}
        assert "a%20b/img%20" in task["data"]["image"]
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == "round-2"
        assert 0 <= prediction["score"] <= 1
        (result,) = prediction["result"]
        assert result["value"]["choices"][0] in played.campaign.classes
    assert "arm" not in json.dumps(tasks)
    words = (out / "README.txt").read_text()
    assert "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=" in words


@pytest.mark.slow
def test_names_of_classes_are_escaped_everywhere(tmp_path, table):
    classes = ["zero & <one>", '"two"', "<script>alert(1)</script>"]
    hostile = '<img src=x onerror="alert(1)">'
    path = table(
        tmp_path / "t.csv", ["t"], [(f"{hostile} number {i}",) for i in range(30)]
    )
    campaign = Campaign.create(
        tmp_path / "c", texts=path, column="t", classes=classes, budget=20
    )
    campaign.embed("tfidf")
    batch = campaign.next(batch_size=10)
    campaign.label(dict.fromkeys(batch.ids, classes[2]), "<b>anna</b>")
    batch = campaign.next(batch_size=10)
    page = batch.to_html().read_text()
    campaign.export(tmp_path / "out")
    report = (tmp_path / "out" / "report.html").read_text()
    for text in (page, report):
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text
    config = ElementTree.parse(tmp_path / "out" / "labelstudio" / "config.xml")
    assert [c.get("value") for c in config.iter("Choice")] == classes
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert {"labels.csv", "wide.csv", "predictions.csv", "estimate.json"} <= names


@pytest.mark.slow
def test_exported_files_say_how_labels_were_chosen(images):
    played = images(40, budget=20)
    played.campaign.embed("pixels")
    played.play(2, batch_size=10)
    out = played.campaign.path.parent / "out"
    files = played.campaign.export(out)
    rows = rows_of(out / "labels.csv")
    assert {row["id"]: row["label"] for row in rows} == played.campaign.labels()
    assert {row["arm"] for row in rows} == {"chosen", "control"}
    assert {row["round"] for row in rows} == {"1", "2"}
    predicted = rows_of(out / "predictions.csv")
    assert len(predicted) == 40
    assert all(0 < float(row["probability"]) <= 1 for row in predicted)
    wide = rows_of(out / "wide.csv")
    assert wide[0].keys() == {"id", "anna"}
    links = list((out / "tree").rglob("*.png"))
    assert len(links) == 20
    assert all(link.is_symlink() and link.exists() for link in links)
    assert set(files) >= {out / "labels.csv", out / "README.txt", *links}
    estimate = json.loads((out / "estimate.json").read_text())
    assert estimate["n_control"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [1, 2, 3])
def test_an_exported_model_predicts_what_the_model_does(digits, n_classes, tmp_path):
    played = digits(budget=60)
    X, _, ids = played.campaign.data()
    for _ in range(2):
        batch = played.campaign.next(batch_size=20)
        labels = {n: str(int(played.truth[n]) % n_classes) for n in batch.ids}
        played.campaign.label(labels, "anna")
    played.campaign.export(tmp_path / "out", ["model"])
    about = json.loads((tmp_path / "out" / "model" / "model.json").read_text())
    loaded = np.load(tmp_path / "out" / "model" / "model.npz", allow_pickle=False)
    scores = (X - loaded["mean"]) / loaded["scale"] @ loaded["coef"].T
    scores = scores + loaded["intercept"]
    proba = np.exp(scores - scores.max(axis=1, keepdims=True))
    proba /= proba.sum(axis=1, keepdims=True)
    named, wanted = played.campaign.predict(played.campaign.fit())
    assert named == ids
    np.testing.assert_allclose(proba, wanted, atol=1e-6)
    assert about["classes"] == played.campaign.classes
    assert "model.npz" in about["load"]


@pytest.mark.slow
def test_a_model_of_another_kind_is_pickled_only_if_wanted(digits, tmp_path):
    from sklearn.tree import DecisionTreeClassifier

    played = digits()
    played.play(1)
    model = DecisionTreeClassifier()
    with pytest.raises(ValueError, match="--pickle"):
        played.campaign.export(tmp_path / "out", ["model"], estimator=model)
    played.campaign.export(tmp_path / "out", ["model"], estimator=model, pickle=True)
    assert (tmp_path / "out" / "model" / "model.pickle").exists()


@pytest.mark.slow
def test_refitting_on_all_labels(digits):
    played = digits()
    played.play(2)
    chosen = played.campaign.fit()
    everything = played.campaign.fit(refit="all")
    assert chosen[0].n_samples_seen_ == 32
    assert everything[0].n_samples_seen_ == 40


@pytest.mark.slow
def test_contact_sheet_and_report_need_no_other_file(images):
    played = images(30)
    played.campaign.embed("pixels")
    played.play(1, batch_size=10)
    page = played.campaign.next(batch_size=5).to_html().read_text()
    assert page.count("data:image/png;base64,") == 5
    from skal_deep.campaign._report import report_page

    report = report_page(Campaign(played.campaign.path))
    assert report.count("data:image/png;base64,") == 10
    assert "Round 2 is not finished" in report
    for text in (page, report):
        assert not re.search(r"(src|href)=\"(?!#|data:)", text)
        assert "<script" not in text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("numbers", [False, True])
def test_a_model_that_averages_draws_is_loaded_as_it_was(
    tmp_path, monkeypatch, numbers
):
    # Of a few other samples the model says "never" of an item, which nobody labelled.
    monkeypatch.setattr("secrets.token_hex", lambda n: "0" * 2 * n)
    X = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    labels = {"numbers": True} if numbers else {"classes": ["no", "yes", "never"]}
    campaign = Campaign.create(
        tmp_path / "c", embeddings=tmp_path / "X.npy", budget=40, **labels
    )
    for _ in range(2):
        ids = campaign.next(batch_size=10, model={"name": "bayes", "set": {}}).ids
        sums = {name: float(X[int(name[1:])].sum()) for name in ids}
        said = {n: s if numbers else "yes" if s > 0 else "no" for n, s in sums.items()}
        campaign.label(said, "anna")
    campaign.export(tmp_path / "result", ["model", "predictions"])
    about = json.loads((tmp_path / "result" / "model" / "model.json").read_text())
    monkeypatch.chdir(tmp_path / "result")
    loaded = {"X": X}
    exec(about["load"], loaded)
    predicted = [row["predicted"] for row in rows_of(Path("predictions.csv"))]
    if numbers:
        given = np.array(predicted, float)
        np.testing.assert_allclose(loaded["predicted"], given, rtol=1e-5)
    else:
        assert loaded["predicted"] == predicted
        assert set(predicted) == {"no", "yes"}


@pytest.mark.slow
def test_the_data_sheet_tells_a_stranger_how_the_labels_came(images, tmp_path):
    played = images(40)
    played.campaign.embed("pixels")
    batch = played.campaign.next(batch_size=10)
    first, second, *rest = batch.ids
    played.campaign.label({first: SKIP, second: UNSURE}, "anna")
    played.campaign.label({name: played.truth[name] for name in rest}, "ben")
    played.campaign.export(tmp_path / "out", ["labels"])
    words = (tmp_path / "out" / "README.txt").read_text()
    for said in (
        "What: 40 images of ../photos; classes: 0, 1, 2, ",
        "Who: anna (2 answers), ben (8 answers).",
        "When: begun 20",
        ", answers from 20",
        "Without a label: 1 skipped, 1 not sure, 0 disputed.",
        "control: by chance, 20% of each round.",
        "Columns of labels.csv",
    ):
        assert said in words
    assert "referee" not in words  # there are none
    assert "- given" not in words
    name = next(one for one in played.campaign.items.ids if one not in batch.ids)
    played.campaign.label({name: "3"}, "ben", given=True)
    played.campaign.export(tmp_path / "out", ["labels"])
    words = (tmp_path / "out" / "README.txt").read_text()
    assert "1 given before" in words
    assert "nobody knows how these items were chosen" in words


def test_a_tree_that_is_written_again_holds_each_file_once(images, tmp_path):
    played = images(30)
    folder = tmp_path / "photos"
    # Two paths that are one name without their folders, and one that is too long.
    (folder / "a b" / "img 000.png").rename(folder / "a b__img 001.png")
    long = folder / ("d" * 150) / ("e" * 150) / "f.png"
    long.parent.mkdir(parents=True)
    (folder / "a b" / "img 002.png").rename(long)
    campaign = Campaign.create(
        tmp_path / "c2", images=folder, classes=["x", "y"], budget=30, control_share=0
    )
    ids = campaign.items.ids
    campaign.label(dict.fromkeys(ids, "x"), "anna", given=True)
    out = tmp_path / "out"
    campaign.export(out, ["tree"])
    (out / "tree" / "x" / "mine.txt").write_text("not ours")
    assert len(list((out / "tree" / "x").glob("*.png"))) == 30
    campaign.label({ids[0]: "y"}, "anna", given=True)
    campaign.undo(ids[1], "anna")
    campaign.export(out, ["tree"])
    found = {p: p.resolve() for p in (out / "tree").rglob("*.png")}
    assert len(set(found.values())) == len(found) == 29
    assert [p.parent.name for p in found].count("y") == 1
    assert (out / "tree" / "x" / "mine.txt").exists()
    assert all(original.exists() for original in found.values())
    assert played.campaign.items.ids != ids
    long.unlink()  # and nobody has looked since
    assert len(campaign.export(out, ["tree"])) == 28 + 2
    folder.rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError, match="init CAMPAIGN --source NEW"):
        campaign.export(out, ["tree"])
    assert len(list((out / "tree").rglob("*.png"))) == 28


@pytest.fixture
def arrow_campaign(tmp_path):
    """A campaign of a small table, and its rows as a table of pyarrow."""
    pa = pytest.importorskip("pyarrow")
    rows = np.random.default_rng(0).normal(size=(40, 2)).round(3)
    table = pa.table(
        {"id": [f"r{i}" for i in range(40)], "a": rows[:, 0], "b": rows[:, 1]}
    )
    table.to_pandas().to_csv(tmp_path / "rows.csv", index=False)

    def make(**params):
        return Campaign.create(
            tmp_path / "campaign", table=tmp_path / "rows.csv", id="id", **params
        )

    return pa, table, make


@pytest.mark.parametrize("form", ["scalars", "series", "arrow series"])
def test_answers_may_be_entries_of_columns(arrow_campaign, form):
    pd = pytest.importorskip("pandas")
    pa, table, make = arrow_campaign
    said = pa.array(["high" if a.as_py() > 0 else "low" for a in table["a"]])
    campaign = make(classes=said.unique(), budget=20)
    assert sorted(campaign.settings.classes) == ["high", "low"]
    ids = campaign.next(batch_size=6).ids
    answers = {name: said[int(name[1:])] for name in ids}
    plain = {name: answer.as_py() for name, answer in answers.items()}
    if form != "scalars":
        dtype = "string[pyarrow]" if form == "arrow series" else object
        answers = pd.Series(plain, dtype=dtype)
    campaign.label(answers, "anna")
    assert campaign.labels() == plain
    assert campaign.simulate(said, batch_size=5).rounds


def test_numbers_may_be_decimals_of_pyarrow(arrow_campaign):
    pa, table, make = arrow_campaign
    said = pa.array([Decimal(str(a)) for a in table["a"].to_pylist()])
    campaign = make(numbers=True, budget=20)
    ids = campaign.next(batch_size=4).ids
    campaign.label({name: said[int(name[1:])] for name in ids}, "anna")
    assert campaign.labels() == {
        name: pytest.approx(table["a"][int(name[1:])].as_py(), abs=0) for name in ids
    }


def test_tables_in_memory_and_in_parquet_say_how_to_give_them(arrow_campaign, tmp_path):
    _, table, make = arrow_campaign
    campaign = make(classes=["low", "high"], budget=20)
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(TypeError, match=r"path says, not from a Table\. Save it"):
        Campaign.create(tmp_path / "other", table=table, classes=["a", "b"], budget=9)
    with pytest.raises(ValueError, match=r"read_parquet.*to_csv"):
        Campaign.create(
            tmp_path / "other",
            table=tmp_path / "rows.parquet",
            classes=["a", "b"],
            budget=9,
        )
    assert not (tmp_path / "other").exists()
    with pytest.raises(ValueError, match=r"read_parquet.*to_csv"):
        campaign.add(tmp_path / "rows.parquet")
    with pytest.raises(TypeError, match=r"dict\(zip\(ids, answers\)\), not Table"):
        campaign.label(table, "anna")
