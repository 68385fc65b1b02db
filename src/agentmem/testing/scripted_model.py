"""Answers from a script and records every request, in place of a language model.

model = ScriptedModel([ToolCall("weather", {"city": "Oslo"}), "It rains in Oslo."])
agent = Agent(model=model, tools=[weather])
agent("Do I need an umbrella?")
assert model.requests[-1].texts()[-1] == "Do I need an umbrella?"
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from pydantic import BaseModel
from strands.types.exceptions import ContextWindowOverflowException, ModelThrottledException

from agentmem.errors import AgentMemError
from agentmem.messages.tokens import count_request
from agentmem.testing.model_base import Answer, AnsweringModel, ModelRequest

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence

    from strands.types.content import ContentBlock, Messages
    from strands.types.event_loop import StopReason

T = TypeVar("T", bound=BaseModel)

_OVERFLOW_TEXT = "Input is too long for requested model."
_THROTTLE_TEXT = "Too many requests, please wait before trying again."


class ScriptExhaustedError(AgentMemError):
    """The model was called more often than its script has answers."""


@dataclass(frozen=True)
class ToolCall:
    """One tool call of a scripted reply.

    Args:
        name: The tool's name.
        input: The arguments, a JSON object.
        id: The tool use id; without it one that is free in the request is made.
    """

    name: str
    input: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True)
class Reply:
    """One scripted answer of the model.

    Args:
        text: The text; empty for none.
        tool_calls: The tools to call, in order.
        reasoning: The reasoning shown before the text; empty for none.
        input_tokens: The prompt size the model reports, in tokens; without it the request is counted (tiktoken).
        output_tokens: The answer's size it reports, in tokens; without it the answer is counted.
        usage: Further usage to report, such as `cacheReadInputTokens`.
        stop_reason: Why the model stopped; without it `tool_use` or `end_turn`.
    """

    text: str = ""
    tool_calls: Sequence[ToolCall] = ()
    reasoning: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    stop_reason: StopReason | None = None


@dataclass(frozen=True)
class Overflow:
    """The model answers that the context is too long (`ContextWindowOverflowException`)."""

    message: str = _OVERFLOW_TEXT


@dataclass(frozen=True)
class Throttle:
    """The model is throttled (`ModelThrottledException`).

    Strands waits four seconds before its first retry; give the agent
    `retry_strategy=ModelRetryStrategy(initial_delay=0)` to keep a test quick.
    """

    message: str = _THROTTLE_TEXT


ScriptItem: TypeAlias = (
    "str | ToolCall | Reply | Overflow | Throttle | Exception | Callable[[ModelRequest], ScriptItem]"
)
"""A text, a tool call, a whole reply, an error, or a function that makes one of these from the request."""


class ScriptedModel(AnsweringModel):
    """A Strands model that answers from a script, in order, and keeps every request.

    Args:
        script: The answers, one a model call. An error takes its place in the order like an answer.
        default: The answer to every call after the last of the script; without it such a call raises
            `ScriptExhaustedError`.
        context_window_limit: The model's window in tokens, or None for unknown.
        overflow_at: A request of more tokens than this (counted with tiktoken) is answered with
            `ContextWindowOverflowException`, and the script does not advance; None for never.
        chunk_size: Characters per streamed text delta; None for one delta.

    Attributes:
        requests: The requests so far, also those that were answered with an error.
    """

    def __init__(
        self,
        script: Iterable[ScriptItem] = (),
        *,
        default: ScriptItem | None = None,
        context_window_limit: int | None = None,
        overflow_at: int | None = None,
        chunk_size: int | None = None,
    ) -> None:
        """Keep the script; nothing is checked before it is its turn."""
        super().__init__("scripted", context_window_limit=context_window_limit, chunk_size=chunk_size)
        self.requests: list[ModelRequest] = []
        self._script = list(script)
        self._next = 0
        self._default = default
        self._overflow_at = overflow_at

    @property
    def remaining(self) -> int:
        """How many answers of the script were not used yet."""
        return len(self._script) - self._next

    def add(self, *answers: ScriptItem) -> None:
        """Put answers at the end of the script.

        Args:
            *answers: The answers, one a model call.
        """
        self._script += answers

    def answer(self, request: ModelRequest) -> Answer:
        """Answer one request with the script's next item.

        Args:
            request: What the agent sent; a copy of it is kept.

        Returns:
            The answer.

        Raises:
            ContextWindowOverflowException: The script says so, or the request is over `overflow_at`.
            ModelThrottledException: The script says so.
            ScriptExhaustedError: The script has no answer left and there is no default.
        """
        kept = copy.deepcopy(request)
        self.requests.append(kept)
        if self._overflow_at is not None and kept.tokens > self._overflow_at:
            raise ContextWindowOverflowException(f"{_OVERFLOW_TEXT} ({kept.tokens} tokens, limit {self._overflow_at})")
        reply = _resolve(self._take(), kept)
        usage = {"inputTokens": reply.input_tokens, "outputTokens": reply.output_tokens, **reply.usage}
        return Answer(
            _content(reply, kept.messages),
            {name: tokens for name, tokens in usage.items() if tokens is not None},
            reply.stop_reason,
        )

    async def structured_output(
        self,
        output_model: type[T],
        prompt: Messages,
        system_prompt: str | None = None,
        **kwargs: Any,  # noqa: ARG002 - Strands passes more than a script needs
    ) -> AsyncGenerator[dict[str, T | Any], None]:
        """Answer with the arguments of the next scripted tool call, or with the next text read as JSON.

        Args:
            output_model: The pydantic model to fill.
            prompt: The messages.
            system_prompt: The system prompt.
            **kwargs: Ignored.

        Yields:
            One event `{"output": <output_model>}`.

        Raises:
            ValidationError: The scripted values do not fit `output_model` (pydantic's).
        """
        tokens = count_request(prompt, system_prompt)
        request = copy.deepcopy(ModelRequest(prompt, system_prompt, None, [], None, tokens))
        self.requests.append(request)
        reply = _resolve(self._take(), request)
        if reply.tool_calls:
            yield {"output": output_model.model_validate(dict(reply.tool_calls[0].input))}
        else:
            yield {"output": output_model.model_validate_json(reply.text)}

    def _take(self) -> ScriptItem:
        if self._next < len(self._script):
            self._next += 1
            return self._script[self._next - 1]
        if self._default is None:
            raise ScriptExhaustedError(
                f"ScriptedModel got call {len(self.requests)}, but its script has {len(self._script)} answer(s). "
                "Add an answer to the script or pass default=."
            )
        return self._default


def _resolve(item: ScriptItem, request: ModelRequest) -> Reply:
    """Turn a script item into a reply, or raise the error it stands for."""
    if isinstance(item, str):
        return Reply(text=item)
    if isinstance(item, ToolCall):
        return Reply(tool_calls=(item,))
    if isinstance(item, Reply):
        return item
    if isinstance(item, Overflow):
        raise ContextWindowOverflowException(item.message)
    if isinstance(item, Throttle):
        raise ModelThrottledException(item.message)
    if isinstance(item, Exception):
        raise item
    if callable(item):
        return _resolve(item(request), request)
    raise TypeError(f"A script item must be a text, ToolCall, Reply, error or function, not {type(item).__name__}.")


def _content(reply: Reply, messages: Messages) -> list[ContentBlock]:
    """Build the assistant's content blocks; tool use ids are free in the request."""
    content: list[ContentBlock] = []
    if reply.reasoning:
        content.append({"reasoningContent": {"reasoningText": {"text": reply.reasoning}}})
    if reply.text:
        content.append({"text": reply.text})
    taken = {
        block["toolUse"]["toolUseId"] for message in messages for block in message["content"] if "toolUse" in block
    }
    for call in reply.tool_calls:
        tool_use_id = call.id
        number = len(taken)
        while tool_use_id is None or (call.id is None and tool_use_id in taken):
            number += 1
            tool_use_id = f"call-{number}"
        taken.add(tool_use_id)
        content.append(
            {"toolUse": {"toolUseId": tool_use_id, "name": call.name, "input": copy.deepcopy(dict(call.input))}}
        )
    return content
