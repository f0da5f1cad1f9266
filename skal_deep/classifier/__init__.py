"""Classifiers over a skorch net, and what strategies may ask of a classifier."""

from skal_deep.classifier._base import as_seed, derived_seed
from skal_deep.classifier._deep import DeepClassifier
from skal_deep.classifier._deep_ensemble import DeepEnsembleClassifier
from skal_deep.classifier._evidential import EvidentialClassifier
from skal_deep.classifier._laplace import LaplaceClassifier
from skal_deep.classifier._mc_dropout import MCDropoutClassifier
from skal_deep.classifier._multi_head import MultiHeadClassifier
from skal_deep.classifier._snapshot_ensemble import SnapshotEnsembleClassifier
from skal_deep.classifier._swag import SWAGClassifier
from skal_deep.classifier.door._any_model import (
    check_feature_names,
    check_fitted,
    check_needs,
    class_positions,
    fit_on_labeled,
    fitted,
    given_model,
    labeled_rows,
    seen_inputs,
    was_trained,
)
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
    SamplesProba,
)
from skal_deep.classifier.net._interrupts import kept_unless_done, leaves_on_interrupt
from skal_deep.classifier.net._shrink import shrunk
from skal_deep.exceptions import CapabilityError
from skal_deep.rows._label_array import label_array, narrowed, one_class
from skal_deep.rows._order import canonical_order

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
    "MCDropoutClassifier",
    "MeasuresGradients",
    "Model",
    "MultiHeadClassifier",
    "PredictsEvidence",
    "PredictsLogits",
    "PredictsProba",
    "SWAGClassifier",
    "SamplesProba",
    "SnapshotEnsembleClassifier",
    "as_model",
    "as_seed",
    "canonical_order",
    "check_feature_names",
    "check_fitted",
    "check_needs",
    "class_positions",
    "derived_seed",
    "fit_on_labeled",
    "fitted",
    "given_model",
    "kept_unless_done",
    "label_array",
    "labeled_rows",
    "leaves_on_interrupt",
    "narrowed",
    "one_class",
    "seen_inputs",
    "shrunk",
    "was_trained",
]
