"""Makes each content block of a message one that the Converse API accepts.

The rules are those of botocore's service model of `bedrock-runtime` (enumerations, patterns, unions) and of the
Converse API's reference. What Strands' BedrockModel raises an error for is mended too. A block that has to be left out
leaves a line of text, unless nobody would miss it.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, cast

from agentmem.messages.converse_media import FORMATS, Instead, is_blank, note, valid_media, valid_words, with_fields
from agentmem.messages.json_values import is_flat, valid_json, valid_text
from agentmem.messages.text import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from strands.types.content import ContentBlock

__all__ = ["NO_OUTPUT", "as_text", "is_plain", "valid_blocks"]

NO_OUTPUT = "(The tool returned nothing.)"

_USE = frozenset({"toolUseId", "name", "input", "reasoningSignature"})
"""Keys of a tool use; the last is Strands' own, for models whose reasoning is signed with the call."""
_RESULT = frozenset({"toolUseId", "content", "status"})
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9_-]+")
_QUALIFIERS = frozenset({"grounding_source", "query", "guard_content"})
_LOCATIONS = {
    "web": ("url", "domain"),
    "documentChar": ("documentIndex", "start", "end"),
    "documentPage": ("documentIndex", "start", "end"),
    "documentChunk": ("documentIndex", "start", "end"),
    "searchResultLocation": ("searchResultIndex", "start", "end"),
}


def valid_blocks(content: Any, role: str) -> list[ContentBlock]:
    """Return the blocks of a message, each as the Converse API accepts it from this role.

    Args:
        content: A message's content; not changed.
        role: ``user`` or ``assistant``.

    Returns:
        The same list when every block is valid; empty when nothing is left.
    """
    if not isinstance(content, list):
        return valid_blocks([content] if isinstance(content, (str, dict)) else [], role)
    kinds = _OF_USER if role == "user" else _OF_ASSISTANT
    found = [mended for block in content for mended in _mended(block, kinds)]
    same = len(found) == len(content) and all(old is new for old, new in zip(content, found, strict=True))
    return content if same else found


def is_plain(content: Any, role: str) -> bool:
    """Look quickly for content of the commonest kinds that needs no mending: texts, tool uses, results before texts.

    Args:
        content: A message's content.
        role: ``user`` or ``assistant``.

    Returns:
        Whether it is; False when it takes a closer look to know.
    """
    if type(content) is not list or not content:
        return False
    texts = False
    for block in content:
        if type(block) is not dict or len(block) != 1:
            return False
        if "text" in block:
            if not _is_plain_text(block["text"]):
                return False
            texts = True
        elif role == "assistant":
            if "toolUse" not in block or not _is_plain_use(block["toolUse"]):
                return False
        elif texts or "toolResult" not in block or not _is_plain_result(block["toolResult"]):
            return False
    return True


def _is_plain_text(text: Any) -> bool:
    if type(text) is not str or not text or text.isspace():
        return False
    return text.isascii() or valid_text(text) is text


def _is_plain_use(use: Any) -> bool:
    if type(use) is not dict or not _is_name(use.get("toolUseId")) or not _is_name(use.get("name")):
        return False
    given = use.get("input")
    return use.keys() <= _USE and type(given) is dict and (is_flat(given) or valid_json(given) is given)


def _is_plain_result(result: Any) -> bool:
    if type(result) is not dict or not _is_name(result.get("toolUseId")):
        return False
    content = result.get("content")
    if type(content) is not list or not content or result.get("status", "success") not in ("success", "error"):
        return False
    if not result.keys() <= _RESULT:
        return False
    for item in content:
        if type(item) is not dict or len(item) != 1 or not _is_plain_text(item.get("text")):
            return False
    return True


def _is_name(value: Any) -> bool:
    return type(value) is str and _NAME.fullmatch(value) is not None


def _mended(block: Any, kinds: Mapping[str, Callable[[Any], Any]]) -> list[Any]:
    if isinstance(block, str):
        block = {"text": block}
    if not isinstance(block, dict):
        return []
    known = [kind for kind in block if kind in _KNOWN]
    if not known:
        # Some member that a newer service sent and this boto3 has no name for, or somebody's own invention.
        return [] if not block or "SDK_UNKNOWN_MEMBER" in block else [note(str(next(iter(block))))]
    found = []
    for kind in known:
        value = kinds[kind](block[kind]) if kind in kinds else _of_the_other_role(kind, block[kind])
        if isinstance(value, Instead):
            found.append(value.block)
        elif value is not None:
            found.append(block if value is block[kind] and len(block) == 1 else {kind: value})
    return found


