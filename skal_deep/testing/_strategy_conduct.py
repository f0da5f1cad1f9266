"""What every query strategy must leave alone, and what may not matter to it."""

import copy
import pickle
from typing import Any

import numpy as np
import torch
from skactiveml.utils import is_unlabeled
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skal_deep.modules import isolated_rng
from skal_deep.testing._promises import expect
from skal_deep.testing._strategy_case import Case
from skal_deep.testing._strategy_checks import check as _check
from skal_deep.testing._strategy_checks import must_raise


@_check
def check_unfitted_classifier(case: Case) -> None:
    """An unfitted classifier that is not to be fitted is refused."""
    if case.uses_classifier:
        must_raise(case, NotFittedError, "", fit_clf=False)


@_check
def check_fitting_first(case: Case) -> None:
    """Fitting inside is fitting before."""
    inside = case.query(batch_size=3, return_utilities=True)
    before = case.query(
        clf=case.fitted(), fit_clf=False, batch_size=3, return_utilities=True
    )
    np.testing.assert_array_equal(inside[0], before[0])
    np.testing.assert_allclose(inside[1], before[1], rtol=1e-5)


@_check
def check_sample_weight(case: Case) -> None:
    """Weights are taken; equal ones change nothing."""
    weight = np.ones(len(case.X))
    np.testing.assert_array_equal(
        case.query(batch_size=3), case.query(batch_size=3, sample_weight=weight)
    )


@_check
def check_utilities_do_not_matter(case: Case) -> None:
    """The picks are the same whether utilities are asked for or not."""
    for batch_size in (1, 6):
        picks, _ = case.query(batch_size=batch_size, return_utilities=True)
        alone = case.query(batch_size=batch_size)
        np.testing.assert_array_equal(picks, alone)


@_check
def check_generators(case: Case) -> None:
    """The global generators neither matter nor move, and equal seeds agree."""
    answers = []
    for seed in (1, 2):
        with isolated_rng(seed):  # the caller's generators are none of our business
            before = pickle.dumps(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
            answers.append(case.query(batch_size=4).tolist())
            after = pickle.dumps(np.random.get_state()), torch.get_rng_state()  # noqa: NPY002
        expect(before[0] == after[0], "NumPy's global generator moved")
        expect(torch.equal(before[1], after[1]), "torch's global generator moved")
    expect(answers[0] == answers[1], "the global seed matters")
    strategy = case.strategy(random_state=np.random.RandomState(3))
    first, second = (case.query(strategy, batch_size=4).tolist() for _ in range(2))
    expect(first == second, "the caller's RandomState is used up")


@_check
def check_inputs_untouched(case: Case) -> None:
    """Data, candidates and classifier come back as they went in."""
    candidates = np.flatnonzero(case.y == -1)[::2]
    clf = case.classifier()
    arrays: list[Any] = [case.X, case.y, candidates]
    copies, attributes = [a.copy() for a in arrays], set(vars(clf))
    case.query(clf=clf, candidates=candidates, batch_size=2)
    for array, as_it_was in zip(arrays, copies, strict=True):
        expect(np.array_equal(array, as_it_was), "an input array was changed")
    expect(set(vars(clf)) == attributes, "the classifier was fitted in place")
    fitted = case.fitted()
    attributes, before = set(vars(fitted)), _state(fitted)
    proba = fitted.predict_proba(case.X)
    case.query(clf=fitted, fit_clf=False, batch_size=2)
    expect(set(vars(fitted)) == attributes, "the classifier has new attributes")
    expect(_state(fitted) == before, "modes or hooks of the net were changed")
    expect(np.array_equal(fitted.predict_proba(case.X), proba), "the fit was changed")


@_check
def check_inference_batch_size(case: Case) -> None:
    """The mini-batches of prediction do not matter."""
    clf = case.fitted()
    other = copy.deepcopy(clf)
    for net in getattr(other, "nets_", []):
        net.iterator_valid__batch_size = 7
    mine, its = (
        case.query(clf=c, fit_clf=False, batch_size=3, return_utilities=True)
        for c in (clf, other)
    )
    np.testing.assert_array_equal(mine[0], its[0])
    np.testing.assert_allclose(mine[1], its[1], rtol=1e-4, atol=1e-6)


@_check
def check_order_of_the_pool(case: Case) -> None:
    """Permuted data give the same rows and utilities."""
    clf, order = case.fitted(), np.random.default_rng(0).permutation(len(case.X))
    picks, utilities = case.query(
        clf=clf, fit_clf=False, batch_size=4, return_utilities=True
    )
    permuted_picks, permuted = case.query(
        X=case.X[order],
        y=case.y[order],
        clf=clf,
        fit_clf=False,
        batch_size=4,
        return_utilities=True,
    )
    np.testing.assert_allclose(utilities[:, order], permuted, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(picks, order[permuted_picks])


@_check
def check_missing_labels(case: Case) -> None:
    """Any missing label of scikit-activeml's will do."""
    names = np.array(["a", "b", "c"])[case.y_true]
    for missing, classes, labels in (
        (-1, [0, 1, 2], case.y_true.astype(int)),
        (np.nan, [0, 1, 2], case.y_true.astype(float)),
        (None, ["a", "b", "c"], names.astype(object)),
        ("nan", ["a", "b", "c"], names.astype("<U3")),
    ):
        y = labels.copy()
        y[case.y == -1] = missing
        picks = case.query(
            case.strategy(missing_label=missing),
            y=y,
            clf=case.classifier(missing_label=missing, classes=classes),
            batch_size=2,
        )
        expect(is_unlabeled(y[picks], missing).all(), f"labelled with {missing!r}")


@_check
def check_estimator_api(case: Case) -> None:
    """clone, set_params, repr and pickle work, and no state is kept."""
    strategy = case.strategy()
    picks = case.query(strategy).tolist()
    other = clone(strategy)
    expect(
        other.get_params().keys() == strategy.get_params().keys(),
        "a clone has other parameters",
    )
    expect(other.set_params(random_state=3).random_state == 3, "set_params fails")
    expect(type(strategy).__name__ in repr(strategy), "repr lacks the name")
    other = pickle.loads(pickle.dumps(strategy))
    expect(case.query(other).tolist() == picks, "unpickled, it picks other rows")
    kept = {name for name in vars(strategy) if name.endswith("_")}
    kept -= {"missing_label_", "n_features_in_", "random_state_"}
    expect(not kept, f"the strategy keeps {kept}")


@_check
def check_parameters(case: Case) -> None:
    """Every parameter has a domain, and what is outside is refused."""
    constraints = getattr(case.template, "_parameter_constraints", None)
    if constraints is None:
        return
    for name in case.template.get_params(deep=False):
        expect(name in constraints, f"{name} has no entry in _parameter_constraints")
        if name == "missing_label":
            continue
        strategy = case.strategy().set_params(**{name: object()})
        try:
            case.query(strategy)
        except (ValueError, TypeError) as error:
            message = str(error)
        else:
            message = "it was taken without an error"
        expect(name in message, f"a wrong {name} is not named: {message}")


def _state(clf: Any) -> list[Any]:
    """Return the weights, modes and hooks of a classifier's nets."""
    modules = [
        module for net in getattr(clf, "nets_", []) for module in net.module_.modules()
    ]
    return [
        (
            module.training,
            len(module._forward_hooks) + len(module._forward_pre_hooks),
            [value.tolist() for value in module.state_dict().values()],
        )
        for module in modules
    ]
