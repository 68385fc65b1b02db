"""Answers a Strands agent without a network: the base of the scripted model, the offline model and the replay model."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel
from strands.models.model import Model

from agentmem.messages.tokens import count_message, count_request
from agentmem.testing.model_stream import stream_events

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from strands.types.content import ContentBlock, Messages, SystemContentBlock
    from strands.types.event_loop import StopReason, Usage
    from strands.types.streaming import StreamEvent
    from strands.types.tools import ToolSpec

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class ModelRequest:
    """One request as the model got it.

    Attributes:
        messages: The messages, roles and content only.
        system: The system prompt as text, or None.
        system_content: The system prompt as blocks, or None.
        tools: The tool specifications.
        tool_choice: The tool choice, or None.
        tokens: The size of the request in tokens, counted with tiktoken.
    """

    messages: Messages
    system: str | None
    system_content: list[SystemContentBlock] | None
    tools: list[ToolSpec]
    tool_choice: Mapping[str, Any] | None
    tokens: int

    def texts(self, role: str | None = None) -> list[str]:
        """Return every text block in order.

        Args:
            role: Only of messages of this role, `user` or `assistant`.

        Returns:
            The texts; tool results and system prompt not included.
        """
        return [
            block["text"]
            for message in self.messages
            if role is None or message["role"] == role
            for block in message["content"]
            if "text" in block
        ]

    def tool_results(self) -> dict[str, str]:
        """Return the text of every tool result by its tool use id; JSON content is left out."""
        return {
            block["toolResult"]["toolUseId"]: "\n".join(
                item["text"] for item in block["toolResult"]["content"] if "text" in item
            )
            for message in self.messages
            for block in message["content"]
            if "toolResult" in block
        }


@dataclass(frozen=True)
class Answer:
    """One answer of the model, before it is streamed.

    Attributes:
        content: The blocks of the assistant's message.
        usage: Usage to report, in tokens, instead of or beside the counted `inputTokens` and `outputTokens`.
        stop_reason: Why the model stopped; without it `tool_use` or `end_turn`.
    """

    content: Sequence[ContentBlock]
    usage: Mapping[str, int] = field(default_factory=dict)
    stop_reason: StopReason | None = None


class AnsweringModel(Model):
    """A Strands model in the process; a subclass makes a whole answer, which is streamed with its usage in tokens."""

    def __init__(
        self, model_id: str, *, context_window_limit: int | None = None, chunk_size: int | None = None
    ) -> None:
        """Keep the settings.

        Args:
            model_id: The name it reports.
            context_window_limit: The window it claims to have, in tokens; None for unknown.
            chunk_size: Characters per streamed text delta; None for one delta.
        """
        self.config: dict[str, Any] = {"model_id": model_id, "context_window_limit": context_window_limit}
        self._chunk_size = chunk_size
        self._counts: dict[str, int] = {}

    @abstractmethod
    def answer(self, request: ModelRequest) -> Answer:
        """Answer one request; the request shares its messages with the agent.

        Args:
            request: What the agent sent.

        Returns:
            The answer.
        """

    def update_config(self, **model_config: Any) -> None:
        """Change the configuration.

        Args:
            **model_config: `model_id`, `context_window_limit`.
        """
        self.config.update(model_config)

    def get_config(self) -> dict[str, Any]:
        """Return the configuration: `model_id` and `context_window_limit`."""
        return self.config

    async def stream(
        self,
        messages: Messages,
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        *,
        tool_choice: Any = None,
        system_prompt_content: list[SystemContentBlock] | None = None,
        **kwargs: Any,  # noqa: ARG002 - Strands passes more than an answer needs
    ) -> AsyncGenerator[StreamEvent, None]:
        """Stream the answer to one request.

        Args:
            messages: The conversation.
            tool_specs: The tools on offer.
            system_prompt: The system prompt as text.
            tool_choice: Which tool the model must call.
            system_prompt_content: The system prompt as blocks.
            **kwargs: Ignored.

        Yields:
            The stream events of the answer.
        """
        tools = tool_specs or []
        tokens = self._count(messages, system_prompt, tools)
        answer = self.answer(ModelRequest(messages, system_prompt, system_prompt_content, tools, tool_choice, tokens))
        usage = {
            "inputTokens": tokens,
            "outputTokens": count_message({"role": "assistant", "content": answer.content}),
            **answer.usage,
        }
        reported: Usage = {"totalTokens": usage["inputTokens"] + usage["outputTokens"], **usage}  # type: ignore[typeddict-item]
        for event in stream_events(
            answer.content, usage=reported, stop_reason=answer.stop_reason, chunk_size=self._chunk_size
        ):
            yield event

    def structured_output(
        self, output_model: type[T], prompt: Messages, system_prompt: str | None = None, **kwargs: Any
    ) -> AsyncGenerator[dict[str, T | Any], None]:
        """Refuse: the answers are messages, not values.

        Args:
            output_model: The pydantic model that was asked for.
            prompt: Ignored.
            system_prompt: Ignored.
            **kwargs: Ignored.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            f"{type(self).__name__} answers with messages and cannot fill {output_model.__name__}. Use ScriptedModel "
            "for structured output."
        )

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


def _length(value: object) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, (bytes, bytearray)) else str(value)
