"""Retries an agent's tools, ends them at a time limit, and tells the model what failed.

An error of a tool never fails the turn: the model gets a structured error and can act on it. tenacity decides on
attempts and pauses, pybreaker on the circuit of each tool.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pybreaker
import tenacity
from botocore.exceptions import ClientError
from strands.hooks import BeforeInvocationEvent, BeforeToolCallEvent, HookOrder, HookProvider
from strands.types.tools import AgentTool

from agentmem.clients import strands_compat
from agentmem.errors import ConfigurationError
from agentmem.records.waiting.polling import is_transient
from agentmem.runtime import detached
from agentmem.runtime.tool_policy import ToolPolicy
from agentmem.support import telemetry

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Mapping

    from strands.hooks import HookRegistry
    from strands.types.tools import ToolGenerator, ToolResult, ToolSpec, ToolUse

_END = object()
_NOT_THE_TOOLS_FAULT: list[Any] = [ValueError, TypeError, lambda error: not isinstance(error, Exception)]
"""Wrong input, and calls that the caller gave up, say nothing about the tool: they open no circuit."""

_log = logging.getLogger(__name__)


class _TimedOut(Exception):  # noqa: N818 - never leaves this module
    """An attempt reached its time limit."""


class ResilientTools(HookProvider):
    """Makes the tools of an agent resilient: ``Agent(tools=[...], hooks=[ResilientTools()])``.

    A call that is throttled or loses its connection is tried again, with exponential pauses, within the turn. An
    attempt that takes too long is ended, and not tried again. After several failures in a row a tool's circuit opens:
    its calls are answered at once for a while, without calling it. In each case the model gets a result with status
    ``error`` and one ``json`` block: ``error`` (the exception's class, ``Timeout`` or ``CircuitOpen``), ``message``,
    ``attempts`` and ``advice``. What a tool itself answers, errors included, is passed on unchanged.

    An asynchronous tool is cancelled at its time limit. A blocking function cannot be stopped: its thread is left alone
    and may still have an effect later. Give a tool that must not run twice ``ToolPolicy(attempts=1)``.

    Each attempt is a span ``agentmem.tool`` with the tool's name, ``agentmem.step`` (which call of the invocation it
    is, from 1) and ``agentmem.attempt`` (from 1). One object may serve several agents and then shares the circuits.

    Args:
        default: The policy of every tool.
        tools: Policies of single tools by their names, in place of the default.
        exclude: Names of tools that are left as they are.

    Raises:
        ConfigurationError: A name is in `tools` and in `exclude`.
    """

    def __init__(
        self,
        default: ToolPolicy | None = None,
        *,
        tools: Mapping[str, ToolPolicy] | None = None,
        exclude: tuple[str, ...] = (),
    ) -> None:
        """Keep the policies; circuits are made when tools are first called."""
        self._default = default or ToolPolicy()
        self._tools = dict(tools or {})
        self._exclude = frozenset(exclude)
        if both := sorted(self._exclude & self._tools.keys()):
            raise ConfigurationError(f"tools, exclude: {both[0]!r} is in both. Leave it out of one of them.")
        self._circuits: dict[str, pybreaker.CircuitBreaker] = {}
        self._lock = threading.Lock()

    def register_hooks(self, registry: HookRegistry, **_: Any) -> None:
        """Subscribe to the agent's life; Strands calls this."""
        steps = _Steps()
        registry.add_callback(BeforeInvocationEvent, steps.start)
        # Last, so that a hook which chooses another tool has done so.
        registry.add_callback(
            BeforeToolCallEvent, lambda event: self._before_tool(event, steps), order=HookOrder.SDK_LAST
        )

    def _before_tool(self, event: BeforeToolCallEvent[Any], steps: _Steps) -> None:
        tool = event.selected_tool
        if tool is None or event.cancel_tool or tool.tool_name in self._exclude or isinstance(tool, _Resilient):
            return
        policy = self._tools.get(tool.tool_name, self._default)
        event.selected_tool = _Resilient(tool, policy, self._circuit(tool.tool_name, policy), steps.next())

    def _circuit(self, name: str, policy: ToolPolicy) -> pybreaker.CircuitBreaker:
        with self._lock:
            if name not in self._circuits:
                self._circuits[name] = pybreaker.CircuitBreaker(
                    fail_max=policy.failures,
                    reset_timeout=policy.reset,
                    throw_new_error_on_trip=False,
                    exclude=_NOT_THE_TOOLS_FAULT,
                )
            return self._circuits[name]


