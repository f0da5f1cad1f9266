"""Every strategy, small enough to be checked many times."""

from skal_deep import pool
from skal_deep.pool import (
    BALD,
    VAAL,
    ClusterRounds,
    DeepQueryStrategy,
    Power,
    Softmax,
    SoftRank,
)

# Strategies whose defaults are too slow to be queried hundreds of times.
_SMALL = {"VAAL": VAAL(n_iterations=3, train_batch_size=8, latent_dim=4)}

STRATEGIES = {
    name: _SMALL.get(name) or cls()
    for name, cls in vars(pool).items()
    if isinstance(cls, type)
    and issubclass(cls, DeepQueryStrategy)
    and not cls.__abstractmethods__
}
WITH_RULES = {
    f"BALD with {type(rule).__name__}": BALD(selection=rule)
    for rule in (Power(), Softmax(), SoftRank(), ClusterRounds())
}
