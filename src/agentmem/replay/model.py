"""Provides the recorded side of a replay: a model and tools that repeat the recorded answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel
from strands.models.model import Model
from strands.tools.tools import normalize_tool_spec
from strands.types._events import ToolResultEvent
from strands.types.tools import AgentTool

from agentmem.errors import AgentMemError
from agentmem.messages.tokens import count_message, count_request
from agentmem.testing.model_stream import stream_events

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from strands.types.content import Message, Messages, SystemContentBlock
    from strands.types.streaming import StreamEvent
    from strands.types.tools import ToolGenerator, ToolResult, ToolSpec, ToolUse

    from agentmem.replay.conversation import Conversation, Invocation

__all__ = ["Playback", "RecordedTool", "ReplayModel", "Request", "recorded_tools"]

T = TypeVar("T", bound=BaseModel)

_JSON_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),  # before int: a bool is an int
    (int, "number"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


@dataclass(frozen=True)
class Request:
    """One request the agent sent to the model.

    Attributes:
        messages: The messages, roles and content only.
        system: The system prompt, or None.
        tools: The tool specifications.
        tokens: Its size in tokens (tiktoken).
    """

    messages: Messages
    system: str | None
    tools: list[ToolSpec]
    tokens: int


class Playback:
    """The position of the replay: the next recorded reply, and the answers of the tools."""

    def __init__(self) -> None:
        """Start before the first invocation."""
        self._replies: list[Message] = []
        self._results: Mapping[str, ToolResult] = {}
        self._ends_in_tools = False

    def begin(self, invocation: Invocation) -> None:
        """Load the replies and results of the next invocation.

        Args:
            invocation: The next call of the agent.

        Raises:
            AgentMemError: The agent did not ask for all replies of the invocation before.
        """
        if self._replies:
            raise AgentMemError(
                f"The agent stopped early: {len(self._replies)} recorded repl(ies) of the invocation were not used."
            )
        self._replies = list(invocation.replies)
        self._results = invocation.results
        self._ends_in_tools = invocation.ends_in_tools

    @property
    def stops_after_tools(self) -> bool:
        """Whether the recording has no assistant message after the tools that are called now."""
        return self._ends_in_tools and not self._replies

    def reply(self) -> Message:
        """Return the next recorded assistant message.

        Raises:
            AgentMemError: The recording has none left for this invocation.
        """
        if not self._replies:
            raise AgentMemError("The agent called the model more often than the recording has replies.")
        return self._replies.pop(0)

    def result(self, tool_use_id: str) -> ToolResult:
        """Return the recorded result of a tool call."""
        return self._results[tool_use_id]


class ReplayModel(Model):
    """A Strands model that answers with the recorded assistant messages and reports tiktoken counts as usage.

    Args:
        playback: Where the replies come from.
        on_request: Called with every request before it is answered.
    """

    def __init__(self, playback: Playback, on_request: Callable[[Request], None]) -> None:
        """Keep both; the model has no other state."""
        self._playback = playback
        self._on_request = on_request
        self._counts: dict[str, int] = {}
        self.config: dict[str, Any] = {"model_id": "replay"}

    def update_config(self, **model_config: Any) -> None:
        """Change the configuration; it has no effect on the answers."""
        self.config.update(model_config)

    def get_config(self) -> dict[str, Any]:
        """Return the configuration: `model_id`."""
        return self.config

    async def stream(
        self,
        messages: Messages,
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        *,
        tool_choice: Any = None,  # noqa: ARG002 - the recording has chosen
        system_prompt_content: list[SystemContentBlock] | None = None,  # noqa: ARG002 - its text is in system_prompt
        **kwargs: Any,  # noqa: ARG002 - Strands passes more than a replay needs
    ) -> AsyncGenerator[StreamEvent, None]:
        """Answer with the next recorded message.

        Args:
            messages: The conversation as the agent shows it.
            tool_specs: The tools on offer.
            system_prompt: The system prompt.
            tool_choice: Ignored.
            system_prompt_content: Ignored.
            **kwargs: Ignored.

        Yields:
            The stream events of the recorded message.
        """
        tools = tool_specs or []
        tokens = self._count(messages, system_prompt, tools)
        self._on_request(Request(messages, system_prompt, tools, tokens))
        reply = self._playback.reply()
        output = count_message(reply)
        usage = {"inputTokens": tokens, "outputTokens": output, "totalTokens": tokens + output}
        for event in stream_events(reply["content"], usage=usage):  # type: ignore[arg-type]
            yield event

    def structured_output(
        self,
        output_model: type[T],
        prompt: Messages,
        system_prompt: str | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[dict[str, T | Any], None]:
        """Refuse: a recording holds no structured output.

        Args:
            output_model: Ignored.
            prompt: Ignored.
            system_prompt: Ignored.
            **kwargs: Ignored.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(f"A replay cannot answer as {output_model.__name__}.")

    def _count(self, messages: Messages, system: str | None, tools: list[ToolSpec]) -> int:
        """Count a request; a message that was counted before is not encoded again."""
        fixed = json.dumps([system, tools], default=str)
        if fixed not in self._counts:
            self._counts[fixed] = count_request([], system, tools)
        total = self._counts[fixed]
        for message in messages:
            key = json.dumps(message, default=_length)
            if key not in self._counts:
                self._counts[key] = count_message(message)
            total += self._counts[key]
        return total


class RecordedTool(AgentTool):
    """A tool that answers every call with the recorded result.

    Args:
        name: The recorded tool's name.
        inputs: All inputs it was called with; its input schema names their fields and demands none.
        playback: Where the results come from.
    """

    def __init__(self, name: str, inputs: Sequence[Mapping[str, Any]], playback: Playback) -> None:
        """Derive the specification from the recorded inputs."""
        super().__init__()
        self._playback = playback
        # Strands would normalize it anyway; done here, the specification is counted as it is sent.
        self._spec = normalize_tool_spec(
            {
                "name": name,
                "description": f"The recorded tool {name}.",
                "inputSchema": {"json": {"type": "object", "properties": _properties(inputs)}},
            }
        )

    @property
    def tool_name(self) -> str:
        """The recorded name."""
        return self._spec["name"]

    @property
    def tool_spec(self) -> ToolSpec:
        """The specification, the same for the whole replay."""
        return self._spec

    @property
    def tool_type(self) -> str:
        """Always `recorded`."""
        return "recorded"

    async def stream(self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any) -> ToolGenerator:  # noqa: ARG002
        """Yield the recorded result of this call."""
        yield ToolResultEvent(self._playback.result(tool_use["toolUseId"]))


def recorded_tools(conversation: Conversation, playback: Playback) -> list[RecordedTool]:
    """Make one tool for each tool name in the conversation, in order of first use.

    Args:
        conversation: The recorded conversation.
        playback: Where the results come from.

    Returns:
        The tools.
    """
    inputs: dict[str, list[Mapping[str, Any]]] = {}
    for message in conversation.messages:
        for block in message["content"]:
            if "toolUse" in block:
                inputs.setdefault(block["toolUse"]["name"], []).append(block["toolUse"]["input"])
    return [RecordedTool(name, calls, playback) for name, calls in inputs.items()]


def _properties(inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    kinds: dict[str, set[str]] = {}
    for call in inputs:
        for key, value in call.items():
            kind = next((name for kind, name in _JSON_TYPES if isinstance(value, kind)), "null")
            kinds.setdefault(key, set()).add(kind)
    return {key: {"type": found.pop() if len(found) == 1 else sorted(found)} for key, found in kinds.items()}


def _length(value: object) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, (bytes, bytearray)) else str(value)
