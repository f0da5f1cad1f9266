"""The training loop of auxiliary nets."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.adam import adam
from tqdm import trange

from skal_deep._threads import threads_given_back
from skal_deep.modules._standardizer import Standardizer, row_chunks


class Minibatches:
    """Endless random mini-batches of the rows of some arrays, as tensors.

    The rows are shuffled and dealt out; when too few are left for a mini-batch they
    are shuffled again. Where there are fewer rows than a mini-batch takes, they are
    drawn with replacement. Only the rows of a mini-batch are ever converted, so the
    arrays may be mapped from files.

    Parameters
    ----------
    *arrays : ndarray or Tensor of shape (N, ...)
        Arrays of equally many rows, such as inputs and targets.
    batch_size : int
        Rows of a mini-batch.
    generator : torch.Generator
        Decides which rows; on the CPU.
    scale : callable, default=torch.as_tensor
        Turns rows of the first array into a tensor.
    device : torch.device or str, default="cpu"
        Device of the mini-batches.

    See Also
    --------
    train : Repeats a step that takes them.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skal_deep.modules import Minibatches
    >>> generator = torch.Generator().manual_seed(0)
    >>> rows = Minibatches(np.zeros((10, 2)), batch_size=4, generator=generator)
    >>> [batch.shape for batch in next(rows)]
    [torch.Size([4, 2])]
    """

    def __init__(
        self,
        *arrays: NDArray[Any] | Tensor,
        batch_size: int,
        generator: torch.Generator,
        scale: Callable[[Any], Tensor] = torch.as_tensor,
        device: torch.device | str = "cpu",
    ):
        lengths = {len(array) for array in arrays}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError(
                "Minibatches needs arrays of equally many rows, and at least one row; "
                f"got {[len(array) for array in arrays]} rows."
            )
        self._arrays, self._n_rows = arrays, lengths.pop()
        self._batch_size, self._generator = batch_size, generator
        self._scale, self._device = scale, device
        self._order = torch.empty(0, dtype=torch.int64)

    def __iter__(self) -> "Minibatches":
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        # in order: neighbouring rows of a mapped file are read together
        rows = self._draw().sort().values
        first, *others = (
            array.index_select(0, rows)
            if isinstance(array, Tensor)
            else array[rows.numpy()]
            for array in self._arrays
        )
        tensors = self._scale(first), *(torch.as_tensor(other) for other in others)
        return tuple(tensor.to(self._device) for tensor in tensors)

    def in_order(self) -> Iterator[Tensor]:
        """Yield all rows of the first array, some at a time.

        Yields
        ------
        Tensor of shape (n, ...)
            Rows, scaled, on the device.
        """
        for chunk in row_chunks(self._arrays[0]):
            yield self._scale(chunk).to(self._device)

    def _draw(self) -> Tensor:
        """Return the row numbers of the next mini-batch."""
        n, size = self._n_rows, self._batch_size
        if n < size:
            return torch.randint(n, (size,), generator=self._generator)
        if len(self._order) < size:
            self._order = torch.randperm(n, generator=self._generator)
        rows, self._order = self._order[:size], self._order[size:]
        return rows


def two_pools(
    labeled: Sequence[Any],
    unlabeled: Sequence[Any],
    *,
    batch_size: int,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
) -> tuple[Standardizer, Minibatches, Minibatches]:
    """Return the scale of labelled and unlabelled rows, and mini-batches of each.

    Rows are scaled once if they fit into memory.

    Parameters
    ----------
    labeled : sequence of ndarray or Tensor of shape (N, ...)
        Labelled rows, and what belongs to them, such as targets.
    unlabeled : sequence of ndarray or Tensor of shape (M, ...)
        Unlabelled rows, and what belongs to them.
    batch_size : int
        Rows of a mini-batch from each of the two.
    generator : torch.Generator
        Decides which rows; on the CPU.
    device : torch.device or str, default="cpu"
        Device of the mini-batches.
    """
    scale = Standardizer(labeled[0], unlabeled[0])

    def minibatches(arrays: Sequence[Any]) -> Minibatches:
        X, *others = arrays
        rows = scale.once(X) if len(X) else None
        return Minibatches(
            X if rows is None else rows,
            *others,
            batch_size=batch_size,
            generator=generator,
            scale=scale if rows is None else torch.as_tensor,
            device=device,
        )

    return scale, minibatches(labeled), minibatches(unlabeled)


class Descent:
    """Steps of an auxiliary net down its losses, by Adam in its fused form.

    Parameters
    ----------
    module : nn.Module
        The net, all of whose parameters the losses reach.
    lr : float
        Learning rate.
    """

    def __init__(self, module: nn.Module, lr: float):
        self._parameters: list[Tensor] = list(module.parameters())
        self._lr = lr
        self._means = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]
        self._n_steps = [
            torch.zeros((), dtype=torch.float32, device=p.device)
            for p in self._parameters
        ]

    def step(self, loss: Tensor) -> None:
        """Make one step of the net's parameters.

        Gradients of other modules that the loss runs through are neither computed nor
        kept.
        """
        for parameter in self._parameters:
            parameter.grad = None
        loss.backward(inputs=self._parameters)
        gradients = [parameter.grad for parameter in self._parameters]
        self.follow(cast(list[Tensor], gradients))

    @torch.no_grad()
    def follow(self, gradients: list[Tensor]) -> None:
        """Make one step by gradients of the net's parameters, in their order."""
        adam(  # torch's class looks at its settings anew before each step
            self._parameters,
            gradients,
            self._means,
            self._squares,
            [],
            self._n_steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._lr,
            weight_decay=0,
            eps=1e-8,
            maximize=False,
        )


@threads_given_back()
def train(
    modules: Sequence[nn.Module],
    step: Callable[[], bool | None],
    n_iterations: int,
    *,
    name: str,
    verbose: bool = False,
) -> None:
    """Repeat a training step, with gradients on and a progress bar if verbose.

    Parameters
    ----------
    modules : sequence of nn.Module
        The modules to train, in train mode meanwhile and in eval mode after.
    step : callable
        Draws mini-batches and updates parameters. ``True`` ends the training.
    n_iterations : int
        Number of steps.
    name : str
        What the progress bar says.
    verbose : bool, default=False
        Whether to show it.

    See Also
    --------
    Minibatches : Random rows for a step.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.modules import train
    >>> layer = torch.nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    >>> def step():
    ...     optimizer.zero_grad()
    ...     (layer(torch.ones(1, 1)) - 2).square().sum().backward()
    ...     optimizer.step()
    >>> train([layer], step, 50, name="fit")
    >>> round(layer(torch.ones(1, 1)).item(), 2)
    2.0
    """
    for module in modules:
        module.train()
    try:
        with torch.enable_grad():
            for _ in trange(n_iterations, desc=name, leave=False, disable=not verbose):
                if step():
                    break
    finally:
        for module in modules:
            module.eval()
