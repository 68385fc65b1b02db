"""One turn as different servers send it, and the events it stands for.

The turn: thinking, a text in Japanese with emoji, a tool call and its result, a tool call written as text, a guardrail
that looks at the input, more text, usage.
"""

from __future__ import annotations

import json

from agentmem.streaming import (
    DoneEvent,
    ErrorEvent,
    GuardrailEvent,
    MessageEvent,
    MetadataEvent,
    ToolResultEvent,
    ToolUseEvent,
)

THINKING = "<thinking>彼女は海が好き < もっと</thinking>"
BEFORE = "調べます 🏖️👩‍👩‍👧"
WRITTEN_CALL = "<tools><__function=book><__parameter=place>Lisboa é</__parameter></__function></tools>"
AFTER = 'Line one\nline two\r\n\ttab, "quotes", \\ and \u2028 <b>bold</b>'
ASSESSMENT = {"contentPolicy": {"filters": [{"type": "HATE", "confidence": "LOW", "action": "BLOCKED"}]}}
RESULT = [{"text": "晴れ ☀️"}, {"json": {"celsius": 31}}]
CALL = {"toolUseId": "tooluse_1", "name": "weather", "input": {"city": "リスボン", "days": [1, 2]}}

EVENTS = [
    MessageEvent(BEFORE),
    ToolUseEvent("weather", CALL["input"], "tooluse_1"),
    MetadataEvent({"inputTokens": 10, "outputTokens": 5, "totalTokens": 15, "latencyMs": 7}),
    ToolResultEvent("weather", RESULT, "tooluse_1", "success"),
    ToolUseEvent("book", {"place": "Lisboa é"}, "text-1", "as_text"),
    MessageEvent(AFTER),
    GuardrailEvent("INPUT", "GUARDRAIL_INTERVENED", (ASSESSMENT,)),
    MetadataEvent({"inputTokens": 20, "outputTokens": 6, "totalTokens": 26, "latencyMs": 9}),
    DoneEvent(),
]


def pieces(text, size=16):
    return [text[at : at + size] for at in range(0, len(text), size)]


def joined(events):
    """The events with neighbouring deltas put together: servers differ in where they cut the text."""
    together = []
    for event in events:
        if isinstance(event, MessageEvent) and together and isinstance(together[-1], MessageEvent):
            together[-1] = MessageEvent(together[-1].content + event.content)
        else:
            together.append(event)
    return together


def bedrock():
    """ConverseStream's events of two model calls, with the tool's result as Strands adds it between them."""
    first = [{"messageStart": {"role": "assistant"}}]
    first += [text_delta(piece) for piece in pieces(THINKING + BEFORE)]
    first += [
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "tooluse_1", "name": "weather"}}}},
    ]
    written = json.dumps(CALL["input"], ensure_ascii=False)
    first += [{"contentBlockDelta": {"delta": {"toolUse": {"input": piece}}}} for piece in pieces(written)]
    first += [
        {"contentBlockStop": {"contentBlockIndex": 1}},
        {"messageStop": {"stopReason": "tool_use"}},
        metadata(10, 5, 7),
    ]
    second = [{"messageStart": {"role": "assistant"}}]
    second += [{"contentBlockDelta": {"delta": {"reasoningContent": {"text": "秘密"}}}}]
    second += [text_delta(piece) for piece in pieces(WRITTEN_CALL + AFTER)]
    second += [
        {"contentBlockStop": {"contentBlockIndex": 0}},
        {"messageStop": {"stopReason": "end_turn"}},
        metadata(20, 6, 9, trace={"guardrail": {"inputAssessment": {"gr-1": ASSESSMENT}}}),
    ]
    return first, second


def strands():
    """Everything `stream_async` yields that JSON can hold: most things two or three times."""
    first, second = bedrock()
    sent = [{"init_event_loop": True}, {"start": True}, {"start_event_loop": True}]
    sent += [event for chunk in first for event in told_twice(chunk)]
    sent += [
        {"message": {"role": "assistant", "content": [{"text": THINKING + BEFORE}, {"toolUse": CALL}]}},
        {"message": {"role": "user", "content": [tool_result()]}},
        {"start": True},
        {"start_event_loop": True},
    ]
    sent += [event for chunk in second for event in told_twice(chunk)]
    sent += [
        {"message": {"role": "assistant", "content": [{"text": WRITTEN_CALL + AFTER}]}},
        {"result": {"type": "agent_result", "message": {"content": [{"text": WRITTEN_CALL + AFTER}]}}},
    ]
    return sent


