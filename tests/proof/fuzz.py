"""Inputs by the thousand for what reads other people's data, and what must hold for each.

An input is a good one of its kind, changed in one to a few places: a value exchanged for another, left out, doubled,
nested or cut, a text mixed with tags, controls and halves of characters. It is made from a seed and its own number
alone, so that one that breaks something can be made again.
"""

from __future__ import annotations

import copy
import functools
import json
import random
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentmem import AgentMemError, MemoryConfig, Namespace
from agentmem.checkpoints.checkpoint import Checkpoint, CheckpointKey
from agentmem.checkpoints.checkpoint_items import checkpoint_of, packed
from agentmem.errors import CheckpointStoreError
from agentmem.events.codec import decode_event
from agentmem.events.serializer import encode_message
from agentmem.local import LocalMemory
from agentmem.local.contract import Request
from agentmem.messages.converse import for_model
from agentmem.messages.look_alikes import inert
from agentmem.messages.summary_fence import SUMMARY_TAG
from agentmem.messages.thinking import ThinkingFilter, strip_thinking
from agentmem.replay.conversation import ReplayFormatError
from agentmem.replay.formats import read_lines
from agentmem.streaming import DoneEvent, parse_stream
from agentmem.testing.sample_checkpoints import checkpoint
from converse import validate_request

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent.parent / "data" / "histories"

PIECES = (
    "<thinking>", "</thinking>", "<think", ">", "<conversation_summary>", "</conversation_summary>", "\uff1c",
    "\u200b", "\ud83d", "\udca3", "\x00", "\r\n", "\u2028", "data: ", "event: ", "\n\n", "{actorId}", "{", "}", "/",
    "//", "..", "%2F", "#", "1e999", "NaN", "Infinity", "-0", "null", '"', "\\", "\\u0000", "é", "日本", "🌊",
    "مرحبا", "<tool_use>", "</invoke>", "toolUseId", "a" * 300,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63, 1e308, float("nan"), float("inf"), "", " ", "text", [], {}, [[]], [None],
    {"a": {"b": [1]}}, "2026-01-01T00:00:00Z", "0000000000000000001#0a", "user", "assistant", b"\x00\xff",
)  # fmt: skip


def text(rng: random.Random, most: int = 12) -> str:
    """Return a text of pieces and letters."""
    letters = string.ascii_letters + string.digits + " .,:;-_"
    return "".join(
        rng.choice(PIECES) if rng.random() < 0.6 else "".join(rng.choices(letters, k=rng.randint(1, 9)))
        for _ in range(rng.randint(0, most))
    )


def changed(rng: random.Random, value: Any, *, as_json: bool = True) -> Any:
    """Return a copy of a value with one to four changes somewhere in it."""
    whole = [copy.deepcopy(value)]
    for _ in range(rng.choice((1, 1, 2, 4))):
        holder, key = rng.choice(list(_places(whole)))
        _change(rng, holder, key, as_json=as_json)
    return whole[0]


def _places(value: Any) -> Any:
    pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in pairs:
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from _places(inner)


def _change(rng: random.Random, holder: Any, key: Any, *, as_json: bool) -> None:
    old = holder[key]
    way = rng.choices(range(6), (2, 1, 2, 6, 1, 1))[0]  # mostly words: what is refused at once tells little
    if way == 0:
        new = rng.choice([one for one in VALUES if not (as_json and isinstance(one, bytes))])
        holder[key] = copy.deepcopy(new)
    elif way == 1 and isinstance(holder, dict):
        del holder[key]
        holder[text(rng, 2)] = old
    elif way == 2 and isinstance(holder, list):
        holder.insert(rng.randint(0, len(holder)), copy.deepcopy(old))
    elif way == 3 and isinstance(old, str):
        at = rng.randint(0, len(old))
        holder[key] = old[:at] + text(rng, 4) + old[at + rng.randint(0, 3) :]
    elif way == 4:
        holder[key] = [old] if rng.random() < 0.5 else {"value": old}
    else:
        holder[key] = text(rng)


