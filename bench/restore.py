"""Measures the opening of a session of 1,000 and of 10,000 messages, the first time and later ones, in one run.

    python bench/restore.py

The first opening folds the past; what counts is that a later one costs the same whatever was folded.
"""

from __future__ import annotations

import statistics
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from strands import Agent

from agentmem import CompactionConfig, MemoryConfig
from agentmem.events.serializer import encode_message
from agentmem.testing import ScriptedModel

OPENINGS = 9


def _fill(config: MemoryConfig, session_id: str, messages: int) -> None:
    began = datetime.now(UTC) - timedelta(hours=5)
    for number in range(messages // 2):
        said: list[Any] = [
            {
                "role": role,
                "content": [{"text": f"{role} {number} talks about the harbour and item K-{number}. " * 4}],
                "tracking_id": str(uuid.uuid4()),
            }
            for role in ("user", "assistant")
        ]
        config.data_plane().create_event(
            memoryId=config.memory_id,
            actorId="ann",
            sessionId=session_id,
            eventTimestamp=began + timedelta(seconds=number),
            payload=[encode_message(message) for message in said],
        )


def _opening(config: MemoryConfig, session_id: str) -> float:
    began = time.process_time()
    manager = config.bind("ann", session_id).session_manager()
    Agent(model=ScriptedModel(), session_manager=manager, callback_handler=None)
    return time.process_time() - began


def main() -> None:
    """Print milliseconds of CPU, embedded service included."""
    config = MemoryConfig.local(path=":memory:", namespaces=(), compaction=CompactionConfig(token_threshold=4_000))
    later: dict[int, float] = {}
    for messages in (1_000, 10_000):
        session_id = f"messages-{messages}"
        _fill(config, session_id, messages)
        first = _opening(config, session_id)
        later[messages] = statistics.median(_opening(config, session_id) for _ in range(OPENINGS))
        print(f"{messages:>6,} messages: first opening {first:.2f} s, later {later[messages] * 1000:.1f} ms")
    print(f"10,000 messages cost {later[10_000] / later[1_000]:.2f} times what 1,000 do")


if __name__ == "__main__":
    main()