class _Steps:
    """Counts the calls of tools in an agent's invocation."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()

    def start(self, event: BeforeInvocationEvent) -> None:  # noqa: ARG002 - Strands asks for the name
        with self._lock:
            self._count = 0

    def next(self) -> int:
        with self._lock:  # tools run at the same time
            self._count += 1
            return self._count


class _Resilient(AgentTool):
    """One call of a tool, under its policy."""

    def __init__(self, tool: AgentTool, policy: ToolPolicy, circuit: pybreaker.CircuitBreaker, step: int) -> None:
        super().__init__()
        self._tool = tool
        self._policy = policy
        self._circuit = circuit
        self._step = step

    @property
    def tool_name(self) -> str:
        return self._tool.tool_name

    @property
    def tool_spec(self) -> ToolSpec:
        return self._tool.tool_spec

    @property
    def tool_type(self) -> str:
        return self._tool.tool_type

    async def stream(self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any) -> ToolGenerator:
        policy, number = self._policy, 0
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(policy.attempts),
            wait=tenacity.wait_exponential(policy.backoff, policy.max_backoff)
            + tenacity.wait_random(0, policy.backoff / 2),  # so that many agents do not come back at once
            retry=tenacity.retry_if_exception(self._is_passing),
            reraise=True,
        )
        try:
            async for attempt in retrying:
                with attempt:
                    number = attempt.retry_state.attempt_number
                    async with aclosing(self._attempt(number, tool_use, invocation_state, kwargs)) as events:
                        async for event in events:
                            yield event
        except Exception as error:  # noqa: BLE001 - the model is told, and the turn goes on
            outcome = self._explained(error, number)
            _log.warning("tool %s failed: %s after %d attempts", self.tool_name, outcome["error"], number)
            telemetry.count("tools.failed", reason=outcome["error"])
            result: ToolResult = {
                "toolUseId": tool_use["toolUseId"],
                "status": "error",
                "content": [{"json": outcome}],
            }
            async for event in strands_compat.tool_result_stream(result):
                yield event

    async def _attempt(
        self, number: int, tool_use: ToolUse, invocation_state: dict[str, Any], options: dict[str, Any]
    ) -> AsyncGenerator[Any, None]:
        """Yield the events of one attempt; what went wrong in the tool is raised."""
        deadline = asyncio.get_running_loop().time() + self._policy.timeout
        with self._circuit.calling(), telemetry.span("tool", tool=self.tool_name, step=self._step, attempt=number):
            if strands_compat.blocks_its_thread(self._tool):
                for event in await _until(
                    deadline, detached.all_of(lambda: self._tool.stream(tool_use, invocation_state, **options))
                ):
                    yield _checked(event)
                return
            async with aclosing(self._tool.stream(tool_use, invocation_state, **options)) as running:
                while (event := await _until(deadline, anext(running, _END))) is not _END:
                    yield _checked(event)

    def _is_passing(self, error: BaseException) -> bool:
        """Tell whether a second attempt may succeed; a time limit that is reached once is not waited for again."""
        if isinstance(error, _TimedOut | pybreaker.CircuitBreakerError) or not isinstance(error, Exception):
            return False
        return isinstance(error, (ConnectionError, *self._policy.retry_on)) or is_transient(error)

    def _explained(self, error: Exception, attempts: int) -> dict[str, Any]:
        if isinstance(error, pybreaker.CircuitBreakerError):
            kind, message = "CircuitOpen", f"{self.tool_name} has failed {self._circuit.fail_counter} times in a row."
            advice = f"Do not call it again within {self._policy.reset:g} s. Go on without it, and say so."
            attempts -= 1  # the last one did not reach it
        elif isinstance(error, _TimedOut):
            kind, message = "Timeout", f"{self.tool_name} did not answer within {self._policy.timeout:g} s."
            advice = "It may still have an effect. Ask for less, or go on without it, and say so."
        elif self._is_passing(error):
            kind, message = _name(error), str(error)
            advice = "It was tried again already. Go on without it for now, and say so."
        else:
            kind, message = _name(error), str(error)
            advice = "Check the input and correct it, or use another tool."
        return {"error": kind, "message": message, "attempts": attempts, "advice": advice}


async def _until(deadline: float, outcome: Awaitable[Any]) -> Any:
    """Wait for an outcome until a time of the event loop's clock, without leaving the task."""
    limit = asyncio.timeout_at(deadline)
    try:
        async with limit:
            return await outcome
    except TimeoutError as error:
        if limit.expired():
            raise _TimedOut from error
        raise  # the tool's own


def _checked(event: Any) -> Any:
    """Return an event of a tool; one that carries an exception of the tool's raises it."""
    if (failure := strands_compat.failure_of(event)) is not None:
        raise failure
    return event


def _name(error: Exception) -> str:
    """Return the service's code of an error, or its class."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code") or type(error).__name__)
    return type(error).__name__
