"""The promises of a query, for every strategy on vectors and images."""

import pytest
from skactiveml.classifier import SklearnClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from strategies import STRATEGIES, VARIANTS, maker

from skal_deep.classifier import (
    DeepClassifier,
    DeepEnsembleClassifier,
    LaplaceClassifier,
    as_model,
)
from skal_deep.testing._conformance import CHECKS
from skal_deep.testing._strategy_case import Case, small_classifier

ALL = STRATEGIES | VARIANTS
BY_NAME = {check.__name__.removeprefix("check_"): check for check in CHECKS}


# What hangs on the shape of an input, or on the layers that images go through. The
# other promises are kept, or not, before anything looks at an input: on images they
# are repeated nightly.
ON_IMAGES = {
    "output",
    "forms_of_candidates",
    "candidates_as_inputs",
    "copies_and_ties",
    "malformed_candidates",
    "malformed_input",
    "pipeline_space",
    "inference_batch_size",
    "order_of_the_pool",
    "storage_order_of_training",
}
# Variants that look into the layers; the others differ in what they do with scores.
LOOK_INSIDE = {name for name in VARIANTS if "all weights" in name} | {
    "DFAL by coordinate",
    "Badge with bias",
}


def promises():
    """Yield every strategy with each check, on vectors and on images."""
    for name in ALL:
        for check in BY_NAME:
            yield pytest.param(name, False, check, id=f"{name}-vectors-{check}")
            is_new = check in ON_IMAGES and name in STRATEGIES.keys() | LOOK_INSIDE
            marks = () if is_new else pytest.mark.slow
            yield pytest.param(
                name, True, check, id=f"{name}-images-{check}", marks=marks
            )


def test_names_of_checks_are_known():
    assert BY_NAME.keys() >= ON_IMAGES
    assert len(LOOK_INSIDE) == 5


@pytest.mark.parametrize(("name", "is_image", "check"), list(promises()))
def test_promise(name, is_image, check):
    BY_NAME[check](Case(ALL[name], is_image, maker(ALL[name])))


def deep(is_image, missing_label=-1, classes=(0, 1, 2)):
    net = small_classifier(is_image).net
    return DeepClassifier(
        net, classes=list(classes), missing_label=missing_label, random_state=0
    )


def ensemble(is_image, missing_label=-1, classes=(0, 1, 2)):
    return DeepEnsembleClassifier(
        small_classifier(is_image).net,
        n_estimators=2,
        classes=list(classes),
        missing_label=missing_label,
        random_state=0,
    )


def piped(is_image, missing_label=-1, classes=(0, 1, 2)):
    return make_pipeline(
        StandardScaler(), small_classifier(is_image, missing_label, classes)
    )


def forest(is_image, missing_label=-1, classes=(0, 1, 2)):
    return RandomForestClassifier(5, random_state=0)


def laplace(is_image, missing_label=-1, classes=(0, 1, 2)):
    return LaplaceClassifier(
        small_classifier(is_image).net,
        n_samples=8,
        classes=list(classes),
        missing_label=missing_label,
        random_state=0,
    )


def wrapped(is_image, missing_label=-1, classes=(0, 1, 2)):
    return SklearnClassifier(
        RandomForestClassifier(5, random_state=0),
        classes=list(classes),
        missing_label=missing_label,
        random_state=0,
    )


CORE = (
    "output",
    "forms_of_candidates",
    "fitting_first",
    "generators",
    "inputs_untouched",
    "order_of_the_pool",
)


# What classifiers that know their classes beforehand are asked.
DROP_IN = ("loop_from_a_cold_start", "missing_labels", "output")


@pytest.mark.parametrize("make", [deep, ensemble, piped, forest, laplace, wrapped])
@pytest.mark.parametrize("name", STRATEGIES)
def test_core_promises_with_other_classifiers(name, make):
    strategy = STRATEGIES[name]
    model = as_model(make(False))
    if not strategy._works_on_inputs and not all(
        isinstance(model, need) for need in strategy._needs
    ):
        pytest.skip("it lacks a capability")
    for check in DROP_IN if make in (laplace, wrapped) else CORE:
        BY_NAME[check](Case(strategy, False, make))
