"""The page for those who come from elsewhere: its blocks run, its tables hold.

Peers are no dependencies; where one is missing, its tests are skipped.
"""

import inspect
import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import sklearn
from packaging.version import Version
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from skal_deep import pool
from skal_deep.classifier import PrecomputedClassifier

PAGE = (Path(__file__).parent.parent / "docs" / "migration.md").read_text()
SECTIONS = dict(re.findall(r"^## From (\S+)$\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
# The modules of a peer in which the names of its table are looked up.
PEERS = {
    "modAL": ["modAL.models", "modAL.uncertainty", "modAL.disagreement"],
    "baal": [
        "baal.active",
        "baal.active.heuristics",
        "baal.active.heuristics.stochastics",
        "baal.bayesian.dropout",
        "baal.modelwrapper",
    ],
    "small-text": ["small_text"],
}


@pytest.fixture
def peer(request):
    """Return the public objects of a peer, by name."""
    found = {}
    if request.param == "modAL" and Version(sklearn.__version__) >= Version("1.8"):
        pytest.skip("modAL 0.4.2 needs scikit-learn before 1.8")
    for name in PEERS[request.param]:
        module = pytest.importorskip(name)
        found |= {
            key: value for key, value in vars(module).items() if not key.startswith("_")
        }
    return found


def runs(section, names):
    """Run the blocks of a section, and return what each of them said and picked."""
    said = {}
    for kind, block in re.findall(r"^```(python|py)\n(.*?)^```", section, re.M | re.S):
        with redirect_stdout(io.StringIO()) as out:
            exec(compile(block, "migration.md", "exec"), names)
        said[kind] = out.getvalue(), sorted(np.asarray(names.get("picks", [])))
    return said


@pytest.fixture
def names():
    """Return what the page has defined before the sections of the peers."""
    found = {}
    first = PAGE.split("## From modAL")[0]
    for block in re.findall(r"^```python\n(.*?)^```", first, re.M | re.S):
        exec(compile(block, "migration.md", "exec"), found)
    return found


def test_every_peer_has_a_section_with_both_sides():
    assert SECTIONS.keys() == PEERS.keys()
    for section in SECTIONS.values():
        assert re.findall(r"^```(py)$", section, re.M) == ["py"]
        assert "```python\n" in section


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the peers
@pytest.mark.parametrize(
    ("peer", "offset"), [("modAL", 30), ("small-text", 0)], indirect=["peer"]
)
def test_both_sides_pick_the_same_rows(peer, offset, request, names):
    section = SECTIONS[request.node.callspec.params["peer"]]
    if "LogisticRegression" not in names:  # as the sections before have it
        names["LogisticRegression"] = LogisticRegression
    theirs, ours = (runs(section, names)[kind] for kind in ("py", "python"))
    assert len(ours[1]) == 10
    assert [row + offset for row in theirs[1]] == ours[1]
    assert theirs[0] == ours[0] != ""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("peer", ["baal"], indirect=True)
def test_the_loop_of_baal_runs(peer, names):
    said = runs(SECTIONS["baal"], names)
    assert said["py"][0].strip().endswith("40")  # labels
    assert len(said["python"][1]) == 10


@pytest.mark.parametrize("peer", PEERS, indirect=True)
def test_names_on_the_left_are_the_peers(peer, request):
    section = SECTIONS[request.node.callspec.params["peer"]]
    left = " ".join(re.findall(r"^\| (.*?) \| .* \|$", section, re.M))
    named = re.findall(r"`(?:\w+\()*([A-Z]\w+|\w+_sampling)\b", left)
    assert len(named) > 5
    missing = {name for name in named if name not in peer}
    assert missing <= {"BADGE"}  # it comes with torchtext only


@pytest.mark.parametrize("name", PEERS)
def test_names_on_the_right_are_ours(name):
    right = re.findall(r"^\| .* \| (.*?) \|$", SECTIONS[name], re.M)
    named = re.findall(r"`([A-Z]\w+)[`(]", " ".join(right[2:]))
    ours = {*pool.__all__, "MCDropoutClassifier"}
    assert named
    assert [each for each in named if each not in ours | {"X"}] == []


def utilities(strategy, samples):
    """Return what a strategy says of given draws."""
    rows = np.arange(samples.shape[1])[:, None]
    clf = PrecomputedClassifier(samples=samples, classes=range(samples.shape[2])).fit(
        rows, np.full(len(rows), -1)
    )
    y = np.full(len(rows), -1)
    asked = {"fit_clf": False, "return_utilities": True}
    return strategy.query(rows, y, clf, **asked)[1][0]


def draws(n_draws=8, n_rows=60, n_classes=4):
    """Return draws that differ, whose rows are all unlike one another."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(1, n_rows, n_classes)) * rng.uniform(0, 3, (1, n_rows, 1))
    logits = logits + rng.normal(size=(n_draws, n_rows, n_classes))
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("BALD", pool.BALD(n_samples=8)),
        ("Certainty", pool.LeastConfidence()),
        ("Margin", pool.MarginSampling()),
        ("Entropy", pool.PredictiveEntropy()),
    ],
)
@pytest.mark.parametrize("peer", ["baal"], indirect=True)
def test_a_heuristic_of_baal_ranks_as_ours(peer, theirs, ours):
    samples = draws()
    ranks = peer[theirs]()(samples.transpose(1, 2, 0))
    assert [*ranks] == [*np.argsort(-utilities(ours, samples))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("peer", ["baal"], indirect=True)
def test_epig_of_baal_is_ours_where_the_pool_is_the_target(peer):
    samples = draws(n_rows=30)
    given = samples.transpose(1, 2, 0)
    ours = utilities(pool.EPIG(n_samples=8, n_targets=30), samples)
    theirs = peer["EPIG"]().compute_score(given, given)
    assert np.argsort(theirs)[::-1][:5].tolist() == np.argsort(ours)[::-1][:5].tolist()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("peer", ["baal"], indirect=True)
def test_batch_bald_of_baal_has_the_row_that_ours_begins_with(peer):
    samples = draws()
    picks = peer["BatchBALD"](3)(samples.transpose(1, 2, 0))[:4]  # in no order
    assert np.argmax(utilities(pool.BatchBALD(n_samples=8), samples)) in picks


def forest_of_digits():
    """Return digits and a forest that was trained on some of them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.3)
    return X, RandomForestClassifier(7, max_depth=3, random_state=0).fit(X[:40], y[:40])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("vote_entropy", pool.VoteEntropy()),
        ("consensus_entropy", pool.PredictiveEntropy()),
        ("KL_max_disagreement", pool.ConsensusKL(kind="max")),
    ],
)
@pytest.mark.parametrize("peer", ["modAL"], indirect=True)
def test_a_committee_of_modal_scores_as_a_forest(peer, theirs, ours):
    X, forest = forest_of_digits()
    members = [peer["ActiveLearner"](tree) for tree in forest.estimators_]
    scores = peer[theirs](peer["Committee"](members), X)
    _, found = ours.query(
        X, np.full(80, -1), forest, fit_clf=False, return_utilities=True
    )
    assert np.corrcoef(scores, found[0])[0, 1] == pytest.approx(1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("uncertainty_sampling", pool.LeastConfidence()),
        ("margin_sampling", pool.MarginSampling()),
        ("entropy_sampling", pool.PredictiveEntropy()),
    ],
)
@pytest.mark.parametrize("peer", ["modAL"], indirect=True)
def test_uncertainty_of_modal_picks_as_ours(peer, theirs, ours):
    X, forest = forest_of_digits()
    clf = LogisticRegression().fit(X[:40], forest.predict(X[:40]))
    picks, _ = peer[theirs](clf, X, n_instances=6)
    found = ours.query(X, np.full(80, -1), clf, fit_clf=False, batch_size=6)
    assert sorted(picks) == sorted(found)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("LeastConfidence", pool.LeastConfidence()),
        ("BreakingTies", pool.MarginSampling()),
        ("PredictionEntropy", pool.PredictiveEntropy()),
    ],
)
@pytest.mark.parametrize("peer", ["small-text"], indirect=True)
def test_a_strategy_of_small_text_picks_as_ours(peer, theirs, ours):
    X, forest = forest_of_digits()
    y = forest.predict(X)
    data = peer["SklearnDataset"](X, y, target_labels=[0, 1, 2])
    told, rest = np.arange(40), np.arange(40, 80)
    clf = peer["SklearnClassifier"](LogisticRegression(), 3)
    clf.fit(data[told])
    picks = peer[theirs]().query(clf, data, rest, told, y[told], n=6)
    labels = np.where(np.arange(80) < 40, y, -1)
    found = ours.query(X, labels, clf.model, fit_clf=False, batch_size=6)
    assert sorted(picks) == sorted(found)


def test_names_of_scikit_activeml_are_there_and_here():
    import skactiveml.pool
    from skactiveml.classifier import SkorchClassifier
    from skactiveml.utils import MISSING_LABEL

    section = PAGE.split("## From ")[1]
    row = next(line for line in section.splitlines() if "the same names" in line)
    shared = re.findall(r"`([A-Z]\w+)`", row)
    assert len(shared) > 4
    assert all(hasattr(skactiveml.pool, name) for name in shared)
    assert all(hasattr(pool, name) for name in shared)
    assert np.isnan(MISSING_LABEL)
    asked = inspect.signature(skactiveml.pool.GreedyBALD.query).parameters
    assert "ensemble" in asked
    assert "neural_net_param_dict" in inspect.signature(SkorchClassifier).parameters
