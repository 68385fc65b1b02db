"""Relevance: full text (SQLite FTS5) and embeddings (numpy), fused into one score in [0, 1].

Vectors are kept in SQLite, and mirrored in one matrix per memory. The mirror follows the table by change number, so
other processes' writes are seen by the next search, at the price of what they changed.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import record_table
from .errors import MissingExtraError
from .namespaces import is_below
from .search_text import coverage, parts, query_terms, question

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from .embedding import Embedder
    from .storage import Store

EMBED_BATCH = 256
WORD_CANDIDATES = 64  # best records by words that are scored
SEMANTIC_CANDIDATES = 400  # best parts by embedding that are scored
# Weight of the words beside the cosine: 0.7 to 1.3 did best on LoCoMo (bench/retrieval_locomo.py).
WORDS_WEIGHT = 1.3


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search.

    Attributes:
        memory_id: The memory.
        name: A namespace.
        hierarchical: Whether what lies below it counts too.
        strategy_id: Only this strategy's records, or None.
        seqs: Only these records, or None (set when metadata filters chose them before).
    """

    memory_id: str
    name: str
    hierarchical: bool
    strategy_id: str | None = None
    seqs: frozenset[int] | None = None


@dataclass(slots=True)
class _Mirror:
    """The vectors of one memory in the process's memory: parallel arrays, one row for each part of a record."""

    change: int = 0
    rows: int = 0
    seqs: Any = None
    places: Any = None
    strategies: Any = None
    expiries: Any = None
    matrix: Any = None
    place_codes: dict[str, int] = field(default_factory=dict)
    strategy_codes: dict[str, int] = field(default_factory=dict)
    unembedded: dict[int, tuple[int, int, float]] = field(default_factory=dict)


