"""Classifiers over a skorch net, and what strategies may ask of a classifier."""

from skal_deep.classifier._access import Model, as_model
from skal_deep.classifier._base import as_seed, derived_seed
from skal_deep.classifier._capabilities import (
    CapabilityError,
    Embeds,
    PredictsProba,
    SamplesProba,
)
from skal_deep.classifier._deep import DeepClassifier
from skal_deep.classifier._deep_ensemble import DeepEnsembleClassifier
from skal_deep.classifier._fitting import check_needs, fit_on_labeled, fitted
from skal_deep.classifier._mc_dropout import MCDropoutClassifier
from skal_deep.classifier._shrink import shrunk

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
    "check_needs",
    "derived_seed",
    "fit_on_labeled",
    "fitted",
    "shrunk",
]
