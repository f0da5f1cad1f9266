"""A fitted model as plain arrays, which nothing has to be unpickled for."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skal_deep.classifier import BayesianLinearClassifier, BayesianLinearRegressor
from skal_deep.classifier.door._inside import last_step
from skal_deep.evaluation.simulation._one_class import OneClass

LOAD = """\
import json, numpy as np
about = json.load(open("model/model.json"))     # classes, features, settings
m = np.load("model/model.npz")                  # no pickle inside
scores = (X - m["mean"]) / m["scale"] @ m["coef"].T + m["intercept"]
"""
# Of a model whose prediction averages draws of its weights, the bias among them.
LOAD_DRAWS = """\
import json, numpy as np
about = json.load(open("model/model.json"))     # classes, features, settings
m = np.load("model/model.npz")                  # no pickle inside
Z = (X - m["mean"]) / m["scale"]
logits = np.stack([Z @ W[:, :-1].T + W[:, -1] for W in m["draws"]])
odds = np.exp(logits - logits.max(axis=2, keepdims=True))
scores = (odds / odds.sum(axis=2, keepdims=True)).mean(axis=0)  # probabilities
"""
_CLASSES = "predicted = [about['classes'][i] for i in scores.argmax(axis=1)]\n"
_NUMBERS = "predicted = scores[:, 0]\n"


def save_model(
    model: Any, folder: Path, about: dict[str, Any], allow_pickle: bool
) -> list[Path]:
    """Write a model, and return the files.

    Parameters
    ----------
    model : object
        A fitted model.
    folder : Path
        Where to.
    about : dict
        Classes, features, settings: what to know to use it.
    allow_pickle : bool
        Whether a model of another kind may be pickled.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays = _linear(model, about["classes"])
    if arrays is not None:
        path = folder / "model.npz"
        np.savez(path, allow_pickle=False, **arrays)
        load = LOAD_DRAWS if "draws" in arrays else LOAD
        about = {**about, "kind": "linear", "load": load + _ending(about)}
    elif nets := _nets(model):
        path = folder / "weights.pt"
        torch.save([_weights(net.module_) for net in nets], path)
        line = (
            "weights = torch.load('model/weights.pt', weights_only=True)  # one a net\n"
            "module.load_state_dict(weights[0])\n"
        )
        about = {**about, "kind": "net", "load": line}
    elif allow_pickle:
        path = folder / "model.pickle"
        path.write_bytes(pickle.dumps(model))
        line = "pickle.load(open('model/model.pickle', 'rb'))  # runs code of the file"
        about = {**about, "kind": "pickle", "load": line}
    else:
        raise ValueError(
            f"{type(last_step(model)).__name__} is neither a linear model of this "
            "package nor a net, so that only a pickle could hold it, and reading a "
            "pickle runs code. Pass --pickle (pickle=True) if you want that, or leave "
            "the model out of --only."
        )
    page = folder / "model.json"
    page.write_text(json.dumps(about, indent=1), encoding="utf-8")
    return [path, page]


def _weights(module: nn.Module) -> dict[str, Any]:
    """Return what a module has learned, to be read where there is no card, too."""
    return {
        name: value.cpu() if isinstance(value, torch.Tensor) else value
        for name, value in module.state_dict().items()
    }


def _nets(model: Any) -> list[Any]:
    """Return the fitted skorch nets of a model, if it is made of such."""
    last = last_step(model)
    nets = getattr(last, "nets_", [last])
    return [net for net in nets if hasattr(net, "module_")]


def _ending(about: dict[str, Any]) -> str:
    return _CLASSES if about["classes"] else _NUMBERS


def _linear(model: Any, classes: list[str]) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of a linear model on standardised features, if it is one."""
    if not isinstance(model, Pipeline) or len(model) != 2:
        return None
    scaler, last = model[0], model[-1]
    if not isinstance(scaler, StandardScaler):
        return None
    n_features = scaler.n_features_in_
    arrays = {"mean": scaler.mean_, "scale": scaler.scale_}
    if isinstance(last, Ridge | BayesianLinearRegressor):
        coef = np.reshape(last.coef_, (1, -1))
        return {**arrays, "coef": coef, "intercept": np.reshape(last.intercept_, -1)}
    if isinstance(last, BayesianLinearClassifier):
        draws = last.posterior_.weights(last.n_samples, last._draw_seed())
        return {**arrays, "draws": draws.numpy()}
    coef_CD = np.zeros((len(classes), n_features))
    intercept = np.full(len(classes), -np.inf)  # never a class that nobody saw
    if isinstance(last, OneClass):
        intercept[np.flatnonzero(last.is_seen_)] = 0
        return {**arrays, "coef": coef_CD, "intercept": intercept}
    if not isinstance(last, LogisticRegression):
        return None
    known = np.asarray(last.classes_, dtype=np.intp)
    if len(known) == 2:  # it scores the second class against the first
        coef_CD[known[1]], intercept[known] = last.coef_[0], (0, last.intercept_[0])
    else:
        coef_CD[known], intercept[known] = last.coef_, last.intercept_
    return {**arrays, "coef": coef_CD, "intercept": intercept}
