"""Kernels are right, or refuse, where inputs are no numbers or of extreme scale."""

import contextlib
import inspect
import math

import numpy as np
import pytest
import torch

from skal_deep import functional

N, D, C, S, B = 12, 3, 3, 4, 3


def source():
    return torch.Generator().manual_seed(0)


def normal(*shape):
    return torch.randn(shape, generator=source()).double()


ROWS, KNOWN = normal(N, D), normal(5, D)
PROBA, KNOWN_PROBA = (2 * normal(N, C)).softmax(-1), normal(5, C).softmax(-1)
SAMPLES, TARGETS = (2 * normal(S, N, C)).softmax(-1), normal(S, 6, C).softmax(-1)
SCORES, WEIGHT, BIAS = normal(N).abs(), normal(C, D), normal(C)
LABELS, KEPT = torch.arange(N) % C, normal(2, N, D) > 0
FEATURES, NOISE = normal(N, 1, D), SCORES[:, None] + 1
# a kernel with its settings, and the tensors of numbers that it takes
KERNELS = {
    "apply_temperature": (lambda p: functional.apply_temperature(p, 2.0), [PROBA]),
    "average_linkage": (lambda r: functional.average_linkage(r, 4), [ROWS]),
    "badge": (
        lambda p, r: functional.badge(p, r, B, generator=source()),
        [PROBA, ROWS],
    ),
    "badge, population": (
        lambda p, r: functional.badge(PROBA, ROWS, B, population=(p, r)),
        [PROBA, ROWS],
    ),
    "bait": (
        lambda p, r, q, k: functional.bait(p, r, q, k, B),
        [PROBA, ROWS, KNOWN_PROBA, KNOWN],
    ),
    "bait_regression": (
        lambda r, k: functional.bait_regression(r, k, B),
        [ROWS, KNOWN],
    ),
    "batch_bald": (lambda s: functional.batch_bald(s, B), [SAMPLES]),
    "batch_epig": (lambda s, t: functional.batch_epig(s, t, B), [SAMPLES, TARGETS]),
    "cluster_rounds": (
        lambda s: functional.cluster_rounds(s, LABELS, B, n_considered=9),
        [SCORES],
    ),
    "contrast": (
        lambda p, r, q, k: functional.contrast(p, r, q, k, 2),
        [PROBA, ROWS, KNOWN_PROBA, KNOWN],
    ),
    "core_mse": (functional.core_mse, [SAMPLES, TARGETS]),
    "cosine_graph": (lambda r: functional.cosine_graph(r, 4).toarray(), [ROWS]),
    "density": (functional.density, [ROWS, KNOWN]),
    "density_k_center": (
        lambda r, k, s: functional.density_k_center(r, k, s, B),
        [ROWS, KNOWN, SCORES],
    ),
    "disagreements": (
        lambda r, w, b: functional.disagreements(r, w, b, KEPT, 0.5),
        [ROWS, WEIGHT, BIAS],
    ),
    "epig": (functional.epig, [SAMPLES, TARGETS, torch.ones(6)]),
    "second_order_epig": (
        functional.second_order_epig,
        [SAMPLES, TARGETS, torch.ones(6)],
    ),
    "expected_calibration_error": (
        lambda c: functional.expected_calibration_error(c, c > 0.5),
        [PROBA[:, 0]],
    ),
    "expected_gradient_length": (
        functional.expected_gradient_length,
        [PROBA, SAMPLES.transpose(0, 1)],
    ),
    "falcun": (lambda p: functional.falcun(p, B), [PROBA]),
    "fit_temperature": (lambda p: functional.fit_temperature(p, LABELS), [PROBA]),
    "flipping_mix": (functional.flipping_mix, [ROWS, KNOWN, WEIGHT, BIAS]),
    "ical": (lambda s: functional.ical(s, lambda n: s[:, :n], B), [SAMPLES]),
    "k_center_greedy": (
        lambda r, k: functional.k_center_greedy(r, k, B),
        [ROWS, KNOWN],
    ),
    "last_layer_features": (
        lambda p, r: functional.last_layer_features(p, r, 4),
        [PROBA, ROWS],
    ),
    "last_layer_gradient_lengths": (
        functional.last_layer_gradient_lengths,
        [PROBA, ROWS],
    ),
    "lcmd": (lambda r, k: functional.lcmd(r, k, B), [ROWS, KNOWN]),
    "max_det": (lambda r, k: functional.max_det(r, k, B, noise=0.1), [ROWS, KNOWN]),
    "max_herding": (
        lambda r, d, k, w: functional.max_herding(r, d, k, B, weights=w),
        [ROWS, ROWS, KNOWN, SCORES],
    ),
    "nearest_centers": (functional.nearest_centers, [ROWS, KNOWN]),
    "nearest_distinct": (
        lambda r, k, s: functional.nearest_distinct(r, k, B, handicaps=s),
        [ROWS, KNOWN, SCORES],
    ),
    "grouped_neighbors": (
        lambda r, k: functional.grouped_neighbors(r, k, 2),
        [ROWS, KNOWN],
    ),
    "nearest_neighbors": (
        lambda r, k: functional.nearest_neighbors(r, k, 2),
        [ROWS, KNOWN],
    ),
    "power_sample": (lambda s: functional.power_sample(s, B), [SCORES]),
    "prob_cover": (
        lambda r, d, k: functional.prob_cover(r, d, k, B, radius=0.5),
        [ROWS, ROWS, KNOWN],
    ),
    "purity_radius": (lambda r: functional.purity_radius(r, LABELS), [ROWS]),
    "random_walk": (lambda r: functional.random_walk(r, 4).toarray(), [ROWS]),
    "robust_k_center": (
        lambda r, k: functional.robust_k_center(
            r, k, B, n_outliers=1, max_points=20, time_limit=1.0
        )[0],
        [ROWS, KNOWN],
    ),
    "softmax_sample": (lambda s: functional.softmax_sample(s, B), [SCORES]),
    "softrank_sample": (lambda s: functional.softrank_sample(s, B), [SCORES]),
    "squared_distances": (functional.squared_distances, [ROWS, KNOWN]),
    "suggestive_annotation": (
        lambda r, d, s: functional.suggestive_annotation(r, d, B, handicaps=s),
        [ROWS, KNOWN, SCORES],
    ),
    "top_k": (lambda s: functional.top_k(s, B), [SCORES]),
    "typi_clust": (
        lambda r, d, k: functional.typi_clust(r, d, 5, k, B, n_neighbors=4),
        [ROWS, torch.cat([KNOWN, ROWS]), KNOWN],
    ),
    "typicality": (lambda r, d: functional.typicality(r, d, 4), [ROWS, ROWS]),
    "unit_rows": (functional.unit_rows, [ROWS]),
    "entropy": (functional.entropy, [PROBA]),
    "consensus_kl, largest": (
        lambda s: functional.consensus_kl(s, "max"),
        [SAMPLES],
    ),
    "variation_ratio, votes": (
        lambda s: functional.variation_ratio(s, "votes"),
        [SAMPLES],
    ),
}
for _name in (
    "bald",
    "consensus_kl",
    "least_confidence",
    "margin",
    "mean_std",
    "predictive_entropy",
    "variation_ratio",
    "vote_entropy",
):
    KERNELS[_name] = (getattr(functional, _name), [SAMPLES])
