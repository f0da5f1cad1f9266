"""The training of ordinary nets on rows in memory, with skorch's own results.

A mini-batch is taken out of the arrays at once, not row by row, and an ordinary step
runs without what skorch does for others. Batches, losses and weights are the same to
the last bit. What is not known to be ordinary is left to skorch.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
)
from skorch.dataset import Dataset
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.utils.data import BatchSampler, DataLoader, Subset

from skal_deep.classifier.net._interrupts import replace_methods

# Settings of a loader that decide which rows a mini-batch has, and nothing else.
_ORDERS = {"batch_size", "shuffle", "drop_last"}
# What makes a step of skorch the ordinary one.
_STEP = (
    "_set_training",
    "_step_optimizer",
    "_zero_grad_optimizer",
    "get_train_step_accumulator",
    "notify",
    "on_batch_begin",
    "on_batch_end",
    "on_grad_computed",
    "train_step",
    "train_step_single",
)
# A net of one's own that has these may look at the optimiser's weights.
_OF_WEIGHTS = (
    "get_loss",
    "infer",
    "on_epoch_begin",
    "on_epoch_end",
    "on_train_begin",
    "on_train_end",
)
_STEP_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")
# These look at neither steps nor the optimiser's weights, with the settings below.
_CALLBACKS = (
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
)
# What these do to a weight depends on its own gradients alone.
_OPTIMIZERS = (SGD, Adam, AdamW, RMSprop)
# Weights begin where a cache line does, as tensors of their own do: products round by
# where their numbers lie.
_ALIGNED = 64


@contextmanager
def in_memory(net: NeuralNet) -> Iterator[None]:
    """Let an initialised net train on rows in memory, for a while.

    Parameters
    ----------
    net : skorch.NeuralNet
        The net. What it trains on, and where it is not ordinary how, is its own affair.
    """
    if not _are_skorchs(net, "fit_loop", "run_single_epoch", "get_iterator"):
        yield
        return
    methods: dict[str, Callable[..., Any]] = {
        "get_iterator": partial(_iterator, net.get_iterator)
    }
    vectors: list[_Vector] = []
    if _has_ordinary_steps(net):
        vectors = _vectors(net)
        methods["run_single_epoch"] = partial(
            _run_epoch, net, net.run_single_epoch, vectors
        )
    try:
        with ExitStack() as changes:
            changes.enter_context(replace_methods(net, **methods))
            for _, log in net.callbacks_:
                if type(log) is PrintLog and "on_epoch_end" not in vars(log):
                    write = partial(_log_epoch, log, log.on_epoch_end)
                    changes.enter_context(replace_methods(log, on_epoch_end=write))
            yield
    finally:
        for vector in vectors:
            vector.dissolve()


def _are_skorchs(net: NeuralNet, *names: str) -> bool:
    """Return whether methods of a net are those that skorch has written."""
    return not any(name in vars(net) for name in names) and all(
        getattr(type(net), name).__module__.startswith("skorch.") for name in names
    )


def _has_ordinary_steps(net: NeuralNet) -> bool:
    """Return whether skorch's step is what happens at a step, and nothing beside."""
    return (
        _are_skorchs(net, *_STEP)
        and net._optimizers == ["optimizer"]
        and type(net.optimizer_) in _OPTIMIZERS
        and not any(_sees_steps(callback) for _, callback in net.callbacks_)
    )


def _sees_steps(callback: Any) -> bool:
    """Return whether a callback does something at the steps of training."""
    if type(callback) is EpochScoring:
        return bool(callback.on_train)
    if type(callback) is LRScheduler:
        return bool(callback.step_every == "batch")
    return not isinstance(callback, Callback) or any(
        name in vars(callback)
        or getattr(type(callback), name) is not getattr(Callback, name)
        for name in _STEP_EVENTS
    )


def _log_epoch(log: Any, write: Callable[..., None], net: NeuralNet, **kw: Any) -> None:
    """Write the line of an epoch, without making one that nobody would see."""
    if log.sink is print and not net.verbose:
        log.first_iteration_ = False
        return
    write(net, **kw)