def _of_the_other_role(kind: str, value: Any) -> Instead | None:
    if kind in FORMATS:
        about = (value.get("name"), value.get("format")) if isinstance(value, dict) else ()
        return Instead(note(kind, about))
    if kind == "json":
        return Instead({"text": json.dumps(valid_json(value), ensure_ascii=False)})
    return _as_words({kind: value}) if kind in ("guardContent", "citationsContent") else None


def _as_words(block: dict[str, Any]) -> Instead | None:
    words = valid_text(text_of(block))
    return None if is_blank(words) else Instead({"text": words})


def _tool_name(name: Any) -> str:
    if _is_name(name):
        return str(name)
    return _NOT_IN_NAME.sub("_", str(name or ""))[:64] or "unnamed_tool"


def _tool_use_id(value: Any) -> str:
    """Return an id the API accepts: the same for the same, and with a hash where something had to be replaced."""
    if _is_name(value):
        return str(value)
    text = str(value or "")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{_NOT_IN_NAME.sub('_', text)[:50]}-{digest}"


def _tool_use(use: Any) -> Any:
    if not isinstance(use, dict):
        return None
    given = use.get("input")
    fields = {
        "toolUseId": _tool_use_id(use.get("toolUseId")),
        "name": _tool_name(use.get("name")),
        "input": valid_json(given if isinstance(given, dict) else {} if given is None else {"value": given}),
    }
    return with_fields(_only(use, _USE), fields)


def _tool_result(result: Any) -> Any:
    if not isinstance(result, dict):
        return None
    fields: dict[str, Any] = {
        "toolUseId": _tool_use_id(result.get("toolUseId")),
        "content": _result_items(result.get("content")),
    }
    if result.get("status", "success") not in ("success", "error"):
        fields["status"] = "success" if result["status"] is None else "error"
    return with_fields(_only(result, _RESULT), fields)


