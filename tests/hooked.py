"""Agents with a MemoryHook on an embedded memory."""

from __future__ import annotations

from datetime import UTC, datetime

from strands import Agent, tool

from agentmem import HookConfig, MemoryConfig, Namespace
from agentmem.hook import MemoryHook
from agentmem.local import LocalMemory
from agentmem.testing import ScriptedModel
from memories import Clock

FACTS = Namespace.semantic("facts", "/users/{actorId}/facts/", top_k=3)


@tool
def look(query: str) -> str:
    """Look something up.

    Args:
        query: What.
    """
    return f"{query}: found"


class Setup:
    """An embedded memory and agents on it."""

    def __init__(self, **fields):
        self.clock = Clock()
        self.service = LocalMemory(clock=self.clock)
        patient = HookConfig(retrieve_timeout=20)  # the first search of a process loads the embedding model
        self.config = MemoryConfig.local(self.service, namespaces=(FACTS,), hook=patient).replace(**fields)

    def hook(self, **fields) -> MemoryHook:
        return MemoryHook(self.config.replace(**fields))

    def agent(self, hook=None, script=("Hello.",), *, user="ann", session="s1", **options) -> Agent:
        model = script if isinstance(script, ScriptedModel) else ScriptedModel(list(script))
        state = {"user_id": user, "session_id": session}
        return Agent(
            model=model,
            hooks=[hook or self.hook()],
            state={name: value for name, value in state.items() if value is not None},
            tools=[look],
            callback_handler=None,
            **options,
        )

    def events(self, user="ann", session="s1"):
        answer = self.config.data_plane().list_events(
            memoryId=self.config.memory_id, actorId=user, sessionId=session, maxResults=100
        )
        return answer["events"][::-1]

    def saved(self, user="ann", session="s1"):
        """What is in the log: role and text, event by event."""
        return [
            [(item["conversational"]["role"], item["conversational"]["content"]["text"]) for item in event["payload"]]
            for event in self.events(user, session)
        ]

    def write(self, *texts, user="ann", session="s1", role="USER"):
        self.config.data_plane().create_event(
            memoryId=self.config.memory_id,
            actorId=user,
            sessionId=session,
            eventTimestamp=datetime.now(UTC),
            payload=[{"conversational": {"role": role, "content": {"text": text}}} for text in texts],
        )

    def learn(self, text, user="ann"):
        """Put a record into long-term memory."""
        record = {
            "requestIdentifier": "r",
            "namespaces": [f"/users/{user}/facts/"],
            "content": {"text": text},
            "timestamp": datetime.now(UTC),
        }
        made = self.config.data_plane().batch_create_memory_records(memoryId=self.config.memory_id, records=[record])
        assert not made["failedRecords"]
