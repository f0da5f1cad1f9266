"""The command line, from arguments to report."""

import csv
import inspect
import json
import re
import runpy
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from skorch import NeuralNetClassifier

from skal_deep import cli, pool
from skal_deep.campaign.models import _extractors
from skal_deep.classifier import CapabilityError, as_model
from skal_deep.cli import _job
from skal_deep.evaluation import (
    Comparison,
    SimulatedActiveLearner,
    compare_strategies,
)
from skal_deep.modules import MLP, ConvNet

TINY = [
    *("--repeats", "2", "--cycles", "2", "--epochs", "2", "--samples", "4"),
    *("--n-initial", "6", "--batch-size", "3", "--jobs", "1", "--quiet"),
]
FILES = {
    "report.html",
    "curves.png",
    "summary.csv",
    "curves.csv",
    "results.json",
    "runs",
}


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (60, 10, 10), dtype=np.uint8), np.arange(60) % 3
    np.savez(tmp_path / "images.npz", X=X[:40], y=y[:40], X_test=X[40:], y_test=y[40:])
    return tmp_path / "images.npz"


@pytest.fixture
def no_report(monkeypatch):
    """Leave the report and its picture empty: they take longer than a tiny study."""

    def empty(self, path, *args, **kwargs):
        Path(path).write_text("")

    monkeypatch.setattr(Comparison, "to_html", empty)
    monkeypatch.setattr(Figure, "savefig", empty)


def run(*args):
    return cli.main(["compare", *map(str, args)])


def refused(capsys, *args):
    """Return what the command line says when it ends with an error."""
    with pytest.raises(SystemExit) as caught:
        run(*args)
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.slow
def test_end_to_end(tmp_path, capsys):
    out = tmp_path / "report"
    assert run(*TINY, "--strategies", "random,BALD,core-set", "--out", out) == 0
    printed = capsys.readouterr().out
    assert "core-set" in printed
    assert str(out / "report.html") in printed
    assert {path.name for path in out.iterdir()} == FILES
    with (out / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["strategy"] for row in rows] == ["random", "BALD", "core-set"]
    assert float(rows[1]["low"]) <= float(rows[1]["high"])
    content = json.loads((out / "results.json").read_text())
    assert content["settings"]["data"] == "digits"
    assert content["settings"]["n_repeats"] == 2
    page = (out / "report.html").read_text("utf-8")
    assert "digits" in page
    assert "Images picked" in page  # digits are images, though written as vectors
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_equal_seeds_give_equal_curves(tmp_path, images):
    def curves(name, seed):
        out = tmp_path / name
        run(
            *TINY,
            "--data",
            images,
            "--strategies",
            "badge",
            "--seed",
            seed,
            "--out",
            out,
        )
        rows = json.loads((out / "results.json").read_text())["curves"]
        return [(row["n_labels"], row["accuracy"]) for row in rows]

    assert curves("a", 0) == curves("b", 0)


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_a_table_of_the_user(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        f"{'owl' if i % 2 else 'jay'},{i % 2 + rng.random()},{i}" for i in range(60)
    ]
    (tmp_path / "birds.csv").write_text("\n".join(["species,wing,row", *rows]))
    args = ("--data", tmp_path / "birds.csv", "--label", "species", "--pool-size", 40)
    run(*TINY, *args, "--strategies", "random", "--out", tmp_path / "out")
    settings = json.loads((tmp_path / "out/results.json").read_text())["settings"]
    assert settings["data"] == "birds"
    assert settings["n_rows"] == 40


def small_table(tmp_path, labels, name="birds.csv"):
    rows = [f"{i % 2 + i / 60},{i % 7},{label}" for i, label in enumerate(labels)]
    (tmp_path / name).write_text("\n".join(["wing,egg,species", *rows]))
    return tmp_path / name


