"""Transformers from files, texts and arrays to embeddings that are kept on disk."""

from skal_deep.embedding._embedder import Embedder
from skal_deep.embedding._images import ImageEmbedder
from skal_deep.embedding._row_lookup import RowLookup

__all__ = ["Embedder", "ImageEmbedder", "RowLookup"]
