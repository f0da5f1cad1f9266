"""On a GPU everything gives what it gives on the processor, up to round-off.

``SKAL_DEEP_TEST_DEVICE=second:1 pytest tests/test_gpu.py`` runs the file without a GPU,
by the devices of ``device/second_device.py``: tensors of two devices must not meet
there, either. With ``cpu`` the processor stands in, for mistakes in the tests.
"""

import copy
import inspect
import io
import os
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.sparse import issparse
from skactiveml.classifier import SklearnClassifier, SkorchClassifier
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_blobs
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNet, NeuralNetClassifier, NeuralNetRegressor
from strategies import STRATEGIES, VARIANTS, maker
from support import ALL_MAKERS, Normed, make_net
from torch import nn

from skal_deep import functional
from skal_deep._devices import for_scores
from skal_deep.campaign.models._save_model import save_model
from skal_deep.classifier import (
    BayesianLinearClassifier,
    BayesianLinearRegressor,
    DeepClassifier,
    DeepEnsembleRegressor,
    LaplaceRegressor,
    MCDropoutClassifier,
    MCDropoutRegressor,
    PBPRegressor,
    PredictsProba,
    SWAGRegressor,
    as_model,
    inference_precision,
)
from skal_deep.classifier.net._travel import _tensors
from skal_deep.embedding import Embedder, ImageEmbedder
from skal_deep.evaluation import active_testing
from skal_deep.exceptions import CapabilityError
from skal_deep.functional import _card, _chunks, joint_entropy
from skal_deep.functional._repeated import Repeated
from skal_deep.modules import MLP, ConvNet
from skal_deep.pool import (
    BALD,
    EPIG,
    BatchBALD,
    ClusterRounds,
    CoreSet,
    MarginSampling,
    MeanStd,
    Power,
    ScoreQueryStrategy,
    Softmax,
    SoftRank,
    TopK,
)
from skal_deep.testing._strategy_case import Case
from skal_deep.visualization import plot_uncertainty

DEVICE = os.environ.get("SKAL_DEEP_TEST_DEVICE", "cuda")

# Kernels on their own compute where their arguments lie; strategies see to it that
# these lie where float64 is known.
in_float64 = pytest.mark.skipif(
    "SKAL_DEEP_TEST_WITHOUT_FLOAT64" in os.environ, reason="no float64 there"
)
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        DEVICE == "cuda" and not torch.cuda.is_available(), reason="no GPU"
    ),
]


