"""Shortens message content to the same bytes every time.

Pure functions from a Strands message to a Strands message. Blocks that need no change are shared with the input, and a
message with nothing to shorten is returned as the same object. Every shortened or replaced block names the handle under
which `recall_session` returns the original.

The treatment of each kind of block in `shorten`:

| block | treatment |
|---|---|
| `toolResult` | text and JSON items together limited to `max_tool_content_length`; media items become placeholders |
| `toolUse` | long strings of the input are cut, the input stays a JSON object |
| `image`, `document`, `video`, `audio` | a text placeholder, unless `keep_media` |
| `reasoningContent` | left out whole (a signature covers all of it), unless nothing else is left |
| `text` | whole, up to `hard_tool_content_length` |
| `cachePoint`, `guardContent`, `citationsContent`, unknown kinds | passed through whole |
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentmem.errors import ConfigurationError
from agentmem.messages.cutting import MARKER_TOKENS, RECALL_TOOL, cut_text, earlier_cut, is_longer, marker
from agentmem.messages.tokens import count_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from strands.types.content import Message

_MEDIA = ("image", "document", "video", "audio")
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_HANDLE = re.compile(r"[0-9a-f]{12}(?:\.\d+)?")
_REST_KEY = "…"


@dataclass(frozen=True)
class TruncationSettings:
    """Limits for shortening; part of a checkpoint, so that a restored message is shortened to the same bytes.

    Attributes:
        max_tool_content_length: Characters kept of one tool result, or of one string of a tool's input; the marker
            comes on top.
        keep_media: Keep images, documents, video and audio instead of replacing them by placeholders.
        exclude_tools: Names of tools whose inputs and results are left as they are (except for the hard limit).
        hard_tool_content_length: Characters kept of any single text or JSON block, wherever it stands.
        preview_above: Tokens above which a tool result is shortened as soon as the model has answered it; None: never.
            It depends on nothing but the messages, so no checkpoint carries it.
    """

    max_tool_content_length: int = 500
    keep_media: bool = False
    exclude_tools: frozenset[str] = frozenset()
    hard_tool_content_length: int = 100_000
    preview_above: int | None = None

    def __post_init__(self) -> None:
        """Check the limits.

        Raises:
            ConfigurationError: A limit is negative.
        """
        for name in ("max_tool_content_length", "hard_tool_content_length"):
            value = getattr(self, name)
            if value < 0:
                raise ConfigurationError(f"{name} is {value}; give a number of characters of 0 or more")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a JSON object.

        Returns:
            One entry per field; `exclude_tools` as a sorted list.
        """
        return {
            "max_tool_content_length": self.max_tool_content_length,
            "keep_media": self.keep_media,
            "exclude_tools": sorted(self.exclude_tools),
            "hard_tool_content_length": self.hard_tool_content_length,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TruncationSettings:
        """Read settings written by `to_dict`; missing fields get their defaults, unknown ones are ignored.

        Args:
            data: The JSON object.

        Returns:
            The settings.

        Raises:
            ConfigurationError: A limit is negative.
        """
        default = cls()
        return cls(
            max_tool_content_length=int(data.get("max_tool_content_length", default.max_tool_content_length)),
            keep_media=bool(data.get("keep_media", default.keep_media)),
            exclude_tools=frozenset(map(str, data.get("exclude_tools", ()))),
            hard_tool_content_length=int(data.get("hard_tool_content_length", default.hard_tool_content_length)),
        )


def handle_of(tracking_id: str) -> str:
    """Return the handle of a message.

    Args:
        tracking_id: The message's `tracking_id`, normally a UUID.

    Returns:
        12 lower-case hex digits: the first ones of a UUID, or of the BLAKE2s hash of any other id.
    """
    if _UUID.fullmatch(tracking_id):
        return tracking_id.replace("-", "")[:12].lower()
    return hashlib.blake2s(tracking_id.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def is_handle(text: str) -> bool:
    """Tell whether a text is the handle of a message or of one block of it."""
    return _HANDLE.fullmatch(text.strip()) is not None


def numbered_blocks(message: Message) -> list[tuple[int, Any]]:
    """Number the blocks of a message the way block handles (`<message handle>.<number>`) do.

    Reasoning blocks are not counted, so a block has the same number before and after reasoning was left out; nor are
    blank texts, which the log does not keep.

    Args:
        message: A message, shortened or not.

    Returns:
        The other blocks in order, each with its number.
    """
    return list(enumerate(block for block in message["content"] if _has_number(block)))


def names_of_tools(messages: Iterable[Message]) -> dict[str, str]:
    """Collect which tool each tool use called.

    Args:
        messages: Any messages.

    Returns:
        Tool use id to tool name.
    """
    names: dict[str, str] = {}
    for message in messages:
        for block in message["content"]:
            if _is_kind(block, "toolUse"):
                use = block["toolUse"]
                names[str(use.get("toolUseId"))] = str(use.get("name"))
    return names


def shorten(
    message: Message,
    settings: TruncationSettings,
    *,
    handle: str,
    tool_names: Mapping[str, str],
) -> Message:
    """Shorten the tool content of a message outside the protected turns.

    The same input gives the same bytes always; shortening the result again returns it unchanged; a block is replaced
    only by something with fewer characters and tokens.

    Args:
        message: The message, original or already shortened; never changed.
        settings: The limits.
        handle: The message's handle (`handle_of`).
        tool_names: Tool use id to tool name, for the results (`names_of_tools`).

    Returns:
        A new message that shares unchanged blocks, or the same object when nothing was shortened.
    """

    def treat(block: Any, name: str) -> Any:
        if _is_kind(block, "toolUse"):
            if block["toolUse"].get("name") in settings.exclude_tools:
                return block
            return _cut_tool_use(block, settings.max_tool_content_length, name)
        if _is_kind(block, "toolResult"):
            tool = tool_names.get(str(block["toolResult"].get("toolUseId")), "")
            if tool in settings.exclude_tools:
                return block
            return _cut_tool_result(
                block,
                settings.max_tool_content_length,
                name,
                recalled=tool == RECALL_TOOL,
                keep_media=settings.keep_media,
            )
        return block if settings.keep_media else _without_media(block, name)

    message = hard_cut(message, settings, handle=handle, tool_names=tool_names)
    content = [block for block in _treated(message, handle, treat) if not _is_kind(block, "reasoningContent")]
    if all(_is_kind(block, "cachePoint") for block in content):
        return message  # nothing but reasoning, which is better than nothing at all
    return _with_content(message, content)


def hard_cut(
    message: Message, settings: TruncationSettings, *, handle: str, tool_names: Mapping[str, str] | None = None
) -> Message:
    """Cut any single text or JSON block over `hard_tool_content_length` characters, in protected turns too.

    Args:
        message: The message; never changed.
        settings: The limits; `exclude_tools` does not apply.
        handle: The message's handle (`handle_of`).
        tool_names: Tool use id to tool name, to tell a recall's result, which no handle leads to.

    Returns:
        A new message that shares unchanged blocks, or the same object when every block is within the limit.
    """
    limit = settings.hard_tool_content_length

    def treat(block: Any, name: str) -> Any:
        if _is_kind(block, "toolUse"):
            return _cut_tool_use(block, limit, name)
        if _is_kind(block, "toolResult"):
            recalled = (tool_names or {}).get(str(block["toolResult"].get("toolUseId"))) == RECALL_TOOL
            return _cut_tool_result(block, limit, name, keep_media=True, recalled=recalled)
        if isinstance(block, dict) and isinstance(block.get("text"), str):
            text = cut_text(block["text"], limit, name)
            return block if text is block["text"] else {**block, "text": text}
        return block

    return _with_content(message, _treated(message, handle, treat))


def shorten_large_results(
    message: Message, settings: TruncationSettings, *, handle: str, tool_names: Mapping[str, str]
) -> Message:
    """Shorten the tool results of a message that are over `preview_above` tokens, and nothing else of it.

    What was recalled stays whole, and so does the media in a result. Whatever is shortened has the bytes that `shorten`
    gives it, so a later compaction does not change them again.

    Args:
        message: The message, original or already shortened; never changed.
        settings: The limits.
        handle: The message's handle (`handle_of`).
        tool_names: Tool use id to tool name (`names_of_tools`).

    Returns:
        A new message that shares unchanged blocks, or the same object when nothing was shortened.
    """
    above = settings.preview_above
    if above is None:
        return message

    def treat(block: Any, name: str) -> Any:
        if not _is_kind(block, "toolResult"):
            return block
        tool = tool_names.get(str(block["toolResult"].get("toolUseId")), "")
        if tool == RECALL_TOOL or tool in settings.exclude_tools:
            return block
        cut = _cut_tool_result(block, settings.max_tool_content_length, name, keep_media=True)
        if cut is block:
            return block
        texts = (_item_text(item, name) for item in block["toolResult"]["content"])
        return cut if count_text("\n".join(text for text in texts if text is not None)) > above else block

    return _with_content(message, _treated(message, handle, treat))


def removed(message: Message, shortened: Message) -> bool:
    """Tell whether a shortened message lacks anything of the original.

    Args:
        message: The original.
        shortened: The result of `shorten` or `hard_cut` for it.

    Returns:
        True when content was cut, replaced or left out.
    """
    return message is not shortened and message["content"] != shortened["content"]


def _is_kind(block: Any, kind: str) -> bool:
    """Tell whether a block is a well-formed one of this kind; malformed ones count as unknown and pass whole."""
    return isinstance(block, dict) and isinstance(block.get(kind), dict)


def _with_content(message: Message, content: list[Any]) -> Message:
    old = message["content"]
    if len(old) == len(content) and all(a is b for a, b in zip(old, content, strict=True)):
        return message
    return {**message, "content": content}


def _treated(message: Message, handle: str, treat: Callable[[Any, str], Any]) -> list[Any]:
    """Return the content with each numbered block passed through ``treat`` under its handle."""
    numbers = itertools.count()
    return [treat(block, f"{handle}.{next(numbers)}") if _has_number(block) else block for block in message["content"]]


def _has_number(block: Any) -> bool:
    if not isinstance(block, dict):
        return True
    blank = isinstance(block.get("text"), str) and not block["text"].strip()
    return not blank and not _is_kind(block, "reasoningContent")


def _cut_tool_result(block: Any, limit: int, name: str, *, keep_media: bool, recalled: bool = False) -> Any:
    """Limit the text and JSON items of a tool result together; they become one text item when they exceed it."""
    result = block["toolResult"]
    items = result.get("content")
    if not isinstance(items, list) or not items:
        return block
    if not keep_media:
        items = [_without_media(item, None if recalled else name) for item in items]
    texts = [text for item in items if (text := _item_text(item, name)) is not None]
    joined = "\n".join(texts)
    cut = cut_text(joined, limit, name, recalled=recalled)
    if cut is not joined:
        counted = [_item_text(item, name) is not None for item in items]
        first = counted.index(True)
        items = [
            {"text": cut} if at == first else item for at, item in enumerate(items) if at == first or not counted[at]
        ]
    old = result["content"]
    if len(items) == len(old) and all(a is b for a, b in zip(items, old, strict=True)):
        return block
    return {**block, "toolResult": {**result, "content": items}}


def _item_text(item: Any, name: str) -> str | None:
    """Return the characters a tool result item counts with; None for media, placeholders and unknown kinds."""
    if not isinstance(item, dict):
        return None
    text = item.get("text")
    if isinstance(text, str):
        return None if _is_placeholder(text, name) else text
    return _json_text(item["json"]) if "json" in item else None


def _cut_tool_use(block: Any, limit: int, name: str) -> Any:
    """Cut the long strings of a tool's input; leave out whole values when it is still several times the limit."""
    use = block["toolUse"]
    given = use.get("input")
    if not isinstance(given, dict) or earlier_cut(str(given.get(_REST_KEY, "")), name, whole=False):
        return block
    before = _json_text(given)
    if len(before) <= limit:
        return block
    recalled = use.get("name") == RECALL_TOOL
    cut = _cut_leaves(given, lambda text: cut_text(text, limit, name, recalled=recalled))
    if len(_json_text(cut)) > 4 * limit + 400:
        cut = _first_values(cut, 2 * limit + 100, None if recalled else name, len(before))
    if cut is given or len(_json_text(cut)) >= len(before):
        return block
    return {**block, "toolUse": {**use, "input": cut}}


def _cut_leaves(value: Any, cut: Callable[[str], str], depth: int = 0) -> Any:
    # No tool's schema nests this deep; what does is passed through rather than risking the stack.
    if depth > 50:
        return value
    if isinstance(value, str):
        return cut(value)
    if isinstance(value, dict):
        changed = {key: _cut_leaves(item, cut, depth + 1) for key, item in value.items()}
        return value if all(changed[key] is value[key] for key in value) else changed
    if isinstance(value, list):
        items = [_cut_leaves(item, cut, depth + 1) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    return value


def _first_values(given: dict[str, Any], room: int, name: str | None, total: int) -> dict[str, Any]:
    """Keep the values of an input that fit the room, in order, and say how much the rest was."""
    kept: dict[str, Any] = {}
    gone: dict[str, Any] = {}
    used = 0
    for key, value in given.items():
        size = len(_json_text({key: value}))
        into = kept if used + size <= room else gone
        into[key] = value
        used += size if into is kept else 0
    if not is_longer(_json_text(gone), MARKER_TOKENS):
        return given
    return {**kept, _REST_KEY: marker(total - used, total, name)}


def _without_media(block: Any, name: str | None) -> Any:
    """Replace an image, document, video or audio by a line of text with its description and handle."""
    for kind in _MEDIA:
        if not _is_kind(block, kind):
            continue
        media = block[kind]
        source = media.get("source")
        data = source.get("bytes") if isinstance(source, dict) else None
        size = len(data) if isinstance(data, bytes | bytearray | str) else None
        about = [str(media[key])[:100] for key in ("name", "format") if media.get(key)]
        if size is not None:
            about.append(f"{size:,} bytes")
        what = f"{kind} ({', '.join(about)})" if about else kind
        return {"text": _placeholder(what, name)}
    return block


def _placeholder(what: str, name: str | None) -> str:
    what = what.replace("\n", " ")
    hint = f"ask {RECALL_TOOL} again" if name is None else f'{RECALL_TOOL}(handle="{name}") returns it'
    return f"[{what} left out; {hint}]"


def _is_placeholder(text: str, name: str) -> bool:
    endings = tuple(_placeholder("", known)[1:] for known in (name, None))
    return text.endswith(endings) and text.startswith(tuple(f"[{kind}" for kind in _MEDIA))


def _json_text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=_json_fallback)
    except (TypeError, ValueError, RecursionError):
        # Not JSON (odd keys, a value that contains itself) or nested too deep: it counts as nothing and stays whole.
        return ""


def _json_fallback(value: Any) -> str:
    return f"<{len(value):,} bytes>" if isinstance(value, bytes) else f"<{type(value).__name__}>"
