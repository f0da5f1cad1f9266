"""Features of a table: numbers as they are, words one-hot."""

import numpy as np
from numpy.typing import NDArray

from skal_deep.campaign.store._rows import Rows

_MOST_WORDS = 100


def table_features(source: Rows, places: list[str]) -> NDArray[np.float32]:
    """Return one row of numbers for each item.

    Parameters
    ----------
    source : Rows
        The table.
    places : list of str
        The row of each item; rows that the table lost are zeros.
    """
    table = source.table
    at = np.array([int(place) for place in places], dtype=np.intp)
    is_there = at < len(table.rows)
    parts = [_column(source, name) for name in source.columns]
    if not parts:
        raise ValueError(f"{table.path} has no column beside the ids.")
    all_ND = np.concatenate(parts, axis=1)
    features_ND = np.zeros((len(at), all_ND.shape[1]), np.float32)
    features_ND[is_there] = all_ND[at[is_there]]
    return features_ND


def _column(source: Rows, name: str) -> NDArray[np.float32]:
    entries = [entry.strip() for entry in source.table.column(name)]
    if "" in entries:
        line = source.table.lines[entries.index("")]
        raise ValueError(
            f"{source.table.path}, line {line}: {name!r} is empty. A campaign takes no "
            "missing entries: fill them in, or drop the column."
        )
    try:
        numbers = np.array(entries, dtype=np.float32)[:, None]
    except ValueError:
        words, codes = np.unique(entries, return_inverse=True)
        if len(words) > _MOST_WORDS:
            raise ValueError(
                f"{source.table.path}: {name!r} holds {len(words)} different words, "
                f"and at most {_MOST_WORDS} become features. Name it with id (--id) if "
                "it holds ids, or drop it."
            ) from None
        return np.eye(len(words), dtype=np.float32)[codes]
    if not np.isfinite(numbers).all():
        line = source.table.lines[int(np.argmin(np.isfinite(numbers[:, 0])))]
        raise ValueError(
            f"{source.table.path}, line {line}: {name!r} is no finite number."
        )
    return numbers
