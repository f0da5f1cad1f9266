"""Mini-batches of prediction, from the rows that a user gives."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.dataset import Dataset, get_len
from skorch.utils import multi_indexing
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, default_convert

from skal_deep.functional._chunks import memory_budget, slices

# Settings of the loader under which the rows of a mini-batch can be taken out of an
# array together, which takes a hundredth of the time of one after another.
_FETCH_TOGETHER = {"batch_size", "num_workers", "pin_memory"}

# Rows on which a net is looked at, whatever the size of the pool.
N_SHOWN_ROWS = 16

# Inputs of a mini-batch of prediction take about this much on a processor, activations
# many times it; on a card they take a share of the largest temporary array.
_INPUT_BYTES, _SHARE_OF_ARRAY = 2**20, 1 / 32


def as_input(net: NeuralNet, X: Any) -> Any:
    """Return rows in the number type that the module computes in.

    Rows stay as they are for a data set class of the user's (they may be indices)
    and for a module that looks up embeddings (they are tokens).
    """
    if net.dataset is not Dataset:
        return X
    if isinstance(X, Mapping):  # several inputs by name, of which some may be numbers
        return {
            name: _as_floats(net, np.asarray(part))
            if np.asarray(part).dtype.kind == "f"
            else part
            for name, part in X.items()
        }
    if any(
        isinstance(m, nn.Embedding | nn.EmbeddingBag) for m in net.module_.modules()
    ):
        return X
    return _as_floats(net, X)


def _for_torch(X: Any) -> Any:
    """Return an array that torch takes: it has no reverse order, no locked memory."""
    if isinstance(X, np.ndarray) and (not X.flags.writeable or min(X.strides) < 0):
        return X.copy()
    return X


def _as_floats(net: NeuralNet, X: Any) -> Any:
    """Return numbers in the type that the module computes in."""
    dtypes = (p.dtype for p in net.module_.parameters() if p.is_floating_point())
    own = next(dtypes, torch.float32)
    if own == torch.bfloat16:  # which NumPy does not know
        return torch.tensor(X).to(own)
    dtype = torch.empty(0, dtype=own).numpy().dtype
    return X.astype(dtype, copy=not X.flags.writeable)  # torch wants to own its arrays


def device_of(net: NeuralNet) -> torch.device:
    """Return where the module is."""
    return next((p.device for p in net.module_.parameters()), torch.device("cpu"))


def _input_bytes(net: NeuralNet) -> int:
    """Return how many bytes the inputs of a mini-batch of prediction may have."""
    device = device_of(net)
    if device.type == "cpu":
        return _INPUT_BYTES
    return max(_INPUT_BYTES, int(_SHARE_OF_ARRAY * 4 * memory_budget(device)))


def batches(net: NeuralNet, X: Any) -> Iterator[Any]:
    """Yield the mini-batches of prediction.

    Without a word of the user's on their size, they are larger than those of
    training, which are often too small to keep a processor busy; but not where a data
    set of the user's makes inputs of unknown size from rows.
    """
    params = net.get_params_for("iterator_valid")
    for name in ("shuffle", "drop_last"):
        if params.get(name):
            raise ValueError(
                f"iterator_valid__{name}={params[name]!r}: predictions are made of all "
                "rows in order. Set it for training alone, as iterator_train__"
                f"{name}."
            )
    size = params.get("batch_size", net.batch_size)
    if "batch_size" not in params and net.dataset is Dataset:
        row = multi_indexing(X, slice(1))
        parts = row.values() if isinstance(row, Mapping) else [row]
        n_bytes = sum(part.nbytes for part in parts)
        n_fit = _input_bytes(net) // max(1, n_bytes)
        size = max(size, n_fit) if size > 0 else size
    params["batch_size"] = get_len(X) if size == -1 else size
    dataset = net.get_dataset(as_input(net, X))
    is_array = not isinstance(X, Mapping) and net.dataset is Dataset
    if (
        is_array
        and net.iterator_valid is DataLoader
        and params.keys() <= _FETCH_TOGETHER
    ):
        if not params.get("num_workers") and not params.get("pin_memory"):
            # What the loader would do, without its start, which takes longest; it draws
            # a seed for workers, and what is drawn later must not hang on the path.
            torch.empty((), dtype=torch.int64).random_()
            is_on_card = device_of(net).type == "cuda"
            for part in slices(len(X), params["batch_size"]):
                # A slice: of a list of rows scikit-learn looks at each. It gives the
                # caller's memory, which a forward in place would change.
                x, y = dataset[part]
                x, y = default_convert((_for_torch(x), y))
                yield [x.pin_memory() if is_on_card else x.clone(), y]
            return
        rows = BatchSampler(range(len(X)), params["batch_size"], drop_last=False)
        params |= {"sampler": rows, "batch_size": None}
    yield from net.iterator_valid(dataset, **params)