def normal(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def source():
    return torch.Generator().manual_seed(0)


def on(device):
    return lambda tensor: tensor.to(device)


N, D, C, S, B = 60, 4, 3, 12, 6
POINTS, KNOWN, PROBA = normal(N, D), normal(7, D), (3 * normal(N, C)).softmax(-1)
SAMPLES, TARGETS = (2 * normal(S, N, C)).softmax(-1), (normal(S, 9, C)).softmax(-1)
SCORES, WEIGHT, BIAS = normal(N).abs(), normal(C, D), normal(C)
LABELS, VOTES = torch.arange(N) % C, (3 * normal(N, 5)).long().abs() % C
KEPT, FEATURES = normal(2, N, D) > 0, normal(N, D, 2)
NOISE, VARIANCE = normal(N, 2).abs() + 1, normal(N, C).square()
GRAPH = functional.cosine_graph(POINTS, 5)
WALK = functional.random_walk(POINTS, 5)


def head(to):
    """Return a function from inputs to logits."""
    weight, bias = to(WEIGHT), to(BIAS)
    return lambda x: x.tanh() @ weight.T + bias


# A call for each kernel; ``to`` takes a tensor to where the kernel is to run.
KERNELS = {
    "apply_temperature": lambda to: functional.apply_temperature(to(PROBA), 2.0),
    "average_linkage": lambda to: functional.average_linkage(to(POINTS), 4),
    "badge": lambda to: functional.badge(to(PROBA), to(POINTS), B, generator=source()),
    "badge, population": lambda to: functional.badge(
        to(PROBA[:30]),
        to(POINTS[:30]),
        B,
        population=(to(PROBA), to(POINTS)),
        generator=source(),
    ),
    "bait": lambda to: functional.bait(
        to(PROBA), to(POINTS), to(PROBA[:5]), to(POINTS[:5]), B
    ),
    "bait, binary": lambda to: functional.bait(
        to(PROBA), to(POINTS), to(PROBA[:5]), to(POINTS[:5]), B, binary=True
    ),
    "bait, stiff": lambda to: functional.bait(
        to(PROBA),
        to(POINTS),
        to(PROBA[:5]),
        to(POINTS[:5]),
        B,
        regularization=1e-7,
    ),
    "bait_regression": lambda to: functional.bait_regression(to(POINTS), to(KNOWN), B),
    "bald": lambda to: functional.bald(to(SAMPLES)),
    "batch_bald": lambda to: functional.batch_bald(
        to(SAMPLES), B, n_configurations=50, generator=source()
    ),
    "batch_bald, many configurations": lambda to: functional.batch_bald(
        to(SAMPLES), B, n_configurations=200, generator=source()
    ),
    "batch_epig": lambda to: functional.batch_epig(
        to(SAMPLES), to(TARGETS), B, n_configurations=50, generator=source()
    ),
    "class_anchors": lambda to: functional.class_anchors(
        to(POINTS), to(LABELS), 3, source()
    ),
    "cluster_rounds": lambda to: functional.cluster_rounds(
        to(SCORES), to(LABELS), B, n_considered=20
    ),
    "confident_labels": lambda to: functional.confident_labels(to(PROBA), 0.5),
    "consensus_kl": lambda to: functional.consensus_kl(to(SAMPLES)),
    "consensus_kl, largest": lambda to: functional.consensus_kl(to(SAMPLES), "max"),
    "contrast": lambda to: functional.contrast(
        to(PROBA), to(POINTS), to(PROBA[:7]), to(KNOWN), 3
    ),
    "core_mse": lambda to: functional.core_mse(to(SAMPLES), to(TARGETS)),
    "cosine_graph": lambda to: functional.cosine_graph(to(POINTS), 5),
    "deepfool": lambda to: functional.deepfool(head(to), to(POINTS)),
    "deepfool, by coordinate": lambda to: functional.deepfool(
        head(to), to(POINTS), norm=float("inf")
    ),
    "density": lambda to: functional.density(to(POINTS), to(POINTS)),
    "density_k_center": lambda to: functional.density_k_center(
        to(POINTS), to(KNOWN), to(SCORES), B
    ),
    "diffusion_scores": lambda to: functional.diffusion_scores(
        WALK, to(torch.sign(POINTS[:, :C]) * (POINTS[:, :C].abs() > 1))
    ),
    "dirichlet_information": lambda to: functional.dirichlet_information(to(VARIANCE)),
    "dirichlet_mean": lambda to: functional.dirichlet_mean(to(VARIANCE)),
    "disagreements": lambda to: functional.disagreements(
        to(POINTS), to(WEIGHT), to(BIAS), to(KEPT), 0.5
    ),
    "discriminative_batches": lambda to: functional.discriminative_batches(
        lambda chosen: to(SCORES) + chosen.to(to(SCORES).device).sum(), B
    ),
    "entropy": lambda to: functional.entropy(to(PROBA)),
    "epig": lambda to: functional.epig(to(SAMPLES), to(TARGETS)),
    "epig, weighted": lambda to: functional.epig(
        to(SAMPLES), to(TARGETS), to(SCORES[:9])
    ),
    "expected_calibration_error": lambda to: functional.expected_calibration_error(
        to(PROBA.amax(1)), to(PROBA.argmax(1) == LABELS)
    ),
    "expected_gradient_length": lambda to: functional.expected_gradient_length(
        to(PROBA), to(VARIANCE)
    ),
    "falcun": lambda to: functional.falcun(to(PROBA), B, generator=source()),
    "fit_temperature": lambda to: functional.fit_temperature(to(PROBA), to(LABELS)),
    "flipping_mix": lambda to: functional.flipping_mix(
        to(POINTS), to(KNOWN), to(WEIGHT), to(BIAS)
    ),
    "forgetting_events": lambda to: functional.forgetting_events(
        to(LABELS[:, None] == VOTES)
    ),
    "gaussian_bald": lambda to: functional.gaussian_bald(to(SCORES), to(SCORES + 1)),
    "gaussian_batch_bald": lambda to: functional.gaussian_batch_bald(
        to(FEATURES), to(NOISE), B
    ),
    "gaussian_batch_epig": lambda to: functional.gaussian_batch_epig(
        to(FEATURES), to(NOISE), to(FEATURES[:9]), to(NOISE[:9]), B
    ),
    "gaussian_crps": lambda to: functional.gaussian_crps(
        to(POINTS), to(POINTS.abs() + 1), to(POINTS + 1)
    ),
    "gaussian_divergence": lambda to: functional.gaussian_divergence(
        to(POINTS), to(POINTS.abs() + 1), 1.0
    ),
    "gaussian_epig": lambda to: functional.gaussian_epig(
        to(0.1 * normal(N, 9)), to(SCORES + 1), to(SCORES[:9] + 1)
    ),
    "grouped_neighbors": lambda to: functional.grouped_neighbors(
        to(POINTS), to(POINTS), 3
    ),
    "ical": lambda to: functional.ical(to(SAMPLES), lambda n: to(SAMPLES[:, :n]), B),
    "ical, pointwise": lambda to: functional.ical(
        to(SAMPLES), lambda n: to(SAMPLES[:, :n]), B, n_probes=20
    ),
    "inconsistency": lambda to: functional.inconsistency(to(SAMPLES)),
    "iterated_sign_attack": lambda to: functional.iterated_sign_attack(
        head(to), to(POINTS), n_steps=10
    ),
    "k_center_greedy": lambda to: functional.k_center_greedy(to(POINTS), to(KNOWN), B),
    "k_center_greedy, no centre": lambda to: functional.k_center_greedy(
        to(POINTS), to(KNOWN[:0]), B
    ),
    "label_dispersion": lambda to: functional.label_dispersion(to(VOTES)),
    "last_layer_features": lambda to: functional.last_layer_features(
        to(PROBA), to(POINTS), 5, source()
    ),
    "last_layer_gradient_lengths": lambda to: functional.last_layer_gradient_lengths(
        to(PROBA), to(POINTS)
    ),
    "lcmd": lambda to: functional.lcmd(to(POINTS), to(KNOWN), B),
    "least_confidence": lambda to: functional.least_confidence(to(SAMPLES)),
    "log_softmax_bound": lambda to: functional.log_softmax_bound(
        to(POINTS[:, :C]), to(VARIANCE), to(LABELS)
    ),
    "margin": lambda to: functional.margin(to(SAMPLES)),
    "max_det": lambda to: functional.max_det(to(POINTS), to(KNOWN), B, noise=0.1),
    "max_herding": lambda to: functional.max_herding(
        to(POINTS), to(POINTS), to(KNOWN), B
    ),
    "max_herding, weighted": lambda to: functional.max_herding(
        to(POINTS), to(POINTS), to(KNOWN), B, weights=to(SCORES)
    ),
    "mean_std": lambda to: functional.mean_std(to(SAMPLES)),
    "near_anchors": lambda to: functional.near_anchors(to(POINTS), to(KNOWN), 3, 9),
    "nearest_centers": lambda to: functional.nearest_centers(to(POINTS), to(KNOWN)),
    "nearest_distinct": lambda to: functional.nearest_distinct(
        to(POINTS), to(KNOWN), 7
    ),
    "nearest_neighbors": lambda to: functional.nearest_neighbors(
        to(POINTS), to(KNOWN), 3
    ),
    "novelty_and_entropy": lambda to: functional.novelty_and_entropy(
        to(SCORES.sigmoid()), to(PROBA), "product"
    ),
    "per_cost": lambda to: functional.per_cost(to(SCORES), to(SCORES + 1)),
    "power_sample": lambda to: functional.power_sample(
        to(SCORES), B, generator=source()
    ),
    "power_sample, mixed": lambda to: functional.power_sample(
        to(SCORES), B, epsilon=0.1, population=to(SCORES), generator=source()
    ),
    "prediction_switches": lambda to: functional.prediction_switches(to(VOTES)),
    "predictive_entropy": lambda to: functional.predictive_entropy(to(SAMPLES)),
    "prob_cover": lambda to: functional.prob_cover(
        to(POINTS), to(POINTS), to(KNOWN), B, radius=1.0
    ),
    "propagate_labels": lambda to: functional.propagate_labels(
        GRAPH, to(torch.arange(5)), to(torch.arange(5, N)), B
    ),
    "propagated_labels": lambda to: functional.propagated_labels(to(VARIANCE)),
    "purity_radius": lambda to: functional.purity_radius(to(POINTS), to(LABELS)),
    "random_walk": lambda to: functional.random_walk(to(POINTS), 5),
    "ranking_loss": lambda to: functional.ranking_loss(to(SCORES), to(SCORES.flip(0))),
    "robust_k_center": lambda to: functional.robust_k_center(
        to(POINTS), to(KNOWN), 3, n_outliers=2, max_points=100, time_limit=5.0
    )[1:],
    "second_order_epig": lambda to: functional.second_order_epig(
        to(SAMPLES), to(TARGETS)
    ),
    "sharpen": lambda to: functional.sharpen(to(PROBA), 0.5),
    "softmax_sample": lambda to: functional.softmax_sample(
        to(SCORES), B, generator=source()
    ),
    "softrank_sample": lambda to: functional.softrank_sample(
        to(SCORES), B, generator=source()
    ),
    "spread_labels": lambda to: functional.spread_labels(
        GRAPH, to(torch.arange(9)), to(LABELS[:9]), C
    ),
    "squared_distances": lambda to: functional.squared_distances(to(POINTS), to(KNOWN)),
    "suggestive_annotation": lambda to: functional.suggestive_annotation(
        to(POINTS), to(POINTS), B, handicaps=to(SCORES)
    ),
    "top_k": lambda to: functional.top_k(to(SCORES), B),
    "typi_clust": lambda to: functional.typi_clust(
        to(POINTS), to(POINTS), 5, to(KNOWN), B, n_neighbors=5
    ),
    "typicality": lambda to: functional.typicality(to(POINTS), to(POINTS), 5),
    "uncertain_among_new": lambda to: functional.uncertain_among_new(
        to(SCORES), to(PROBA)
    ),
    "uncertainty_indicator": lambda to: functional.uncertainty_indicator(to(PROBA)),
    "unit_rows": lambda to: functional.unit_rows(to(POINTS)),
    "vacuity": lambda to: functional.vacuity(to(VARIANCE)),
    "variation_ratio": lambda to: functional.variation_ratio(to(SAMPLES)),
    "variation_ratio, votes": lambda to: functional.variation_ratio(
        to(SAMPLES), "votes"
    ),
    "vote_entropy": lambda to: functional.vote_entropy(to(SAMPLES)),
    "wasserstein_score": lambda to: functional.wasserstein_score(to(PROBA), to(SCORES)),
}


def test_all_kernels_are_listed():
    assert {name.split(",")[0] for name in KERNELS} == set(functional.__all__)


def parts(answer):
    """Return the tensors and numbers of an answer."""
    some = answer if isinstance(answer, tuple) else (answer,)
    return [part.toarray() if issparse(part) else part for part in some]


def assert_same(result, expected):
    for one, other in zip(parts(result), parts(expected), strict=True):
        if isinstance(one, torch.Tensor):
            assert one.device.type == torch.device(DEVICE).type
            assert one.dtype == other.dtype
        one, other = (
            part.cpu() if isinstance(part, torch.Tensor) else torch.as_tensor(part)
            for part in (one, other)
        )
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@in_float64
@pytest.mark.parametrize("name", KERNELS)
def test_kernels(name):
    assert_same(KERNELS[name](on(DEVICE)), KERNELS[name](on("cpu")))


# Kernels that compiled loops, or recorded steps, do on a card.
LOOPED = [
    name
    for name in KERNELS
    if name.split(",")[0]
    in {
        "badge", "bait", "bait_regression", "bald", "batch_bald", "batch_epig",
        "epig", "k_center_greedy", "lcmd", "max_det", "max_herding", "prob_cover",
    }
]  # fmt: skip


@in_float64
@pytest.mark.parametrize("name", LOOPED)
def test_kernels_without_compiled_loops(name, monkeypatch):
    """Triton may be missing, or find no compiler."""
    monkeypatch.setattr(_card, "_compiles", lambda device: False)
    assert_same(KERNELS[name](on(DEVICE)), KERNELS[name](on("cpu")))


@pytest.mark.skipif(find_spec("triton") is None, reason="no Triton")
@pytest.mark.skipif(DEVICE == "cpu", reason="a processor has none of these loops")
def test_loops_are_compiled_there():
    assert _card.has_loops(torch.ones(1, device=DEVICE))
    assert not _card.has_loops(torch.ones(1, device=DEVICE).half())


@in_float64
@pytest.mark.skipif(find_spec("triton") is None, reason="no Triton")
@pytest.mark.skipif(DEVICE == "cpu", reason="a processor has none of these loops")
@pytest.mark.parametrize("scale", [1, 1e-20, 1e15])
@pytest.mark.parametrize("shape", [(300, 100, 1_000), (129, 33, 129), (1, 1, 1)])
def test_sums_of_products(shape, scale, monkeypatch):
    """Halves of digits are as good as single precision, and wide arrays are cut."""
    monkeypatch.setattr(_card, "memory_budget", lambda device: 33 * 200)
    n_rows, n_draws, n_columns = shape
    left, weight = normal(n_rows, n_draws).softmax(-1), normal(n_rows).softmax(0)
    right = (3 * normal(n_columns, n_draws)).sigmoid().T * scale
    right[:, :1] = 0
    mean, plogp = _card.product_sums(*(x.to(DEVICE) for x in (left, right, weight)))
    product = left.double() @ right.double()
    for found, expected in (
        (mean, weight.double() @ product),
        (plogp, -(weight.double() @ torch.special.entr(product))),
    ):
        torch.testing.assert_close(
            found.cpu(), expected.float(), rtol=2e-6, atol=1e-7 * scale
        )


@in_float64
@pytest.mark.parametrize("with_utilities", [True, False])
def test_batch_bald_by_bounds(with_utilities, monkeypatch):
    """Where the products of all rows would take a card long, bounds leave few."""

    def chosen(to):
        return functional.batch_bald(
            MANY_DRAWS.float().to(to),
            5,
            n_configurations=500,
            generator=source(),
            with_utilities=with_utilities,
        )

    monkeypatch.setattr(joint_entropy, "_QUICK_PRODUCTS", 0)
    assert_same(chosen(DEVICE), chosen("cpu"))


# Rows of several blocks, whose numbers do not lie side by side.
MANY = normal(33, 2_500).double().T
MANY_PROBA = (2 * normal(6, 2_500)).double().softmax(0).T
MANY_DRAWS = normal(40, 6, 2_500).double().mul(2).softmax(1).transpose(1, 2)
LARGE = {
    "badge": lambda x, p, s, b: functional.badge(p, x, b, generator=source()),
    "badge, picks alone": lambda x, p, s, b: functional.badge(
        p, x, b, generator=source(), with_utilities=False
    ),
    "badge, copies": lambda x, p, s, b: functional.badge(
        p[:9].repeat(9, 1), x[:9].repeat(9, 1), b, generator=source()
    ),
    "bait": lambda x, p, s, b: functional.bait(p, x[:, :5], p[:9], x[:9, :5], b),
    "bait, one row in many": lambda x, p, s, b: functional.bait(
        p, x[:, :5], p[:0], x[:0, :5], b, n_top=1
    ),
    "bald": lambda x, p, s, b: functional.bald(s),
    "batch_bald": lambda x, p, s, b: functional.batch_bald(
        s, 4, n_configurations=500, generator=source(), with_utilities=False
    ),
    "epig": lambda x, p, s, b: functional.epig(s, s[:, :70]),
    "k_center_greedy": lambda x, p, s, b: functional.k_center_greedy(
        x, x[:9], b, with_utilities=False
    ),
    "lcmd": lambda x, p, s, b: functional.lcmd(x, x[:9], b),
    "lcmd, mass": lambda x, p, s, b: functional.lcmd(x[:900], x[:0], b, mass=x),
    "lcmd, copies": lambda x, p, s, b: functional.lcmd(x[:9].repeat(9, 1), x[:2], b),
    "max_det": lambda x, p, s, b: functional.max_det(x, x[:9], b, noise=1.0),
    "max_herding": lambda x, p, s, b: functional.max_herding(
        x[:900], x, x[:3], b, bandwidth=6.0
    ),
    "prob_cover": lambda x, p, s, b: functional.prob_cover(
        x[:900], x, x[:3], b, radius=7.0, with_utilities=False
    ),
}


@in_float64
@pytest.mark.parametrize("name", LARGE)
def test_large_pools(name):
    answers = [
        LARGE[name](*(some.to(to) for some in (MANY, MANY_PROBA, MANY_DRAWS)), 30)
        for to in (DEVICE, "cpu")
    ]
    assert_same(*answers)


@in_float64
@pytest.mark.parametrize("name", LARGE)
def test_large_pools_in_single_precision(name):
    """Picks may differ where two are alike: what they were chosen for does not."""
    answers = [
        LARGE[name](
            *(some.float().to(to) for some in (MANY, MANY_PROBA, MANY_DRAWS)), 30
        )
        for to in (DEVICE, "cpu")
    ]
    if name in ("bald", "epig"):
        answers = [(None, answer) for answer in answers]
    reached = [
        utilities.cpu() if utilities.ndim == 1 else utilities.cpu().amax(-1)
        for _, utilities in answers
    ]
    torch.testing.assert_close(*reached, rtol=1e-4, atol=1e-5)


def test_numbers_that_are_none_are_found():
    samples = MANY_DRAWS.float().to(DEVICE)
    samples[7, 2_000, 3] = float("nan")
    with pytest.raises(ValueError, match="samples holds NaN"):
        functional.bald(samples)


def test_what_is_checked_may_be_elsewhere():
    ratios = functional.per_cost(SCORES.to(DEVICE), SCORES + 1)
    assert_same(ratios, functional.per_cost(SCORES, SCORES + 1))


def test_a_step_is_repeated_as_often_as_asked():
    number, length = torch.zeros(1, device=DEVICE), torch.zeros(40, device=DEVICE)

    def step():
        length.index_fill_(0, number.long(), 1.0)
        number.add_(1)

    repeated = Repeated(step, number.device)
    for times in (7, 0, 2, 5):
        repeated(times)
    assert number.item() == length.sum() == 14


@pytest.mark.parametrize("at", [1, 2])
def test_an_interrupt_in_a_step_leaves_the_card_usable(at):
    calls, number = [], torch.zeros(1, device=DEVICE)

    def step():
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        number.add_(1)

    with pytest.raises(KeyboardInterrupt):
        Repeated(step, number.device)(9)
    test_a_step_is_repeated_as_often_as_asked()


MIXED = {
    "sum": lambda here, there: here + there,
    "product": lambda here, there: there @ here.T,
    "stack": lambda here, there: torch.cat([here, there]),
    "rows": lambda here, there: here[there[:, 0].long()],
    "columns": lambda here, there: there.gather(1, here.long()),
    "net": lambda here, there: nn.Linear(3, 2)(there),
    "picture": lambda here, there: nn.Conv1d(3, 2, 1)(there.T),
    "loss": lambda here, there: nn.functional.mse_loss(here, there),
    "array": lambda _, there: there.numpy(),
}


@pytest.mark.skipif(DEVICE == "cpu", reason="of a card")
@pytest.mark.parametrize("how", MIXED)
def test_what_would_mix_devices_is_refused(how):
    """Else no test here could find it."""
    here = torch.zeros(3, 3)
    with pytest.raises((RuntimeError, TypeError)):
        MIXED[how](here, here.to(DEVICE))
    if DEVICE == "second:1" and how != "array":
        with pytest.raises(RuntimeError):
            MIXED[how](here.to("second:0"), here.to(DEVICE))


WAITING = {
    "number": lambda x, _: x.sum().item(),
    "mask": lambda x, _: x[x > 0],
    "to the processor": lambda x, _: x.cpu(),
    "from the processor": lambda x, _: x + torch.ones(3).to(DEVICE),
    "another number": lambda x, seen: x.mul_(len(seen)),
    "another operation": lambda x, seen: x.add_(1) if len(seen) % 2 else x.mul_(1),
    "other memory": lambda _, seen: seen[len(seen) // 2].add_(1),
}


@pytest.mark.skipif(
    not (DEVICE.startswith("second") and "TRITON_INTERPRET" in os.environ),
    reason="a card may not work on after it",
)
@pytest.mark.parametrize("how", WAITING)
def test_what_cannot_be_recorded_is_refused(how):
    x, seen = torch.ones(3, device=DEVICE), []

    def step():
        seen.append(torch.ones(3, device=DEVICE))
        WAITING[how](x, seen)

    with pytest.raises(RuntimeError, match=r"capturing|as it was recorded"):
        Repeated(step, x.device)(20)


@in_float64
def test_threads_record_their_own_steps():
    x = [MANY.float().to(DEVICE) + shift for shift in range(4)]
    alone = [functional.lcmd(some, some[:9], 30)[0].tolist() for some in x]
    with ThreadPoolExecutor(4) as threads:
        together = threads.map(
            lambda some: functional.lcmd(some, some[:9], 30)[0].tolist(), x * 3
        )
        assert list(together) == alone * 3


@in_float64
@pytest.mark.skipif(DEVICE == "cpu", reason="of a card")
def test_recorded_steps_leave_no_memory_behind():
    x = MANY.float().to(DEVICE)

    def held():
        functional.max_det(x, x[:9], 30, noise=1.0)
        return torch.cuda.memory_allocated(), torch.cuda.memory_reserved()

    held()
    first = held()
    for _ in range(20):
        last = held()
    assert last == first


@in_float64
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_by_small_chunks(name, monkeypatch):
    """The memory of a card holds all of these at once, that of a larger pool not."""
    whole = KERNELS[name](on(DEVICE))
    monkeypatch.setattr(_chunks, "memory_budget", lambda device: 70)
    assert_same(KERNELS[name](on(DEVICE)), whole)


PICKING = [
    name
    for name in KERNELS
    if "with_utilities"
    in inspect.signature(getattr(functional, name.split(",")[0])).parameters
]


@in_float64
@pytest.mark.parametrize("name", PICKING)
def test_the_cheap_form_picks_the_same(name, monkeypatch):
    indices, utilities = KERNELS[name](on(DEVICE))
    kernel = name.split(",")[0]
    whole = getattr(functional, kernel)
    monkeypatch.setattr(
        functional,
        kernel,
        lambda *args, **params: whole(*args, **params, with_utilities=False),
    )
    cheap, few = KERNELS[name](on(DEVICE))
    assert cheap.tolist() == indices.tolist()
    torch.testing.assert_close(
        few, utilities[range(len(indices)), indices], rtol=1e-4, atol=1e-5
    )


def clustered(offset):
    """Return rows with copies and near copies, far from the origin, and centres."""
    rows = normal(3_000, 64).double()
    rows[1_000:2_000] = rows[:1_000]
    rows[2_000:] = rows[:1_000] + 1e-3 * normal(1_000, 64).double()
    return (rows + offset).float(), (rows[:50] + offset).float()


@in_float64
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_distances_near_0(offset):
    """Round-off of the norms must not decide, nor show."""
    rows, centers = clustered(offset)
    picks, distances = functional.k_center_greedy(
        rows.to(DEVICE), centers.to(DEVICE), 300
    )
    exact, _ = functional.k_center_greedy(rows.double(), centers.double(), 300)
    torch.testing.assert_close(
        distances.cpu()[0].double(),
        torch.cdist(
            rows.double(),
            centers.double(),
            compute_mode="donot_use_mm_for_euclid_dist",
        ).amin(1),
        rtol=1e-3,
        atol=1e-5,
    )
    assert not distances.cpu()[0, 1_000:1_050].any(), "copies of centres"
    assert picks.tolist() == exact.tolist()


@in_float64
@pytest.mark.parametrize("offset", [0.0, 30.0])
@pytest.mark.parametrize("k", [1, 4])
def test_neighbours_near_0(offset, k):
    rows, centers = clustered(offset)
    squared, position = functional.nearest_neighbors(
        rows.to(DEVICE), centers.to(DEVICE), k
    )
    exact, _ = functional.nearest_neighbors(rows.double(), centers.double(), k)
    torch.testing.assert_close(squared.cpu().double(), exact, rtol=1e-3, atol=1e-7)
    assert len(position.unique()) == len(centers)


def moved(thing, device):
    """Return a copy of something fitted, with its nets and tensors on a device."""
    return _move(copy.deepcopy(thing), torch.device(device))


def _move(thing, device):
    if isinstance(thing, torch.Tensor | nn.Module):
        # what a device cannot hold is on the processor after a fit there, too
        is_known = isinstance(thing, nn.Module) or for_scores(device) == device
        return thing.to(device) if is_known else thing
    if isinstance(thing, list):
        return [_move(part, device) for part in thing]
    if isinstance(thing, tuple):
        parts = [_move(part, device) for part in thing]
        return type(thing)(*parts) if hasattr(thing, "_fields") else tuple(parts)
    if isinstance(thing, dict):
        return {name: _move(part, device) for name, part in thing.items()}
    if isinstance(thing, NeuralNet):
        thing.device = str(device)
        if thing.initialized_:
            thing.module_.to(device)
            thing.criterion_.to(device)
    elif type(thing).__module__.startswith("skal_deep"):
        # what regressors compute is on the processor, but for their nets
        names = ["nets_"] if hasattr(thing, "sample_predictions") else [*vars(thing)]
        for name in names:
            vars(thing)[name] = _move(vars(thing)[name], device)
    return thing


def quiet(call, *args, **params):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*args, **params)


X, TRUE = make_blobs(80, 4, centers=3, random_state=0)
X = X.astype(np.float32)
Y = np.where(np.arange(len(TRUE)) < 20, TRUE, -1)


@pytest.mark.parametrize("kind", ALL_MAKERS)
def test_a_fitted_classifier_answers_the_same(kind):
    clf = ALL_MAKERS[kind](make_net(max_epochs=3), random_state=0)
    quiet(clf.fit, X, Y)
    there = moved(clf, DEVICE)
    here, there = as_model(clf), as_model(there)
    asked = {
        "predict_proba": (X,),
        "embed": (X,),
        "sample_proba": (X, 5, 3),
        "linear_head": (X,),
        "predict_evidence": (X,),
        "predict_loss": (X,),
        "predict_novelty": (X,),
    }
    for name, args in asked.items():
        if hasattr(here, name):
            for expected, result in zip(
                *(parts(getattr(model, name)(*args)) for model in (here, there)),
                strict=True,
            ):
                torch.testing.assert_close(
                    torch.as_tensor(result).cpu(),
                    torch.as_tensor(expected),
                    rtol=1e-4,
                    atol=1e-5,
                )


@pytest.mark.parametrize("kind", ALL_MAKERS)
def test_a_classifier_learns_there(kind):
    def fitted():
        net = make_net(device=DEVICE, max_epochs=30)
        return quiet(ALL_MAKERS[kind](net, random_state=0).fit, X, Y)

    clf = fitted()
    proba = clf.predict_proba(X)
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-5)
    assert clf.score(X, TRUE) > 0.6, "two classes of three, at least"
    np.testing.assert_allclose(fitted().predict_proba(X), proba, atol=1e-5)
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_allclose(again.predict_proba(X), proba, atol=1e-6)
    if hasattr(clf, "sample_proba"):
        draws = clf.sample_proba(X, 6, 0)
        assert not np.allclose(draws[0], draws[1])
        some = clf.sample_proba(X[50:], 6, 0)
        np.testing.assert_allclose(some, draws[:, 50:], atol=1e-5)


