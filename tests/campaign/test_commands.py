"""The commands: what they print, their exit codes, what scripts read."""

import io
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skal_deep import cli
from skal_deep.campaign import Campaign


@pytest.fixture
def run(capsys):
    """Return what runs a command and gives its exit code, output and errors."""

    def command(*args):
        try:
            code = cli.main([str(arg) for arg in args])
        except SystemExit as error:
            code = error.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


@pytest.fixture
def answer(tmp_path):
    """Return what writes labels for ids into a file."""

    def write(ids, truth):
        path = tmp_path / "answers.csv"
        path.write_text("id,label\n" + "".join(f"{n},{truth[n]}\n" for n in ids))
        return path

    return write


@pytest.mark.slow
def test_the_afternoon(images, run, answer, tmp_path):
    pictures = images(60).campaign.path.parent / "photos"
    y = load_digits().target
    known = {f"a b/img {row:03d}.png": y[row] for row in range(60)}
    folder = tmp_path / "birds"
    code, out, _ = run(
        *("init", folder, "--images", pictures, "--budget", 30, "--json"),
        *("--classes", "0,1,2,3,4,5,6,7,8,9"),
    )
    assert (code, json.loads(out)) == (
        0,
        {"items": 60, "unreadable": 0, "reserved": 30},
    )
    code, _, err = run("next", folder)
    assert code == 2
    assert "python -m skal_deep embed" in err
    code, out, _ = run("embed", folder, "--features", "pixels", "--json")
    said = json.loads(out)
    assert {**said, "broken": []} == {
        "features": "pixels",
        "rows": 60,
        "done": 60,
        "broken": [],
    }
    for number in (1, 2, 3):
        code, out, _ = run("next", folder, "--batch-size", 10, "--json")
        said = json.loads(out)
        assert said.keys() >= {"round", "ids", "left", "page"}
        assert (code, said["round"], said["left"]) == (0, number, 10)
        assert (folder / "batch.html").exists()
        assert (folder / "batch.csv").exists()
        code, out, _ = run("add", folder, answer(said["ids"], known), "--json")
        assert code == 0
        added = json.loads(out)
        assert added["added"] == 10
        assert added.keys() >= {"added", "same", "corrected", "skipped", "refused"}
    code, out, err = run("next", folder, "--json")
    assert code == 3
    assert "budget of 30" in err
    code, out, _ = run("status", folder, "--json")
    status = json.loads(out)
    assert status.keys() >= {
        *("items", "round", "budget", "labels", "classes", "rounds", "advice")
    }
    assert status["labels"] == {"all": 30, "chosen": 24, "control": 6, "given": 0}
    assert status["rounds"][0].keys() >= {
        *("round", "labels", "wrong", "control", "error", "low", "high")
    }
    code, out, _ = run("status", folder, "--html", tmp_path / "s.html")
    assert "Next: python -m skal_deep export" in out
    assert (tmp_path / "s.html").exists()
    code, out, _ = run("estimate", folder, "--target", 0.5, "--json")
    estimate = json.loads(out)
    assert estimate.keys() >= {
        *("metric", "value", "low", "high", "level", "n_control", "is_below")
    }
    for metric in ("recall", "precision"):
        assert run("estimate", folder, "--metric", metric)[0] == 0
    code, out, _ = run("export", folder, "--out", tmp_path / "result", "--json")
    assert code == 0
    assert str(tmp_path / "result" / "labels.csv") in json.loads(out)["files"]
    assert run("export", folder, "--out", tmp_path / "r2", "--refit", "all")[0] == 0


def test_init_again_changes_what_may_change(digits, run):
    path = digits().campaign.path
    code, out, _ = run("init", path, "--classes", "owl", "--budget", 99)
    assert (code, Campaign(path).classes[-1]) == (0, "owl")
    assert Campaign(path).settings.budget == 99
    assert "99 labels to spend" in out
    for wrong in (["--seed", 3], ["--images", path.parent], ["--control-share", 0.5]):
        assert run("init", path, *wrong)[0] == 2
    code, _, err = run("init", path.parent / "new", "--source", path)
    assert code == 2
    assert "--images" in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["next", "{c}", "--strategy", "bad"], "no strategy 'bad'"),
        (["next", "{c}", "--model", "bad"], "no model 'bad'"),
        (["next", "{c}", "--set", "a"], "NAME=VALUE"),
        (["next", "{c}", "--model", "probe", "--set", "a=1"], "cannot be set"),
        (["next", "nowhere"], "There is no campaign in nowhere"),
        (["add", "{c}", "nowhere.csv"], "nowhere.csv"),
        (["estimate", "{c}", "--metric", "mae"], "use error, recall, precision"),
        (["export", "{c}", "--out", "{c}/x", "--only", "all"], "no part 'all'"),
        (["embed", "{c}"], "have their features with them"),
        (["init", "{c}", "--ids", "x"], "cannot change"),
        (["init", "new", "--classes", "a,b"], "one source"),
    ],
)
def test_wrong_use_is_2_and_says_what_to_do(digits, run, args, said):
    path = digits().campaign.path
    code, out, err = run(*(arg.replace("{c}", str(path)) for arg in args))
    assert (code, out) == (2, "")
    assert said in err


