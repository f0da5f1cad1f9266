"""Every strategy, small enough to be checked many times."""

from functools import partial

from skal_deep import pool
from skal_deep.classifier import (
    CheckpointClassifier,
    DeepClassifier,
    EvidentialClassifier,
    LaplaceClassifier,
    LossPredictionClassifier,
    PredictsEvidence,
    PredictsLoss,
    PredictsNovelty,
    PredictsVotes,
    SamplesProba,
    WassersteinClassifier,
)
from skal_deep.pool import (
    BALD,
    DAAL,
    DAL,
    DFAL,
    EGL,
    ICAL,
    LCMD,
    MAL,
    SRAAL,
    TAVAAL,
    VAAL,
    AnchorAL,
    Badge,
    ClusterRounds,
    ConsensusKL,
    CoreSet,
    DeepQueryStrategy,
    JointSampling,
    MarginSampling,
    MaxDet,
    MixedScore,
    Power,
    SelectionViaProxy,
    Softmax,
    SoftRank,
    SwitchStrategy,
)
from skal_deep.testing._strategy_case import small_classifier


def _small(cls, is_image, missing_label=-1, classes=(0, 1, 2), **params):
    return cls(
        small_classifier(is_image).net,
        classes=list(classes),
        missing_label=missing_label,
        random_state=0,
        **params,
    )


deep = partial(_small, DeepClassifier)
evidential = partial(_small, EvidentialClassifier)


def laplace(is_image, missing_label=-1, classes=(0, 1, 2)):
    """Return the classifier with draws that is fitted fastest."""
    return _small(LaplaceClassifier, is_image, missing_label, classes, n_samples=8)


# Strategies whose defaults are too slow to be queried hundreds of times.
_SMALL = {"VAAL": VAAL(n_iterations=3, train_batch_size=8, latent_dim=4)}
_SMALL |= {
    cls.__name__: cls(n_iterations=3, train_batch_size=8)
    for cls in (DAAL, DAL, MAL, SRAAL, TAVAAL, JointSampling)
}
# Strategies that cannot be made without being told something.
_SMALL["AnchorAL"] = AnchorAL(MarginSampling(), n_neighbors=3)
_SMALL["MixedScore"] = MixedScore([BALD(), MarginSampling()], late_weights=[1, 3])
_SMALL["SelectionViaProxy"] = SelectionViaProxy(
    MarginSampling(), deep(False).set_params(classes=None)
)
_SMALL["SwitchStrategy"] = SwitchStrategy(CoreSet(), Badge(), when=1)

STRATEGIES = {
    name: _SMALL.get(name) or cls()
    for name, cls in vars(pool).items()
    if isinstance(cls, type)
    and issubclass(cls, DeepQueryStrategy)
    and not cls.__abstractmethods__
}
# The same with settings that take another way through the code.
VARIANTS = {
    "BALD with Power": BALD(selection=Power()),
    "BALD with Softmax": BALD(selection=Softmax()),
    "BALD with SoftRank": BALD(selection=SoftRank()),
    "BALD with ClusterRounds": BALD(selection=ClusterRounds()),
    "BALD with a mixture": BALD(selection=Power(epsilon=0.1)),
    "Badge with bias": Badge(bias=True),
    "ConsensusKL, largest": ConsensusKL(kind="max"),
    "DFAL by coordinate": DFAL(norm="linf"),
    "EGL of all weights": EGL(weights="all"),
    "LCMD of all weights": LCMD(weights="all"),
    "MaxDet of all weights": MaxDet(weights="all", n_features=40),
    "ICAL, pointwise": ICAL(n_probes=5),
}


# Capabilities that only classifiers trained for them have.
_TRAINED_FOR = {
    PredictsEvidence: EvidentialClassifier,
    PredictsLoss: LossPredictionClassifier,
    PredictsNovelty: WassersteinClassifier,
    PredictsVotes: CheckpointClassifier,
}


def maker(strategy):
    """Return who makes the cheapest small classifier that a strategy can ask.

    Of those that draw, dropout takes three times as long to fit as the others, since
    its net is looked at from many sides: it is for some strategies only.
    """
    for need in strategy._needs:
        if need in _TRAINED_FOR:
            return partial(_small, _TRAINED_FOR[need])
    return laplace if SamplesProba in strategy._needs else deep


def one_of_each():
    """Return the first strategy of each set of needs.

    A strategy meets images, or the classifier of another class, only in the answers
    to what it asks: there, those who ask the same are alike.
    """
    first = {}
    for name, strategy in STRATEGIES.items():
        asks = frozenset(strategy._needs), strategy._works_on_inputs
        first.setdefault(asks, name)
    return set(first.values())
