"""Draws the context that the model sees, beside the stored messages, with the reason of each summary line."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING
from zlib import crc32

from agentmem.drawing.figures import BarPart, chip, facts, legend, token_bar
from agentmem.drawing.markup import Markup, element, fragment
from agentmem.inspector.pages.layout import when
from agentmem.inspector.pages.messages import message
from agentmem.inspector.views.context import PART_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentmem.inspector.views.context import ContextItem, ContextView, SummaryLine
    from agentmem.inspector.views.place import Place

__all__ = ["context", "reasons"]


def context(place: Place, view: ContextView) -> Markup:
    """Draw the page of what the model sees."""
    if view.is_empty:
        return element("p", "The session has no events.", class_="am-empty")
    return fragment(
        _bars(view),
        _facts(view),
        _fixed_form(place, view),
        element("section", element("h2", "Summary"), reasons(place, view.summary), aria_label="Summary")
        if view.summary
        else None,
        element("h2", "Messages in view, oldest first"),
        element("div", [_item(place, item) for item in view.items], class_="messages"),
    )


def reasons(place: Place, lines: Iterable[SummaryLine]) -> Markup:
    """Draw the lines of a summary, each with the reason why it is there."""
    drawn = []
    for section, group in groupby(lines, key=lambda line: line.section):
        drawn += [
            element("h3", section),
            element("ul", [_line(place, line) for line in group], class_="summary-lines"),
        ]
    return fragment(drawn)


def _bars(view: ContextView) -> Markup:
    seen, stored = view.seen, view.stored
    scale = max(sum(part.tokens for part in seen), sum(part.tokens for part in stored), view.threshold)
    return element(
        "section",
        element("h2", "Tokens by part"),
        element("p", element("b", "Seen by the model"), f" {sum(part.tokens for part in seen):,} tokens"),
        token_bar(seen, limit=view.threshold, label="Seen by the model", scale=scale),
        element(
            "p",
            element("b", "Stored"),
            f" {sum(part.tokens for part in stored):,} tokens of the messages in view",
            f", and {view.folded_messages:,} messages behind the summary" if view.folded_messages else None,
        ),
        token_bar(stored, label="Stored, of the messages in view", scale=scale),
        legend([part for part in seen if part.tokens] or [BarPart("nothing", 0, "fixed")]),
        element("p", f"The dashed line is the threshold of {view.threshold:,} tokens.", class_="dim"),
        aria_label="Tokens by part",
    )


def _facts(view: ContextView) -> Markup:
    shown = facts(
        {
            "request, calibrated": f"{view.tokens:,} tokens",
            "messages in view": len(view.items),
            "folded messages": view.folded_messages,
            "checkpoint": "none yet" if view.version is None else f"version {view.version}",
            **({} if view.compacted_at is None else {"compacted": when(view.compacted_at)}),
        }
    )
    unread = element(
        "p",
        "Older events that no checkpoint describes are not shown: the next agent that opens the session folds them.",
    )
    return fragment(shown, unread if view.unread else None)


def _fixed_form(place: Place, view: ContextView) -> Markup:
    note = "estimated from the model's last report" if view.fixed_is_estimated else "as given"
    return element(
        "form",
        [
            element("input", type="hidden", name=name, value=value)
            for name, value in (("actor", place.actor_id), ("session", place.session_id), ("agent", place.agent_id))
        ],
        element(
            "label",
            "Tokens of system prompt and tools ",
            element(
                "input",
                type="number",
                name="fixed_tokens",
                min=0,
                value=view.parts["fixed"],
                autocomplete="off",
            ),
        ),
        element("button", "Count them in", type="submit", class_="quiet"),
        element("span", note, class_="dim"),
        action="/context",
        method="get",
        class_="inline",
    )


def _line(place: Place, line: SummaryLine) -> Markup:
    marks = [
        chip(line.kind) if line.kind else None,
        element("span", f"sure {line.sure:.2f}", class_="dim") if line.sure else None,
        element("span", f"by the {line.by}", class_="dim") if line.by else None,
        element("span", line.day, class_="dim") if line.day else None,
    ]
    why = None
    if line.handle:
        into = f"why-{line.handle}-{crc32(line.text.encode()):08x}"
        why = fragment(
            element(
                "button",
                "Why is this here?",
                type="button",
                class_="quiet",
                data_fetch=place.link("/part/original", handle=line.handle),
                data_into=into,
                data_peek=place.link("/part/original", handle=line.handle),
            ),
            element("div", id=into, class_="original"),
        )
    return element("li", element("p", line.text, class_="said"), element("div", marks, why, class_="why"))


def _item(place: Place, item: ContextItem) -> Markup:
    shown = item.shown
    original = place.link("/part/message", event=shown.event_id, item=shown.item)
    marks = element("span", PART_NAMES[item.part], class_=f"part part-{item.part}")
    extra = None
    if item.part == "shortened" or item.stored_tokens > shown.tokens:
        into = f"o-{shown.handle}"
        extra = element(
            "button",
            f"Original, {item.stored_tokens:,} tokens",
            type="button",
            class_="quiet",
            data_fetch=original,
            data_into=into,
            data_peek=original,
        )
        return fragment(message(place, shown, note=marks, extra=extra), element("div", id=into, class_="original"))
    return message(place, shown, note=marks, extra=extra)