class SearchIndex:
    """Ranks records for a query.

    Args:
        store: The database.
        embedder: Makes the vectors.
    """

    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder
        self._mirrors: dict[str, _Mirror] = {}
        self._lock = threading.Lock()

    def search(self, scope: Scope, query: str, limit: int, now: float) -> list[tuple[int, float]]:
        """The best records.

        Args:
            scope: Where to search.
            query: In plain words.
            limit: At most so many.
            now: The service's clock; expired records are left out.

        Returns:
            ``(seq, score)``, best first; scores in [0, 1].

        Raises:
            MissingExtraError: The packages for embeddings are not installed.
        """
        np = _numpy()
        with self._lock:
            mirror = self._synchronised(scope.memory_id)
            self._embed_missing(mirror, scope)
            if not mirror.rows:
                return []
            mask = self._mask(mirror, scope, now)
            if not mask.any():
                return []
            [vector] = self._embedder.encode([question(query)])
            rows = np.flatnonzero(mask)
            everything = len(rows) * 2 > mirror.rows
            cosines = (mirror.matrix[: mirror.rows] @ vector)[rows] if everything else mirror.matrix[rows] @ vector
            seqs = mirror.seqs[rows]
        words = self._by_words(scope, query)
        return self._fused(seqs, cosines, words, limit)

    def _fused(
        self, seqs: NDArray[np.int64], cosines: NDArray[np.float32], words: dict[int, float], limit: int
    ) -> list[tuple[int, float]]:
        np = _numpy()
        count = min(SEMANTIC_CANDIDATES, len(seqs))
        top = np.argpartition(-cosines, count - 1)[:count]
        lexical = np.fromiter(words, dtype=np.int64, count=len(words))
        matched = np.flatnonzero(np.isin(seqs, lexical))
        meaning: dict[int, float] = {}
        for row in np.concatenate([top, matched]).tolist():
            seq = int(seqs[row])
            meaning[seq] = max(meaning.get(seq, -1.0), float(cosines[row]))
        evidence = {seq: cosine + WORDS_WEIGHT * words.get(seq, 0.0) for seq, cosine in meaning.items()}
        ranked = sorted(evidence.items(), key=lambda item: (-item[1], -item[0]))[:limit]
        scores = np.interp([value for _, value in ranked], *zip(*self._embedder.scale, strict=True))
        return [(seq, round(float(score), 6)) for (seq, _), score in zip(ranked, scores, strict=True)]

    def _by_words(self, scope: Scope, query: str) -> dict[int, float]:
        """Records that share words with the query: seq to a strength in [0, 1].

        The strength is the BM25 rank relative to the best record's, damped by how many of the query's words the
        record lacks: one shared word out of four says little, however rare it is.
        """
        terms = query_terms(query)
        if not terms:
            return {}
        place = (record_table.path_term if scope.hierarchical else record_table.exact_term)(scope.memory_id, scope.name)
        quoted = " OR ".join(f'"{term}"' for term in terms)
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT rowid, text, bm25(words, 1.0, 0.0) AS rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?",
                (f"scope : {place} AND text : ({quoted})", WORD_CANDIDATES),
            ).fetchall()
        best = max((-row["rank"] for row in rows), default=0.0)
        if best <= 0:
            return {}
        return {row["rowid"]: -row["rank"] / best * coverage(terms, row["text"]) ** 1.5 for row in rows}

    def _mask(self, mirror: _Mirror, scope: Scope, now: float) -> NDArray[Any]:
        np = _numpy()
        wanted = np.zeros(len(mirror.place_codes) + 1, dtype=bool)
        for name, code in mirror.place_codes.items():
            wanted[code] = is_below(name, scope.name) if scope.hierarchical else name == scope.name
        rows = slice(0, mirror.rows)
        mask: NDArray[Any] = wanted[mirror.places[rows]] & (mirror.expiries[rows] > now)
        if scope.strategy_id is not None:
            mask &= mirror.strategies[rows] == mirror.strategy_codes.get(scope.strategy_id, -1)
        if scope.seqs is not None:
            mask &= np.isin(mirror.seqs[rows], np.fromiter(scope.seqs, dtype=np.int64, count=len(scope.seqs)))
        return mask

    def _synchronised(self, memory_id: str) -> _Mirror:
        """The mirror of a memory, brought up to date."""
        np = _numpy()
        mirror = self._mirrors.setdefault(memory_id, _Mirror())
        with self._store.read() as connection:
            changed = connection.execute(
                "SELECT seq, change, deleted, namespace, strategy_id, expires_at FROM records"
                " WHERE memory_id = ? AND change > ? ORDER BY change",
                (memory_id, mirror.change),
            ).fetchall()
            if not changed:
                return mirror
            stale = {row["seq"] for row in changed}
            if mirror.rows and mirror.change:
                keep = ~np.isin(mirror.seqs[: mirror.rows], np.fromiter(stale, dtype=np.int64, count=len(stale)))
                if not keep.all():
                    _keep_rows(mirror, np.flatnonzero(keep))
            for seq in stale:
                mirror.unembedded.pop(seq, None)
            for row in changed:
                if not row["deleted"]:
                    place = mirror.place_codes.setdefault(row["namespace"], len(mirror.place_codes) + 1)
                    strategy = mirror.strategy_codes.setdefault(row["strategy_id"], len(mirror.strategy_codes) + 1)
                    expiry = float("inf") if row["expires_at"] is None else row["expires_at"]
                    mirror.unembedded[row["seq"]] = (place, strategy, expiry)
            self._load_vectors(connection, mirror, memory_id)
            mirror.change = changed[-1]["change"]
        return mirror

    def _load_vectors(self, connection: sqlite3.Connection, mirror: _Mirror, memory_id: str) -> None:
        """Take over the vectors that are in the database already."""
        np = _numpy()
        waiting = list(mirror.unembedded)
        for start in range(0, len(waiting), 500):
            chunk = waiting[start : start + 500]
            marks = ",".join("?" * len(chunk))
            rows = connection.execute(
                f"SELECT seq, vector FROM vectors WHERE model = ? AND seq IN ({marks})", (self._embedder.name, *chunk)
            ).fetchall()
            for row in rows:
                count = int.from_bytes(row["vector"][:4], "little")
                vectors = np.frombuffer(row["vector"], dtype=np.float16, offset=4).reshape(count, -1)
                _append(mirror, row["seq"], mirror.unembedded.pop(row["seq"]), vectors)

    def _embed_missing(self, mirror: _Mirror, scope: Scope) -> None:
        """Embed the records of the scope that have no vector yet, and keep their vectors."""
        np = _numpy()
        if not mirror.unembedded:
            return
        places = {
            code
            for name, code in mirror.place_codes.items()
            if (is_below(name, scope.name) if scope.hierarchical else name == scope.name)
        }
        waiting = [seq for seq, (place, _, _) in mirror.unembedded.items() if place in places]
        for start in range(0, len(waiting), EMBED_BATCH):
            chunk = waiting[start : start + EMBED_BATCH]
            with self._store.read() as connection:
                marks = ",".join("?" * len(chunk))
                rows = connection.execute(f"SELECT seq, text FROM records WHERE seq IN ({marks})", chunk).fetchall()
            texts = [(row["seq"], parts(row["text"])) for row in rows]
            vectors = self._embedder.encode([part for _, pieces in texts for part in pieces])
            position, kept = 0, []
            for seq, pieces in texts:
                own = vectors[position : position + len(pieces)].astype(np.float16)
                position += len(pieces)
                _append(mirror, seq, mirror.unembedded.pop(seq), own)
                kept.append((seq, self._embedder.name, len(pieces).to_bytes(4, "little") + own.tobytes()))
            with self._store.write() as connection:
                connection.executemany("INSERT OR REPLACE INTO vectors (seq, model, vector) VALUES (?, ?, ?)", kept)


def _numpy() -> Any:
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtraError("Searching memory records", "numpy") from error
    return np


def _append(mirror: _Mirror, seq: int, place: tuple[int, int, float], vectors: Any) -> None:
    """Add the parts of one record; the arrays grow by doubling."""
    np = _numpy()
    count, dimensions = vectors.shape
    needed = mirror.rows + count
    if mirror.matrix is None or needed > len(mirror.seqs):
        size = max(1024, 2 * needed)
        grown: dict[str, Any] = {
            "seqs": np.zeros(size, dtype=np.int64),
            "places": np.zeros(size, dtype=np.int32),
            "strategies": np.zeros(size, dtype=np.int32),
            "expiries": np.zeros(size, dtype=np.float64),
            "matrix": np.zeros((size, dimensions), dtype=np.float32),
        }
        for name, array in grown.items():
            if mirror.matrix is not None:
                array[: mirror.rows] = getattr(mirror, name)[: mirror.rows]
            setattr(mirror, name, array)
    rows = slice(mirror.rows, needed)
    mirror.seqs[rows] = seq
    mirror.places[rows], mirror.strategies[rows], mirror.expiries[rows] = place
    mirror.matrix[rows] = vectors
    mirror.rows = needed


def _keep_rows(mirror: _Mirror, rows: Iterable[int]) -> None:
    for name in ("seqs", "places", "strategies", "expiries", "matrix"):
        array = getattr(mirror, name)
        kept = array[rows]
        array[: len(kept)] = kept
    mirror.rows = len(kept)
