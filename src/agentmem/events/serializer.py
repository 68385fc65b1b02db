"""Serializes Strands messages to payload items, after the user's own redaction.

The SDK's form is what its own session manager writes, so that it can read our sessions: a conversational item holds the
JSON of a ``SessionMessage``, a text too long for one is a ``[json, role]`` blob, and the agent's state is the last blob
of an event marked ``stateType=AGENT``. The clean form puts a message's own text as plain text, which is what extraction
reads, and behind it the whole message as a blob of ours. ``codec`` reads both.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, cast

from strands.types.session import SessionMessage, encode_bytes_values

from agentmem.errors import ConfigurationError
from agentmem.events.agents import AGENT
from agentmem.events.batch import OutgoingItem
from agentmem.events.codec import MARK, MESSAGE, REPLACES, decode_stored
from agentmem.events.size_limits import SMALL_ITEM, as_json, fitting_text, is_too_large, within_limit
from agentmem.messages.thinking import strip_thinking

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from strands.types.content import Message

    from agentmem.settings.sections import WriteConfig

__all__ = [
    "MAX_TEXT",
    "UNREADABLE",
    "Serializer",
    "agentmem_item",
    "check_redact",
    "clean_text",
    "encode_faithful",
    "encode_message",
    "encode_text",
    "has_conversation",
    "replacement_mark",
    "valid_text",
]

MAX_TEXT = 100_000
"""Most characters of a conversational item's text (botocore's model of the service: ``ContentTextString``)."""

UNREADABLE = "[left out: it could not be redacted]"
"""What stands for a text on which the user's redaction failed."""

_TEXTS = frozenset({"text", "context", "title"})
"""Keys under which a content block holds text for people or models; ids, names and formats are under others."""

_TEXT_FORMATS = frozenset({"txt", "md", "csv", "html"})
"""Formats of documents whose bytes are text."""

_log = logging.getLogger(__name__)


