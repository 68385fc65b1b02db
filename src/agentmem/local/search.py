"""Ranks records by full text (SQLite FTS5) and embeddings (numpy), fused into one score in [0, 1].

Vectors are kept in SQLite, and mirrored in one matrix per memory. The mirror follows the table by change number, so
other processes' writes are seen by the next search, at the price of what they changed.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from . import record_table
from .embedding import one_blas_thread
from .full_text import strengths
from .namespaces import is_below
from .search_text import parts, question

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from .embedding import Embedder
    from .storage import Store

Ranking = Literal["hybrid", "words", "meaning"]
EMBED_BATCH = 256
LOAD_BATCH = 5_000
SCOPES_KEPT = 1024  # scopes whose namespaces are remembered
SEMANTIC_CANDIDATES = 400  # best parts by embedding that are scored
# Weight of the words beside the cosine: 0.7 to 1.3 did best on LoCoMo (bench/retrieval_locomo.py).
WORDS_WEIGHT = 1.3


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search.

    Attributes:
        memory_id: The memory.
        name: A namespace.
        hierarchical: Whether the namespaces below it count too.
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
    scopes: dict[tuple[str, bool], tuple[int, list[int]]] = field(default_factory=dict)


class SearchIndex:
    """Ranks records for a query.

    Args:
        store: The database.
        embedder: Makes the vectors.
        ranking: By both, by words alone (which needs no packages), or by meaning alone.
    """

    def __init__(self, store: Store, embedder: Embedder, ranking: Ranking = "hybrid") -> None:
        self._store = store
        self._ranking = ranking
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
        """
        if self._ranking == "words":
            return self._only_words(scope, query, limit, now)
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
            with one_blas_thread():
                cosines = (mirror.matrix[: mirror.rows] @ vector)[rows] if everything else mirror.matrix[rows] @ vector
            seqs = mirror.seqs[rows]
        words = self._words(scope, query) if self._ranking == "hybrid" else {}
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

    def _words(self, scope: Scope, query: str) -> dict[int, float]:
        place = record_table.path_term if scope.hierarchical else record_table.exact_term
        with self._store.read() as connection:
            return strengths(connection, place(scope.memory_id, scope.name), query)

    def _only_words(self, scope: Scope, query: str, limit: int, now: float) -> list[tuple[int, float]]:
        ranked = sorted(self._words(scope, query).items(), key=lambda item: (-item[1], -item[0]))
        found: list[tuple[int, float]] = []
        with self._store.read() as connection:
            for seq, score in ranked:
                row = connection.execute(
                    "SELECT strategy_id FROM records WHERE seq = ? AND deleted = 0"
                    " AND (expires_at IS NULL OR expires_at > ?)",
                    (seq, now),
                ).fetchone()
                wanted = row and scope.strategy_id in (None, row["strategy_id"])
                if wanted and (scope.seqs is None or seq in scope.seqs):
                    found.append((seq, round(score, 6)))
        return found[:limit]

    def _mask(self, mirror: _Mirror, scope: Scope, now: float) -> NDArray[Any]:
        np = _numpy()
        places = np.zeros(len(mirror.place_codes) + 1, dtype=bool)
        places[self._places(mirror, scope)] = True
        rows = slice(0, mirror.rows)
        mask: NDArray[Any] = places[mirror.places[rows]] & (mirror.expiries[rows] > now)
        if scope.strategy_id is not None:
            mask &= mirror.strategies[rows] == mirror.strategy_codes.get(scope.strategy_id, -1)
        if scope.seqs is not None:
            mask &= np.isin(mirror.seqs[rows], np.fromiter(scope.seqs, dtype=np.int64, count=len(scope.seqs)))
        return mask

    def _places(self, mirror: _Mirror, scope: Scope) -> list[int]:
        """Codes of the namespaces in a scope; worked out again only when there are new ones."""
        key = (scope.name, scope.hierarchical)
        known, codes = mirror.scopes.get(key, (-1, []))
        if known != len(mirror.place_codes):
            codes = [
                code
                for name, code in mirror.place_codes.items()
                if (is_below(name, scope.name) if scope.hierarchical else name == scope.name)
            ]
            if len(mirror.scopes) >= SCOPES_KEPT:
                mirror.scopes.clear()
            mirror.scopes[key] = (len(mirror.place_codes), codes)
        return codes

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
            self._load_vectors(connection, mirror)
            mirror.change = changed[-1]["change"]
        return mirror

    def _load_vectors(self, connection: sqlite3.Connection, mirror: _Mirror) -> None:
        """Take over the vectors that are in the database already."""
        np = _numpy()
        waiting = list(mirror.unembedded)
        for start in range(0, len(waiting), LOAD_BATCH):
            chunk = waiting[start : start + LOAD_BATCH]
            marks = ",".join("?" * len(chunk))
            rows = connection.execute(
                f"SELECT seq, parts, vector FROM vectors WHERE model = ? AND seq IN ({marks})",
                (self._embedder.name, *chunk),
            ).fetchall()
            if rows:
                counts = [row["parts"] for row in rows]
                joined = np.frombuffer(b"".join(row["vector"] for row in rows), dtype=np.float16)
                _append(mirror, [row["seq"] for row in rows], counts, joined.reshape(sum(counts), -1))

    def _embed_missing(self, mirror: _Mirror, scope: Scope) -> None:
        """Embed the records of the scope that have no vector yet, and keep their vectors."""
        np = _numpy()
        if not mirror.unembedded:
            return
        places = set(self._places(mirror, scope))
        waiting = [seq for seq, (place, _, _) in mirror.unembedded.items() if place in places]
        for start in range(0, len(waiting), EMBED_BATCH):
            chunk = waiting[start : start + EMBED_BATCH]
            with self._store.read() as connection:
                marks = ",".join("?" * len(chunk))
                rows = connection.execute(
                    f"SELECT seq, text FROM records WHERE seq IN ({marks})",
                    chunk,
                ).fetchall()
            pieces = [parts(row["text"]) for row in rows]
            counts = [len(own) for own in pieces]
            vectors = self._embedder.encode([part for own in pieces for part in own]).astype(np.float16)
            seqs = [row["seq"] for row in rows]
            _append(mirror, seqs, counts, vectors)
            ends = np.cumsum(counts).tolist()
            kept = [
                (seq, self._embedder.name, count, vectors[end - count : end].tobytes())
                for seq, count, end in zip(seqs, counts, ends, strict=True)
            ]
            with self._store.write() as connection:
                connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", kept)


