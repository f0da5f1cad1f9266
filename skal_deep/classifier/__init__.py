"""Classifiers over a skorch net, and what strategies may ask of a classifier."""

from skal_deep.classifier._access import Model, as_model, check_fitted, fit_on_labeled
from skal_deep.classifier._base import as_seed, derived_seed
from skal_deep.classifier._capabilities import (
    CapabilityError,
    Embeds,
    PredictsProba,
    SamplesProba,
)
from skal_deep.classifier._deep import DeepClassifier
from skal_deep.classifier._deep_ensemble import DeepEnsembleClassifier
from skal_deep.classifier._mc_dropout import MCDropoutClassifier

__all__ = [
    "CapabilityError",
    "DeepClassifier",
    "DeepEnsembleClassifier",
    "Embeds",
    "MCDropoutClassifier",
    "Model",
    "PredictsProba",
    "SamplesProba",
    "as_model",
    "as_seed",
    "check_fitted",
    "derived_seed",
    "fit_on_labeled",
]
