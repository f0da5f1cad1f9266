"""Logistic regression with a posterior: on its own, and scikit-learn's at the door."""

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_blobs
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from strategies import STRATEGIES

from skal_deep.classifier import (
    BayesianLinearClassifier,
    CapabilityError,
    SamplesProba,
    _bayesian_linear,
    as_model,
    fit_on_labeled,
)
from skal_deep.classifier._linear_posterior import LinearPosterior
from skal_deep.classifier._posterior import mean_of_draws
from skal_deep.functional.laplace import Curvature
from skal_deep.pool import BALD, AlfaMix, BatchBALD, CoreSet
from skal_deep.testing import check_classifier, check_posterior

X, Y_TRUE = make_blobs(90, 4, centers=3, cluster_std=4.0, random_state=0)
Y = np.where(np.arange(90) < 30, Y_TRUE, -1)
NOTHING = np.full(90, -1)


def make(**params):
    return BayesianLinearClassifier(
        **{"classes": [0, 1, 2], "random_state": 0, **params}
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "params", [{}, {"structure": "kron"}, {"prior_precision": 2.0}]
)
def test_it_keeps_the_promises_of_a_classifier(params):
    check_classifier(BayesianLinearClassifier(**params), skip=("fresh_process",))
    assert check_posterior(make(**params).fit(X, Y), X).verdict == "sound"


# They ask what only the classifier of their own paper says.
OF_ANOTHER = {
    "DEAL": "predict_evidence",
    "ForgettingEvents": "CheckpointClassifier",
    "LabelDispersion": "CheckpointClassifier",
    "LearningLoss": "LossPredictionClassifier",
    "WAAL": "WassersteinClassifier",
}


@pytest.mark.parametrize("y", [Y, NOTHING], ids=["labels", "cold start"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_of_an_ordinary_classifier_takes_it(name, y):
    strategy = STRATEGIES[name].set_params(random_state=0)
    if name in OF_ANOTHER:
        with pytest.raises(CapabilityError, match=OF_ANOTHER[name]):
            strategy.query(X, y, make(), batch_size=3)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if y is NOTHING else "error")
        picks = strategy.query(X, y, make(prior_precision=1.0), batch_size=3, rounds=[])
    assert len(set(picks)) == 3


ROWS_IN_SINGLE_PRECISION = {
    "blobs": lambda X: X,
    "small numbers": lambda X: 1e-25 * X,
    "large numbers": lambda X: 1e25 * X,
    "units apart": lambda X: X * np.logspace(-4, 4, X.shape[1]),
    "an outlier": lambda X: np.vstack([1e4 * X[:1], X[1:]]),
    "copies": lambda X: np.hstack([X, X]),
}


@pytest.mark.parametrize("kind", ROWS_IN_SINGLE_PRECISION)
def test_folds_in_single_precision_choose_the_same_prior(kind, monkeypatch):
    X, y = make_blobs(60, 6, centers=4, cluster_std=6.0, random_state=3)
    X = ROWS_IN_SINGLE_PRECISION[kind](X)
    chosen = []
    for most in (10**7, 0):
        monkeypatch.setattr(_bayesian_linear, "_MANY_PRODUCTS", most)
        clf = BayesianLinearClassifier(random_state=0).fit(X, y)
        chosen.append((clf.prior_precision_, clf.coef_.tolist()))
    assert chosen[0] == chosen[1]


@pytest.mark.slow
@pytest.mark.parametrize("structure", ["full", "kron"])
def test_many_draws_average_to_the_prediction_and_to_the_weights(structure):
    clf = make(structure=structure, prior_precision=3.0, n_samples=2_000).fit(X, Y)
    draws = clf.posterior_.weights(20_000, 0)
    np.testing.assert_allclose(draws.mean(0)[:, :-1], clf.coef_, atol=0.02)
    np.testing.assert_allclose(draws.mean(0)[:, -1], clf.intercept_, atol=0.02)
    samples = clf.sample_proba(X, 5_000, 1)
    np.testing.assert_allclose(samples.mean(0), clf.predict_proba(X), atol=0.03)


@pytest.mark.slow
def test_with_many_labels_the_posterior_narrows():
    X, y = make_blobs(20_000, 4, centers=3, cluster_std=4.0, random_state=0)
    clf = make(prior_precision=1.0).fit(X, y)
    logits = X @ clf.coef_.T + clf.intercept_
    expected = torch.as_tensor(logits).softmax(-1)
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=0.03)


