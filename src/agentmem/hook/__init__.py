"""MemoryHook, and its parts: whose memory it is, what it saves, what it restores and shows to the model, and how."""

from __future__ import annotations

from agentmem.hook.memory_hook import MemoryHook

__all__ = ["MemoryHook"]
