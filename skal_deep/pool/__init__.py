"""Query strategies for a pool of unlabelled data, and rules that form a batch."""

from skal_deep.pool._adaptive_strategy import AdaptiveStrategy
from skal_deep.pool._adversarial_bim import AdversarialBIM
from skal_deep.pool._alfa_mix import AlfaMix
from skal_deep.pool._anchor_al import AnchorAL
from skal_deep.pool._ask_n_learn import AskNLearn
from skal_deep.pool._badge import Badge
from skal_deep.pool._bait import Bait
from skal_deep.pool._bald import BALD
from skal_deep.pool._base import DeepQueryStrategy, ScoreQueryStrategy
from skal_deep.pool._batch_bald import BatchBALD
from skal_deep.pool._batch_epig import BatchEPIG
from skal_deep.pool._ceal import CEAL
from skal_deep.pool._clue import Clue
from skal_deep.pool._cluster_margin import ClusterMargin
from skal_deep.pool._cluster_rounds import ClusterRounds
from skal_deep.pool._consensus_kl import ConsensusKL
from skal_deep.pool._consistency_sampling import ConsistencySampling
from skal_deep.pool._contrastive_al import ContrastiveAL
from skal_deep.pool._core_mse import CoreMSE
from skal_deep.pool._core_set import CoreSet
from skal_deep.pool._daal import DAAL
from skal_deep.pool._dal import DAL
from skal_deep.pool._dami import DAMI
from skal_deep.pool._dcom import DCoM
from skal_deep.pool._deal import DEAL
from skal_deep.pool._density_weighted_diversity import DensityWeightedDiversity
from skal_deep.pool._dfal import DFAL
from skal_deep.pool._diffusion_al import DiffusionAL
from skal_deep.pool._diverse_mini_batch import DiverseMiniBatch
from skal_deep.pool._drop_query import DropQuery
from skal_deep.pool._egl import EGL
from skal_deep.pool._epig import EPIG
from skal_deep.pool._falcun import Falcun
from skal_deep.pool._forgetting_events import ForgettingEvents
from skal_deep.pool._ical import ICAL
from skal_deep.pool._joint_label_propagation import JointLabelPropagation
from skal_deep.pool._joint_sampling import JointSampling
from skal_deep.pool._label_dispersion import LabelDispersion
from skal_deep.pool._lcmd import LCMD
from skal_deep.pool._learning_loss import LearningLoss
from skal_deep.pool._least_confidence import LeastConfidence
from skal_deep.pool._mal import MAL
from skal_deep.pool._margin_sampling import MarginSampling
from skal_deep.pool._max_det import MaxDet
from skal_deep.pool._max_herding import MaxHerding
from skal_deep.pool._mean_std import MeanStd
from skal_deep.pool._mixed_score import MixedScore
from skal_deep.pool._per_cost import PerCost
from skal_deep.pool._pool import Pool
from skal_deep.pool._predictive_entropy import PredictiveEntropy
from skal_deep.pool._prob_cover import ProbCover
from skal_deep.pool._robust_core_set import RobustCoreSet
from skal_deep.pool._selection import Power, SelectionRule, Softmax, SoftRank, TopK
from skal_deep.pool._selection_via_proxy import SelectionViaProxy
from skal_deep.pool._sraal import SRAAL
from skal_deep.pool._suggestive_annotation import SuggestiveAnnotation
from skal_deep.pool._switch_strategy import SwitchStrategy
from skal_deep.pool._tavaal import TAVAAL
from skal_deep.pool._typi_clust import TypiClust
from skal_deep.pool._uncertainty_herding import UncertaintyHerding
from skal_deep.pool._vaal import VAAL
from skal_deep.pool._variation_ratio import VariationRatio
from skal_deep.pool._vote_entropy import VoteEntropy
from skal_deep.pool._waal import WAAL

__all__ = [
    "DCoM",
    "CEAL",
    "ConsistencySampling",
    "LabelDispersion",
    "ForgettingEvents",
    "WAAL",
    "DAL",
    "DAAL",
    "TAVAAL",
    "SRAAL",
    "JointSampling",
    "MAL",
    "AdaptiveStrategy",
    "AdversarialBIM",
    "AlfaMix",
    "AnchorAL",
    "AskNLearn",
    "BALD",
    "Badge",
    "Bait",
    "BatchBALD",
    "BatchEPIG",
    "Clue",
    "ClusterMargin",
    "ClusterRounds",
    "ConsensusKL",
    "ContrastiveAL",
    "CoreMSE",
    "CoreSet",
    "DAMI",
    "DEAL",
    "DFAL",
    "DeepQueryStrategy",
    "DensityWeightedDiversity",
    "DiffusionAL",
    "DiverseMiniBatch",
    "DropQuery",
    "EGL",
    "EPIG",
    "Falcun",
    "ICAL",
    "JointLabelPropagation",
    "LCMD",
    "LearningLoss",
    "LeastConfidence",
    "MarginSampling",
    "MaxDet",
    "MaxHerding",
    "MeanStd",
    "MixedScore",
    "Pool",
    "PerCost",
    "Power",
    "PredictiveEntropy",
    "ProbCover",
    "RobustCoreSet",
    "ScoreQueryStrategy",
    "SelectionRule",
    "SelectionViaProxy",
    "SoftRank",
    "Softmax",
    "SuggestiveAnnotation",
    "SwitchStrategy",
    "TopK",
    "TypiClust",
    "UncertaintyHerding",
    "VAAL",
    "VariationRatio",
    "VoteEntropy",
]
