"""Rare classes in a study: recall of each class, the positive class, warnings."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer, recall_score

from skal_deep import cli
from skal_deep.evaluation import compare_strategies
from skal_deep.evaluation._metrics import RecallOf, with_recalls
from skal_deep.pool import MarginSampling

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3)).astype(np.float32)
WORDS = np.where(X[:, 0] > 1, "spam", np.where(X[:, 1] > 0, "ham", "news"))
OPTIONS = {
    "n_repeats": 2,
    "n_initial": 10,
    "batch_size": 5,
    "n_cycles": 1,
    "missing_label": None,
    "progress": False,
    "random_state": 0,
}


@pytest.mark.slow
def test_recall_of_each_class(tmp_path):
    comparison = compare_strategies(
        [MarginSampling(missing_label=None)],
        LogisticRegression(),
        X,
        WORDS,
        scoring=["balanced_accuracy", "recall_by_class"],
        run_dir=tmp_path / "run",
        **OPTIONS,
    )
    recalls = [f"recall of {name}" for name in ("ham", "news", "spam")]
    assert list(comparison.metrics) == ["balanced_accuracy", *recalls]
    mean = np.mean([comparison.curve("random", name) for name in recalls], axis=0)
    np.testing.assert_allclose(mean, comparison.curve("random"))
    comparison.to_html(tmp_path / "report.html", X, WORDS)
    page = (tmp_path / "report.html").read_text()
    assert "Recall of each class at the end" in page
    assert "recall of spam</" not in page  # no figure for each


def test_recall_is_that_of_scikit_learn():
    y = np.array(["a", "b", "b", "b"])
    clf = LogisticRegression().fit([[0], [1], [2], [3]], ["a", "a", "b", "b"])
    rows = [[0], [1], [2], [3]]
    expected = recall_score(y, clf.predict(rows), labels=["b"], average=None)[0]
    assert RecallOf("b")(clf, rows, y) == expected
    assert np.isnan(RecallOf("c")(clf, rows, y))


@pytest.mark.parametrize(
    ("scoring", "classes", "words"),
    [
        ("recall_by_class", [0, 1], "begin with the metric that is compared"),
        (["recall_by_class", "accuracy"], [0, 1], "begin with the metric"),
        (["r2", "recall_by_class"], [], "a regressor knows none"),
    ],
)
def test_recalls_that_cannot_be(scoring, classes, words):
    with pytest.raises(ValueError, match=words):
        with_recalls(scoring, classes)


def test_other_metrics_are_left_alone():
    for scoring in ("accuracy", ["accuracy"], {"a": "accuracy"}, len):
        assert with_recalls(scoring, [0, 1]) is scoring
    named = with_recalls({"a": "accuracy", "r": "recall_by_class"}, [0, 1])
    assert named == {
        "a": "accuracy",
        "recall of 0": RecallOf(0),
        "recall of 1": RecallOf(1),
    }


def test_a_positive_class_of_words():
    y = np.where(WORDS == "spam", "spam", "other")
    scorer = make_scorer(f1_score, pos_label="spam")
    study = [MarginSampling(missing_label=None)], LogisticRegression(), X, y
    comparison = compare_strategies(*study, scoring={"f1": scorer}, **OPTIONS)
    assert np.isfinite(comparison.curve("random")).all()
    with pytest.raises(ValueError, match=r"make_scorer.*pos_label"):
        compare_strategies(*study, scoring="f1", **OPTIONS)


def test_accuracy_of_a_rare_class_is_warned_of():
    y = (np.arange(120) % 20 == 0).astype(int)
    options = OPTIONS | {"missing_label": -1, "initial": "random"}
    study = [MarginSampling()], LogisticRegression(), X, y
    with pytest.warns(UserWarning, match=r"95.0% of the rows are of class 0.*balanced"):
        compare_strategies(*study, **options)
    compare_strategies(*study, scoring="balanced_accuracy", **options)


@pytest.mark.slow
def test_the_command_line_names_the_positive_class(tmp_path, capsys):
    kinds = np.where(WORDS == "spam", "spam", "ham")
    lines = [f"{a},{b},{kind}" for (a, b, _), kind in zip(X, kinds, strict=True)]
    (tmp_path / "mail.csv").write_text("\n".join(["a,b,kind", *lines]))
    args = [
        *("compare", "--data", str(tmp_path / "mail.csv"), "--strategies", "random"),
        *("--repeats", "2", "--cycles", "1", "--epochs", "2", "--samples", "2"),
        *("--jobs", "1", "--quiet", "--out", str(tmp_path / "out")),
        *("--metrics", "f1,recall_by_class"),
    ]
    with pytest.raises(SystemExit):
        cli.main(args)
    assert "say which by --positive, ham or spam" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main([*args, "--positive", "eggs"])
    assert "one of ham, spam" in capsys.readouterr().err
    cli.main([*args, "--positive", "ham"])
    curves = json.loads((tmp_path / "out/results.json").read_text())["curves"]
    assert {"f1", "recall of ham", "recall of spam"} <= curves[0].keys()
    assert curves[0]["f1"] > 0
