"""Provides the recorded side of a replay: a model and tools that repeat the recorded answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strands.types.tools import AgentTool

from agentmem.clients.strands_compat import normalized_tool_spec, tool_result_stream
from agentmem.errors import AgentMemError
from agentmem.testing.model_base import Answer, AnsweringModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from strands.types.content import Message
    from strands.types.tools import ToolGenerator, ToolResult, ToolSpec, ToolUse

    from agentmem.replay.conversation import Conversation, Invocation
    from agentmem.testing.model_base import ModelRequest

_JSON_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),  # before int: a bool is an int
    (int, "number"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


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


class ReplayModel(AnsweringModel):
    """A Strands model that answers with the recorded assistant messages and reports tiktoken counts as usage.

    Args:
        playback: Where the replies come from.
        on_request: Called with every request before it is answered.
        context_window_limit: The window it claims to have, in tokens; None for unknown.
    """

    def __init__(
        self,
        playback: Playback,
        on_request: Callable[[ModelRequest], None],
        *,
        context_window_limit: int | None = None,
    ) -> None:
        """Keep both; the model has no other state."""
        super().__init__("replay", context_window_limit=context_window_limit)
        self._playback = playback
        self._on_request = on_request

    def answer(self, request: ModelRequest) -> Answer:
        """Answer with the next recorded message.

        Args:
            request: What the agent sent.

        Returns:
            The recorded message.
        """
        self._on_request(request)
        return Answer(self._playback.reply()["content"])


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
        self._spec = normalized_tool_spec(
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

    def stream(self, tool_use: ToolUse, invocation_state: dict[str, Any], **kwargs: Any) -> ToolGenerator:  # noqa: ARG002
        """Yield the recorded result of this call."""
        return tool_result_stream(self._playback.result(tool_use["toolUseId"]))


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
