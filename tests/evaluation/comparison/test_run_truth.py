"""Run directories that cannot lie: what is read is what was played, or an error."""

import errno
import importlib
import json
import os
import shutil
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from skactiveml.classifier import ParzenWindowClassifier
from skactiveml.pool import UncertaintySampling
from sklearn.datasets import load_iris
from sklearn.metrics import make_scorer

from skal_deep.evaluation import _journal as journal
from skal_deep.evaluation import compare_strategies, replay
from skal_deep.evaluation.comparison import _jobs as jobs_module
from skal_deep.evaluation.comparison._row_file import RowFile
from skal_deep.evaluation.comparison._run_directory import RunDirectory
from skal_deep.evaluation.comparison._settings_file import (
    create_settings,
    read_settings,
)

X, y = load_iris(return_X_y=True)


def compare(run_dir, strategies=None, estimator=None, **params):
    defaults = {"n_repeats": 2, "n_cycles": 2, "batch_size": 3, "random_state": 0}
    return compare_strategies(
        {"margin": UncertaintySampling("margin_sampling")}
        if strategies is None
        else strategies,
        ParzenWindowClassifier() if estimator is None else estimator,
        X,
        y,
        run_dir=run_dir,
        progress=False,
        **(defaults | params),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run, and its curves."""
    run_dir = tmp_path_factory.mktemp("made")
    return run_dir, compare(run_dir).curves


@pytest.fixture
def run_dir(made, tmp_path):
    """A copy of it."""
    shutil.copytree(made[0], tmp_path / "run")
    return tmp_path / "run"


def changed(path, change):
    """Rewrite the rows of a file as a program would that knows the checksum."""
    run, name, repeat = RunDirectory(path.parent.parent), path.parent.name, path.stem
    rows = run.rows(name, int(repeat))
    change(rows)
    path.unlink()
    for row in rows:
        del row["checksum"]
        run.file(name, int(repeat)).append(row)


class TestDamage:
    def test_any_changed_byte_is_noticed_or_makes_no_difference(self, made, run_dir):
        file, rng = run_dir / "margin/1.jsonl", np.random.default_rng(0)
        whole, n_refused = file.read_bytes(), 0
        for _ in range(60):
            content = bytearray(whole)
            content[rng.integers(len(content))] ^= 1 << rng.integers(8)
            file.write_bytes(content)
            try:
                rows = RunDirectory(run_dir).rows("margin", 1)
            except ValueError as refused:
                error = str(refused)
            else:  # the end of the last line: it counts as cut off
                assert rows == RunDirectory(made[0]).rows("margin", 1)[: len(rows)]
                continue
            n_refused += 1
            assert f"{file}, line " in error
        assert n_refused > 55

    def test_a_digit_of_a_score(self, run_dir):
        file = run_dir / "random/0.jsonl"
        lines = file.read_text().splitlines(keepends=True)
        score = json.loads(lines[1])["accuracy"]
        lines[1] = lines[1].replace(f'"accuracy": {score}', '"accuracy": 0.99')
        file.write_text("".join(lines))
        with pytest.raises(ValueError, match=r"0\.jsonl, line 2: .* checksum"):
            compare(run_dir)
        with pytest.raises(ValueError, match=r"0\.jsonl, line 2: .* checksum"):
            replay(run_dir, X, y, estimator=ParzenWindowClassifier(), progress=False)

    @pytest.mark.parametrize(
        "content",
        [b"\xff\xfe\n", b"{}\n", b"\n", b"null\n", b"x" * 30, b"\0" * 100, b'{"a": 1}'],
    )
    def test_what_is_no_row(self, run_dir, content):
        file = run_dir / "margin/0.jsonl"
        file.write_bytes(file.read_bytes() + content)
        with pytest.raises(ValueError, match=r"0\.jsonl, line 4"):
            compare(run_dir)

    @pytest.mark.slow
    def test_a_cut_line_is_played_again(self, made, run_dir):
        file = run_dir / "margin/0.jsonl"
        for n_bytes in (1, 20, 100, len(file.read_bytes()) - 1):
            file.write_bytes(file.read_bytes()[:-n_bytes])
            scores = [row["accuracy"] for row in compare(run_dir).curves]
            assert scores == [row["accuracy"] for row in made[1]]

    @pytest.mark.parametrize("content", ["{", "[]", "", "\0\0", '"a"', "[" * 10**5])
    def test_settings(self, run_dir, content):
        for name in ("configuration.json", "margin/strategy.json"):
            file = run_dir / name
            whole = file.read_text()
            file.write_text(content)
            with pytest.raises(ValueError, match=f"{name}, line 1"):
                compare(run_dir)
            file.write_text(whole)

    def test_lines_in_any_order(self, made, run_dir):
        file = run_dir / "margin/0.jsonl"
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(reversed(lines)))
        assert compare(run_dir).curves == made[1]

    def test_two_writers_that_disagree(self, run_dir):
        file = run_dir / "margin/0.jsonl"
        whole = file.read_bytes()
        changed(file, lambda rows: rows[1].update(indices=[149, 148, 147]))
        file.write_bytes(whole + file.read_bytes())
        with pytest.raises(ValueError, match=r"line 5: round 1 was played twice"):
            compare(run_dir)


class TestIdentity:
    @pytest.mark.parametrize(
        ("source", "target", "what"),
        [
            ("margin/0.jsonl", "random/0.jsonl", "strategy is 'margin'"),
            ("margin/0.jsonl", "margin/1.jsonl", "repeat is 0"),
        ],
    )
    def test_a_file_copied_over_another(self, run_dir, source, target, what):
        shutil.copy(run_dir / source, run_dir / target)
        with pytest.raises(ValueError, match=f"{target}, line 1: {what}"):
            compare(run_dir)

    def test_a_file_of_another_run(self, run_dir, tmp_path):
        compare(tmp_path / "other", n_initial=9)
        shutil.copy(tmp_path / "other/margin/0.jsonl", run_dir / "margin/0.jsonl")
        with pytest.raises(ValueError, match="line 1: the hash of the settings"):
            compare(run_dir)

    @pytest.mark.parametrize("name", ["configuration.json", "margin/strategy.json"])
    def test_rounds_without_settings(self, run_dir, name):
        (run_dir / name).unlink()
        with pytest.raises(ValueError, match="has rounds, but no"):
            compare(run_dir)
        assert not (run_dir / name).exists()

    def test_settings_of_another_run(self, run_dir, tmp_path):
        compare(tmp_path / "other", n_initial=9)
        shutil.copy(tmp_path / "other/configuration.json", run_dir)
        with pytest.raises(ValueError, match="hash of the settings"):
            compare(run_dir, n_initial=9)

    @pytest.mark.parametrize(
        ("indices", "what"),
        [
            ([], "the labelled rows"),
            ([-1, 1, 2], "the labelled rows"),
            ([0.5, 1, 2], "the labelled rows"),
            ([True, 1, 2], "the labelled rows"),
            (None, "the labelled rows"),
            ([7, 7, 8], "labelled twice"),
            ([5, 6, 999], "row 999 of 150"),
            ("test rows", "cannot be labelled"),
            ("first rows", "labelled twice"),
        ],
    )
    def test_rows_that_cannot_be_labelled(self, run_dir, indices, what):
        first = RunDirectory(run_dir).rows("margin", 0)[0]["indices"]
        if indices == "first rows":
            indices = first[:3]
        if indices == "test rows":
            from skal_deep.classifier._base import derived_seed
            from skal_deep.evaluation.simulation._first_rows import set_aside

            seed = derived_seed(0, 0)
            indices = set_aside(y, np.arange(150), 0.25, seed)[1][:3].tolist()
        file = run_dir / "margin/0.jsonl"
        changed(file, lambda rows: rows[1].update(indices=indices))
        with pytest.raises(ValueError, match=rf"0\.jsonl, line \d: .*{what}"):
            compare(run_dir)

    def test_a_row_labelled_twice_is_named_with_both_of_its_lines(self, run_dir):
        file = run_dir / "margin/0.jsonl"
        rows = RunDirectory(run_dir).rows("margin", 0)
        twice = rows[0]["indices"][0]
        changed(file, lambda rows: rows[1]["indices"].__setitem__(0, twice))
        text = f"line 1: row {twice} of X is labelled twice, again in line 2"
        with pytest.raises(ValueError, match=rf"0\.jsonl, {text}"):
            compare(run_dir)

    @pytest.mark.parametrize(("index", "what"), [(999, "row 999 of 150"), (0, "other")])
    def test_the_line_of_a_round_is_named_wherever_it_stands(
        self, run_dir, index, what
    ):
        file = run_dir / "margin/0.jsonl"
        first = RunDirectory(run_dir).rows("margin", 0)[0]["indices"]
        # A row of the first round gives way to one that is out of bounds, or missing.
        new = [index, *first[1:]] if index else first[1:]
        changed(file, lambda rows: rows[0].update(indices=new))
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(reversed(lines)))
        with pytest.raises(ValueError, match=rf"0\.jsonl, line 3: {what}"):
            compare(run_dir)

    def test_other_first_rows(self, run_dir):
        file = run_dir / "margin/0.jsonl"
        free = RunDirectory(run_dir).rows("margin", 0)[2]["indices"]

        def swap(rows):
            rows[0]["indices"][0], rows[2]["indices"][0] = (
                free[0],
                rows[0]["indices"][0],
            )

        changed(file, swap)
        with pytest.raises(ValueError, match="other rows of X are labelled"):
            compare(run_dir)

    @pytest.mark.parametrize("purpose", ["repeat", "model", "strategy"])
    def test_other_seeds(self, run_dir, purpose):
        file = run_dir / "margin/0.jsonl"
        changed(file, lambda rows: rows[1]["seeds"].update({purpose: 1}))
        with pytest.raises(ValueError, match=r"0\.jsonl, line 2: .* other seeds"):
            compare(run_dir)

    def test_a_file_that_is_no_repeat(self, run_dir):
        shutil.copy(run_dir / "margin/0.jsonl", run_dir / "margin/0 copy.jsonl")
        with pytest.raises(ValueError, match=r"0 copy\.jsonl is no file of a run"):
            compare(run_dir)

    @pytest.mark.parametrize("n_repeats", [[0, 0], [1, 1.0], [True], True, [0, -1], []])
    def test_each_repeat_once(self, n_repeats):
        with pytest.raises(ValueError, match="n_repeats must"):
            compare(None, n_repeats=n_repeats)
        assert len(compare(None, n_repeats=[np.int64(1)], n_cycles=1).curves) == 4


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
class TestLinks:
    @pytest.mark.parametrize("is_there", [True, False])
    @pytest.mark.parametrize(
        "name", ["margin/0.jsonl", "margin/strategy.json", "configuration.json"]
    )
    def test_a_linked_file_is_refused(self, run_dir, tmp_path, name, is_there):
        outside = tmp_path / "outside"
        if is_there:
            shutil.move(run_dir / name, outside)
        else:
            (run_dir / name).unlink()
        before = outside.read_bytes() if is_there else None
        (run_dir / name).symlink_to(outside)
        with pytest.raises(ValueError, match="symbolic link"):
            compare(run_dir)
        assert (outside.read_bytes() if outside.exists() else None) == before

    def test_linked_and_moved_directories_are_welcome(self, made, run_dir, tmp_path):
        (tmp_path / "link").symlink_to(run_dir)
        assert compare(tmp_path / "link").curves == made[1]
        run_dir.rename(tmp_path / "moved")
        assert compare(tmp_path / "moved").curves == made[1]


class TestBeginning:
    def test_two_settings_on_one_fresh_directory(self, tmp_path):
        gate, errors, results = threading.Barrier(2), [], []

        def go(n_initial):
            gate.wait()
            try:
                results.append(compare(tmp_path, n_initial=n_initial))
            except ValueError as error:
                errors.append(str(error))

        threads = [threading.Thread(target=go, args=(n,)) for n in (8, 12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(errors) == len(results) == 1
        assert "made otherwise" in errors[0]
        n_first = results[0].curves[0]["n_labels"]
        assert (
            json.loads((tmp_path / "configuration.json").read_text())["n_initial"]
            == n_first
        )
        assert {row["n_labels"] for row in results[0].curves if not row["stage"]} == {
            n_first
        }

    def test_settings_that_change_while_it_is_played(self, tmp_path):
        class Meddler(ParzenWindowClassifier):
            def fit(self, X, y, sample_weight=None):
                file = tmp_path / "configuration.json"
                file.write_text(
                    file.read_text().replace('"n_initial": 10', '"n_initial": 9')
                )
                return super().fit(X, y, sample_weight)

        with pytest.raises(ValueError, match="was changed while the run was played"):
            compare(tmp_path, estimator=Meddler(), n_repeats=1)
        assert not list(tmp_path.glob("*/*.jsonl"))

    @pytest.mark.slow
    def test_nothing_played_leaves_nothing(self, tmp_path):
        class Broken(ParzenWindowClassifier):
            def fit(self, X, y, sample_weight=None):
                raise ZeroDivisionError("no")

        with pytest.raises(ZeroDivisionError):
            compare(tmp_path / "run", estimator=Broken())
        assert not (tmp_path / "run").exists()
        assert compare(tmp_path / "run").curves  # mended, it begins anew

    def test_settings_of_one_that_was_killed_before_its_first_round(self, run_dir):
        for file in run_dir.glob("*/*.jsonl"):
            file.unlink()
        with pytest.raises(ValueError, match=r"No round of it was played: delete"):
            compare(run_dir, n_initial=9)


class TestVersions:
    def test_others_are_a_warning(self, run_dir, monkeypatch):
        others = jobs_module.versions() | {"torch": "1.0"}
        monkeypatch.setattr(
            "skal_deep.evaluation.comparison._compare.versions", lambda: others
        )
        with pytest.warns(UserWarning, match=r"other versions.*torch .* \(now 1\.0\)"):
            compare(run_dir)

    def test_another_platform_is_a_warning(self, run_dir, monkeypatch):
        monkeypatch.setattr("platform.machine", lambda: "abacus")
        jobs_module.versions.cache_clear()
        try:
            with pytest.warns(UserWarning, match=r"platform .* \(now .*abacus\)"):
                compare(run_dir)
        finally:
            jobs_module.versions.cache_clear()

    def test_the_same_are_none(self, made, run_dir):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert compare(run_dir).curves == made[1]


LOCK = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.flock(file, fcntl.LOCK_SH)  # only who wants to be alone has to wait
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def row_file(tmp_path):
    """A file with one round, and the beginning of another."""
    file = RowFile(tmp_path / "0.jsonl", "margin", 0, "hash")
    row = {"strategy": "margin", "repeat": 0, "stage": 0, "indices": [1]}
    file.append(row | {"configuration": "hash"})
    with file.path.open("ab") as stream:
        stream.write(b'{"strategy": "margin", "repeat": 0, "stage": 1')
    return file


class TestRowFile:
    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform == "win32", reason="has no flock")
    @pytest.mark.parametrize("call", ["append", "resume"])
    def test_it_waits_for_the_lock_of_another_process(self, row_file, call):
        row = row_file.rows()[0] | {"stage": 1, "indices": [2]}
        calls = {"append": lambda: row_file.append(row), "resume": row_file.resume}
        before = row_file.path.read_bytes()
        other = subprocess.Popen(
            [sys.executable, "-c", LOCK, row_file.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with other:
            assert other.stdout.readline() == b"locked\n"
            args = (5,) if call == "resume" else ()
            thread = threading.Thread(target=calls[call], args=args)
            thread.start()
            thread.join(0.3)
            assert thread.is_alive()
            assert row_file.path.read_bytes() == before
            other.stdin.close()
        thread.join(30)
        assert not thread.is_alive()
        assert row_file.path.read_bytes() != before

    @pytest.mark.parametrize("where", ["fsync", "open"])
    def test_a_full_disk_is_an_error(self, row_file, monkeypatch, where):
        def fail(*args):
            raise OSError(errno.ENOSPC, "No space left on device")

        if where == "fsync":
            monkeypatch.setattr(os, "fsync", fail)
        else:
            monkeypatch.setattr(journal, "open_locked", fail)
        with pytest.raises(OSError, match="No space left") as caught:
            row_file.append(row_file.rows()[0])
        assert caught.value.errno == errno.ENOSPC


class TestPlaces:
    @pytest.mark.parametrize(
        "name", ["..", ".", "a/../b", "%2E", "/etc", "a\\b", "../run", "%2e%2e"]
    )
    def test_a_strategy_of_any_name_stays_inside(self, tmp_path, name):
        run_dir = tmp_path / "outer/run"
        strategies = {name: UncertaintySampling("margin_sampling")}
        found = compare(run_dir, strategies, n_repeats=1, n_cycles=1)
        assert [path.name for path in tmp_path.iterdir()] == ["outer"]
        assert [path.name for path in (tmp_path / "outer").iterdir()] == ["run"]
        assert len(list(run_dir.glob("*/0.jsonl"))) == 2
        assert len(list(run_dir.rglob("*.jsonl"))) == 2
        assert RunDirectory(run_dir).jobs() == sorted([(name, 0), ("random", 0)])
        again = compare(run_dir, strategies, n_repeats=1, n_cycles=1)
        assert again.curves == found.curves

    def test_names_that_look_alike_have_folders_of_their_own(self, tmp_path):
        run = RunDirectory(tmp_path)
        names = [".", "%2E", "%252E", "a/b", "a%2Fb", "..", "a b", "a%20b"]
        assert len({run._of(name) for name in names}) == len(names)

    def test_settings_where_the_file_system_has_no_links(self, tmp_path, monkeypatch):
        def refuse(*args):
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        path = tmp_path / "run/configuration.json"
        assert create_settings(path, {"n_initial": 10})
        assert not create_settings(path, {"n_initial": 9})
        assert read_settings(path) == {"n_initial": 10}
        assert list(path.parent.iterdir()) == [path]  # no draft is left

    def test_of_two_writers_without_links_one_decides(self, tmp_path, monkeypatch):
        path = tmp_path / "configuration.json"

        def refuse(*args):
            path.write_text('{"n_initial": 9}')  # another process, just before
            raise PermissionError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        assert not create_settings(path, {"n_initial": 10})
        assert read_settings(path) == {"n_initial": 9}


NETS = '''
from skactiveml.classifier import ParzenWindowClassifier
from skactiveml.pool import UncertaintySampling

N_UNITS = 8
units_ = 2
CALLS = []

def helper(value):
    """Say it."""
    return value + 1

def metric(y_true, y_pred):
    CALLS.append(1)
    return helper((y_true == y_pred).mean())

class Model(ParzenWindowClassifier):
    n_fits = 0
    width = 3

    def fit(self, X, y, sample_weight=None):
        Model.n_fits += 1
        self.units_ = N_UNITS + units_
        return super().fit(X, y, sample_weight)

class Asks(UncertaintySampling):
    def query(self, X, y, clf, fit_clf=True, candidates=None, batch_size=1):
        rows = {"candidates": candidates, "batch_size": batch_size}
        return super().query(X, y, clf, fit_clf=fit_clf, **rows)
'''


class TestCode:
    @pytest.fixture
    def write(self, tmp_path, monkeypatch):
        """Return a function that writes a module of the user and loads it."""
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)

        def write(old="", new=""):
            assert old in NETS
            (tmp_path / "users_nets.py").write_text(NETS.replace(old, new, 1))
            importlib.invalidate_caches()
            sys.modules.pop("users_nets", None)
            return importlib.import_module("users_nets")

        yield write
        sys.modules.pop("users_nets", None)

    def go(self, run_dir, nets, **params):
        asks = {"asks": nets.Asks()}
        scoring = {"mine": make_scorer(nets.metric)}
        return compare(run_dir, asks, nets.Model(), scoring=scoring, **params)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("old", "new", "name"),
        [
            ("N_UNITS = 8", "N_UNITS = 32", "users_nets.N_UNITS"),
            ("units_ = 2", "units_ = 3", "users_nets.units_"),
            ("CALLS = []", "CALLS = [0]", "users_nets.CALLS"),
            ("value + 1", "-value", "users_nets.helper"),
            (".mean()", ".sum()", "users_nets.metric"),
            ("width = 3", "width = 4", "users_nets.Model.width"),
            ("self.units_ = N", "self.units_ = 1 + N", "users_nets.Model.fit"),
            ("fit_clf=fit_clf", "fit_clf=False", "users_nets.Asks.query"),
        ],
    )  # fmt: skip
    def test_a_change_is_refused_by_name(self, tmp_path, write, old, new, name):
        first = self.go(tmp_path / "run", write())
        nets = write(old, new)
        with pytest.raises(ValueError, match=rf"other code. Changed since: {name}\b"):
            self.go(tmp_path / "run", nets)
        # the user says that it is the same
        again = self.go(tmp_path / "run", nets, same_code=True)
        assert again.curves == first.curves
        more = self.go(tmp_path / "run", nets, same_code=True, n_repeats=3)
        assert len(more.curves) == 18
        with pytest.raises(ValueError, match="made otherwise"):
            self.go(tmp_path / "run", nets, same_code=True, n_initial=9)

    @pytest.mark.slow
    def test_words_about_code_and_counters_are_no_change(self, tmp_path, write):
        first = self.go(tmp_path / "run", nets := write())
        assert nets.CALLS
        assert nets.Model.n_fits
        assert self.go(tmp_path / "run", nets).curves == first.curves
        for old, new in (
            ("Say it.", "Say it differently."),
            ("N_UNITS = 8", "# units\n\nN_UNITS = 8"),
        ):
            again = self.go(tmp_path / "run", write(old, new))
            assert again.curves == first.curves

    def test_functions_without_a_file(self, tmp_path):
        def go(sign):
            scoring = {"s": lambda clf, X, y: sign * clf.score(X, y)}
            return compare(tmp_path, scoring=scoring)

        go(1)
        go(1)
        with pytest.raises(ValueError, match="other code"):
            go(-1)
