"""Takes a message apart into blocks to draw: words, tool calls, tool results, and media by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from agentmem.messages.text import MEDIA, message_text, text_of
from agentmem.streaming.events import json_form

if TYPE_CHECKING:
    from strands.types.content import Message

__all__ = ["Block", "blocks_of"]

Kind = Literal["text", "tool_use", "tool_result", "reasoning", "other"]


@dataclass(frozen=True)
class Block:
    """One block of a message.

    Attributes:
        kind: Its kind.
        text: Its words; of a tool call its input and of a result its content, as readable text.
        name: The tool, or the kind of another block.
        tool_use_id: What a tool call and its result have in common, or empty.
        failed: Whether a tool result reports an error.
        length: Characters of the whole text, of which `text` may be the beginning.
    """

    kind: Kind
    text: str
    name: str = ""
    tool_use_id: str = ""
    failed: bool = False
    length: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether `text` is only the beginning."""
        return self.length > len(self.text)


def blocks_of(message: Message, most: int | None = None) -> tuple[Block, ...]:
    """Return the blocks of a message.

    Args:
        message: The message.
        most: Characters of each block at most; None for all.
    """
    return tuple(_block(block, most) for block in message["content"])


def _block(block: Any, most: int | None) -> Block:
    if "toolUse" in block:
        use = block["toolUse"]
        return _cut("tool_use", _json(use.get("input")), most, name=str(use.get("name", "")), use=use)
    if "toolResult" in block:
        result = block["toolResult"]
        text = "\n".join(_result_part(part) for part in result.get("content") or ())
        return _cut("tool_result", text, most, failed=result.get("status") == "error", use=result)
    if "reasoningContent" in block:
        inner = block["reasoningContent"].get("reasoningText") or {}
        return _cut("reasoning", str(inner.get("text", "")), most, name="reasoning")
    words = text_of(block)
    if words or "text" in block:
        return _cut("text", words, most)
    kind = next(iter(block), "nothing")
    return _cut("other", message_text({"role": "user", "content": [block]}), most, name=kind)


def _cut(kind: Kind, text: str, most: int | None, *, name: str = "", failed: bool = False, use: Any = None) -> Block:
    shown = text if most is None else text[:most]
    use_id = "" if use is None else str(use.get("toolUseId", ""))
    return Block(kind, shown, name, use_id, failed, len(text))


def _result_part(part: Any) -> str:
    if "text" in part:
        return str(part["text"])
    if "json" in part:
        return _json(part["json"])
    return f"[{next((name for name in MEDIA if name in part), 'other content')}]"


def _json(value: Any) -> str:
    return json.dumps(json_form(value), ensure_ascii=False, indent=2)
