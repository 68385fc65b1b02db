"""`agentmem recall`: finds messages of a session again, word for word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agentmem.cli.configuration import Actor, AsJson, Session, configured
from agentmem.cli.output import print_json, progress, when

if TYPE_CHECKING:
    from agentmem.config import MemoryConfig

__all__ = ["recall"]


@configured
def recall(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    query: Annotated[str, typer.Argument(help="A question, words of the message, or a handle.")],
    actor: Actor,
    session: Session,
    max_tokens: Annotated[int, typer.Option(help="Tokens the answer may have.", min=1)] = 2_000,
    agent_id: Annotated[str, typer.Option(help="Whose checkpoints tell where to look.")] = "default",
    explain: Annotated[bool, typer.Option("--explain", help="Say why each passage is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find what was said in a session, word for word, folded messages included; the best passages first.

    Example: agentmem recall "what was the booking reference?" --actor user123 --session chat-0001
    """
    with progress("looking through the session"):
        memory = config.bind(actor_id=actor, session_id=session)
        found = memory.recall(query, max_tokens, agent_id=agent_id, explain=explain)
    if as_json:
        print_json(
            [
                {
                    "handle": one.handle,
                    "event_id": one.event_id,
                    "at": one.at,
                    "role": one.role,
                    "text": one.text,
                    **({"why": list(one.why)} if explain else {}),
                }
                for one in found
            ]
        )
        return
    if not found:
        print(f"nothing in session {session!r} of actor {actor!r} matches")
    for number, one in enumerate(found):
        print(f"{chr(10) if number else ''}{one.role}, {when(one.at)}, handle {one.handle}, event {one.event_id}")
        for reason in one.why:
            print(f"  ({reason})")
        print(one.text)