MESSAGES: tuple[Any, ...] = (
    {"role": "user", "content": [{"text": "Where do I live?"}], "tracking_id": "t-1"},
    {
        "role": "assistant",
        "content": [
            {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
            {"text": "Let me look."},
            {"toolUse": {"toolUseId": "u-1", "name": "look", "input": {"query": "home"}}},
        ],
        "tracking_id": "t-2",
    },
    {
        "role": "user",
        "content": [{"toolResult": {"toolUseId": "u-1", "status": "success", "content": [{"text": "Porto"}]}}],
        "tracking_id": "t-3",
    },
    {"role": "assistant", "content": [{"text": "In Porto."}], "tracking_id": "t-4"},
)


def event_codec(rng: random.Random) -> None:
    """Whatever an event holds, it is decoded, and what comes out can be shown to a model."""
    event = {
        "eventId": f"{rng.randint(0, 2**41):019d}#0a0b0c0d",
        "eventTimestamp": 1_700_000_000,
        "payload": [encode_message(message) for message in MESSAGES],
        "metadata": {"agentId": {"stringValue": "default"}},
    }
    item = rng.choice(event["payload"])
    if rng.random() < 0.5 and "conversational" in item:
        said = item["conversational"]["content"]
        said["text"] = json.dumps(changed(rng, json.loads(said["text"])))
    else:
        event["payload"] = [{"blob": json.dumps(changed(rng, list(MESSAGES)))}, {"blob": changed(rng, [text(rng)])}]
    decoded = decode_event(event)
    said = [{key: one.message[key] for key in ("role", "content")} for one in decoded.messages]
    while said and said[-1]["role"] != "user":
        said.pop()
    if shown := for_model(said):
        validate_request(shown)


def thinking_filter(rng: random.Random) -> None:
    """However a text is cut, the pieces give what the whole gives."""
    whole = text(rng, 30)
    filtered, shown, at = ThinkingFilter(), "", 0
    while at < len(whole):
        step = rng.randint(1, 7)
        shown += filtered.feed(whole[at : at + step])
        at += step
    assert shown + filtered.close() == strip_thinking(whole)


def namespaces(rng: random.Random) -> None:
    """A template is refused, or leads every actor to a place of their own."""
    template = rng.choice(["/users/{actorId}/", "facts/{actorId}/{sessionId}", "/{memoryStrategyId}/{actorId}", ""])
    at = rng.randint(0, len(template))
    try:
        namespace = Namespace.semantic("facts", template[:at] + text(rng, 3) + template[at:])
        one, other = (namespace.resolve(f"{text(rng, 2)}{name}", "s-1") for name in ("a", "b"))
    except AgentMemError:
        return
    assert one != other or "{actorId}" not in namespace.template
    assert len(one) <= 1_024


def config(rng: random.Random) -> None:
    """A configuration is made or refused by name."""
    fields: Any = {
        "memory_id": "memory-0123456789",
        "region": "us-west-2",
        "namespaces": [{"name": "facts", "template": "/users/{actorId}/", "kind": "semantic"}],
        "compaction": {"token_threshold": 10_000, "target_ratio": 0.5, "keep": ["dates"]},
        "hook": {"restore_max_tokens": 2_000, "roles": ["user"]},
        "writes": {"flush": "turn", "metadata": {"team": "blue"}},
        "checkpoints": {"kind": "sqlite", "path": "checkpoints.db"},
    }
    given = changed(rng, fields)
    try:
        repr(MemoryConfig(**given) if isinstance(given, dict) else MemoryConfig(given))
    except AgentMemError:
        return
    except TypeError as error:
        if "keyword" not in str(error) and "argument" not in str(error):  # Python's own, of a call that is none
            raise


@functools.cache
def _memory() -> Any:
    memory = LocalMemory(ranking="words")
    control = memory.boto_session().client("bedrock-agentcore-control")
    return memory, control.create_memory(name="fuzz", eventExpiryDuration=30)["memory"]["id"]


def http(rng: random.Random) -> None:
    """The embedded service answers every request, with an error of its model where it cannot carry it out."""
    memory, memory_id = _memory()
    method, path, body = rng.choice(
        [
            ("POST", f"/memories/{memory_id}/events", {
                "actorId": "ann", "sessionId": "s-1", "eventTimestamp": 1_700_000_000,
                "payload": [{"conversational": {"role": "USER", "content": {"text": "Hello"}}}],
            }),
            ("POST", f"/memories/{memory_id}/actor/ann/sessions/s-1", {"maxResults": 10, "includePayloads": True}),
            ("POST", f"/memories/{memory_id}/retrieve", {
                "namespace": "/users/ann/", "searchCriteria": {"searchQuery": "home", "topK": 3}, "maxResults": 3,
            }),
            ("POST", "/memories/create", {"name": "m", "eventExpiryDuration": 30, "clientToken": "t" * 33}),
            ("POST", f"/memories/{memory_id}/memoryRecords/batchCreate", {"records": [{
                "requestIdentifier": "r", "namespaces": ["/a/"], "content": {"text": "x"}, "timestamp": 1_700_000_000,
            }]}),
        ]
    )  # fmt: skip
    if rng.random() < 0.2:
        path = path.replace(rng.choice(["ann", "s-1", memory_id, "/events"]), text(rng, 2))
    sent = json.dumps(changed(rng, body)).encode()
    sent = sent[: rng.randint(0, len(sent))] if rng.random() < 0.1 else sent
    query = text(rng, 2) if rng.random() < 0.1 else ""
    answer = memory._service.handle(Request(method, path.encode("utf-8", "replace").decode(), query, sent))
    assert answer.status != 500, answer.body
    json.loads(answer.body or b"null")


def _history(file: Path) -> Any:
    text = file.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if file.suffix == ".jsonl" else json.loads(text)


HISTORIES = {one.name: _history(one) for one in FOLDER.iterdir() if one.suffix != ".md"}
"""Files of other programs, by name."""


def replay(rng: random.Random) -> None:
    """A file is read into what a model takes, or refused by name."""
    conversation: list[Any] = rng.choice(
        [
            list(MESSAGES),
            [
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": None, "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"q": 1}'}}]},
                {"role": "tool", "tool_call_id": "a", "content": "blue"},
                {"role": "assistant", "content": "Blue."},
            ],
            [
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "look", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "blue"}]},
            ],
        ]
    )  # fmt: skip
    name = rng.choice(("", "", *sorted(HISTORIES)))
    conversation = HISTORIES[name] if name else conversation
    given = changed(rng, conversation)
    is_whole = not isinstance(given, list) or (not name.endswith("l") and rng.random() < 0.5)
    lines = [json.dumps(given)] if is_whole else [json.dumps(one) for one in given]
    try:
        found = read_lines(lines)
    except ReplayFormatError:
        return
    for message in found.messages:
        assert message["role"] in ("user", "assistant")


