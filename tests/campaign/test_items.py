"""Items: ids that last, whatever happens to files and tables."""

import csv
import json
import os

import numpy as np
import pytest

from skal_deep.campaign import Campaign
from skal_deep.campaign._sitting import Sitting
from skal_deep.campaign.store._items import Items


def test_ids_of_files_are_their_paths_and_survive_a_rename(images):
    played = images(20)
    played.campaign.embed("pixels")  # so that contents are known
    folder = played.campaign.path.parent / "photos"
    (folder / "a b" / "img 003.png").rename(folder / "moved.png")
    (folder / "a b" / "img 004.png").unlink()
    (folder / "new.png").write_bytes((folder / "moved.png").read_bytes() + b"x")
    items = played.campaign.rescan()
    assert items.places[items.row_of["a b/img 003.png"]] == "moved.png"
    gone = [n for n, is_gone in zip(items.ids, items.is_gone, strict=True) if is_gone]
    assert gone == ["a b/img 004.png"]
    assert items.ids[-1] == "new.png"
    assert len(items) == 21


def test_a_gone_item_keeps_its_label_and_comes_back(images):
    played = images(30)
    played.campaign.embed("pixels")
    played.play(1, batch_size=10)
    folder = played.campaign.path.parent / "photos"
    name = played.campaign.state().training()[0]
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    played.campaign.rescan()
    status = played.campaign.status().to_dict()
    assert status["gone"] == [name]
    assert status["items"] == 29
    assert played.campaign.labels()[name] == played.truth[name]
    (folder / name).write_bytes(content)
    played.campaign.rescan()
    assert played.campaign.status().to_dict()["gone"] == []


def test_a_file_that_was_changed_after_it_was_labelled_is_named(images):
    played = images(30)
    played.campaign.embed("pixels")
    played.play(1, batch_size=10)
    folder = played.campaign.path.parent / "photos"
    name, other = sorted(played.campaign.labels())[:2]
    (folder / name).write_bytes((folder / other).read_bytes())
    played.campaign.embed("pixels")  # reads what has changed, and nothing else
    assert played.campaign.status().to_dict()["changed"] == [name]
    X, _, ids = played.campaign.data()
    assert (X[ids.index(name)] == X[ids.index(other)]).all()


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes on POSIX")
def test_names_that_are_no_utf8_and_hidden_ones(images):
    played = images(3)
    folder = played.campaign.path.parent / "photos"
    content = (folder / "a b" / "img 000.png").read_bytes()
    (folder / ".hidden.png").write_bytes(content)
    (folder / "notes.txt").write_text("no image")
    odd = os.fsencode(folder) + b"/\xff\xe4.png"
    with open(odd, "wb") as file:
        file.write(content)
    items = played.campaign.rescan()
    assert items.ids[-1] == "%FF%E4.png"
    assert played.campaign.read("%FF%E4.png") == content
    assert Items.read(played.campaign.path).same_as(items)
    assert len(items) == 4


@pytest.mark.skipif(os.name != "posix", reason="Windows knows no such names")
@pytest.mark.parametrize(
    "name", ["cr\r.png", "lf\n.png", "both\r\n.png", "tab\t.png", '-a, "b".png']
)
def test_odd_names_come_back_from_items_and_sheet(images, table, name):
    played = images(20, control_share=0)
    folder = played.campaign.path.parent / "photos"
    (folder / "a b" / "img 000.png").rename(folder / name)
    campaign = Campaign.create(
        played.campaign.path.parent / "d", images=folder, classes=["a", "b"], budget=20
    )
    assert name in campaign.items.ids
    campaign.embed("pixels")
    batch = campaign.next(batch_size=20)
    sheet = batch.to_csv()
    text = sheet.read_bytes().decode()
    rows = list(csv.DictReader(text.splitlines(keepends=True)))
    table(sheet, ["id", "label"], [(row["id"], "a") for row in rows])
    assert campaign.add(sheet).added == 20
    assert name in campaign.labels()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_a_pipe_is_no_image_and_is_not_waited_for(images):
    played = images(3)
    folder = played.campaign.source.path
    os.mkfifo(folder / "pipe.png")
    (folder / "link.png").symlink_to("pipe.png")
    assert len(played.campaign.rescan()) == 3
    assert played.campaign.unreadable() == ["link.png", "pipe.png"]


