"""Defines the summary of folded turns: a value that is stored in a checkpoint and rendered for the model."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from agentmem.messages.summary_fence import inside_fence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMAT = 2
"""Version of the JSON form."""

HELD = "held"
"""Requests of the user that hold from now on, as far as they were recognized."""
OPEN = "open"
"""Requests that have no outcome yet."""
DONE = "done"
"""Requests with their outcome."""
TOLD = "told"
"""Everything else that was worth keeping."""

QUOTED = "quoted"
"""Kind of a statement that a model chose and that was found in its message."""

TITLES = {
    HELD: "Asked to hold",
    OPEN: "Asked, no outcome yet",
    DONE: "Asked and answered",
    TOLD: "Said besides",
}
"""Headings by section, in the order in which they are shown. They claim no more than is known."""

TOOLS_TITLE = "Tools used"
NARRATIVE_TITLE = "Summary"

_FORMAT_1 = {"instructions": HELD, "constraints": HELD}


@dataclass(frozen=True)
class Statement:
    """One passage of the conversation, word for word: a sentence, or a few short ones that stood together.

    Attributes:
        text: The passage, on one line.
        section: One of the keys of `TITLES`; sections of a future format are shown under their own name.
        order: Position in the conversation; higher is newer.
        by: `user` or `assistant`.
        kind: Kind of the passage as it was judged (`agentmem.meaning`), such as ``prohibition``; `QUOTED`; or empty.
        sure: How sure the judgement is, 0 to 1.
        weight: Worth under a budget, about 0 to 2.
        source: Handle of the message it is from.
        at: Day of that message, ISO 8601, or empty.
        outcome: Of a request, the calls and the answer that followed.
        unanswered: Of an open request, that its turn broke off: the calls in `outcome` are not what it asked for.
    """

    text: str
    section: str
    order: int
    by: str = "user"
    kind: str = ""
    sure: float = 0.0
    weight: float = 0.5
    source: str = ""
    at: str = ""
    outcome: str = ""
    unanswered: bool = False

    def line(self, *, dated: bool = False) -> str:
        """Return the statement as one line of text, with its day if asked."""
        speaker = f"{self.by}: " if self.section == TOLD else ""
        day = f"{self.at} " if dated and self.at else ""
        outcome = f" → {self.outcome}" if self.outcome else ""
        return f"{day}{speaker}{self.text}{outcome}"


@dataclass(frozen=True)
class ToolNote:
    """The calls of one tool.

    Attributes:
        name: The tool.
        calls: Calls so far; exact for as long as the session lives.
        failures: How many of them reported an error.
        last: The latest call and the start of its result, on one line.
        order: Position of the latest call in the conversation.
    """

    name: str
    calls: int
    failures: int = 0
    last: str = ""
    order: int = 0

    def line(self, *, brief: bool = False) -> str:
        """Return the note as one line of text, without the latest call if it is to be brief."""
        failed = f", {self.failures} failed" if self.failures else ""
        count = f" ({self.calls} calls{failed})" if self.calls > 1 else f" ({failed[2:]})" if failed else ""
        return f"{self.name}{count}" if brief or not self.last else f"{self.name}{count}: {self.last}"


@dataclass(frozen=True)
class Summary:
    """The rolling summary of everything folded away so far.

    Attributes:
        statements: Passages of the conversation, oldest first.
        tools: All tools that were called, by name.
        tools_in_full: How many tools, those called last, are shown with their latest call; the others with their
            counters only.
        tools_shown: How many tools are shown at all.
        narrative: A model's retelling; empty with the extractive summarizer.
        notes: Remarks about the history itself, such as a part of it that was never read.
        messages: Messages folded into it.
        gave_way: Statements that were left out for want of room so far; recall finds them.
        held_gave_way: How many of them were requests that hold from now on.
        extra: Fields of a future format, kept as they are.
    """

    statements: tuple[Statement, ...] = ()
    tools: tuple[ToolNote, ...] = ()
    tools_in_full: int = 1_000
    tools_shown: int = 1_000
    narrative: str = ""
    notes: tuple[str, ...] = ()
    messages: int = 0
    gave_way: int = 0
    held_gave_way: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.statements or self.tools or self.narrative or self.notes)

    def with_note(self, note: str) -> Summary:
        """Return a copy with one more remark about the history.

        Args:
            note: One sentence; a note that is there already is not repeated.

        Returns:
            The new summary.
        """
        return self if note in self.notes else replace(self, notes=(*self.notes, note))

    def of_section(self, section: str) -> list[Statement]:
        """Return the statements of a section, oldest first."""
        return sorted((one for one in self.statements if one.section == section), key=lambda one: one.order)

    def render(self) -> str:
        """Return the text between the fence lines.

        Returns:
            Headings followed by lines that begin with `- `; empty for an empty summary. No tag in it means anything.
        """
        lines = [*self.notes]
        dated = len({one.at for one in self.statements if one.at}) > 1
        titles = {**TITLES, **{s.section: s.section.capitalize() for s in self.statements if s.section not in TITLES}}
        for section, title in titles.items():
            shown = _lines(self.of_section(section), dated=dated)
            if section == HELD and self.held_gave_way:
                shown.append(f"- ({self.held_gave_way} less certain ones gave way; recall finds them)")
            if shown:
                lines += [f"{title}:", *shown]
        lines += self._tool_lines()
        if self.narrative:
            lines += [f"{NARRATIVE_TITLE}:", self.narrative]
        if others := self.gave_way - self.held_gave_way:
            lines.append(f"({others} further passages gave way; recall finds them)")
        return inside_fence("\n".join(lines))

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as a JSON object.

        Returns:
            `format`, one entry per field, and the fields of a future format it was read with.
        """
        return {
            **self.extra,
            "format": max(FORMAT, int(self.extra.get("format", FORMAT))),
            "statements": [
                {name: value for name, value in vars(one).items() if value != _OMITTED.get(name)}
                for one in self.statements
            ],
            "tools": [vars(tool) for tool in self.tools],
            "tools_in_full": self.tools_in_full,
            "tools_shown": self.tools_shown,
            "narrative": self.narrative,
            "notes": list(self.notes),
            "messages": self.messages,
            "gave_way": self.gave_way,
            "held_gave_way": self.held_gave_way,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Summary:
        """Read a summary written by `to_dict`, also of an earlier or a future format.

        Args:
            data: The JSON object; missing fields are empty. Format 1 had sections by cue words; its rules and
                constraints become requests to hold, everything else passages that were said.

        Returns:
            The summary.

        Raises:
            KeyError: A statement or tool note lacks its text or name.
        """
        earlier = int(data.get("format", FORMAT)) < FORMAT
        known = {
            *("statements", "tools", "tools_in_full", "tools_shown", "narrative", "notes", "messages", "gave_way"),
            *("held_gave_way", "headings"),
        }
        return cls(
            statements=tuple(_statement(one, earlier=earlier) for one in data.get("statements", ())),
            tools=tuple(
                ToolNote(
                    name=str(t["name"]),
                    calls=int(t.get("calls", 1)),
                    failures=int(t.get("failures", 0)),
                    last=str(t.get("last", "")),
                    order=int(t.get("order", 0)),
                )
                for t in data.get("tools", ())
            ),
            tools_in_full=int(data.get("tools_in_full", cls.tools_in_full)),
            tools_shown=int(data.get("tools_shown", cls.tools_shown)),
            narrative=str(data.get("narrative", "")),
            notes=tuple(str(note) for note in data.get("notes", ())),
            messages=int(data.get("messages", 0)),
            gave_way=int(data.get("gave_way", 0)),
            held_gave_way=int(data.get("held_gave_way", 0)),
            extra={
                key: value
                for key, value in data.items()
                if key not in known and not (key == "format" and int(value) <= FORMAT)
            },
        )

    def _tool_lines(self) -> list[str]:
        if not self.tools or not self.tools_shown:
            return []
        newest = sorted(self.tools, key=lambda tool: -tool.order)
        full = {tool.name for tool in newest[: self.tools_in_full]}
        shown = {tool.name for tool in newest[: self.tools_shown]}
        lines = [f"- {tool.line(brief=tool.name not in full)}" for tool in self.tools if tool.name in shown]
        hidden = [tool for tool in self.tools if tool.name not in shown]
        if hidden:
            lines.append(f"- {len(hidden)} more tools ({sum(tool.calls for tool in hidden)} calls)")
        return [f"{TOOLS_TITLE}:", *lines]


_OMITTED = {field.name: field.default for field in fields(Statement) if field.default is not MISSING}
"""Values that a statement has when nothing is said of them; the JSON form leaves them out."""


def _lines(statements: Sequence[Statement], *, dated: bool) -> list[str]:
    """Write statements as lines, each new day once."""
    days = ["", *(one.at for one in statements)]
    return [f"- {one.line(dated=dated and one.at != before)}" for before, one in zip(days, statements, strict=False)]


def _statement(data: Mapping[str, Any], *, earlier: bool) -> Statement:
    section = str(data.get("section", TOLD))
    weight = float(data.get("weight", 0.5))
    if earlier:
        section, weight = _FORMAT_1.get(section, TOLD), weight / 12
    return Statement(
        text=str(data["text"]),
        section=section,
        order=int(data.get("order", 0)),
        by=str(data.get("by", "user")),
        kind=str(data.get("kind", "")),
        sure=float(data.get("sure", 0.0)),
        weight=weight,
        source=str(data.get("source", "")),
        at=str(data.get("at", "")),
        outcome=str(data.get("outcome", "")),
        unanswered=bool(data.get("unanswered", False)),
    )