for _name in ("dirichlet_information", "dirichlet_mean", "vacuity"):
    KERNELS[_name] = (getattr(functional, _name), [SCORES[:, None] * PROBA])
KERNELS |= {
    "class_anchors": (
        lambda r: functional.class_anchors(r, LABELS, 2, source()),
        [ROWS],
    ),
    "near_anchors": (lambda r, k: functional.near_anchors(r, k, 3, B), [ROWS, KNOWN]),
    "per_cost": (functional.per_cost, [SCORES, SCORES + 1]),
    "gaussian_crps": (functional.gaussian_crps, [ROWS, ROWS.abs() + 1, ROWS + 1]),
    "gaussian_batch_bald": (
        lambda r, n: functional.gaussian_batch_bald(r, n, B),
        [FEATURES, NOISE],
    ),
    "gaussian_batch_epig": (
        lambda r, n, t, m: functional.gaussian_batch_epig(r, n, t, m, B),
        [FEATURES, NOISE, FEATURES[:6], NOISE[:6]],
    ),
    "confident_labels": (lambda p: functional.confident_labels(p, 0.5), [PROBA]),
    "gaussian_bald": (functional.gaussian_bald, [SCORES, SCORES + 1]),
    "gaussian_epig": (
        functional.gaussian_epig,
        [torch.zeros(N, 6).double(), SCORES + 1, SCORES[:6] + 1],
    ),
    "inconsistency": (functional.inconsistency, [SAMPLES]),
    "novelty_and_entropy": (
        lambda s, p: functional.novelty_and_entropy(s, p, "product"),
        [SCORES.sigmoid(), PROBA],
    ),
    "propagated_labels": (functional.propagated_labels, [PROBA]),
    "sharpen": (lambda p: functional.sharpen(p, 0.5), [PROBA]),
    "uncertain_among_new": (functional.uncertain_among_new, [SCORES, PROBA]),
    "uncertainty_indicator": (functional.uncertainty_indicator, [PROBA]),
    "wasserstein_score": (functional.wasserstein_score, [PROBA, SCORES]),
}
# These take whole numbers, graphs whose making checks, or a net as a function; or they
# are losses, which a training checks.
OTHERS = {
    "discriminative_batches",
    "gaussian_divergence",
    "log_softmax_bound",
    "ranking_loss",
    "spread_labels",
    "deepfool",
    "diffusion_scores",
    "forgetting_events",
    "iterated_sign_attack",
    "label_dispersion",
    "prediction_switches",
    "propagate_labels",
}


