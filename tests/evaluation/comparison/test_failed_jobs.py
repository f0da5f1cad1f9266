"""A job that fails does not take the others with it, and is told by name."""

import json
import re

import numpy as np
import pytest
from skactiveml.classifier import ParzenWindowClassifier
from skactiveml.pool import UncertaintySampling
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skal_deep.classifier import CapabilityError
from skal_deep.evaluation import compare_strategies, does_al_help, replay
from skal_deep.evaluation.comparison._run_directory import RunDirectory
from skal_deep.pool import BALD

X, y = load_iris(return_X_y=True)


class Diverges(UncertaintySampling):
    """Fails in the second query of the second repeat."""

    n_calls = 0

    def query(self, X, y, clf, fit_clf=True, candidates=None, batch_size=1):
        Diverges.n_calls += 1
        if Diverges.n_calls == 5:
            raise FloatingPointError("the loss is NaN")
        rows = {"candidates": candidates, "batch_size": batch_size}
        return super().query(X, y, clf, fit_clf=fit_clf, **rows)


class Fails(ParzenWindowClassifier):
    """Fails at every fit."""

    def fit(self, X, y, sample_weight=None):
        raise ValueError("no")


def compare(run_dir=None, strategies=None, estimator=None, n_calls=0, **params):
    Diverges.n_calls = n_calls
    defaults = {"n_repeats": 3, "n_cycles": 3, "batch_size": 3, "random_state": 0}
    return compare_strategies(
        {"margin": UncertaintySampling(), "diverges": Diverges()}
        if strategies is None
        else strategies,
        ParzenWindowClassifier() if estimator is None else estimator,
        X,
        y,
        run_dir=run_dir,
        progress=False,
        **(defaults | params),
    )


def scores(comparison, name):
    return comparison.curve(name)


FAILED = r"1 of 9 jobs failed.*diverges, repeat 1: FloatingPointError: the loss is NaN"


@pytest.mark.slow
def test_one_of_many(tmp_path):
    with pytest.warns(RuntimeWarning, match=FAILED):
        got = compare(tmp_path / "run")
    whole = compare(n_calls=10)
    for name in ("random", "margin"):
        np.testing.assert_array_equal(scores(got, name), scores(whole, name))
    expected = scores(whole, "diverges")
    expected[1, 2:] = np.nan  # the start and one query were played
    np.testing.assert_array_equal(scores(got, "diverges"), expected)
    for column in ("n_labels", "stage"):
        for name in got.strategies:
            assert (got.curve(name, column) == whole.curve(name, column)).all()
    assert list(got.curves[0]) == list(got.curves[-1])
    [failure] = got.settings["failures"]
    assert failure == {
        "strategy": "diverges",
        "repeat": 1,
        "error": "FloatingPointError: the loss is NaN",
    }
    got.to_json(tmp_path / "results.json")
    stored = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert stored["settings"]["failures"] == [failure]
    # what was played is kept, and the same call tries again
    assert len(RunDirectory(tmp_path / "run").rows("diverges", 1)) == 2
    again = compare(tmp_path / "run", n_calls=10)
    assert again.settings["failures"] == []
    np.testing.assert_array_equal(scores(again, "diverges"), scores(whole, "diverges"))


@pytest.mark.slow
def test_nothing_breaks_on_it(tmp_path):
    with pytest.warns(RuntimeWarning, match="jobs failed"):
        got = compare()
    got.to_csv(tmp_path / "curves.csv")
    assert got.picked("diverges")[1][2].size == 0
    assert got.plot()
    for said in (got.warning, str(got.summary()), got.to_html(tmp_path / "a.html")):
        if said is None:
            said = (tmp_path / "a.html").read_text("utf-8")
        words = " ".join(said.split())
        assert "diverges, repeat 1: FloatingPointError: the loss is NaN" in words


@pytest.mark.slow
def test_a_reference_line():
    with pytest.warns(RuntimeWarning, match=r"3 of 12 jobs failed.*line, repeat 0"):
        got = compare(
            strategies={"margin": UncertaintySampling()},
            references={"line": Fails(), "sound": LogisticRegression(max_iter=500)},
        )
    assert np.isnan(got.curve("line")).all()
    assert np.isfinite(got.curve("sound")).all()


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("is_kind", [True, False])
def test_all_of_them(is_kind, n_jobs):
    class UnkindError(Exception):
        """It cannot be rebuilt from what it is pickled as."""

        def __init__(self, one, two):
            super().__init__(f"{one} and {two}")

    class Broken(ParzenWindowClassifier):
        def fit(self, X, y, sample_weight=None):
            raise (ValueError if is_kind else UnkindError)("no", "never")

    with pytest.raises((ValueError, RuntimeError), match="never") as caught:
        compare(
            strategies={"m": UncertaintySampling()}, estimator=Broken(), n_jobs=n_jobs
        )
    # With two jobs either strategy may have failed first.
    [note] = caught.value.__notes__
    assert re.fullmatch(r"This was (random|m), repeat 0, round 0\.", note)


def test_what_no_training_can_cure_stops_at_once():
    with pytest.raises(CapabilityError, match="BALD needs sample_proba"):
        compare(strategies=[BALD()], estimator=GaussianNB())


def test_interrupts_are_no_failures():
    class Interrupted(UncertaintySampling):
        def query(self, X, y, clf, fit_clf=True, candidates=None, batch_size=1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(strategies={"i": Interrupted()})


@pytest.mark.slow
def test_help_is_not_claimed_on_what_failed():
    Diverges.n_calls = 0
    with pytest.warns(RuntimeWarning, match="jobs failed"):
        answer = does_al_help(
            ParzenWindowClassifier(),
            X,
            y,
            strategies={"diverges": Diverges()},
            n_repeats=3,
            n_cycles=3,
            progress=False,
            random_state=0,
        )
    assert answer.word not in ("helps", "hurts")


def test_a_replay_that_fails_has_the_labels_of_the_run(tmp_path):
    class FailsLater(ParzenWindowClassifier):
        n_fits = 0

        def fit(self, X, y, sample_weight=None):
            FailsLater.n_fits += 1
            if FailsLater.n_fits == 2:
                raise FloatingPointError("the loss is NaN")
            return super().fit(X, y, sample_weight)

    run = compare(tmp_path, strategies=[], n_repeats=2)
    with pytest.warns(RuntimeWarning, match="1 of 2 jobs failed"):
        again = replay(tmp_path, X, y, estimator=FailsLater(), progress=False)
    np.testing.assert_array_equal(
        again.curve("random", "n_labels"), run.curve("random", "n_labels")
    )