def _append(mirror: _Mirror, seqs: list[int], counts: list[int], vectors: Any) -> None:
    """Add the vectors of records that were waiting for them; the arrays grow by doubling.

    Args:
        mirror: The mirror.
        seqs: The records.
        counts: How many vectors each has.
        vectors: All of them, in that order.
    """
    np = _numpy()
    needed = mirror.rows + len(vectors)
    if mirror.matrix is None or needed > len(mirror.seqs):
        size = max(1024, 2 * needed)
        grown: dict[str, Any] = {
            "seqs": np.zeros(size, dtype=np.int64),
            "places": np.zeros(size, dtype=np.int32),
            "strategies": np.zeros(size, dtype=np.int32),
            "expiries": np.zeros(size, dtype=np.float64),
            "matrix": np.zeros((size, vectors.shape[1]), dtype=np.float32),
        }
        for name, array in grown.items():
            if mirror.matrix is not None:
                array[: mirror.rows] = getattr(mirror, name)[: mirror.rows]
            setattr(mirror, name, array)
    rows = slice(mirror.rows, needed)
    where = [mirror.unembedded.pop(seq) for seq in seqs]
    mirror.seqs[rows] = np.repeat(np.array(seqs, dtype=np.int64), counts)
    for position, name in enumerate(("places", "strategies", "expiries")):
        getattr(mirror, name)[rows] = np.repeat(np.array([place[position] for place in where]), counts)
    mirror.matrix[rows] = vectors
    mirror.rows = needed


def _keep_rows(mirror: _Mirror, rows: Iterable[int]) -> None:
    for name in ("seqs", "places", "strategies", "expiries", "matrix"):
        array = getattr(mirror, name)
        kept = array[rows]
        array[: len(kept)] = kept
    mirror.rows = len(kept)


def _numpy() -> Any:
    import numpy as np  # here: not every program that opens a memory searches it

    return np
