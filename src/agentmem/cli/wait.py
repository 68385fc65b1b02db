"""Defines `agentmem wait`: waits until long-term memories have been extracted."""

from __future__ import annotations

import functools
import sys
import traceback
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from agentmem.cli.configuration import AsJson, Variables, configured, parsed_variables
from agentmem.cli.output import note

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentmem.config import MemoryConfig
    from agentmem.records.waiting.marks import Match, Since

TIMEOUT, ERROR, INTERRUPTED = 1, 2, 130
"""Exit statuses besides 0: not found in time, could not look, stopped with Ctrl-C (as a shell counts it)."""


def _with_status(command: Callable[..., None]) -> Callable[..., None]:
    """Tell errors from a wait that ended in vain by the exit status: 2 and 1."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        from agentmem.cli.errors import explained

        try:
            command(*arguments, **options)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception as error:  # noqa: BLE001 - Python would end with 1, which says that the time was up
            message = explained(error)
            _end(traceback.format_exc() if message is None else f"agentmem: {message}")

    return run


@_with_status
@configured
def wait(  # noqa: PLR0917 - typer makes an option of each
    config: MemoryConfig,
    namespace: Annotated[
        str, typer.Argument(help="A namespace, such as /users/user123/facts/, or with --actor a configured name.")
    ],
    query: Annotated[str | None, typer.Argument(help="What to search for; without it, any record counts.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Only what is new since: 'now', an event id, or a time with its zone: 2026-03-01T12:00:00+01:00.",
        ),
    ] = None,
    min_count: Annotated[int, typer.Option(help="How many records are enough.", min=1)] = 1,
    max_wait: Annotated[float, typer.Option(help="Seconds to wait at most.", min=0.0)] = 60.0,
    poll_interval: Annotated[float, typer.Option(help="Seconds between polls.")] = 5.0,
    top_k: Annotated[int, typer.Option(help="Most records shown for a query.", min=1, max=100)] = 3,
    below: Annotated[bool, typer.Option("--below", help="Also in the namespaces below this one.")] = False,
    actor: Annotated[str | None, typer.Option(help="Whose namespace, when it is given by name.")] = None,
    session: Annotated[str | None, typer.Option(help="And of which session.")] = None,
    variable: Variables = None,
    as_json: AsJson = False,
) -> None:
    """Wait until there are long-term memories in a namespace, or new ones.

    The exit status is 0 when there are, 1 when the time was up, 2 when they could not be looked for. Progress is shown
    on stderr.

    Example: agentmem wait /users/user123/facts/ "favourite drink" --since now --max-wait 120
    """
    from agentmem.cli.output import print_json
    from agentmem.cli.records import print_records
    from agentmem.errors import MemoryWaitTimeout
    from agentmem.records.waiting.progress import WaitingLine
    from agentmem.records.waiting.wait import wait_for_memories

    place, match, client = _place(config, namespace, actor, session, parsed_variables(variable))
    match = "path" if below else match
    try:
        with WaitingLine(f"waiting for {place}") as line:
            found = wait_for_memories(
                client, config.memory_id, place, query, max_wait, poll_interval, top_k=top_k,
                since=_since(since, client, config.memory_id, place, match), min_count=min_count, match=match,
                raise_on_timeout=True, on_poll=line,
            )  # fmt: skip
    except MemoryWaitTimeout as error:
        if as_json:
            print_json([])
        note(f"agentmem: {error}")
        raise typer.Exit(TIMEOUT) from None
    print_records(found, as_json=as_json)


def _place(
    config: MemoryConfig, namespace: str, actor: str | None, session: str | None, variables: Mapping[str, str]
) -> tuple[str, Match, Any]:
    """Return the namespace, how it is matched, and what to ask: the session when it is known, for its failed jobs."""
    if "/" in namespace:
        if actor is not None or session is not None:
            raise typer.BadParameter("a namespace stands for itself; leave --actor and --session out")
        return namespace, "exact", config.data_plane()
    if actor is None:
        raise typer.BadParameter("a namespace given by name needs its actor", param_hint="--actor")
    if session is not None:
        bound = config.bind(actor, session, variables)
        return bound.namespace(namespace), "exact", bound
    hierarchical = config.hierarchical_actor_ids
    path = config.namespace(namespace).subtree(actor, variables, hierarchical_actor_ids=hierarchical)
    return path, "path", config.data_plane()


def _since(since: str | None, client: Any, memory_id: str, namespace: str, match: Match) -> Since | None:
    from datetime import datetime

    from agentmem.records.waiting.wait import take_mark

    if since is None or "#" in since:
        return since
    if since == "now":
        return take_mark(client, memory_id, [namespace], match=match)
    try:
        return datetime.fromisoformat(since)
    except ValueError:
        raise typer.BadParameter(
            f"{since!r} is neither 'now' nor a time such as 2026-03-01T12:00:00+01:00 nor an event id",
            param_hint="--since",
        ) from None


def _end(message: str) -> NoReturn:
    print(message.rstrip(), file=sys.stderr)
    raise typer.Exit(ERROR) from None
