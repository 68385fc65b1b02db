"""Removes a model's thinking, and tool calls written as text, from its answer.

Some models write their reasoning between ``<thinking>`` or ``<think>`` tags in the visible text, and Amazon Nova
sometimes writes a tool call as text instead of returning a ``toolUse`` block (Bedrock reports such a turn with the
stop reason ``malformed_tool_use``)::

    <tools>
      <__function=get_weather>
        <__parameter=city>Paris</__parameter>
      </__function>
    </tools>

Neither belongs in a memory. The rules, which hold for whole texts and for streams alike:

- Tag names are matched in any case, with attributes of up to 256 characters; ``<think/>`` is an empty block. A name
  that merely begins like one (``<thinkers>``), or a tag that never ends, is text.
- Blocks nest, and the two spellings close each other: a block ends when as many tags have closed as have opened. A
  block that is never closed hides everything after it. A closing tag with nothing to close is removed.
- Inside a thinking block nothing else is looked for, so a tool call the model only thought about is not offered.
- A tool call ends at ``</__function>``, at the next call, at ``</tools>`` outside a parameter, or at the end of the
  text; what its parameters hold is taken verbatim. Parameter tags outside a call are removed, their value is kept.
  ``<tools>`` is removed only directly in front of a call. The single-underscore spelling is understood as well.
- White space directly after something removed is dropped too when the text so far is empty or already ends in white
  space, so that no double blank is left behind. Text without any such tag comes back unchanged.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

_FLAGS = re.IGNORECASE | re.ASCII

_THINK = re.compile(r"<(?P<close>/?)think(?:ing)?(?P<attributes>[\s/][^<>]{0,256})?>", _FLAGS)
_CALL_PART = re.compile(
    r"<__?(?P<kind>function|parameter)\s{0,8}=\s{0,8}(?P<name>[^<>\s][^<>]{0,127})>"
    r"|</__?(?P<closed>function|parameter)\s{0,8}>",
    _FLAGS,
)
_TOOLS_OPEN = re.compile(r"<tools\s{0,8}>\s{0,64}(?=<__?function\s{0,8}=)", _FLAGS)
_TOOLS_CLOSE = re.compile(r"</tools\s{0,8}>", _FLAGS)

MAX_HELD = 300
"""Characters at most that are held back to see whether they become a tag: the longest tag above, rounded up."""


def _beginning_of(*atoms: str) -> str:
    """Build a pattern for every non-empty beginning of a sequence of pattern atoms."""
    pattern = ""
    for atom in reversed(atoms):
        pattern = f"{atom}(?:{pattern})?" if pattern else atom
    return pattern


_UNFINISHED = re.compile(
    "(?:"
    + "|".join(
        (
            _beginning_of("<", "/?", *"think", r"[\s/]", r"[^<>]{0,256}"),
            _beginning_of("<", "/?", *"thinking", r"[\s/]", r"[^<>]{0,256}"),
            _beginning_of("<", "_", "_?", *"function", r"\s{0,8}", "=", r"\s{0,8}", r"[^<>\s]", r"[^<>]{0,127}"),
            _beginning_of("<", "_", "_?", *"parameter", r"\s{0,8}", "=", r"\s{0,8}", r"[^<>\s]", r"[^<>]{0,127}"),
            _beginning_of("<", "/", "_", "_?", *"function", r"\s{0,8}"),
            _beginning_of("<", "/", "_", "_?", *"parameter", r"\s{0,8}"),
            _beginning_of("<", *"tools", r"\s{0,8}", ">", r"\s{0,64}", "<", "_", "_?", *"function", r"\s{0,8}"),
            _beginning_of("<", "/", *"tools", r"\s{0,8}"),
        )
    )
    + r")\Z",
    _FLAGS,
)
_CUT_CLOSING_TAG = re.compile(r"\s*</_{0,2}[a-z]{0,9}\Z", _FLAGS)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool call that a model wrote as text.

    Attributes:
        name: The tool's name.
        arguments: The parameters by name. A value that is a JSON object or array is decoded, any other is the
            string between the tags without surrounding white space: the text does not say which strings of digits
            are numbers. The last of several values for one name counts.
        complete: False when the text ended before the call did. Do not run such a call without asking.
    """

    name: str
    arguments: dict[str, Any]
    complete: bool = True


