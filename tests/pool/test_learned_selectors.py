"""What holds for strategies that train a net on labelled and unlabelled rows.

Scores do not depend on the other candidates and on the order of the pool, hidden labels
do not matter, and rows of classes without a label are found where there are such rows
and nowhere else.
"""

import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from strategies import maker

from skal_deep.functional import uncertainty_indicator
from skal_deep.functional.consistency import logit_sensitivity
from skal_deep.pool import (
    CEAL,
    DAAL,
    DAL,
    MAL,
    SRAAL,
    TAVAAL,
    VAAL,
    WAAL,
    ConsistencySampling,
    ForgettingEvents,
    JointSampling,
    LabelDispersion,
    LearningLoss,
    PredictiveEntropy,
    _joint_sampling,
    _sraal,
    _tavaal,
)
from skal_deep.testing._strategy_case import Case

SELECTORS = {
    "DAAL": DAAL(n_iterations=5, train_batch_size=8),
    "DAL": DAL(n_iterations=5, train_batch_size=8),
    "JointSampling": JointSampling(n_iterations=5, train_batch_size=8),
    "MAL": MAL(n_iterations=5, train_batch_size=8),
    "SRAAL": SRAAL(n_iterations=5, train_batch_size=8),
    "TAVAAL": TAVAAL(n_iterations=5, train_batch_size=8),
    "VAAL": VAAL(n_iterations=5, train_batch_size=8),
    **{
        cls.__name__: cls()
        for cls in (
            CEAL,
            ConsistencySampling,
            ForgettingEvents,
            LabelDispersion,
            LearningLoss,
            WAAL,
        )
    },
}
DIGITS, CLASSES = load_digits(return_X_y=True)
DIGITS, CLASSES = DIGITS.astype(np.float32)[:500], CLASSES[:500]
UNSEEN = CLASSES >= 5


@pytest.fixture(params=SELECTORS)
def case(request):
    strategy = SELECTORS[request.param]
    return Case(strategy, make_classifier=maker(strategy))