def strands_without_model_events():
    """What is left when a server passes on text, growing tool calls and messages only."""
    sent = [{"data": piece, "delta": {"text": piece}} for piece in pieces(THINKING + BEFORE)]
    growing = json.dumps(CALL["input"], ensure_ascii=False)
    sent += [
        {"type": "tool_use_stream", "current_tool_use": {**CALL, "input": growing[:end]}}
        for end in (4, 9, len(growing))
    ]
    sent += [
        {"message": {"role": "assistant", "content": [{"text": THINKING + BEFORE}, {"toolUse": CALL}]}},
        {"usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}, "metrics": {"latencyMs": 7}},
        {"message": {"role": "user", "content": [tool_result()]}},
    ]
    sent += [{"data": piece, "delta": {"text": piece}} for piece in pieces(WRITTEN_CALL + AFTER)]
    sent += [
        {"message": {"role": "assistant", "content": [{"text": WRITTEN_CALL + AFTER}]}},
        EVENTS[6].to_dict(),
        {"usage": {"inputTokens": 20, "outputTokens": 6, "totalTokens": 26}, "metrics": {"latencyMs": 9}},
    ]
    return sent


def ours():
    return [event.to_dict() for event in EVENTS]


def guides():
    """The typed form with the guides' other names, the text cumulative."""
    shown = [{"type": "message", "content": BEFORE[:end]} for end in range(3, len(BEFORE) + 1, 3)]
    return [
        *(shown if len(BEFORE) % 3 == 0 else [*shown, {"type": "message", "content": BEFORE}]),
        {"type": "tool_use", "name": "weather", "input": CALL["input"], "id": "tooluse_1"},
        EVENTS[2].to_dict(),
        {"type": "tool_result", "name": "weather", "result": RESULT, "id": "tooluse_1", "status": "success"},
        EVENTS[4].to_dict(),
        {"type": "message", "content": AFTER[:20]},
        {"type": "message", "content": AFTER},
        EVENTS[6].to_dict(),
        EVENTS[7].to_dict(),
        {"type": "done"},
    ]


def text_delta(text):
    return {"contentBlockDelta": {"delta": {"text": text}, "contentBlockIndex": 0}}


def metadata(inputs, outputs, latency, **more):
    usage = {"inputTokens": inputs, "outputTokens": outputs, "totalTokens": inputs + outputs}
    return {"metadata": {"usage": usage, "metrics": {"latencyMs": latency}, **more}}


def tool_result():
    return {"toolResult": {"toolUseId": "tooluse_1", "status": "success", "content": RESULT}}


def told_twice(chunk):
    yield {"event": chunk}
    delta = chunk.get("contentBlockDelta", {}).get("delta", {})
    if "text" in delta:
        yield {"data": delta["text"], "delta": delta}
    elif "reasoningContent" in delta:
        yield {"reasoningText": delta["reasoningContent"]["text"], "delta": delta, "reasoning": True}
    elif "toolUse" in delta:
        yield {"type": "tool_use_stream", "delta": delta, "current_tool_use": {**CALL, "input": "{"}}


def as_ndjson(objects):
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects).encode()


def as_sse(objects, end="\n"):
    return "".join(f"data: {json.dumps(one, ensure_ascii=False)}{end}{end}" for one in objects).encode()


def as_named_sse(objects):
    return (
        ": begin\n\nretry: 1000\n\n"
        + "".join(
            f"id: x-{number}\nevent: {one['type']}\ndata: {json.dumps(one)}\n\n" for number, one in enumerate(objects)
        )
    ).encode()


def bedrock_objects():
    first, second = bedrock()
    return [*first, {"role": "user", "content": [tool_result()]}, *second]


STREAMS = {
    "Bedrock, NDJSON": as_ndjson(bedrock_objects()),
    "Bedrock, SSE": as_sse(bedrock_objects()),
    "Strands, NDJSON": as_ndjson(strands()),
    "Strands, SSE of the SDK": as_sse(strands()),
    "Strands, SSE with carriage returns": as_sse(strands(), "\r\n"),
    "Strands, SSE with bare carriage returns": as_sse(strands(), "\r"),
    "Strands, SSE without empty lines": as_sse(strands()).replace(b"\n\n", b"\n"),
    "Strands without model events": as_ndjson(strands_without_model_events()),
    "ours, NDJSON": as_ndjson(ours()),
    "ours, SSE": as_named_sse(ours()),
    "guides, SSE": as_sse(guides()),
    "guides, NDJSON with a byte order mark": b"\xef\xbb\xbf" + as_ndjson(guides()),
}

FAULTY = {
    "garbage": b'nonsense\n{"text": "a"}\n{"broken": \n<html>\xff\xfe\n42\n' + as_ndjson([{"text": "b"}]),
    "raw text": b"event: message\r\ndata: a\r\ndata: \xc3\xa9\r\n\r\n:\r\nevent: done\r\ndata\r\n\r\n",
    "an error of the SDK": as_sse([{"error": "boom", "error_type": "E", "message": "An error occurred"}]),
    "cut short": as_ndjson(bedrock_objects())[:-400],
    "an unknown form": as_ndjson([{"hello": 1}, {"event": 3}, {"message": 4}, {"content": [None, 1, {"text": 5}]}]),
}

EXPECTED_FAULTY = {
    "garbage": [MessageEvent("ab"), MetadataEvent({"skippedLines": 4}), DoneEvent()],
    "raw text": [MessageEvent("a\né"), DoneEvent()],
    "an error of the SDK": [ErrorEvent("An error occurred", "boom"), DoneEvent()],
}