@pytest.fixture
def exact():
    """Convolutions of float32 in float32, in place of torch's tf32."""
    with torch.backends.cudnn.flags(allow_tf32=False):
        yield


WITHOUT_DRAWS = [
    "deep",
    "ensemble",
    "snapshots",
    "swag",
    "laplace",
    "evidential",
    "swa",
]


@pytest.mark.parametrize("kind", WITHOUT_DRAWS)
def test_training_without_dropout_learns_the_same(kind):
    fitted = [
        quiet(
            ALL_MAKERS[kind](
                make_net(device=device, max_epochs=10, module__dropout=0.0),
                random_state=0,
            ).fit,
            X,
            Y,
        )
        for device in ("cpu", DEVICE)
    ]
    here, there = (clf.predict_proba(X) for clf in fitted)
    np.testing.assert_allclose(there, here, atol=1e-3)


@pytest.mark.parametrize(
    ("dtype", "error"), [("bfloat16", 2.0**-6), ("float16", 2.0**-9)]
)
@pytest.mark.parametrize("name", ["mlp", "images"])
def test_half_precision(name, dtype, error):
    make, rows = NETS[name]
    clf = MCDropoutClassifier(make(max_epochs=2), 20, random_state=0).fit(rows, Y)
    there = moved(clf, DEVICE)
    query = BALD(random_state=0).query
    with inference_precision(dtype):
        proba = there.sample_proba(rows, 20, 1)
        picks = query(rows, Y, there, fit_clf=False, batch_size=5)
    assert 0 < np.abs(proba - clf.sample_proba(rows, 20, 1)).max() < error
    exact, utilities = query(
        rows, Y, clf, fit_clf=False, batch_size=5, return_utilities=True
    )
    reached = np.sort(utilities[0, picks]), np.sort(utilities[0, exact])
    np.testing.assert_allclose(*reached, atol=error)


