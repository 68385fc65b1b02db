"""Finds the memory of an agent and sends its unsent messages before the agent is removed."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from agentmem.clients.strands_compat import session_manager_of
from agentmem.errors import ConfigurationError, UnsentMessagesError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from strands import Agent

    from agentmem.hook.memory_hook import MemoryHook
    from agentmem.session_manager.manager import CompactingSessionManager


def drain(agent: Agent) -> None:
    """Save all unsaved data of an agent: its session, its hooks' messages, and its stores' extractions.

    Args:
        agent: An agent that nobody uses any more. It can be used again afterwards.

    Raises:
        UnsentMessagesError: Messages are still unacknowledged; they stay queued, so it may be tried again.
        Exception: The first other error, after every step was tried.
    """
    from agentmem.hook.attached import memory_hooks_of
    from agentmem.session_manager.manager import CompactingSessionManager

    steps: list[Callable[[], object]] = []
    manager = session_manager_of(agent)
    if isinstance(manager, CompactingSessionManager):
        steps.append(partial(_drain_session, manager, agent))
    elif manager is not None:
        steps.append(manager.close)
    steps += [hook.close for hook in memory_hooks_of(agent)]
    steps.append(agent.shutdown)
    failures: list[Exception] = []
    for step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - raised below, when all have been tried
            failures.append(error)
    if not failures:
        return
    # Unsent messages come first: they can still be saved.
    first, *others = sorted(failures, key=lambda error: not isinstance(error, UnsentMessagesError))
    for other in others:
        first.add_note(f"Also: {type(other).__name__}: {other}")
    raise first


def check_owner(agent: Agent, actor_id: str, session_id: str) -> None:
    """Make sure that an agent's memory is this actor's and this session's.

    Args:
        agent: A new agent.
        actor_id: The actor it is made for.
        session_id: The session it is made for.

    Raises:
        ConfigurationError: It is bound to another actor or session.
    """
    from agentmem.hook.attached import memory_hooks_of

    found: list[tuple[str, str]] = []
    manager = session_manager_of(agent)
    if manager is not None:
        found.append((manager.config.actor_id, manager.config.session_id))
    for hook in memory_hooks_of(agent):
        with contextlib.suppress(ConfigurationError):  # given to a finished agent, it takes its session up later
            bound = hook.session_of(agent)
            found.append((bound.actor_id, bound.session_id))
    for actor, session in found:
        if (actor, session) != (actor_id, session_id):
            raise ConfigurationError(
                f"factory made an agent whose memory is bound to actor {actor!r} and session {session!r}, for actor "
                f"{actor_id!r} and session {session_id!r}. Bind it to the ids the factory is called with; derive "
                "others before use()."
            )


def unsent_messages(agents: Iterable[Agent]) -> int:
    """Count the unacknowledged messages of agents; a hook that several share counts once."""
    from agentmem.hook.attached import memory_hooks_of
    from agentmem.session_manager.manager import CompactingSessionManager

    memories: dict[int, CompactingSessionManager | MemoryHook] = {}
    for agent in agents:
        manager = session_manager_of(agent)
        if isinstance(manager, CompactingSessionManager):
            memories[id(manager)] = manager
        memories |= {id(hook): hook for hook in memory_hooks_of(agent)}
    return sum(memory.peek_status().pending for memory in memories.values())


def _drain_session(manager: CompactingSessionManager, agent: Agent) -> None:
    """Save data outside of invocations too, such as a changed state; with one attempt, because it takes time."""
    if manager.flush(agent):
        manager.close()
        return
    status = manager.status
    raise UnsentMessagesError(
        f"{status.pending} messages of session {manager.session_id!r} are not saved: {status.last_error}. They are "
        "still queued in this process.",
        status.pending,
    )
