"""Holds the conversation of `agentmem demo` and its tools."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strands.tools.decorator import DecoratedFunctionTool

FACTS = (
    "Hello, I am Ana. I live in Bergen and I work as a marine biologist.",
    "I prefer a window seat on trains, and I am vegetarian.",
    "My sister Marta lives in Porto, and I visit her every June.",
)
"""What the user states in the first session."""

QUESTIONS = (
    ("Which seat do I prefer on trains?", "window seat"),
    ("Where does my sister Marta live?", "Porto"),
)
"""What another agent is asked in another session, and what its answer must hold."""

REQUESTS = (
    "Search hotels in Porto for four nights.",
    "Search trains from Porto to Lisbon.",
    "Search museums in Porto.",
    "Search hotels in Lisbon for two nights.",
    "Search trains from Lisbon to Faro.",
    "Search museums in Lisbon.",
    "Search hotels in Faro for three nights.",
    "Search trains from Faro to Porto.",
    "Search museums in Faro.",
)
"""What the user asks for in the long session; each takes a tool call with a long result."""

PINNED = "Propose no hotel of more than 150 euros a night."
"""A statement that is pinned in the long session for the inspector."""

DETAIL = ("Where is the key of Casa Azul?", "with the baker at Rua de Cedofeita 40")
"""A detail from deep inside the first of these results: the question about it and what the answer must hold."""

_STREETS = ("Rua do Almada", "Rua das Flores", "Largo do Carmo", "Rua da Prata", "Travessa do Carvalho", "Rua Nova")
_NAMES = (
    "Miragaia",
    "Boavista",
    "Ribeira",
    "Alfama",
    "Graça",
    "Estrela",
    "Cedros",
    "Farol",
    "Sol",
    "Mar",
    "Rio",
    "Vento",
)
_REMARKS = (
    "breakfast until ten",
    "third floor, no lift",
    "quiet side street",
    "bicycles to borrow",
    "sea view",
    "small garden",
)
_ROWS = 22
_DETAIL_ROW = 13


def travel_tools() -> list[DecoratedFunctionTool[..., str]]:
    """Return the tools of the long session; the same request always has the same result.

    Returns:
        `search_hotels`, `search_trains` and `search_museums`.
    """
    from strands import tool

    @tool
    def search_hotels(query: str) -> str:
        """Search hotels.

        Args:
            query: City and nights.
        """
        rows = _rows(query, "hotel", "Casa")
        if "Porto" in query:
            rows[_DETAIL_ROW] = {
                "hotel": "Casa Azul",
                "address": f"{_STREETS[0]} 7",
                "price_eur": 84,
                "remark": "the key is with the baker at Rua de Cedofeita 40",
            }
        return json.dumps(rows, ensure_ascii=False)

    @tool
    def search_trains(query: str) -> str:
        """Search trains.

        Args:
            query: From where to where.
        """
        return json.dumps(_rows(query, "train", "IC"), ensure_ascii=False)

    @tool
    def search_museums(query: str) -> str:
        """Search museums.

        Args:
            query: City.
        """
        return json.dumps(_rows(query, "museum", "Museu"), ensure_ascii=False)

    return [search_hotels, search_trains, search_museums]


def _rows(query: str, kind: str, prefix: str) -> list[dict[str, str | int]]:
    """Make a long result; the query is the seed."""
    chance = random.Random(query)  # noqa: S311 - made-up rows, not secrets
    return [
        {
            kind: f"{prefix} {chance.choice(_NAMES)} {chance.randint(10, 999)}",
            "address": f"{chance.choice(_STREETS)} {chance.randint(1, 180)}",
            "price_eur": chance.randint(20, 240),
            "remark": chance.choice(_REMARKS),
        }
        for _ in range(_ROWS)
    ]
