"""Cuts the middle out of a text, and leaves a marker with the length and the handle of the original."""

from __future__ import annotations

import re
import unicodedata

RECALL_TOOL = "recall_session"
"""Name of the tool that returns the original of what was shortened or folded."""

MARKER_TOKENS = 56
"""More tokens than a marker has (36 to 42 in cl100k) and the two cuts beside it can cost together."""

# Parts that no byte-pair vocabulary merges with one another: letters, digits by three, punctuation.
_PIECES = re.compile(r"[^\W\d_]{1,24}|\d{1,3}|_+|[^\w\s]{1,64}")

_NUMBER = r"\d{1,3}(?:,\d{3})*"
_MARKER = re.compile(
    rf"\[… (?P<removed>{_NUMBER}) of (?P<total>{_NUMBER}) characters left out; "
    rf'(?:{RECALL_TOOL}\(handle="(?P<handle>[0-9a-f]{{12}}\.\d+)"\) returns all of it|ask {RECALL_TOOL} again)\]'
)


def cut_text(text: str, limit: int, name: str, *, recalled: bool = False) -> str:
    """Keep two thirds of the limit from the start and one third from the end.

    Args:
        text: The text, or one that this function returned before.
        limit: Characters to keep, the marker not counted.
        name: The block's handle, for the marker.
        recalled: The text is itself a recall's result, whose marker offers no handle.

    Returns:
        The same object when it is within the limit, was cut to it before, or would not get smaller.
    """
    if len(text) <= limit:
        return text
    tail = limit // 3
    head = limit - tail
    earlier = earlier_cut(text, name)
    if earlier is None:
        start, end = _whole_start(text, head), _whole_end(text, tail)
        gone, total, needed = text[len(start) : len(text) - len(end)], len(text), MARKER_TOKENS
    else:
        before, after, total = earlier
        start, end = _whole_start(before, head), _whole_end(after, tail)
        # The marker is there already, so nothing but a longer number comes on top.
        gone, needed = before[len(start) :] + " " + after[: len(after) - len(end)], 4
    if not is_longer(gone, needed):
        return text
    cut = f"{start}{marker(total - len(start) - len(end), total, None if recalled else name)}{end}"
    return cut if len(cut) < len(text) else text


def earlier_cut(text: str, name: str, *, whole: bool = True) -> tuple[str, str, int] | None:
    """Find the marker of an earlier cut of the same block: its handle fits and its numbers add up.

    Args:
        text: The text.
        name: The block's handle.
        whole: The text holds all that was kept; False when the rest of it is elsewhere.

    Returns:
        The text before the marker, the text after it, and the original's length, or None.
    """
    for match in _MARKER.finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        gone, total = (int(match[key].replace(",", "")) for key in ("removed", "total"))
        if match["handle"] in (name, None) and (gone + len(before) + len(after) == total or not whole):
            return before, after, total
    return None


def marker(gone: int, total: int, name: str | None) -> str:
    """Word the marker that replaces the omitted text.

    Args:
        gone: Characters left out.
        total: Characters of the original.
        name: The block's handle; None when no handle leads to the original.

    Returns:
        One line in square brackets, without angle brackets.
    """
    hint = f"ask {RECALL_TOOL} again" if name is None else f'{RECALL_TOOL}(handle="{name}") returns all of it'
    return f"[… {gone:,} of {total:,} characters left out; {hint}]"


def is_longer(text: str, tokens: int) -> bool:
    """Tell whether a text surely has more than this many tokens, whatever the vocabulary merges.

    Args:
        text: Any text; read only as far as needed.
        tokens: The number to exceed.

    Returns:
        False when it may be fewer.
    """
    return any(count >= tokens for count, _ in enumerate(_PIECES.finditer(text)))


def _joins(text: str, at: int) -> bool:
    """Tell whether the characters on both sides of a position belong together."""
    left, right = text[at - 1], text[at]
    return (
        unicodedata.combining(right) != 0
        or unicodedata.category(right) in ("Mn", "Me")
        or right in "\u200d\ufe0e\ufe0f"
        or left == "\u200d"
        or "\ud800" <= left <= "\udbff"
        or "\U0001f3fb" <= right <= "\U0001f3ff"
    )


def _whole_start(text: str, length: int) -> str:
    at = min(length, len(text))
    # 16 is more marks than any script stacks; a text of nothing but marks is cut anywhere.
    for back in range(min(16, at)):
        if at - back == len(text) or not _joins(text, at - back):
            return text[: at - back]
    return text[:at]


def _whole_end(text: str, length: int) -> str:
    at = len(text) - min(length, len(text))
    for on in range(min(16, len(text) - at)):
        if at + on == 0 or not _joins(text, at + on):
            return text[at + on :]
    return text[at:]
