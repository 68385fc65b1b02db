"""Carries out the changes that the inspector offers with `--write`: pins, unpins, deletes and forgets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agentmem.operations.forgetting import Forgetting
from agentmem.session_manager.session_view import DEFAULT_AGENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentmem.config import MemoryConfig

__all__ = ["Actions"]


class Actions:
    """The changes, by name."""

    def __init__(self, config: MemoryConfig) -> None:
        """Change nothing yet."""
        self._config = config
        self._known: dict[str, Callable[[Mapping[str, str]], str]] = {
            "pin": self._pin,
            "unpin": self._unpin,
            "delete-record": self._delete_record,
            "forget/count": self._count_traces,
            "forget": self._forget,
        }

    async def do(self, name: str, given: Mapping[str, str]) -> str:
        """Carry out a change.

        Args:
            name: Its name.
            given: Its fields.

        Returns:
            A sentence about what was done.

        Raises:
            KeyError: There is no such change, or a field is missing.
            AgentMemError: It cannot be done.
            ClientError: The service refused a call.
        """
        return await asyncio.to_thread(self._known[name], given)

    def _pin(self, given: Mapping[str, str]) -> str:
        memory = self._config.bind(given["actor"], given["session"])
        memory.pin(given["text"], agent_id=given.get("agent") or DEFAULT_AGENT)
        return "The statement is pinned."

    def _unpin(self, given: Mapping[str, str]) -> str:
        memory = self._config.bind(given["actor"], given["session"])
        memory.unpin(given["pin"], agent_id=given.get("agent") or DEFAULT_AGENT)
        return "The statement is not pinned any more."

    def _delete_record(self, given: Mapping[str, str]) -> str:
        self._config.data_plane().delete_memory_record(memoryId=self._config.memory_id, memoryRecordId=given["record"])
        return "The record is deleted."

    def _count_traces(self, given: Mapping[str, str]) -> str:
        counts = Forgetting(self._config, given["actor"]).find().counts
        listed = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        return f"There are {listed}. Nothing of it can be brought back."

    def _forget(self, given: Mapping[str, str]) -> str:
        forgetting = Forgetting(self._config, given["actor"])
        found = forgetting.find()
        forgetting.forget(found)
        return f"The actor is forgotten: {found.counts['events']:,} events and {found.counts['records']:,} records."
