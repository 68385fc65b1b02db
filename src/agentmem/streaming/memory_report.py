"""Reports the doings of an agent's memory during one turn."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from agentmem.clients.strands_compat import session_manager_of
from agentmem.errors import ConfigurationError
from agentmem.hook.attached import memory_hooks_of
from agentmem.messages.cutting import RECALL_TOOL
from agentmem.session_manager.manager import CompactingSessionManager

if TYPE_CHECKING:
    from strands import Agent

    from agentmem.compaction.compactor import Compaction
    from agentmem.events.send_queue import WriterStatus
    from agentmem.hook.memory_hook import MemoryHook
    from agentmem.hook.saving import HookStatus
    from agentmem.streaming.events import ToolUseEvent

__all__ = ["TurnMemory"]

_CODE = re.compile(r"An error occurred \((\w+)\)")


class TurnMemory:
    """Watches the session manager and the hooks of an agent from the turn's beginning to its end."""

    def __init__(self, agent: Agent) -> None:
        """Note how things stand before the turn."""
        manager = session_manager_of(agent)
        self._agent = agent
        self._manager = manager if isinstance(manager, CompactingSessionManager) else None
        self._hooks = memory_hooks_of(agent)
        self._last = self._manager.last_compaction if self._manager is not None else None
        self._compactions: list[Compaction] = []
        self._recalls: list[dict[str, Any]] = []
        self._dropped = {id(one): one.peek_status().dropped for one in self._memories()}

    def look(self) -> None:
        """Note a compaction that happened since the last look; more often than once a model call is of no use."""
        if self._manager is None:
            return
        last = self._manager.last_compaction
        if last is not None and last is not self._last:
            self._last = last
            self._compactions.append(last)

    def called(self, call: ToolUseEvent) -> None:
        """Note a tool call, if it is a recall."""
        if call.tool_name == RECALL_TOOL:
            asked = {key: call.tool_input[key] for key in ("query", "handle", "page") if call.tool_input.get(key)}
            self._recalls.append({"tool_use_id": call.tool_use_id, **asked})

    def report(self) -> dict[str, Any]:
        """Return what `stream_turn` tells of memory; empty for an agent that has none of ours."""
        if self._manager is None and not self._hooks:
            return {}
        self.look()
        return {
            "records": self._records(),
            "compactions": [
                {
                    "trigger": one.trigger,
                    "tokens_before": one.tokens_before,
                    "tokens_after": one.tokens_after,
                    "folded": one.folded,
                    "shortened": one.shortened,
                }
                for one in self._compactions
            ],
            "recalls": self._recalls,
            "saving": self._saving(),
        }

    def _records(self) -> list[dict[str, Any]]:
        shown = []
        for hook in self._hooks:
            # A turn that ended before it began has made no memory for its agent.
            with contextlib.suppress(ConfigurationError):
                shown += [
                    {
                        "record_id": record.record_id,
                        "namespace": record.namespace,
                        "score": record.score,
                        "text": record.text,
                    }
                    for record in hook.retrieved(self._agent)
                ]
        return shown

    def _saving(self) -> dict[str, Any]:
        pending = dropped = 0
        errors: list[str] = []
        for memory in self._memories():
            status: WriterStatus | HookStatus = memory.peek_status()
            newly_dropped = status.dropped - self._dropped[id(memory)]
            pending += status.pending
            dropped += newly_dropped
            if status.last_error is not None and (status.pending or newly_dropped):
                errors.append(_kind(status.last_error))
        return {"pending": pending, "dropped": dropped, "error": errors[0] if errors else None}

    def _memories(self) -> list[CompactingSessionManager | MemoryHook]:
        return [*([self._manager] if self._manager is not None else []), *self._hooks]


def _kind(error: str) -> str:
    """Return the kind of an error; its text names accounts and roles, which are not for a browser."""
    code = _CODE.search(error)
    return code[1] if code is not None else error.partition(":")[0]
