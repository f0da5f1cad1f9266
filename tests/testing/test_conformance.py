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
from skal_deep.testing._strategy_case import Case, small_classifier
from skal_deep.testing._strategy_checks import CHECKS

ALL = STRATEGIES | VARIANTS
BY_NAME = {check.__name__.removeprefix("check_"): check for check in CHECKS}


@pytest.mark.parametrize("check", BY_NAME)
@pytest.mark.parametrize("is_image", [False, True], ids=["vectors", "images"])
@pytest.mark.parametrize("name", ALL)
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
        n_estimators=3,
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