def test_a_refused_line_is_2(digits, run, tmp_path):
    played = digits()
    ids = played.campaign.next(batch_size=4).ids
    (tmp_path / "in.csv").write_text(f"id,label\n{ids[0]},3\n{ids[1]},cat\n")
    code, out, _ = run("add", played.campaign.path, tmp_path / "in.csv")
    assert code == 2
    assert "line 3: 'cat' is no class" in out
    assert "--partial" in out
    arguments = ("add", played.campaign.path, tmp_path / "in.csv", "--json")
    assert json.loads(run(*arguments)[1])["added"] == 0
    assert run(*arguments, "--partial")[0] == 0
    assert played.campaign.labels() == {ids[0]: "3"}


def test_ctrl_c_is_130(digits, run, monkeypatch):
    played = digits()

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Campaign, "next", interrupted)
    code, _, err = run("next", played.campaign.path)
    assert code == 130
    assert "goes on" in err


@pytest.mark.slow
def test_code_that_a_folder_names_runs_only_if_it_is_named_again(
    digits, run, tmp_path, monkeypatch
):
    (tmp_path / "mine.py").write_text(
        "from sklearn.linear_model import LogisticRegression\n"
        "def model():\n    return LogisticRegression(max_iter=500)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    played = digits()
    path = played.campaign.path
    model = ("--model", "mine:model", "--set", "C=0.5")
    assert run("next", path, *model)[0] == 0
    assert Campaign(path).settings.model == {"name": "mine:model", "set": {"C": 0.5}}
    played.answer(Campaign(path).open_round())
    code, _, err = run("next", path)
    assert code == 2
    assert "--trust" in err
    assert run("next", path, "--trust", "--batch-size", 10)[0] == 0
    played.answer(Campaign(path).open_round())
    assert run("estimate", path)[0] == 2
    assert run("estimate", path, "--trust")[0] == 0
    settings = path / "campaign.json"
    settings.write_text(settings.read_text().replace("mine:model", "os:system"))
    assert run("next", path)[0] == 2


_BROKEN = {
    "in_function": "def model(*items):\n    return 1 / 0\n",
    "at_import": "x = 1\ny = {}['gone']\ndef model(): pass\n",
    "in_syntax": "x = 1\ndef model(:\n",
    "in_import": "x = 1\nimport no_such_library\n",
    "leaves": "import sys\nsys.exit(0)\n",
    "in_library": "from sklearn.utils import check_array\n"
    "def model(*items): return check_array([1])\n",
    "in_fit": "from sklearn.linear_model import LogisticRegression\n"
    "class model(LogisticRegression):\n"
    "    def fit(self, X, y, sample_weight=None): raise RuntimeError('my own')\n",
}
_LINES = {
    "in_function": ("line 2, in model", "ZeroDivisionError: division by zero"),
    "at_import": ("line 2, in <module>", "KeyError: 'gone'"),
    "in_syntax": ("line 2", "SyntaxError"),
    "in_import": ("line 2, in <module>", "No module named 'no_such_library'"),
    "leaves": ("line 2, in <module>", "SystemExit: 0"),
    "in_library": ("line 2, in model", "ValueError: Expected 2D array"),
    "in_fit": ("line 3, in fit", "RuntimeError: my own"),
}


@pytest.mark.parametrize("case", _BROKEN)
@pytest.mark.parametrize("option", ["model", "trust", "features"])
def test_errors_of_the_users_code_are_told_as_such(
    case, option, digits, images, run, tmp_path, monkeypatch
):
    if option == "features" and case == "in_fit":
        pytest.skip("features are not fitted")
    (tmp_path / f"own_{case}.py").write_text(_BROKEN[case])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, f"own_{case}", raising=False)
    name = f"own_{case}:model"
    if option == "features":
        path = images(20).campaign.path
        code, out, err = run("embed", path, "--features", name)
    else:
        played = digits()
        path = played.campaign.path
        played.play(1, batch_size=20)
        if option == "trust":
            settings = Campaign(path).settings
            settings.changed(model={"name": name, "set": {}}).write(path)
        named = ("--trust",) if option == "trust" else ("--model", name)
        code, out, err = run("next", path, *named)
    assert code == 2
    assert out == ""
    where, what = _LINES[case]
    assert f"own_{case}.py" in err
    assert where in err
    assert what in err
    assert "skal_deep/" not in err  # none of our lines


