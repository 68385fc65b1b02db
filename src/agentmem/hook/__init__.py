"""Remembers for a Strands agent as a hook: saves, restores and retrieves (MemoryHook)."""

from __future__ import annotations

from agentmem.hook.memory_hook import MemoryHook

__all__ = ["MemoryHook"]
