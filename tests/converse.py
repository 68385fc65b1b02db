"""What Amazon Bedrock's Converse API accepts, as the test suite understands it.

Shapes, required fields, types, enumerations, patterns, lengths and unions come from botocore's own model of
`bedrock-runtime`; the rules between messages are those of the Converse and Anthropic documentation and of refusals that
people reported. Nothing here is shared with the package under test.
"""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any

import botocore.loaders
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALLOWED = {
    "user": {"text", "image", "document", "video", "audio", "toolResult", "guardContent", "cachePoint"},
    "assistant": {"text", "toolUse", "reasoningContent", "citationsContent", "cachePoint"},
}
RESULT_KINDS = {"text", "json", "image", "document", "video"}
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_DOCUMENT_NAME = re.compile(r"(?:[a-zA-Z0-9()\[\]-]|\s(?!\s)){1,200}")
CACHE_POINTS = 4


def validate_request(
    messages: Sequence[Mapping[str, Any]],
    system: str | Sequence[Mapping[str, Any]] | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Check one request as Converse would.

    Args:
        messages: Converse messages.
        system: The system prompt, as text or as blocks; None for none.
        tools: The tool specifications; None when they are not known and not checked.

    Raises:
        AssertionError: Names the first rule broken, the message's index and the block's.
    """
    assert messages, "the request has no messages"
    for index, message in enumerate(messages):
        _check_message(index, message)
    assert messages[0]["role"] == "user", "message 0: a conversation must start with a user message"
    assert messages[-1]["role"] == "user", f"message {len(messages) - 1}: a request must end with a user message"
    for index in range(1, len(messages)):
        role = messages[index]["role"]
        assert role != messages[index - 1]["role"], f"message {index}: two {role} messages follow each other"
    _check_pairs(messages)
    _check_system(system)
    _check_tools(messages, tools)
    _check_documents(messages)
    _check_cache_points(messages, system)
    _check_shapes(messages, system, tools)


def tool_use_ids(message: Mapping[str, Any]) -> list[str]:
    """Return the ids of the tools this message calls, in order."""
    return [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]


def tool_result_ids(message: Mapping[str, Any]) -> list[str]:
    """Return the ids of the tool calls this message answers, in order."""
    return [block["toolResult"]["toolUseId"] for block in message["content"] if "toolResult" in block]


def _check_message(index: int, message: Mapping[str, Any]) -> None:
    where = f"message {index}"
    assert set(message) == {"role", "content"}, f"{where}: fields are {sorted(message)}, not role and content"
    role = message["role"]
    assert role in ALLOWED, f"{where}: role is {role!r}"
    content = message["content"]
    assert isinstance(content, list), f"{where}: content is {type(content).__name__}, not a list"
    assert content, f"{where}: content is empty"
    for number, block in enumerate(content):
        _check_block(f"{where} block {number}", role, block)
    kinds = [next(iter(block)) for block in content]
    assert set(kinds) != {"cachePoint"}, f"{where}: nothing but a cache point"
    if "document" in kinds:
        assert "text" in kinds, f"{where}: a document without a text beside it"
    assert set(kinds) - {"reasoningContent", "cachePoint"}, f"{where}: nothing but reasoning"
    results = [number for number, kind in enumerate(kinds) if kind == "toolResult"]
    assert results == list(range(len(results))), f"{where}: tool results must come before everything else"


def _check_block(where: str, role: str, block: Any) -> None:
    assert isinstance(block, dict), f"{where}: is {type(block).__name__}, not an object"
    assert len(block) == 1, f"{where}: must hold exactly one kind of content, holds {sorted(block)}"
    kind = next(iter(block))
    assert kind in ALLOWED[role], f"{where}: {kind} is forbidden in a {role} message"
    if kind == "text":
        _check_text(where, block["text"])
    elif kind == "toolUse":
        _check_tool_use(where, block["toolUse"])
    elif kind == "toolResult":
        _check_tool_result(where, block["toolResult"])


def _check_text(where: str, text: Any) -> None:
    assert isinstance(text, str), f"{where}: text is {type(text).__name__}"
    assert text.strip(), f"{where}: text is empty or blank"


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _check_id(where: str, value: Any) -> None:
    assert _is_name(value), f"{where}: toolUseId {value!r} is not 1-64 of [a-zA-Z0-9_-]"


def _check_tool_use(where: str, use: Mapping[str, Any]) -> None:
    _check_id(where, use.get("toolUseId"))
    name = use.get("name")
    assert _is_name(name), f"{where}: tool name {name!r} is not 1-64 of [a-zA-Z0-9_-]"
    assert isinstance(use.get("input"), dict), (
        f"{where}: tool input is {type(use.get('input')).__name__}, not an object"
    )


def _check_tool_result(where: str, result: Mapping[str, Any]) -> None:
    _check_id(where, result.get("toolUseId"))
    status = result.get("status", "success")
    assert status in ("success", "error"), f"{where}: tool result status is {status!r}"
    content = result.get("content")
    assert isinstance(content, list), f"{where}: tool result content is {type(content).__name__}, not a list"
    assert content, f"{where}: tool result content is empty"
    for number, item in enumerate(content):
        inner = f"{where} result item {number}"
        assert isinstance(item, dict), f"{inner}: is {type(item).__name__}, not an object"
        assert len(item) == 1, f"{inner}: must hold exactly one kind of content"
        kind = next(iter(item))
        assert kind in RESULT_KINDS, f"{inner}: {kind} is not allowed in a tool result"
        if kind == "text":
            _check_text(inner, item["text"])


def _check_documents(messages: Sequence[Mapping[str, Any]]) -> None:
    names: set[str] = set()
    for index, message in enumerate(messages):
        inside = [item for block in message["content"] for item in block.get("toolResult", {}).get("content", ())]
        for block in [*message["content"], *inside]:
            if "document" not in block:
                continue
            name = block["document"].get("name")
            assert isinstance(name, str), f"message {index}: document name {name!r}"
            assert _DOCUMENT_NAME.fullmatch(name), f"message {index}: document name {name!r}"
            assert name.strip(), f"message {index}: document name is blank"
            assert name.lower() not in names, f"message {index}: two documents of the name {name!r}"
            names.add(name.lower())


def _check_cache_points(
    messages: Sequence[Mapping[str, Any]], system: str | Sequence[Mapping[str, Any]] | None
) -> None:
    number = sum("cachePoint" in block for block in ([] if isinstance(system, str) else system or ()))
    shortest = False
    for index, message in enumerate(messages):
        before: Mapping[str, Any] | None = None
        for block in message["content"]:
            if "cachePoint" in block:
                where = f"message {index}: a cache point"
                number += 1
                assert before is not None, f"{where} with nothing before it"
                assert "cachePoint" not in before, f"{where} behind another"
                assert "reasoningContent" not in before, f"{where} behind reasoning"
                document = before.get("document")
                assert not document or document.get("format") == "pdf", f"{where} behind a document that is no PDF"
                longer = block["cachePoint"].get("ttl") == "1h"
                assert not (longer and shortest), f"{where} that lives longer than one before it"
                shortest = shortest or not longer
            before = block
    assert number <= CACHE_POINTS, f"{number} cache points, {CACHE_POINTS} are allowed"


def _check_pairs(messages: Sequence[Mapping[str, Any]]) -> None:
    seen: set[str] = set()
    awaited: list[str] = []
    for index, message in enumerate(messages):
        results = tool_result_ids(message)
        assert len(set(results)) == len(results), f"message {index}: one tool call answered twice: {sorted(results)}"
        missing, orphans = set(awaited) - set(results), set(results) - set(awaited)
        assert not missing, f"message {index}: no result for the tool calls {sorted(missing)} of the message before"
        assert not orphans, f"message {index}: results without a call in the message before: {sorted(orphans)}"
        awaited = tool_use_ids(message)
        for used in awaited:
            assert used not in seen, f"message {index}: tool use id {used!r} is not unique in the request"
            seen.add(used)


def _check_system(system: str | Sequence[Mapping[str, Any]] | None) -> None:
    if isinstance(system, str):
        _check_text("system prompt", system)
        return
    for number, block in enumerate(system or ()):
        if "text" in block:
            _check_text(f"system prompt block {number}", block["text"])


def _check_tools(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None) -> None:
    if tools is None:
        return
    names = [tool.get("name") for tool in tools]
    for name in names:
        assert _is_name(name), f"tool name {name!r} is not 1-64 of [a-zA-Z0-9_-]"
    assert len(set(names)) == len(names), f"two tools of one name: {sorted(names)}"
    if not tools:
        uses = any(tool_use_ids(message) or tool_result_ids(message) for message in messages)
        assert not uses, "the messages use tools, but the request offers none"


@functools.cache
def _converse_shape() -> Any:
    document = botocore.loaders.Loader().load_service_model("bedrock-runtime", "service-2")
    return ServiceModel(document, "bedrock-runtime").operation_model("Converse").input_shape


def _check_shapes(
    messages: Sequence[Mapping[str, Any]],
    system: str | Sequence[Mapping[str, Any]] | None,
    tools: Sequence[Mapping[str, Any]] | None,
) -> None:
    request: dict[str, Any] = {"modelId": "anthropic.claude", "messages": list(messages)}
    if system:
        request["system"] = [{"text": system}] if isinstance(system, str) else list(system)
    if tools:
        known = ("name", "description", "inputSchema")
        specs = [{key: value for key, value in tool.items() if key in known} for tool in tools]
        request["toolConfig"] = {"tools": [{"toolSpec": spec} for spec in specs]}
    report = ParamValidator().validate(request, _converse_shape())
    assert not report.has_errors(), report.generate_report()
    _check_constraints(request, _converse_shape(), "request")


def _check_constraints(value: Any, shape: Any, where: str) -> None:
    """Check what boto3 leaves to the service: patterns, lengths, enumerations, UTF-8, and numbers that are JSON."""
    if shape.type_name == "structure":
        if shape.is_document_type:
            _check_json(value, where)
            return
        for name, item in value.items():
            _check_constraints(item, shape.members[name], f"{where}.{name}")
        return
    if shape.type_name == "list":
        for number, item in enumerate(value):
            _check_constraints(item, shape.member, f"{where}[{number}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            _check_constraints(item, shape.value, f"{where}.{key}")
    elif shape.type_name == "string":
        _check_utf8(value, where)
        assert not shape.enum or value in shape.enum, f"{where}: {value!r} is none of {shape.enum}"
        pattern = shape.metadata.get("pattern")
        assert not pattern or re.fullmatch(pattern, value), f"{where}: {value!r} does not match {pattern}"
    if shape.type_name in ("string", "blob", "list", "map"):
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", float("inf"))
        assert low <= len(value) <= high, f"{where}: length {len(value)} is not between {low} and {high}"


def _check_json(value: Any, where: str) -> None:
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise AssertionError(f"{where}: is not JSON: {error}") from error
    _check_utf8(text, where)
    assert not where.endswith((".input", ".json")) or isinstance(value, dict), f"{where}: is not an object"


def _check_utf8(text: str, where: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise AssertionError(f"{where}: has a lone surrogate") from error