def is_finite(answer):
    answers = answer if isinstance(answer, tuple) else (answer,)
    return all(torch.as_tensor(one).isfinite().all() for one in answers)


def test_all_kernels_are_listed():
    names = {
        n for n in functional.__all__ if inspect.isfunction(getattr(functional, n))
    }
    assert names == {name.split(",")[0] for name in KERNELS} | OTHERS


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_no_number_is_refused(name, value, dtype):
    kernel, given = KERNELS[name]
    for position in range(len(given)):
        tensors = [tensor.to(dtype).contiguous().clone() for tensor in given]
        tensors[position].view(-1)[tensors[position].numel() // 2] = value
        with pytest.raises(ValueError, match=r"NaN|finite|infinite"):
            kernel(*tensors)


WITH_ROWS = [
    name for name, (_, given) in KERNELS.items() if any(t is ROWS for t in given)
]


@pytest.mark.parametrize("name", WITH_ROWS)
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(torch.float32, s) for s in (1e-30, 1e-18, 1e17, 1e30)]
    + [(torch.float64, s) for s in (1e-160, 1e-30, 1e30, 1e160)],
)
def test_extreme_rows_give_numbers_or_are_refused(name, dtype, scale):
    kernel, given = KERNELS[name]
    tensors = [(scale * t if t is ROWS or t is KNOWN else t).to(dtype) for t in given]
    with contextlib.suppress(ValueError):
        assert is_finite(kernel(*tensors))


@pytest.mark.parametrize("name", WITH_ROWS)
def test_no_rows_but_zeros_give_numbers(name):
    kernel, given = KERNELS[name]
    tensors = [0 * t if t is ROWS or t is KNOWN else t for t in given]
    if name == "flipping_mix":  # no anchor is elsewhere, so nothing flips
        assert torch.isposinf(kernel(*tensors)).all()
    else:
        assert is_finite(kernel(*tensors))


@pytest.mark.parametrize("scale", [1e3, 1e8, 1e17])
def test_saturated_predictions_flip_as_exact_ones_do(scale):
    """Of the softmax of such logits nothing is left but a one."""
    share = functional.flipping_mix(scale * ROWS, scale * KNOWN, WEIGHT, 0 * BIAS)
    row, anchors = scale * ROWS, scale * KNOWN
    logits = row @ WEIGHT.T
    predicted = logits.argmax(1)
    # the second class has all of the rest
    second = logits.topk(2).indices[:, 1]
    step = WEIGHT[second] - WEIGHT[predicted]
    step = step / step.norm(dim=1, keepdim=True)
    reach = torch.cdist(row, anchors).amax(1, keepdim=True)

    def flips(factor):
        moved = row + (factor * share)[:, None] * reach * step
        return (moved @ WEIGHT.T).argmax(1) != predicted

    assert share.isfinite().all()
    clear = (logits.topk(2).values.diff().abs() > 50)[:, 0]
    assert clear.sum() > 6
    assert flips(1.001)[clear].all()
    assert not flips(0.999)[clear].any()


