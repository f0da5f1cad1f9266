"""Every strategy, small enough to be checked many times, and who answers it."""

import copy
import hashlib
import pickle
import warnings
from functools import cache, partial, wraps

from sklearn.pipeline import Pipeline

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
from skal_deep.classifier._base import NetClassifier
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
    AdaptiveStrategy,
    AdversarialBIM,
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


class _Remembers:
    """Mixed into a classifier: what was fitted to the same is not fitted again.

    Those who are fitted alike share their nets, which :func:`check_remembered` looks
    at. That equal seeds, rows and labels give equal fits is tested elsewhere.
    """

    def fit(self, X, y, sample_weight=None):
        params = self.get_params(deep=False)
        given = pickle.dumps((type(self), params, X, y, sample_weight))
        key = hashlib.sha256(given).digest()
        if key not in _FITS:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                super().fit(X, y, sample_weight)
            learned = {k: v for k, v in vars(self).items() if k not in params}
            _FITS[key] = learned, told, _state_of(learned)
        learned, told, _ = _FITS[key]
        for warning in told:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
        _SERVED.add(key)
        vars(self).clear()
        vars(self).update(params | {k: copy.copy(v) for k, v in learned.items()})
        return self


_FITS, _SERVED = {}, set()


@cache
def _remembering(cls):
    """Return the class of a classifier that remembers, which pickle finds here."""
    name = f"Remembering{cls.__name__}"
    globals()[name] = type(name, (_Remembers, cls), {"__module__": __name__})
    return globals()[name]


def remembered(make):
    """Let a maker make classifiers that remember what their nets were fitted to.

    For tests of who asks a model: whatever looks at the training itself must train.
    """

    @wraps(make, updated=())
    def make_one(*args, **kwargs):
        return _that_remembers(make(*args, **kwargs))

    return make_one


def _that_remembers(clf):
    if isinstance(clf, Pipeline):
        name, last = clf.steps[-1]
        return Pipeline([*clf.steps[:-1], (name, _that_remembers(last))])
    if isinstance(clf, NetClassifier):
        return _remembering(type(clf))(**clf.get_params(deep=False))
    return clf


# Promises that look at the training itself: what happens in it, and what it moves.
_OF_TRAINING = {
    "fitting_first",
    "generators",
    "inputs_untouched",
    "interrupts",
    "threads",
}


def asked_for(check, make):
    """Return who makes the classifier of a check: one that trains, or remembers."""
    return make if check in _OF_TRAINING else remembered(make)


def check_remembered():
    """Raise if a fitted net that others share was changed since it was last served."""
    changed = [key for key in _SERVED if _state_of(_FITS[key][0]) != _FITS[key][2]]
    _SERVED.clear()
    for key in changed:
        del _FITS[key]
    assert not changed, "a fitted net was changed by who asked it"


def _state_of(learned):
    """Return weights, modes and hooks of fitted nets, and who is set by hand."""
    parts = [part for net in learned["nets_"] for part in net.module_.modules()]
    weights = [w for net in learned["nets_"] for w in net.module_.state_dict().values()]
    return (
        [w.detach().numpy().tobytes() for w in weights],
        [(part.training, sorted(vars(part))) for part in parts],
        [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in parts],
        [sorted(vars(net)) for net in learned["nets_"]],
    )


# Strategies whose defaults are too slow to be queried hundreds of times.
_SMALL = {
    "AdversarialBIM": AdversarialBIM(step_size=0.25, n_steps=20),
    "VAAL": VAAL(n_iterations=3, train_batch_size=8, latent_dim=4),
}
_SMALL |= {
    cls.__name__: cls(n_iterations=3, train_batch_size=8)
    for cls in (DAAL, DAL, MAL, SRAAL, TAVAAL, JointSampling)
}
# Strategies that cannot be made without being told something.
_SMALL["AdaptiveStrategy"] = AdaptiveStrategy([MarginSampling(), CoreSet()])
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
