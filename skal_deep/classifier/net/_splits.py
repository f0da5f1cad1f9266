"""A train_split and mini-batches that few labels can be trained with."""

import warnings
from numbers import Integral, Number
from types import SimpleNamespace
from typing import Any

from skorch import NeuralNet
from skorch.dataset import ValidSplit
from skorch.history import History
from torch.nn.modules.batchnorm import _BatchNorm

from skal_deep.modules import isolated_rng


def normalises_batches(net: NeuralNet) -> bool:
    """Return whether the module takes statistics of mini-batches."""
    return any(isinstance(part, _BatchNorm) for part in net.module_.modules())


def make_trainable(net: NeuralNet, X: Any, y: Any) -> bool:
    """Fit the split and the mini-batches of an initialised net to its few rows.

    Where there are too few rows for the net's ``train_split``, it is tried without
    stratification; then there is none, and no callback that monitors it, with a
    warning. No mini-batch of one row meets batch normalisation.

    Parameters
    ----------
    net : skorch.NeuralNet
        It is changed.
    X, y : array
        What it is going to be trained on.

    Returns
    -------
    has_lost_split : bool
        Whether it is trained without the split it had.
    """
    (n_rows, reason), has_lost_split = _n_training_rows(net, X, y), False
    # Batch normalisation divides by a variance, which one row does not have.
    least = 2 if normalises_batches(net) else 1
    if net.train_split is not None and n_rows < least:
        unstratified = _drop_strata(net.train_split)
        if unstratified is not None:
            net.set_params(train_split=unstratified)
            n_rows, _ = _n_training_rows(net, X, y)
        if n_rows >= least:
            warnings.warn(
                f"{len(y)} labels are too few for the net's train_split to be "
                "stratified: they are split without regard to classes. Pass "
                "train_split=None to the net to train on all of them.",
                stacklevel=2,
            )
        else:
            n_rows, has_lost_split = len(y), True
            _train_on_all(net, n_rows, reason)
    _fit_batches(net, n_rows or len(y))
    return has_lost_split


def _n_training_rows(net: NeuralNet, X: Any, y: Any) -> tuple[int, str]:
    """Return how many rows the net's split leaves to train on, 0 and why if it fails.

    Whether it is random or not, it leaves as many in training.
    """
    try:
        with warnings.catch_warnings(), isolated_rng():
            warnings.simplefilter("ignore")
            train, _ = net.get_split_datasets(X, y)
    except ValueError as error:
        return 0, str(error)
    return len(train), f"it leaves {len(train)} to train on"


def _drop_strata(split: Any) -> ValidSplit | None:
    """Return a split of the same size that does not look at classes, if there is."""
    if not isinstance(split, ValidSplit) or not split.stratified:
        return None
    cv = split.cv
    if not (cv is None or isinstance(cv, Number)):
        cv = getattr(cv, "n_splits", None)
        return None if cv is None else ValidSplit(cv)
    return ValidSplit(cv, random_state=split.random_state)


def _train_on_all(net: NeuralNet, n_rows: int, reason: str) -> None:
    """Drop the split of a net, and the callbacks that could not do without."""
    net.set_params(train_split=None)
    validation = {
        getattr(callback, "name_", getattr(callback, "name", None))
        for _, callback in net.callbacks_
        if getattr(callback, "on_train", True) is False
    }
    idle = [
        name for name, callback in net.callbacks_ if _monitors(callback, validation)
    ]
    net.callbacks_ = [pair for pair in net.callbacks_ if pair[0] not in idle]
    without = f" and without the callbacks {', '.join(idle)}" if idle else ""
    warnings.warn(
        f"{n_rows} labels are too few for the net's train_split ({reason}): training "
        f"on all of them{without}. Pass train_split=None to the net to always do so.",
        stacklevel=3,
    )


def _monitors(callback: Any, validation: set[Any]) -> bool:
    """Return whether a callback reads what only a validation set has."""
    monitor = getattr(callback, "monitor", None)
    policy = getattr(callback, "policy", None)
    if policy is not None and "ReduceLROnPlateau" not in (
        policy,
        getattr(policy, "__name__", None),
    ):
        return False  # schedules but this one do not look at what they could monitor
    if isinstance(monitor, str):
        name = monitor.removesuffix("_best")
        return name.startswith("valid_") or name in validation
    return callable(monitor) and _fails_without_validation(monitor)


def _fails_without_validation(monitor: Any) -> bool:
    """Try a function that reads a net's history on one that has no validation."""
    history = History()
    history.new_epoch()
    for name in ("epoch", "dur", "train_loss", "train_acc"):
        history.record(name, 1)
        history.record(f"{name}_best", True)
    try:
        monitor(SimpleNamespace(history=history))
    except Exception:  # of any kind: it is the user's function
        return True
    return False


def _fit_batches(net: NeuralNet, n_rows: int) -> None:
    """Change the batch size where few rows would not make proper mini-batches."""
    loading = net.get_params_for("iterator_train")
    chosen = loading.get("batch_size", net.batch_size)
    if not isinstance(chosen, Integral):
        return  # the loader's own affair
    given = size = n_rows if chosen == -1 else int(chosen)
    if loading.get("drop_last", False):  # else there might be no mini-batch at all
        size = min(size, n_rows)
    elif normalises_batches(net):
        size = max(size, 2)
        # The last mini-batch must not be a single row. This ends: with size = n_rows
        # there is one mini-batch and nothing is left over.
        while n_rows % size == 1:
            size += 1
    if size != given:
        # the parameter as skorch stores it; set_params refuses it once initialised
        net.iterator_train__batch_size = size
