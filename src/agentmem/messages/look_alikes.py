"""Takes the meaning from text that looks like a tag, in whatever Unicode form the tag is written.

A model reads a full-width bracket, a name with invisible characters in it, or Cyrillic letters in place of Latin ones
much as it reads the plain form. So text is folded before it is searched, and what is found is shown with ``&lt;`` for
its bracket: nothing is taken away, and the same text always gives the same.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strands.types.content import Message

__all__ = ["inert", "inert_messages", "inert_tags", "may_hold_tags"]

_BRACKETS = (
    "<\uff1c\ufe64\u2039\u2329\u3008\u27e8\u27ea\u300a\u276e\u276c\u2991\u29fc\u02c2\u1438\u226a\u2aa1\u22d6\U000e003c"
)
_CLOSING = ">\uff1e\ufe65\u203a\u232a\u3009\u27e9\u27eb\u300b\u276f\u276d\u2992\u29fd\u02c3\u1433\u226b\u2aa2\u22d7"
# Letters of other scripts that look like these; what is a mere variant (full-width, bold) is folded by NFKD.
_LETTERS = {
    "a": "а\u0251α",
    "c": "сϲ\u1d04",
    "d": "ԁ\u0501",
    "e": "еҽєε\u1d07",
    "g": "\u0261ց",
    "h": "һհ",
    "i": "іιı\u026a",
    "l": "ӏ\u01c0",
    "m": "м\u1d0d",
    "n": "пոռ\u0274",
    "o": "оοσօ\u1d0f",
    "r": "г\u0280",
    "s": "ѕ\ua731\u0282",
    "t": "тτ\u1d1b",
    "u": "υսц\u1d1c",
    "v": "ѵν\u1d20",
    "y": "уүγ\u028f",
}
# Unicode's tag characters are an invisible copy of ASCII; U+115F and U+3164 are letters that show nothing.
_FOLDED = {
    **{ord(other): letter for letter, others in _LETTERS.items() for other in others},
    **{0xE0000 + code: chr(code).lower() for code in range(0x20, 0x7F)},
}
_UNSEEN = re.compile(
    "[\u00ad\u0300-\u036f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U000e0001\U000e007f\U000e0100-\U000e01ef]+"
)
_ENTITY = "&#0*60;?|&#[xX]0*3[cC];?"
_WINDOW = 500
_KINDS = frozenset({"text", "toolUse", "toolResult", "guardContent", "citationsContent"})


@dataclass(frozen=True)
class _Tags:
    """What to look for.

    Attributes:
        opening: Finds what may begin a tag.
        pattern: Finds a tag in folded text.
        folded: What each character is folded to.
    """

    opening: re.Pattern[str]
    pattern: re.Pattern[str]
    folded: Mapping[int, str]


# Titles and quotations stand in angle brackets in many languages: of tags with any name, only those in the very bracket
# and its variants count.
_ANY_TAG = _Tags(
    re.compile(f"[<\uff1c\ufe64\U000e003c]|{_ENTITY}"),
    re.compile(rf"(?:<|{_ENTITY})[^\w<>]{{0,64}}[a-z][^<>]{{0,400}}(?:>|&gt;|&#0*62;?|&#x0*3e;?)"),
    _FOLDED,
)


def inert(text: str, tags: Sequence[str]) -> str:
    """Take the meaning from some tags, opening and closing.

    Args:
        text: Any text.
        tags: Names in lower case, their words joined by underscores.

    Returns:
        The text with ``&lt;`` for the bracket of each; the same object when there is none.
    """
    return _inert(text, _named(tuple(tags)))


def inert_tags(text: str) -> str:
    """Take the meaning from every tag, whatever its name, opening and closing."""
    return _inert(text, _ANY_TAG)


def inert_messages(messages: Sequence[Message], tags: Sequence[str], skip: Sequence[Any] = ()) -> list[Message]:
    """Take the meaning from some tags in what messages say, in tools' inputs and in their results.

    Reasoning stays as it is: its signature covers every letter.

    Args:
        messages: Messages that are valid for the model API; not changed.
        tags: Names, as for `inert`.
        skip: Blocks to leave as they are, known by identity.

    Returns:
        The messages; those that hold none of the tags are the same objects.
    """
    wanted = _named(tuple(tags))
    return [_inert_message(message, wanted, skip) for message in messages]


def _inert_message(message: Message, tags: _Tags, skip: Sequence[Any]) -> Message:
    for block in message["content"]:
        if may_hold_tags(block):
            break
    else:
        return message
    content = [
        block if _KINDS.isdisjoint(block) or any(block is one for one in skip) else _inert_value(block, tags)
        for block in message["content"]
    ]
    if all(old is new for old, new in zip(message["content"], content, strict=True)):
        return message
    return cast("Message", {**message, "content": content})


def _inert_value(value: Any, tags: _Tags) -> Any:
    if isinstance(value, str):
        return _inert(value, tags)
    if isinstance(value, dict):
        changed = {key: _inert_value(item, tags) for key, item in value.items()}
        return value if all(changed[key] is value[key] for key in value) else changed
    if isinstance(value, list):
        items = [_inert_value(item, tags) for item in value]
        return value if all(old is new for old, new in zip(value, items, strict=True)) else items
    return value


@lru_cache(maxsize=16)
def _named(tags: tuple[str, ...]) -> _Tags:
    names = "|".join(r"[\W_]{0,3}".join(tag.split("_")) for tag in tags)
    return _Tags(
        re.compile(f"[{_BRACKETS}]|{_ENTITY}"),
        re.compile(rf"(?:<|{_ENTITY})[^\w<>]{{0,64}}(?:{names})(?![^\W_])"),
        {**_FOLDED, **{ord(one): "<" for one in _BRACKETS}, **{ord(one): ">" for one in _CLOSING}},
    )


def _inert(text: str, tags: _Tags) -> str:
    if _is_free_of_brackets(text, tags) or not tags.pattern.search(_fold(text, tags)):
        return text
    changed = tags.opening.sub(lambda found: "&lt;" if _begins(text, found, tags) else found.group(), text)
    # What the window was too small for is found all the same.
    return tags.opening.sub("&lt;", text) if tags.pattern.search(_fold(changed, tags)) else changed


def may_hold_tags(value: Any) -> bool:
    """Look quickly for a bracket in anything: every text of a request is looked at before every model call.

    Args:
        value: A text, or what holds texts.

    Returns:
        False only when nothing in it can pass for a tag.
    """
    if isinstance(value, str):
        if value.isascii():
            return "<" in value or "&#" in value
        return not _is_free_of_brackets(value, _named(()))
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return any(map(may_hold_tags, value))


def _is_free_of_brackets(text: str, tags: _Tags) -> bool:
    if not text.isascii():
        try:
            text.encode("latin-1")
        except UnicodeEncodeError:
            return tags.opening.search(text) is None
    return "<" not in text and "&#" not in text


def _begins(text: str, found: re.Match[str], tags: _Tags) -> bool:
    return tags.pattern.match("<" + _fold(text[found.end() : found.end() + _WINDOW], tags)) is not None


def _fold(text: str, tags: _Tags) -> str:
    if text.isascii():
        return text.lower()
    return _UNSEEN.sub("", unicodedata.normalize("NFKD", text).casefold()).translate(tags.folded)
