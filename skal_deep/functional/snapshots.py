"""The learning rate of snapshot ensembles."""

import math


def cosine_cycles(n_steps: int, n_cycles: int) -> tuple[list[float], list[int]]:
    """Return cyclic cosine factors of the learning rate, and where cycles end.

    Step i (from 0) of a cycle of n steps has the factor ``(cos(pi i / n) + 1) / 2``:
    it begins at 1 and falls towards 0.

    Parameters
    ----------
    n_steps : int
        Number of training steps.
    n_cycles : int
        Number of cycles, at most ``n_steps``. Where it does not divide ``n_steps``,
        cycles differ by one step; in the paper all have ``ceil(n_steps / n_cycles)``
        steps but the last, which may then be too short to cool down.

    Returns
    -------
    factors : list of float
        The factor of each step.
    ends : list of int
        How many steps are done at the end of each cycle.

    References
    ----------
    G. Huang, Y. Li, G. Pleiss, Z. Liu, J. Hopcroft, K. Weinberger. Snapshot Ensembles:
    Train 1, Get M for Free. ICLR, 2017.
    """
    if not 1 <= n_cycles <= n_steps:
        raise ValueError(f"n_cycles={n_cycles} must lie in 1 ... {n_steps} steps.")
    ends = [n_steps * (cycle + 1) // n_cycles for cycle in range(n_cycles)]
    factors = []
    for start, end in zip([0, *ends], ends, strict=False):
        length = end - start
        factors += [(math.cos(math.pi * i / length) + 1) / 2 for i in range(length)]
    return factors, ends