NETS = {
    "mlp": (lambda **kw: make_net(MLP, **kw), X),
    "batch norm": (
        lambda **kw: make_net(Normed, module__n_features=4, module__n_classes=3, **kw),
        X,
    ),
    "images": (
        lambda **kw: make_net(ConvNet, module__n_classes=3, **kw),
        (X[:, :1, None, None] * np.linspace(-1, 1, 64).reshape(1, 8, 8)).astype(
            np.float32
        ),
    ),
}


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("name", NETS)
def test_draws_are_those_of_the_processor(name):
    """A seed means the same masks on every device."""
    make, rows = NETS[name]
    clf = MCDropoutClassifier(make(max_epochs=2), 20, random_state=0).fit(rows, Y)
    there = moved(clf, DEVICE)
    expected = clf.sample_proba(rows, 20, 1)
    np.testing.assert_allclose(there.sample_proba(rows, 20, 1), expected, atol=1e-5)
    np.testing.assert_allclose(
        there.sample_proba(rows[:1], 20, 1), expected[:, :1], atol=1e-5
    )
    np.testing.assert_allclose(
        there.predict_proba(rows), clf.predict_proba(rows), atol=1e-5
    )


REGRESSORS = {
    "dropout": lambda net: MCDropoutRegressor(net, n_samples=20, random_state=0),
    "ensemble": lambda net: DeepEnsembleRegressor(net, n_estimators=6, random_state=0),
    "laplace": lambda net: LaplaceRegressor(net, random_state=0),
    "swag": lambda net: SWAGRegressor(net, n_samples=20, n_collected=5, random_state=0),
}