def test_links_may_not_lead_out(images):
    played = images(3)
    folder = played.campaign.path.parent / "photos"
    secret = played.campaign.path.parent / "secret.png"
    secret.write_bytes((folder / "a b" / "img 000.png").read_bytes())
    (folder / "link.png").symlink_to(secret)
    assert "link.png" not in played.campaign.rescan().row_of
    assert played.campaign.unreadable() == ["link.png"]
    from skal_deep.campaign.store._folder import Folder

    with pytest.raises(FileNotFoundError, match="leads out"):
        Folder(folder).read("../secret.png")


def test_texts_have_ids_of_a_column_or_of_their_content(tmp_path, table):
    rows = [("r1", "good, really"), ("r2", ""), ("r3", "bad"), ("r4", "bad")]
    path = table(tmp_path / "t.csv", ["review", "text"], rows, ";")
    options = {"texts": path, "column": "text", "classes": ["p", "n"], "budget": 5}
    named = Campaign.create(tmp_path / "a", id="review", **options)
    assert named.items.ids == ["r1", "r3", "r4"]
    assert named.unreadable() == ["line 3"]
    assert named.text("r1") == "good, really"
    hashed = Campaign.create(tmp_path / "b", **options).items.ids
    assert hashed[2] == f"{hashed[1]}-2"
    assert all(name.startswith("x-") and len(name) >= 18 for name in hashed)
    rows[0] = ("r1", "changed")
    table(path, ["review", "text"], [*rows, ("r5", "new")], ";")
    assert named.rescan().ids == ["r1", "r3", "r4", "r5"]


def test_two_rows_with_one_id_are_named(tmp_path, table):
    path = table(tmp_path / "t.csv", ["id", "text"], [("a", "x"), ("a", "y")])
    with pytest.raises(ValueError, match="line 3: the id 'a' stands in line 2"):
        Campaign.create(
            tmp_path / "c",
            texts=path,
            column="text",
            id="id",
            classes=["p", "n"],
            budget=5,
        )
    assert not (tmp_path / "c" / "campaign.json").exists()


def test_a_table_becomes_numbers_and_words_one_hot(tmp_path, table):
    rows = [(f"c{i}", i / 10, "red" if i % 2 else "blue") for i in range(60)]
    path = table(tmp_path / "t.csv", ["cell", "size", "colour"], rows)
    options = {"table": path, "id": "cell", "classes": ["T", "B"], "budget": 20}
    campaign = Campaign.create(tmp_path / "c", **options)
    X, y, ids = campaign.data()
    assert X.shape == (60, 3)
    assert X[1].tolist() == pytest.approx([0.1, 0.0, 1.0])
    assert ids[1] == "c1"
    assert (y == -1).all()
    assert campaign.text("c1") == "size: 0.1\ncolour: red"
    campaign.next(batch_size=5)
    rows[3] = ("c3", "", "red")
    table(path, ["cell", "size", "colour"], rows)
    with pytest.raises(ValueError, match="line 5: 'size' is empty"):
        Campaign(campaign.path).next(skip_rest=True)


def test_a_column_of_texts_that_is_not_there_is_named(tmp_path, table):
    path = table(tmp_path / "t.csv", ["id", "text"], [["1", "good"], ["2", "bad"]])
    with pytest.raises(ValueError, match=r"t\.csv has 0 columns 'txt'.*'id', 'text'"):
        Campaign.create(
            tmp_path / "c", texts=path, column="txt", classes=["a", "b"], budget=2
        )


@pytest.mark.parametrize("kind", ["table", "embeddings"])
def test_a_source_that_was_moved_is_missed_by_name(tmp_path, table, kind):
    rows = [[str(row), str(row % 7)] for row in range(60)]
    path = table(tmp_path / "t.csv", ["a", "b"], rows)
    if kind == "embeddings":
        path = tmp_path / "X.npy"
        np.save(path, np.array(rows, dtype=float))
    c = Campaign.create(tmp_path / "c", **{kind: path}, classes=["a", "b"], budget=20)
    c.label(dict.fromkeys(c.next(batch_size=5).ids, "a"), "anna")
    path.rename(tmp_path / "moved")
    for call in (Campaign(c.path).status, Campaign(c.path).next):
        with pytest.raises(FileNotFoundError, match=r"is not there.*--source NEW"):
            call()
    c.move_source(tmp_path / "moved")
    assert c.status().to_dict()["labels"]["all"] == 5


def test_an_array_without_ids_may_only_grow_at_its_end(digits):
    played = digits(60)
    path = played.campaign.path.parent / "X.npy"
    X = np.load(path)
    np.save(path, np.concatenate([X, X[:5] + 1]))
    items = Campaign(played.campaign.path).rescan()
    assert items.ids[-1] == "r000064"
    np.save(path, np.concatenate([X[1:], X]))
    with pytest.raises(ValueError, match="may only grow at its end"):
        Campaign(played.campaign.path).next()