def _iterator(
    made: Callable[..., Any], dataset: Any, training: bool = False
) -> "DataLoader[Any] | _Loader":
    """Return skorch's loader, or one that takes the same mini-batches at once."""
    loader = made(dataset, training=training)
    data, positions = dataset, None
    if type(dataset) is Subset:
        data, positions = dataset.dataset, torch.as_tensor(dataset.indices)
    net = made.__self__  # type: ignore[attr-defined]
    params = net.get_params_for("iterator_train" if training else "iterator_valid")
    is_plain = (
        type(loader) is DataLoader
        and params.keys() <= _ORDERS
        and type(data) is Dataset
        and len(dataset) > 0
        and type(loader.batch_sampler) is BatchSampler
    )
    if not is_plain:
        return loader
    try:
        columns = _as_tensor(data.X), _as_tensor(data.y)
        quick = _Loader(loader, columns, positions)
        ends = [0, len(dataset) - 1]
        is_same = _are_equal(
            quick.take(torch.tensor(ends)),
            loader.collate_fn([dataset[row] for row in ends]),
        )
    except (TypeError, ValueError, RuntimeError, IndexError):  # of another kind
        return loader
    return quick if is_same else loader


def _as_tensor(rows: Any) -> Any:
    if isinstance(rows, Mapping):
        return {name: _as_tensor(part) for name, part in rows.items()}
    if getattr(getattr(rows, "flags", None), "writeable", True):
        return torch.as_tensor(rows)
    return torch.tensor(rows)  # torch wants to own what it could write to


def _are_equal(batch: Any, other: Any) -> bool:
    """Return whether mini-batches are of the same types and numbers."""
    if isinstance(batch, list | Mapping):
        if type(batch) is not type(other) or len(batch) != len(other):
            return False
        keys = batch.keys() if isinstance(batch, Mapping) else range(len(batch))
        return all(_are_equal(batch[key], other[key]) for key in keys)
    return (
        isinstance(other, Tensor)
        and batch.dtype == other.dtype
        and batch.shape == other.shape
        and torch.equal(batch.nan_to_num(), other.nan_to_num())
    )


class _Loader:
    """A DataLoader that takes the rows of a mini-batch out of tensors at once.

    Parameters
    ----------
    loader : DataLoader
        It decides which rows make a mini-batch.
    columns : tuple
        Tensors, or dicts of tensors, of inputs and targets.
    positions : Tensor or None
        Which of their rows the loader counts; ``None`` are all.
    """

    def __init__(
        self,
        loader: "DataLoader[Any]",
        columns: tuple[Any, Any],
        positions: Tensor | None,
    ):
        self._loader, self._columns, self._positions = loader, columns, positions

    def __iter__(self) -> Iterator[list[Any]]:
        # The loader draws a seed for workers before its sampler draws an order.
        torch.empty((), dtype=torch.int64).random_()
        size = self._loader.batch_size or 1
        order = torch.tensor(list(self._loader.sampler)[: len(self) * size])
        return map(self.take, order.split(size) if len(order) else ())

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def take(self, at: Tensor) -> list[Any]:
        """Return the mini-batch of some rows, as the loader collates it."""
        if self._positions is not None:
            at = self._positions[at]
        return [_rows_of(column, at) for column in self._columns]


def _rows_of(column: Any, at: Tensor) -> Any:
    if isinstance(column, Mapping):
        return {name: part.index_select(0, at) for name, part in column.items()}
    return column.index_select(0, at)


def _run_epoch(
    net: NeuralNet,
    run: Callable[..., None],
    vectors: "list[_Vector]",
    iterator: Any,
    training: bool,
    prefix: str,
    step_fn: Callable[..., Any],
    **fit_params: Any,
) -> None:
    """Run an epoch as ``run_single_epoch`` of skorch does, ordinary steps directly."""
    if not training or fit_params or not isinstance(iterator, _Loader):
        for vector in vectors if training else ():
            vector.dissolve()
        run(iterator, training, prefix, step_fn, **fit_params)
        return
    history, optimizer, n_batches = net.history, net.optimizer_, 0
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    weights += [p for vector in vectors for p in vector.given]
    parts = _parts(net)
    for inputs, target in iterator:
        history.new_batch()
        for weight in weights:
            weight.grad = None
        if not (parts and all(part.training for part in parts)):
            net._set_training(True)
        with torch.enable_grad():  # as the optimiser's closure does
            y_pred = net.infer(inputs)
            loss = net.get_loss(y_pred, target, X=inputs, training=True)
            loss.backward()
        for vector in vectors:
            vector.collect()
        optimizer.step()
        history.record_batch(f"{prefix}_loss", loss.item())
        history.record_batch(f"{prefix}_batch_size", len(target))
        n_batches += 1
    history.record(f"{prefix}_batch_count", n_batches)


