"""One round of a campaign, from what its files say to a new file."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from skactiveml.base import QueryStrategy

from skal_deep.campaign.honest._plan import (
    Pick,
    Situation,
    StepRules,
    answers_on,
    fit_round,
    plan_round,
)
from skal_deep.campaign.honest._referees import compare_arms
from skal_deep.campaign.models._features import FeatureFile
from skal_deep.campaign.models._models import check_fits, named_model, round_strategy
from skal_deep.campaign.models._table_features import table_features
from skal_deep.campaign.store._array import Embeddings
from skal_deep.campaign.store._control import n_control
from skal_deep.campaign.store._errors import NoFeaturesError, NothingToDoError
from skal_deep.campaign.store._files import digest_of_ids
from skal_deep.campaign.store._items import Items
from skal_deep.campaign.store._rounds import CONTROL, REFEREE, Round, write_round
from skal_deep.campaign.store._rows import Rows
from skal_deep.campaign.store._settings import SCHEMA, Settings, now, versions
from skal_deep.campaign.store._state import State
from skal_deep.classifier._base import derived_seed
from skal_deep.evaluation.simulation._streams import Purpose

if TYPE_CHECKING:
    from skal_deep.campaign._campaign_files import CampaignFiles

MISSING = -1  # of classes, whose numbers are their places in the list


def ask_round(
    campaign: "CampaignFiles",
    state: State,
    strategy: QueryStrategy | None,
    estimator: Any,
    model: Mapping[str, Any] | None,
    batch_size: int,
) -> Round:
    """Plan a round, write it, and return it; the campaign's lock must be held.

    Parameters
    ----------
    campaign : CampaignFiles
        The campaign.
    state : State
        What its files say.
    strategy, estimator, model, batch_size
        As in ``Campaign.next``.
    """
    settings, number = state.settings, len(state.rounds) + 1
    if not state.n_left:
        raise NothingToDoError(
            f"The budget of {settings.budget} labels is spent. Next: python -m "
            f"skal_deep export {campaign.path} --out result/. To go on, pass a larger "
            "budget: python -m skal_deep init ... --budget N."
        )
    estimator, described = model_of(campaign, settings, estimator, model)
    situation, has_features = situation_of(campaign, state)
    fitted = fit_round(situation, estimator, settings.seed, number)
    chooser, to_ask = round_strategy(
        strategy,
        fitted,
        _counts(situation, settings),
        state.n_used,
        settings.budget,
        settings.is_regression,
    )
    wanted = min(batch_size, state.n_left)
    rules = StepRules(estimator, chooser, wanted, situation.missing_label)
    n_before = sum(len(one.ids) for one in state.rounds)
    share = settings.referee_share
    comparison = compare_arms(
        state,
        situation,
        has_features,
        estimator,
        number,
        n_control(share, n_before, wanted),
    )
    plan = plan_round(
        situation,
        to_ask,
        rules,
        settings.control_share,
        n_before,
        settings.seed,
        number,
        [] if comparison is None else comparison.picks,
    )
    if not plan.picks:
        raise NothingToDoError(
            f"No item of {campaign.path} is left to ask for: all {len(state.items)} "
            f"are labelled, skipped, gone, without features or kept for referees. "
            f"Next: python -m "
            f"skal_deep export {campaign.path} --out result/."
        )
    if plan.strategy is not None and type(plan.strategy) is not type(chooser):
        warnings.warn(
            f"{type(chooser).__name__} asks a model, and all labels that train one are "
            "of one class yet: this round is chosen by chance.",
            UserWarning,
            stacklevel=3,
        )
    # Rows of items.csv, which only grows: later readers find them again.
    reserved = np.flatnonzero(state.has_small_key)
    proba_NC = None
    if fitted is not None:
        width = len(settings.classes) or 1
        proba_NC = np.full((len(reserved), width), np.nan)
        known = has_features[reserved]
        proba_NC[known] = answers_on(
            fitted, situation.X[reserved[known]], situation.classes
        )
    content = {
        "schema": SCHEMA,
        "round": number,
        "time": now(),
        "seed": derived_seed(settings.seed, Purpose.STRATEGY, number),
        "pool": len(situation.pool),
        "reserved": len(reserved),
        "n_train": len(situation.trained_on),
        "strategy": _described(plan.strategy),
        "model": {**described, "hash": _model_hash(state, described)},
        "features": settings.features,
        **({} if comparison is None else {"comparison": comparison.content()}),
        "items_digest": state.items.ids_digest,
        "versions": versions(),
        "items": [_entry(state, pick) for pick in plan.picks],
    }
    return write_round(campaign.path, content, proba_NC)


def model_of(
    campaign: "CampaignFiles",
    settings: Settings,
    estimator: Any,
    model: Mapping[str, Any] | None,
) -> tuple[Any, dict[str, Any]]:
    """Return an unfitted model, and what a round's file says of it.

    Parameters
    ----------
    campaign : CampaignFiles
        The campaign.
    settings : Settings
        Those of the campaign.
    estimator : object or None
        A model of the user's.
    model : mapping or None
        A model by name; ``None`` is the campaign's.
    """
    if estimator is not None:
        check_fits(estimator, settings)
        return estimator, {"name": type(estimator).__name__, "set": {}}
    described = dict(settings.model if model is None else model)
    name, values = described["name"], dict(described.get("set") or {})
    if ":" in name and model is None and not campaign.trust:
        raise ValueError(
            f"The model of {campaign.path} is {name}, code that is not of this "
            f"package: it runs only if you say so. Pass --model {name} again, or "
            "--trust (Campaign(path, trust=True))."
        )
    about = FeatureFile(campaign.path, settings.features or "").about() or {}
    shape = about.get("settings", {}).get("shape")
    return named_model(name, values, settings, shape), {"name": name, "set": values}


def _model_hash(state: State, described: Mapping[str, Any]) -> str:
    """Return a digest of what the round's model was made from."""
    names = state.training()
    labels = [f"{n}={state.labels.label[n]}" for n in names]
    about = [f"{described}", f"{state.settings.features}", *labels]
    return digest_of_ids(about)