def test_an_array_with_ids_may_be_sorted_anew(tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    names = tmp_path / "names.txt"
    names.write_text("".join(f"item {i}\n" for i in range(30)))
    options = {"embeddings": tmp_path / "X.npy", "ids": names, "numbers": True}
    campaign = Campaign.create(tmp_path / "c", budget=5, **options)
    before = campaign.data()[0][3]
    np.save(tmp_path / "X.npy", X[::-1])
    names.write_text("".join(f"item {i}\n" for i in range(29, -1, -1)))
    again = Campaign(campaign.path)
    again.rescan()
    assert (again.data()[0][again.data()[2].index("item 3")] == before).all()
    names.write_text("one\n")
    with pytest.raises(ValueError, match="one id a line"):
        Campaign(campaign.path).rescan()


def test_nothing_is_unpickled(tmp_path):
    np.save(tmp_path / "X.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"numpy\.save"):
        Campaign.create(
            tmp_path / "c", embeddings=tmp_path / "X.npy", numbers=True, budget=5
        )


def test_rows_that_are_no_numbers_are_left_out(tmp_path):
    X = np.ones((10, 2), np.float32)
    X[3, 1] = np.nan
    np.save(tmp_path / "X.npy", X)
    campaign = Campaign.create(
        tmp_path / "c", embeddings=tmp_path / "X.npy", numbers=True, budget=5
    )
    assert campaign.unreadable() == ["r000003"]
    assert len(campaign.items) == 9


@pytest.mark.parametrize(
    ("schema", "match"),
    [(0, "first that there was is 1"), (2, "install skal_deep 9.9"), (None, "schema")],
)
def test_other_schemas_are_refused(digits, schema, match):
    path = digits().campaign.path / "campaign.json"
    content = json.loads(path.read_text())
    content |= {"schema": schema, "versions": {"skal_deep": "9.9"}}
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=match):
        Campaign(path.parent)


def test_what_is_not_known_of_the_settings_is_kept(digits):
    path = digits().campaign.path / "campaign.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "note": "mine"}))
    Campaign(path.parent).set_budget(7)
    content = json.loads(path.read_text())
    assert (content["note"], content["budget"]) == ("mine", 7)


def test_folder_and_source_can_be_moved_together(images, tmp_path):
    played = images(20)
    played.campaign.embed("pixels")
    (tmp_path / "elsewhere").mkdir()
    for name in ("photos", "c"):
        (tmp_path / name).rename(tmp_path / "elsewhere" / name)
    campaign = Campaign(tmp_path / "elsewhere" / "c")
    assert campaign.next(batch_size=5).paths[0].exists()
    (tmp_path / "elsewhere" / "photos").rename(tmp_path / "pictures")
    with pytest.raises(FileNotFoundError, match="--source"):
        campaign.rescan()
    campaign.move_source(tmp_path / "pictures")
    assert campaign.next().paths[0].exists()
    assert not campaign.items.is_gone.any()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"classes": ["a"]}, "two classes"),
        ({"classes": ["a", "a"]}, "same name"),
        ({"classes": ["caf\xe9", "cafe\u0301"]}, "look alike"),
        ({"classes": ["a", "?"]}, "cannot be the name"),
        ({}, "one of the two"),
        ({"classes": ["a", "b"], "numbers": True}, "one of the two"),
        ({"classes": ["a", "b"], "budget": 0}, "budget must be"),
        ({"classes": ["a", "b"], "control_share": 1.0}, "control_share must be"),
        ({"classes": ["a", "b"], "reserve": 10}, "leaves none"),
        ({"classes": ["a", "b"], "table": "x.csv"}, "one source"),
    ],
)
def test_wrong_campaigns_are_not_begun(tmp_path, options, match):
    np.save(tmp_path / "X.npy", np.ones((10, 2)))
    with pytest.raises(ValueError, match=match):
        Campaign.create(
            tmp_path / "c",
            **{"embeddings": tmp_path / "X.npy", "budget": 5, **options},
        )
    assert not (tmp_path / "c" / "campaign.json").exists()


def test_a_campaign_that_is_not_begun_leaves_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "X.npy", np.eye(6))
    for source in ({"images": tmp_path / "empty"}, {"embeddings": tmp_path / "X.npy"}):
        with pytest.raises(ValueError, match=r"nothing to label|leaves none"):
            Campaign.create(
                tmp_path / "c", **source, classes=["a", "b"], budget=3, reserve=6
            )
        assert not (tmp_path / "c").exists()
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine").touch()
    with pytest.raises(ValueError, match="nothing to label"):
        Campaign.create(
            tmp_path / "c", images=tmp_path / "empty", classes=["a", "b"], budget=3
        )
    assert (tmp_path / "c" / "mine").exists()