@dataclass(slots=True)
class _OpenCall:
    """A tool call being read; ``value`` collects the parameter that is open."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    parameter: str | None = None
    value: list[str] = field(default_factory=list)

    def end_parameter(self, *, cut: bool = False) -> None:
        if self.parameter is not None:
            text = "".join(self.value)
            if cut:
                text = _CUT_CLOSING_TAG.sub("", text)
            self.arguments[self.parameter] = _decoded(text)
        self.parameter = None
        self.value = []


class ThinkingFilter:
    """Removes thinking and tool calls written as text from a stream of text, chunk by chunk.

    What ``feed`` and ``close`` return, joined, equals ``strip_thinking`` of the joined chunks, however they are cut.
    Text is returned as soon as it cannot be part of a tag any more; the work done is linear in the length of the
    text for chunks of any size, and no more than ``MAX_HELD`` characters are held back. (The parameters of a tool
    call are kept until ``tool_calls`` has them.)

    One filter serves one text and one thread.
    """

    def __init__(self) -> None:
        """Begin with no text read."""
        self._held = ""
        self._depth = 0
        self._call: _OpenCall | None = None
        self._in_tools = False
        self._ends_in_space = True  # nothing returned yet counts as white space
        self._drop_space = False
        self._closed = False
        self._tool_calls: list[ToolCall] = []
        self._told = 0  # tool calls that `new_tool_calls` has returned

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls read so far, in order; a call cut off by the end of the text is added by ``close``."""
        return list(self._tool_calls)

    def new_tool_calls(self) -> list[ToolCall]:
        """Return the tool calls read since this was last asked, in order."""
        if self._told == len(self._tool_calls):
            return []
        new = self._tool_calls[self._told :]
        self._told += len(new)
        return new

    @property
    def held(self) -> int:
        """How many characters are held back because they may be the beginning of a tag."""
        return len(self._held)

    def feed(self, chunk: str) -> str:
        """Take the next piece of the text.

        Args:
            chunk: Any number of characters, none included.

        Returns:
            The visible text that is certain by now; often shorter than the chunk, sometimes empty.

        Raises:
            ValueError: The filter was closed.
        """
        if self._closed:
            raise ValueError("this ThinkingFilter is closed; use a new one for the next text")
        if not self._held and "<" not in chunk:  # most pieces of most texts
            if not (self._depth or self._call is not None or self._drop_space) and chunk:
                self._ends_in_space = chunk[-1].isspace()
                return chunk
            visible: list[str] = []
            self._take(chunk, visible)
            return "".join(visible)
        return self._scan(self._held + chunk if self._held else chunk, final=False)

    def close(self) -> str:
        """End the text.

        Returns:
            What was held back and turned out not to be a tag. A second call returns an empty string.
        """
        if self._closed:
            return ""
        self._closed = True
        rest = self._scan(self._held, final=True)
        self._end_call(complete=False)
        return rest

    def _scan(self, text: str, *, final: bool) -> str:
        self._held = ""
        visible: list[str] = []
        start = 0  # of the text not yet given to anyone
        at = text.find("<")
        while at >= 0:
            tag = self._tag_at(text, at)
            if tag is not None:
                self._take(text[start:at], visible)
                self._handle(tag)
                start = at = tag.end()
            elif not final and len(text) - at <= MAX_HELD and _UNFINISHED.match(text, at):
                self._take(text[start:at], visible)
                self._held = text[at:]
                return "".join(visible)
            else:
                at += 1
            at = text.find("<", at)
        self._take(text[start:], visible)
        return "".join(visible)

    def _tag_at(self, text: str, at: int) -> re.Match[str] | None:
        """The tag that begins at ``at`` and means something in the present state."""
        if self._depth:
            return _THINK.match(text, at)
        if self._call is not None:
            tag = _CALL_PART.match(text, at)
            return tag or (_TOOLS_CLOSE.match(text, at) if self._call.parameter is None else None)
        tag = _THINK.match(text, at) or _CALL_PART.match(text, at) or _TOOLS_OPEN.match(text, at)
        return tag or (_TOOLS_CLOSE.match(text, at) if self._in_tools else None)

    def _handle(self, tag: re.Match[str]) -> None:
        if tag.re is _THINK:
            if tag["close"]:
                self._depth = max(0, self._depth - 1)
            elif not (tag["attributes"] or "").endswith("/"):
                self._depth += 1
        elif tag.re is _TOOLS_OPEN:
            self._in_tools = True
        elif tag.re is _TOOLS_CLOSE:
            self._end_call()
            self._in_tools = False
        else:
            self._handle_call_part(tag)
        self._drop_space = self._ends_in_space or self._in_tools

    def _handle_call_part(self, tag: re.Match[str]) -> None:
        kind = (tag["kind"] or tag["closed"]).lower()
        name = (tag["name"] or "").strip().strip("\"'")
        if kind == "function":
            self._end_call()
            if tag["kind"]:
                self._call = _OpenCall(name)
        elif self._call is not None:
            self._call.end_parameter()
            if tag["kind"]:
                self._call.parameter = name

    def _end_call(self, *, complete: bool = True) -> None:
        if self._call is None:
            return
        self._call.end_parameter(cut=True)
        self._tool_calls.append(ToolCall(self._call.name, self._call.arguments, complete))
        self._call = None

    def _take(self, text: str, visible: list[str]) -> None:
        """Give text between tags to whom it belongs: nobody, an open parameter, or the reader."""
        if self._depth or not text:
            return
        if self._call is not None:
            if self._call.parameter is not None:
                self._call.value.append(text)
            return
        if self._drop_space:
            text = text.lstrip()
            if not text:
                return
            self._drop_space = False
        self._ends_in_space = text[-1].isspace()
        visible.append(text)


def strip_thinking(text: str) -> str:
    """Remove thinking blocks and tool calls written as text.

    Args:
        text: A complete text of a model.

    Returns:
        The text without them; the module's docstring has the rules. It is the same object when it holds no ``<``.
        The result is meant to be read and stored; it is not made safe for HTML or for a prompt.
    """
    if "<" not in text:
        return text
    thinking = ThinkingFilter()
    return thinking.feed(text) + thinking.close()


def _decoded(text: str) -> Any:
    value = text.strip()
    if value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value  # not JSON after all: a string that begins with a bracket
    return value