def checkpoints(rng: random.Random) -> None:
    """A stored checkpoint is read, or refused by the package's own error."""
    key = CheckpointKey("memory-0123456789", "ann", "s-1", "default")
    value = {"agent_id": "default", "checkpoint": packed(checkpoint(3)), "previous": None}
    given = changed(rng, value)
    try:
        found = checkpoint_of(given if isinstance(given, dict) else {"checkpoint": given}, "1#a", key)
    except CheckpointStoreError:
        return
    assert Checkpoint.from_dict(found.to_dict()) == found


def fences(rng: random.Random) -> None:
    """What looks like a tag of ours is shown inert, once and for all."""
    said = text(rng, 20)
    shown = inert(said, (SUMMARY_TAG,))
    assert f"<{SUMMARY_TAG}>" not in shown
    assert f"</{SUMMARY_TAG}>" not in shown
    assert inert(shown, (SUMMARY_TAG,)) == shown


def streaming(rng: random.Random) -> None:
    """A stream gives the same events however it is cut, and exactly one end."""
    objects = [
        {"event": {"messageStart": {"role": "assistant"}}},
        {"event": {"contentBlockDelta": {"delta": {"text": text(rng, 6)}}}},
        {"type": "message", "content": text(rng, 4)},
        {"data": text(rng, 3)},
        {"event": {"messageStop": {"stopReason": "end_turn"}}},
    ]
    lines = [f"data: {json.dumps(changed(rng, one))}\n\n" for one in objects] + [text(rng, 4) + "\n"]
    rng.shuffle(lines)
    whole = "".join(lines).encode("utf-8", "surrogatepass")
    cut, at = [], 0
    while at < len(whole):
        step = rng.randint(1, 40)
        cut.append(whole[at : at + step])
        at += step
    told = [list(parse_stream(pieces)) for pieces in ([whole], cut)]
    ends = [[one for one in events if isinstance(one, DoneEvent)] for events in told]
    assert [len(one) for one in ends] == [1, 1]
    assert _joined(told[0]) == _joined(told[1])


def _joined(events: Any) -> list[Any]:
    """Return events with neighbouring pieces of text joined: where they are cut is not promised."""
    told: list[Any] = []
    for one in (event.to_dict() for event in events):
        if one["type"] == "message" and told and told[-1]["type"] == "message":
            told[-1] = {**one, "content": told[-1]["content"] + one["content"]}
        else:
            told.append(one)
    return told


TARGETS: dict[str, Callable[[random.Random], None]] = {
    "event codec": event_codec,
    "thinking filter": thinking_filter,
    "namespaces": namespaces,
    "config": config,
    "HTTP of the embedded service": http,
    "replay readers": replay,
    "checkpoints": checkpoints,
    "fences": fences,
    "streaming parser": streaming,
}
"""What is fuzzed, by the name it has in the table."""


def fuzz(target: str, seed: int, inputs: int, first: int = 0) -> list[str]:
    """Give a target inputs; return what broke, each with the number that makes the input again."""
    broken = []
    for number in range(first, first + inputs):
        try:
            TARGETS[target](random.Random(f"{seed} {target} {number}"))
        except Exception as error:  # noqa: BLE001 - a raw error is what is looked for
            broken.append(f"{target}, seed {seed}, input {number}: {type(error).__name__}: {error}"[:400])
    return broken