@pytest.mark.slow
def test_two_classes_are_one_difference():
    """The difference of two weights has half their prior precision."""
    two = Y_TRUE < 2
    rows_of_two, labels = X[two][:25], Y_TRUE[two][:25]
    both = BayesianLinearClassifier(prior_precision=2.0).fit(rows_of_two, labels)
    rows = torch.as_tensor(np.column_stack([rows_of_two, np.ones(25)]))
    w = torch.as_tensor(
        np.append(*map(np.diff, (both.coef_.T, both.intercept_))).astype(float)
    )
    p = (rows @ w).sigmoid()
    hessian = rows.T @ (rows * (p * (1 - p))[:, None]) + torch.eye(5)
    draws = both.posterior_.weights(40_000, 0)
    difference = draws[:, 1] - draws[:, 0]
    torch.testing.assert_close(
        difference.T.cov(), hessian.inverse(), atol=0.03, rtol=0.05
    )
    torch.testing.assert_close(
        rows.T @ (p - torch.as_tensor(labels)) + w, 0 * w, atol=1e-2, rtol=0
    )


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["cv", "evidence"])
def test_the_prior_does_not_hang_on_the_unit_of_features(rule):
    wide = make(prior_precision=rule).fit(1e3 * X, Y)
    near = make(prior_precision=rule).fit(X, Y)
    # the bias does not scale along, and may move the choice by one
    assert 0.3e6 < wide.prior_precision_ / near.prior_precision_ < 3.2e6


@pytest.mark.slow
def test_noise_gets_a_stronger_prior_than_clusters():
    noise = np.random.default_rng(0).permutation(Y_TRUE)
    for rule in ("cv", "evidence"):
        strong = make(prior_precision=rule).fit(X, noise).prior_precision_
        assert strong > make(prior_precision=rule).fit(X, Y_TRUE).prior_precision_


@pytest.mark.parametrize(
    ("shape", "n_labels", "std", "rule"),
    [
        ((60, 40, 3), 12, 4.0, "cv"),  # fewer labels than features
        ((300, 20, 2), 250, 1.0, "evidence"),  # classes that are separated
        ((300, 20, 2), 250, 1.0, 1e-3),  # and a weak prior
        ((200, 64, 10), 100, 2.0, 1.0),
    ],
)
@pytest.mark.parametrize("structure", ["full", "kron"])
def test_the_last_digits_of_copied_features_move_nothing(
    shape, n_labels, std, rule, structure
):
    """Copies leave directions whose basis is arbitrary."""
    n, d, n_classes = shape
    rows, y = make_blobs(n, d, centers=n_classes, cluster_std=std, random_state=0)
    y[n_labels:] = -1
    rows = np.column_stack([rows, rows[:, :3]])
    moved = rows.copy()
    moved[:, -3:] += 1e-14 * np.random.default_rng(0).normal(size=(n, 3))
    given, near = (
        BayesianLinearClassifier(
            prior_precision=rule, structure=structure, random_state=0
        ).fit(X, y)
        for X in (rows, moved)
    )
    assert near.prior_precision_ == pytest.approx(given.prior_precision_)
    np.testing.assert_allclose(
        near.sample_proba(moved, 10, 0), given.sample_proba(rows, 10, 0), atol=1e-7
    )


@pytest.mark.slow
def test_few_labels():
    for y in (NOTHING, np.where(np.arange(90) == 4, Y_TRUE, -1)):
        clf = make().fit(X, y)
        assert clf.predict_proba(X).shape == (90, 3)
        spread = np.append(X, np.ones((90, 1)), 1)[
            y == y[0] if y is NOTHING else y >= 0
        ]
        square = (spread**2).sum(1).mean()
        assert clf.prior_precision_ == pytest.approx(square / 25)
    one = np.where(np.arange(90) < 6, 1, -1)
    assert (make().fit(X, one).predict(X[:6]) == 1).all()
    with pytest.warns(UserWarning, match="one class only"):
        alone = make(classes=None).fit(X, one)
    np.testing.assert_array_equal(alone.predict_proba(X), np.ones((90, 1)))
    assert make().fit(X[:0], Y[:0]) is not None


