"""What a learned strategy is told reaches its training, and has its effect."""

import ast
import linecache
import re
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from support import make_net

from skal_deep.classifier import (
    EntropyMinimizingClassifier,
    FixMatchClassifier,
    LabelPropagationClassifier,
    LossPredictionClassifier,
    MixMatchClassifier,
    PseudoLabelClassifier,
    WassersteinClassifier,
)
from skal_deep.functional import uncertainty_indicator
from skal_deep.pool import (
    DAAL,
    DAL,
    MAL,
    SRAAL,
    TAVAAL,
    VAAL,
    WAAL,
    JointSampling,
    LearningLoss,
    _dal,
    _sraal,
    _tavaal,
)

RNG = np.random.default_rng(0)
TRUTH = np.arange(60) % 3
X = (2 * np.eye(3)[TRUTH] + RNG.normal(size=(60, 3))).astype(np.float32)
Y = np.where(np.arange(60) < 18, TRUTH, -1)
TRAINING = {"n_iterations": 3, "train_batch_size": 6, "lr": 1e-2}


def scores(strategy, clf, fit_clf=True):
    strategy = clone(strategy).set_params(random_state=0)
    _, utilities = strategy.query(
        X, Y, clf, fit_clf=fit_clf, batch_size=4, return_utilities=True
    )
    return utilities[:, Y == -1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "changes"),
    [
        (
            VAAL(loss_scaling="elbo", **TRAINING),
            {
                "latent_dim": 3,
                "beta": 9.0,
                "adversary_weight": 9.0,
                "n_vae_steps": 1,
                "loss_scaling": "official",
                "n_iterations": 4,
                "train_batch_size": 7,
                "lr": 1e-3,
            },
        ),
        (SRAAL(**TRAINING), {"latent_dim": 3, "n_iterations": 4, "lr": 1e-3}),
        (TAVAAL(**TRAINING), {"latent_dim": 3, "n_iterations": 4, "lr": 1e-3}),
        (DAAL(**TRAINING), {"rule": "odds", "n_iterations": 4, "lr": 1e-3}),
        (MAL(**TRAINING), {"entropy_weight": 9.0, "n_iterations": 4, "lr": 1e-3}),
        (JointSampling(**TRAINING), {"target": 0.9, "n_iterations": 4, "lr": 1e-3}),
        (DAL(**TRAINING), {"n_sub_batches": 1, "n_iterations": 4, "lr": 1e-3}),
        (DAL(**TRAINING | {"n_iterations": 60}), {"stop_accuracy": 0.5}),
        (WAAL(), {"novelty_weight": 0.0}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_parameter_of_a_strategy_counts(strategy, changes):
    clf = LogisticRegression()
    if isinstance(strategy, WAAL):
        clf = WassersteinClassifier(make_net(max_epochs=2), random_state=0)
    plain = scores(strategy, clf)
    np.testing.assert_array_equal(plain, scores(strategy, clf))
    for name, value in changes.items():
        other = scores(clone(strategy).set_params(**{name: value}), clf)
        assert not np.array_equal(plain, other, equal_nan=True), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clf", "changes"),
    [
        (
            FixMatchClassifier(make_net(), threshold=0.5, unlabeled_ratio=2),
            {
                "threshold": 0.99,
                "unlabeled_weight": 9.0,
                "unlabeled_ratio": 1,
                "strong": lambda x: -x,
                "weak": lambda x: 0.9 * x,
            },
        ),
        (
            MixMatchClassifier(make_net()),
            {
                "n_views": 1,
                "temperature": 0.1,
                "mixing": 9.0,
                "unlabeled_weight": 9.0,
                "n_ramp_steps": 1,
                "augment": lambda x: -x,
            },
        ),
        (PseudoLabelClassifier(make_net(), threshold=0.6), {"threshold": 0.9}),
        (
            LabelPropagationClassifier(make_net(), n_neighbors=5),
            {"n_neighbors": 9, "alpha": 0.1},
        ),
        (EntropyMinimizingClassifier(make_net()), {"entropy_weight": 9.0}),
        (
            WassersteinClassifier(make_net()),
            {"critic_weight": 9.0, "penalty_weight": 9.0, "critic_lr": 1.0},
        ),
        (
            LossPredictionClassifier(make_net()),
            {"loss_weight": 9.0, "joint_share": 0.2, "taps": ["layers.2"]},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_parameter_of_a_classifier_counts(clf, changes):
    clf = clone(clf).set_params(net__max_epochs=5, random_state=0)

    def answers(clf):
        clf = clf.fit(X, Y)
        novelty = getattr(clf, "predict_novelty", lambda X: np.zeros(len(X)))(X)
        return np.column_stack([clf.predict_proba(X), novelty])

    plain = answers(clone(clf))
    np.testing.assert_array_equal(plain, answers(clone(clf)))
    for name, value in changes.items():
        other = answers(clone(clf).set_params(**{name: value}))
        assert not np.array_equal(plain, other), name


def training_of(monkeypatch, module, name, strategy, clf):
    """Return what a strategy gives to the training of its net, and gets, and scores."""
    seen, own = [], getattr(module, name)

    def train(*args, **params):
        seen.append((args, params, own(*args, **params)))
        return seen[-1][-1]

    monkeypatch.setattr(module, name, train)
    found = scores(strategy, clf, fit_clf=False)[0]
    [(args, params, made)] = seen
    return args, params, made, torch.as_tensor(found)


def same(one, two):
    torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5, check_dtype=False)


def test_states_of_rows_are_how_uncertain_they_are(monkeypatch):
    clf = LogisticRegression().fit(X[Y >= 0], Y[Y >= 0])
    args, _, score, found = training_of(
        monkeypatch, _sraal, "train_sraal", SRAAL(**TRAINING), clf
    )
    labeled, labels, unlabeled, indicators = args
    proba = torch.as_tensor(clf.predict_proba(unlabeled))
    same(indicators, uncertainty_indicator(proba))
    of_row = {row.tobytes(): label for row, label in zip(X, Y, strict=True)}
    assert [of_row[row.tobytes()] for row in labeled] == labels.tolist()
    same(found, score(X[Y == -1]))


@pytest.mark.parametrize("task", ["confidence", "loss"])
def test_what_the_task_says_is_known_to_training_and_scores(monkeypatch, task):
    clf = LossPredictionClassifier(make_net(max_epochs=3), random_state=0).fit(X, Y)
    args, params, scorer, found = training_of(
        monkeypatch, _tavaal, "train_vaal", TAVAAL(task, **TRAINING), clf
    )

    def said(rows):
        if task == "loss":
            return torch.as_tensor(clf.predict_loss(rows))
        return 1 - torch.as_tensor(clf.predict_proba(rows)).amax(1)

    assert params["n_vae_steps"] == 1
    for rows, told in zip(args, params["tasks"], strict=True):
        same(told, said(rows))
    same(found, 1 - scorer.proba(X[Y == -1], said(X[Y == -1])))


@pytest.mark.slow
def test_large_predicted_losses_come_first():
    clf = LossPredictionClassifier(make_net(max_epochs=3), random_state=0).fit(X, Y)
    found = scores(LearningLoss(), clf, fit_clf=False)[0]
    same(torch.as_tensor(found), torch.as_tensor(clf.predict_loss(X[Y == -1])))


def test_picks_of_a_sub_batch_count_as_labelled_in_the_next(monkeypatch):
    seen, own = [], _dal.train_unlabeled_detector

    def train(labeled, unlabeled, **params):
        seen.append([{row.tobytes() for row in rows} for rows in (labeled, unlabeled)])
        return own(labeled, unlabeled, **params)

    monkeypatch.setattr(_dal, "train_unlabeled_detector", train)
    strategy = DAL(n_sub_batches=2, random_state=0, **TRAINING)
    picks = strategy.query(X, Y, batch_size=4)
    known = {row.tobytes() for row in X[Y >= 0]}
    picked = {row.tobytes() for row in X[picks[:2]]}
    assert [labeled for labeled, _ in seen] == [known, known | picked]
    assert all(not labeled & unlabeled for labeled, unlabeled in seen)


def told(strategy, X, y, **params):
    """Return what each training of a query is given: labelled and unlabelled rows.

    Its net finds large rows unlike the labelled ones.
    """
    seen = []

    def train(labeled, unlabeled, **_):
        seen.append((labeled, unlabeled))
        return lambda rows: torch.as_tensor(rows[:, 0])

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_dal, "train_unlabeled_detector", train)
        picks = strategy.query(X, y, **params)
    return seen, picks


def test_ten_unlabelled_rows_for_each_labelled_one_are_drawn_anew_for_each_part():
    """The mark of a row is its number, which the picks of parts follow."""
    n = 200
    rows = np.arange(n, dtype=np.float32)[:, None]
    y = np.where(np.arange(n) < 3, 0, -1)
    strategy = DAL(n_sub_batches=3, random_state=0)
    seen, picks = told(strategy, rows, y, batch_size=6)
    assert sorted(picks) == list(range(n - 6, n))
    assert [len(labeled) for labeled, _ in seen] == [3, 5, 7]
    drawn = [set(unlabeled[:, 0]) for _, unlabeled in seen]
    assert [len(part) for part in drawn] == [30, 50, 70]
    for (labeled, _), part in zip(seen, drawn, strict=True):
        assert not part & set(labeled[:, 0])
    # Of two draws from some 190 rows, a quarter of the first is in the second.
    assert len(drawn[0] & drawn[1]) < 20
    # A draw is of all rows, not of the first ones in the pool's order.
    assert min(max(part) for part in drawn) > 100 > max(min(part) for part in drawn)


def looked_at(monkeypatch, n, most, **params):
    """Return what DAL picks, its utilities, and the rows that each part scores.

    Row i holds i. The first net finds large rows unlike the labelled ones, later ones
    small rows.
    """
    monkeypatch.setattr(_dal, "_MOST_SCORED", most)
    scored = []

    def train(*_, **__):
        sign = -1 if scored else 1

        def score(rows):
            scored.append(sorted(rows[:, 0].astype(int).tolist()))
            return sign * torch.as_tensor(rows[:, 0])

        return score

    monkeypatch.setattr(_dal, "train_unlabeled_detector", train)
    rows, y = np.arange(n, dtype=np.float32)[:, None], np.repeat([0, -1], [3, n - 3])
    strategy = DAL(n_sub_batches=3, random_state=0)
    answer = strategy.query(rows, y, batch_size=6, return_utilities=True, **params)
    return *answer, scored


def test_later_parts_look_at_the_rows_whose_first_scores_were_highest(monkeypatch):
    picks, utilities, scored = looked_at(monkeypatch, 200, 70)
    assert scored == [list(range(3, 200)), *[list(range(130, 200))] * 2]
    assert sorted(picks) == [130, 131, 132, 133, 198, 199]
    np.testing.assert_array_equal(utilities[1, 3:198], np.arange(3, 198))
    # A row that is not looked at has the lowest score of those that are.
    expected = -np.maximum(np.arange(3.0, 200), 130)
    expected[:127] = -199
    np.testing.assert_array_equal(utilities[2, 3:198], expected[:195])


def test_parts_of_a_large_batch_look_at_ten_candidates_for_each_pick(monkeypatch):
    scored = looked_at(monkeypatch, 200, 1)[2]
    assert [len(part) for part in scored] == [197, 60, 60]


def test_up_to_a_number_of_candidates_each_part_looks_at_all(monkeypatch):
    for most, n_scored in ((196, 196), (197, 197)):
        scored = looked_at(monkeypatch, 200, most)[2]
        assert [len(part) for part in scored] == [197, n_scored, n_scored]


def test_the_last_part_of_a_whole_pool_has_nothing_to_tell_apart():
    X, y = np.arange(8, dtype=np.float32)[:, None], np.array([0, 1] + [-1] * 6)
    seen, picks = told(DAL(n_sub_batches=6, random_state=0), X, y, batch_size=6)
    assert sorted(picks) == list(range(2, 8))
    assert [len(unlabeled) for _, unlabeled in seen] == [6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("others", "left"),
    [
        ([2, 3, 4, 5, 6, 7], [6, 4, 2]),  # the unlabelled rows, given as inputs
        ([0.4, 0.3, 0.2, 0.1, 0, -0.1], [6, 6, 6]),  # like a labelled row
    ],
)
def test_candidates_that_are_inputs_stand_for_the_nearest_rows(others, left):
    X, y = np.arange(8, dtype=np.float32)[:, None], np.array([0, 1] + [-1] * 6)
    others = np.array(others, dtype=np.float32)[:, None]
    strategy = DAL(n_sub_batches=3, random_state=0)
    seen, _ = told(strategy, X, y, candidates=others, batch_size=6)
    assert [len(labeled) for labeled, _ in seen] == [2, 4, 6]
    assert [len(unlabeled) for _, unlabeled in seen] == left


def test_nothing_is_told_apart_once_no_unlabelled_row_is_left_beside_the_picks():
    X, y = np.arange(4, dtype=np.float32)[:, None], np.array([0, 1, -1, -1])
    twice = np.array([2, 3, 2.1, 3.1], dtype=np.float32)[:, None]
    strategy = DAL(n_sub_batches=4, random_state=0)
    seen, (picks, utilities) = told(
        strategy, X, y, candidates=twice, batch_size=4, return_utilities=True
    )
    assert picks.tolist() == [3, 1, 2, 0]
    assert [len(unlabeled) for _, unlabeled in seen] == [2, 1, 1]
    assert utilities[3, 0] == 0


@pytest.mark.parametrize(
    ("n_labeled", "candidates"), [(1, None), (8, np.ones((6, 1), dtype=np.float32))]
)
def test_too_few_rows_of_either_kind_are_drawn_from_at_random(n_labeled, candidates):
    X = np.arange(8, dtype=np.float32)[:, None]
    y = np.where(np.arange(8) < n_labeled, 0, -1)
    with pytest.warns(UserWarning, match="DAL tells .* draws at random") as caught:
        seen, (picks, utilities) = told(
            DAL(random_state=0), X, y,
            candidates=candidates, batch_size=5, return_utilities=True,
        )  # fmt: skip
    assert not seen
    assert len(set(picks)) == 5
    assert (utilities[~np.isnan(utilities)] == 1).all()
    [warning] = [each for each in caught if "DAL" in str(each.message)]
    assert "strategy.query" in linecache.getline(warning.filename, warning.lineno)


def test_who_asks_is_warned_of_too_few_rows():
    X, y = np.arange(8, dtype=np.float32)[:, None], np.array([0] + [-1] * 7)
    for strategy in (DAL(), VAAL(), JointSampling()):
        with pytest.warns(UserWarning, match="draws at random") as caught:
            strategy.query(X, y)
        [line] = {linecache.getline(each.filename, each.lineno) for each in caught}
        assert "strategy.query(X, y)" in line


def test_two_labelled_rows_are_enough_to_tell_apart():
    X, y = np.arange(8, dtype=np.float32)[:, None], np.array([0, 1] + [-1] * 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen, _ = told(DAL(random_state=0), X, y)
    assert len(seen) == 1


@pytest.mark.parametrize("wants_utilities", [True, False])
def test_the_net_of_the_paper_is_trained_as_told(monkeypatch, wants_utilities):
    """Three hidden layers of 256 units; scores of all rows are kept if asked for."""
    nets, settings, kept = [], [], []
    train, pick = _dal.train_unlabeled_detector, _dal.discriminative_batches

    def noted(*rows, **params):
        settings.append(params)
        score = train(*rows, **params)
        nets.append(score.args[0])
        return score

    def noted_pick(*args, **params):
        kept.append((params["with_utilities"], args[0].args[0].generator))
        return pick(*args, **params)

    monkeypatch.setattr(_dal, "train_unlabeled_detector", noted)
    monkeypatch.setattr(_dal, "discriminative_batches", noted_pick)
    strategy = DAL(stop_accuracy=0.7, verbose=True, random_state=0, **TRAINING)
    strategy.query(X, Y, return_utilities=wants_utilities)
    sizes = [tuple(layer.weight.shape) for layer in nets[0].layers[::2]]
    assert sizes == [(256, 3), (256, 256), (256, 256), (1, 256)]
    assert not nets[0].training
    given = {"stop_accuracy": 0.7, "name": "DAL", "verbose": True, "batch_size": 6}
    assert {name: settings[0][name] for name in given} == given
    assert kept == [(wants_utilities, settings[0]["generator"])]


@pytest.mark.parametrize(
    "params",
    [
        {"stop_accuracy": 0.0},
        {"n_sub_batches": 0},
        {"n_iterations": 0},
        {"train_batch_size": 0},
        {"lr": 0.0},
    ],
    ids=str,
)
def test_what_dal_cannot_be_told(params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        DAL(**params).query(X, Y)


def test_an_accuracy_of_one_never_ends_a_training_early():
    """Rows that are told apart at once are trained on to the end."""
    X, y = np.arange(8.0)[:, None], np.array([0, 0] + [-1] * 6)
    X[2:] += 100
    params = {"lr": 1e-2, "train_batch_size": 8, "random_state": 0}

    def utilities(n_iterations, stop_accuracy):
        strategy = DAL(n_iterations=n_iterations, stop_accuracy=stop_accuracy, **params)
        return strategy.query(X, y, return_utilities=True)[1]

    np.testing.assert_array_equal(utilities(40, 0.98), utilities(20, 1.0))
    assert not np.array_equal(utilities(40, 1.0), utilities(20, 1.0), equal_nan=True)


def test_dal_trains_as_its_docstring_says():
    said = dict(re.findall(r"^    (\w+) : .*default=(\S+)$", DAL.__doc__, re.MULTILINE))
    assert {name: ast.literal_eval(value) for name, value in said.items()} == {
        "n_sub_batches": 10,
        "stop_accuracy": 0.98,
        "n_iterations": 300,
        "train_batch_size": 64,
        "lr": 1e-3,
        "verbose": False,
        "missing_label": -1,
        "random_state": None,
    } == DAL().get_params()  # fmt: skip
