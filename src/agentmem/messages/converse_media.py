"""Makes each image, document, video and audio one that the Converse API accepts."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from agentmem.messages.json_values import valid_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["FORMATS", "Instead", "is_blank", "note", "valid_document_name", "valid_media", "valid_words", "with_fields"]

_DOCUMENT_NAME = re.compile(r"(?:[a-zA-Z0-9()\[\]-]| (?! )){1,200}")
_NOT_IN_DOCUMENT_NAME = re.compile(r"[^a-zA-Z0-9()\[\] -]+")
_S3_URI = re.compile(r"s3://[a-z0-9][.\-a-z0-9]{1,61}[a-z0-9](?:/.*)?")
_ACCOUNT = re.compile(r"[0-9]{12}")
FORMATS = {
    "image": frozenset({"png", "jpeg", "gif", "webp"}),
    "document": frozenset({"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"}),
    # The last three are names of Strands' own, which it translates.
    "video": frozenset({"mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv", "three_gp", "3gp", "3g2", "3gpp"}),
    "audio": frozenset(
        {"mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm"}
    ),
}
_OTHER_NAMES = {"jpg": "jpeg", "text": "txt", "plain": "txt", "htm": "html", "markdown": "md", "wave": "wav"}
_SIGNATURES = ((b"\x89PNG\r\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"))


class Instead:
    """A block of another kind, to be shown instead."""

    def __init__(self, block: Any) -> None:
        self.block = block


def note(kind: str, about: Sequence[Any] = ()) -> Any:
    """Return the text block that stands for one the model cannot be given.

    Args:
        kind: The block's kind.
        about: What else is known of it, such as a name; what is empty is passed over.
    """
    said = ", ".join(valid_text(str(one))[:100] for one in about if one)
    return {"text": f"[{valid_text(kind)[:100]}{f' ({said})' if said else ''} left out: the model cannot be given it]"}


def is_blank(text: str) -> bool:
    """Tell whether a text is empty or white space, which the API refuses."""
    return not text or text.isspace()  # unlike strip(), this looks no further than the first letter


def valid_words(text: Any) -> str | None:
    """Return a text that the API accepts, the same object when it does already; None for a blank one."""
    text = valid_text(text if isinstance(text, str) else "" if text is None else _named(text))
    return None if is_blank(text) else text


def _named(value: Any) -> str:
    """Return a value as text that is the same each time: the text of an object may tell where in memory it is."""
    if isinstance(value, (int, float)):
        return str(value)
    try:
        return json.dumps(value, ensure_ascii=False, default=lambda one: f"({type(one).__name__})")
    except (TypeError, ValueError, RecursionError):
        return f"({type(value).__name__})"


def with_fields(value: Any, fields: dict[str, Any]) -> Any:
    """Return a mapping with these fields, without those that are None; the same one when it has them."""
    if all(value.get(key) is item if item is not None else key not in value for key, item in fields.items()):
        return value
    return {key: item for key, item in {**value, **fields}.items() if key not in fields or item is not None}


def valid_media(kind: str) -> Callable[[Any], Any]:
    """Make the function that mends what stands under one of the kinds of `FORMATS`."""

    def mended(media: Any) -> Any:
        if not isinstance(media, dict):
            return Instead(note(kind))
        fields: dict[str, Any] = {"format": _format(kind, media), "source": _source(media.get("source"))}
        if kind == "document":
            fields |= _about_document(media)
        if fields["format"] not in FORMATS[kind] or fields["source"] is None:
            return Instead(note(kind, (media.get("name"), media.get("format"))))
        return with_fields(media, fields)

    return mended


def _about_document(media: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": valid_document_name(media.get("name"))}
    if "context" in media:
        fields["context"] = valid_words(media["context"])
    citations = media.get("citations")
    if "citations" in media and not (isinstance(citations, dict) and isinstance(citations.get("enabled"), bool)):
        fields["citations"] = None
    return fields


def _format(kind: str, media: Mapping[str, Any]) -> str:
    named = str(media.get("format") or "")
    found = named if named in FORMATS[kind] else _OTHER_NAMES.get(named.lower(), named.lower())
    source = media.get("source")
    data = source.get("bytes") if kind == "image" and isinstance(source, dict) else None
    if isinstance(data, (bytes, bytearray)):
        # An image that is not what its format says is refused; its first bytes tell.
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return "webp"
        found = next((real for signature, real in _SIGNATURES if data.startswith(signature)), found)
    if kind == "document" and found not in FORMATS[kind] and isinstance(source, dict) and "text" in source:
        return "txt"
    return found


def _source(source: Any) -> Any:
    """Return a source of bytes or of S3, the two that Strands knows; None when there is nothing in it."""
    if not isinstance(source, dict):
        return None
    location = source.get("location")
    if isinstance(source.get("s3Location"), dict):
        location = {"type": "s3", **source["s3Location"]}
    if isinstance(location, dict):
        owner, uri = location.get("bucketOwner"), location.get("uri")
        known = location.get("type") == "s3" and isinstance(uri, str) and len(uri) <= 1024 and _S3_URI.fullmatch(uri)
        if not known or ("bucketOwner" in location and not (isinstance(owner, str) and _ACCOUNT.fullmatch(owner))):
            return None
        return source if set(source) == {"location"} else {"location": location}
    data = source.get("bytes")
    if isinstance(data, (bytes, bytearray)) and data:
        return source if set(source) == {"bytes"} else {"bytes": data}
    text = source.get("text")
    if isinstance(text, str) and not is_blank(text):
        return {"bytes": valid_text(text).encode()}
    return None


def valid_document_name(name: Any) -> str:
    """Return a document's name with what the API refuses left out; ``document`` when nothing is left."""
    text = name if isinstance(name, str) else ""
    if _DOCUMENT_NAME.fullmatch(text) and not is_blank(text):
        return text
    return " ".join(_NOT_IN_DOCUMENT_NAME.sub(" ", text).split())[:200].strip() or "document"