def test_weights_of_rows_count_as_copies():
    weight = np.where(np.arange(30) < 10, 3.0, 1.0)
    weighted = make(prior_precision=1.0).fit(X[:30], Y[:30], weight)
    # weights have the mean 1, so that the prior counts as against 30 rows
    rows = np.repeat(np.arange(30), weight.astype(int))
    precision = len(rows) / 30
    copied = make(prior_precision=precision).fit(X[rows], Y[rows])
    np.testing.assert_allclose(weighted.coef_, copied.coef_, atol=2e-3)


@pytest.mark.parametrize("rule", [1.0, "cv", "evidence"])
def test_a_row_without_weight_is_none(rule):
    zero = make(prior_precision=rule).fit(X[:30], Y[:30], (np.arange(30) < 20) * 1.0)
    without = make(prior_precision=rule).fit(X[:20], Y[:20])
    np.testing.assert_array_equal(zero.predict_proba(X), without.predict_proba(X))


def test_rows_of_half_precision_may_have_large_logits():
    half = (1_000 * X).astype(np.float16)
    clf = make(prior_precision=1.0).fit(half, Y)
    np.testing.assert_allclose(
        clf.predict_proba(half),
        make(prior_precision=1.0).fit(half.astype(float), Y).predict_proba(half),
        atol=1e-4,
    )
    assert clf.predict_proba(half).dtype == np.float32


@pytest.mark.slow
def test_costs_decide():
    costs = np.array([[0, 1, 1], [1, 0, 1], [99, 99, 0]])
    clf = make(cost_matrix=costs).fit(X, Y)
    expected = (clf.predict_proba(X) @ costs).argmin(1)
    np.testing.assert_array_equal(clf.predict(X), expected)


@pytest.mark.slow
def test_sparse_rows_are_refused_with_advice():
    for call in (make().fit, make().fit(X, Y).predict_proba):
        arguments = (sparse.csr_array(X), Y)[: 2 if call.__name__ == "fit" else 1]
        with pytest.raises(TypeError, match=r"X is sparse.*TruncatedSVD"):
            call(*arguments)


