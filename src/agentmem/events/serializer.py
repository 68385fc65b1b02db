"""What leaves the process: messages passed through the user's own redaction and serialized in the chosen format."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

from agentmem.events.batch import OutgoingItem
from agentmem.events.codec import clean_text, encode_faithful, encode_message, has_conversation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strands.types.content import Message

    from agentmem.settings.sections import WriteConfig

__all__ = ["UNREADABLE", "Outward"]

UNREADABLE = "[left out: it could not be redacted]"
"""What stands for a text on which the user's redaction failed."""

_TEXTS = frozenset({"text", "context", "title"})
"""Keys under which a content block holds text for people or models; ids, names and formats are under others."""

_log = logging.getLogger(__name__)


class Outward:
    """Serializes messages as a configuration of writing says."""

    def __init__(self, settings: WriteConfig) -> None:
        """Serialize in the settings' ``event_format``, after their ``redact``."""
        self._redact = settings.redact
        self._clean = settings.event_format == "clean"

    def item(self, message: Message) -> OutgoingItem:
        """Return a message as it is stored."""
        kept = self.message(message)
        name = message["tracking_id"]
        if not self._clean:
            return OutgoingItem(name, encode_message(kept), has_conversation(kept))
        said = clean_text(kept)
        return OutgoingItem(name, encode_faithful(kept), said is not None, said)

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

    def text(self, text: str) -> str:
        """Pass one text through the user's redaction."""
        if self._redact is None or not text:
            return text
        try:
            return self._redact(text)
        except Exception as error:  # noqa: BLE001 - the user's own function; the text must not leave unredacted
            _log.warning("error=<%s> | redact failed, the text is left out", type(error).__name__)
            return UNREADABLE

    def _block(self, block: Any) -> Any:
        if "toolUse" in block:
            use = block["toolUse"]
            return {**block, "toolUse": {**use, "input": self._all(use.get("input"))}}
        changed = self._texts(block)
        # The signature of a reasoning block covers its text: changed, no model would take it back.
        return None if "reasoningContent" in block and changed != block else changed

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
        """Redact every string that is not a key."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._all(item) for item in value]
        if isinstance(value, dict):
            return {key: self._all(item) for key, item in value.items()}
        return value