def test_gradients_of_certain_predictions_have_their_length():
    error = torch.tensor([1e-3, 1e-5, 1e-9, 0.0]).double()
    proba = torch.stack([1 - 3 * error, error, 2 * error], 1)
    rows = normal(4, D)
    exact = functional.last_layer_gradient_lengths(proba, rows)
    single = functional.last_layer_gradient_lengths(proba.float(), rows.float())
    torch.testing.assert_close(single.double(), exact, rtol=1e-5, atol=0)
    expected = (14**0.5 * error) * (rows.square().sum(1) + 1).sqrt()
    torch.testing.assert_close(exact[:, 0], expected, rtol=1e-9, atol=0)


def test_weights_of_targets_that_are_none_are_refused():
    for weights in (torch.zeros(6), torch.tensor([1.0, 1, 1, 1, 1, -1])):
        with pytest.raises(ValueError, match="target_weights must not be negative"):
            functional.epig(SAMPLES, TARGETS, weights)


@pytest.mark.parametrize("scale", [1e-9, 1e-15, 1e-18])
def test_bait_refuses_gains_that_single_precision_has_no_numbers_for(scale):
    """They were all 0, and the first rows picked."""
    rows, known = (scale * some for some in (ROWS, KNOWN))
    exact, _ = functional.bait(PROBA, rows, KNOWN_PROBA, known, B)
    given = [some.float() for some in (PROBA, rows, KNOWN_PROBA, known)]
    if scale < 1e-9:
        with pytest.raises(ValueError, match="lower the regularization"):
            functional.bait(*given, B)
    else:
        assert functional.bait(*given, B)[0].tolist() == exact.tolist()


@pytest.mark.parametrize("width", [1e-37, 1e37])
def test_scales_whose_squares_are_no_numbers(width):
    """Rows that coincide are alike at any scale, and others at a large one only."""
    rows = ROWS.float()
    alike = 1.0 if width > 1 else 1 / N
    given = rows, rows, rows[:0], 1
    _, gains = functional.max_herding(*given, bandwidth=width)
    torch.testing.assert_close(gains, torch.full((1, N), alike))
    densities = functional.density(rows, rows, width)
    torch.testing.assert_close(densities, torch.full((N,), alike))
    with pytest.raises(ValueError, match="radius="):
        functional.prob_cover(*given, radius=width)
    for radius, n_covered in ((0.0, 0), (1e-18, 1), (1e18, N), (math.inf, N)):
        _, counts = functional.prob_cover(*given, radius=radius)
        assert counts.tolist() == [[n_covered] * N]


@pytest.mark.parametrize("wrong", [-1e-60, 1e-60, math.nan])
def test_scales_that_are_none_are_refused(wrong):
    rows = ROWS.float()
    with pytest.raises(ValueError, match="bandwidth="):
        functional.max_herding(rows, rows, rows[:0], 1, bandwidth=wrong)
    with pytest.raises(ValueError, match="bandwidth="):
        functional.density(rows, rows, wrong)
    with pytest.raises(ValueError, match="radius="):
        functional.prob_cover(rows, rows, rows[:0], 1, radius=wrong)


# These overwrite what they have computed, or make numbers of it.
WITHOUT_GRADIENTS = {
    "badge",
    "bait",
    "bait_regression",
    "bald",
    "batch_bald",
    "batch_epig",
    "consensus_kl",
    "core_mse",
    "density",
    "epig",
    "falcun",
    "fit_temperature",
    "flipping_mix",
    "ical",
    "k_center_greedy",
    "max_det",
    "max_herding",
    "mean_std",
    "prob_cover",
    "purity_radius",
    "robust_k_center",
    "second_order_epig",
    "suggestive_annotation",
}


@pytest.fixture
def warns_always():
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


