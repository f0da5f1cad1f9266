"""Query strategies for a pool of unlabelled data, and rules that form a batch."""

from skal_deep.pool._adversarial_bim import AdversarialBIM
from skal_deep.pool._badge import Badge
from skal_deep.pool._bald import BALD
from skal_deep.pool._base import DeepQueryStrategy, ScoreQueryStrategy
from skal_deep.pool._batch_bald import BatchBALD
from skal_deep.pool._consensus_kl import ConsensusKL
from skal_deep.pool._core_set import CoreSet
from skal_deep.pool._deal import DEAL
from skal_deep.pool._dfal import DFAL
from skal_deep.pool._egl import EGL
from skal_deep.pool._epig import EPIG
from skal_deep.pool._ical import ICAL
from skal_deep.pool._least_confidence import LeastConfidence
from skal_deep.pool._margin_sampling import MarginSampling
from skal_deep.pool._mean_std import MeanStd
from skal_deep.pool._mixed_score import MixedScore
from skal_deep.pool._pool import Pool, Rows
from skal_deep.pool._predictive_entropy import PredictiveEntropy
from skal_deep.pool._selection import Power, SelectionRule, Softmax, SoftRank, TopK
from skal_deep.pool._vaal import VAAL
from skal_deep.pool._variation_ratio import VariationRatio
from skal_deep.pool._vote_entropy import VoteEntropy

__all__ = [
    "AdversarialBIM",
    "BALD",
    "Badge",
    "BatchBALD",
    "ConsensusKL",
    "CoreSet",
    "DEAL",
    "DFAL",
    "DeepQueryStrategy",
    "EGL",
    "EPIG",
    "ICAL",
    "LeastConfidence",
    "MarginSampling",
    "MeanStd",
    "MixedScore",
    "Pool",
    "Power",
    "PredictiveEntropy",
    "Rows",
    "ScoreQueryStrategy",
    "SelectionRule",
    "SoftRank",
    "Softmax",
    "TopK",
    "VAAL",
    "VariationRatio",
    "VoteEntropy",
]
