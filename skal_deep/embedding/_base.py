"""What transformers of rows by a frozen model share: each row is computed once."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
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
from skal_deep.embedding._model_folder import ModelFolder
from skal_deep.embedding._rows import Rows
from skal_deep.embedding._sharing import share_work
from skal_deep.modules import isolated_rng


class BaseEmbedder(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC
):
    """Embeddings of rows; what a row is, and how rows become a batch, differs."""

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
        object
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
        ndarray of shape (n_samples, n_features_out_)
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

    def _model_key(self, backbone: Any) -> str:
        return model_key(backbone, self.version, **self._settings())

    @abstractmethod
    def _as_rows(self, X: Any) -> Rows:
        """Return what was given as rows that can be taken one by one."""

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """Return what decides the numbers beside the backbone."""

    @abstractmethod
    def _batch(self, rows: Sequence[Any], backbone: Any) -> Any:
        """Return what the backbone takes for some rows."""

    def _embedded(self, rows: Rows, verbose: bool) -> NDArray[np.float32]:
        """Return the embeddings of rows, each content computed once."""
        backbone = loaded(self.backbone)
        check_backbone(backbone)
        keys = rows.keys()
        first_at: dict[bytes, int] = {}
        for at, key in enumerate(keys):
            first_at.setdefault(key, at)
        folder, cache = None, None
        found: dict[bytes, NDArray[np.generic]] = {}
        if self.cache_dir is not None:
            place = Path(self.cache_dir).expanduser()
            folder = ModelFolder(place, self._model_key(backbone))
            cache = EmbeddingCache(folder.path, self.dtype, self.max_bytes)
            found = cache.find(first_at)
        wanted = [key for key in first_at if key not in found]
        if wanted:
            first: list[tuple[Sequence[bytes], NDArray[np.generic]]] = []
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

                def embed(some: Sequence[bytes]) -> NDArray[np.generic]:
                    taken = rows.take([first_at[key] for key in some])
                    batch = to_device(self._batch(taken.values(), backbone), device)
                    vectors = as_vectors(call(model, batch), batch, len(some))
                    return self._stored(vectors)

                def compute(some: Sequence[bytes]) -> Iterator[NDArray[np.generic]]:
                    for start in range(0, len(some), self.batch_size):
                        part = some[start : start + self.batch_size]
                        vectors_ND = embed(part)
                        if not first:
                            first.append((part, vectors_ND))
                            recognize()
                        bar.update(len(part))
                        yield vectors_ND

                def recognize() -> None:
                    """Note what the pass changed in the model, if nothing differs."""
                    if folder is None or not first:
                        return
                    key = self._model_key(backbone)
                    if folder.is_known(key):
                        return
                    part, vectors_ND = first[0]
                    with isolated_rng(0):
                        again_ND = embed(part)
                    if np.array_equal(again_ND, vectors_ND):
                        folder.note(key)

                if cache is None:
                    parts = np.concatenate(list(compute(wanted)))
                    found = dict(zip(wanted, parts, strict=True))
                else:
                    found |= share_work(cache, wanted, compute, bar)
                    recognize()
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
