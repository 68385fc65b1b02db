"""Makes one agent for each session at its first use, and drains its memory before removing it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from agentmem.errors import AgentMemError, ConfigurationError, IdentityError, UnsentMessagesError
from agentmem.runtime.shutdown import check_owner, drain, unsent_messages
from agentmem.scope.identity import validate_actor_id, validate_session_id
from agentmem.streaming.events import DoneEvent, ErrorEvent
from agentmem.support.threads import Threads

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from types import TracebackType

    from strands import Agent
    from strands.types.agent import AgentInput

    from agentmem.streaming.events import StreamEvent

AgentFactory: TypeAlias = "Callable[[str, str], Agent | AbstractContextManager[Agent]]"
"""Makes the agent of an actor id and a session id, or a context manager that gives it and cleans up after it."""

RETRY_SECONDS = 30.0
"""How long an agent whose messages could not be sent is left alone before it is tried to let it go again."""

CANCEL_SECONDS = 5.0
"""How long `close` waits for an invocation it has cancelled; Strands stops at the next safe point."""

_BUILDERS, _DRAINERS = 16, 8
_log = logging.getLogger(__name__)


class _Key(NamedTuple):
    actor_id: str
    session_id: str


Leaving: TypeAlias = "Future[Exception | None]"
"""An agent on its way out; the result is what went wrong. With unsent messages it comes back instead."""


def _running() -> Future[Any]:
    """Return a future that nobody who waits for it can cancel for the others."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future


@dataclass(eq=False)
class _Held:
    """One session's agent, from the moment it is asked for; `uses` counts who has it, the one who makes it included."""

    key: _Key
    uses: int = 1
    agent: Agent | None = None
    made: Future[Agent] = field(default_factory=_running)
    leaving: Leaving | None = None
    resources: ExitStack = field(default_factory=ExitStack)
    not_before: float = 0.0


