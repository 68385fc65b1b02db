"""Defines MemorySession: a configuration bound to one actor and one session."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agentmem.errors import ConfigurationError
from agentmem.scope.scope import SessionScope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    from strands.hooks import HookRegistry
    from strands.memory import MemoryStore

    from agentmem.checkpoints.checkpoint import CheckpointKey, CheckpointStore
    from agentmem.events.pins import Pin, Pins
    from agentmem.hook import MemoryHook
    from agentmem.recall.recall import RecalledMessage, SessionRecall
    from agentmem.records.retrieval import MemoryRecord
    from agentmem.records.waiting.marks import Mark, Record, Since
    from agentmem.records.waiting.options import WaitOptions
    from agentmem.scope.address import SessionAddress
    from agentmem.session_manager.agent_memory import AgentMemory
    from agentmem.session_manager.manager import CompactingSessionManager
    from agentmem.session_manager.session_pins import SessionPins
    from agentmem.settings.sections import CompactionConfig

DEFAULT_AGENT = "default"
"""The id Strands gives an agent that is given none."""


@dataclass(frozen=True)
class MemorySession(SessionScope):
    """One actor's session in one memory. Making it costs no call; `MemoryConfig.bind` is the usual way.

    Attributes:
        config: The configuration it was bound from.
        actor_id: The actor.
        session_id: The session.
        variables: The values of the namespaces' own placeholders.
        bound_at: When it was bound, UTC.

    Raises:
        IdentityError: An id that Memory would refuse, or that would reach into another actor's memory.
        ConfigurationError: There is no memory id; a variable is missing, unknown or malformed; or a namespace would
            be too long.
    """

    _recalls: dict[str, SessionRecall] = field(init=False, compare=False, repr=False, default_factory=dict)

    def __repr__(self) -> str:
        """Tell whose session it is."""
        return (
            f"MemorySession(memory_id={self.memory_id!r}, actor_id={self.actor_id!r}, session_id={self.session_id!r})"
        )

    def _repr_html_(self) -> str:
        """Draw the session with its namespaces in a notebook; no call."""
        from agentmem.drawing.figures import facts, table
        from agentmem.drawing.notebook import card

        place = {"memory": self.memory_id, "actor": self.actor_id, "session": self.session_id}
        rows = [(one.name, one.kind, self.namespace(one.name)) for one in self.config.namespaces]
        columns = ("name", "strategy", "namespace")
        return card("Session", facts(place), table(columns, rows, empty="no namespaces", caption="Namespaces"))

    def hook(self) -> MemoryHook:
        """Make the hook for ``Agent(hooks=[...])``; nothing is called yet.

        Returns:
            A hook that serves this session, whatever ``agent.state`` says.

        Raises:
            ConfigurationError: The writes are to be made in the background, and this is AWS Lambda.
        """
        from agentmem.hook import MemoryHook

        return MemoryHook(self.config, session=self)

    def session_manager(self) -> CompactingSessionManager:
        """Make the session manager for ``Agent(session_manager=...)``; nothing is called yet.

        Returns:
            A manager for one agent; a second agent, or the same one made anew, takes another.

        Raises:
            ConfigurationError: The outbox cannot be used, or the writes are to be made in the background, and this is
                AWS Lambda.
        """
        from agentmem.session_manager.manager import CompactingSessionManager

        return CompactingSessionManager.for_session(self)

    def node(self, name: str, *, compaction: CompactionConfig | None = None) -> AgentMemory:
        """Return the memory of a node of a graph or a swarm, whose agent Strands forbids a session manager.

        Args:
            name: The node, such as its id in the graph; it tells this memory from other nodes'.
            compaction: Settings of its own context; None for the session's.

        Returns:
            What makes the hook for ``Agent(hooks=[memory.node("researcher").hook()])``.
        """
        from agentmem.session_manager.agent_memory import AgentMemory

        return AgentMemory(self, name, "node", compaction)

    def sub_agent(self, name: str, *, compaction: CompactionConfig | None = None) -> AgentMemory:
        """Return the memory of an agent that another agent uses as a tool.

        Args:
            name: The agent; it tells this memory from other sub-agents'.
            compaction: Settings of its own context; None for the session's.

        Returns:
            What makes the hook for ``Agent(hooks=[memory.sub_agent("researcher").hook()])``.
        """
        from agentmem.session_manager.agent_memory import AgentMemory

        return AgentMemory(self, name, "tool", compaction)

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        """Refuse to be given to an agent in place of what is made of it; Strands calls this.

        Raises:
            ConfigurationError: Always.
        """
        del registry
        raise ConfigurationError(
            "a MemorySession is no hook and no session manager itself: give Agent(session_manager="
            "memory.session_manager()) to keep the whole session, or Agent(hooks=[memory.hook()]) to save texts and "
            "to recall long-term memory"
        )

    def stores(self, *, writable: bool = False) -> list[MemoryStore]:
        """Make the SDK's memory stores for ``Agent(memory_manager=MemoryManager(stores=...))``.

        Args:
            writable: Let the first store write the conversation, when neither a hook nor a session manager does.

        Returns:
            One store for each namespace.
        """
        from bedrock_agentcore.memory.integrations.strands.memorystore import AgentCoreMemoryStore

        return [
            AgentCoreMemoryStore(
                memory_id=self.memory_id,
                actor_id=self.actor_id,
                session_id=self.session_id,
                namespace=self.namespace(namespace.name),
                name=namespace.name,
                description=namespace.description,
                max_search_results=namespace.top_k,
                min_score=namespace.relevance_score,
                writable=writable and number == 0,
                client=self.config.memory_client(),
            )
            for number, namespace in enumerate(self.config.namespaces)
        ]

    def mark(self, names: Sequence[str] | None = None) -> Mark:
        """Note what the namespaces hold now, to wait later for what is new.

        Args:
            names: Of which namespaces; None for all.

        Returns:
            The mark, for ``wait_for_memories(..., since=mark)``.

        Raises:
            ConfigurationError: There is no namespace of a name.
            ClientError: The service refused a request.
        """
        from agentmem.records.waiting.wait import take_mark

        return take_mark(self, None, tuple(self._resolved) if names is None else names)

    async def mark_async(self, names: Sequence[str] | None = None) -> Mark:
        """Do what `mark` does without blocking the event loop.

        Args:
            names: Of which namespaces; None for all.

        Returns:
            The mark.

        Raises:
            ConfigurationError: There is no namespace of a name.
        """
        return await asyncio.to_thread(self.mark, names)

    def wait_for_memories(
        self,
        name: str,
        query: str | None = None,
        max_wait: float = 120.0,
        poll_interval: float = 5.0,
        **options: Unpack[WaitOptions],
    ) -> list[Record]:
        """Wait until new long-term memories of a namespace have been extracted.

        Args:
            name: The namespace's configured name.
            query: What to search for; None lists the namespace.
            max_wait: Seconds to wait.
            poll_interval: Seconds between polls.
            **options: See `WaitOptions`. Without ``since`` a record is new from this session's last event on or, when
                there is none, from the moment it was bound.

        Returns:
            The records as boto3 returns them; empty when the time was up.

        Raises:
            MemoryWaitTimeout: The time was up, and `raise_on_timeout` was set.
            ExtractionFailedError: An extraction job of this session failed for this namespace.
            ConfigurationError: An argument is malformed, or there is no namespace of that name.
            ClientError: The service refused a request.
        """
        from agentmem.records.waiting.wait import wait_for_memories

        namespace = self.namespace(name)
        if options.get("since") is None:
            options["since"] = self._last_write()
        return wait_for_memories(self, None, namespace, query, max_wait, poll_interval, **options)

    async def wait_for_memories_async(
        self,
        name: str,
        query: str | None = None,
        max_wait: float = 120.0,
        poll_interval: float = 5.0,
        **options: Unpack[WaitOptions],
    ) -> list[Record]:
        """Wait as `wait_for_memories` does, without blocking the event loop.

        Args:
            name: See `wait_for_memories`, also for all that follow.
            query: What to search for.
            max_wait: Seconds to wait.
            poll_interval: Seconds between polls.
            **options: See `WaitOptions`.

        Returns:
            The records; empty when the time was up.

        Raises:
            MemoryWaitTimeout: The time was up, and `raise_on_timeout` was set.
            ExtractionFailedError: An extraction job of this session failed for this namespace.
            ConfigurationError: An argument is malformed, or there is no namespace of that name.
            ClientError: The service refused a request.
        """
        from agentmem.records.waiting.wait import wait_for_memories_async

        namespace = self.namespace(name)
        if options.get("since") is None:
            options["since"] = await asyncio.to_thread(self._last_write)
        return await wait_for_memories_async(self, None, namespace, query, max_wait, poll_interval, **options)

    def search(self, name: str, query: str) -> list[MemoryRecord]:
        """Search the long-term memory of a namespace.

        Args:
            name: The namespace's configured name.
            query: What to search for, at most 10,000 characters.

        Returns:
            The records of at least the namespace's `relevance_score`, if it has one, best first, at most its `top_k`.

        Raises:
            ConfigurationError: There is no namespace of that name, or the query is malformed.
            ClientError: The service refused the request.
        """
        from agentmem.records.retrieval import search

        return search(self, name, query)

    async def search_async(self, name: str, query: str) -> list[MemoryRecord]:
        """Do what `search` does without blocking the event loop.

        Args:
            name: The namespace's configured name.
            query: What to search for.

        Returns:
            The records, best first.

        Raises:
            ConfigurationError: There is no namespace of that name, or the query is malformed.
            ClientError: The service refused the request.
        """
        return await asyncio.to_thread(self.search, name, query)

    def recall(
        self, query: str, max_tokens: int = 2_000, *, agent_id: str = DEFAULT_AGENT, explain: bool = False
    ) -> list[RecalledMessage]:
        """Find messages of this session again, word for word, folded ones included.

        The best passages of several messages fill the budget. When more match than there is room for, the same
        question asked again, through this object, returns the next ones, and after the last begins anew. What was read
        is kept for the next question, 16 MB at the most, so that it costs one call when nothing new was written.

        Args:
            query: A question, words of the message, or the handle that stands in a shortened text. A date in it
                ("last Tuesday", "in May 2031", in the language of the question) and a speaker's name count.
            max_tokens: The tokens all answers may take together; what a handle names is returned whole.
            agent_id: Whose checkpoints tell where to look, when the agent was given an id.
            explain: Say in ``RecalledMessage.why`` why each passage is there.

        Returns:
            The messages, the one with the best passage first; of a long message the passages that answer.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The checkpoints could not be read.
        """
        from agentmem.messages.truncation import is_handle

        recall = self._recalls.get(agent_id) or self._recalls.setdefault(agent_id, self._recall_of(agent_id))
        if not is_handle(query):
            return recall.by_words(query, max_tokens=max_tokens, explain=explain)
        found = recall.by_handle(query)
        return [] if found is None else [found]

    async def recall_async(
        self, query: str, max_tokens: int = 2_000, *, agent_id: str = DEFAULT_AGENT, explain: bool = False
    ) -> list[RecalledMessage]:
        """Do what `recall` does without blocking the event loop.

        Args:
            query: A question, words of the message, or a handle.
            max_tokens: The tokens all answers may take together.
            agent_id: Whose checkpoints tell where to look.
            explain: Say in ``RecalledMessage.why`` why each passage is there.

        Returns:
            The messages, the one with the best passage first.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The checkpoints could not be read.
        """
        return await asyncio.to_thread(self.recall, query, max_tokens, agent_id=agent_id, explain=explain)

    def pin(self, text: str, *, agent_id: str = DEFAULT_AGENT) -> Pin:
        """Pin a statement: it stands in every request of the session's agent from then on, word for word.

        It is outside of the summary and of every compaction, and survives restarts. Agents of this process that have
        the session open show it from their next request on; one in another process when it next compacts or opens the
        session. The agent needs `session_manager()`; with `hook()` alone nothing shows pins.

        Args:
            text: The statement; ``WriteConfig.redact`` sees it first. No tag in it means anything to the model.
            agent_id: The id of the session's agent, when it was given one.

        Returns:
            The pin; the one that is there when the same text is pinned already.

        Raises:
            PinError: It is blank, all pins together would take more than a fifth of ``token_threshold``, or it could
                not be written.
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The checkpoint could not be read.
        """
        return self._session_pins().pin(text, self._read_pins(agent_id))

    def unpin(self, pin: Pin | str, *, agent_id: str = DEFAULT_AGENT) -> None:
        """Unpin a statement. Its event stays in the log, as all events do, until the person is forgotten.

        Args:
            pin: The pin, or its id.
            agent_id: The id of the session's agent, when it was given one.

        Raises:
            PinError: There is no such pin, or it could not be written.
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The checkpoint could not be read.
        """
        self._session_pins().unpin(pin, self._read_pins(agent_id))

    def pins(self, *, agent_id: str = DEFAULT_AGENT) -> tuple[Pin, ...]:
        """Read which statements are pinned, whoever pinned them, oldest first.

        Args:
            agent_id: The id of the session's agent, when it was given one.

        Returns:
            The pins. Messages pinned with Strands' own ``pin_message`` are not among them.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The checkpoint could not be read.
        """
        return self._read_pins(agent_id).statements

    async def pin_async(self, text: str, *, agent_id: str = DEFAULT_AGENT) -> Pin:
        """Do what `pin` does without blocking the event loop.

        Args:
            text: The statement.
            agent_id: The id of the session's agent.

        Returns:
            The pin.

        Raises:
            PinError: It is blank, there is no room for it, or it could not be written.
        """
        return await asyncio.to_thread(self.pin, text, agent_id=agent_id)

    async def unpin_async(self, pin: Pin | str, *, agent_id: str = DEFAULT_AGENT) -> None:
        """Do what `unpin` does without blocking the event loop.

        Args:
            pin: The pin, or its id.
            agent_id: The id of the session's agent.

        Raises:
            PinError: There is no such pin, or it could not be written.
        """
        await asyncio.to_thread(self.unpin, pin, agent_id=agent_id)

    async def pins_async(self, *, agent_id: str = DEFAULT_AGENT) -> tuple[Pin, ...]:
        """Do what `pins` does without blocking the event loop.

        Args:
            agent_id: The id of the session's agent.

        Returns:
            The pins, oldest first.

        Raises:
            HistoryUnavailableError: The events could not be read.
            CheckpointStoreError: The checkpoint could not be read.
        """
        return await asyncio.to_thread(self.pins, agent_id=agent_id)

    def _session_pins(self) -> SessionPins:
        from types import SimpleNamespace

        from agentmem.compaction.budget import Thresholds
        from agentmem.events.pin_board import PinBoard
        from agentmem.events.serializer import Serializer
        from agentmem.session_manager.session_pins import SessionPins

        threshold = Thresholds(self.config.compaction).threshold(SimpleNamespace(context_window_limit=None))
        board = PinBoard.shared(self.client, self._address)
        return SessionPins(self.client, self._address, board, Serializer(self.config.writes), threshold)

    def _read_pins(self, agent_id: str) -> Pins:
        from agentmem.checkpoints.restore import read_session
        from agentmem.events.reader import EventReader

        store, key = self._checkpoints(agent_id)
        reader = EventReader(self.client, self._address, agent_id)
        return read_session(reader, store, key).pins

    def _recall_of(self, agent_id: str) -> SessionRecall:
        """Make what recalls this session with an agent's checkpoints."""
        from agentmem.events.reader import EventReader
        from agentmem.recall.recall import SessionRecall

        return SessionRecall(EventReader(self.client, self._address, agent_id), *self._checkpoints(agent_id))

    @property
    def _address(self) -> SessionAddress:
        from agentmem.scope.address import SessionAddress

        return SessionAddress(self.memory_id, self.actor_id, self.session_id)

    def _checkpoints(self, agent_id: str) -> tuple[CheckpointStore, CheckpointKey]:
        """Return where an agent's checkpoints are, and its key."""
        from agentmem.checkpoints.checkpoint import CheckpointKey
        from agentmem.checkpoints.open import open_store

        store = open_store(
            self.config.checkpoints,
            boto_session=self.config.boto_session(),
            region=self.config.region,
            data_client=self.client,
        )
        return store, CheckpointKey(self.memory_id, self.actor_id, self.session_id, agent_id)

    def _last_write(self) -> Since:
        """Return this session's newest event, whoever wrote it, or the moment of binding."""
        answer = self.client.list_events(
            memoryId=self.memory_id,
            actorId=self.actor_id,
            sessionId=self.session_id,
            includePayloads=False,
            maxResults=1,
        )
        events: list[Mapping[str, Any]] = answer["events"]
        return events[0] if events else self.bound_at