@pytest.mark.parametrize("name", KERNELS)
def test_gradients_are_refused_in_words_where_there_are_none(name, warns_always):
    kernel, given = KERNELS[name]
    for position in range(len(given)):
        tensors = [tensor.clone() for tensor in given]
        tensors[position].requires_grad_()
        if name.split(",")[0] in WITHOUT_GRADIENTS and _asks(name, position):
            with pytest.raises(ValueError, match=r"requires gradients.*\.detach\(\)"):
                kernel(*tensors)
            with torch.no_grad():
                kernel(*tensors)
        else:
            kernel(*tensors)


def _asks(name, position):
    """Return whether a tensor is not a weight, of which no number is made."""
    of_weights = {
        "epig": 2,
        "max_herding": 3,
        "second_order_epig": 2,
        "suggestive_annotation": 2,
    }
    return of_weights.get(name) != position


ABSURD = [-1, 0, True, 2.5, 3.0, float("nan"), "3", None, [3], torch.tensor(3)]
COUNTS = {
    "class_anchors, n_anchors": lambda n: functional.class_anchors(ROWS, LABELS, n),
    "near_anchors, n_neighbors": lambda n: functional.near_anchors(ROWS, KNOWN, n, B),
    "near_anchors, n_rows": lambda n: functional.near_anchors(ROWS, KNOWN, 3, n),
    "average_linkage, n_clusters": lambda n: functional.average_linkage(ROWS, n),
    "bait, n_top": lambda n: functional.bait(
        PROBA, ROWS, KNOWN_PROBA, KNOWN, B, n_top=n
    ),
    "batch_bald, n_configurations": lambda n: functional.batch_bald(
        SAMPLES, B, n_configurations=n
    ),
    "batch_epig, n_configurations": lambda n: functional.batch_epig(
        SAMPLES, TARGETS, B, n_configurations=n
    ),
    "cluster_rounds, n_considered": lambda n: functional.cluster_rounds(
        SCORES, LABELS, B, n_considered=n
    ),
    "contrast, n_neighbors": lambda n: functional.contrast(
        PROBA, ROWS, KNOWN_PROBA, KNOWN, n
    ),
    "cosine_graph, n_neighbors": lambda n: functional.cosine_graph(ROWS, n),
    "cosine_graph, max_exact": lambda n: functional.cosine_graph(ROWS, 2, max_exact=n),
    "random_walk, n_neighbors": lambda n: functional.random_walk(ROWS, n),
    "random_walk, max_exact": lambda n: functional.random_walk(ROWS, 2, max_exact=n),
    "deepfool, n_steps": lambda n: functional.deepfool(LOGITS, ROWS, n_steps=n),
    "deepfool, n_classes": lambda n: functional.deepfool(LOGITS, ROWS, n_classes=n),
    "iterated_sign_attack, n_steps": lambda n: functional.iterated_sign_attack(
        LOGITS, ROWS, 0.1, n_steps=n
    ),
    "diffusion_scores, n_steps": lambda n: functional.diffusion_scores(
        functional.cosine_graph(ROWS, 4), SIGNS, n_steps=n
    ),
    "discriminative_batches, n_sub_batches": lambda n: (
        functional.discriminative_batches(lambda _: SCORES, B, n_sub_batches=n)
    ),
    "expected_calibration_error, n_bins": lambda n: (
        functional.expected_calibration_error(SCORES.sigmoid(), SCORES > 0.5, n)
    ),
    "grouped_neighbors, n_neighbors": lambda n: functional.grouped_neighbors(
        ROWS, KNOWN, n
    ),
    "grouped_neighbors, n_probed": lambda n: functional.grouped_neighbors(
        ROWS, KNOWN, 2, n_probed=n
    ),
    "ical, n_condense": lambda n: functional.ical(
        SAMPLES, lambda m: SAMPLES[:, :m], B, n_condense=n
    ),
    "ical, n_probes": lambda n: functional.ical(
        SAMPLES, lambda m: SAMPLES[:, :m], B, n_probes=n
    ),
    "last_layer_features, n_features": lambda n: functional.last_layer_features(
        PROBA, ROWS, n
    ),
    "nearest_neighbors, n_neighbors": lambda n: functional.nearest_neighbors(
        ROWS, KNOWN, n
    ),
    "robust_k_center, n_outliers": lambda n: functional.robust_k_center(
        ROWS, KNOWN, B, n_outliers=n, max_points=20, time_limit=1.0
    ),
    "robust_k_center, max_points": lambda n: functional.robust_k_center(
        ROWS, KNOWN, B, n_outliers=1, max_points=n, time_limit=1.0
    ),
    "spread_labels, n_classes": lambda n: functional.spread_labels(
        functional.cosine_graph(ROWS, 4), torch.arange(2), LABELS[:2], n
    ),
    "typi_clust, n_labeled": lambda n: functional.typi_clust(
        ROWS, torch.cat([KNOWN, ROWS]), n, KNOWN, B
    ),
    "typi_clust, n_neighbors": lambda n: functional.typi_clust(
        ROWS, torch.cat([KNOWN, ROWS]), 5, KNOWN, B, n_neighbors=n
    ),
    "typi_clust, max_exact": lambda n: functional.typi_clust(
        ROWS, torch.cat([KNOWN, ROWS]), 5, KNOWN, B, max_exact=n
    ),
    "typicality, n_neighbors": lambda n: functional.typicality(ROWS, ROWS, n),
    "typicality, max_exact": lambda n: functional.typicality(
        ROWS, ROWS, 2, max_exact=n
    ),
}
SIGNS = (
    torch.zeros(N, C)
    .double()
    .index_put((torch.arange(2), LABELS[:2]), ROWS.new_ones(2))
)
FROM_ZERO = ("max_exact", "n_outliers", "n_labeled", "n_considered")
OR_NONE = [("bait", "n_top"), ("ical", "n_probes"), ("diffusion_scores", "n_steps")]
BATCHES = {
    "badge": lambda b: functional.badge(PROBA, ROWS, b),
    "bait": lambda b: functional.bait(PROBA, ROWS, KNOWN_PROBA, KNOWN, b),
    "batch_bald": lambda b: functional.batch_bald(SAMPLES, b),
    "cluster_rounds": lambda b: functional.cluster_rounds(
        SCORES, LABELS, b, n_considered=9
    ),
    "k_center_greedy": lambda b: functional.k_center_greedy(ROWS, KNOWN, b),
    "robust_k_center": lambda b: functional.robust_k_center(
        ROWS, KNOWN, b, n_outliers=1, max_points=20, time_limit=1.0
    ),
    "power_sample": lambda b: functional.power_sample(SCORES, b),
    "top_k": lambda b: functional.top_k(SCORES, b),
}


