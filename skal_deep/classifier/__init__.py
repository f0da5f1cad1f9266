"""Classifiers over a skorch net, and what strategies may ask of a classifier."""

from skal_deep.classifier._bayes_by_backprop import BayesByBackpropClassifier
from skal_deep.classifier._bayesian_linear import BayesianLinearClassifier
from skal_deep.classifier._bayesian_linear_regressor import BayesianLinearRegressor
from skal_deep.classifier._checkpoint import CheckpointClassifier
from skal_deep.classifier._deep import DeepClassifier
from skal_deep.classifier._deep_ensemble import DeepEnsembleClassifier
from skal_deep.classifier._deep_ensemble_regressor import DeepEnsembleRegressor
from skal_deep.classifier._entropy_minimizing import EntropyMinimizingClassifier
from skal_deep.classifier._evidential import EvidentialClassifier
from skal_deep.classifier._fix_match import FixMatchClassifier
from skal_deep.classifier._generative_augmentation import (
    GenerativeAugmentationClassifier,
)
from skal_deep.classifier._label_propagation import LabelPropagationClassifier
from skal_deep.classifier._laplace import LaplaceClassifier
from skal_deep.classifier._laplace_regressor import LaplaceRegressor
from skal_deep.classifier._loss_prediction import LossPredictionClassifier
from skal_deep.classifier._mc_dropout import MCDropoutClassifier
from skal_deep.classifier._mc_dropout_regressor import MCDropoutRegressor
from skal_deep.classifier._mix_match import MixMatchClassifier
from skal_deep.classifier._multi_head import MultiHeadClassifier
from skal_deep.classifier._multi_view import MultiViewClassifier
from skal_deep.classifier._pbp_regressor import PBPRegressor
from skal_deep.classifier._precomputed import PrecomputedClassifier
from skal_deep.classifier._pseudo_label import PseudoLabelClassifier
from skal_deep.classifier._snapshot_ensemble import SnapshotEnsembleClassifier
from skal_deep.classifier._swa import SWAClassifier
from skal_deep.classifier._swag import SWAGClassifier
from skal_deep.classifier._swag_regressor import SWAGRegressor
from skal_deep.classifier._variational_last_layer import (
    VariationalLastLayerClassifier,
)
from skal_deep.classifier._wasserstein import WassersteinClassifier
from skal_deep.classifier.door._as_model import Model, as_model
from skal_deep.classifier.door._capabilities import (
    Embeds,
    GivesCovariance,
    HasLinearHead,
    HasSlopes,
    HasWeightGradients,
    MeasuresGradients,
    PredictsEvidence,
    PredictsLogits,
    PredictsLoss,
    PredictsNovelty,
    PredictsProba,
    PredictsVariance,
    PredictsVotes,
    SamplesPredictions,
    SamplesProba,
)
from skal_deep.classifier.door._fitting import fit_on_labeled
from skal_deep.classifier.net._precision import inference_precision
from skal_deep.exceptions import CapabilityError

__all__ = [
    "BayesByBackpropClassifier",
    "BayesianLinearClassifier",
    "BayesianLinearRegressor",
    "CapabilityError",
    "CheckpointClassifier",
    "DeepClassifier",
    "DeepEnsembleClassifier",
    "DeepEnsembleRegressor",
    "Embeds",
    "EntropyMinimizingClassifier",
    "EvidentialClassifier",
    "FixMatchClassifier",
    "GenerativeAugmentationClassifier",
    "GivesCovariance",
    "HasLinearHead",
    "HasSlopes",
    "HasWeightGradients",
    "LabelPropagationClassifier",
    "LaplaceClassifier",
    "LaplaceRegressor",
    "LossPredictionClassifier",
    "MCDropoutClassifier",
    "MCDropoutRegressor",
    "MeasuresGradients",
    "MixMatchClassifier",
    "Model",
    "MultiHeadClassifier",
    "MultiViewClassifier",
    "PBPRegressor",
    "PrecomputedClassifier",
    "PredictsEvidence",
    "PredictsLogits",
    "PredictsLoss",
    "PredictsNovelty",
    "PredictsProba",
    "PredictsVariance",
    "PredictsVotes",
    "PseudoLabelClassifier",
    "SWAClassifier",
    "SWAGClassifier",
    "SWAGRegressor",
    "SamplesPredictions",
    "SamplesProba",
    "SnapshotEnsembleClassifier",
    "VariationalLastLayerClassifier",
    "WassersteinClassifier",
    "as_model",
    "fit_on_labeled",
    "inference_precision",
]
