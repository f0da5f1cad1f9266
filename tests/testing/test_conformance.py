"""The promises of a query, for every strategy on vectors and images."""

import pickle

import numpy as np
import pytest
from skactiveml.classifier import SklearnClassifier
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from strategies import (
    STRATEGIES,
    VARIANTS,
    asked_for,
    check_remembered,
    deep,
    laplace,
    maker,
    one_of_each,
    remembered,
)

from skal_deep.classifier import DeepEnsembleClassifier, SamplesProba, as_model
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
# What hangs on scores and on how picks come from them. The other promises a variant
# keeps, or not, by the code that it shares with the strategy of its name.
ON_SCORES = {
    "loop_from_a_cold_start",
    "output",
    "forms_of_candidates",
    "copies_and_ties",
    "order_of_the_pool",
    "generators",
    "utilities_do_not_matter",
    "batch_begins_with_the_single_pick",
    "picks_follow_utilities",
    "whole_pool",
    "batch_larger_than_pool",
    "one_class",
    "estimator_api",
    "parameters",
}
ONE_OF_EACH = one_of_each()


def asked(name):
    """Return who makes the classifier that a strategy is checked with.

    Of those who ask for draws, one in each set of needs asks a net with dropout.
    """
    if name in ONE_OF_EACH and SamplesProba in STRATEGIES[name]._needs:
        return small_classifier
    return maker(ALL[name])


def promises():
    """Yield every strategy with each check, on vectors and on images."""
    for name in ALL:
        for check in BY_NAME:
            is_whole = name in STRATEGIES or name in LOOK_INSIDE
            for is_image, runs in (
                (False, is_whole or check in ON_SCORES),
                (True, check in ON_IMAGES and name in ONE_OF_EACH | LOOK_INSIDE),
            ):
                runs = runs or (check == "output" and name in STRATEGIES)
                is_quick = name in ONE_OF_EACH and not is_image
                in_ci = () if is_quick else pytest.mark.slow
                yield pytest.param(
                    name,
                    is_image,
                    check,
                    id=f"{name}-{'images' if is_image else 'vectors'}-{check}",
                    marks=in_ci if runs else pytest.mark.nightly,
                )


def test_names_of_checks_are_known():
    assert BY_NAME.keys() >= ON_IMAGES | ON_SCORES
    assert len(LOOK_INSIDE) == 5


def test_every_need_is_asked_for():
    needs = {need for name in ONE_OF_EACH for need in STRATEGIES[name]._needs}
    assert needs == {need for s in STRATEGIES.values() for need in s._needs}
    assert 8 <= len(ONE_OF_EACH) < len(STRATEGIES) / 2


@pytest.mark.parametrize(("name", "is_image", "check"), list(promises()))
def test_promise(name, is_image, check):
    keep(check, ALL[name], asked(name), is_image)


def keep(check, strategy, make, is_image=False):
    """Check a promise, with a classifier that trains only where that matters."""
    BY_NAME[check](Case(strategy, is_image, asked_for(check, make)))
    check_remembered()


def test_what_is_remembered_is_what_is_fitted():
    case = Case(ALL["BALD"])
    for make in (deep, laplace, small_classifier, ensemble):
        plain, memory = make(False), remembered(make)(False)
        assert isinstance(memory, type(plain))
        for y in (case.y, case.y, np.full_like(case.y, -1)):
            proba = plain.fit(case.X, y).predict_proba(case.X)
            found = clone(memory).fit(case.X, y).predict_proba(case.X)
            np.testing.assert_array_equal(found, proba)
        other = clone(memory).set_params(random_state=1).fit(case.X, case.y)
        assert (other.predict_proba(case.X) != proba).any()
        same = pickle.loads(pickle.dumps(memory.fit(case.X, case.y)))
        np.testing.assert_array_equal(
            same.predict_proba(case.X), plain.fit(case.X, case.y).predict_proba(case.X)
        )
    check_remembered()


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.module_.layers[1].weight.data.add_(1),
        lambda net: net.module_.train(not net.module_.training),
        lambda net: net.module_.register_forward_hook(print),
        lambda net: vars(net).update(infer=net.module_),
    ],
    ids=["weights", "mode", "hooks", "methods"],
)
def test_who_changes_what_others_share_is_found(change):
    case = Case(ALL["BALD"], make_classifier=remembered(deep))
    first, second = case.fitted(), case.fitted()
    assert first.nets_[0] is second.nets_[0]
    proba = first.predict_proba(case.X)
    check_remembered()
    change(case.fitted().nets_[0])
    with pytest.raises(AssertionError, match="a fitted net was changed"):
        check_remembered()
    np.testing.assert_array_equal(case.fitted().predict_proba(case.X), proba)
    check_remembered()


def test_what_a_fit_warns_of_is_told_each_time():
    clf = remembered(deep)(False)
    for _ in range(2):
        with pytest.warns(UserWarning, match="All labels are"):
            clone(clf).set_params(classes=None).fit([[0.0], [1.0]], [1, -1])


def ensemble(is_image, missing_label=-1, classes=(0, 1, 2)):
    return DeepEnsembleClassifier(
        small_classifier(is_image).net,
        n_estimators=2,
        classes=list(classes),
        missing_label=missing_label,
        random_state=0,
    )


def piped(is_image, missing_label=-1, classes=(0, 1, 2)):
    return make_pipeline(StandardScaler(), laplace(is_image, missing_label, classes))


def forest(is_image, missing_label=-1, classes=(0, 1, 2)):
    return RandomForestClassifier(5, random_state=0)


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

# To a strategy that asks for no draws they are nets like any other.
DRAWN_FROM = (small_classifier, ensemble, laplace)
OTHERS = (*DRAWN_FROM, piped, forest, wrapped)


def with_other_classifiers():
    """Yield every strategy with every other classifier, and what is checked."""
    for name, strategy in STRATEGIES.items():
        for make in OTHERS:
            if make is asked(name):  # it is that of the promises above
                continue
            draws = SamplesProba in strategy._needs
            checks = DROP_IN if make in (laplace, wrapped) else CORE
            case = f"{name}-{make.__name__}"
            if name in ONE_OF_EACH:
                yield pytest.param(name, make, checks, id=case)
            else:
                nightly = pytest.mark.nightly
                in_ci = () if draws or make not in DRAWN_FROM else nightly
                output = f"{case}-output"
                yield pytest.param(name, make, ("output",), id=output, marks=in_ci)
                others = [check for check in checks if check != "output"]
                yield pytest.param(name, make, others, id=case, marks=nightly)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "make", "checks"), list(with_other_classifiers()))
def test_core_promises_with_other_classifiers(name, make, checks):
    strategy = STRATEGIES[name]
    model = as_model(make(False))
    if not strategy._works_on_inputs and not all(
        isinstance(model, need) for need in strategy._needs
    ):
        pytest.skip("it lacks a capability")
    for check in checks:
        keep(check, strategy, make)
