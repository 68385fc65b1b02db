"""Makes a copy of a history that the Converse API accepts, without touching the history itself.

The history itself and the log keep what they hold. Most histories pass through as they are, and every message that
needs no mending is the same object. The same history always gives the same bytes, and messages added behind it do not
change those before, so that a provider's prompt cache keeps hitting.

Two passes: `valid_message` looks at one message by itself (`converse_blocks` at its blocks), `_fit_together` and what
follows it at the order of roles, at tool uses and their results, and at what may stand only so often in a request.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from agentmem.messages.converse_blocks import as_text, is_plain, valid_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strands.types.content import ContentBlock, Message

__all__ = ["Fitting", "for_model", "valid_message"]

MISSING_RESULT = "The result of this tool call was not recorded."
OPENING = "(The conversation continues.)"
ATTACHED = "(See what is attached.)"
RECEIVED = "Tool result received."
"""What Strands' BedrockModel puts between a tool's result and the user's next words, for models that want it."""

CACHE_POINTS = 2
"""Most cache points in messages: a request may have four, and Strands sets up to two before the messages."""


def for_model(messages: Sequence[Message], *, tools: bool = True, results_apart: bool = False) -> list[Message]:
    """Return messages the Converse API accepts.

    Roles alternate and the first is the user's; every tool use has an id of its own and is answered in the next
    message and only there; every block is valid by itself and in its place. Messages that need no mending are the
    same objects.

    Args:
        messages: A history, oldest first; not changed.
        tools: Whether the request offers tools. One that offers none may hold no tool traffic: it is shown as text.
        results_apart: Whether tool results and anything else must not share a message (`keeps_results_apart`).

    Returns:
        The mended history. It ends in whatever role the history ends in.
    """
    valid = [valid_message(message) for message in messages]
    if tools and not results_apart and _fit_together(valid):
        return valid
    if not tools:
        valid = _without_traffic(valid)
    paired = _paired(_alternating(valid))
    if results_apart:
        paired = _apart(paired)
    if messages and messages[-1]["role"] == "user" and (not paired or paired[-1]["role"] != "user"):
        paired.append(_said(OPENING))  # the user's last message said nothing, and yet an answer is asked for
    return _within_limits(paired)


def valid_message(message: Message) -> Message:
    """Return a message that is valid by itself; the same object when it is already.

    Args:
        message: A message; not changed.

    Returns:
        The message; its content is empty when nothing of it can be shown.
    """
    role: str = message["role"]
    if role in ("user", "assistant"):
        blocks: Any = message["content"]
        alone = blocks[0] if type(blocks) is list and len(blocks) == 1 else None
        text = alone.get("text") if type(alone) is dict and len(alone) == 1 else None
        # One plain text, the commonest content, is told without looking closer.
        if (type(text) is str and text.isascii() and text.strip()) or is_plain(blocks, role):
            return message
    role = "assistant" if role == "assistant" else "user"
    content = _arranged(valid_blocks(message["content"], role), role)
    if content is message["content"] and role == message["role"]:
        return message
    return cast("Message", {**message, "role": role, "content": content})


def _arranged(content: list[ContentBlock], role: str) -> list[ContentBlock]:
    """Return the blocks in an order the API accepts, and with what it wants beside them."""
    if len(content) == 1 and ("text" in content[0] or "toolResult" in content[0]):
        return content
    kinds = [next(iter(block)) for block in content]
    if role == "user":
        results = kinds.count("toolResult")
        if results and kinds[:results].count("toolResult") < results:
            content = [block for block in content if "toolResult" in block] + [
                block for block in content if "toolResult" not in block
            ]
        if "document" in kinds and "text" not in kinds:
            content = [*content, {"text": ATTACHED}]
    elif all(kind in ("reasoningContent", "cachePoint") for kind in kinds):
        return [] if content else content  # reasoning without an answer, which Strands leaves out for most models
    return _with_cache_points_in_place(content) if "cachePoint" in kinds else content


def _with_cache_points_in_place(content: list[ContentBlock]) -> list[ContentBlock]:
    """Leave out the cache points that are refused: in front, behind another, reasoning, or a document but a PDF."""
    kept: list[ContentBlock] = []
    for block in content:
        if "cachePoint" in block:
            before: Any = kept[-1] if kept else {"cachePoint": None}
            document = before.get("document")
            if "cachePoint" in before or "reasoningContent" in before or (document and document["format"] != "pdf"):
                continue
        kept.append(block)
    return content if len(kept) == len(content) else kept


