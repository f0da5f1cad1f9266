"""Random streams: one for each purpose, so that what one takes changes no other."""

from enum import IntEnum


class Purpose(IntEnum):
    """What random numbers are for.

    Seeds are derived from the repeat, the purpose and the cycle, never from the
    strategy: whatever one strategy draws, the others find their streams unmoved.
    """

    SPLIT = 0
    START = 1
    MODEL = 2
    STRATEGY = 3
    LABELS = 4
    COPIES = 5
    PERTURB = 6
    ORDER = 7
    SCORE = 8
