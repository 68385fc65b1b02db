"""Processes that work on one session and may die at any call to a service.

A process is a session manager and an agent with a line of its own to the services. A line counts the calls and lets
one of them fail: the process dies before the call leaves or before it sees the answer, or the call is refused, or only
its answer is lost. Or a service is down, and every call to it is refused.

Nothing here runs in the background, so that a run can be repeated: processes take their steps one after the other.
``test_two_processes.py`` has real ones.
"""

from __future__ import annotations

import asyncio
import atexit
import copy
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from bedrock_agentcore.memory.integrations.strands.config import AgentCoreMemoryConfig
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from strands import Agent, ToolContext, tool
from strands.hooks import MessageAddedEvent
from strands.models.model import Model
from strands.types.exceptions import ContextWindowOverflowException, EventLoopException

from agentmem.errors import CheckpointStoreError, CompactionError
from agentmem.events.writer_registry import registry
from agentmem.session_manager.manager import CompactingSessionManager
from agentmem.settings.sections import EventLogCheckpoints, WriteConfig
from agentmem.testing.model_stream import stream_events
from converse import validate_request

REGION = "us-west-2"
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})
LOG, STORE = "log", "store"
KINDS = ("dies", "dies-after", "refused", "unanswered")
SHAPES = ("plain", "tools", "parallel", "cancelled", "fails", "overflow", "recall", "direct", "compact")
WRITES = {
    "turn": WriteConfig(breaker_failures=1_000),
    "in parts": WriteConfig(breaker_failures=1_000, flush_interval_seconds=1e-9),
    "message": WriteConfig(breaker_failures=1_000, flush="message"),
}
LOOP = asyncio.new_event_loop()  # one for all runs: an agent called without one makes a thread and a loop each time
atexit.register(LOOP.close)
_FILLER = "the sky over the harbour was grey and nobody had brought a coat "


class Crash(BaseException):
    """The process is dead from here on."""


@dataclass(frozen=True)
class Fault:
    """Which call of a process meets what.

    Attributes:
        service: ``log`` or ``store``.
        call: Which call to it, from 1.
        kind: ``dies`` (before the call), ``dies-after`` (carried out, answer not seen), ``refused``, ``unanswered``
            (carried out, answer lost, the process lives).
    """

    service: str
    call: int
    kind: str


class Line:
    """The way from one process to the services.

    Attributes:
        calls: Calls made since ``begin``, by service.
        failed: Whether one of them failed.
        dead: Whether the process died at one.
        down: Services that refuse every call.
    """

    def __init__(self, memory: Any) -> None:
        self.boto = memory.boto_session(REGION)
        self.down: frozenset[str] = frozenset()
        self.begin(None)
        events = self.boto.events
        events.register("before-call.bedrock-agentcore.*", lambda **_: self.asked(LOG, EndpointConnectionError))
        events.register("after-call.bedrock-agentcore.*", lambda **_: self.answered(LOG, ReadTimeoutError))

    def begin(self, fault: Fault | None) -> None:
        """Count anew, for a live process."""
        self.calls: Counter[str] = Counter()
        self.fault, self.dead, self.failed = fault, False, False

    def asked(self, service: str, error: Any) -> None:
        """A call is about to leave."""
        if self.dead:
            raise Crash
        self.calls[service] += 1
        if service in self.down:
            self.failed = True
            raise error(endpoint_url="https://nowhere.invalid")
        self._strike(service, "dies", "refused", error)

    def answered(self, service: str, error: Any) -> None:
        """A call was carried out."""
        if self.dead:
            raise Crash
        self._strike(service, "dies-after", "unanswered", error)

    def _strike(self, service: str, deadly: str, harmless: str, error: Any) -> None:
        fault = self.fault
        if fault is None or fault.service != service or self.calls[service] != fault.call:
            return
        if fault.kind in (deadly, harmless):
            self.fault, self.failed = None, True
            self.dead = fault.kind == deadly
            raise Crash if self.dead else error(endpoint_url="https://nowhere.invalid")


class StoreOnLine:
    """A checkpoint store that is reached over a line."""

    def __init__(self, store: Any, line: Line) -> None:
        self._store, self._line = store, line

    def _over(self, operation: str, *arguments: Any, **named: Any) -> Any:
        self._line.asked(STORE, _unreachable)
        answer = getattr(self._store, operation)(*arguments, **named)
        self._line.answered(STORE, _unreachable)
        return answer

    def load(self, key: Any) -> Any:
        return self._over("load", key)

    def save(self, key: Any, checkpoint: Any) -> None:
        self._over("save", key, checkpoint)

    def history(self, key: Any, *, before: Any = None) -> Any:
        yield from self._over("history", key, before=before)

    def find(self, key: Any, handle: str) -> Any:
        return self._over("find", key, handle)

    def delete(self, key: Any) -> Any:
        return self._over("delete", key)


def _unreachable(**_: Any) -> CheckpointStoreError:
    return CheckpointStoreError("the store did not answer, on purpose")