def _parts(net: NeuralNet) -> list[nn.Module]:
    """Return what has a training flag; nothing if it has a way of its own to set it."""
    names = [*net._modules, *net._criteria]
    owners = [getattr(net, f"{name}_") for name in names]
    parts = [p for o in owners if isinstance(o, nn.Module) for p in o.modules()]
    is_plain = all(type(part).train is nn.Module.train for part in parts)
    return parts if is_plain else []


def _vectors(net: NeuralNet) -> "list[_Vector]":
    """Return the weights of each group of the optimiser as one vector, if possible."""
    optimizer = net.optimizer_
    is_known = _are_skorchs(net, *_OF_WEIGHTS) and all(
        type(callback) in _CALLBACKS for _, callback in net.callbacks_
    )
    is_new = not optimizer.state and not optimizer._optimizer_step_pre_hooks
    if not (is_known and is_new) or optimizer._optimizer_step_post_hooks or net.compile:
        return []
    groups = optimizer.param_groups
    everything = [p for group in groups for p in group["params"]]
    are_alike = all(
        type(p) is nn.Parameter  # not a lazy one, which has no numbers yet
        and p.is_cpu
        and p.layout == torch.strided
        and p.is_contiguous()
        and p.dtype == torch.float32
        and p.data_ptr() % _ALIGNED == 0
        for p in everything
    )
    is_by_entry = not any(
        group.get(name) for group in groups for name in ("fused", "foreach")
    )
    if not (are_alike and is_by_entry):
        return []
    n_own = len({p.untyped_storage().data_ptr() for p in everything})
    if n_own < len(everything):  # weights that are tied, or parts of one tensor
        return []
    return [_Vector(optimizer, group) for group in groups if group["params"]]


class _Vector:
    """The weights of a group as parts of one vector, which is updated in one go.

    Parameters
    ----------
    optimizer : Optimizer
        It is given the vector in the place of the weights, until :meth:`dissolve`.
    group : dict
        The group of its parameters.
    """

    def __init__(self, optimizer: Optimizer, group: dict[str, Any]):
        self._optimizer, self._group, self.given = optimizer, group, group["params"]
        self.weights = [p for p in self.given if p.requires_grad and p.numel()]
        self._n_trained = sum(p.requires_grad for p in self.given)
        self._parts: list[slice] = []
        self._gaps: list[Tensor] = []
        start = 0
        for weight in self.weights:
            end = start + weight.numel()
            gap = -end % (_ALIGNED // weight.element_size())
            self._parts.append(slice(start, end))
            self._gaps.append(weight.new_zeros(gap).detach())
            start = end + gap
        self._vector = torch.zeros(start)
        self._gradient = torch.zeros(start)
        for weight, part in zip(self.weights, self._parts, strict=True):
            self._vector[part] = weight.detach().flatten()
            weight.data = self._vector[part].view_as(weight)
        self._places = [weight.data_ptr() for weight in self.weights]
        self._is_whole = True
        if self.weights:
            group["params"] = [self._vector]
        else:
            self._is_whole = False

    def collect(self) -> None:
        """Bring the gradients of the weights together for the next step."""
        if not self._is_whole:
            return
        if not self._is_as_built():
            self.dissolve()
            return
        pieces: list[Tensor] = []
        for weight, gap in zip(self.weights, self._gaps, strict=True):
            gradient = weight.grad
            if gradient is None or gradient.layout != torch.strided:
                self.dissolve()  # the optimiser leaves out a weight without gradient
                return
            pieces += (gradient.flatten(), gap)
        torch.cat(pieces, out=self._gradient)
        self._vector.grad = self._gradient

    def _is_as_built(self) -> bool:
        """Return whether a pass has left its weights in place, and thawed no other."""
        return (
            all(p.requires_grad for p in self.weights)
            and sum(p.requires_grad for p in self.given) == self._n_trained
            and [weight.data_ptr() for weight in self.weights] == self._places
        )

    @torch.no_grad()
    def dissolve(self) -> None:
        """Give the weights, and what the optimiser knows of them, back as they were."""
        if not self._is_whole:
            return
        self._is_whole = False
        self._group["params"] = self.given
        states = self._optimizer.state.pop(self._vector, {})
        for weight, part in zip(self.weights, self._parts, strict=True):
            weight.data = weight.detach().clone()
            if states:
                self._optimizer.state[weight] = {
                    key: self._part(value, part, weight)
                    for key, value in states.items()
                }

    def _part(self, value: Any, part: slice, weight: Tensor) -> Any:
        if not isinstance(value, Tensor):
            return value
        if value.shape == self._vector.shape:
            return value[part].view_as(weight).clone()
        return value.clone()
