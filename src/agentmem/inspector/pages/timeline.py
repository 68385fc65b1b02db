"""Draws a session's timeline and the chart of its request sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.drawing.chart import request_chart
from agentmem.drawing.figures import chip, facts
from agentmem.drawing.markup import Markup, element, fragment
from agentmem.inspector.pages.messages import message

if TYPE_CHECKING:
    from agentmem.inspector.views.place import Place
    from agentmem.inspector.views.request_sizes import RequestSizes
    from agentmem.inspector.views.timeline import TimelinePage, TurnItem

__all__ = ["request_sizes", "timeline", "turn_rows"]


def timeline(place: Place, page: TimelinePage) -> Markup:
    """Draw the page of a session's timeline, the newest turns of it."""
    if not page.events:
        return element("p", "The session has no events.", class_="am-empty")
    return fragment(
        element(
            "section",
            element("h2", "Size of the requests"),
            element("p", "The sizes are read from the log…", class_="dim"),
            data_load=place.link("/part/sizes"),
            aria_label="Size of the requests",
        ),
        element("h2", "Turns, newest first"),
        # Apart: an embedded memory extracts what is due before it answers this.
        element(
            "section",
            element("p", "Failed extraction jobs are looked for…", class_="dim"),
            data_load=place.link("/part/jobs"),
            aria_label="Extraction jobs",
        ),
        element("ol", turn_rows(place, page), class_="turns", aria_label="Turns, newest first"),
    )


def turn_rows(place: Place, page: TimelinePage) -> Markup:
    """Draw a page of turns as rows, and the link to the older ones."""
    more = None
    if page.next_token is not None:
        href = place.link("/part/timeline", next=page.next_token)
        more = element(
            "li", element("button", "Older turns", type="button", class_="quiet", data_more=href), class_="more"
        )
    return fragment([_turn(place, turn) for turn in page.turns], more)


def request_sizes(sizes: RequestSizes, threshold: int | None) -> Markup:
    """Draw the chart of request sizes.

    Args:
        sizes: The sizes.
        threshold: Tokens at which a compaction is due; None when the model decides.
    """
    heading = element("h2", "Size of the requests")
    if not sizes.points:
        return fragment(
            heading, element("p", "No stored answer carries the model's report of its request.", class_="am-empty")
        )
    points = sizes.points
    return fragment(
        heading,
        element("div", request_chart(points, limit=threshold), class_="chart"),
        element(
            "ul",
            element("li", element("span", class_="am-swatch am-whole", aria_hidden="true"), "as sent"),
            element("li", element("span", class_="am-swatch am-shortened", aria_hidden="true"), "whole history")
            if points[0].stored is not None
            else None,
            element("li", element("span", class_="am-swatch am-summary", aria_hidden="true"), "compacted"),
            class_="am-legend",
        ),
        facts(
            {
                "requests": len(points),
                "largest": max(point.tokens for point in points),
                "last": points[-1].tokens,
                "threshold": "auto" if threshold is None else threshold,
                "messages read": sizes.messages,
                "their tokens": sizes.stored_tokens,
            }
        ),
        None
        if sizes.is_complete
        else element("p", "The session goes further back; only its newest part is drawn.", class_="dim"),
    )


def _turn(place: Place, turn: TurnItem) -> Markup:
    marks = [
        chip("begins on an older page", "plain") if turn.is_continued else None,
        None if turn.is_extracted else chip("not given to extraction", "warn"),
    ]
    return element(
        "li",
        element("p", element("span", f"{turn.tokens:,} tokens in {len(turn.messages)} messages", class_="dim"), marks),
        [message(place, item) for item in turn.messages],
        class_="turn",
    )