@pytest.mark.slow
@pytest.mark.parametrize("option", ["text", "categories"])
@pytest.mark.usefixtures("no_report")
def test_a_table_of_words(option, tmp_path):
    moods = ["bad", "good"] * 30
    rows = [f"a {mood} film {i},{i / 60},{mood}" for i, mood in enumerate(moods)]
    (tmp_path / "films.csv").write_text("\n".join(["review,length,mood", *rows]))
    args = ("--data", tmp_path / "films.csv", f"--{option}", "review")
    run(*TINY, *args, "--strategies", "bald,core-set", "--out", tmp_path / "out")
    settings = json.loads((tmp_path / "out/results.json").read_text())["settings"]
    assert settings["n_rows"] == 60
    assert not settings["failures"]


@pytest.mark.slow
def test_a_folder_of_images(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for n in range(20):
            colour = (200, 9 * n, 0) if name == "cat" else (0, 9 * n, 200)
            image.new("RGB", (8, 8), colour).save(tmp_path / "pets" / name / f"{n}.png")
    args = ("--data", tmp_path / "pets", "--pixels", 6, "--strategies", "random")
    run(*TINY, *args, "--out", tmp_path / "out")
    assert (tmp_path / "out/report.html").exists()


@pytest.mark.slow
def test_a_table_with_rows_without_a_label(tmp_path, capsys):
    labels = ["" if i % 3 == 0 else ("owl" if i % 2 else "jay") for i in range(60)]
    args = ("--data", small_table(tmp_path, labels), "--strategies", "core-set")
    with pytest.warns(UserWarning, match="20 of 60 rows of .*birds.csv have no label"):
        run(*TINY, *args, "--out", tmp_path / "out")
    assert "First labels by class: jay: 3, owl: 3" in capsys.readouterr().out
    settings = json.loads((tmp_path / "out/results.json").read_text())["settings"]
    assert settings["first_labels"] == {"jay": 3, "owl": 3}
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "First labels by class: jay: 3, owl: 3." in page
    assert ">None<" not in page


def numbers_table(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        f"{a:.3f},{b:.3f},{'red' if i % 2 else 'blue'},{3 * a - b + i % 2:.3f}"
        for i, (a, b) in enumerate(rng.normal(size=(60, 2)))
    ]
    (tmp_path / "flats.csv").write_text("\n".join(["size,age,colour,price", *rows]))
    return tmp_path / "flats.csv"


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_numbers_are_predicted(tmp_path, capsys):
    data = numbers_table(tmp_path)
    args = ("--data", data, "--target", "price", "--categories", "colour")
    run(*TINY, *args, "--strategies", "lcmd,batch-epig", "--out", tmp_path / "out")
    content = json.loads((tmp_path / "out/results.json").read_text())
    assert content["settings"]["scoring"] == ["neg_root_mean_squared_error", "r2"]
    assert not content["settings"]["failures"]
    assert {"r2", "neg_root_mean_squared_error"} <= set(content["curves"][0])
    assert "neg_root_mean_squared_error" in capsys.readouterr().out


@pytest.mark.slow
def test_whether_it_helps_for_numbers(tmp_path, capsys):
    args = ("--data", "diabetes", "--pool-size", 60, "--out", tmp_path / "out")
    assert cli.main(["does-al-help", *map(str, (*TINY, *args))]) == 0
    said = capsys.readouterr().out
    assert "Does active learning help?" in said
    assert "LCMD" in said
    assert "BatchEPIG" in said


def test_what_is_no_number_and_what_is_for_classes(tmp_path, capsys):
    data = numbers_table(tmp_path)
    for args, words in (
        (("--target", "colour", "--categories", "colour"), "one is 'blue'"),
        (("--target", "price", "--label", "colour"), "name one of them"),
        (("--target", "cost"), "no column 'cost'"),
        (
            (
                "--target",
                "price",
                "--categories",
                "colour",
                "--strategies",
                "probcover",
            ),
            "reads labels as classes",
        ),
        (
            ("--target", "price", "--categories", "colour", "--strategies", "badge"),
            "badge needs predict_proba",
        ),
    ):
        assert words in refused(
            capsys, *TINY, "--data", data, *args, "--out", tmp_path / "out"
        )
    table = small_table(tmp_path, [f"{i / 7:.3f}" for i in range(60)])
    assert "--target" in refused(capsys, *TINY, "--data", table, "--out", tmp_path)


def test_targets_and_single_classes_are_refused(tmp_path, capsys):
    for labels, message in (
        ([f"{i / 7:.3f}" for i in range(60)], "targets of a regression"),
        (["1" if i % 2 else "-1" for i in range(60)], "missing_label=-1"),
        (["owl"] * 60, "one class only"),
    ):
        assert message in refused(
            capsys, *TINY, "--data", small_table(tmp_path, labels), "--out", tmp_path
        )


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_runs_go_by_what_files_hold_not_by_how_their_path_is_spelt(
    tmp_path, monkeypatch
):
    labels = ["owl" if i % 2 else "jay" for i in range(60)]
    path = small_table(tmp_path, labels)
    (tmp_path / "link.csv").symlink_to(path)
    monkeypatch.chdir(tmp_path)
    for data in ("birds.csv", "./birds.csv", path, "link.csv"):
        run(*TINY, "--data", data, "--strategies", "random", "--out", "out")
    assert len(list((tmp_path / "out/runs").iterdir())) == 1
    small_table(tmp_path, labels[::-1])
    run(*TINY, "--data", path, "--strategies", "random", "--out", "out")
    assert len(list((tmp_path / "out/runs").iterdir())) == 2


@pytest.mark.slow
def test_links_in_the_folder_are_replaced_not_followed(tmp_path, images):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "diary.txt").write_text("Dear diary")
    for name in FILES - {"runs"}:
        (out / name).symlink_to(tmp_path / "diary.txt")
    run(*TINY, "--data", images, "--strategies", "random", "--out", out)
    assert (tmp_path / "diary.txt").read_text() == "Dear diary"
    assert {path.name for path in out.iterdir()} == FILES
    assert not any(path.is_symlink() for path in out.iterdir())


