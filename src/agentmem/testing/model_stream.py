"""Turns an assistant message into the event stream of a Strands model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from strands.types.content import ContentBlock
    from strands.types.event_loop import StopReason, Usage
    from strands.types.streaming import StreamEvent


def stream_events(
    content: Iterable[ContentBlock],
    *,
    usage: Usage,
    stop_reason: StopReason | None = None,
    chunk_size: int | None = None,
) -> Iterator[StreamEvent]:
    """Yield the stream events that make Strands assemble exactly this assistant message.

    Args:
        content: Blocks of the message: `text`, `toolUse`, `reasoningContent` or `citationsContent`.
        usage: The report of the model, in tokens (`inputTokens`, `outputTokens`, `totalTokens`).
        stop_reason: Why the model stopped; without it `tool_use` when a tool is called, else `end_turn`.
        chunk_size: Characters per text delta; without it each text comes in one piece.

    Yields:
        messageStart, then start, deltas and stop of every block, then messageStop and metadata.

    Raises:
        ValueError: A block that a model cannot stream.
    """
    calls_tools = False
    yield {"messageStart": {"role": "assistant"}}
    for index, block in enumerate(content):
        calls_tools = calls_tools or "toolUse" in block
        start: dict[str, Any] = {}
        if "toolUse" in block:
            start = {"toolUse": {"toolUseId": block["toolUse"]["toolUseId"], "name": block["toolUse"]["name"]}}
            if "reasoningSignature" in block["toolUse"]:
                start["toolUse"]["reasoningSignature"] = block["toolUse"]["reasoningSignature"]
        yield {"contentBlockStart": {"contentBlockIndex": index, "start": start}}  # type: ignore[typeddict-item]
        for delta in _deltas(block, chunk_size):
            yield {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}  # type: ignore[typeddict-item]
        yield {"contentBlockStop": {"contentBlockIndex": index}}
    yield {"messageStop": {"stopReason": stop_reason or ("tool_use" if calls_tools else "end_turn")}}
    yield {"metadata": {"usage": usage, "metrics": {"latencyMs": 0}}}


def _deltas(block: Mapping[str, Any], chunk_size: int | None) -> Iterator[dict[str, Any]]:
    """Yield the deltas of one block."""
    if "text" in block:
        for piece in _pieces(block["text"], chunk_size):
            yield {"text": piece}
    elif "toolUse" in block:
        yield {"toolUse": {"input": json.dumps(block["toolUse"]["input"], ensure_ascii=False)}}
    elif "reasoningContent" in block:
        yield from _reasoning(block["reasoningContent"], chunk_size)
    elif "citationsContent" in block:
        for item in block["citationsContent"].get("content", []):
            yield {"text": item.get("text", "")}
        for citation in block["citationsContent"].get("citations", []):
            yield {"citation": citation}
    else:
        raise ValueError(f"A model cannot stream a content block of kind {'/'.join(sorted(block)) or '(empty)'}.")


def _reasoning(reasoning: Mapping[str, Any], chunk_size: int | None) -> Iterator[dict[str, Any]]:
    """Yield the deltas of a reasoning block."""
    if "redactedContent" in reasoning:
        yield {"reasoningContent": {"redactedContent": reasoning["redactedContent"]}}
        return
    for piece in _pieces(reasoning["reasoningText"].get("text", ""), chunk_size):
        yield {"reasoningContent": {"text": piece}}
    if reasoning["reasoningText"].get("signature") is not None:
        yield {"reasoningContent": {"signature": reasoning["reasoningText"]["signature"]}}


def _pieces(text: str, chunk_size: int | None) -> Iterator[str]:
    """Yield the text in pieces of at most `chunk_size` characters."""
    step = chunk_size or max(len(text), 1)
    for offset in range(0, len(text), step):
        yield text[offset : offset + step]