class Fitting:
    """How valid messages fit together so far: the last role, and the tool uses that were asked for.

    Nearly all histories need no mending, and this looks at each message once.
    """

    def __init__(self) -> None:
        """Begin with no messages."""
        self._previous = "assistant"
        self._asked: list[str] = []
        self._seen: set[str] = set()

    def goes_on_with(self, message: Message) -> bool:
        """Take in the next message, if it fits.

        Returns:
            Whether it needs no mending; False also when documents or cache points have to be counted to know. Then
            nothing was taken in.
        """
        role, content = message["role"], message["content"]
        if role == self._previous or not content:
            return False
        if self._asked or len(content) != 1 or "text" not in content[0]:  # one text is the commonest message
            uses = _asked_after(content, self._asked, self._seen)
            if uses is None:
                return False
            self._asked = uses
            self._seen.update(uses)
        self._previous = role
        return True

    def would_end_with(self, messages: Sequence[Message]) -> bool:
        """Tell whether the last messages need no mending, all tool uses answered; nothing is taken in."""
        previous, asked, new = self._previous, self._asked, set[str]()
        try:
            for message in messages:
                if not self.goes_on_with(message):
                    return False
                new.update(self._asked)
            return not self._asked
        finally:
            self._seen -= new
            self._previous, self._asked = previous, asked


def _fit_together(messages: Sequence[Message]) -> bool:
    """Look over valid messages once.

    Returns:
        Whether nothing is to be mended; False also when documents or cache points have to be counted to know.
    """
    return Fitting().would_end_with(messages)


def _asked_after(content: Sequence[ContentBlock], asked: list[str], seen: set[str]) -> list[str] | None:
    """Return the tool uses in a message; None when something is to be mended or counted, or one was seen before."""
    uses: list[str] = []
    answered: list[str] = []
    for block in content:
        if "text" in block:
            continue
        if "toolUse" in block:
            uses.append(block["toolUse"]["toolUseId"])
        elif _is_counted(block):
            return None
        elif "toolResult" in block:
            answered.append(block["toolResult"]["toolUseId"])
    if answered != asked and sorted(answered) != sorted(asked):
        return None
    return uses if len(set(uses)) == len(uses) and seen.isdisjoint(uses) else None


def _is_counted(block: Any) -> bool:
    if "toolResult" in block:
        return any("document" in item for item in block["toolResult"]["content"])
    return "document" in block or "cachePoint" in block


def _without_traffic(messages: Sequence[Message]) -> list[Message]:
    names: dict[str, str] = {}
    shown = []
    for message in messages:
        content: list[Any] = []
        for block in message["content"]:
            if "toolUse" in block:
                names[block["toolUse"]["toolUseId"]] = block["toolUse"]["name"]
            content += as_text(block, names)
        same = all(old is new for old, new in zip(message["content"], content, strict=False))
        shown.append(message if same else valid_message(cast("Message", {**message, "content": content})))
    return shown


def _alternating(messages: Sequence[Message]) -> list[Message]:
    """Join neighbours of one role, and begin with the user."""
    joined: list[Message] = []
    for message in messages:
        if not message["content"]:
            continue
        if not joined or joined[-1]["role"] != message["role"]:
            joined.append(message)
        elif message["role"] == "assistant" and any("reasoningContent" in block for block in message["content"]):
            joined += [_said(OPENING), message]  # reasoning is to stand at the beginning of its message
        else:
            both = _arranged([*joined[-1]["content"], *message["content"]], message["role"])
            joined[-1] = {**joined[-1], "content": both}
    return [_said(OPENING), *joined] if joined and joined[0]["role"] == "assistant" else joined


def _paired(messages: Sequence[Message]) -> list[Message]:
    """Give every tool use an id of its own, and exactly one result in the message behind it."""
    paired: list[Message] = []
    seen: set[str] = set()
    asked: list[tuple[str, str]] = []
    for message in messages:
        old = message["content"]
        if message["role"] == "assistant":
            content, asked = _with_own_ids(old, seen)
        else:
            content, asked = _answering(old, asked), []
        if content is old:
            paired.append(message)
        else:
            # Nothing may be left but results that answer no one; the roles must alternate all the same.
            settled = _arranged(content, message["role"]) or [{"text": OPENING}]
            paired.append({**message, "content": settled})
    if asked:
        paired.append({"role": "user", "content": _answering([], asked)})
    return paired