@pytest.mark.slow
def test_a_folder_in_the_place_of_a_file_is_an_error(tmp_path, images, capsys):
    (tmp_path / "out/report.html").mkdir(parents=True)
    said = refused(
        capsys,
        *(*TINY, "--data", images, "--strategies", "random"),
        *("--out", tmp_path / "out"),
    )
    assert "report.html" in said
    assert {path.name for path in (tmp_path / "out").iterdir()} <= FILES


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_small_images_are_vectors_to_an_mlp(tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 3), dtype=np.uint8)
    np.savez(tmp_path / "small.npz", X=pixels, y=np.arange(40) % 2)
    args = ("--data", tmp_path / "small.npz", "--strategies", "random")
    run(*TINY, *args, "--out", tmp_path / "out")
    assert "4 pixels a side" in refused(capsys, *args, "--model", "cnn")


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_test_data_are_used_and_can_be_limited(tmp_path, images):
    for limit, n_test in (((), 20), (("--test-size", 5), 5), (("--test-size", 0.3), 6)):
        args = ("--data", images, "--strategies", "random", *limit)
        run(*TINY, *args, "--out", tmp_path / "out")
        results = json.loads((tmp_path / "out/results.json").read_text())
        assert results["settings"]["test_size"] == n_test
        assert results["settings"]["n_rows"] == 40


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_the_same_command_goes_on_and_another_starts_anew(tmp_path, images):
    args = (*TINY, "--data", images, "--out", tmp_path)
    run(*args, "--strategies", "random")
    [folder] = (tmp_path / "runs").iterdir()
    stored = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run(*args, "--strategies", "core-set", "--repeats", 3)
    assert [folder] == list((tmp_path / "runs").iterdir())
    assert {path: path.read_bytes() for path in stored} == stored
    assert len(list(folder.glob("*/*.jsonl"))) == 6
    run(*args, "--strategies", "random", "--lr", 0.1)
    assert len(list((tmp_path / "runs").iterdir())) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_a_path_may_be_spelled_in_many_ways(tmp_path, images, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linked.npz").symlink_to(images)
    for path in (images, "images.npz", "./images.npz", "linked.npz"):
        run(*TINY, "--data", path, "--strategies", "random", "--out", tmp_path)
    assert len(list((tmp_path / "runs").iterdir())) == 1


@pytest.mark.slow
def test_metrics_conditions_and_a_reference_line(tmp_path, images):
    args = [
        *("--data", images, "--strategies", "random", "--out", tmp_path),
        *("--metrics", "balanced_accuracy, neg_ece", "--initial", "random"),
        *("--retrain", "warm", "--label-noise", 0.2, "--copies", 2),
        *("--copy-noise", 0.3),
    ]
    run(*TINY, *args)
    run(*TINY, *args, "--full-data")  # goes on: the line is all that is new
    assert len(list((tmp_path / "runs").iterdir())) == 1
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["metrics"] == ["balanced_accuracy", "neg_ece"]
    wanted = {
        "initial": "random",
        "retrain": "warm",
        "label_noise": 0.2,
        "n_copies": 2,
        "copy_noise": 0.3,
        "references": {"full data": "None"},
    }
    assert {name: results["settings"][name] for name in wanted} == wanted
    assert "full data (80 labels)" in (tmp_path / "report.html").read_text("utf-8")


def test_defaults_are_those_of_the_function(tmp_path, images, monkeypatch):
    def stop(*args, **params):
        raise ValueError(repr({name: params[name] for name in shared}))

    signature = inspect.signature(compare_strategies).parameters
    shared = ("initial", "retrain", "label_noise", "n_copies", "copy_noise")
    wanted = {name: signature[name].default for name in shared}
    monkeypatch.setattr(_job, "compare_strategies", stop)
    with pytest.raises(ValueError, match=re.escape(repr(wanted))):
        _job.compare(cli.build_parser().parse_args(["compare"]))


@pytest.mark.slow
def test_does_al_help(tmp_path, images, capsys):
    """The answer in words, its reasons unless they are not wanted, and the report."""
    arguments = [*TINY, "--data", str(images), "--out", str(tmp_path / "answer")]
    for option in ([], ["--no-reasons"]):  # the second goes on where the first ended
        assert cli.main(["does-al-help", *arguments, *option]) == 0
        printed = capsys.readouterr().out
        assert printed.startswith("Does active learning help? ")
        assert ("Why it did not help" in printed) == (not option)
        assert {path.name for path in (tmp_path / "answer").iterdir()} == FILES
        report = (tmp_path / "answer/report.html").read_text("utf-8")
        assert "Badge" in report  # strategies by default: one of each kind
        assert printed.splitlines()[0].partition("? ")[2] in report
        comparison = json.loads((tmp_path / "answer/results.json").read_text())
        assert comparison["settings"]["data"] == "images"


def test_does_al_help_names_what_is_wrong(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["does-al-help", "--data", "nowhere.csv"])
    assert caught.value.code == 2
    assert "nowhere.csv" in capsys.readouterr().err


def test_search_is_asked_for(monkeypatch):
    asked = []

    def stop(*args, **params):
        asked.append(params["search"])
        raise ValueError("asked")

    monkeypatch.setattr(_job, "compare_strategies", stop)
    for arguments in (["compare"], ["compare", "--search"]):
        with pytest.raises(ValueError, match="asked"):
            _job.compare(cli.build_parser().parse_args(arguments))
    assert asked == [False, True]


def test_choices_are_those_of_the_learner():
    parser = cli.build_parser()
    for name in ("initial", "retrain"):
        [allowed] = SimulatedActiveLearner._parameter_constraints[name]
        for value in allowed.options:
            assert parser.parse_args(["compare", f"--{name}", value])


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path, images, capsys):
    (tmp_path / "report").write_text("")
    assert str(tmp_path / "report") in refused(
        capsys, *TINY, "--data", images, "--out", tmp_path / "report"
    )


