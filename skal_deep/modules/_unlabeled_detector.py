"""Training of a net that tells unlabelled rows from labelled ones."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from skal_deep.functional.variational import discriminator_loss
from skal_deep.modules._discriminator import Discriminator
from skal_deep.modules._rng import isolated_rng
from skal_deep.modules._standardizer import Standardizer, by_chunks
from skal_deep.modules._training import (
    Descent,
    Minibatches,
    train,
    two_pools,
)

# So many steps lie between two looks at the accuracy.
_N_STEPS = 20


def train_unlabeled_detector(
    X_labeled: NDArray[Any],
    X_unlabeled: NDArray[Any],
    *,
    n_hidden: int = 512,
    n_layers: int = 2,
    n_iterations: int = 200,
    stop_accuracy: float = 1.0,
    batch_size: int = 64,
    lr: float = 5e-4,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    name: str,
    verbose: bool = False,
) -> Callable[[NDArray[Any]], Tensor]:
    """Train a net to tell unlabelled rows from labelled ones.

    A step takes as many rows from either pool, so that a large pool does not outweigh a
    small one.

    Parameters
    ----------
    X_labeled : ndarray of shape (N, D)
        Labelled rows, at least one.
    X_unlabeled : ndarray of shape (M, D)
        Unlabelled rows, at least one.
    n_hidden : int, default=512
        Units of each hidden layer.
    n_layers : int, default=2
        Number of hidden layers.
    n_iterations : int, default=200
        Largest number of steps.
    stop_accuracy : float, default=1.0
        The training ends sooner when the mean of the two pools' shares of rows that
        are told rightly is above this.
    batch_size : int, default=64
        Rows of a mini-batch from each of the two pools.
    lr : float, default=5e-4
        Learning rate (Adam).
    generator : torch.Generator
        Source of initial weights and mini-batches; on the CPU.
    device : torch.device or str, default="cpu"
        Device to train and score on.
    name : str
        What the progress bar says.
    verbose : bool, default=False
        Whether to show it.

    Returns
    -------
    score : callable
        Takes rows (N, D), returns logits of "unlabelled", (N,).
    """
    scale, labeled, unlabeled = two_pools(
        [X_labeled],
        [X_unlabeled],
        batch_size=batch_size,
        generator=generator,
        device=device,
    )
    with isolated_rng(int(torch.randint(2**31, (1,), generator=generator))):
        net = Discriminator(X_labeled.shape[1], n_hidden, n_layers).to(device)
    down, n_done = Descent(net, lr), 0
    pools = (labeled, len(X_labeled), True), (unlabeled, len(X_unlabeled), False)

    def step() -> bool:
        nonlocal n_done
        logits = net(torch.cat([next(labeled)[0], next(unlabeled)[0]]))
        down.step(discriminator_loss(*logits.chunk(2)))
        n_done += 1
        if stop_accuracy >= 1 or n_done % _N_STEPS:
            return False
        return _tells_apart(net, pools, stop_accuracy)

    train([net], step, n_iterations, name=name, verbose=verbose)
    return partial(_novelty, net, scale, device)


@torch.no_grad()
def _tells_apart(
    net: Discriminator,
    pools: Sequence[tuple[Minibatches, int, bool]],
    accuracy: float,
) -> bool:
    """Return whether the mean of the pools' shares of right answers is above a number.

    It looks no further once all rows that are left could not raise it that far.
    """
    shares = [1.0] * len(pools)
    for at, (rows, n, is_labeled) in enumerate(pools):
        n_right = n
        for chunk in rows.in_order():
            n_right -= int(((net(chunk) > 0) != is_labeled).sum())
            shares[at] = n_right / n
            if sum(shares) / len(shares) <= accuracy:
                return False
    return True


def _novelty(
    net: Discriminator,
    scale: Standardizer,
    device: torch.device | str,
    X: NDArray[Any],
) -> Tensor:
    return -by_chunks(net, X, scale, device)
