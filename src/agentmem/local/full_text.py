"""Ranks records by shared words with SQLite's full-text index, within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.meaning.terms import language_of

from .search_text import coverage, query_terms

if TYPE_CHECKING:
    import sqlite3

WORD_CANDIDATES = 64  # best records by words that are scored
RANKED_ROWS = 8_000  # rows that full text may rank for one search, about 6 ms


def strengths(connection: sqlite3.Connection, place: str, query: str) -> dict[int, float]:
    """Records that share words with a query.

    Args:
        connection: For reading.
        place: Index word of where to look (`record_table.exact_term` or `record_table.path_term`).
        query: In plain words.

    Returns:
        ``seq`` to a strength in [0, 1]: the BM25 rank relative to the best record's, damped by how many of the query's
        words the record lacks. One shared word out of four says little, however rare it is.
    """
    language = language_of(query)
    terms = query_terms(query, language)
    found = _matches(connection, place, terms)
    best = max((rank for _, rank in found.values()), default=0.0)
    if best <= 0:
        return {}
    return {seq: rank / best * coverage(terms, text, language) ** 1.5 for seq, (text, rank) in found.items()}


def _matches(connection: sqlite3.Connection, place: str, terms: list[str]) -> dict[int, tuple[str, float]]:
    """Text and BM25 rank (higher is better) of the best records in a place that hold any of the terms.

    Ranking every record that holds a common word would take longer than all else. Where the words are common, those
    that hold all of them are ranked, and those that hold the rarest.
    """
    frequency = {}
    for term in terms:
        counted = connection.execute(
            "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)", (f'text : "{term}"', RANKED_ROWS)
        ).fetchone()[0]
        if counted:
            frequency[term] = counted
    known = sorted(frequency, key=frequency.__getitem__)
    found: dict[int, tuple[str, float]] = {}
    if sum(frequency.values()) > RANKED_ROWS:
        found = _ranked(connection, place, " AND ".join(f'"{term}"' for term in known))
        total = 0
        rare: list[str] = []
        for term in known:
            total += frequency[term]
            if rare and total > RANKED_ROWS:
                break
            rare.append(term)
        known = rare
    if known and len(found) < WORD_CANDIDATES:
        found = {**_ranked(connection, place, " OR ".join(f'"{term}"' for term in known)), **found}
    return found


def _ranked(connection: sqlite3.Connection, place: str, words: str) -> dict[int, tuple[str, float]]:
    rows = connection.execute(
        "SELECT rowid, text, bm25(words, 1.0, 0.0) AS rank FROM words WHERE words MATCH ? ORDER BY rank LIMIT ?",
        (f"scope : {place} AND text : ({words})", WORD_CANDIDATES),
    ).fetchall()
    return {row["rowid"]: (row["text"], -row["rank"]) for row in rows}