def scores(case, X, y, clf, candidates=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, utilities = case.strategy().query(
            X,
            y,
            clf,
            fit_clf=False,
            candidates=candidates,
            return_utilities=True,
        )
    return utilities[0]


def test_consistency_of_some_rows_of_a_large_pool():
    """Rows that are changed have the same score as where all are."""
    y = np.where(np.arange(500) < 60, CLASSES, -1)
    clf = LogisticRegression(max_iter=2_000).fit(DIGITS[:60], CLASSES[:60])

    def ask(n_exact, seed=0):
        strategy = ConsistencySampling(n_exact=n_exact, random_state=seed)
        return strategy.query(
            DIGITS, y, clf, fit_clf=False, batch_size=5, return_utilities=True
        )

    whole = ask(440)[1][0, 60:]
    np.testing.assert_array_equal(ask(439 + 10_000)[1][0, 60:], whole)
    picks, utilities = ask(40)
    some = utilities[0, 60:]
    is_changed = some == whole
    assert is_changed.sum() == 40
    assert is_changed[picks - 60].all()
    assert some[~is_changed].max() <= some[is_changed].min()
    proba = torch.as_tensor(clf.predict_proba(DIGITS[60:]))
    moved_most = logit_sensitivity(proba).topk(20).indices.numpy()
    assert is_changed[moved_most].all()
    assert (ask(40, seed=1)[1][0, 60:] != some).any()


@pytest.mark.slow
def test_scores_are_those_of_a_permuted_pool_and_of_its_parts(case):
    clf = case.fitted()
    whole = scores(case, case.X, case.y, clf)
    order = np.random.default_rng(0).permutation(len(case.X))
    permuted = scores(case, case.X[order], case.y[order], clf)
    np.testing.assert_allclose(permuted, whole[order], rtol=1e-4, atol=1e-5)
    left = np.flatnonzero(case.y == -1)
    for size in (1, 7):
        for start in range(0, len(left), 3 * size):
            part = left[start : start + size]
            found = scores(case, case.X, case.y, clf, candidates=part)
            np.testing.assert_allclose(found[part], whole[part], rtol=1e-4, atol=1e-5)


def test_hidden_labels_do_not_matter(case):
    clf = case.fitted()
    poisoned = np.where(case.y == -1, np.nan, case.y)
    plain = scores(case, case.X, case.y, clf)
    strategy = case.strategy(missing_label=np.nan)
    twin = object.__new__(type(clf))  # the same fitted classifier for other labels
    vars(twin).update(vars(clf), missing_label=np.nan)
    _, utilities = strategy.query(
        case.X, poisoned, twin, fit_clf=False, return_utilities=True
    )
    np.testing.assert_array_equal(utilities[0], plain)


def auc(strategy, clf, seed, is_shifted):
    rng = np.random.default_rng(seed)
    seen, unseen = np.flatnonzero(~UNSEEN), np.flatnonzero(UNSEEN)
    y = np.full(len(DIGITS), -1)
    chosen = rng.choice(seen, 80, replace=False)
    if not is_shifted:  # both halves, by their shares
        chosen[:40] = rng.choice(unseen, 40, replace=False)
    y[chosen] = CLASSES[chosen]
    strategy.set_params(random_state=seed)
    _, utilities = strategy.query(DIGITS, y, clf, return_utilities=True)
    left = y == -1
    return roc_auc_score(UNSEEN[left], utilities[0, left])


class ToldError(Exception):
    """Ends a query where its training would begin."""


@pytest.mark.parametrize(
    ("strategy", "module", "read"),
    [
        (TAVAAL(), _tavaal, lambda args, params: params["tasks"][1]),
        (SRAAL(), _sraal, lambda args, params: args[3]),
    ],
    ids=["TAVAAL", "SRAAL"],
)
def test_what_a_training_is_told_of_uncertainty(strategy, module, read, monkeypatch):
    """Turned around it would be learned as well, so that no score shows it."""

    def tell(*args, **params):
        raise ToldError(read(args, params))

    [name] = [name for name in vars(module) if name.startswith("train_")]
    monkeypatch.setattr(module, name, tell)
    X, y = DIGITS[:60], np.where(np.arange(60) < 30, CLASSES[:60], -1)
    clf = LogisticRegression(max_iter=500).fit(X[:30], y[:30])
    with pytest.raises(ToldError) as told:
        strategy.query(X, y, clf, fit_clf=False)
    proba = torch.as_tensor(clf.predict_proba(X[30:]))
    expected = 1 - proba.amax(1)
    if type(strategy) is SRAAL:
        expected = uncertainty_indicator(proba)
    found = told.value.args[0].double().sort().values
    expected = expected.double().sort().values
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_joint_sampling_asks_for_rows_near_its_target(monkeypatch):
    logits = torch.linspace(-4, 4, 30)  # of "labelled", in the order of the candidates

    class Selector:
        def novelty(self, X):
            return -logits

    monkeypatch.setattr(
        _joint_sampling, "train_joint_selector", lambda *_, **__: Selector()
    )
    y = np.where(np.arange(60) < 30, CLASSES[:60], -1)
    strategy = JointSampling(target=0.6, random_state=0)
    utilities = strategy.query(DIGITS[:60], y, return_utilities=True)[1][0, 30:]
    expected = -(logits.sigmoid() - 0.6).abs()
    np.testing.assert_allclose(np.sort(utilities), expected.sort().values, atol=1e-6)


def small_steps(cls, **params):
    return cls(n_iterations=80, train_batch_size=32, lr=1e-3, **params)


# Those that look at labelled against unlabelled rows alone; the other scores are of
# uncertain rows, too, which are not equally common in all classes.
@pytest.mark.slow
@pytest.mark.parametrize("cls", [DAL, JointSampling, VAAL])
def test_unseen_classes_are_found_and_nothing_where_there_is_nothing(cls):
    params = {"target": 0.0} if cls is JointSampling else {}
    strategy = small_steps(cls, **params)
    assert min(auc(strategy, None, seed, True) for seed in range(3)) > 0.7
    control = [auc(strategy, None, seed, False) for seed in range(3)]
    assert np.mean(control) == pytest.approx(0.5, abs=0.1)


@pytest.mark.slow
def test_where_nothing_is_new_daal_is_the_entropy():
    """Unseen classes are harder ones here, so that entropy alone is above a half."""
    clf = LogisticRegression(max_iter=500)
    for rule in ("product", "odds"):
        strategy = small_steps(DAAL, rule=rule)
        for seed in (0, 1):
            assert auc(strategy, clf, seed, True) > 0.9
            both = auc(strategy, clf, seed, False)
            alone = auc(PredictiveEntropy(), clf, seed, False)
            assert both == pytest.approx(alone, abs=0.1)


@pytest.mark.slow
def test_what_is_new_and_uncertain_is_found():
    clf = LogisticRegression(max_iter=500)
    for cls in (MAL, TAVAAL):
        assert auc(small_steps(cls), clf, 0, True) > 0.7
    # its encoder learns to hide the state of a row; see its docstring
    assert np.mean([auc(small_steps(SRAAL), clf, s, True) for s in (0, 1)]) > 0.6
