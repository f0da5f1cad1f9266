"""Runs that are kept on disk: killed, continued, refused, replayed."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import joblib
import numpy as np
import pytest
from forked import Forked
from skactiveml.classifier import ParzenWindowClassifier
from skactiveml.pool import UncertaintySampling
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from support import MAKERS, make_net, read_only
from torch import nn

from skal_deep.evaluation import compare_strategies, replay
from skal_deep.evaluation._metrics import MEASURED
from skal_deep.evaluation.comparison._run_directory import RunDirectory
from skal_deep.identity._values import fingerprint, plain
from skal_deep.pool import BALD, CoreSet

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)


def compare(run_dir=None, strategies=None, estimator=None, **params):
    defaults = {"n_repeats": 2, "n_cycles": 3, "batch_size": 5, "random_state": 0}
    return compare_strategies(
        {"core/set": CoreSet(), "bald": BALD()} if strategies is None else strategies,
        MAKERS["dropout"](make_net(max_epochs=2)) if estimator is None else estimator,
        X,
        y,
        run_dir=run_dir,
        progress=False,
        **(defaults | params),
    )


def results(comparison):
    """Everything but times and memory."""
    curves = [
        {key: value for key, value in row.items() if key not in MEASURED}
        for row in comparison.curves
    ]
    return curves, comparison.picks


def lines(run_dir):
    """Whole lines on disk."""
    return sum(file.read_bytes().count(b"\n") for file in run_dir.glob("*/*.jsonl"))


class Watched(ParzenWindowClassifier):
    """Counts its fits."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        Watched.n_fits += 1
        return super().fit(X, y, sample_weight)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run."""
    run_dir = tmp_path_factory.mktemp("whole")
    return compare(run_dir), run_dir


@pytest.fixture(scope="module", params=["scratch", "warm"])
def repeat_of(request, tmp_path_factory):
    """An uninterrupted run of one repeat, and how its nets are trained."""
    run_dir = tmp_path_factory.mktemp(request.param)
    return compare(run_dir, n_repeats=1, retrain=request.param), run_dir, request.param


class TestRows:
    @pytest.mark.slow
    def test_a_run_directory_changes_no_result(self, whole):
        assert results(whole[0]) == results(compare())

    def test_one_row_for_each_round(self, whole):
        comparison, run_dir = whole
        run = RunDirectory(run_dir)
        assert len(run.jobs()) == 6
        rows = [row for job in sorted(run.jobs()) for row in run.rows(*job)]
        assert len(rows) == len(comparison.curves) == 24
        for row in rows:
            assert {"accuracy", "seconds_fit", "seconds_query"} < set(row)
            assert row["peak_megabytes"] > 1
            assert row["versions"]["torch"]
            assert set(row["seeds"]) == {"repeat", "model", "strategy"}
            assert row["configuration"] == run.hash_of(row["strategy"])
            assert len(row["indices"]) == (5 if row["stage"] else 10)
        assert len({row["configuration"] for row in rows}) == 3

    def test_seeds_are_of_repeat_and_round_and_never_of_the_strategy(self, whole):
        run, seeds = RunDirectory(whole[1]), {}
        for name, repeat in run.jobs():
            for row in run.rows(name, repeat):
                key = (repeat, row["stage"])
                assert seeds.setdefault(key, row["seeds"]) == row["seeds"]
        drawn = [
            s[purpose] for s in seeds.values() for purpose in ("model", "strategy")
        ]
        assert len(set(drawn)) == 2 * len(seeds)

    def test_picks_are_those_on_disk(self, whole):
        comparison, run_dir = whole
        for row, pick in zip(comparison.curves, comparison.picks, strict=True):
            stored = RunDirectory(run_dir).rows(row["strategy"], row["repeat"])
            assert stored[row["stage"]]["indices"] == pick["indices"]
            key = ("strategy", "repeat", "stage")
            assert [row[k] for k in key] == [pick[k] for k in key]


class TestResume:
    @pytest.mark.slow
    def test_a_finished_run_fits_nothing(self, tmp_path):
        params = {"strategies": [UncertaintySampling()], "estimator": Watched()}
        first = compare(tmp_path, **params)
        Watched.n_fits, before = 0, lines(tmp_path)
        again = compare(tmp_path, **params)
        assert Watched.n_fits == 0
        assert lines(tmp_path) == before
        assert again.curves == first.curves  # times, too

    @pytest.mark.slow
    @pytest.mark.parametrize("n_cycles", [3, 2])
    def test_what_was_played_is_read_where_nothing_can_be_written(self, n_cycles):
        params = {"strategies": [CoreSet()], "estimator": LogisticRegression()}
        params["references"] = {"tree": DecisionTreeClassifier(random_state=0)}
        with TemporaryDirectory() as name:
            expected = compare(name, n_cycles=n_cycles, **params)
            compare(name, n_cycles=3, **params)
            if n_cycles < 3:  # killed while it wrote a round that is not asked for
                for file in Path(name).glob("*/*.jsonl"):
                    file.write_bytes(file.read_bytes()[:-9])
            with read_only(name):
                again = compare(name, n_cycles=n_cycles, **params)
                with pytest.raises(PermissionError, match=re.escape(name)):
                    compare(name, n_cycles=4, **params)
            assert results(again) == results(expected)

    @pytest.mark.slow
    @pytest.mark.parametrize("cut", [0, 1, 2, 3])
    def test_goes_on_after_any_round(self, tmp_path, repeat_of, cut):
        expected, run_dir, retrain = repeat_of
        shutil.copytree(run_dir, tmp_path, dirs_exist_ok=True)
        for file in tmp_path.glob("*/*.jsonl"):
            whole_lines = file.read_bytes().splitlines(keepends=True)
            file.write_bytes(b"".join(whole_lines[:cut]) + whole_lines[cut][:25])
        assert results(compare(tmp_path, n_repeats=1, retrain=retrain)) == results(
            expected
        )
        assert lines(tmp_path) == 12

    def test_from_scratch_only_the_last_round_is_fitted_again(self, tmp_path):
        params = {"strategies": {}, "estimator": Watched(), "n_repeats": 1}
        compare(tmp_path, n_cycles=3, **params)
        Watched.n_fits = 0
        compare(tmp_path, n_cycles=5, **params)
        assert Watched.n_fits == 3

    @pytest.mark.slow
    def test_more_strategies_repeats_and_cycles(self, tmp_path, whole):
        compare(tmp_path, {"bald": BALD()}, n_repeats=1, n_cycles=1)
        assert results(compare(tmp_path)) == results(whole[0])
        small = compare(tmp_path, {"bald": BALD()}, n_repeats=1, n_cycles=1)
        assert len(small.curves) == 4

    @pytest.mark.slow
    def test_single_repeats_are_collected(self, tmp_path, whole):
        for repeat in (1, 0):
            part = compare(tmp_path, n_repeats=[repeat])
            assert {row["repeat"] for row in part.curves} == {repeat}
        assert results(compare(tmp_path)) == results(whole[0])

    @pytest.mark.slow
    def test_no_seed_takes_that_of_the_run(self, tmp_path):
        params = {"estimator": ParzenWindowClassifier(), "random_state": None}
        first = compare(tmp_path, n_repeats=1, **params)
        assert compare(tmp_path, n_repeats=1, **params).curves == first.curves

    @pytest.mark.slow
    def test_two_writers_leave_each_round_once(self, tmp_path, whole):
        shutil.copytree(whole[1], tmp_path, dirs_exist_ok=True)
        for file in tmp_path.glob("*/*.jsonl"):
            file.write_bytes(file.read_bytes() * 2)
        assert results(compare(tmp_path)) == results(whole[0])

    @pytest.mark.slow
    def test_a_gap_is_an_error(self, tmp_path):
        compare(tmp_path, {}, n_repeats=1)
        [file] = tmp_path.glob("*/*.jsonl")
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[1:]))
        with pytest.raises(ValueError, match="lacks rounds"):
            compare(tmp_path, {}, n_repeats=1)

    @pytest.mark.slow
    def test_on_every_backend(self, tmp_path, whole):
        for backend in ("threading", "loky", "multiprocessing"):
            with joblib.parallel_config(backend=backend, n_jobs=2):
                assert results(compare(tmp_path / backend)) == results(whole[0])
        with joblib.parallel_config(backend="loky", n_jobs=2):
            assert results(compare()) == results(whole[0])


class TestRefusal:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"n_initial": 9}, "n_initial: 10 in the run, 9 now"),
            ({"random_state": 1}, "random_state: 0 in the run, 1 now"),
            (
                {"strategies": {"bald": BALD(n_samples=7)}},
                "says bald.strategy.json:\n.*n_samples: null .*, 7 now",
            ),
            ({"strategies": {"bald": CoreSet()}}, "class: .*BALD.*CoreSet"),
            (
                {"estimator": MAKERS["dropout"](make_net(max_epochs=3))},
                "estimator__net__max_epochs: 2 in the run, 3 now",
            ),
            ({"estimator": LogisticRegression()}, "estimator__C: nothing .*1.0 now"),
            ({"scoring": "neg_log_loss"}, 'scoring: "accuracy".*"neg_log_loss" now'),
            ({"X_test": X, "y_test": y}, "X_test: null"),
        ],
        ids=range(8),
    )
    def test_a_changed_configuration_is_refused(self, whole, params, message):
        before = lines(whole[1])
        with pytest.raises(ValueError, match=f"made otherwise(.|\n)*{message}"):
            compare(whole[1], **params)
        assert lines(whole[1]) == before

    def test_changed_data_are_refused(self, whole):
        with pytest.raises(ValueError, match=r"y: \"int64\[150\]"):
            compare_strategies(
                {}, ParzenWindowClassifier(), X, 2 - y, run_dir=whole[1], progress=False
            )

    def test_before_the_first_round_it_may_change(self, tmp_path):
        params = {"strategies": {}, "estimator": ParzenWindowClassifier()}
        with pytest.raises(ValueError, match="n_initial"):
            compare(tmp_path, n_initial=0, **params)
        assert compare(tmp_path, **params).curves

    def test_values_decide_a_description(self):
        layer = nn.Linear(2, 2)
        before = plain(layer)
        assert before == plain(layer)
        layer.weight.data += 1
        assert plain(layer) != before
        assert plain({"a", "b"}) == plain({"b", "a"})
        assert plain(np.float64(0.5)) == 0.5
        assert plain(lambda: 0).endswith("<lambda>")
        assert plain([BALD(n_samples=3)]) != plain([BALD(n_samples=4)])
        assert json.loads(json.dumps(plain(make_net().get_params())))
        big = np.arange(6).reshape(3, 2)
        assert fingerprint(big) == fingerprint(np.asfortranarray(big))
        assert fingerprint(big) != fingerprint(big.reshape(2, 3))
        words = np.array(["a", "b"], dtype=object)
        assert fingerprint(words) != fingerprint(words[::-1])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("retrain", ["scratch", "warm"])
def test_killed_at_random_moments_and_run_again(tmp_path, retrain):
    params = {"n_cycles": 8, "n_repeats": 1, "retrain": retrain}
    rng = np.random.default_rng(0)
    for _ in range(3):  # each after its next round or so
        n_lines = lines(tmp_path)
        child = Forked(lambda: compare(tmp_path, **params))
        child.wait_until(lambda n_lines=n_lines: lines(tmp_path) > n_lines)
        time.sleep(rng.uniform(0, 0.1))
        assert child.end() == -signal.SIGKILL
    assert results(compare(tmp_path, **params)) == results(compare(**params))
    assert lines(tmp_path) == 3 * 9


class TestReplay:
    @pytest.mark.slow
    def test_the_same_model_gives_the_same_scores(self, whole):
        again = replay(
            whole[1],
            X,
            y,
            estimator=MAKERS["dropout"](make_net(max_epochs=2)),
            scoring=["neg_log_loss", "accuracy"],
            progress=False,
        )
        assert again.metrics == ("neg_log_loss", "accuracy")
        for name in whole[0].strategies:
            np.testing.assert_array_equal(
                again.curve(name, "accuracy"), whole[0].curve(name)
            )
            assert np.isfinite(again.curve(name)).all()
        assert again.picks == sorted(
            whole[0].picks, key=lambda p: (p["repeat"], p["strategy"])
        )

    @pytest.mark.slow
    def test_a_report_of_a_replay(self, whole, tmp_path):
        again = replay(whole[1], X, y, estimator=LogisticRegression(), progress=False)
        assert again.settings["n_repeats"] == 2
        again.to_html(tmp_path / "report.html")
        again.to_json(tmp_path / "results.json")
        assert "LogisticRegression" in (tmp_path / "report.html").read_text("utf-8")

    @pytest.mark.slow
    def test_transfer_to_a_second_model(self, whole):
        transfer = replay(
            whole[1], X, y, estimator=LogisticRegression(), progress=False
        )
        run = RunDirectory(whole[1])
        rows = np.concatenate([row["indices"] for row in run.rows("core/set", 1)])
        model = LogisticRegression().fit(X[rows], y[rows])
        start = next(p["indices"] for p in transfer.picks if p["repeat"] == 1)
        assert set(start) <= set(rows)
        score = transfer.curve("core/set")[1, -1]
        aside = 38
        assert score * aside == pytest.approx(round(score * aside))
        given = replay(
            whole[1],
            X,
            y,
            estimator=LogisticRegression(),
            X_test=X,
            y_test=y,
            progress=False,
        )
        assert given.curve("core/set")[1, -1] == model.score(X, y)

    @pytest.mark.slow
    def test_other_inputs_but_not_other_rows(self, whole):
        params = {"estimator": LogisticRegression(), "progress": False}
        assert replay(whole[1], X[:, :2], y, **params).curves
        with pytest.raises(ValueError, match="y is not that of the run"):
            replay(whole[1], X[:-1], y[:-1], **params)

    @pytest.mark.slow
    def test_test_data_are_needed_again(self, tmp_path):
        clf, data = LogisticRegression(), {"X_test": X[::2], "y_test": y[::2]}
        first = compare(tmp_path, [CoreSet()], clf, **data)
        with pytest.raises(ValueError, match="give X_test"):
            replay(tmp_path, X, y, estimator=clf, progress=False)
        again = replay(tmp_path, X, y, estimator=clf, progress=False, **data)
        np.testing.assert_array_equal(again.curve("CoreSet"), first.curve("CoreSet"))

    @pytest.mark.slow
    def test_harder_conditions_are_those_of_the_run(self, tmp_path):
        clf = LogisticRegression()
        first = compare(tmp_path, [CoreSet()], clf, n_copies=2, label_noise=0.3)
        again = replay(tmp_path, X, y, estimator=clf, progress=False)
        np.testing.assert_array_equal(again.curve("CoreSet"), first.curve("CoreSet"))
        assert max(max(pick["indices"]) for pick in first.picks) < 150
        rows = RunDirectory(tmp_path).rows("CoreSet", 0)
        assert max(max(row["indices"]) for row in rows) >= 150

    @pytest.mark.slow
    def test_what_cannot_be_replayed(self, tmp_path):
        params = {"estimator": LogisticRegression(), "progress": False}
        with pytest.raises(ValueError, match="no run"):
            replay(tmp_path / "nowhere", X, y, **params)
        compare(tmp_path, {"bald": BALD()}, n_repeats=1)
        file = next(tmp_path.glob("bald/*.jsonl"))
        file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
        with pytest.raises(ValueError, match="not finished"):
            replay(tmp_path, X, y, **params)
