"""The training of ordinary nets on rows in memory, with skorch's own results.

A mini-batch is taken out of the arrays at once, not row by row, and an ordinary step
runs without what skorch does for others. Batches, losses and weights are the same to
the last bit. What is not known to be ordinary is left to skorch.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
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
from skorch.history import History
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from skal_deep._put_back import put_back
from skal_deep.classifier.net._array_loader import ArrayLoader, quick_iterator
from skal_deep.classifier.net._chain_training import ChainTraining, chain_training
from skal_deep.classifier.net._interrupts import replace_methods
from skal_deep.classifier.net._origin import is_written_in
from skal_deep.classifier.net._watched import is_watched_optimizer
from skal_deep.classifier.net._weight_vector import WeightVector, weight_vectors

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
# A net or a callback that has these of its own may look at the optimiser's weights.
_OF_WEIGHTS = (
    "get_loss",
    "infer",
    "on_epoch_begin",
    "on_epoch_end",
    "on_train_begin",
    "on_train_end",
)
_STEP_EVENTS = ("on_batch_begin", "on_batch_end", "on_grad_computed")
# These look at neither steps nor the optimiser's weights, with the settings below, if
# they call nothing of the user's.
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
        "get_iterator": partial(quick_iterator, net.get_iterator)
    }
    vectors: list[WeightVector] = []
    if _has_ordinary_steps(net):
        vectors = weight_vectors(net.optimizer_) if _leaves_weights(net) else []
        given = [p for vector in vectors for p in vector.given]
        chain = chain_training(net, given) if vectors else None
        methods["run_single_epoch"] = partial(
            _run_epoch, net, net.run_single_epoch, vectors, chain
        )
    with put_back(partial(_dissolve, vectors)), ExitStack() as changes:
        for vector in vectors:
            vector.gather()
        changes.enter_context(replace_methods(net, **methods))
        for _, callback in net.callbacks_:
            end = _ENDS_OF_EPOCHS.get(type(callback))
            if end is not None and "on_epoch_end" not in vars(callback):
                end = partial(end, callback, callback.on_epoch_end)
                changes.enter_context(replace_methods(callback, on_epoch_end=end))
        yield


def _dissolve(vectors: list[WeightVector]) -> None:
    for vector in vectors:
        vector.dissolve()


def _are_skorchs(net: NeuralNet, *names: str) -> bool:
    """Return whether methods of a net are those that skorch has written."""
    return not any(name in vars(net) for name in names) and all(
        is_written_in("skorch.", type(net), name) for name in names
    )


def _has_ordinary_steps(net: NeuralNet) -> bool:
    """Return whether skorch's step is what happens at a step, and nothing beside."""
    return (
        _are_skorchs(net, *_STEP)
        and net._optimizers == ["optimizer"]
        and type(net.optimizer_) in _OPTIMIZERS
        and not is_watched_optimizer(net.optimizer_)
        and type(net.history) is History
        and not any(_sees_steps(callback) for _, callback in net.callbacks_)
    )


def _leaves_weights(net: NeuralNet) -> bool:
    """Return whether nobody but the step looks at what the optimiser holds."""
    optimizer = net.optimizer_
    return (
        _are_skorchs(net, *_OF_WEIGHTS)
        and not any(_may_see_weights(callback) for _, callback in net.callbacks_)
        and not optimizer.state
        and not net.compile
    )


def _may_see_weights(callback: Any) -> bool:
    """Return whether a callback may look at what the optimiser holds."""
    if any(name in vars(callback) for name in _OF_WEIGHTS):
        return True
    if type(callback) is EpochScoring:
        return callable(callback.scoring)
    if type(callback) is LRScheduler:
        module = getattr(callback.policy, "__module__", "torch.")
        return callable(callback.monitor) or not module.startswith("torch.")
    return type(callback) not in _CALLBACKS


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


def _average_epoch(
    score: Any, write: Callable[..., None], net: NeuralNet, **kw: Any
) -> None:
    """Record the average of a number of mini-batches, without the history's indices."""
    size = "train_batch_size" if score.on_train else "valid_batch_size"
    batches, name = net.history[-1]["batches"], score.name
    known = [name in batch and size in batch for batch in batches]
    if not (known and all(known)):  # of validation, for example, where there is none
        write(net, **kw)
        return
    average = np.average(
        [batch[name] for batch in batches], weights=[batch[size] for batch in batches]
    )
    is_best = score._is_best_score(average)
    if is_best:
        score.best_score_ = average
    net.history.record(name, average)
    if is_best is not None:
        net.history.record(f"{name}_best", bool(is_best))


# What does the same as the callback's own, with less.
_ENDS_OF_EPOCHS: dict[type, Callable[..., None]] = {
    PrintLog: _log_epoch,
    PassthroughScoring: _average_epoch,
}


def _run_epoch(
    net: NeuralNet,
    run: Callable[..., None],
    vectors: list[WeightVector],
    chain: ChainTraining | None,
    iterator: Any,
    training: bool,
    prefix: str,
    step_fn: Callable[..., Any],
    **fit_params: Any,
) -> None:
    """Run an epoch as ``run_single_epoch`` of skorch does, ordinary steps directly."""
    is_ordinary = training and not fit_params and isinstance(iterator, ArrayLoader)
    # a callback may have changed how steps are made, if it saw the weights
    if not (is_ordinary and (vectors or _has_ordinary_steps(net))):
        if training:
            _dissolve(vectors)
        run(iterator, training, prefix, step_fn, **fit_params)
        return
    optimizer, n_batches = net.optimizer_, 0
    weights = [p for group in optimizer.param_groups for p in group["params"]]
    weights += [p for vector in vectors for p in vector.given]
    parts = _parts(net)
    batches = net.history[-1]["batches"]
    with torch.enable_grad():  # as the optimiser's closure does
        for inputs, target in iterator:
            batch: dict[str, Any] = {}
            batches.append(batch)
            for weight in weights:
                weight.grad = None
            if not parts or False in [part.training for part in parts]:
                net._set_training(True)
            if chain is not None and chain.takes(inputs):
                passed = chain.run(inputs)
                loss = net.get_loss(passed.output, target, X=inputs, training=True)
                chain.set_gradients(passed, loss)
            else:
                y_pred = net.infer(inputs)
                loss = net.get_loss(y_pred, target, X=inputs, training=True)
                loss.backward()
            _step(optimizer, vectors)
            batch[f"{prefix}_loss"] = loss.item()
            batch[f"{prefix}_batch_size"] = len(target)
            n_batches += 1
    net.history.record(f"{prefix}_batch_count", n_batches)


def _step(optimizer: Optimizer, vectors: list[WeightVector]) -> None:
    """Make a step of the optimiser, of vectors directly where that is the same."""
    are_ready = [vector.collect() for vector in vectors]
    if are_ready and all(are_ready):
        for vector in vectors:
            vector.step()
        return
    for vector in vectors:
        vector.end_steps()
    optimizer.step()
    for vector in vectors:
        vector.begin_steps()


def _parts(net: NeuralNet) -> list[nn.Module]:
    """Return what has a training flag; nothing if it has a way of its own to set it."""
    names = [*net._modules, *net._criteria]
    owners = [getattr(net, f"{name}_") for name in names]
    parts = [p for o in owners if isinstance(o, nn.Module) for p in o.modules()]
    is_plain = all(
        type(part).train is nn.Module.train and "train" not in vars(part)
        for part in parts
    )
    return parts if is_plain else []
