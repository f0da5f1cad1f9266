"""Arrays, texts and dicts of arrays to embeddings."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from skal_deep.embedding._base import BaseEmbedder
from skal_deep.embedding._rows import DataRows


class Embedder(BaseEmbedder):
    """Turn arrays, texts or dicts of arrays into embeddings by a frozen model.

    In a Pipeline before a classifier it makes an active-learning model of a pretrained
    one. With ``cache_dir`` each row is computed once, for all rounds, processes and
    sessions. Use :class:`ImageEmbedder` for files of images.

    Use it when labels are few: features of a pretrained model need fewer of them than a
    net that is trained from scratch.

    Parameters
    ----------
    backbone : Module, object with ``encode``, callable or str
        The model: a torch module that returns one vector a row, feature maps
        (n, d, h, w), which are averaged, or a language model's output, whose last
        hidden states are averaged over the tokens; an object whose ``encode`` takes a
        list of rows, as those of sentence-transformers; a function; or
        ``"timm:NAME"``. It is neither trained nor changed nor copied.
    preprocess : callable, default=None
        Takes a list of rows and returns what the backbone takes: a tensor, or a dict of
        tensors, as a tokenizer does. ``None`` stacks arrays into one tensor, and hands
        texts to ``encode`` as they are.
    version : str, default=""
        Part of the cache's key. Needed where the code of backbone or preprocess cannot
        be looked into; change it when their results change.
    cache_dir : str or Path, default=None
        Folder for embeddings. ``None`` keeps nothing.
    batch_size : int, default=32
        Rows a pass.
    device : str, default="auto"
        Where to compute; "auto" is a GPU if there is one.
    dtype : {"float16", "float32"}, default="float16"
        Precision of the embeddings, with a cache and without. Results are float32.
    max_bytes : int, default=None
        Largest size of the cache of a model; the oldest embeddings go first.
    verbose : bool, default=False
        Whether to show a progress bar.

    Attributes
    ----------
    n_features_out_ : int
        Length of an embedding.

    See Also
    --------
    ImageEmbedder : The same for files of images.

    Notes
    -----
    The key of a row is a digest of its content, that of a model a digest of all its
    weights and the code around it. So a changed file, weight or transform is embedded
    anew, and equal rows are embedded once. Which rows are in one pass may change the
    last bits of float32; float16 hides that almost always.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from torch import nn
    >>> from skal_deep.embedding import Embedder
    >>> model = make_pipeline(Embedder(nn.Linear(4, 3)), LogisticRegression())
    >>> X = np.eye(4, dtype=np.float32)
    >>> model.fit(X, [0, 0, 1, 1]).predict_proba(X).shape
    (4, 2)
    """

    def __init__(
        self,
        backbone,
        *,
        preprocess=None,
        version="",
        cache_dir=None,
        batch_size=32,
        device="auto",
        dtype="float16",
        max_bytes=None,
        verbose=False,
    ):
        self.backbone = backbone
        self.preprocess = preprocess
        self.version = version
        self.cache_dir = cache_dir
        self.batch_size = batch_size
        self.device = device
        self.dtype = dtype
        self.max_bytes = max_bytes
        self.verbose = verbose

    def _as_rows(self, X: Any) -> DataRows:
        return DataRows(X)

    def _settings(self) -> dict[str, Any]:
        return {"preprocess": self.preprocess, "dtype": self.dtype}

    def _batch(self, rows: Sequence[Any], backbone: Any) -> Any:
        if self.preprocess is not None:
            return self.preprocess(list(rows))
        if callable(getattr(backbone, "encode", None)) or isinstance(rows[0], str):
            return list(rows)
        if isinstance(rows[0], Mapping):
            return {name: _stacked([row[name] for row in rows]) for name in rows[0]}
        return _stacked(rows)


def _stacked(rows: Sequence[Any]) -> torch.Tensor:
    shapes = {np.shape(row) for row in rows}
    if len(shapes) > 1:
        raise ValueError(
            f"Rows of one batch have different shapes, {sorted(shapes)[:3]}: give "
            "`preprocess`, which makes one tensor of a list of rows."
        )
    stacked = torch.from_numpy(np.stack([np.asarray(row) for row in rows]))
    return stacked.float() if stacked.is_floating_point() else stacked