def test_a_named_model_that_is_none_is_refused(digits, run, tmp_path, monkeypatch):
    (tmp_path / "own_none.py").write_text(
        "number = 3\ndef nothing(): pass\ndef wants(x): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = digits().campaign.path
    for name, said in (
        ("number", "has no function 'number'"),
        ("other", "has no function 'other'"),
        ("nothing", "not None"),
        ("wants", "wants() missing 1 required positional argument"),
    ):
        code, _, err = run("next", path, "--model", f"own_none:{name}")
        assert code == 2
        assert said in err, err


def test_features_that_a_folder_names_run_only_if_they_are_named_again(
    images, run, tmp_path, monkeypatch
):
    (tmp_path / "own_lengths.py").write_text(
        "def f(items):\n    return [[len(item)] for item in items]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    path = images(20).campaign.path
    assert run("embed", path, "--features", "own_lengths:f")[0] == 0
    code, _, err = run("embed", path)
    assert code == 2
    assert "--features own_lengths:f" in err


def test_help_texts_have_examples(run):
    for command in ("init", "embed", "next", "add"):
        code, out, _ = run(command, "--help")
        assert code == 0
        assert f"python -m skal_deep {command}" in out
    code, out, _ = run("--help")
    for command in ("init", "embed", "next", "add", "status", "estimate", "export"):
        assert f"\n    {command} " in out


ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/labelling.md"])
def test_the_afternoon_of_a_page_runs_as_written(
    page, images, run, tmp_path, monkeypatch
):
    images(60)  # makes photos/
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.S)
    (block,) = [b for b in blocks if "skal_deep init" in b]
    lines = [line.partition("#")[0].split()[3:] for line in block.splitlines()]
    assert [line[0] for line in lines][:4] == ["init", "embed", "next", "add"]
    sheet = tmp_path / "birds" / "batch.csv"
    for line in lines:
        line = [w if w != "torchvision:resnet18" else "pixels" for w in line]
        if line[0] == "add":
            filled = [
                row + ("robin" if at % 2 else "wren") if at else row
                for at, row in enumerate(sheet.read_text().splitlines())
            ]
            sheet.write_text("\n".join(filled) + "\n")
        code, _, err = run(*line)
        assert code == 0, err
    assert (tmp_path / "result" / "labels.csv").exists()


def test_referees_from_the_command_line(tmp_path, run):
    np.save(tmp_path / "X.npy", np.random.default_rng(0).normal(size=(200, 3)))
    args = ["init", tmp_path / "c", "--embeddings", tmp_path / "X.npy"]
    args += ["--classes", "a,b", "--budget", "40"]
    code, _, err = run(*args, "--referee-share", "0.9")
    assert code == 2
    assert "below 1 - control_share" in err
    assert run(*args, "--referee-share", "0.2")[0] == 0
    assert Campaign(tmp_path / "c").settings.referee_share == 0.2
    code, _, err = run("init", tmp_path / "c", "--referee-share", "0.1")
    assert code == 2
    assert "--referee-share was decided when" in err
    _, out, _ = run("status", tmp_path / "c", "--json")
    assert json.loads(out)["choice"]["word"] == "no difference shown"


@pytest.mark.slow
@pytest.mark.parametrize(("n_items", "budget"), [(60, 10), (10, 20)])
def test_what_is_next_when_budget_or_items_are_spent(digits, run, n_items, budget):
    played = digits(n_items, budget=budget)
    played.play(1, batch_size=10)
    for command in ("status", "estimate"):
        _, out, _ = run(command, played.campaign.path)
        assert f"Next: python -m skal_deep export {played.campaign.path}" in out


@pytest.mark.slow
def test_a_target_is_one_of_the_error(digits, run):
    played = digits()
    played.play(1, batch_size=10)
    args = ("estimate", played.campaign.path, "--metric", "recall", "--target", "0.1")
    code, _, err = run(*args)
    assert code == 2
    assert "target is an error rate" in err


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes on POSIX")
def test_names_that_no_screen_can_show(images, monkeypatch):
    played = images(5)
    folder = played.campaign.path.parent / "photos"
    (folder / os.fsdecode(b"no \xff.png")).write_text("no image")
    screen = io.TextIOWrapper(io.BytesIO(), "utf-8", "strict", write_through=True)
    monkeypatch.setattr(sys, "stdout", screen)
    assert cli.main(["init", str(played.campaign.path)]) == 0
    assert b"1 cannot be read: no \\udcff.png" in screen.buffer.getvalue()