class SessionAgents:
    """Keeps the agents of the sessions a process serves, as on AgentCore Runtime.

    An agent is made when its session is first used, by one caller while the others wait, and kept for the next
    request. When more than `max_sessions` are held, the least recently used one that nobody uses is let go: first its
    memory is drained, then its resources are released; who asks for the session meanwhile waits and gets a new agent
    that restores everything. The limit gives way rather than lose anything: an agent in use stays, and so does one
    whose messages the memory service does not take.

    Every method may be called from any thread, `use` and `close_async` from any event loop. An agent itself serves
    one invocation at a time (Strands raises ``ConcurrencyException`` otherwise).
    """

    def __init__(self, factory: AgentFactory, max_sessions: int = 100) -> None:
        """Make nothing yet.

        Args:
            factory: Called with an actor id and a session id, in a thread of its own when `use` is awaited. It
                returns a new agent whose memory is bound to exactly these ids, or a context manager that gives one
                and is left when the agent is let go, for what else must be released.
            max_sessions: Agents to keep, at least 1.

        Raises:
            ConfigurationError: The factory is no function that can be called so, or the number is below 1.
        """
        if not callable(factory) or asyncio.iscoroutinefunction(factory):
            raise ConfigurationError(
                f"factory = {factory!r}: give a plain function of actor id and session id; it runs in a thread of its "
                "own, so it may block."
            )
        if not isinstance(max_sessions, int) or max_sessions < 1:
            raise ConfigurationError(f"max_sessions = {max_sessions!r}: give the number of agents to keep, 1 or more.")
        self._factory = factory
        self._max_sessions = max_sessions
        self._held: OrderedDict[_Key, _Held] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._builders = Threads(_BUILDERS, "agentmem-build")
        self._drainers = Threads(_DRAINERS, "agentmem-drain")

    # ---- using an agent

    def use(self, actor_id: str | None, session_id: str | None) -> AgentInUse:
        """Use the agent of a session: ``with agents.use(...) as agent:`` or ``async with``.

        Args:
            actor_id: The actor of the session; see `actor_id_for` for names that are no valid ids.
            session_id: Which, 33 to 100 characters: Runtime takes no shorter ones and Memory no longer ones.

        Returns:
            The context manager. Entering it makes the agent if there is none, and raises what the factory raised;
            a failure is not remembered, the next use tries again.

        Raises:
            IdentityError: An id is missing, or the services would refuse it.
        """
        if not session_id:
            raise IdentityError(
                "session_id is missing. AgentCore Runtime hands it over in the header "
                "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id; send it, with new_session_id(actor_id) for a new session."
            )
        if not actor_id:
            raise IdentityError(
                "actor_id is missing. Without an actor everyone would share one memory; give the signed-in user's id, "
                "or actor_id_for(subject)."
            )
        # Whether '/' and ':' are allowed is the memory's own setting, which `bind` in the factory checks.
        key = _Key(validate_actor_id(actor_id, hierarchical=True), validate_session_id(session_id, runtime=True))
        return AgentInUse(self, key)

    def stream(
        self, actor_id: str | None, session_id: str | None, prompt: AgentInput, **options: Any
    ) -> AsyncGenerator[StreamEvent, None]:
        """Stream a turn of a session's agent: `stream_turn` with the agent in use for as long as it takes.

        Args:
            actor_id: Whose session.
            session_id: Which, 33 to 100 characters.
            prompt: What the agent is asked.
            **options: As for `stream_turn`.

        Returns:
            The turn's events. An agent that cannot be made is an `ErrorEvent` and a `DoneEvent`.

        Raises:
            IdentityError: An id is missing, or the services would refuse it.
        """
        return self._stream(self.use(actor_id, session_id), prompt, options)

    @property
    def sessions(self) -> list[tuple[str, str]]:
        """Actor and session ids of the agents held, least recently used first."""
        with self._changed:
            return [(key.actor_id, key.session_id) for key in self._held]

    @property
    def in_use(self) -> int:
        """How many sessions are in use at the moment."""
        with self._changed:
            return sum(held.uses > 0 for held in self._held.values())

    # ---- the end

    def close(self, wait: float = 10.0) -> None:
        """Drain and let go every agent; no more are made.

        Args:
            wait: Seconds to wait for agents that are in use. Then their invocations are cancelled, and what was said
                so far is saved.

        Raises:
            UnsentMessagesError: Some messages are still unacknowledged, of any number of sessions. Their agents are
                kept, and closing may be tried again.
            AgentMemError: An agent's resources could not be released.
        """
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not any(held.uses for held in self._held.values()), wait)
            late = [(held, held.agent) for held in self._held.values() if held.uses and held.agent is not None]
            for held, agent in late:
                _log.warning("session=<%s> | still in use when closing, cancelled", held.key.session_id)
                agent.cancel()
            self._changed.wait_for(lambda: not any(held.uses for held, _ in late), CANCEL_SECONDS)
            under_way = [held.leaving for held in self._held.values() if held.leaving is not None]
        self._builders.shutdown(wait=False)  # a factory that hangs must not hold up the others' end
        # Those whose messages were not taken a moment ago are back, and are tried once more.
        errors = [error for left in under_way if not isinstance(error := left.result(), UnsentMessagesError | None)]
        with self._changed:
            leaving = [left for held in self._held.values() if (left := self._let_go(held))]
        errors += [error for left in leaving if (error := left.result()) is not None]
        self._drainers.shutdown()
        with self._changed:
            kept = [held.agent for held in self._held.values() if held.agent is not None]
        count = unsent_messages(kept)
        if count:
            raise UnsentMessagesError(
                f"{count} messages of {len(kept)} sessions are not saved. They are still queued in this process; call "
                "close() again when the memory service is back, or configure WriteConfig(outbox=...) so that a later "
                "process sends them.",
                count,
            ) from ExceptionGroup("agents that could not be drained", errors)
        if errors:
            raise AgentMemError(f"{len(errors)} agents were not closed cleanly") from ExceptionGroup("agents", errors)

    async def close_async(self, wait: float = 10.0) -> None:
        """Run `close` without blocking the event loop.

        Args:
            wait: Seconds to wait for agents that are in use.

        Raises:
            UnsentMessagesError: Some messages are still unacknowledged.
            AgentMemError: An agent's resources could not be released.
        """
        await asyncio.to_thread(self.close, wait)

    def __enter__(self) -> Self:
        """Return itself; leaving closes."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close; an error on the way out is not hidden by one of ours."""
        try:
            self.close()
        except AgentMemError:
            if error is None:
                raise
            _log.exception("agents not closed cleanly while another error was raised")

    # ---- inside

    async def _stream(
        self, use: AgentInUse, prompt: AgentInput, options: dict[str, Any]
    ) -> AsyncGenerator[StreamEvent, None]:
        from agentmem.streaming.turn import stream_turn

        async with AsyncExitStack() as stack:
            try:
                agent = await stack.enter_async_context(use)
            except Exception as error:  # noqa: BLE001 - told in the stream, and logged
                _log.exception("agent for a streamed turn could not be made")
                yield ErrorEvent("The agent could not be started. Try again in a moment.", type(error).__name__)
                yield DoneEvent()
                return
            events = await stack.enter_async_context(aclosing(stream_turn(agent, prompt, **options)))
            async for event in events:
                yield event

    def _claim(self, key: _Key) -> tuple[_Held, bool] | Leaving:
        """Count a use of a session's agent; tell whether the caller has to have it made, or what to wait for first."""
        with self._changed:
            if self._closed:
                raise AgentMemError("these SessionAgents are closed: the process is about to end. Make new ones.")
            held = self._held.get(key)
            if held is None:
                held = self._held[key] = _Held(key)
                self._shrink()
                return held, True
            if held.leaving is not None:
                return held.leaving
            held.uses += 1
            self._held.move_to_end(key)
            return held, False

    def _make(self, held: _Held) -> None:
        """Call the factory, and pass its agent or its error to all waiting callers. Does not raise."""
        try:
            with ExitStack() as resources:
                agent = self._checked(held.key, self._factory(*held.key), resources)
                held.resources = resources.pop_all()
        except BaseException as error:  # noqa: BLE001 - handed to everyone who waits, the caller among them
            with self._changed:
                del self._held[held.key]
            held.made.set_exception(error)
        else:
            with self._changed:
                held.agent = agent
            held.made.set_result(agent)

    def _checked(self, key: _Key, made: Agent | AbstractContextManager[Agent], resources: ExitStack) -> Agent:
        """Return the agent made for a session, after making sure that it is no other's."""
        from strands import Agent

        # An Agent is a context manager too, but not one that drains a session manager.
        if not isinstance(made, Agent) and isinstance(made, AbstractContextManager):
            agent = resources.enter_context(made)
        else:
            agent = made
        if not isinstance(agent, Agent):
            raise ConfigurationError(
                f"factory returned {type(agent).__name__}; it has to return a strands.Agent or a context manager of one"
            )
        with self._changed:
            if any(held.agent is agent for held in self._held.values()):
                raise ConfigurationError(
                    "factory returned an agent that serves another session already; it has to make a new one each time"
                )
        check_owner(agent, *key)
        resources.callback(agent.cleanup)
        return agent

    def _release(self, held: _Held) -> None:
        with self._changed:
            held.uses -= 1
            if self._held.get(held.key) is held:
                self._held.move_to_end(held.key)
            self._shrink()
            self._changed.notify_all()

    def _shrink(self) -> None:
        """Have the least recently used agents let go that are too many. The lock is held."""
        staying = [held for held in self._held.values() if held.leaving is None]
        surplus = len(staying) - (0 if self._closed else self._max_sessions)
        now = time.monotonic()
        for held in staying:
            if surplus <= 0:
                return
            if not held.uses and now >= held.not_before and self._let_go(held) is not None:
                surplus -= 1
        if surplus > 0 and not self._closed:
            _log.warning(
                "sessions=<%d>, max_sessions=<%d> | more agents than wanted are in use or hold unsent messages",
                len(staying),
                self._max_sessions,
            )

    def _let_go(self, held: _Held) -> Leaving | None:
        """Begin to drain an agent and release it; None for one that is still being made. The lock is held."""
        if held.agent is None:
            return None
        leaving: Leaving = _running()
        held.leaving = leaving
        self._drainers.submit(self._drain, held, held.agent, leaving)
        return leaving

    def _drain(self, held: _Held, agent: Agent, leaving: Leaving) -> None:
        """Drain an agent and release it; one with unsent messages is kept. Does not raise."""
        failure: Exception | None = None
        try:
            drain(agent)
        except UnsentMessagesError as error:
            _log.warning("session=<%s>, error=<%s> | agent kept, its memory is not saved", held.key.session_id, error)
            failure = error
        except Exception as error:  # noqa: BLE001 - logged, and handed to whoever closes
            # It would be the same next time: keeping the agent would help nobody.
            _log.exception("session=<%s> | agent could not be drained", held.key.session_id)
            failure = error
        kept = isinstance(failure, UnsentMessagesError)
        if not kept:
            try:
                held.resources.close()
            except Exception as error:  # noqa: BLE001 - logged, and handed to whoever closes
                _log.exception("session=<%s> | agent's resources could not be released", held.key.session_id)
                failure = failure or error
        with self._changed:
            held.leaving = None
            held.not_before = time.monotonic() + RETRY_SECONDS
            if not kept:
                del self._held[held.key]
            self._changed.notify_all()
        leaving.set_result(failure)


