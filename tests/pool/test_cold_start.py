"""No label at all: a strategy that asks an untrained model says so."""

import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from strategies import STRATEGIES, maker, remembered

from skal_deep.classifier import fit_on_labeled
from skal_deep.pool import BALD, Badge, CoreSet, TypiClust
from skal_deep.testing._strategy_case import Case

NONE = np.full(36, -1)
# What these do without a label they say themselves, in other words.
OTHERWISE = {
    "AlfaMix": "groups all rows",
    "ContrastiveAL": "draws at random",
    "DiffusionAL": "draws at random",
    **dict.fromkeys(
        (
            *(
                "AdaptiveStrategy",
                "DAAL",
                "DAL",
                "JointSampling",
                "MAL",
                "SelectionViaProxy",
                "SRAAL",
            ),
            *("TAVAAL", "VAAL"),
        ),
        "draws at random",
    ),
}


def warned(case, strategy=None, **change):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        case.loud_query(strategy, **{"y": NONE, **change})
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize("name", STRATEGIES)
def test_each_strategy_says_what_its_picks_rest_on(name):
    case = Case(STRATEGIES[name], False, remembered(maker(STRATEGIES[name])))
    messages = warned(case)
    if name in OTHERWISE:
        assert any(OTHERWISE[name] in message for message in messages)
    else:
        said = f"{name} asks a model that has seen no label"
        assert sum(said in message for message in messages) == 1
    assert not any("has seen no label" in m for m in warned(case, y=case.y))


@pytest.mark.parametrize("name", STRATEGIES)
def test_inputs_need_no_label(name):
    strategy = STRATEGIES[name]
    if strategy._works_on_inputs:
        messages = warned(Case(strategy), clf=None)
        assert not any("has seen no label" in message for message in messages)


@pytest.mark.slow
def test_the_remedy_fits():
    assert any("Pass clf=None" in message for message in warned(Case(CoreSet())))
    assert any("TypiClust" in message for message in warned(Case(BALD())))


@pytest.mark.slow
def test_a_model_that_was_fitted_without_a_label_is_noticed():
    case = Case(Badge())
    clf = case.classifier()
    for never in (
        fit_on_labeled(clf, case.X, NONE),
        make_pipeline(StandardScaler(), clf).fit(case.X, NONE),
        clf.net.initialize(),
    ):
        assert warned(case, clf=never, fit_clf=False)


@pytest.mark.slow
def test_a_model_that_was_trained_elsewhere_is_trusted():
    for strategy in (Badge(), TypiClust()):
        case = Case(strategy)
        assert not warned(case, clf=case.fitted(), fit_clf=False)


@pytest.mark.slow
def test_the_warning_points_at_the_query():
    case = Case(Badge())
    with pytest.warns(UserWarning, match="has seen no label") as caught:
        Badge().query(case.X, NONE, case.classifier())
    assert caught[0].filename == __file__
