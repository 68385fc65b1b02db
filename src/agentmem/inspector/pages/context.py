"""Draws the context that the model sees, beside the stored messages, with the reason of each summary line."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING
from zlib import crc32

from agentmem.drawing.figures import BarPart, chip, facts, legend, token_bar
from agentmem.drawing.markup import Markup, element, fragment
from agentmem.inspector.pages.layout import copyable, when
from agentmem.inspector.pages.messages import message
from agentmem.inspector.views.context import PART_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentmem.inspector.views.context import ContextItem, ContextView, SummaryLine
    from agentmem.inspector.views.place import Place

__all__ = ["DRAWN", "context", "reasons"]

DRAWN = 100
"""Messages that are drawn at first: a context may hold thousands of short ones."""


def context(place: Place, view: ContextView, *, drawn: int | None = None, writable: bool = False) -> Markup:
    """Draw the page of what the model sees.

    Args:
        place: The session.
        view: Its context.
        drawn: How many of the newest messages are drawn; None for `DRAWN`.
        writable: Whether statements can be pinned here.
    """
    if view.is_empty:
        return element("p", "The session has no events.", class_="am-empty")
    return fragment(
        _bars(view),
        _facts(view),
        _fixed_form(place, view),
        _pins(place, view, writable=writable),
        element("section", element("h2", "Summary"), reasons(place, view.summary), aria_label="Summary")
        if view.summary
        else None,
        element("h2", "Messages in view, oldest first"),
        _messages(place, view.items, DRAWN if drawn is None else drawn),
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


def _messages(place: Place, items: tuple[ContextItem, ...], drawn: int) -> Markup:
    older = len(items) - drawn
    more = None
    if older > 0:
        href = place.link("/context", drawn=2 * drawn)
        more = element("p", f"{older:,} older messages are in view too. ", element("a", "Draw more", href=href))
    return fragment(more, element("div", [_item(place, item) for item in items[max(older, 0) :]], class_="messages"))


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
        _hidden(place),
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


def _pins(place: Place, view: ContextView, *, writable: bool) -> Markup | None:
    if not view.pins and not writable:
        return None
    rows = [
        element(
            "li",
            element("p", pin.text, class_="said"),
            element(
                "div",
                when(pin.at),
                element("span", f"by the {pin.by}", class_="dim"),
                copyable(pin.pin_id, "the pin's id"),
                _unpin(place, pin.pin_id) if writable else None,
                class_="why",
            ),
        )
        for pin in view.pins
    ]
    return element(
        "section",
        element("h2", "Pinned"),
        element("ul", rows, class_="summary-lines") if rows else element("p", "Nothing is pinned.", class_="am-empty"),
        _pin_form(place) if writable else None,
        aria_label="Pinned",
    )


def _unpin(place: Place, pin_id: str) -> Markup:
    return element(
        "form",
        _hidden(place),
        element("input", type="hidden", name="pin", value=pin_id),
        element("button", "Unpin…", type="submit", class_="danger quiet"),
        data_do="/do/unpin",
        data_ask="Unpin this statement? The model is not shown it any more.",
        data_then="",
    )


def _pin_form(place: Place) -> Markup:
    return element(
        "form",
        _hidden(place),
        element(
            "label",
            "Statement",
            element("textarea", name="text", rows=2, required=True, data_lines=True),
            class_="wide",
        ),
        element("button", "Pin…", type="submit"),
        data_do="/do/pin",
        data_ask="Pin this statement? It stands in every request of the session from now on.",
        data_then="",
        class_="inline",
    )


def _hidden(place: Place) -> list[Markup]:
    given = {"actor": place.actor_id, "session": place.session_id, "agent": place.agent_id}
    return [element("input", type="hidden", name=name, value=value) for name, value in given.items()]


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