def test_a_file_in_the_place_of_a_campaign_is_named(tmp_path):
    np.save(tmp_path / "X.npy", np.eye(6))
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    for place in (file, file / "c", file / "c" / "d"):
        with pytest.raises(NotADirectoryError, match=r"notes\.txt.*another name"):
            Campaign.create(
                place, embeddings=tmp_path / "X.npy", classes=["a", "b"], budget=3
            )
        with pytest.raises(FileNotFoundError, match="There is no campaign in"):
            Campaign(place)
    assert file.read_text() == "mine"


@pytest.mark.slow
def test_broken_images_are_named_and_left_out(images):
    played = images(20)
    folder = played.campaign.path.parent / "photos"
    content = (folder / "a b" / "img 000.png").read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])
    (folder / "text.png").write_text("no image at all")
    image = pytest.importorskip("PIL.Image")
    image.new("L", (300, 300)).save(folder / "bomb.png")
    played.campaign.rescan()
    assert played.campaign.unreadable() == ["text.png"]
    embedded = played.campaign.embed("pixels", max_pixels=10_000)
    assert embedded.broken == ["bomb.png", "cut.png"]
    assert (embedded.rows, embedded.done) == (22, 22)
    asked = set()
    for _ in range(3):
        batch = played.campaign.next(batch_size=10)
        asked |= set(batch.ids)
        played.campaign.label(dict.fromkeys(batch.ids, "3"), "anna")
        if len(asked) == 20:
            break
    assert not asked & {"bomb.png", "cut.png"}


def test_embedding_goes_on_where_it_was_stopped(images, monkeypatch):
    played = images(40)
    monkeypatch.setattr("skal_deep.campaign._embed._SECONDS", 0.0)
    told = []

    def stop(done, rows):
        told.append(done)
        if done == 24:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        played.campaign.embed("pixels", batch_size=8, report=stop)
    with pytest.raises(FileNotFoundError, match="embed"):
        played.campaign.next()
    told.clear()
    again = Campaign(played.campaign.path)
    again.embed("pixels", batch_size=8, report=lambda done, rows: told.append(done))
    assert told == [24, 32, 40]  # what was written when it was stopped: 16
    X = again.data()[0]
    (again.path / "features" / "pixels.json").unlink()
    Campaign(again.path).embed("pixels")
    assert (again.data()[0] == X).all()


