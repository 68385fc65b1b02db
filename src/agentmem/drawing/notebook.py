"""Draws a value as a card for a notebook, with its style beside it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from agentmem.drawing.markup import Child, Markup, element

__all__ = ["STYLE_FILE", "card"]

STYLE_FILE = Path(__file__).with_name("drawing.css")
"""The style sheet of all drawings."""


def card(title: str, *content: Child) -> str:
    """Return HTML for ``_repr_html_``: a title and content in a frame. It loads nothing and runs no script.

    Args:
        title: What is drawn, such as ``Compaction``.
        *content: The drawings.
    """
    return element("div", element("style", _style()), element("b", title), content, class_="agentmem am-card")


@cache
def _style() -> Markup:
    return Markup(STYLE_FILE.read_text(encoding="utf-8"))