class AgentInUse:
    """An agent for the length of a ``with`` or ``async with`` block; meanwhile it is not let go."""

    def __init__(self, agents: SessionAgents, key: _Key) -> None:
        """Note which; `SessionAgents.use` makes it."""
        self._agents = agents
        self._key = key
        self._uses: list[_Held] = []

    def __enter__(self) -> Agent:
        """Return the session's agent, made in this thread if there is none."""
        while isinstance(claim := self._agents._claim(self._key), Future):  # noqa: SLF001 - its other half
            claim.result()
        held, first = claim
        if first:
            self._agents._make(held)
        try:
            agent = held.made.result()
        except BaseException:
            self._agents._release(held)  # noqa: SLF001
            raise
        self._uses.append(held)
        return agent

    def __exit__(self, *_: object) -> None:
        """Give the agent back."""
        self._agents._release(self._uses.pop())  # noqa: SLF001

    async def __aenter__(self) -> Agent:
        """Return the session's agent, made in another thread if there is none."""
        while isinstance(claim := self._agents._claim(self._key), Future):  # noqa: SLF001
            await asyncio.wrap_future(claim)
        held, first = claim
        if first:
            # Not this task's own work: when its client hangs up, others may be waiting for the same agent.
            context = contextvars.copy_context()
            self._agents._builders.submit(context.run, self._agents._make, held)  # noqa: SLF001
        try:
            agent = await asyncio.wrap_future(held.made)
        except BaseException:
            self._agents._release(held)  # noqa: SLF001
            raise
        self._uses.append(held)
        return agent

    async def __aexit__(self, *_: object) -> None:
        """Give the agent back."""
        self._agents._release(self._uses.pop())  # noqa: SLF001