def LOGITS(x):  # noqa: N802 - a constant of these tests
    return x @ WEIGHT.T


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("count", ABSURD, ids=repr)
def test_counts_that_are_none_are_refused_by_name(name, count):
    kernel, _, argument = name.partition(", ")
    is_zero = (
        (argument in FROM_ZERO or kernel == "typicality")
        and count == 0
        and count is not False
    )
    is_left_out = count is None and (kernel, argument) in OR_NONE
    if is_zero or is_left_out:
        COUNTS[name](count)
        return
    with pytest.raises(ValueError, match=rf"^{argument}( must be|=.* must lie)"):
        COUNTS[name](count)


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("count", [2, np.int64(2)])
def test_counts_may_be_of_numpy(name, count):
    COUNTS[name](count)


@pytest.mark.parametrize("name", COUNTS)
def test_counts_without_end_are_all_there_is_or_refused_by_name(name):
    argument = name.partition(", ")[2]
    are_made = name in (
        "spread_labels, n_classes",
        "expected_calibration_error, n_bins",
    )
    if are_made or argument == "n_labeled" or "_neighbors, n_n" in name:
        with pytest.raises(ValueError, match=f"^{argument}"):
            COUNTS[name](2**70)
    elif argument != "n_steps":  # which would be taken
        COUNTS[name](2**70)


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize("size", [*ABSURD, 2**70], ids=repr)
def test_batch_sizes_that_are_none_are_refused_by_name(name, size):
    with pytest.raises(ValueError, match=r"^batch_size( must be|=.* must lie)"):
        BATCHES[name](size)
