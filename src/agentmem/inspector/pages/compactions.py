"""Draws a session's compactions: the slider over them, each one before and after, and the dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentmem.drawing.figures import before_after, chip, difference, facts, table
from agentmem.drawing.markup import Child, Markup, element, fragment
from agentmem.inspector.pages.context import reasons
from agentmem.inspector.pages.layout import when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.checkpoints.checkpoint import Checkpoint, IndexEntry
    from agentmem.inspector.views.compactions import CompactionChange, DryRun
    from agentmem.inspector.views.place import Place
    from agentmem.settings.sections import CompactionConfig

__all__ = ["change", "compactions", "dry_run_result"]

_LISTED = 60
"""Messages of a compaction that are listed."""


def compactions(
    place: Place, history: Sequence[Checkpoint], shown: CompactionChange | None, settings: CompactionConfig
) -> Markup:
    """Draw the page of compactions.

    Args:
        place: The session.
        history: Its checkpoints, newest first.
        shown: The one that is shown first; None when there is none.
        settings: The configured settings, from which a dry run starts.
    """
    return fragment(
        _slider(place, history, shown),
        _dry_run_form(place, settings),
    )


def change(place: Place, found: CompactionChange) -> Markup:
    """Draw one compaction, before and after."""
    checkpoint = found.checkpoint
    return fragment(
        facts(
            {
                "version": checkpoint.version,
                "saved": when(checkpoint.created_at),
                "trigger": checkpoint.trigger,
                "folded by it": found.newly_folded,
                "folded in all": checkpoint.folded_messages,
                "shortened by it": len(found.shortened),
            }
        ),
        before_after(checkpoint.tokens_before, checkpoint.tokens_after),
        element("h3", "The summary, compared with the one before"),
        difference(found.before, found.after),
        element(
            "details",
            element("summary", "Why each line of the summary is there"),
            reasons(place, found.lines) if found.lines else element("p", "The summary is empty.", class_="am-empty"),
        ),
        _entries(place, "Folded into the summary", found.folded),
        _entries(place, "Shortened and still in view", found.shortened),
    )


def dry_run_result(run: DryRun) -> Markup:
    """Draw the outcome of a dry run."""
    unread = element(
        "p", "Older events that no checkpoint describes would be folded first; the figures leave them out."
    )
    if run.outcome is None:
        return fragment(element("p", "There is nothing to shorten or to fold."), unread if run.unread else None)
    outcome = run.outcome
    rows = [(handle, role, tokens, _fate(fate)) for handle, role, tokens, fate in run.messages[-_LISTED:]]
    older = len(run.messages) - len(rows)
    return fragment(
        before_after(outcome.tokens_before, outcome.tokens_after),
        element("p", "Room for a full summary is counted in.", class_="dim"),
        facts(
            {
                "folded": outcome.folded,
                "shortened": outcome.shortened,
                "kept": run.counts.get("kept", 0),
                "fits under the threshold": outcome.fits,
            }
        ),
        unread if run.unread else None,
        table(
            ("handle", "role", "#tokens", "fate"),
            rows,
            empty="there is no message",
            caption="Messages in view and their fate",
        ),
        element("p", f"{older:,} older messages are not listed.", class_="dim") if older else None,
    )


def _slider(place: Place, history: Sequence[Checkpoint], shown: CompactionChange | None) -> Markup:
    if shown is None:
        return element("p", "The session was not compacted yet.", class_="am-empty")
    first, last = history[-1].version, history[0].version
    version = shown.checkpoint.version
    return element(
        "section",
        element("h2", "Over the session's life"),
        element(
            "label",
            "Checkpoint version ",
            element("output", str(version), id="version"),
            element(
                "input",
                type="range",
                min=first,
                max=last,
                value=version,
                data_slider=place.link("/part/compaction"),
                data_into="change",
                data_shows="version",
                aria_label="Checkpoint version",
            ),
        ),
        element(
            "p",
            element("span", f"version {first}", class_="dim"),
            " to ",
            element("span", f"version {last}", class_="dim"),
        ),
        element("div", change(place, shown), id="change"),
        aria_label="Compactions",
    )


def _dry_run_form(place: Place, settings: CompactionConfig) -> Markup:
    threshold = settings.token_threshold
    fields: tuple[tuple[str, str, object, dict[str, float]], ...] = (
        ("token_threshold", "Threshold in tokens", 100_000 if threshold == "auto" else threshold, {"min": 1_000}),
        ("target_ratio", "Target, as a share of it", settings.target_ratio, {"min": 0.05, "max": 0.95, "step": 0.05}),
        ("protected_turns", "Protected turns", settings.protected_turns, {"min": 1}),
        ("max_tool_content_length", "Characters kept of tool content", settings.max_tool_content_length, {"min": 0}),
        ("fixed_tokens", "Tokens of system prompt and tools", 0, {"min": 0}),
    )
    return element(
        "section",
        element("h2", "Dry run now, with other settings"),
        element(
            "form",
            [
                element("input", type="hidden", name=name, value=value)
                for name, value in (("actor", place.actor_id), ("session", place.session_id), ("agent", place.agent_id))
            ],
            [
                element("label", label, " ", element("input", type="number", name=name, value=str(value), **bounds))
                for name, label, value, bounds in fields
            ],
            element("button", "Plan", type="submit"),
            action="/part/dry-run",
            method="get",
            data_into="dry-run",
            class_="inline",
        ),
        element("div", id="dry-run", aria_live="polite"),
        aria_label="Dry run",
    )


def _entries(place: Place, title: str, entries: Sequence[IndexEntry]) -> Markup | None:
    if not entries:
        return None
    rows = [_entry(place, entry) for entry in entries[-_LISTED:]]
    more = element("li", f"… and {len(entries) - _LISTED} older ones", class_="dim") if len(entries) > _LISTED else None
    return element(
        "details", element("summary", f"{title}: {len(entries)}"), element("ul", rows, more, class_="entries")
    )


def _entry(place: Place, entry: IndexEntry) -> Markup:
    source = place.link("/part/message", event=entry.position.event_id, item=entry.position.item)
    into = f"e-{entry.handle}"
    return element(
        "li",
        element("b", entry.role, class_=f"role role-{entry.role}"),
        element("code", entry.handle),
        element(
            "button", "Show", type="button", class_="quiet", data_fetch=source, data_into=into, data_peek=source,
            aria_label=f"Show message {entry.handle}",
        ),
        element("div", id=into, class_="original"),
    )  # fmt: skip


def _fate(fate: str) -> Child:
    return chip(fate, {"folded": "bad", "shortened": "warn"}.get(fate, "good"))
