"""Classifiers over a skorch net, and what strategies may ask of a classifier."""

from skal_deep.classifier._bayesian_linear import BayesianLinearClassifier
from skal_deep.classifier._bayesian_linear_regressor import BayesianLinearRegressor
from skal_deep.classifier._deep import DeepClassifier
from skal_deep.classifier._deep_ensemble import DeepEnsembleClassifier
from skal_deep.classifier._deep_ensemble_regressor import DeepEnsembleRegressor
from skal_deep.classifier._evidential import EvidentialClassifier
from skal_deep.classifier._laplace import LaplaceClassifier
from skal_deep.classifier._laplace_regressor import LaplaceRegressor
from skal_deep.classifier._mc_dropout import MCDropoutClassifier
from skal_deep.classifier._mc_dropout_regressor import MCDropoutRegressor
from skal_deep.classifier._multi_head import MultiHeadClassifier
from skal_deep.classifier._precomputed import PrecomputedClassifier
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
    PredictsProba,
    PredictsVariance,
    SamplesPredictions,
    SamplesProba,
)
from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.exceptions import CapabilityError

__all__ = [
    "LaplaceRegressor",
    "DeepEnsembleRegressor",
    "MCDropoutRegressor",
    "BayesianLinearClassifier",
    "BayesianLinearRegressor",
    "CapabilityError",
    "DeepClassifier",
    "DeepEnsembleClassifier",
    "Embeds",
    "EvidentialClassifier",
    "HasLinearHead",
    "HasSlopes",
    "HasWeightGradients",
    "LaplaceClassifier",
    "MCDropoutClassifier",
    "MeasuresGradients",
    "Model",
    "MultiHeadClassifier",
    "PrecomputedClassifier",
    "PredictsEvidence",
    "PredictsLogits",
    "PredictsProba",
    "PredictsVariance",
    "SWAGClassifier",
    "SamplesPredictions",
    "SamplesProba",
    "SnapshotEnsembleClassifier",
    "as_model",
    "fit_on_labeled",
]
