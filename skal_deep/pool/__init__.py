"""Query strategies for a pool of unlabelled data, and rules that form a batch."""

from skal_deep.pool._ask_n_learn import AskNLearn
from skal_deep.pool._badge import Badge
from skal_deep.pool._bald import BALD
from skal_deep.pool._base import DeepQueryStrategy, ScoreQueryStrategy
from skal_deep.pool._batch_bald import BatchBALD
from skal_deep.pool._core_set import CoreSet
from skal_deep.pool._dami import DAMI
from skal_deep.pool._lcmd import LCMD
from skal_deep.pool._least_confidence import LeastConfidence
from skal_deep.pool._margin_sampling import MarginSampling
from skal_deep.pool._max_det import MaxDet
from skal_deep.pool._mean_std import MeanStd
from skal_deep.pool._pool import Pool, Rows
from skal_deep.pool._predictive_entropy import PredictiveEntropy
from skal_deep.pool._robust_core_set import RobustCoreSet
from skal_deep.pool._selection import Power, SelectionRule, Softmax, SoftRank, TopK
from skal_deep.pool._vaal import VAAL
from skal_deep.pool._variation_ratio import VariationRatio

__all__ = [
    "AskNLearn",
    "BALD",
    "Badge",
    "BatchBALD",
    "CoreSet",
    "DAMI",
    "DeepQueryStrategy",
    "LCMD",
    "LeastConfidence",
    "MarginSampling",
    "MaxDet",
    "MeanStd",
    "Pool",
    "Power",
    "PredictiveEntropy",
    "RobustCoreSet",
    "Rows",
    "ScoreQueryStrategy",
    "SelectionRule",
    "SoftRank",
    "Softmax",
    "TopK",
    "VAAL",
    "VariationRatio",
]