def number_net(**params):
    return NeuralNetRegressor(
        MLP,
        module__n_features=4,
        module__n_classes=1,
        optimizer=torch.optim.Adam,
        max_epochs=5,
        train_split=None,
        verbose=0,
        **params,
    )


@pytest.mark.parametrize("kind", REGRESSORS)
@pytest.mark.parametrize("strategy", [BALD, EPIG, BatchBALD, CoreSet])
@pytest.mark.filterwarnings("ignore:EPIG measures")
def test_regressors(kind, strategy):
    net = number_net()
    y = np.where(Y >= 0, X[:, 0], np.nan)
    reg = quiet(REGRESSORS[kind](net).fit, X, y)
    there = moved(reg, DEVICE)
    for expected, result in zip(
        *(each.predict(X, return_std=True) for each in (reg, there)), strict=True
    ):
        np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-4)
    picks = [
        strategy(missing_label=np.nan, random_state=0).query(
            X, y, reg=each, fit_reg=False, batch_size=3
        )
        for each in (reg, there)
    ]
    assert picks[0].tolist() == picks[1].tolist()
    quiet(REGRESSORS[kind](net.set_params(device=DEVICE)).fit, X, y).predict(X)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("is_image", [False, True])
@pytest.mark.parametrize("name", STRATEGIES | VARIANTS)
def test_queries_pick_as_on_the_processor(name, is_image):
    """Nets that a strategy trains itself may differ, and are looked at for form."""
    strategy = (STRATEGIES | VARIANTS)[name]
    case = Case(strategy, is_image, maker(strategy))
    clf = case.fitted()
    answers = [
        case.query(
            clf=each, fit_clf=False, batch_size=4, return_utilities=True, cost=None
        )
        if "cost" in inspect.signature(strategy.query).parameters
        else case.query(clf=each, fit_clf=False, batch_size=4, return_utilities=True)
        for each in (clf, moved(clf, DEVICE), moved(clf, DEVICE))
    ]
    (here, expected), (there, utilities), (again, _) = answers
    assert there.tolist() == again.tolist()
    assert len(set(there.tolist())) == 4
    assert not np.isin(there, np.flatnonzero(case.y >= 0)).any()
    assert np.isfinite(utilities[range(4), there]).all()
    if name in LEARNED:
        return
    if name == "AlfaMix" and is_image:  # whether labels flip is a yes or a no, and a
        return  # row more or less moves the clusters that picks come from
    size = np.nanmax(np.abs(expected))
    np.testing.assert_allclose(utilities[0], expected[0], rtol=1e-3, atol=1e-4 * size)
    # where two are alike to the last digit either may come first
    reached = expected[0, there], expected[0, here]
    if here.tolist() != there.tolist():
        np.testing.assert_allclose(*map(np.sort, reached), rtol=1e-4, atol=1e-5 * size)