class Serializer:
    """Serializes messages as a configuration of writing says.

    Attributes:
        marks: Metadata of the events of the messages, which says whose they are.
    """

    def __init__(self, settings: WriteConfig) -> None:
        """Serialize in the settings' ``event_format``, after their ``redact``."""
        self._redact = settings.redact
        check_redact(self._redact)
        self._clean = settings.event_format == "clean"
        self.marks: Mapping[str, str] = {}

    def mark(self, marks: Mapping[str, str]) -> None:
        """Say whose the messages are from now on.

        Args:
            marks: Metadata of their events (`agents.AgentEvents.marks`). Those of an agent that is not the session's
                main one are put into items that the SDK's session manager passes over, and extraction too.
        """
        self.marks = marks

    def item(self, message: Message) -> OutgoingItem:
        """Return a message as it is stored."""
        kept = message if self._redact is None else self.message(message)
        name = message["tracking_id"]
        if AGENT in self.marks:
            return OutgoingItem(name, _encoded(kept, _faithful_item), conversational=False, marks=self.marks)
        if not self._clean:
            return OutgoingItem(name, _encoded(kept, _sdk_item), has_conversation(kept), marks=self.marks)
        said = clean_text(kept)
        return OutgoingItem(name, _encoded(kept, _faithful_item), said is not None, said, self.marks)

    def message(self, message: Message) -> Message:
        """Return a message with every text passed through the user's redaction; the same one without any."""
        if self._redact is None:
            return message
        blocks = (self._block(block) for block in message["content"])
        return cast("Message", {**message, "content": [block for block in blocks if block is not None]})

    def state(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an agent's stored state with its texts passed through the user's redaction.

        All of ``agent.state`` is text of the user's; of what Strands keeps for itself, such as a pending interrupt,
        only what messages hold.
        """
        if self._redact is None:
            return state
        changed = {key: self._texts(value) for key, value in state.items()}
        return {**changed, "state": self._all(state["state"])}

    def run(self, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the stored state of a graph or a swarm with its texts passed through the user's redaction."""
        if self._redact is None:
            return state
        said = {key: self._all(state[key]) for key in ("current_task", "context") if key in state}
        return {**{key: self._texts(value) for key, value in state.items()}, **said}

    def text(self, text: str) -> str:
        """Pass one text through the user's redaction."""
        if self._redact is None or not text:
            return text
        try:
            redacted: object = self._redact(text)
        except Exception as error:  # noqa: BLE001 - the user's own function; the text must not leave unredacted
            _log.error("error=<%s> | redact failed, the text is left out", type(error).__name__)
            return UNREADABLE
        if not isinstance(redacted, str):
            _log.error("type=<%s> | redact returned no text, the text is left out", type(redacted).__name__)
            return UNREADABLE
        return redacted

    def _block(self, block: Any) -> Any:
        if "toolUse" in block:
            use = block["toolUse"]
            return {**block, "toolUse": {**use, "input": self._all(use.get("input"))}}
        changed = self._texts(block)
        if "document" in block:
            changed = {**changed, "document": self._document(changed["document"])}
        # The signature of a reasoning block covers its text: changed, no model would take it back.
        return None if "reasoningContent" in block and changed != block else changed

    def _document(self, document: Any) -> Any:
        """Redact a document's name, and its content where that is text in bytes."""
        if not isinstance(document, dict):
            return document
        changed = dict(document)
        if isinstance(document.get("name"), str):
            changed["name"] = self.text(document["name"])
        source = document.get("source")
        if not isinstance(source, dict):
            return changed
        data = source.get("bytes")
        if isinstance(data, bytes) and document.get("format") in _TEXT_FORMATS:
            try:
                changed["source"] = {**source, "bytes": self.text(data.decode()).encode()}
            except UnicodeError:
                changed["source"] = {**source, "bytes": UNREADABLE.encode()}
        return changed

    def _texts(self, value: Any) -> Any:
        """Redact what stands under the keys for text, and everything under ``json`` and a tool's ``input``."""
        if isinstance(value, list):
            return [self._texts(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: self.text(item)
            if key in _TEXTS and isinstance(item, str)
            else self._all(item)
            if key in ("json", "input")
            else self._texts(item)
            for key, item in value.items()
        }

    def _all(self, value: Any) -> Any:
        """Redact every string, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._all(item) for item in value]
        if isinstance(value, dict):
            changed: dict[Any, Any] = {}
            for key, item in value.items():
                name = self.text(key) if isinstance(key, str) else key
                while name in changed:  # two keys that look the same without what was in them
                    name = f"{name} "
                changed[name] = self._all(item)
            return changed
        return value


def check_redact(redact: Callable[[str], str] | None) -> None:
    """Refuse a function that gives no text for a text.

    Args:
        redact: The user's function; None for none.

    Raises:
        ConfigurationError: It returned something else.
    """
    if redact is None:
        return
    try:
        answer: object = redact("a text")
    except Exception as error:  # noqa: BLE001 - it may know texts it fails on; then those are left out
        _log.warning("error=<%s> | redact failed on a sample; a text it fails on is left out", type(error).__name__)
        return
    if not isinstance(answer, str):
        raise ConfigurationError(
            f"WriteConfig(redact=...): it returned {type(answer).__name__} for a text. It must return the text to "
            "store, which may be empty; otherwise nothing that is said could be stored."
        )


# ---- payload items


def encode_message(message: Message) -> dict[str, Any] | None:
    """Encode a message as one payload item, in the SDK's form.

    Args:
        message: A Strands message.

    Returns:
        The payload item, or None when nothing is left of the message without its blank texts, which the Converse API
        refuses and the SDK does not store either.
    """
    return _encoded(message, _sdk_item)


def encode_faithful(message: Message) -> dict[str, Any] | None:
    """Encode a whole message as one payload item of ours, which extraction passes over.

    Args:
        message: A Strands message.

    Returns:
        The payload item, or None when nothing is left of the message without its blank texts.
    """
    return _encoded(message, _faithful_item)


def clean_text(message: Message) -> dict[str, Any] | None:
    """Encode the text of a message, and nothing else of it, as the payload item that extraction reads.

    Args:
        message: A Strands message.

    Returns:
        Its texts without tool traffic, media, reasoning and thinking blocks, cut to what one item may hold; None when
        there is none.
    """
    text = "\n".join(str(block["text"]) for block in message["content"] if str(block.get("text", "")).strip())
    said = (strip_thinking(text) if message["role"] == "assistant" else text).strip()
    return encode_text(valid_text(said)[: MAX_TEXT - 1], message["role"]) if said else None


def encode_text(text: str, role: str) -> dict[str, Any]:
    """Encode plain text as one payload item, as hooks store it; a text too long for one becomes a blob.

    A text that a reader would take for a stored message, because somebody said JSON, gets a blank in front.

    Args:
        text: The text; one too large for an event is cut, with a note.
        role: ``user`` or ``assistant``.

    Returns:
        The payload item.
    """
    text = valid_text(text)
    if text.startswith("{") and decode_stored(text, role) is not None:
        text = f" {text}"
    if len(text) <= MAX_TEXT:
        return {"conversational": {"content": {"text": text}, "role": role.upper()}}
    item = {"blob": json.dumps([text, role])}
    return encode_text(fitting_text(text), role) if is_too_large(item) else item


def valid_text(text: str) -> str:
    """Return a text with each lone surrogate replaced by U+FFFD: it has no form in UTF-8, which is what is sent."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if not text.isascii() else text


def agentmem_item(kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """Encode something of agentmem's own as a payload item that every other reader passes over."""
    return {"blob": json.dumps({MARK: kind, **value}, separators=(",", ":"))}


def replacement_mark(event_ids: frozenset[str]) -> dict[str, Any]:
    """Encode that an event replaces others, so that a reader who finds both keeps this one."""
    return agentmem_item(REPLACES, {"event_ids": sorted(event_ids)})


def has_conversation(message: Message) -> bool:
    """Whether a message holds a user's or an assistant's own text, which is what extraction is for."""
    return any(str(block.get("text", "")).strip() for block in message["content"])


def _encoded(message: Message, encode: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any] | None:
    """Encode a message without its blank texts, cut to what an event can hold; None when nothing is left of it."""
    content = [block for block in message["content"] if "text" not in block or str(block["text"]).strip()]
    if not content:
        return None
    stored: dict[str, Any] = {**message, "content": content}
    try:
        stored = encode_bytes_values(stored)
        item = encode(stored)
    except (TypeError, ValueError, RecursionError):
        return within_limit(as_json(stored), encode)
    return item if len(item.get("blob", "")) <= SMALL_ITEM else within_limit(stored, encode)


def _sdk_item(message: dict[str, Any]) -> dict[str, Any]:
    role = message["role"]
    stored = SessionMessage(cast("Message", {}), 0)
    text = json.dumps(
        {
            "message": message,
            "message_id": 0,
            "redact_message": None,
            "created_at": stored.created_at,
            "updated_at": stored.updated_at,
        }
    )
    if len(text) + len(role) >= MAX_TEXT:  # the SDK's own test, which it applies to text and role together
        return {"blob": json.dumps([text, role])}
    return {"conversational": {"content": {"text": text}, "role": role.upper()}}


def _faithful_item(message: dict[str, Any]) -> dict[str, Any]:
    return agentmem_item(MESSAGE, {MESSAGE: message})
