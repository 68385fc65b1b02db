"""Turns the text of a stream, incremental or cumulative, into deltas without thinking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from agentmem.messages.thinking import ThinkingFilter
from agentmem.streaming.events import MessageEvent, ToolUseEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.streaming.events import StreamEvent

__all__ = ["NOTHING", "TextForm", "VisibleText"]

TextForm: TypeAlias = Literal["auto", "incremental", "cumulative"]
"""Whether a piece of text continues the pieces before it (incremental) or repeats them (cumulative)."""

NOTHING: Sequence[StreamEvent] = ()


class VisibleText:
    """Reads the text of one stream.

    Bedrock and Strands define their text as incremental. Other servers send either form and do not say which. With
    ``"auto"`` the second piece of such a stream decides for all: it is cumulative when the second piece is longer than
    the first and begins with it. An incremental stream whose second piece happens to do so ("ha", "haha") is misread,
    and so is nothing else; give the form where it is known.

    A message that arrives whole is held against what was streamed of it, and only what is new of it is shown.
    """

    def __init__(self, form: TextForm = "auto") -> None:
        """Begin with nothing said.

        Args:
            form: What the pieces are; ``"cumulative"`` counts for Bedrock's and Strands' text, too.
        """
        self._form = form
        self._guess: TextForm = form  # of text whose form its sender leaves open
        self._filter = ThinkingFilter()
        self._fed = False
        self._known = ""  # what the next cumulative piece would begin with
        self._streamed = False  # pieces of the present message were shown as they came
        self._written_calls = 0

    def piece(self, text: str) -> Sequence[StreamEvent]:
        """Take a piece of text that Bedrock or Strands has sent."""
        self._streamed = True
        return self._cumulative(text) if self._form == "cumulative" else self._show(text)

    def unlabelled_piece(self, text: str) -> Sequence[StreamEvent]:
        """Take a piece of text of which only the configuration or a guess tells the form."""
        first = not self._streamed
        self._streamed = True
        if self._guess == "auto":
            if first or not self._known:
                self._known = text
                return self._show(text)
            grown = len(text) > len(self._known) and text.startswith(self._known)
            self._guess = "cumulative" if grown else "incremental"
        return self._cumulative(text) if self._guess == "cumulative" else self._show(text)

    def whole(self, text: str) -> Sequence[StreamEvent]:
        """Take the text of a whole message, or of one that grows with each time it is sent."""
        if self._streamed:
            shown = self.end_text()
            self._streamed, self._known = False, text  # the same message may be sent once more
            return shown
        return self._cumulative(text)

    def begin_message(self) -> Sequence[StreamEvent]:
        """Note that another message begins."""
        shown = self.end_text()
        self._streamed, self._known = False, ""
        return shown

    def end_text(self) -> Sequence[StreamEvent]:
        """Show what was held back because it might have become a tag; the next text starts outside of any tag."""
        if not self._fed:
            return NOTHING
        rest = self._filter.close()
        shown = self._events(rest)
        self._filter, self._fed = ThinkingFilter(), False
        return shown

    def _cumulative(self, text: str) -> Sequence[StreamEvent]:
        known, self._known = self._known, text
        if text.startswith(known):
            return self._show(text[len(known) :])
        if known.startswith(text):  # an older state of the same text
            self._known = known
            return NOTHING
        return [*self.end_text(), *self._show(text)]

    def _show(self, text: str) -> Sequence[StreamEvent]:
        self._fed = True
        return self._events(self._filter.feed(text))

    def _events(self, visible: str) -> Sequence[StreamEvent]:
        calls = self._filter.new_tool_calls()
        if not calls:
            return (MessageEvent(visible),) if visible else NOTHING
        events: list[StreamEvent] = [MessageEvent(visible)] if visible else []
        for call in calls:
            self._written_calls += 1
            events.append(ToolUseEvent(call.name, call.arguments, f"text-{self._written_calls}", "as_text"))
        return events
