"""The tool with which an agent pins what the user insists on."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING
from unicodedata import normalize

from strands import ToolContext, tool

from agentmem.compaction.summary.quotes import find_quote
from agentmem.errors import AgentMemError
from agentmem.messages.turns import is_own_message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.agent.agent import Agent
    from strands.types.content import Message
    from strands.types.tools import AgentTool

    from agentmem.session_manager.session_pins import SessionPins

__all__ = ["PIN_TOOL", "pin_tool", "register_pin_tool"]

PIN_TOOL = "pin_statement"
"""Name of the tool."""

_log = logging.getLogger(__name__)


def pin_tool(pins: SessionPins) -> AgentTool:
    """Return the tool over one session's pins.

    It pins only what the user said, in the user's own words: a tool's result or a document can ask a model for
    anything. It takes back only what it pinned itself.
    """

    @tool(name=PIN_TOOL, context=True)
    async def pin_statement(sentence: str, tool_context: ToolContext, remove: bool = False) -> str:
        """Keep a sentence of the user's in view for the rest of this conversation, word for word.

        Use it when the user insists that something holds from now on, and with remove when the user takes it back.

        Args:
            sentence: The user's own sentence, copied letter for letter.
            tool_context: Given by Strands.
            remove: True to take back a sentence that was kept with this tool.
        """
        try:
            if remove:
                return await asyncio.to_thread(_unpin, pins, sentence)
            found = _said_by_user(tool_context.agent.messages, sentence)
            if found is None:
                return "Not kept: no message of the user in view says this. Copy the user's own sentence exactly."
            await asyncio.to_thread(pins.pin, found, pins.board.pins, by="agent")
        except AgentMemError as error:
            _log.warning("error=<%s> | the agent's pin was refused", error)
            return "Not kept: there is no room for it, or the memory cannot be reached just now. Tell the user."
        return "Kept."

    return pin_statement


def register_pin_tool(agent: Agent, pins: SessionPins) -> None:
    """Give an agent the tool, unless it has one of that name."""
    if PIN_TOOL in agent.tool_registry.registry:
        _log.warning("tool_name=<%s> | the agent has a tool of this name already, pinning is not offered", PIN_TOOL)
        return
    agent.tool_registry.register_tool(pin_tool(pins))


def _unpin(pins: SessionPins, sentence: str) -> str:
    wanted = sentence.strip()
    own = [one for one in pins.board.pins.statements if one.by == "agent" and one.text == wanted]
    if not own:
        return "There is no such sentence that this tool has kept. Copy it exactly from the pinned statements."
    pins.unpin(own[0], pins.board.pins)
    return "Taken back."


def _said_by_user(messages: Sequence[Message], sentence: str) -> str | None:
    """Return the user's whole sentences in which a quote stands, newest message first."""
    for message in reversed(messages):
        if not is_own_message(message):
            continue
        for block in message["content"]:
            found = find_quote(normalize("NFC", block["text"]), sentence) if "text" in block else None
            if found is not None:
                return found[0]
    return None
