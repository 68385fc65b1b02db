"""Waits for new long-term memories: baselines, polls, pauses and progress."""

from __future__ import annotations

from agentmem.records.waiting.polling import WaitProgress
from agentmem.records.waiting.wait import take_mark, wait_for_memories, wait_for_memories_async

__all__ = ["WaitProgress", "take_mark", "wait_for_memories", "wait_for_memories_async"]