def test_an_interruption_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def interrupt(*args, **params):
        raise KeyboardInterrupt

    monkeypatch.setattr(_job, "compare_strategies", interrupt)
    with pytest.raises(SystemExit) as caught:
        run("--out", tmp_path)
    assert caught.value.code == 130
    assert "same command goes on" in capsys.readouterr().err


def test_help_shows_groups_defaults_and_examples(capsys):
    with pytest.raises(SystemExit) as caught:
        run("--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    groups = ("data", "active learning", "harder conditions", "model", "running")
    for part in (*(f"{group}:" for group in groups), "examples:"):
        assert part in text
    words = " ".join(text.split())
    assert "(default: digits)" in words
    assert "(default: 0)" in words
    assert "BatchBALD" in words
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.slow
def test_strategies_are_those_of_the_package():
    known = cli.known_strategies()
    assert {"BALD", "BatchBALD", "Badge", "CoreSet", "VAAL"} <= set(known)
    assert set(known) <= set(pool.__all__)
    for name in known:
        for spelling in (name, name.lower(), name.upper(), f"{name[0]}-{name[1:]}"):
            assert type(cli.strategies(spelling)[spelling]) is known[name]


def test_strategies_that_ask_for_more_than_the_model_offers_are_not_offered(capsys):
    args = cli.build_parser().parse_args(["compare"])
    for shape in ((2, 64), (2, 1, 8, 8)):
        model = as_model(cli.estimator(args, np.zeros(shape)))
        for name, strategy in cli.known_strategies().items():
            needs = strategy()._needs
            assert all(isinstance(model, need) for need in needs), name
    assert "no strategy 'deal'; choose from" in refused(capsys, "--strategies", "deal")


def test_a_model_that_cannot_answer_is_an_error_in_words(capsys, monkeypatch, images):
    def ask(*args, **params):
        raise CapabilityError("DEAL needs predict_evidence of clf")

    monkeypatch.setattr(_job, "compare_strategies", ask)
    said = refused(capsys, "--data", images)
    assert said == "python -m skal_deep: error: DEAL needs predict_evidence of clf\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("--strategies", "bald,magic"),
            "'magic'; choose from random, A",
        ),
        (("--strategies", ","), "at least one"),
        (("--data", "nowhere"), "digits, fashion-mnist"),
        (("--model", "transformer"), "auto"),
        (("--model", "cnn"), "--model mlp"),
        (("--metrics", "acc"), "'accuracy'? Metrics are"),
        (("--metrics", "accuracy,accuracy"), "none twice"),
        (("--metrics", ","), "at least one metric"),
        (("--label-noise", "1"), "from 0 to below 1"),
        (("--copies", "0"), "from 1 up"),
        (("--copy-noise", "-1"), "a number from 0 up"),
        (("--retrain", "cold"), "shrink_perturb"),
        (("--initial", "best"), "stratified"),
        (("--repeats", "0"), "from 1 up"),
        (("--epochs", "many"), "from 1 up"),
        (("--lr", "-1"), "above 0"),
        (("--dropout", "1"), "between 0 and 1"),
        (("--test-size", "x"), "between 0 and 1"),
        (("--label", "a"), ".csv"),
        (("--jobs", "0"), "-1 or a whole number"),
        (("--seed", "-1"), "from 0 up"),
        (("--strategies", "bald,BALD"), "'bald' and 'BALD' are the same strategy"),
        (("--strategies", "core-set,badge,CoreSet"), "name it once"),
        (("--device", "nope"), "torch does not compute on 'nope' here"),
        (("--device", "meta"), "torch does not compute on 'meta' here"),
        (("--device", "cuda:99"), "use cpu"),
        (("--device", ""), "use cpu"),
        (("--metrics", "f1"), "Use 'f1_macro'"),
    ],
    ids=" ".join,
)
def test_bad_arguments_say_what_is_allowed(capsys, args, message):
    assert message in refused(capsys, *args)