# Some train nets of their own, two refit the classifier to see held-out rows: training
# on a card draws other noise.
LEARNED = {
    "AskNLearn",
    "UncertaintyHerding",
    "DAAL",
    "DAL",
    "JointSampling",
    "MAL",
    "SRAAL",
    "TAVAAL",
    "VAAL",
    "WAAL",
    "SelectionViaProxy",
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_queries_that_fit_there(name):
    strategy = STRATEGIES[name]
    case = Case(strategy, False, maker(strategy))
    clf = case.classifier()
    clf.set_params(net__device=DEVICE)
    picks, utilities = case.query(clf=clf, batch_size=4, return_utilities=True)
    assert len(set(picks.tolist())) == 4
    assert not np.isin(picks, np.flatnonzero(case.y >= 0)).any()
    assert np.isfinite(utilities[range(4), picks]).all()
    assert case.query(clf=clf, batch_size=4).tolist() == picks.tolist()


def test_a_pool_in_another_order_has_the_same_picks():
    order = np.random.default_rng(0).permutation(len(X))
    net = make_net(device=DEVICE, max_epochs=3)
    clf = MCDropoutClassifier(net, 20, random_state=0)
    for strategy in (BALD, CoreSet, BatchBALD, MarginSampling):
        query = strategy(random_state=0).query
        picks = query(X, Y, clf, batch_size=4)
        assert order[query(X[order], Y[order], clf, batch_size=4)].tolist() == (
            picks.tolist()
        )


@pytest.mark.parametrize("make", [BayesianLinearClassifier, DeepClassifier])
def test_heads_over_embeddings_of_a_backbone_there(make, tmp_path):
    backbone = nn.Sequential(nn.Linear(4, 16), nn.ReLU())
    clf = (
        make(random_state=0)
        if make is BayesianLinearClassifier
        else make(make_net(device=DEVICE), random_state=0)
    )
    model = make_pipeline(Embedder(backbone, device=DEVICE, cache_dir=tmp_path), clf)
    picks = MarginSampling(random_state=0).query(X, Y, model, batch_size=4)
    assert len(set(picks)) == 4
    assert next(backbone.parameters()).device.type == "cpu"


def test_linear_regressors_over_embeddings():
    backbone = nn.Sequential(nn.Linear(4, 16), nn.ReLU())
    y = np.where(Y >= 0, X[:, 0], np.nan)
    for reg in (BayesianLinearRegressor(), PBPRegressor(random_state=0)):
        model = make_pipeline(Embedder(backbone, device=DEVICE), reg)
        query = CoreSet(missing_label=np.nan, random_state=0).query
        assert len(query(X, y, reg=model, batch_size=2)) == 2


def timm_net():
    timm = pytest.importorskip("timm")
    return timm.create_model("resnet18", pretrained=False, num_classes=0)


def timm_transformer():
    timm = pytest.importorskip("timm")
    return timm.create_model(
        "vit_tiny_patch16_224", pretrained=False, num_classes=0, img_size=64
    )


def torchvision_net():
    models = pytest.importorskip("torchvision.models")
    net = models.mobilenet_v3_small(weights=None)
    net.classifier = nn.Identity()
    return net


@pytest.fixture
def files(tmp_path):
    source = np.random.default_rng(0)
    for number in range(9):
        pixels = source.integers(0, 256, (40 + number, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    return sorted(map(str, tmp_path.glob("*.png")))


@pytest.mark.parametrize("make", [timm_net, timm_transformer, torchvision_net])
@pytest.mark.filterwarnings("default")
def test_images_by_nets_of_vision_libraries(make, files, tmp_path):
    torch.manual_seed(0)
    backbone = make()
    params = {"image_size": 64, "dtype": "float32", "batch_size": 4}
    here = ImageEmbedder(backbone, device="cpu", **params).fit_transform(files)
    embedder = ImageEmbedder(
        backbone, device=DEVICE, cache_dir=tmp_path / "cache", **params
    )
    there = embedder.fit_transform(files)
    assert there.shape[0] == 9
    assert there.std(0).max() > 0
    # tf32 is off by default for products, and on for convolutions
    np.testing.assert_allclose(there, here, rtol=1e-2, atol=2e-3 * np.abs(here).max())
    asked = []
    backbone.register_forward_pre_hook(lambda *_: asked.append(1))
    backbone._forward_pre_hooks.clear()
    np.testing.assert_array_equal(embedder.transform(files), there)
    np.testing.assert_array_equal(embedder.transform(files[::-1]), there[::-1])
    model = make_pipeline(embedder, LogisticRegression())
    y = np.array([0, 1, 0, 1, -1, -1, -1, -1, -1])
    picks = MarginSampling(random_state=0).query(
        np.array(files, dtype=object), y, model, batch_size=2
    )
    assert set(picks) <= set(range(4, 9))


@pytest.mark.filterwarnings("default")
def test_texts_by_a_language_model(tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    backbone = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=128,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
        )
    ).eval()

    def tokens(texts):
        length = max(map(len, texts))
        ids = [[ord(c) for c in text] + [0] * (length - len(text)) for text in texts]
        ids = torch.tensor(ids)
        return {"input_ids": ids, "attention_mask": (ids > 0).long()}

    texts = ["a cat sat", "a mat", "dogs run and run", "no", "a hat on a cat"]
    params = {"preprocess": tokens, "dtype": "float32", "version": "1"}
    here = Embedder(backbone, device="cpu", **params).fit_transform(texts)
    embedder = Embedder(backbone, device=DEVICE, cache_dir=tmp_path, **params)
    there = embedder.fit_transform(texts)
    np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(embedder.transform(texts[::-1]), there[::-1])
    model = make_pipeline(embedder, LogisticRegression())
    picks = MarginSampling(random_state=0).query(texts, [0, 1, 0, -1, -1], model)
    assert picks[0] in (3, 4)


class OwnProba(NeuralNetClassifier):
    """Rewrites what would come from the card."""

    def predict_proba(self, X):
        return super().predict_proba(X)


class MixedAnswers(ClassifierMixin, BaseEstimator):
    """Answers by arrays, but for embeddings."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.net_ = classifier_net().fit(X, y.astype(np.int64))
        return self

    def predict(self, X):
        return self.predict_proba(X).argmax(1)

    def predict_proba(self, X):
        return self.net_.predict_proba(X)

    def embed(self, X):
        return torch.as_tensor(X).to(DEVICE).tanh()


class MixedWithoutEmbedding(MixedAnswers):
    embed = None

    def predict_proba(self, X):
        return torch.as_tensor(super().predict_proba(X)).to(DEVICE)


class MixedDraws(MixedAnswers):
    embed = None

    def sample_proba(self, X, n_samples=None, random_state=0):
        proba = torch.as_tensor(super().predict_proba(X)).to(DEVICE)
        return proba.expand(n_samples or 5, *proba.shape)


def classifier_net(kind=NeuralNetClassifier):
    torch.manual_seed(0)
    return kind(
        MLP,
        module__n_hidden=16,
        module__n_classes=3,
        criterion=nn.CrossEntropyLoss,
        max_epochs=2,
        train_split=None,
        verbose=0,
        device=DEVICE,
    )


def wrapped_net():
    return SkorchClassifier(
        module=MLP,
        criterion=nn.CrossEntropyLoss(),
        forward_outputs={"proba": (0, nn.Softmax(dim=-1))},
        neural_net_param_dict={
            "module__n_hidden": 16,
            "module__n_classes": 3,
            "max_epochs": 2,
            "train_split": None,
            "verbose": 0,
            "device": DEVICE,
        },
        classes=[0, 1, 2],
        missing_label=-1,
    )


# What stands around a net answers by arrays, and the net itself on the card.
AROUND_A_NET = {
    "its own predict_proba": lambda: classifier_net(OwnProba),
    "arrays and embeddings": MixedAnswers,
    "probabilities alone": MixedWithoutEmbedding,
    "draws alone": MixedDraws,
    "scikit-activeml": wrapped_net,
    "scikit-activeml in a pipeline": lambda: make_pipeline(
        StandardScaler(), wrapped_net()
    ),
    "SklearnClassifier": lambda: SklearnClassifier(
        classifier_net(), classes=range(3), missing_label=-1
    ),
    "calibration": lambda: CalibratedClassifierCV(
        classifier_net(), cv=2, ensemble=False
    ),
    "search": lambda: GridSearchCV(classifier_net(), {"lr": [0.1]}, cv=2),
    "bagging": lambda: BaggingClassifier(classifier_net(), n_estimators=2),
}


@pytest.mark.parametrize("candidates", [None, "positions", "inputs"])
@pytest.mark.parametrize("around", AROUND_A_NET)
def test_what_stands_around_a_net_there(around, candidates):
    """Each strategy that can ask such a model gets all its answers from one device."""
    y = np.where(np.arange(80) % 3 == 0, TRUE, -1)
    given = {None: None, "positions": np.arange(1, 60, 3), "inputs": X[1:60:3] + 0.01}
    n_asked = 0
    for strategy in (STRATEGIES | VARIANTS).values():
        case = Case(strategy, False, maker(strategy))
        case.X, case.y = X, y
        more = (
            {"cost": None}
            if "cost" in inspect.signature(strategy.query).parameters
            else {}
        )
        try:
            picks = case.query(
                clf=AROUND_A_NET[around](),
                candidates=given[candidates],
                batch_size=3,
                **more,
            )
        except CapabilityError:
            continue
        n_asked += 1
        assert len(picks) == 3
    assert n_asked > 20


class OfOneself(ScoreQueryStrategy):
    """Scores rows on the processor, whoever embeds them."""

    _needs = (PredictsProba,)
    selection = None

    def _score(self, pool):
        return torch.rand(len(pool), generator=pool.generator)


@pytest.mark.parametrize("candidates", [None, X[1:60:3] + 0.01])
@pytest.mark.parametrize("rule", [TopK, Power, Softmax, SoftRank, ClusterRounds])
def test_own_scores_on_the_processor(rule, candidates):
    y = np.where(np.arange(80) % 3 == 0, TRUE, -1)
    strategy = OfOneself(random_state=0)
    strategy.selection = rule()
    clf = ALL_MAKERS["deep"](make_net(device=DEVICE))
    picks, utilities = strategy.query(
        X, y, clf, candidates=candidates, batch_size=3, return_utilities=True
    )
    assert len(set(picks.tolist())) == len(utilities) == 3


class OwnVariance(RegressorMixin, BaseEstimator):
    """A regressor from elsewhere that answers by tensors of the card."""

    def fit(self, X, y):
        self.is_fitted_ = True
        return self

    def predict(self, X):
        return X[:, 0]

    def sample_predictions(self, X, n_samples=None, random_state=0):
        noise = torch.randn(n_samples, 1, generator=source())
        return (torch.as_tensor(X[:, 0]) * noise).to(DEVICE)

    def predict_variance(self, X):
        variance = torch.as_tensor(X[:, 0]).square().to(DEVICE)
        return variance, torch.ones_like(variance)

    def joint_covariance(self, X, X_other):
        some, others = (torch.as_tensor(x[:, 0]).to(DEVICE) for x in (X, X_other))
        return some[:, None] * others


@pytest.mark.parametrize("strategy", [BALD, EPIG, BatchBALD, CoreSet, MeanStd])
@pytest.mark.filterwarnings("ignore:EPIG measures")
def test_regressors_from_elsewhere(strategy):
    y = np.where(Y >= 0, X[:, 0], np.nan)
    query = strategy(missing_label=np.nan, random_state=0).query
    assert len(query(X, y, reg=OwnVariance(), batch_size=3)) == 3


def test_active_testing_with_a_surrogate_elsewhere():
    surrogate, net = LogisticRegression().fit(X, TRUE), classifier_net().fit(X, TRUE)
    found = [
        active_testing(moved(net, device), X, 9, surrogate, random_state=0)
        for device in ("cpu", DEVICE)
    ]
    assert found[0][0].tolist() == found[1][0].tolist()


def test_pictures_of_uncertainty():
    rows = X[:, :2]
    clf = ALL_MAKERS["dropout"](make_net(device=DEVICE)).fit(rows, TRUE)
    for part in ("total", "epistemic", "aleatoric"):
        assert plot_uncertainty(clf, rows, part).collections


def where(model):
    """Return the devices of all tensors that a model keeps beside its nets."""
    return {name: [t.device for t in _tensors(v)] for name, v in vars(model).items()}


def check_travels(model, ask, monkeypatch):
    """skorch reads nets to where there is room; what we keep beside them goes along."""
    expected = quiet(ask, model)
    copied, stored, places = copy.deepcopy(model), pickle.dumps(model), []
    for each in (copied, pickle.loads(stored)):
        assert where(each) == where(model)

    def look(storage):  # where torch would read a tensor to, unless it is told
        note = lambda storage, place: places.append(place) or storage  # noqa: E731
        return torch.load(io.BytesIO(storage), map_location=note, weights_only=False)

    monkeypatch.setattr("torch.storage._load_from_bytes", look)
    for each in (copied, pickle.loads(stored)):
        np.testing.assert_allclose(quiet(ask, each), expected, rtol=1e-4, atol=1e-5)
    assert set(places) <= {"cpu"}


@pytest.mark.parametrize("kind", ALL_MAKERS)
def test_fitted_classifiers_travel_to_machines_without_a_card(kind, monkeypatch):
    clf = quiet(ALL_MAKERS[kind](make_net(device=DEVICE)).fit, X, Y)
    check_travels(clf, lambda clf: clf.predict_proba(X), monkeypatch)


@pytest.mark.parametrize("kind", REGRESSORS)
def test_fitted_regressors_travel_to_machines_without_a_card(kind, monkeypatch):
    y = np.where(Y >= 0, X[:, 0], np.nan)
    reg = quiet(REGRESSORS[kind](number_net(device=DEVICE)).fit, X, y)
    check_travels(reg, lambda reg: reg.predict(X), monkeypatch)


def test_weights_of_a_campaign_are_read_without_a_card(tmp_path):
    clf = quiet(ALL_MAKERS["deep"](make_net(device=DEVICE)).fit, X, Y)
    about = {"classes": ["a", "b", "c"]}
    save_model(clf, tmp_path, about, allow_pickle=False)
    seen = []
    (weights,) = torch.load(
        tmp_path / "weights.pt",
        map_location=lambda storage, place: seen.append(place) or storage,
        weights_only=True,
    )
    assert set(seen) == {"cpu"}
    assert weights.keys() == clf.nets_[0].module_.state_dict().keys()
