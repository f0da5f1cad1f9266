"""Whether what a net predicts for a row hangs on the rows beside it."""

import warnings
from typing import Any

import torch
from skorch import NeuralNet
from skorch.dataset import get_len
from skorch.utils import multi_indexing
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from skal_deep.classifier.net._answers import evaluation_step, first_output
from skal_deep.classifier.net._batches import batches
from skal_deep.modules import eval_mode, isolated_rng

_N_ROWS = 4
# Of the differences between rows; padding and half precision inside stay below.
_LEAST_SHARE = 0.01
_REMEDY = (
    "What the net predicts for a row hangs on the rows beside it in a mini-batch, and "
    "so do picks on the order of the pool."
)


def warn_of_rows_beside(net: NeuralNet, X: Any) -> None:
    """Warn if predictions of a row hang on the rows beside it.

    Parameters
    ----------
    net : skorch.NeuralNet
        An initialised net.
    X : array-like or dict of array-like
        Rows as the net is given them, of which a few are looked at.
    """
    module = net.module_
    layers = [
        name
        for name, part in module.named_modules()
        if isinstance(part, _BatchNorm) and part.running_mean is None
    ]
    if layers:
        warnings.warn(
            f"Batch normalisation without running statistics ({', '.join(layers)}). "
            f"{_REMEDY} Leave track_running_stats=True.",
            stacklevel=3,
        )
    elif _hangs_on_others(net, X):
        warnings.warn(
            f"{type(module).__name__} computes with all rows of a mini-batch, as "
            f"x - x.mean(0) does. {_REMEDY} Use what training knows, such as "
            "nn.BatchNorm1d with running statistics or a scaler before the net, and "
            "mask what pads a row.",
            stacklevel=3,
        )


def _hangs_on_others(net: NeuralNet, X: Any) -> bool:
    """Return whether a row among others gets other outputs than among its copies.

    Mini-batches are of one size, so that round-off is the same in both.
    """
    n_rows = min(get_len(X), _N_ROWS)
    if n_rows < 2:
        return False
    step = evaluation_step(net)

    def outputs(*rows: int) -> Tensor:
        data = batches(net, multi_indexing(X, list(rows)))
        return torch.cat([first_output(step(batch)) for batch in data])

    # in the precision of the module itself: a lower one rounds more
    with isolated_rng(0), eval_mode(net.module_), torch.no_grad():
        together = outputs(*range(n_rows))
        if not together.isfinite().all():  # a training that diverged, for example
            return False
        try:
            first, last = outputs(*[0] * n_rows), outputs(*[n_rows - 1] * n_rows)
        except Exception:  # a module need not take copies, and does not meet them here
            return False
        apart = torch.stack([first[0], last[-1]])
        if not _differ(apart, together[[0, -1]], together):
            return False
        # Where random numbers are drawn in predictions, it is not the other rows.
        return not _differ(outputs(*range(n_rows)), together, together)


def _differ(output: Tensor, expected: Tensor, all_rows: Tensor) -> bool:
    """Return whether outputs differ by more than round-off and a share of the rows."""
    share = torch.finfo(all_rows.dtype).eps ** 0.5
    spread = float((all_rows.amax(0) - all_rows.amin(0)).max())
    bound = share * float(all_rows.abs().max()) + _LEAST_SHARE * spread
    return not torch.allclose(output, expected, rtol=0, atol=bound, equal_nan=True)