@pytest.mark.slow
def test_chunks_of_a_pool_have_the_same_draws():
    clf = make().fit(X, Y)
    whole = clf.sample_proba(X, 6, 3)
    parts = [clf.sample_proba(X[at : at + 7], 6, 3) for at in range(0, 90, 7)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-12)
    np.testing.assert_allclose(clf.sample_proba(X, 3, 3), whole[:3], atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("n_threads", [2, 3])
def test_fits_and_answers_do_not_hang_on_the_number_of_threads(n_threads):
    """Threads share folds, and rows in several parts."""
    rows, before = np.tile(X, (400, 1)), torch.get_num_threads()

    def answers(n):
        torch.set_num_threads(n)
        try:
            clf = make(prior_precision="cv").fit(X, Y)
            return clf.coef_, clf.predict_proba(rows), clf.sample_proba(rows, 20, 0)
        finally:
            assert torch.get_num_threads() == n
            torch.set_num_threads(before)

    for one, several in zip(answers(1), answers(n_threads), strict=True):
        np.testing.assert_array_equal(one, several)


# scikit-learn's, at the door


@pytest.mark.slow
@pytest.mark.parametrize("n_logits", [1, 3])
def test_draws_of_many_rows_are_the_softmax_of_their_logits(n_logits):
    """Rows are multiplied part by part; scikit-learn's two classes are one logit."""
    n_classes, rows_ND = (
        max(2, n_logits),
        torch.linspace(-3, 3, 60_000).view(-1, 2).double(),
    )
    curvature = Curvature(torch.ones(n_logits, 3).double(), ())
    weights_RD = torch.arange(3 * n_logits).view(-1, 3).double()
    posterior = LinearPosterior(weights_RD, curvature, torch.ones(3), n_classes)
    proba_SNC = posterior.sample_proba(rows_ND, 20, 0)
    assert proba_SNC.numel() > 2**20  # several parts
    with_ones_ND = torch.cat([rows_ND, torch.ones(len(rows_ND), 1)], 1)
    logit_SNR = with_ones_ND @ posterior.weights(20, 0).mT
    zero_SNR = torch.zeros(20, len(rows_ND), n_classes - n_logits).double()
    expected_SNC = torch.cat([zero_SNR, logit_SNR], -1).softmax(-1)
    torch.testing.assert_close(proba_SNC, expected_SNC)


@pytest.mark.parametrize("n_logits", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_mean_is_that_of_the_draws_to_the_last_bit(n_logits, dtype):
    """Draws are averaged part by part, and never exist all at once."""
    rows_ND = torch.randn(30_000, 2, generator=torch.Generator().manual_seed(0))
    rows_ND = rows_ND.to(dtype)
    curvature = Curvature(torch.ones(n_logits, 3).double(), ())
    weights_RD = torch.arange(3 * n_logits).view(-1, 3).double()
    posterior = LinearPosterior(weights_RD, curvature, torch.ones(3), max(2, n_logits))
    mean_NC = posterior.mean_proba(rows_ND, 20, 0)
    draws_SNC = posterior.sample_proba(rows_ND, 20, 0)
    assert draws_SNC.numel() > 2**20  # several parts
    assert mean_NC.dtype == dtype
    assert torch.equal(mean_NC, mean_of_draws(draws_SNC))


def hessian_at_the_door(clf, rows, precision):
    """Return the mean and precision of the weights of two classes."""
    F = np.column_stack([rows, np.ones(len(rows))])
    w = np.append(clf.coef_, clf.intercept_)
    p = 1 / (1 + np.exp(-F @ w))
    return w, F.T @ (F * (p * (1 - p))[:, None]) + np.diag([precision] * 4 + [1e-3])


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [0.5, np.inf])
def test_scikit_learns_has_the_posterior_of_its_penalty(penalty):
    y = np.where(Y == -1, -1, Y_TRUE < 1)
    clf = fit_on_labeled(LogisticRegression(C=penalty, max_iter=10_000, tol=1e-8), X, y)
    as_model(clf).sample_proba(X, 2, 0)
    draws = clf._linear_posterior.weights(40_000, 0)[:, 0]
    w, hessian = hessian_at_the_door(clf, X[:30], max(1 / penalty, 1e-3))
    np.testing.assert_allclose(draws.mean(0), w, atol=0.05 * np.abs(w).max())
    root = np.linalg.cholesky(hessian)
    white = (draws.numpy() - w) @ root
    np.testing.assert_allclose(np.cov(white.T), np.eye(5), atol=0.05)


@pytest.mark.slow
def test_the_last_step_of_a_pipeline_has_it():
    piped = fit_on_labeled(make_pipeline(StandardScaler(), LogisticRegression()), X, Y)
    rows = piped[0].transform(X)
    apart = fit_on_labeled(LogisticRegression(), rows, Y)
    torch.testing.assert_close(
        as_model(piped).sample_proba(X, 5, 0),
        as_model(apart).sample_proba(rows, 5, 0),
        atol=1e-3,
        rtol=0,
    )


@pytest.mark.slow
def test_a_fitted_one_gets_it_from_the_rows_of_the_query():
    clf = LogisticRegression().fit(X[:30], Y[:30])
    before = set(vars(clf))
    assert not isinstance(as_model(clf), SamplesProba)
    fitted, given = (
        BatchBALD(random_state=0).query(X, Y, clf, fit_clf=fit, batch_size=3)
        for fit in (True, False)
    )
    np.testing.assert_array_equal(fitted, given)
    assert set(vars(clf)) == before


@pytest.mark.slow
def test_others_have_no_gaussian_posterior():
    for clf in (
        LogisticRegression(l1_ratio=1, solver="saga"),
        FrozenEstimator(LogisticRegression().fit(X[:30], Y[:30])),
        CalibratedClassifierCV(LogisticRegression(), cv=2, ensemble=False),
    ):
        with pytest.raises(CapabilityError, match="sample_proba"):
            BALD().query(X, Y, clf)
    with pytest.raises(CapabilityError, match="softmax"):
        AlfaMix().query(X, Y, SGDClassifier(loss="log_loss", random_state=0))


@pytest.mark.slow
def test_one_whose_penalty_was_searched_has_it():
    clf = LogisticRegressionCV(
        Cs=[0.1, 1.0], l1_ratios=(0,), use_legacy_attributes=False, scoring="accuracy"
    )
    assert len(BALD().query(X, Y, clf)) == 1


def test_class_weights_count():
    by_class = LogisticRegression(class_weight={0: 1.0, 1: 5.0, 2: 1.0})
    by_row = np.where(Y == 1, 5.0, 1.0)
    torch.testing.assert_close(
        as_model(fit_on_labeled(by_class, X, Y)).sample_proba(X, 5, 0),
        as_model(fit_on_labeled(LogisticRegression(), X, Y, -1, by_row)).sample_proba(
            X, 5, 0
        ),
    )


def test_too_many_features_are_refused_with_advice():
    wide = np.zeros((6, 6_000))
    wide[:, :6] = np.eye(6)
    clf = LogisticRegression()
    with pytest.raises(CapabilityError, match="TruncatedSVD"):
        BALD().query(wide, [0, 1, 0, 1, -1, -1], clf)


def test_core_set_asks_the_inputs_and_needs_no_label():
    np.testing.assert_array_equal(
        CoreSet(random_state=0).query(X, NOTHING, LogisticRegression(), batch_size=4),
        CoreSet(random_state=0).query(X, NOTHING, batch_size=4),
    )


@pytest.mark.parametrize("target", [Y, np.where(Y == -1, -1, Y_TRUE < 1)])
def test_without_an_intercept_there_is_none_in_draws(target):
    clf = fit_on_labeled(LogisticRegression(fit_intercept=False), X, target)
    as_model(clf).sample_proba(X, 2, 0)
    draws = clf._linear_posterior.weights(50, 0)
    assert (draws[..., -1] == 0).all()
    assert (draws[..., :-1].std(0) > 0).all()


@pytest.mark.slow
def test_liblinear_penalises_the_intercept_too():
    y = np.where(Y == -1, -1, Y_TRUE < 1)
    params = {"solver": "liblinear", "C": 0.01, "intercept_scaling": 2.0}
    clf = fit_on_labeled(LogisticRegression(**params), X, y)
    as_model(clf).sample_proba(X, 2, 0)
    draws = clf._linear_posterior.weights(40_000, 0)[:, 0].numpy()
    w, hessian = hessian_at_the_door(clf, X[:30], 100.0)
    hessian[-1, -1] += 100.0 / 2.0**2 - 1e-3
    white = (draws - w) @ np.linalg.cholesky(hessian)
    np.testing.assert_allclose(np.cov(white.T), np.eye(5), atol=0.05)


@pytest.mark.slow
def test_one_that_was_fitted_to_other_rows_is_noticed():
    clf = LogisticRegression(max_iter=2_000).fit(X, Y_TRUE)
    few = np.where(np.arange(90) < 3, Y_TRUE, -1)
    for y in (few, Y):
        with pytest.warns(UserWarning, match="was fitted to others"):
            BALD().query(X, y, clf, fit_clf=False)
    for C in (0.01, np.inf):
        own = LogisticRegression(C=C, max_iter=10_000).fit(X[:30], Y[:30])
        BALD().query(X, Y, own, fit_clf=False)  # a warning would be an error


def test_a_second_fit_leaves_no_posterior_of_the_first():
    clf = fit_on_labeled(LogisticRegression(), X, Y)
    model = as_model(clf)
    model.sample_proba(X, 2, 0)
    clf.fit(X, np.roll(Y_TRUE, 1))
    assert not isinstance(as_model(clf), SamplesProba)
    with pytest.raises(CapabilityError, match="was fitted again"):
        model.sample_proba(X, 2, 0)
    everywhere = np.append(np.roll(Y_TRUE, 1), -1)
    rows = np.append(X, X[:1], axis=0)
    given, fresh = (
        BALD(random_state=0).query(
            rows, everywhere, clf, fit_clf=fit, return_utilities=True
        )[1]
        for fit in (False, True)
    )
    np.testing.assert_allclose(given, fresh, rtol=1e-2)


def test_features_whose_squares_are_infinite_are_refused():
    X = 1e160 * np.random.default_rng(0).normal(size=(9, 2))
    with pytest.raises(ValueError, match=r"features up to .*e\+160 are infinite"):
        BayesianLinearClassifier(classes=[0, 1]).fit(X, np.arange(9) % 2)
