"""Defines the summary of folded turns: structured, storable, and rendered for the model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from agentmem.messages.summary_fence import inside_fence

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
"""Version of the JSON form."""

INSTRUCTIONS = "instructions"
CONSTRAINTS = "constraints"
GOALS = "goals"
DECISIONS = "decisions"
FACTS = "facts"
PREFERENCES = "preferences"
DIGEST = "digest"

TITLES = {
    INSTRUCTIONS: "Rules",
    CONSTRAINTS: "Constraints",
    GOALS: "Goals",
    DECISIONS: "Decisions",
    FACTS: "Facts",
    PREFERENCES: "Preferences",
    DIGEST: "Also said",
}
"""Headings by section, in the order in which they are shown."""

TOOLS_TITLE = "Tools used"
NARRATIVE_TITLE = "Summary"


@dataclass(frozen=True)
class Statement:
    """One sentence taken from the conversation word for word.

    Attributes:
        text: The sentence, on one line.
        section: One of the keys of `TITLES`; sections of a future format are shown under their own name.
        order: Position in the conversation; higher is newer.
        turn: Number of the message it comes from; sentences of one message are shown together.
        by: `user` or `assistant`.
        weight: How firmly it was put, about 1 to 12; what is kept under a budget starts from this.
    """

    text: str
    section: str
    order: int
    turn: int
    by: str = "user"
    weight: float = 4.0


@dataclass(frozen=True)
class ToolNote:
    """The use of one tool.

    Attributes:
        name: The tool.
        calls: Calls seen so far.
        failures: How many of them reported an error.
        last: The latest call and the start of its result, on one line; empty when there was no room for it.
        order: Position of the latest call in the conversation.
    """

    name: str
    calls: int
    failures: int = 0
    last: str = ""
    order: int = 0

    def line(self) -> str:
        """Return the note as one line of text."""
        failed = f", {self.failures} failed" if self.failures else ""
        count = f" ({self.calls} calls{failed})" if self.calls > 1 else f" ({failed[2:]})" if failed else ""
        return f"{self.name}{count}{': ' if self.last else ''}{self.last}"


@dataclass(frozen=True)
class Summary:
    """The rolling summary of everything folded away so far.

    Attributes:
        statements: The kept statements, oldest first.
        tools: The use of the tools, by name.
        narrative: A model's retelling; empty with the extractive summarizer.
        notes: Remarks about the history itself, such as a part of it that was never read.
        messages: Messages folded into it.
        headings: Whether sections are shown under headings; without them there is room for a little more.
        extra: Fields of a future format, kept as they are.
    """

    statements: tuple[Statement, ...] = ()
    tools: tuple[ToolNote, ...] = ()
    narrative: str = ""
    notes: tuple[str, ...] = ()
    messages: int = 0
    headings: bool = True
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

    def render(self) -> str:
        """Return the text between the fence lines.

        Returns:
            Headings followed by lines that begin with `- `; empty for an empty summary. No tag in it means anything.
        """
        lines = [*self.notes]
        titles = {**TITLES, **{s.section: s.section.capitalize() for s in self.statements if s.section not in TITLES}}
        for section, title in titles.items():
            items = [s for s in self.statements if s.section == section]
            if items:
                if self.headings:
                    lines.append(f"{title}:")
                lines.extend(f"- {text}" for text in _joined(items))
        if self.tools:
            lines.append(f"{TOOLS_TITLE}:")
            lines.extend(f"- {note.line()}" for note in self.tools)
        if self.narrative:
            lines += [f"{NARRATIVE_TITLE}:", self.narrative]
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
                {"text": s.text, "section": s.section, "order": s.order, "turn": s.turn, "by": s.by, "weight": s.weight}
                for s in self.statements
            ],
            "tools": [
                {"name": t.name, "calls": t.calls, "failures": t.failures, "last": t.last, "order": t.order}
                for t in self.tools
            ],
            "narrative": self.narrative,
            "notes": list(self.notes),
            "messages": self.messages,
            "headings": self.headings,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Summary:
        """Read a summary written by `to_dict`, also of a future format.

        Args:
            data: The JSON object; missing fields are empty.

        Returns:
            The summary.

        Raises:
            KeyError: A statement or tool note lacks its text or name.
        """
        known = {"statements", "tools", "narrative", "notes", "messages", "headings"}
        return cls(
            statements=tuple(
                Statement(
                    text=str(s["text"]),
                    section=str(s.get("section", FACTS)),
                    order=int(s.get("order", 0)),
                    turn=int(s.get("turn", 0)),
                    by=str(s.get("by", "user")),
                    weight=float(s.get("weight", 4.0)),
                )
                for s in data.get("statements", ())
            ),
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
            narrative=str(data.get("narrative", "")),
            notes=tuple(str(note) for note in data.get("notes", ())),
            messages=int(data.get("messages", 0)),
            headings=bool(data.get("headings", True)),
            extra={
                key: value for key, value in data.items() if key not in known and (key, value) != ("format", FORMAT)
            },
        )


def _joined(items: list[Statement]) -> list[str]:
    """Put sentences of one message that follow each other on one line, so that each keeps its context."""
    lines: list[str] = []
    last: Statement | None = None
    for item in sorted(items, key=lambda s: s.order):
        if last is not None and item.turn == last.turn and item.order == last.order + 1:
            lines[-1] = f"{lines[-1]} {item.text}"
        else:
            lines.append(item.text)
        last = item
    return lines
