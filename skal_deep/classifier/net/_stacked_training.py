"""Training the members of an ensemble in one pass over their stacked weights."""

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from skorch import NeuralNet, NeuralNetClassifier
from skorch.callbacks import EpochScoring, EpochTimer, PassthroughScoring, PrintLog
from skorch.dataset import Dataset
from skorch.utils import to_tensor
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.utils.data import DataLoader

from skal_deep.classifier.net._batches import as_input
from skal_deep.classifier.net._fit import rows_that_count, train_net
from skal_deep.classifier.net._row_weights import weighted_criterion
from skal_deep.classifier.net._watched import (
    has_gradient_hooks,
    has_watched_parts,
    is_watched_optimizer,
)
from skal_deep.modules import isolated_rng
from skal_deep.modules._dropout import dropout_layers, unreachable_dropout
from skal_deep.rows._data import is_numbers
from skal_deep.rows._row_weights import of_mean_one

# What these do to a weight depends on its own gradients alone, so that the stacked
# weights of all members are updated as those of each one would be.
_OPTIMIZERS = (SGD, Adam, AdamW, RMSprop)
_LOGGING = (EpochTimer, PassthroughScoring, PrintLog)
Tensors = dict[str, Tensor]


class StackedTraining:
    """Trains equal nets in one pass, or one after another with a warning why.

    Initial weights and batch orders are those of nets trained one after another. Steps
    are skorch's, with a further first axis M, the members.
    """

    def __init__(self) -> None:
        self._obstacles: list[str] | None = None
        self._nets: list[NeuralNet] = []
        self._orders: list[Iterator[list[Tensor]]] = []

    def add(self, net: NeuralNet, X: Any, y: Any, weight: Any) -> None:
        """Take in an initialised net, or train it now; called as ``train_net`` is."""
        X, y, weight = rows_that_count(X, y, weight)
        if self._obstacles is None:  # it is the first net; the others are like it
            self._obstacles = list(_obstacles(net))
            if not is_numbers(X):
                self._obstacles.append("the rows are no array of numbers")
            if not self._obstacles:
                self._data = _tensors(net, X, y, weight)
                self._obstacles = list(_trial(net, self._data))
            self._warn()
        elif not self._obstacles and not self._is_like_the_first(net):
            self._obstacles.append("the module has more than weights and buffers")
            self._warn()
        if self._obstacles:
            train_net(net, X, y, weight)
            return
        net.check_data(X, y)  # notes the classes
        self._nets.append(net)
        self._orders.append(batch_orders(net, len(y), torch.get_rng_state()))

    def _warn(self) -> None:
        if self._obstacles:
            warnings.warn(
                "batched=True, but the members are trained one after another: "
                f"{'; '.join(self._obstacles)}.",
                stacklevel=3,
            )

    def _is_like_the_first(self, net: NeuralNet) -> bool:
        """Return whether a net is the first one with weights and buffers of its own."""
        first, module = (
            copy.deepcopy(member.module_).train() for member in (self._nets[0], net)
        )
        state = dict(module.named_parameters()) | dict(module.named_buffers())
        x = to_tensor(self._data["x"][:2], device=net.device)
        with isolated_rng(), torch.no_grad():
            return _are_equal(functional_call(first, state, (x,)), module(x))

    @isolated_rng()
    def train(self) -> None:
        """Train the nets that were taken in."""
        if not self._nets:
            return
        X, y = self._data["x"], self._data["y"]
        weights, losses = _stack_nets(self._nets, self._data)
        optimizer = copy.deepcopy(self._nets[0].optimizer_)
        optimizer.param_groups[0]["params"] = list(weights.values())
        self._notify("on_train_begin", X=X, y=y)
        for epoch in zip(*self._orders, strict=True):
            self._notify("on_epoch_begin", dataset_train=None, dataset_valid=None)
            for rows in zip(*epoch, strict=True):
                optimizer.zero_grad()
                losses_M = losses(torch.stack(rows))
                # Members share no weights, so the gradient of the sum by a member's
                # weights is the gradient of that member's own loss.
                losses_M.sum().backward()
                optimizer.step()
                self._record_batch(losses_M, len(rows[0]))
            for net in self._nets:
                net.history.record("train_batch_count", len(epoch[0]))
            self._notify("on_epoch_end", dataset_train=None, dataset_valid=None)
        _write_back(self._nets, weights, optimizer)
        self._notify("on_train_end", X=X, y=y)

    def _notify(self, event: str, **arguments: Any) -> None:
        """Let the members' callbacks, and with them the histories, know."""
        for net in self._nets:
            net.notify(event, **arguments)

    def _record_batch(self, losses_M: Tensor, n_rows: int) -> None:
        for net, loss in zip(self._nets, losses_M.tolist(), strict=True):
            net.history.new_batch()
            net.history.record_batch("train_loss", loss)
            net.history.record_batch("train_batch_size", n_rows)


def _tensors(net: NeuralNet, X: Any, y: Any, weight: Any) -> Tensors:
    """Return what nets are trained on."""
    data = {"x": torch.as_tensor(as_input(net, X)), "y": torch.tensor(y)}
    if weight is not None:
        data["weight"] = torch.tensor(of_mean_one(weight))
    return data


