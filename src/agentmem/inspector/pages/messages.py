"""Draws messages: words as they were said, tool traffic folded, media by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.drawing.figures import chip, one_line
from agentmem.drawing.markup import Markup, element, fragment
from agentmem.inspector.pages.layout import copyable, when

if TYPE_CHECKING:
    from agentmem.inspector.views.message_blocks import Block
    from agentmem.inspector.views.place import Place
    from agentmem.inspector.views.timeline import MessageItem

__all__ = ["block_list", "message"]


def message(place: Place, item: MessageItem, *, note: Markup | None = None, extra: Markup | None = None) -> Markup:
    """Draw one message.

    Args:
        place: The session it is of.
        item: The message.
        note: Marks beside its role.
        extra: Buttons beside its handle.
    """
    whole = place.link("/part/message", event=item.event_id, item=item.item)
    is_cut = any(block.is_cut for block in item.blocks)
    results_only = item.role == "user" and all(block.kind == "tool_result" for block in item.blocks)
    return element(
        "article",
        element(
            "header",
            element("b", "tool" if results_only else item.role, class_=f"role role-{item.role}"),
            note,
            element("span", f"{item.tokens:,} tokens", class_="dim"),
            when(item.at),
            copyable(item.handle, "the message's handle"),
            extra,
        ),
        element("div", block_list(item.blocks), class_="blocks", id=f"m-{item.handle}"),
        element(
            "button",
            "Show the whole message",
            type="button",
            class_="quiet",
            data_fetch=whole,
            data_into=f"m-{item.handle}",
        )
        if is_cut
        else None,
        class_="message",
        data_event=item.event_id,
        aria_label=f"{item.role}, {item.tokens:,} tokens",
    )


def block_list(blocks: tuple[Block, ...]) -> Markup:
    """Draw the blocks of a message."""
    return fragment([_block(block) for block in blocks])


def _block(block: Block) -> Markup:
    if block.kind == "text":
        return element("p", block.text, "…" if block.is_cut else None, class_="said")
    if block.kind == "tool_use":
        return _folded(block, f"calls {block.name}", one_line(block.text, 90))
    if block.kind == "tool_result":
        return _folded(block, "failed" if block.failed else "result", one_line(block.text, 90))
    return _folded(block, block.name, f"{block.length:,} characters")


def _folded(block: Block, title: str, hint: str) -> Markup:
    return element(
        "details",
        element(
            "summary",
            chip(title, "bad" if block.failed else "plain"),
            element("span", hint, class_="hint"),
            element("span", f"{block.length:,} characters", class_="dim"),
        ),
        element("pre", block.text, "…" if block.is_cut else None, tabindex=0),
    )
