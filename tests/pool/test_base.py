"""The one query: what the conformance checks do not see."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from strategies import STRATEGIES, VARIANTS, deep, maker, remembered

from skal_deep import pool as package
from skal_deep.classifier import CapabilityError, Embeds, PredictsProba
from skal_deep.pool import BALD, Badge, CoreSet, DeepQueryStrategy, ScoreQueryStrategy
from skal_deep.rows._order import canonical_order
from skal_deep.testing._strategy_case import Case, small_classifier


@pytest.fixture
def case():
    return Case(BALD())


def test_there_is_one_query():
    for name in STRATEGIES:
        assert "query" not in vars(getattr(package, name))
    assert "query" in vars(DeepQueryStrategy)
    assert "query" not in vars(ScoreQueryStrategy)


@pytest.mark.parametrize("name", STRATEGIES | VARIANTS)
def test_utilities_are_kept_only_where_they_are_asked_for(name, monkeypatch):
    strategy = (STRATEGIES | VARIANTS)[name]
    case, shapes = Case(strategy, False, remembered(maker(strategy))), []
    select = type(strategy)._select

    def recorded(self, pool, batch_size):
        answer = select(self, pool, batch_size)
        shapes.append(tuple(answer[1].shape))
        return answer

    monkeypatch.setattr(type(strategy), "_select", recorded)
    case.query(batch_size=5)
    assert shapes in ([(5,)], [((case.y == -1).sum(),)])


def test_missing_capabilities_are_named(case):
    with pytest.raises(
        CapabilityError, match=r"BALD needs sample_proba of clf; GaussianNB"
    ):
        BALD().query(case.X, case.y, GaussianNB())
    with pytest.raises(CapabilityError, match="Badge needs embed of clf"):
        Badge().query(case.X, case.y, GaussianNB())
    with pytest.raises(CapabilityError, match="pass `clf`"):
        BALD().query(case.X, case.y)


def test_missing_capabilities_are_noticed_before_training(case):
    class Untrainable(GaussianNB):
        def fit(self, X, y, sample_weight=None):
            raise AssertionError("trained in vain")

    with pytest.raises(CapabilityError):
        BALD().query(case.X, case.y, Untrainable())


def test_missing_labels_must_agree(case):
    with pytest.raises(ValueError, match="missing_label"):
        BALD().query(case.X, case.y, small_classifier(False, missing_label=-2))


def test_raw_inputs_serve_where_embeddings_are_missing(case):
    strategy = CoreSet(random_state=0)
    plain = strategy.query(case.X, case.y, batch_size=4)
    given = strategy.query(case.X, case.y, LogisticRegression(), batch_size=4)
    np.testing.assert_array_equal(plain, given)


def test_no_seed_means_fresh_draws_that_move_no_global_generator(case):
    X, y = np.ones((40, 2), np.float32), np.where(np.arange(40) < 3, case.y_true[0], -1)
    before = np.random.get_state()[1].copy()
    picks = {int(CoreSet().query(X, y)[0]) for _ in range(8)}
    assert len(picks) > 1
    np.testing.assert_array_equal(before, np.random.get_state()[1])


@pytest.mark.slow
def test_ties_are_broken_fairly():
    X, y = np.ones((8, 2), np.float32), np.full(8, -1)
    y[0] = 0
    counts = np.zeros(8)
    for seed in range(200):
        counts[CoreSet(random_state=seed).query(X, y)] += 1
    assert counts[0] == 0
    assert counts[1:].min() > 10


class OnePass(DeepQueryStrategy):
    _needs = (PredictsProba, Embeds)

    def _select(self, pool, batch_size):
        first = pool.predict_and_embed()
        assert pool.predict_and_embed()[1] is first[1]
        assert pool.embed() is first[1]
        assert pool.predict_proba() is first[0]
        return torch.arange(batch_size), torch.ones(len(pool))


@pytest.mark.slow
def test_answers_are_computed_once(case, monkeypatch):
    calls = []
    clf = case.fitted()
    answer = type(clf)._answer

    def counted(self, X, embeddings=False):
        calls.append(len(X))
        return answer(self, X, embeddings)

    monkeypatch.setattr(type(clf), "_answer", counted)
    OnePass().query(case.X, case.y, clf, fit_clf=False, batch_size=2)
    assert len(calls) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DCoM", "DiverseMiniBatch", "UncertaintyHerding"])
def test_predictions_and_embeddings_of_a_net_take_one_pass(name):
    case, n_seen = Case(STRATEGIES[name], False, deep), []
    clf = case.fitted()
    clf.nets_[0].module_.register_forward_pre_hook(
        lambda _, rows: n_seen.append(len(rows[0]))
    )
    picks = case.query(clf=clf, fit_clf=False, batch_size=4)
    assert len(set(picks.tolist())) == 4
    assert sum(n_seen) <= len(case.X) + 1  # of one row DCoM asks for its classes


def test_large_rows_are_handed_over_in_chunks(case, monkeypatch):
    clf = case.fitted()
    expected = BALD(random_state=0).query(
        case.X, case.y, clf, fit_clf=False, batch_size=4, return_utilities=True
    )
    monkeypatch.setattr("skal_deep.pool._rows._CHUNK_BYTES", 5 * case.X[0].nbytes)
    chunked = BALD(random_state=0).query(
        case.X, case.y, clf, fit_clf=False, batch_size=4, return_utilities=True
    )
    np.testing.assert_array_equal(expected[0], chunked[0])
    np.testing.assert_allclose(expected[1], chunked[1], rtol=1e-4, atol=1e-7)


@pytest.mark.slow
def test_pools_mapped_from_a_file(case, tmp_path):
    mapped = np.memmap(tmp_path / "X", np.float32, "w+", shape=case.X.shape)
    mapped[:] = case.X
    mapped.flush()
    read_only = np.memmap(tmp_path / "X", np.float32, "r", shape=case.X.shape)
    np.testing.assert_array_equal(
        case.query(X=read_only, batch_size=3), case.query(batch_size=3)
    )


class Given(ScoreQueryStrategy):
    """Scores as it is told."""

    _needs = ()
    selection = None

    def __init__(self, score, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.score = score

    def _score(self, pool):
        return self.score(len(pool))


@pytest.mark.parametrize(
    "score",
    [
        lambda n: np.arange(n),
        lambda n: list(range(n)),
        lambda n: torch.arange(n),
        lambda n: torch.arange(n, dtype=torch.float32, requires_grad=True),
    ],
)
def test_own_scores_may_be_arrays(score):
    picks, expected = (
        Given(each, random_state=0).query(*NUMBERS, batch_size=2)
        for each in (score, lambda n: torch.arange(float(n)))
    )
    assert picks.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "score", [lambda n: None, lambda n: np.ones((n, 1)), lambda n: torch.ones(n - 1)]
)
def test_scores_of_another_shape_are_named(score):
    with pytest.raises(ValueError, match=r"Given._score must return one .* 15 "):
        Given(score).query(*NUMBERS)


NUMBERS = np.arange(40.0).reshape(20, 2), np.r_[[0] * 5, [-1] * 15]


class Broken(DeepQueryStrategy):
    def __init__(self, picks=None, utilities=None, missing_label=-1, random_state=None):
        super().__init__(missing_label=missing_label, random_state=random_state)
        self.picks, self.utilities = picks, utilities

    _parameter_constraints = {
        **DeepQueryStrategy._parameter_constraints,
        "picks": "no_validation",
        "utilities": "no_validation",
    }

    def _select(self, pool, batch_size):
        utilities = torch.ones(len(pool)) if self.utilities is None else self.utilities
        return torch.tensor(self.picks), utilities


@pytest.mark.parametrize(
    "picks", [[0, 0], [0], [0, 99], [-1, 0], [0, 0.5], [0, float("nan")], [True, True]]
)
def test_wrong_picks_of_a_strategy_are_noticed(case, picks):
    with pytest.raises(ValueError, match="must return 2 distinct"):
        Broken(picks).query(case.X, case.y, batch_size=2)


def test_utilities_that_are_no_numbers_are_noticed(case):
    utilities = torch.full((int((case.y == -1).sum()),), float("nan"))
    with pytest.raises(ValueError, match="NaN or infinite"):
        Broken([0, 1], utilities).query(
            case.X, case.y, batch_size=2, return_utilities=True
        )


@pytest.mark.parametrize("shape", [(50, 3), (50, 1, 4, 4)])
def test_canonical_order_does_not_depend_on_storage(shape):
    rng = np.random.default_rng(0)
    X, order = rng.normal(size=shape), rng.permutation(50)
    first = X[canonical_order(X, np.arange(50))]
    second = X[order][canonical_order(X[order], np.arange(50))]
    np.testing.assert_array_equal(first, second)
