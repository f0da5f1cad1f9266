"""Rows of any kind to vectors of a frozen model, each computed once."""

from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils._param_validation import Interval, StrOptions
from tqdm import tqdm

from skal_deep.embedding._backbone import (
    as_device,
    as_vectors,
    call,
    check_backbone,
    frozen,
    loaded,
    to_device,
)
from skal_deep.embedding._cache import EmbeddingCache
from skal_deep.embedding._identity import model_key
from skal_deep.embedding._rows import Rows
from skal_deep.embedding._sharing import share_work
from skal_deep.modules import isolated_rng


class Embedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
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

    _parameter_constraints = {
        "backbone": "no_validation",
        "preprocess": [callable, None],
        "version": [str],
        "cache_dir": [str, Path, None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "device": [str],
        "dtype": [StrOptions({"float16", "float32"})],
        "max_bytes": [Interval(Integral, 1, None, closed="left"), None],
        "verbose": ["boolean"],
    }

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

    def __sklearn_clone__(self):
        # The backbone is frozen: a clone shares it, where copying would take memory
        # and time at each of the many clones of a comparison.
        return type(self)(**self.get_params(deep=False))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = False
        return tags

    def fit(self, X, y=None):  # noqa: ARG002
        """Check the parameters and embed one row; nothing is learned.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...), or dict of these
            Rows.
        y : object, default=None
            Not used.

        Returns
        -------
        self : object
            The transformer.
        """
        self._validate_params()
        rows = self._as_rows(X)
        if not len(rows):
            raise ValueError("There is no row to embed.")
        self.n_features_out_ = self._embedded(rows.take([0]), verbose=False).shape[1]
        return self

    @property
    def _n_features_out(self):
        return self.n_features_out_

    def transform(self, X):
        """Return the embeddings of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, ...), or dict of these
            Rows.

        Returns
        -------
        embeddings : ndarray of shape (n_samples, n_features_out_)
            Embeddings, in float32.
        """
        self._validate_params()
        rows = self._as_rows(X)
        if not len(rows):
            if not hasattr(self, "n_features_out_"):
                raise ValueError("There is no row to embed.")
            return np.zeros((0, self.n_features_out_), np.float32)
        embeddings_ND = self._embedded(rows, self.verbose)
        known = getattr(self, "n_features_out_", embeddings_ND.shape[1])
        if embeddings_ND.shape[1] != known:
            raise ValueError(
                f"The backbone returns {embeddings_ND.shape[1]} numbers a row, where "
                f"it returned {known} at fit: fit {type(self).__name__} again."
            )
        return embeddings_ND

    def _as_rows(self, X: Any) -> "Rows":
        return Rows(X)

    def _settings(self) -> dict[str, Any]:
        """Return what decides the numbers beside the backbone."""
        return {"preprocess": self.preprocess, "dtype": self.dtype}

    def _batch(self, rows: Sequence[Any], backbone: Any) -> Any:
        """Return what the backbone takes for some rows."""
        if self.preprocess is not None:
            return self.preprocess(list(rows))
        if callable(getattr(backbone, "encode", None)) or isinstance(rows[0], str):
            return list(rows)
        if isinstance(rows[0], Mapping):
            return {name: _stacked([row[name] for row in rows]) for name in rows[0]}
        return _stacked(rows)

    def _embedded(self, rows: "Rows", verbose: bool) -> NDArray[np.float32]:
        """Return the embeddings of rows, each content computed once."""
        backbone = loaded(self.backbone)
        check_backbone(backbone)
        keys = rows.keys()
        first_at: dict[bytes, int] = {}
        for at, key in enumerate(keys):
            first_at.setdefault(key, at)
        cache = None
        found: dict[bytes, NDArray[np.generic]] = {}
        if self.cache_dir is not None:
            name = model_key(backbone, self.version, **self._settings())
            folder = Path(self.cache_dir).expanduser() / name
            cache = EmbeddingCache(folder, self.dtype, self.max_bytes)
            found = cache.find(first_at)
        wanted = [key for key in first_at if key not in found]
        if wanted:
            bar = tqdm(
                total=len(first_at),
                initial=len(found),
                desc=type(self).__name__,
                unit="row",
                disable=not verbose,
            )
            device = as_device(self.device, backbone)
            # What a transform or an own module draws moves no generator of the caller.
            with bar, isolated_rng(0), frozen(backbone, device) as model:

                def compute(some: Sequence[bytes]) -> Iterator[NDArray[np.generic]]:
                    for start in range(0, len(some), self.batch_size):
                        part = some[start : start + self.batch_size]
                        taken = rows.take([first_at[key] for key in part])
                        batch = to_device(self._batch(taken.values(), backbone), device)
                        vectors = as_vectors(call(model, batch), batch, len(part))
                        bar.update(len(part))
                        yield self._stored(vectors)

                if cache is None:
                    parts = np.concatenate(list(compute(wanted)))
                    found = dict(zip(wanted, parts, strict=True))
                else:
                    found |= share_work(cache, wanted, compute, bar)
        return np.stack([found[key] for key in keys]).astype(np.float32)

    def _stored(self, vectors_ND: NDArray[np.float32]) -> NDArray[np.generic]:
        """Return vectors in the precision that is kept, if it can hold them."""
        with np.errstate(over="ignore"):
            stored_ND = vectors_ND.astype(self.dtype)
        if not np.isfinite(vectors_ND).all():
            raise ValueError(
                "The backbone returned NaN or infinite numbers: check its inputs, and "
                "whether its weights were loaded."
            )
        if not np.isfinite(stored_ND).all():
            raise ValueError(
                f"Embeddings of up to {np.abs(vectors_ND).max():.3g} do not fit into "
                f"{self.dtype}: use dtype='float32'."
            )
        return stored_ND


def _stacked(rows: Sequence[Any]) -> torch.Tensor:
    shapes = {np.shape(row) for row in rows}
    if len(shapes) > 1:
        raise ValueError(
            f"Rows of one batch have different shapes, {sorted(shapes)[:3]}: give "
            "`preprocess`, which makes one tensor of a list of rows."
        )
    stacked = torch.as_tensor(np.stack([np.asarray(row) for row in rows]))
    return stacked.float() if stacked.is_floating_point() else stacked
