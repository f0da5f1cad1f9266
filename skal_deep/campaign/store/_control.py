"""The control arm: items that chance has picked before anyone looked at them.

Each item has a key, uniform between 0 and 1, made of the campaign's salt and its id.
Items with a key below the reserve are hidden from every strategy. Control items are
those of them with the smallest keys. So at any time the control labels are a simple
random sample of the pool, whatever was chosen, and whatever files came or went.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_SMALLEST_RESERVE = 50
# Two models mostly agree: so many items are looked at for each one that is asked.
FRESH_PER_REFEREE = 10


def control_keys(salt: str, ids: Iterable[str]) -> NDArray[np.float64]:
    """Return the key of each item, uniform on [0, 1).

    Parameters
    ----------
    salt : str
        That of the campaign.
    ids : iterable of str
        Ids of items.
    """
    start = hashlib.blake2b(digest_size=8, key=salt.encode())

    def key(name: str) -> bytes:
        state = start.copy()
        state.update(name.encode("utf-8", "surrogatepass"))
        return state.digest()

    joined = b"".join(map(key, ids))
    # 53 bits, so that no key is rounded up to 1
    bits = np.frombuffer(joined, ">u8") >> np.uint64(11)
    return bits.astype(np.float64) * 2.0**-53


def reserve_for(
    keys: NDArray[np.float64], share: float, budget: int, reserve: float | int | None
) -> float:
    """Return the key below which items are reserved.

    Parameters
    ----------
    keys : ndarray of shape (n_items,)
        Keys of all items.
    share : float
        Share of control items in each batch.
    budget : int
        How many labels may be asked for.
    reserve : float, int or None
        How many are to be reserved, or which share of the items; ``None`` is one and a
        half times the control labels of the budget, at least 50, at most half of all.
    """
    if not share or not len(keys):
        return 0.0
    if reserve is None:
        wanted = max(_SMALLEST_RESERVE, round(1.5 * share * budget))
        wanted = min(wanted, len(keys) // 2)
    else:
        wanted = round(reserve * len(keys)) if reserve < 1 else int(reserve)
    if wanted >= len(keys):
        raise ValueError(
            f"A reserve of {wanted} of {len(keys)} items leaves none to choose from: "
            "reserve fewer."
        )
    return float(np.sort(keys)[wanted])


def fresh_for(
    keys: NDArray[np.float64], share: float, budget: int, reserve: float
) -> float:
    """Return the share of the largest keys, whose items are kept for referees.

    Parameters
    ----------
    keys : ndarray of shape (n_items,)
        Keys of all items.
    share : float
        Share of referees in each batch.
    budget : int
        How many labels may be asked for.
    reserve : float
        The key below which items are control, or wait to be.
    """
    wanted = min(round(FRESH_PER_REFEREE * share * budget), len(keys) // 4)
    others = np.sort(keys[keys >= reserve])
    # Strictly above the reserve, and some are left to choose from.
    wanted = min(wanted, len(others) // 2)
    return float(1 - others[-wanted]) if wanted else 0.0


def n_control(share: float, n_before: int, n_new: int) -> int:
    """Return how many items of a batch are control items, or referees.

    Counted over all batches the share is right, for small ones, too.

    Parameters
    ----------
    share : float
        Their share.
    n_before : int
        Items of all batches before.
    n_new : int
        Items of this batch.
    """
    return int(share * (n_before + n_new) + 0.5) - int(share * n_before + 0.5)