def situation_of(
    campaign: "CampaignFiles", state: State, *, with_control: bool = False
) -> tuple[Situation, NDArray[np.bool_]]:
    """Return what can be asked and learned from; and which items have features.

    Parameters
    ----------
    campaign : CampaignFiles
        The campaign.
    state : State
        What its files say.
    with_control : bool, default=False
        Whether control labels train, too.
    """
    items, settings = state.items, state.settings
    X, has_features = features_of(campaign, items)
    missing: Any = np.nan if settings.is_regression else MISSING
    y = np.full(len(items), missing, float if settings.is_regression else np.intp)
    trained = [
        name
        for name in state.training(with_control=with_control)
        if has_features[items.row_of[name]]
    ]
    y[items.rows(trained)] = state.codes(trained)
    free = has_features & ~items.is_gone & ~state.is_answered
    again = items.rows(state.to_ask_again)
    again = again[~items.is_gone[again] & ~state.is_fresh[again]]
    is_control = state.is_reserved[again]
    waiting = np.flatnonzero(free & state.is_reserved)
    waiting = waiting[np.argsort(state.keys[waiting])]
    return (
        Situation(
            X,
            y,
            np.flatnonzero(free & ~state.is_reserved & ~state.is_fresh),
            np.concatenate([again[is_control], waiting]),
            np.flatnonzero(free & state.is_fresh),
            again[~is_control],
            np.arange(len(settings.classes)),
            missing,
        ),
        has_features,
    )


def features_of(
    campaign: "CampaignFiles", items: Items, name: str | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return features of all items, and which of them have any.

    Parameters
    ----------
    campaign : CampaignFiles
        The campaign.
    items : Items
        Its items.
    name : str, default=None
        Name of the features; ``None`` are the campaign's.
    """
    name = name or campaign.settings.features
    source = campaign.source
    if name in ("table", "embeddings"):
        campaign.check_places(np.flatnonzero(~items.is_gone).tolist())
    if name == "table" and isinstance(source, Rows):
        return table_features(source, items.places), ~items.is_gone
    if name == "embeddings" and isinstance(source, Embeddings):
        at = np.array([int(place) for place in items.places], dtype=np.intp)
        has = ~items.is_gone & (at < len(source.array))
        X = np.zeros((len(items), source.array.shape[1]), np.float32)
        X[has] = source.array[at[has]]
        return X, has
    if name is None:
        spec = campaign.default_features()
        raise NoFeaturesError(
            f"{campaign.path} has no features yet, which strategies and models see: "
            f"run python -m skal_deep embed {campaign.path} --features {spec}"
        )
    return FeatureFile(campaign.path, name).read(items)


def _counts(situation: Situation, settings: Settings) -> list[int]:
    """Return training labels of each class; of numbers all together."""
    codes = situation.y[situation.trained_on]
    if settings.is_regression:
        return [len(codes)]
    counts = np.bincount(codes, minlength=len(settings.classes))
    return [int(count) for count in counts]


def _described(strategy: Any) -> dict[str, Any] | None:
    """Return a strategy as a round's file names it."""
    if strategy is None:
        return None
    cls = type(strategy)
    values = {
        name: value if isinstance(value, bool | int | float | str) else repr(value)
        for name, value in strategy.get_params(deep=False).items()
        if value is not None and name not in ("random_state", "missing_label")
    }
    return {"class": f"{cls.__module__}.{cls.__qualname__}", "set": values}


def _entry(state: State, pick: Pick) -> dict[str, Any]:
    """Return an item as a round's file has it."""
    entry = {"id": state.items.ids[pick.row], "arm": pick.arm}
    if pick.arm == CONTROL:
        return {**entry, "key": float(state.keys[pick.row])}
    if pick.arm == REFEREE:
        return {**entry, "said": pick.said}
    known = {"rank": pick.rank, "utility": pick.utility, "draw": pick.draw}
    return {**entry, **{name: v for name, v in known.items() if v is not None}}
