"""What decides a run, as plain values that can be stored and compared."""

import json
from collections.abc import Mapping
from typing import Any

from skal_deep.identity._values import has_params, name_of, plain

# Set by the learner, or of no consequence for the rounds that are played.
_IRRELEVANT = {"random_state", "query_strategy", "n_cycles", "score_by", "keep_stages"}


def configuration_of(estimator: Any) -> dict[str, Any]:
    """Return the parameters of an estimator, nested ones too, as plain values.

    Parameters
    ----------
    estimator : object
        With ``get_params``, as in scikit-learn.
    """
    configuration = {}
    for name, value in sorted(estimator.get_params().items()):
        last = name.split("__")[-1]
        if name in _IRRELEVANT or last == "random_state" or last.startswith("_"):
            continue
        is_nested = has_params(value)  # then its parameters follow
        if is_nested:
            configuration[name] = name_of(type(value))
            continue
        configuration[name] = plain(value)
    return configuration


def describe_estimator(estimator: Any) -> dict[str, Any]:
    """Return class and parameters of an estimator as plain values.

    Parameters
    ----------
    estimator : object or None
        With ``get_params``, as in scikit-learn.
    """
    if estimator is None:
        return {}
    return {"class": name_of(type(estimator)), **configuration_of(estimator)}


def difference(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return a line for each value in which two configurations differ.

    Parameters
    ----------
    stored, wanted : dict
        Plain values.
    """
    lines = []
    for name in sorted(stored.keys() | wanted.keys()):
        there, here = (
            json.dumps(values[name], sort_keys=True) if name in values else "nothing"
            for values in (stored, wanted)
        )
        if there != here:
            lines.append(f"{name}: {there} in the run, {here} now")
    return lines