def batch_orders(net: NeuralNet, n_rows: int, state: Tensor) -> Iterator[list[Tensor]]:
    """Yield, epoch by epoch, the rows of each mini-batch, drawn as skorch draws them.

    ``state`` is that of torch's global generator when training would begin; it moves
    that generator.
    """
    loader = net.get_iterator(range(n_rows), training=True)
    loader.collate_fn = torch.as_tensor
    for _ in range(net.max_epochs):
        # Orders of all members are drawn in turns, epoch by epoch. Each member goes on
        # from its own state, as if it were trained alone.
        torch.set_rng_state(state)
        batches = list(loader)
        state = torch.get_rng_state()
        yield batches


def _obstacles(net: NeuralNet) -> Iterator[str]:
    """Say in words what of an initialised net cannot be trained in one pass."""
    if type(net) is not NeuralNetClassifier:
        yield f"{type(net).__name__} may not train as skorch.NeuralNetClassifier does"
    if net.dataset is not Dataset:
        yield "the net has a data set class of its own"
    if net.train_split is not None:
        yield "the net has a train_split (pass train_split=None)"
    loading = net.get_params_for("iterator_train").keys()
    if net.iterator_train is not DataLoader or not loading <= {"batch_size", "shuffle"}:
        yield "iterator_train is set to more than a batch_size and shuffle"
    for name, callback in net.callbacks_:
        of_validation = type(callback) is EpochScoring and not callback.on_train
        if type(callback) not in _LOGGING and not of_validation:
            yield f"the net has the callback {name}"
    if type(net.optimizer_) not in _OPTIMIZERS:
        names = ", ".join(optimizer.__name__ for optimizer in _OPTIMIZERS)
        yield f"the optimizer {type(net.optimizer_).__name__} is none of {names}"
    if is_watched_optimizer(net.optimizer_):
        yield "there are hooks or methods of one's own to the optimizer"
    if len(net.optimizer_.param_groups) > 1:
        yield "the optimizer has groups of parameters"
    module = net.module_
    if len(list(net.get_all_learnable_params())) > len(list(module.parameters())):
        yield "the criterion has parameters"
    if net.compile:
        yield "the module is compiled"
    elif has_watched_parts(module):
        yield "hooks or an own forward stand beside the classes of its layers"
    if any(map(has_gradient_hooks, module.parameters())):
        yield "its weights have hooks"
    if dropout_layers(module) or unreachable_dropout(module):
        yield "the module has dropout"
    if any(isinstance(part, _BatchNorm) for part in module.modules()):
        yield "the module has batch normalisation"
    if any(is_lazy(parameter) for parameter in module.parameters()):
        yield "the module has lazy parameters that no pass has given a size"


def _trial(net: NeuralNet, data: Tensors) -> Iterator[str]:
    """Say in words why two members fail to run, or are not all there is to them."""
    rows = torch.arange(min(2, len(data["y"])))
    module = copy.deepcopy(net.module_).train()
    try:
        with isolated_rng(), warnings.catch_warnings():
            warnings.filterwarnings("error", "There is a performance drop")
            x = to_tensor(data["x"][rows], device=net.device)
            if not _are_equal(module(x), module(x)):
                yield "its output changes from pass to pass"
            _, losses = _stack_nets([net, net], data)
            losses(torch.stack([rows, rows])).sum().backward()
    # whatever it is, where it is no matter of stacking, skorch will meet it again
    except Exception as error:
        reason = str(error).partition("\n")[0]
        yield f"torch.func cannot run its module or loss ({reason})"
    before, after = dict(net.module_.named_buffers()), dict(module.named_buffers())
    if any(not torch.equal(after[name], buffer) for name, buffer in before.items()):
        yield "the module has buffers that training changes"


def _stack_nets(
    nets: list[NeuralNet], data: Tensors
) -> tuple[Tensors, Callable[[Tensor], Tensor]]:
    """Return stacked weights, and a function that gives the losses of rows (M, B)."""
    net = nets[0]
    module = copy.deepcopy(net.module_).train()
    weights, buffers = stack_module_state([net.module_ for net in nets])

    def loss(weights: Tensors, buffers: Tensors, batch: Tensors) -> Tensor:
        output = functional_call(module, (weights, buffers), (batch["x"],))
        with weighted_criterion(net.criterion_, lambda: batch.get("weight")):
            loss = net.get_loss(output, batch["y"], X=batch["x"], training=True)
        return loss.reshape(())  # one number, as skorch asks for

    def losses(rows_MB: Tensor) -> Tensor:
        batch = {name: values[rows_MB] for name, values in data.items()}
        return vmap(loss)(weights, buffers, to_tensor(batch, device=net.device))

    return weights, losses


@torch.no_grad()
def _write_back(nets: list[NeuralNet], weights: Tensors, optimizer: Optimizer) -> None:
    """Give each net its weights and its part of the optimiser's state."""
    for member, net in enumerate(nets):
        for name, weight in weights.items():
            states = optimizer.state.get(weight)
            parameter = net.module_.get_parameter(name)
            parameter.copy_(weight[member])
            if states is None:  # it has no gradient
                continue
            net.optimizer_.state[parameter] = {
                # The number of steps is one for all members; everything else in the
                # optimiser's state has the axis of members.
                key: (value if key == "step" else value[member]).clone()
                for key, value in states.items()
            }


def _are_equal(output: Any, other: Any) -> bool:
    return torch.allclose(output, other, rtol=0, atol=0, equal_nan=True)
