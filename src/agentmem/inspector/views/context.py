"""Reads the context that the model sees of a session: its parts, its messages, and the reasons of each summary line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.checkpoints.summary import TITLES
from agentmem.drawing.figures import BarPart
from agentmem.inspector.views.message_blocks import blocks_of
from agentmem.inspector.views.timeline import PREVIEW, MessageItem
from agentmem.messages.tokens import count_message, prompt_tokens
from agentmem.messages.truncation import handle_of
from agentmem.session_manager.session_view import SessionView, ShownMessage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agentmem.checkpoints.summary import Summary
    from agentmem.config import MemoryConfig
    from agentmem.events.pins import Pin
    from agentmem.inspector.views.place import Place

__all__ = ["ContextItem", "ContextView", "SummaryLine", "read_context", "summary_lines"]

PART_NAMES = {
    "fixed": "system prompt and tools",
    "pinned": "pinned",
    "summary": "summary",
    "head": "kept from a folded turn",
    "shortened": "shortened",
    "whole": "whole",
    "protected": "newest turns, protected",
}
"""The parts of a context, in the order in which they are drawn."""


@dataclass(frozen=True)
class SummaryLine:
    """One line of a summary and the reason it is there.

    Attributes:
        section: The heading it stands under.
        text: The line.
        by: ``user``, ``assistant``, or empty for a line that is no quotation.
        kind: Kind of the sentence as it was judged, or empty.
        sure: How sure the judgement is, 0 to 1.
        weight: Its worth when there is not room for all.
        handle: Handle of the message it is from, or empty.
        day: The day of that message, or empty.
    """

    section: str
    text: str
    by: str = ""
    kind: str = ""
    sure: float = 0.0
    weight: float = 0.0
    handle: str = ""
    day: str = ""


@dataclass(frozen=True)
class ContextItem:
    """One message as the model sees it.

    Attributes:
        part: Why it is shown as it is, a key of `PART_NAMES`.
        shown: The message as it is shown.
        stored_tokens: Its tokens as it stands in the log.
    """

    part: str
    shown: MessageItem
    stored_tokens: int


@dataclass(frozen=True)
class ContextView:
    """The context of a session.

    Attributes:
        parts: Tokens by part, keys of `PART_NAMES`.
        items: The messages, oldest first.
        summary: The lines of the summary.
        pins: The statements that are pinned, oldest first.
        threshold: Tokens at which a compaction is due.
        tokens: Tokens of the whole request, calibrated by what the model last reported.
        folded_messages: Messages that the summary stands for.
        version: Version of the checkpoint, or None.
        compacted_at: When it was saved, or None.
        fixed_is_estimated: Whether the tokens of system prompt and tools come from the model's last report.
        unread: Whether an agent would first fold older events that are not read here.
        is_empty: Whether the session has no events.
    """

    parts: dict[str, int]
    items: tuple[ContextItem, ...]
    summary: tuple[SummaryLine, ...]
    pins: tuple[Pin, ...]
    threshold: int
    tokens: int
    folded_messages: int
    version: int | None
    compacted_at: datetime | None
    fixed_is_estimated: bool
    unread: bool
    is_empty: bool

    @property
    def seen(self) -> list[BarPart]:
        """The parts of the context as the model sees it."""
        return [BarPart(PART_NAMES[part], tokens, part) for part, tokens in self.parts.items()]

    @property
    def stored(self) -> list[BarPart]:
        """The messages in view, as they are stored, by part."""
        sums = dict.fromkeys(("pinned", "head", "shortened", "whole", "protected"), 0)
        for item in self.items:
            sums[item.part] += item.stored_tokens
        return [BarPart(PART_NAMES[part], tokens, part) for part, tokens in sums.items()]


def read_context(config: MemoryConfig, place: Place, *, fixed_tokens: int | None = None) -> ContextView:
    """Read the context of a session; nothing is written.

    Args:
        config: The memory.
        place: The session and its agent.
        fixed_tokens: Tokens of the system prompt and the tools; None to take them from the model's last report.

    Raises:
        HistoryUnavailableError: The events could not be read.
        CheckpointStoreError: The checkpoint could not be read.
        IdentityError: An id is malformed, or the session belongs to an agent of another id.
        ConfigurationError: The checkpoints are in another process's memory.
    """
    view = SessionView(config, place.actor_id, place.session_id, agent_id=place.agent_id)
    estimated = fixed_tokens is None
    view.fixed_tokens = _reported_fixed_tokens(view) if fixed_tokens is None else fixed_tokens
    checkpoint = view.checkpoint
    shown = view.shown()
    parts = dict.fromkeys(PART_NAMES, 0) | {
        "fixed": view.fixed_tokens,
        "pinned": view.pinned_tokens,
        "summary": view.summary_tokens,
    }
    for one in shown:
        parts[one.part] += one.tokens
    return ContextView(
        parts=parts,
        items=tuple(_item(one, logged) for one, logged in zip(shown, view.stored, strict=True)),
        summary=() if checkpoint is None else tuple(summary_lines(checkpoint.summary)),
        pins=view.pins,
        threshold=view.limits.threshold,
        tokens=view.tokens,
        folded_messages=0 if checkpoint is None else checkpoint.folded_messages,
        version=None if checkpoint is None else checkpoint.version,
        compacted_at=None if checkpoint is None else checkpoint.created_at,
        fixed_is_estimated=estimated,
        unread=view.unread,
        is_empty=view.is_empty,
    )


def summary_lines(summary: Summary) -> list[SummaryLine]:
    """Return the lines of a summary with their reasons, in the order in which the model is shown them."""
    lines = [SummaryLine("Remarks about the history", note) for note in summary.notes]
    if summary.narrative:
        lines.append(SummaryLine("Retold by the model", summary.narrative))
    sections = dict.fromkeys((*TITLES, *(one.section for one in summary.statements)))
    for section in sections:
        lines += [
            SummaryLine(
                TITLES.get(section, section),
                one.line(),
                by=one.by,
                kind=one.kind,
                sure=one.sure,
                weight=one.weight,
                handle=one.source,
                day=one.at,
            )
            for one in summary.statements
            if one.section == section
        ]
    lines += [SummaryLine("Tools used", tool.line()) for tool in summary.tools]
    return lines


def _item(one: ShownMessage, logged: Any) -> ContextItem:
    message = one.message
    return ContextItem(
        part=one.part,
        shown=MessageItem(
            handle=handle_of(message["tracking_id"]),
            role=message["role"],
            at=logged.at,
            event_id=logged.position.event_id,
            item=logged.position.item,
            tokens=one.tokens,
            blocks=blocks_of(message, PREVIEW),
        ),
        stored_tokens=count_message(logged.message),
    )


def _reported_fixed_tokens(view: SessionView) -> int:
    """Return what the model reported for its last request beyond the messages that it was sent."""
    since = None if view.checkpoint is None else view.checkpoint.created_at
    pairs: Sequence[Any] = list(zip(view.messages, view.stored, strict=True))
    for index in range(len(pairs) - 1, -1, -1):
        _, logged = pairs[index]
        usage = (logged.message.get("metadata") or {}).get("usage")
        if not usage or logged.message["role"] != "assistant":
            continue
        if since is not None and logged.at < since:
            return 0  # of a request before the compaction: it says nothing of what is shown now
        sent = view.pinned_tokens + sum(count_message(message) for message, _ in pairs[:index])
        return max(prompt_tokens(usage) - sent, 0)
    return 0