def _with_own_ids(content: list[ContentBlock], seen: set[str]) -> tuple[list[ContentBlock], list[tuple[str, str]]]:
    """Rename the tool uses whose id was used before; return the old and the new id of each."""
    asked = []
    shown: list[Any] = content
    for index, block in enumerate(content):
        if "toolUse" not in block:
            continue
        old = new = block["toolUse"]["toolUseId"]
        number = 1
        while new in seen:
            number += 1
            new = f"{old[:58]}-{number}"
        seen.add(new)
        asked.append((old, new))
        if new is not old:
            shown = list(content) if shown is content else shown
            shown[index] = {**block, "toolUse": {**block["toolUse"], "toolUseId": new}}
    return shown, asked


def _answering(content: list[ContentBlock], asked: Sequence[tuple[str, str]]) -> list[ContentBlock]:
    """Return the content with exactly one result for each tool use asked for, results first."""
    answered = [block["toolResult"]["toolUseId"] for block in content if "toolResult" in block]
    if sorted(answered) == sorted(new for _, new in asked) and all(old is new for old, new in asked):
        return content
    wanted = Counter(old for old, _ in asked)
    results: dict[str, list[Any]] = {}
    for block in content:
        if "toolResult" in block:
            results.setdefault(block["toolResult"]["toolUseId"], []).append(block)
    # Of more results than uses the last ones count, as of everything that was written twice.
    left = {name: iter(found[-wanted[name] :]) for name, found in results.items() if wanted[name]}
    first = [_result(next(left.get(old, iter(())), None), new) for old, new in asked]
    return first + [block for block in content if "toolResult" not in block]


def _result(block: Any, tool_use_id: str) -> Any:
    if block is None:
        result = {"toolUseId": tool_use_id, "status": "error", "content": [{"text": MISSING_RESULT}]}
        return {"toolResult": result}
    if block["toolResult"]["toolUseId"] == tool_use_id:
        return block
    return {**block, "toolResult": {**block["toolResult"], "toolUseId": tool_use_id}}


def _apart(messages: Sequence[Message]) -> list[Message]:
    """Put what stands beside tool results into a message of its own."""
    apart: list[Message] = []
    for message in messages:
        results = [block for block in message["content"] if "toolResult" in block]
        if not results or len(results) == len(message["content"]):
            apart.append(message)
            continue
        others = [block for block in message["content"] if "toolResult" not in block]
        rest = _arranged(others, "user")
        apart.append({"role": "user", "content": results})
        if rest:
            apart += [{"role": "assistant", "content": [{"text": RECEIVED}]}, {**message, "content": rest}]
    return apart


def _within_limits(messages: Sequence[Message]) -> list[Message]:
    """Give every document a name of its own, and keep only the last cache points."""
    spare = sum("cachePoint" in block for message in messages for block in message["content"]) - CACHE_POINTS
    names: set[str] = set()
    longest = "1h"
    shown = []
    for message in messages:
        content: list[Any] = []
        for block in message["content"]:
            kept: Any = block
            if "cachePoint" in block:
                spare -= 1
                if spare >= 0:
                    continue
                kept, longest = _not_longer(block, longest)
            elif "document" in block:
                kept = _with_own_name(block, names)
            elif "toolResult" in block and _is_counted(block):
                items = [_with_own_name(item, names) for item in block["toolResult"]["content"]]
                if any(old is not new for old, new in zip(block["toolResult"]["content"], items, strict=True)):
                    kept = {**block, "toolResult": {**block["toolResult"], "content": items}}
            content.append(kept)
        same = len(content) == len(message["content"]) and all(
            old is new for old, new in zip(message["content"], content, strict=True)
        )
        shown.append(message if same else cast("Message", {**message, "content": content}))
    return shown


def _not_longer(block: Any, longest: str) -> tuple[Any, str]:
    """Hold a cache point to the rule that none may live longer than one before it."""
    if block["cachePoint"].get("ttl", "5m") == "5m":
        return block, "5m"
    return (block, "1h") if longest == "1h" else ({"cachePoint": {"type": "default"}}, "5m")


def _with_own_name(block: Any, names: set[str]) -> Any:
    if "document" not in block:
        return block
    name = own = block["document"]["name"]
    number = 1
    while own.lower() in names:
        number += 1
        own = f"{name[:190]} {number}".replace("  ", " ")
    names.add(own.lower())
    return block if own is name else {**block, "document": {**block["document"], "name": own}}


def _said(text: str) -> Message:
    return {"role": "user", "content": [{"text": text}]}
