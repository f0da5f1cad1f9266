"""Classifiers over a skorch net, and what strategies may ask of a classifier."""

from skal_deep.classifier._deep import DeepClassifier
from skal_deep.classifier._deep_ensemble import DeepEnsembleClassifier
from skal_deep.classifier._evidential import EvidentialClassifier
from skal_deep.classifier._laplace import LaplaceClassifier
from skal_deep.classifier._loss_prediction import LossPredictionClassifier
from skal_deep.classifier._mc_dropout import MCDropoutClassifier
from skal_deep.classifier._multi_head import MultiHeadClassifier
from skal_deep.classifier._snapshot_ensemble import SnapshotEnsembleClassifier
from skal_deep.classifier._swag import SWAGClassifier
from skal_deep.classifier.door._as_model import Model, as_model
from skal_deep.classifier.door._capabilities import (
    Embeds,
    HasLinearHead,
    HasSlopes,
    HasWeightGradients,
    MeasuresGradients,
    PredictsEvidence,
    PredictsLogits,
    PredictsLoss,
    PredictsProba,
    SamplesProba,
)
from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.exceptions import CapabilityError

__all__ = [
    "CapabilityError",
    "DeepClassifier",
    "DeepEnsembleClassifier",
    "Embeds",
    "EvidentialClassifier",
    "HasLinearHead",
    "HasSlopes",
    "HasWeightGradients",
    "LaplaceClassifier",
    "LossPredictionClassifier",
    "MCDropoutClassifier",
    "MeasuresGradients",
    "Model",
    "MultiHeadClassifier",
    "PredictsEvidence",
    "PredictsLogits",
    "PredictsLoss",
    "PredictsProba",
    "SWAGClassifier",
    "SamplesProba",
    "SnapshotEnsembleClassifier",
    "as_model",
    "fit_on_labeled",
]
