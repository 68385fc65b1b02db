"""Defines `agentmem context` and `agentmem compact`: shows the model's view of a session and compacts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentmem.cli.configuration import Actor, Agent, AsJson, Session, configured
from agentmem.cli.output import note, print_facts, print_json, print_table, progress, shortened
from agentmem.messages.text import message_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentmem.compaction.compactor import Compaction
    from agentmem.config import MemoryConfig
    from agentmem.session_manager.session_view import SessionView, ShownMessage

FixedTokens = Annotated[
    int, typer.Option(help="Tokens of the system prompt and the tools, which the log does not tell.", min=0)
]
Window = Annotated[
    int | None, typer.Option(help="The model's window in tokens, for token_threshold = 'auto'.", min=1_000)
]


@configured
def context(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    actor: Actor,
    session: Session,
    agent: Agent = "default",
    fixed_tokens: FixedTokens = 0,
    context_window: Window = None,
    full: Annotated[bool, typer.Option("--full", help="Show the messages and the summary whole.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show the model's view of a session, with token counts by part. It only reads.

    Example: agentmem context --actor user123 --session chat-0001 --full
    """
    view = _opened(config, actor, session, agent_id=agent, fixed_tokens=fixed_tokens, context_window=context_window)
    shown = view.shown()
    facts = _facts(view, shown)
    summary = "" if view.checkpoint is None else view.checkpoint.summary.render()
    pinned = "\n".join(pin.text for pin in view.pins)
    if as_json:
        print_json(
            {
                **facts,
                "pins": [pin.text for pin in view.pins],
                "summary": summary,
                "messages": [_message(one) for one in shown],
            }
        )
        return
    version = facts["checkpoint_version"]
    print_facts(
        {
            "tokens": f"{facts['tokens']:,}, compacted at {facts['token_threshold']:,}",
            **{f"  {name.replace('_', ' ')}": count for name, count in facts["parts"].items()},
            "checkpoint": "none" if version is None else f"version {version}",
            "folded messages": facts["folded_messages"],
        }
    )
    if not fixed_tokens:
        note("The log does not tell the system prompt and the tools; count them in with --fixed-tokens.")
    if view.unread:
        note("Older events that no checkpoint describes are not shown: the next agent to open the session folds them.")
    print()
    if full:
        before = (("pinned", pinned), ("summary", summary))
        said = ((_heading(one), message_text(one.message)) for one in shown)
        for heading, text in (*before, *said):
            if text:
                print(f"--- {heading}\n{text}\n")
        return
    rows = [
        (one["handle"], one["role"], one["part"], one["tokens"], shortened(message_text(each.message)))
        for each, one in zip(shown, map(_message, shown), strict=True)
    ]
    print_table(("handle", "role", "part", "#tokens", "text"), rows, empty="there is no message")


@configured
def compact(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    actor: Actor,
    session: Session,
    agent: Agent = "default",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    fixed_tokens: FixedTokens = 0,
    context_window: Window = None,
    as_json: AsJson = False,
) -> None:
    """Compact a session now, whatever its size, and save the checkpoint. No agent may have the session open.

    The stored events do not change, only the model's view of them. Without an agent there is no model
    to narrate, so the summary is extractive.

    Example: agentmem compact --actor user123 --session chat-0001 --dry-run
    """
    view = _opened(config, actor, session, agent_id=agent, fixed_tokens=fixed_tokens, context_window=context_window)
    if view.unread and dry_run:
        note("Older events that no checkpoint describes are folded first; the figures are of what comes after them.")
    with progress("planning" if dry_run else "compacting"):
        done = view.plan() if dry_run else view.compact()
    version = None if dry_run or view.checkpoint is None else view.checkpoint.version
    if as_json:
        print_json({"done": done is not None and not dry_run, "checkpoint_version": version, **_outcome(done)})
    elif done is None:
        print("There is nothing to shorten or to fold.")
    else:
        print("A compaction would have this outcome:" if dry_run else f"Saved as checkpoint version {version}.")
        print_facts({name.replace("_", " "): value for name, value in _outcome(done).items()})


def _outcome(done: Compaction | None) -> dict[str, Any]:
    from dataclasses import asdict

    return {} if done is None else {name: value for name, value in asdict(done).items() if name != "trigger"}


def _opened(config: MemoryConfig, actor: str, session: str, **settings: Any) -> SessionView:
    from agentmem.session_manager.session_view import SessionView

    with progress("reading the session"):
        view = SessionView(config, actor, session, **settings)
    if view.is_empty:
        raise typer.BadParameter(
            f"session {session!r} of actor {actor!r} has no events in memory {config.memory_id!r}",
            param_hint="--session",
        )
    return view


def _facts(view: SessionView, shown: Sequence[ShownMessage]) -> dict[str, Any]:
    parts = {"fixed": view.fixed_tokens, "pinned": view.pinned_tokens, "summary": view.summary_tokens}
    parts |= {"head": 0, "shortened": 0, "whole": 0, "protected": 0}
    for one in shown:
        parts[one.part] += one.tokens
    checkpoint = view.checkpoint
    return {
        "tokens": view.tokens,
        "token_ratio": 1.0 if checkpoint is None else checkpoint.token_ratio,
        "token_threshold": view.limits.threshold,
        "parts": parts,
        "checkpoint_version": None if checkpoint is None else checkpoint.version,
        "folded_messages": 0 if checkpoint is None else checkpoint.folded_messages,
        "unread": view.unread,
    }


def _message(one: ShownMessage) -> dict[str, Any]:
    from strands.types.session import encode_bytes_values

    from agentmem.messages.truncation import handle_of

    return {
        "handle": handle_of(one.message["tracking_id"]),
        "role": one.message["role"],
        "part": one.part,
        "tokens": one.tokens,
        "content": encode_bytes_values(one.message["content"]),
    }


def _heading(one: ShownMessage) -> str:
    return f"{one.message['role']}, {one.part}, {one.tokens:,} tokens"
