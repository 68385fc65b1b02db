"""Draws the frame of every page: the header, the tabs of a session, and the remark about the calls it cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentmem.drawing.markup import Child, Markup, element, fragment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentmem.inspector.views.place import Place

__all__ = ["TABS", "Frame", "copyable", "document", "message_page", "when"]

TABS = {
    "/session": "Timeline",
    "/context": "What the model sees",
    "/compactions": "Compactions",
    "/long-term": "Long-term memory",
    "/chat": "Chat",
}
"""The pages about a session, by path."""


@dataclass(frozen=True)
class Frame:
    """What surrounds the content of a page.

    Attributes:
        memory: Name of the memory, for the header.
        writable: Whether the inspector may change the memory.
        place: The session that the page is about, or None.
        path: The page's path, to mark its tab.
    """

    memory: str
    writable: bool
    place: Place | None = None
    path: str = "/"


def document(frame: Frame, title: str, *content: Child, calls: Mapping[str, int], milliseconds: float) -> str:
    """Return a whole page.

    Args:
        frame: What surrounds it.
        title: Its heading.
        *content: Its content.
        calls: Calls to the AWS services it cost, by operation.
        milliseconds: How long they and the drawing took.
    """
    body = element(
        "body",
        element("a", "To the content", href="#content", class_="skip"),
        _header(frame),
        _tabs(frame),
        element("main", element("h1", title), content, id="content", tabindex=-1),
        _footer(calls, milliseconds),
        element("div", id="peek", role="tooltip", hidden=True),
        element("div", class_="toast", role="status", aria_live="polite", id="toast"),
        element("dialog", id="ask", aria_labelledby="ask-title"),
        class_="agentmem",
    )
    return "<!doctype html>" + element("html", _head(title), body, lang="en")


def message_page(title: str, *content: Child) -> str:
    """Return a page without header and tabs, such as the one that asks for the token."""
    body = element("body", element("main", element("h1", title), content, id="content"), class_="agentmem")
    return "<!doctype html>" + element("html", _head(title), body, lang="en")


def when(at: object) -> Markup:
    """Draw a time, in UTC, to the second."""
    from datetime import UTC, datetime

    if not isinstance(at, datetime):
        return fragment("")
    utc = at.astimezone(UTC)
    return element("time", f"{utc:%Y-%m-%d %H:%M:%S}", datetime=utc.isoformat(timespec="seconds"), title="UTC")


def copyable(text: str, name: str, *, shown: str | None = None) -> Markup:
    """Draw an id that is copied on a click.

    Args:
        text: The id.
        name: What it is, for who cannot see it.
        shown: What is drawn instead of the id, where that stands beside it already.
    """
    return element(
        "button",
        text if shown is None else shown,
        type="button",
        class_="copy",
        data_copy=text,
        aria_label=f"Copy {name} {text}",
    )


def _head(title: str) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} · agentmem"),
        element("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        element("link", rel="stylesheet", href="/static/drawing.css"),
        element("link", rel="stylesheet", href="/static/inspector.css"),
        element("script", src="/static/theme.js"),
        element("script", src="/static/inspector.js", type="module"),
    )


def _header(frame: Frame) -> Markup:
    return element(
        "header",
        element("a", element("b", "agentmem"), " inspector", href="/", class_="brand"),
        copyable(frame.memory, "the memory's id"),
        element("span", "may write" if frame.writable else "read-only", class_="mode"),
        element("span", class_="gap"),
        element("button", "Share link", type="button", data_share=True, class_="quiet"),
        element("button", "Light or dark", type="button", data_theme_switch=True, class_="quiet"),
    )


def _tabs(frame: Frame) -> Markup | None:
    place = frame.place
    if place is None:
        return None
    return fragment(
        element(
            "nav",
            element("a", "Actors", href="/"),
            " / ",
            element("a", place.actor_id, href=place.actor_link()),
            " / ",
            copyable(place.session_id, "the session's id"),
            class_="crumbs",
            aria_label="Path",
        ),
        element(
            "nav",
            [
                element("a", name, href=place.link(path), aria_current="page" if path == frame.path else None)
                for path, name in TABS.items()
            ],
            aria_label="Session",
            class_="tabs",
        ),
    )


def _footer(calls: Mapping[str, int], milliseconds: float) -> Markup:
    total = sum(calls.values())
    named = ", ".join(f"{name} {count}" for name, count in sorted(calls.items()))
    made = f"{total} call{'' if total == 1 else 's'} to the service" + (f" ({named})" if named else "")
    return element("footer", f"This page made {made} and took {milliseconds:.0f} ms.", data_calls=total)