def test_features_of_texts_and_of_a_function(tmp_path, table, monkeypatch):
    rows = [(f"{word} thing number {i}",) for i in range(20) for word in ("big", "red")]
    path = table(tmp_path / "t.csv", ["text"], rows)
    campaign = Campaign.create(
        tmp_path / "c", texts=path, column="text", classes=["b", "r"], budget=10
    )
    embedded = campaign.embed("tfidf")
    assert (embedded.features, embedded.done) == ("tfidf", 40)
    assert campaign.data()[0].shape[0] == 40
    table(path, ["text"], [*rows, ("a new one",)])
    assert campaign.embed("tfidf").done == 41
    with pytest.raises(ValueError, match="takes items that are images"):
        campaign.embed("pixels")
    (tmp_path / "own_features.py").write_text(
        "def lengths(items):\n    return [[len(item)] for item in items]\n"
        "def wrong(items):\n    return [[0]]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    campaign.embed("own_features:lengths")
    assert campaign.data()[0][-1].tolist() == [9.0]
    assert campaign.settings.features == "lengths"
    with pytest.raises(ValueError, match="one vector an item"):
        campaign.embed("own_features:wrong", batch_size=10)
    with pytest.raises(ValueError, match="cannot be imported"):
        campaign.embed("nothing:here")


@pytest.mark.parametrize("texts", [["the same words"] * 5, ["one"] * 3, ["a b", "no"]])
def test_words_that_are_the_same_in_all_texts_are_features_too(tmp_path, table, texts):
    path = table(tmp_path / "t.csv", ["text"], [(text,) for text in texts])
    campaign = Campaign.create(
        tmp_path / "c", texts=path, column="text", classes=["b", "r"], budget=2
    )
    assert campaign.embed("tfidf").done == len(texts)
    assert np.isfinite(campaign.data()[0]).all()


@pytest.mark.parametrize("spec", ["torchvision:resnet18", "timm:resnet18"])
def test_libraries_that_are_missing_are_named(images, spec):
    library = spec.partition(":")[0]
    try:
        __import__(library)
    except ImportError:
        pass
    else:
        pytest.skip(f"{library} is here")
    with pytest.raises(ImportError, match="pip install"):
        images(3).campaign.embed(spec)


def test_other_features_are_named(images):
    with pytest.raises(ValueError, match="torchvision:NAME"):
        images(3).campaign.embed("pixel")


# A table or an array that somebody changes meanwhile


@pytest.fixture(params=["text", "table", "embeddings"])
def changing(request, tmp_path, table):
    """Return a campaign with labels, and what puts other rows into its file."""
    kind = request.param

    def put(ids):
        if kind == "embeddings":
            values = [[float(name[1:]), 1.0] for name in ids]
            np.save(tmp_path / "X.npy", np.array(values, np.float32))
            (tmp_path / "ids").write_text("".join(f"{name}\n" for name in ids))
            return
        rows = [[name, f"{int(name[1:])}"] for name in ids]
        table(tmp_path / "rows.csv", ["id", "value"], rows)

    ids = [f"n{row}" for row in range(100, 140)]
    put(ids)
    source = {
        "text": {"texts": tmp_path / "rows.csv", "column": "value", "id": "id"},
        "table": {"table": tmp_path / "rows.csv", "id": "id"},
        "embeddings": {"embeddings": tmp_path / "X.npy", "ids": tmp_path / "ids"},
    }[kind]
    campaign = Campaign.create(
        tmp_path / "c", **source, classes=["low", "high"], budget=20
    )
    if kind == "text":
        campaign.embed("tfidf")
    batch = campaign.next(batch_size=10)
    labels = {name: ["low", "high"][int(name[1:]) > 119] for name in batch.ids}
    campaign.label(labels, "anna")
    campaign.next(batch_size=4)
    return campaign.path, put, ids


def test_rows_that_moved_are_never_taken_for_others(changing, tmp_path):
    path, put, ids = changing
    put(["n900", *ids])  # before all others
    campaign = Campaign(path)
    name = campaign.open_round().ids[0]
    with pytest.raises(ValueError, match="looks again"):
        campaign.text(name)
    if campaign.kind != "text":  # words have their weights in a file of ours
        for act in (campaign.estimate, campaign.fit, campaign.data, campaign.status):
            with pytest.raises(ValueError, match="looks again"):
                act()
    assert "changed since" in Campaign(path).open_round().to_html().read_text()
    shown = Sitting(Campaign(path), "anna").item(name)  # it looks again itself
    assert name[1:] in str(shown)
    campaign = Campaign(path)
    assert name[1:] in campaign.text(name)
    assert len(campaign.items) == 41
    if campaign.kind != "text":
        X, _, names = campaign.data()
        assert [f"n{int(value)}" for value in X[:, 0]] == names


@pytest.mark.slow
def test_rows_that_are_gone_are_told_and_left_out(changing, tmp_path):
    path, put, ids = changing
    gone = Campaign(path).open_round().ids[0]
    labeled = next(iter(Campaign(path).labels()))
    put([name for name in ids if name not in (gone, labeled)][:-1])
    campaign = Campaign(path)
    campaign.rescan()
    with pytest.raises(ValueError, match=f"'{gone}' is gone"):
        campaign.text(gone)
    campaign.open_round().to_html()
    assert labeled in campaign.status().to_dict()["gone"]
    files = campaign.export(tmp_path / "out", ["labels", "labelstudio"])
    assert labeled in files[0].read_text()
    tasks = json.loads((tmp_path / "out" / "labelstudio" / "tasks.json").read_text())
    assert [task["data"]["skal_id"] for task in tasks] == [
        name
        for name in campaign.open_round().ids
        if not campaign.items.gone[campaign.items.row_of[name]]
    ]
    assert "cannot be shown" in (tmp_path / "out" / "report.html").read_text()
    assert "is gone" in campaign.open_round().to_html().read_text()


def test_a_column_that_is_lost_later_is_named(tmp_path, table):
    path = table(
        tmp_path / "t.csv", ["id", "text"], [[f"n{k}", f"{k}"] for k in range(9)]
    )
    campaign = Campaign.create(
        tmp_path / "c", texts=path, column="text", id="id", classes=["a", "b"], budget=3
    )
    table(path, ["id", "body"], [["n0", "0"]])
    with pytest.raises(ValueError, match="has 0 columns 'text'"):
        Campaign(campaign.path).text("n0")
