"""The precision in which nets predict."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from skorch import NeuralNet

_HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
_PRECISION: ContextVar[torch.dtype | None] = ContextVar("_PRECISION", default=None)


@contextmanager
def inference_precision(dtype: str) -> Iterator[None]:
    """Let nets predict in half precision, for a while and in this thread.

    Predictions, embeddings and posterior draws inside the block are computed under
    ``torch.autocast``; softmax, scores and selection stay in float32, and so does
    training. Cards multiply matrices of half precision several times faster.

    Use it on a card where the network takes most of a query. It changes numbers: a
    number is off by up to a share of 2^-9 in bfloat16 and 2^-12 in float16 after each
    layer. Probabilities of a small convolutional net moved by up to 0.03 in bfloat16
    and 0.004 in float16, BALD by 0.002 and 0.0003 nats; candidates whose scores are
    that close may change places. float16 overflows where activations exceed 65,504,
    which is reported as predictions that are no numbers.

    Parameters
    ----------
    dtype : {"bfloat16", "float16"}
        What to compute in.

    Yields
    ------
    None
        Other threads stay as they are.

    See Also
    --------
    as_model : Who asks the nets.

    Examples
    --------
    >>> import numpy as np
    >>> from skorch import NeuralNetClassifier
    >>> from skal_deep.classifier import MCDropoutClassifier, inference_precision
    >>> from skal_deep.modules import MLP
    >>> from skal_deep.pool import BALD
    >>> X, y = np.eye(6, dtype=np.float32), np.array([0, 1, -1, -1, -1, -1])
    >>> net = NeuralNetClassifier(MLP, train_split=None, verbose=0)
    >>> clf = MCDropoutClassifier(net, random_state=0).fit(X, y)
    >>> with inference_precision("bfloat16"):
    ...     picks = BALD(random_state=0).query(X, y, clf, fit_clf=False)
    >>> picks[0] >= 2
    np.True_
    """
    if dtype not in _HALVES:
        raise ValueError(
            f"dtype={dtype!r} must be 'bfloat16' or 'float16'. Without this block nets "
            "predict in the precision of their weights."
        )
    token = _PRECISION.set(_HALVES[dtype])
    try:
        yield
    finally:
        _PRECISION.reset(token)


@contextmanager
def chosen_precision(net: NeuralNet) -> Iterator[None]:
    """Let a net predict in the precision that was asked for."""
    dtype = _PRECISION.get()
    if dtype is None:
        yield
        return
    first = next(net.module_.parameters(), torch.empty(0))
    with torch.autocast(first.device.type, dtype):
        yield