def _only(value: dict[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    """Return a mapping without other keys than these; the same one when it has no others."""
    return value if value.keys() <= keys else {key: item for key, item in value.items() if key in keys}


def _result_items(content: Any) -> list[Any]:
    if not isinstance(content, list):
        content = [] if content is None else [content]
    found: list[Any] = []
    for item in content:
        found += _mended(item if isinstance(item, (str, dict)) else {"json": item}, _OF_RESULT)
    if len(found) == len(content) and found and all(old is new for old, new in zip(content, found, strict=True)):
        return cast("list[Any]", content)
    return found or [{"text": NO_OUTPUT}]


def _json(value: Any) -> Any:
    return valid_json(value if isinstance(value, dict) else {"value": value})


def _guarded(guarded: Any) -> Any:
    if not isinstance(guarded, dict):
        return None
    if isinstance(guarded.get("image"), dict) and "text" not in guarded:
        image = valid_media("image")(guarded["image"])  # Strands knows guarded texts only
        return image if isinstance(image, Instead) else Instead({"image": image})
    inner = guarded.get("text")
    if not isinstance(inner, dict):
        return None
    words = valid_words(inner.get("text"))
    if words is None:
        return None
    fields: dict[str, Any] = {"text": words}
    if "qualifiers" in inner:
        given = inner["qualifiers"] if isinstance(inner["qualifiers"], list) else []
        kept = [one for one in given if isinstance(one, str) and one in _QUALIFIERS]
        fields["qualifiers"] = inner["qualifiers"] if kept == given else kept
    inner = _only(inner, frozenset({"text", "qualifiers"}))
    return with_fields(_only(guarded, frozenset({"text"})), {"text": with_fields(inner, fields)})


def _reasoning(reasoning: Any) -> Any:
    """Return reasoning that can be replayed: a signature covers every letter, so none of it can be mended."""
    if not isinstance(reasoning, dict):
        return None
    told = reasoning.get("reasoningText")
    if told is None:
        redacted = reasoning.get("redactedContent")
        return reasoning if isinstance(redacted, bytes) and redacted and len(reasoning) == 1 else None
    words, signature = (told.get("text"), told.get("signature")) if isinstance(told, dict) else (None, None)
    if not isinstance(words, str) or valid_text(words) is not words or (is_blank(words) and not signature):
        return None
    if signature is not None and (not isinstance(signature, str) or valid_text(signature) is not signature):
        return None
    kept = {"text": words} if signature is None else {"text": words, "signature": signature}
    return reasoning if len(reasoning) == 1 and told == kept else {"reasoningText": kept}


def _cited(cited: Any) -> Any:
    """Return generated text with its citations, or, when any of it is malformed, only the text."""
    if not isinstance(cited, dict):
        return None
    parts = cited.get("content")
    sound = isinstance(parts, list) and all(_is_sound(part, ("text",)) and "text" in part for part in parts)
    if sound and parts and all(not is_blank(part["text"]) for part in parts):
        citations = cited.get("citations", [])
        if isinstance(citations, list) and all(_is_citation(one) for one in citations):
            return cited
    return _as_words({"citationsContent": cited})


def _is_citation(citation: Any) -> bool:
    if not isinstance(citation, dict) or not set(citation) <= {"title", "source", "sourceContent", "location"}:
        return False
    if not _is_sound({key: citation[key] for key in ("title", "source") if key in citation}, ("title", "source")):
        return False
    contents = citation.get("sourceContent", [])
    location = citation.get("location", {"web": {}})
    if not isinstance(contents, list) or not isinstance(location, dict) or len(location) != 1:
        return False
    kind = next(iter(location))
    return all(_is_sound(one, ("text",)) for one in contents) and _is_sound(location[kind], _LOCATIONS.get(kind, ()))


def _is_sound(value: Any, keys: Sequence[str]) -> bool:
    """Tell whether something has these keys only, all of them valid texts or, for places, whole numbers."""
    return isinstance(value, dict) and all(
        key in keys
        and (
            (isinstance(item, str) and valid_text(item) is item)
            if key in ("text", "title", "source", "url", "domain")
            else (type(item) is int and 0 <= item < 2**31)
        )
        for key, item in value.items()
    )


def _cache_point(point: Any) -> Any:
    given = point if isinstance(point, dict) else {}
    if given.get("type") == "default" and given.get("ttl", "5m") in ("5m", "1h") and given.keys() <= {"type", "ttl"}:
        return point
    return {"type": "default", "ttl": given["ttl"]} if given.get("ttl") in ("5m", "1h") else {"type": "default"}


_BOTH: dict[str, Callable[[Any], Any]] = {"text": valid_words, "cachePoint": _cache_point}
_OF_RESULT: dict[str, Callable[[Any], Any]] = {
    "text": valid_words,
    "json": _json,
    **{kind: valid_media(kind) for kind in ("image", "document", "video")},
}
_OF_USER = {
    **_BOTH,
    **{kind: valid_media(kind) for kind in FORMATS},
    "toolResult": _tool_result,
    "guardContent": _guarded,
}
_OF_ASSISTANT = {**_BOTH, "toolUse": _tool_use, "reasoningContent": _reasoning, "citationsContent": _cited}
_KNOWN = {*_OF_RESULT, *_OF_USER, *_OF_ASSISTANT}


def as_text(block: Any, names: Mapping[str, str]) -> list[Any]:
    """Return a tool use or a tool result as text, for a request that offers no tools and so may not hold either.

    Args:
        block: A valid block of any kind.
        names: Tool use id to tool name.

    Returns:
        Text, and what a result holds besides; any other block as it is.
    """
    if "toolUse" in block:
        use = block["toolUse"]
        return [{"text": f"[Called the tool {use['name']} with {json.dumps(use['input'], ensure_ascii=False)}]"}]
    if "toolResult" not in block:
        return [block]
    result = block["toolResult"]
    said = [
        json.dumps(item["json"], ensure_ascii=False) if "json" in item else item["text"]
        for item in result["content"]
        if "json" in item or "text" in item
    ]
    name = names.get(result["toolUseId"], "a tool")
    rest = [item for item in result["content"] if "json" not in item and "text" not in item]
    return [{"text": "\n".join([f"[The tool {name} returned]", *said])}, *rest]