def test_the_net_follows_the_shape_of_the_data():
    args = cli.build_parser().parse_args(["compare"])
    assert isinstance(cli.estimator(args, np.zeros((2, 64))).net, NeuralNetClassifier)
    assert cli.estimator(args, np.zeros((2, 64))).net.module is MLP
    assert cli.estimator(args, np.zeros((2, 1, 8, 8))).net.module is ConvNet
    args = cli.build_parser().parse_args(["compare", "--model", "mlp"])
    assert cli.estimator(args, np.zeros((2, 1, 8, 8))).net.module is MLP


def test_python_m(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["skal_deep", "--help"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("skal_deep", run_name="__main__", alter_sys=True)
    assert caught.value.code == 0
    assert "compare" in capsys.readouterr().out


def pets(tmp_path, n_each=20):
    image = pytest.importorskip("PIL.Image")
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for n in range(n_each):
            colour = (200, 9 * n, 0) if name == "cat" else (0, 9 * n, 200)
            size = (8 + n % 3, 8)  # which a net could not take as they are
            image.new("RGB", size, colour).save(tmp_path / "pets" / name / f"{n}.png")
    return tmp_path / "pets"


def colours_of_files(paths):
    image = pytest.importorskip("PIL.Image")
    return [image.open(path).getpixel((0, 0)) for path in paths]


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["pixels", "test_cli:colours_of_files"])
@pytest.mark.usefixtures("no_report")
def test_a_folder_embedded_first(backbone, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    args = ("--data", pets(tmp_path), "--backbone", backbone, "--strategies", "bald")
    run(*TINY, *args, "--out", tmp_path / "out")
    settings = json.loads((tmp_path / "out/results.json").read_text())["settings"]
    assert settings["n_rows"] == 40
    assert not settings["failures"]


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_a_backbone_computes_once(tmp_path, monkeypatch):
    rows, own = [], _extractors.loaded

    class Means(torch.nn.Module):
        def forward(self, x):
            rows.append(len(x))
            return x.mean((2, 3))

    def loaded(spec):
        return Means() if spec == "timm:means" else own(spec)

    monkeypatch.setattr(_extractors, "loaded", loaded)
    args = ("--data", pets(tmp_path), "--backbone", "timm:means")
    run(*TINY, *args, "--strategies", "random", "--out", tmp_path / "out")
    n_once = sum(rows)
    assert n_once >= 40
    run(*TINY, *args, "--strategies", "random,bald", "--out", tmp_path / "out")
    assert sum(rows) == n_once


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--data", "digits", "--backbone", "pixels"], "folder of images"),
        (["--data", "t.csv", "--backbone", "tfidf"], "needs --text"),
        (["--data", "t.csv", "--text", "a", "--backbone", "pixels"], "takes items"),
        (["--data", "p", "--pixels", "8", "--backbone", "pixels"], "leave --pixels"),
        (["--data", "t.csv", "--text", "a", "--backbone", "magic"], "no features"),
    ],
)
def test_backbones_that_do_not_fit(args, message, tmp_path, monkeypatch, capsys):
    (tmp_path / "t.csv").write_text("a,b\nx y,0\ny z,1\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        cli.main(["compare", *args])
    assert message in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_texts_embedded_first(tmp_path):
    lines = [f"a {m} film {i},{m}" for i, m in enumerate(["bad", "good"] * 30)]
    (tmp_path / "films.csv").write_text("\n".join(["review,mood", *lines]))
    args = ("--data", tmp_path / "films.csv", "--text", "review", "--backbone", "tfidf")
    run(*TINY, *args, "--strategies", "core-set", "--out", tmp_path / "out")
    assert (tmp_path / "out/report.html").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("no_report")
def test_a_table_with_gaps_and_large_units(tmp_path):
    lines = [f"{'' if i % 5 == 0 else 1e6 * (i % 2)},{i % 2}" for i in range(60)]
    (tmp_path / "prices.csv").write_text("\n".join(["price,sold", *lines]))
    args = ("--data", tmp_path / "prices.csv", "--strategies", "random")
    with pytest.warns(UserWarning, match="12 of 60 numbers"):
        run(*TINY, *args, "--out", tmp_path / "out")
    settings = json.loads((tmp_path / "out/results.json").read_text())["settings"]
    assert not settings["failures"]


def priced_table(tmp_path, *costs):
    rng = np.random.default_rng(0)
    rows = [
        f"{i % 2 + rng.random()},{costs[i % len(costs)]},{'owl' if i % 2 else 'jay'}"
        for i in range(60)
    ]
    path = tmp_path / "birds.csv"
    path.write_text("\n".join(["wing,minutes,species", *rows]))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("budget", [None, 5.0])
def test_labels_that_cost(tmp_path, budget):
    """The costs are those of the rows that are drawn, and are no input."""
    data = priced_table(tmp_path, 1, 2, 4)
    args = ["--data", data, "--cost", "minutes", "--pool-size", 50, "--batch-size", 4]
    args += [] if budget is None else ["--budget", budget]
    args += ["--strategies", "margin-sampling"]
    assert run(*TINY, *args, "--out", tmp_path / "out") == 0
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results["settings"].get("axis") == (budget and "cost")
    assert results["settings"].get("budget") == budget
    [at_once] = (tmp_path / "out/runs").iterdir()
    rounds = [
        json.loads(line)
        for path in at_once.rglob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    played = [each for each in rounds if "indices" in each]
    assert played
    with data.open() as file:
        table = list(csv.DictReader(file))
    rows = np.random.default_rng(0).permutation(60)[:50]
    cost = [float(table[row]["minutes"]) for row in rows]
    spent = {}
    for each in played:
        key = each["strategy"], each["repeat"]
        spent[key] = spent.get(key, 0) + sum(cost[row] for row in each["indices"])
        assert each["cost"] == spent[key]


@pytest.mark.slow
def test_does_al_help_within_a_budget(tmp_path, capsys):
    data = priced_table(tmp_path, 1, 2, 4)
    args = ["--data", data, "--cost", "minutes", "--budget", 6, "--out", tmp_path / "o"]
    assert cli.main(["does-al-help", *map(str, (*TINY, *args))]) == 0
    assert "a cost of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--budget", 5), "--budget needs --cost"),
        (("--cost", "hours"), "no column 'hours'"),
        (("--cost", "species"), "both the labels and what they cost"),
        (("--cost", "minutes", "--budget", 3), "the dearest costs 4"),
        (("--cost", "minutes", "--budget", 0), "a number above 0"),
        (("--cost", "minutes", "--budget", 9, "--full-data"), "leave these out"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_costs_that_cannot_be(capsys, tmp_path, args, message):
    data = priced_table(tmp_path, 1, 2, 4)
    assert message in refused(
        capsys, *TINY, "--data", data, *args, "--out", tmp_path / "out"
    )


@pytest.mark.parametrize("cost", ["", "nan", -1, 0])
def test_costs_of_a_file_that_are_none(capsys, tmp_path, cost):
    data = priced_table(tmp_path, 1, cost)
    said = refused(capsys, "--data", data, "--cost", "minutes", "--out", tmp_path / "o")
    assert "must be positive numbers" in said
    with pytest.raises(SystemExit) as caught:
        cli.main(["does-al-help", "--data", str(data), "--cost", "minutes"])
    assert caught.value.code == 2


@pytest.mark.slow
def test_columns_of_arrow(tmp_path):
    """Decimals, a dictionary and gaps of a Parquet file, as classes and as numbers."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rng = np.random.default_rng(0)
    size = rng.normal(size=60)
    table = {
        "size": pa.array([None if i == 7 else v for i, v in enumerate(size)]),
        "rent": pa.array([Decimal(f"{v:.4f}") for v in 2 * size + rng.normal(size=60)]),
        "town": pa.array([["a", "b", None][i % 3] for i in range(60)]),
        "kind": pa.array(["flat" if v > 0 else "house" for v in size]),
    }
    table["town"] = table["town"].dictionary_encode()
    parquet.write_table(pa.table(table), tmp_path / "flats.parquet")
    args = ("--data", tmp_path / "flats.parquet", "--strategies", "core-set")
    for wanted in (
        ("--categories", "town"),
        ("--target", "rent", "--categories", "town,kind"),
    ):
        with pytest.warns(UserWarning, match=r"1 of .* numbers .* are missing"):
            assert run(*TINY, *args, *wanted, "--out", tmp_path / wanted[-1]) == 0
        results = json.loads((tmp_path / wanted[-1] / "results.json").read_text())
        assert not results["settings"]["failures"]
