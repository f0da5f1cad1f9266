"""Why it did not help: what is planted is found, and nothing where nothing is."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import make_blobs, make_classification
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import BayesianRidge, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from skal_deep.evaluation import does_al_help
from skal_deep.evaluation.advice import _reasons
from skal_deep.evaluation.advice._answer import Answer
from skal_deep.evaluation.advice._measured import (
    Measured,
    _auroc,
    _auroc_of_numbers,
    _closeness,
    _error_out_of_fold,
    _right_out_of_fold,
)
from skal_deep.evaluation.advice._reasons import (
    _at_most,
    _converged,
    _noise,
    _saturated,
    _saturated_of_numbers,
    _unreliable,
    find_reasons,
)
from skal_deep.pool import LCMD, LeastConfidence, MarginSampling, MeanStd

OPTIONS = {
    "strategies": [MarginSampling()],
    "n_repeats": 5,
    "n_initial": 10,
    "batch_size": 5,
    "progress": False,
    "random_state": 0,
    "explain": True,
}
NAMES = [
    "easy task",
    "strong model",
    "nothing to gain",
    "convergence",
    "copies in a batch",
    "uncertainty unreliable",
    "uncertain is not informative",
]


def first_of(answer):
    return next((reason.name for reason in answer.reasons() if reason.holds), None)


@pytest.mark.slow
def test_easy_task():
    X, y = make_blobs(300, centers=3, cluster_std=0.5, random_state=0)
    answer = does_al_help(GaussianNB(), X, y, n_cycles=4, **OPTIONS)
    assert [reason.name for reason in answer.reasons()] == NAMES
    assert first_of(answer) == "easy task"
    assert "Why it did not help (easy task): After 25 random labels" in repr(answer)


@pytest.mark.slow
def test_strong_model():
    """Rings: a nearest neighbour is right where centroids cannot be."""
    rng = np.random.default_rng(0)
    angle, y = rng.uniform(0, 2 * np.pi, 400), np.arange(400) % 2
    X = np.column_stack([np.cos(angle), np.sin(angle)]) * (1 + 3 * y)[:, None]
    answer = does_al_help(KNeighborsClassifier(1), X, y, n_cycles=4, **OPTIONS)
    assert first_of(answer) == "strong model"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_nothing_to_gain(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(900, 2))
    y = np.where(rng.random(900) < 0.35, rng.integers(2, size=900), (X[:, 0] > 0) * 1)
    options = OPTIONS | {"n_initial": 150, "batch_size": 20}
    answer = does_al_help(GaussianNB(), X, y, n_cycles=4, **options)
    assert first_of(answer) == "nothing to gain"


@pytest.mark.slow
def test_copies():
    """Each row forty times: the least certain rows of a batch are one row."""
    X, y = make_classification(
        20, n_features=6, n_informative=6, n_redundant=0, n_classes=4,
        n_clusters_per_class=1, class_sep=1.0, random_state=1,
    )  # fmt: skip
    X, y = np.tile(X, (20, 1)), np.tile(y, 20)
    X = X + 1e-4 * np.random.default_rng(0).normal(size=X.shape)
    model = LogisticRegression(max_iter=300)
    options = OPTIONS | {"strategies": [LeastConfidence()], "n_initial": 4}
    answer = does_al_help(model, X, y, n_cycles=4, **options)
    copies = answer.reasons()[4]
    assert copies.holds
    assert copies.value < 0.05
    assert answer.word != "better"


def test_closeness_of_duplicates():
    vectors = np.repeat(np.random.default_rng(0).normal(size=(100, 3)), 2, axis=0)
    pool = np.arange(200)
    assert _closeness(vectors, [np.array([0, 1, 8, 9])], pool, 0) == 0
    spread = _closeness(vectors, [pool[::20]] * 20, pool, 0)
    assert spread == pytest.approx(1, abs=0.15)
    assert math.isnan(_closeness(None, [pool[:3]], pool, 0))


def measured(**values):
    defaults = dict.fromkeys(
        ("ceiling", "simple", "copies", "auroc", "picks_contradicted"), 0.9
    )
    return Measured(**(defaults | {"pool_contradicted": 0.1} | values))


@pytest.mark.parametrize(
    ("ceiling", "simple", "names"),
    [
        (0.97, 0.94, ["easy task"]),
        (0.97, 0.7, ["strong model"]),
        (0.8, 0.7, ["nothing to gain"]),
        (0.99, 0.99, []),  # there is more to gain
    ],
)
def test_saturation_by_hand(ceiling, simple, names):
    random = np.repeat([[0.5, 0.7, 0.9, min(ceiling, 0.96), 0.97]], 3, axis=0)
    each = [measured(ceiling=ceiling, simple=simple)] * 3
    found = _saturated(random, each, np.arange(5.0), 0.02)
    assert [reason.name for reason in found if reason.holds] == names


@pytest.mark.parametrize(
    ("early", "late", "is_found"),
    [
        (0.05, 0.0, True),
        (0.0, 0.0, False),  # it never helped
        (0.05, 0.03, False),  # it helps to the end
    ],
)
def test_convergence_by_hand(early, late, is_found):
    random = np.repeat([[0.5, 0.6, 0.7, 0.8, 0.88, 0.89, 0.9]], 4, axis=0)
    luck = np.array([[-0.01], [0.0], [0.0], [0.01]])
    gain = np.array([0, early, early, late, late, late, late])
    each = [measured(ceiling=0.91)] * 4
    labels = np.arange(10.0, 80, 10)
    reason = _converged(random, random + gain + luck, each, labels, 0.02)
    assert reason.holds == is_found
    longer = [measured(ceiling=0.97)] * 4  # labels are still missing at the end
    assert not _converged(random, random + gain + luck, longer, labels, 0.02).holds


def test_what_may_be_left_to_gain_is_no_saturation():
    """Six points below all labels, give or take three: few repeats show no end."""
    early = 0.91 + 0.07 * np.array([-1, 0, 1, -1, 0, 1])
    random = np.column_stack([early - 0.2, early - 0.1, early - 0.05, early, early])
    each = [measured(ceiling=0.97, simple=0.97)] * 6

    def holds(g):
        return [r.holds for r in _saturated(random, each, np.arange(5.0), g)]

    assert holds(0.02) == [None, False, False]
    assert holds(0.001) == [False, False, False]
    assert holds(0.031) == [True, False, False]
    assert _saturated(random, each, np.arange(5.0), 0.02)[0].value == pytest.approx(
        0.06
    )


def test_a_gain_at_first_is_shown_by_the_lower_bound_of_95_percent():
    """Of four repeats t is 2.35 there: two-sided it would be 3.18."""
    random = np.repeat([[0.5, 0.6, 0.7, 0.8, 0.88, 0.89, 0.9]], 4, axis=0)
    is_early = np.array([0, 1, 1, 0, 0, 0, 0])
    spread = np.array([[-1.0], [1], [-1], [1]]) / math.sqrt(4 / 3)  # of variance 1
    each = [measured(ceiling=0.91)] * 4
    for t, is_found in ((2.3, False), (2.4, True)):
        gain = 0.02 * (t / 2 + spread) * is_early
        reason = _converged(random, random + gain, each, np.arange(7.0), 0.02)
        assert reason.holds == is_found


@pytest.fixture
def explain(monkeypatch):
    """Return what finds reasons in curves alone; all that is measured is one number."""

    def find(gain_T, is_better, luck=1e-3, **values):
        random = np.repeat([[0.5, 0.6, 0.7, 0.8, 0.88, 0.89, 0.9]], 4, axis=0)
        luck = luck * np.array([[-1], [1], [-1], [1]])
        curves = {"random": random, "mine": random + gain_T + luck}
        comparison = SimpleNamespace(
            curve=lambda name, column=None: (
                curves[name] if column is None else np.arange(7.0)[None]
            ),
            picked=lambda name: [None] * 4,
        )
        found = measured(**({"ceiling": 0.91, "copies": 0.1, "auroc": 0.5} | values))
        monkeypatch.setattr(_reasons, "measure", lambda *args: found)
        return find_reasons(comparison, "mine", GaussianNB(), None, 0.02, is_better)

    return find


EARLY = np.array([0, 0.05, 0.06, 0.04, 0.0, 0.0, 0.0])
TO_THE_END = np.array([0, 0.02, 0.03, 0.03, 0.03, 0.03, 0.03])


def test_a_better_strategy_whose_gain_is_gone_at_the_end(explain):
    found = explain(EARLY, is_better=True)
    assert [reason.name for reason in found] == NAMES
    assert next(reason.name for reason in found if reason.holds) == "convergence"
    assert explain(TO_THE_END, is_better=True) == []
    # More labels would still bring something: the end is not where random catches up.
    assert explain(EARLY, is_better=True, ceiling=0.99) == []


@pytest.mark.parametrize("n_cycles", [0, 2])
def test_thirds_of_no_curve_cannot_be_told(n_cycles):
    X, y = make_blobs(90, centers=3, cluster_std=4.0, random_state=0)
    options = OPTIONS | {"n_repeats": 2}
    answer = does_al_help(GaussianNB(), X, y, n_cycles=n_cycles, **options)
    convergence = answer.reasons()[3]
    assert (convergence.name, convergence.holds) == ("convergence", None)
    assert math.isnan(convergence.value)


def test_picks_that_brought_a_gain_are_not_at_fault(explain):
    """Three points that too few repeats do not tell from chance are no failure."""
    of_picks = explain(TO_THE_END, is_better=False)[4:]
    assert [reason.holds for reason in of_picks] == [None, None, None]
    assert {reason.text for reason in of_picks} == {"It cannot be told here."}
    # Nor was there nothing to gain, though all labels seem to bring no more.
    same = explain(TO_THE_END, is_better=False, ceiling=0.81)
    assert [reason.holds for reason in same[:4]] == [False, False, None, False]
    # Unless the repeats are so far apart that chance would have done as well.
    of_picks = explain(TO_THE_END, is_better=False, luck=0.05)[4:]
    assert [reason.holds for reason in of_picks] == [True, True, True]
    of_picks = explain(0 * TO_THE_END, is_better=False)[4:]
    assert [reason.holds for reason in of_picks] == [True, True, True]
    none = explain(TO_THE_END, False, copies=1, auroc=0.9, picks_contradicted=0.1)
    assert [reason.holds for reason in none[4:]] == [False, False, False]


def test_rows_are_judged_by_models_that_have_not_seen_them():
    """A model that remembers is right about nothing but what it has seen."""
    rng = np.random.default_rng(0)
    start = SimpleNamespace(X=rng.normal(size=(200, 2)), y=rng.integers(4, size=200))
    start.pool = np.arange(20, 180)

    def fit(rows):
        return KNeighborsClassifier(1).fit(start.X[rows], start.y[rows])

    right = _right_out_of_fold(fit, start, seed=0)
    assert right.shape == start.pool.shape
    assert 0.1 < right.mean() < 0.4


def test_mistakes_that_no_model_mends_are_no_fault_of_the_uncertainty():
    """Ten rows are doubted and wrong, ten others sure and wrong, as labels are."""

    class Fixed:
        def predict_proba(self, X):
            sure = np.where(X[:, 0] < 10, 0.6, 0.9)
            return np.column_stack([sure, 1 - sure])

        def predict(self, X):
            return np.zeros(len(X), int)

    start = SimpleNamespace(X=np.arange(100.0)[:, None], y=np.zeros(100, int))
    start.y[:20], start.pool = 1, np.arange(100)
    picks = [np.arange(30, 35), np.arange(35, 40)]
    right = ~np.isin(start.pool, np.arange(10, 20))
    assert _auroc(lambda rows: Fixed(), start, picks, right) == 1
    assert _auroc(lambda rows: Fixed(), start, picks, np.ones(100, bool)) < 0.8


def test_noise_of_picks():
    assert _noise([measured(picks_contradicted=0.57, pool_contradicted=0.22)]).holds
    assert not _noise([measured(picks_contradicted=0.25, pool_contradicted=0.22)]).holds


def test_what_cannot_be_told():
    assert _at_most(math.nan, 1) is None
    assert _unreliable([measured(auroc=math.nan)]).holds is None
    assert _unreliable([measured(auroc=0.5)]).holds


@pytest.mark.slow
def test_uncertainty_that_says_nothing():
    class Scrambled(GaussianNB):
        """As sure of wrong as of right, row by row."""

        def predict_proba(self, X):
            right = super().predict_proba(X).argmax(axis=1)
            noise = np.modf(np.abs(np.sin(1e4 * X.sum(axis=1))))[0]
            proba = np.full((len(X), len(self.classes_)), 0.0)
            top = 1 / len(self.classes_) + 0.6 * noise
            proba += ((1 - top) / (len(self.classes_) - 1))[:, None]
            proba[np.arange(len(X)), right] = top
            return proba

        def predict(self, X):
            return self.classes_[super().predict_proba(X).argmax(axis=1)]

    X, y = make_classification(
        500, n_features=8, n_informative=8, n_redundant=0, n_classes=4, random_state=0
    )
    answer = does_al_help(Scrambled(), X, y, n_cycles=4, **OPTIONS)
    unreliable = answer.reasons()[5]
    assert unreliable.holds
    assert unreliable.value == pytest.approx(0.5, abs=0.1)


def test_where_it_helps_there_is_nothing_to_explain():
    answer = Answer(None, None, None, None, found=())
    assert answer.reasons() == []
    with pytest.raises(ValueError, match="explain=True"):
        Answer(None, None, None, None).reasons()


@pytest.mark.slow
def test_other_metrics_and_given_test_rows():
    X, y = make_blobs(240, centers=3, cluster_std=0.5, random_state=0)
    names = np.array(["a", "b", "c"])[y]
    answer = does_al_help(
        GaussianNB(), X[:160], names[:160], X_test=X[160:], y_test=names[160:],
        scoring="neg_log_loss", missing_label=None, n_cycles=3, **OPTIONS,
    )  # fmt: skip
    assert [reason.name for reason in answer.reasons()] == NAMES


# of regressors

RNG = np.random.default_rng(0)
PLANE = RNG.uniform(-2, 2, (300, 2))


@pytest.mark.parametrize(
    ("explained", "simple", "names"),
    [
        (0.97, 0.94, ["easy task"]),
        (0.97, 0.7, ["strong model"]),
        (0.97, -3.0, ["strong model"]),
        (0.8, 0.7, ["nothing to gain"]),
    ],
)
def test_saturation_of_numbers_by_hand(explained, simple, names):
    random = -np.log(np.repeat([[1.0, 0.6, 0.5, 0.41, 0.4]], 3, axis=0))
    each = [measured(ceiling=-np.log(0.405), simple=simple, explained=explained)] * 3
    found = _saturated_of_numbers(random, each, np.arange(5.0), 0.02)
    assert [reason.name for reason in found if reason.holds] == names
    more = [measured(ceiling=-np.log(0.3), simple=simple, explained=explained)] * 3
    found = _saturated_of_numbers(random, more, np.arange(5.0), 0.02)
    assert not any(reason.holds for reason in found)


@pytest.mark.slow
def test_an_easy_task_of_numbers():
    y = PLANE @ [1, 2] + 0.1 * RNG.normal(size=300)
    options = OPTIONS | {"strategies": [LCMD()], "n_initial": 60, "n_cycles": 4}
    answer = does_al_help(BayesianRidge(), PLANE, y, smallest_gain=0.05, **options)
    assert [reason.name for reason in answer.reasons()] == NAMES
    assert first_of(answer) == "easy task"
    assert "ridge regression" in answer.reasons()[0].text


@pytest.mark.slow
def test_picks_that_are_noise():
    """A forest is unsure where labels are loud, and buys there what none can learn."""
    loud = PLANE[:, 0] > 1
    y = PLANE[:, 0] + np.where(loud, 6, 0.05) * RNG.normal(size=300)
    forest = RandomForestRegressor(20, min_samples_leaf=2)
    options = OPTIONS | {"strategies": [MeanStd()], "n_initial": 20, "batch_size": 10}
    answer = does_al_help(forest, PLANE, y, n_cycles=4, **options)
    *_, unreliable, noise = answer.reasons()
    assert noise.holds
    assert noise.value > 0.15
    assert unreliable.holds is False


def test_errors_out_of_fold_are_in_units_of_each_target():
    """Nothing can be learned of noise; rows of one repeated target are known."""
    start = SimpleNamespace(X=PLANE, pool=np.arange(50, 250))
    noise = RNG.normal(size=(300, 2)) * [1, 1e6] + [0, 1e8]

    def fit(rows):
        return Ridge().fit(start.X[rows], start.y[rows])

    start.y = noise
    off = _error_out_of_fold(fit, start, seed=0)
    assert off.shape == (200,)
    assert np.sqrt(np.square(off).mean()) == pytest.approx(1, abs=0.1)
    start.y = PLANE @ [[1, 1e6], [2, 0]] + [0, 1e8]
    assert _error_out_of_fold(fit, start, seed=0).max() < 0.05


def test_variances_that_find_errors_that_labels_mend():
    """Ten rows are doubted and far off; ten others are far off for every model."""

    class Fixed(RegressorMixin, BaseEstimator):
        def __init__(self, is_known=True):
            self.is_known = is_known

        def predict(self, X):
            return np.zeros(len(X))

        def predict_variance(self, X):
            return np.where(X[:, 0] < 10, 2.0, 1.0), np.ones(len(X))

    start = SimpleNamespace(X=np.arange(100.0)[:, None], y=np.zeros(100))
    start.y[:20], start.pool = 1, np.arange(100)
    error = np.where((start.pool >= 10) & (start.pool < 20), 3.0, 0.0)
    picks = [np.arange(60, 65), np.arange(65, 70)]
    assert _auroc_of_numbers(lambda rows: Fixed(), start, picks, error) == 1
    error = np.where(start.pool < 10, 3.0, 0.0)
    assert _auroc_of_numbers(lambda rows: Fixed(), start, picks, error) == 0.5


@pytest.mark.slow
@pytest.mark.parametrize("model", [RandomForestRegressor(8), Ridge()])
def test_several_targets_are_explained(model):
    y = PLANE @ [[1, 1e6], [2, 0]] + RNG.normal(size=(300, 2))
    options = OPTIONS | {"strategies": [LCMD()], "n_repeats": 2}
    answer = does_al_help(model, PLANE, y, n_cycles=2, **options)
    if answer.word != "better":
        is_told = answer.reasons()[5].holds is not None
        assert is_told == isinstance(model, RandomForestRegressor)