class Replies(Model):
    """A model that gives one reply after the other, and checks what it is asked."""

    def __init__(self, look_at_request: Any) -> None:
        self.look_at_request = look_at_request
        self.script: list[Any] = []

    def update_config(self, **_: Any) -> None:
        pass

    def get_config(self) -> dict[str, Any]:
        return {}

    async def structured_output(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError
        yield

    async def stream(self, messages: Any, tool_specs: Any = None, system_prompt: Any = None, **_: Any) -> Any:
        reply = self.script.pop(0)
        self.look_at_request(messages, system_prompt, tool_specs)
        if isinstance(reply, Exception):
            raise reply
        asked = len(json.dumps(messages)) // 4
        for event in stream_events(reply, usage={"inputTokens": asked, "outputTokens": 9, "totalTokens": asked + 9}):
            yield event


@tool
def look(query: str, words: int = 8) -> str:
    """Look something up.

    Args:
        query: What.
        words: How much to say about it.
    """
    return f"{query} is blue. " + filler(words)


@tool(context=True)
def stop(tool_context: ToolContext, now: bool = False) -> str:
    """Cancel the invocation.

    Args:
        tool_context: Given by Strands.
        now: Cancel without waiting for the other tools.
    """
    tool_context.agent.cancel() if now else tool_context.agent.cancel(after_current_tools=True)
    return "stopping"


def filler(words: int) -> str:
    """Words without a meaning."""
    said = _FILLER.split()
    return " ".join(said[number % len(said)] for number in range(words))


class Process:
    """One session manager with its agent.

    Attributes:
        number: Which writer of the session it is.
    """

    def __init__(self, world: Any, line: Line) -> None:
        """Open the world's session over a line, from whatever is stored."""
        self.world, self.line = world, line
        self.number = next(world.writers)
        self._count = 0
        self._broken: list[AssertionError] = []
        self.manager = CompactingSessionManager(
            AgentCoreMemoryConfig(memory_id=world.memory_id, actor_id="ann", session_id=world.session_id),
            REGION,
            boto_session=line.boto,
            boto_client_config=ONE_ATTEMPT,
            checkpoints=StoreOnLine(world.make_store(), line) if world.make_store else EventLogCheckpoints(),
            **world.settings,
        )
        self.model = Replies(self._look_at_request)
        try:
            self.agent = Agent(
                model=self.model, session_manager=self.manager, tools=[look, stop], callback_handler=None
            )
        except Crash:
            self.die()
            raise
        self.agent.hooks.add_callback(MessageAddedEvent, self._note, order=-1_000)

    def die(self) -> None:
        """Lose what is only in this process."""
        registry.give_up([self.manager._writer])

    @property
    def has_everything_stored(self) -> bool:
        """Whether the process was told that all it wrote is stored."""
        return self.manager.status.pending == 0

    def step(self, shape: str, size: int, name: str) -> bool:
        """Do one thing; return whether the process is still alive."""
        try:
            self._do(shape, size, name)
        except Crash:
            assert self.line.dead
        except CompactionError:
            pass  # the model refused a context that nothing can be taken from
        except EventLoopException as error:
            if "on purpose" not in str(error):
                raise
        if self._broken:
            raise self._broken[0]
        if self.line.dead:
            self.die()
        return not self.line.dead

    def _do(self, shape: str, size: int, name: str) -> None:
        if shape == "direct":
            self.agent.tool.look(query=name, words=size)
        elif shape == "compact":
            self.manager.compact(self.agent)
        else:
            self.model.script = _script(shape, size, name)
            LOOP.run_until_complete(self.agent.invoke_async(f"Question {name}? {filler(size)}"))

    def _note(self, event: MessageAddedEvent) -> None:
        message = copy.deepcopy({key: event.message[key] for key in ("role", "content", "tracking_id")})
        self.world.note(self.number, self._count, message)
        self._count += 1

    def _look_at_request(self, messages: Any, system: Any, tools: Any) -> None:
        try:
            validate_request([{key: one[key] for key in ("role", "content")} for one in messages], system, tools)
            self.world.check_forms(self.agent.messages)
        except AssertionError as error:
            # Strands would wrap it.
            self._broken.append(error)


def _script(shape: str, size: int, name: str) -> list[Any]:
    def call(number: int, tool_name: str = "look", **values: Any) -> dict[str, Any]:
        given = values or {"query": f"{name} {number}", "words": size}
        return {"toolUse": {"toolUseId": f"use-{name}-{number}", "name": tool_name, "input": given}}

    thought = {"reasoningContent": {"reasoningText": {"text": f"Hm, {name}. {filler(size)}", "signature": "s"}}}
    answer = [{"text": f"Answer {name}. {filler(size // 2)}"}]
    scripts: dict[str, list[Any]] = {
        "plain": [answer],
        "tools": [*([thought, call(number)] for number in range(3)), answer],
        "parallel": [[{"text": f"All {name}."}, *(call(number) for number in range(3))], answer],
        "cancelled": [[call(0), call(1, "stop", now=size % 2 == 0), call(2)], answer],
        "fails": [[call(0)], RuntimeError("the model fails on purpose")],
        "overflow": [ContextWindowOverflowException("too long, on purpose"), answer],
        "recall": [[call(0, "recall_session", query=f"name{size}x")], answer],
    }
    return scripts[shape]
