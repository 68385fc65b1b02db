"""Waiting for long-term memories: what is new, when to look again, how to pause, and how to show that it goes on."""

from __future__ import annotations

from agentmem.records.waiting.polling import WaitProgress
from agentmem.records.waiting.wait import take_mark, wait_for_memories, wait_for_memories_async

__all__ = ["WaitProgress", "take_mark", "wait_for_memories", "wait_for_memories_async"]
