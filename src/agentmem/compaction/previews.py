"""Shows a large tool result whole in the one model call that answers it, and shortened from the next call on.

Only the tail of the request is rewritten by it, so a provider's prompt cache keeps what stands before. What is
shortened follows from the messages alone: the same history is shown in the same bytes after a restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.compaction.pinned_messages import pinned_indices
from agentmem.messages.truncation import handle_of, names_of_tools, removed, shorten_large_results

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from strands.types.content import Message

    from agentmem.messages.truncation import TruncationSettings


class Previews:
    """Shortens large results, and keeps the originals until an index has them."""

    def __init__(self, settings: TruncationSettings) -> None:
        """Shorten by these settings."""
        self._settings = settings
        self._originals: dict[str, Message] = {}

    def apply(self, messages: list[Message], first_new: int = 0, *, never: Collection[str] = ()) -> int:
        """Shorten, in place in the list, the large results that the model has answered.

        Args:
            messages: The history, oldest first, each with a ``tracking_id``.
            first_new: Messages before this index were there the last time.
            never: Tracking ids of messages to leave whole, beside those that are pinned now.

        Returns:
            The index of the first message that was replaced; ``first_new`` when it is smaller.
        """
        first = first_new
        if self._settings.preview_above is None:
            return first
        start = _start_of_cycle(messages, first_new)
        answered = next((at for at in reversed(range(start, len(messages))) if messages[at]["role"] == "assistant"), 0)
        pinned: frozenset[int] | None = None
        for at in range(start, answered):
            message = messages[at]
            if not any("toolResult" in block for block in message["content"]):
                continue
            names = names_of_tools(messages[max(_start_of_cycle(messages, at) - 1, 0) : at])
            name = message["tracking_id"]
            short = shorten_large_results(message, self._settings, handle=handle_of(name), tool_names=names)
            if not removed(message, short):
                continue
            pinned = pinned_indices(messages) if pinned is None else pinned
            if at in pinned or name in never:
                continue
            self._originals[name] = message
            messages[at] = short
            first = min(first, at)
        return first

    def original(self, message: Message) -> Message:
        """Return a message as it was before it was shortened here."""
        return self._originals.get(message["tracking_id"], message)

    def has(self, message: Message) -> bool:
        """Whether a message was shortened here and no index has its original yet."""
        return message["tracking_id"] in self._originals

    def redacted(self, message: Message) -> None:
        """Take a message's redaction over."""
        if self.has(message):
            self._originals[message["tracking_id"]] = message

    def indexed(self, names: Iterable[str]) -> None:
        """Let go of the originals that an index has now."""
        for name in names:
            self._originals.pop(name, None)

    def keep_only(self, names: Collection[str]) -> None:
        """Let go of the originals of messages that are not shown any more."""
        self._originals = {name: message for name, message in self._originals.items() if name in names}


def _start_of_cycle(messages: list[Message], at: int) -> int:
    """Return where the user's messages before an index begin: results that no call had answered are among them."""
    while at and messages[at - 1]["role"] != "assistant":
        at -= 1
    return at
