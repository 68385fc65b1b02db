"""Invokes an agent on AgentCore Runtime and reads its answer as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any

import anyio
from botocore.exceptions import BotoCoreError, ClientError

from agentmem.errors import ConfigurationError
from agentmem.scope.identity import validate_session_id
from agentmem.streaming.events import DoneEvent, ErrorEvent
from agentmem.streaming.parser import parse_stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterator, Mapping

    from agentmem.streaming.events import StreamEvent
    from agentmem.streaming.visible_text import TextForm

__all__ = ["invoke_stream", "invoke_stream_async"]

_PIECE = 65_536
_ACCEPT = "text/event-stream, application/x-ndjson, application/json"
_log = logging.getLogger(__name__)


def invoke_stream(
    client: Any,
    arn: str,
    session_id: str,
    payload: Mapping[str, Any] | str | bytes,
    *,
    text: TextForm = "auto",
    **options: Any,
) -> Generator[StreamEvent, None, None]:
    """Invoke an agent on AgentCore Runtime and read its answer into typed events.

    The ids are checked when this is called; the agent is invoked when the first event is asked for. Closing the
    generator closes the connection, upon which Runtime cancels the turn.

    Args:
        client: A boto3 client of ``bedrock-agentcore``. Its read timeout (60 s) is the longest silence; botocore's
            retries would ask the agent twice, so give it ``retries={"total_max_attempts": 1}``.
        arn: The agent runtime's ARN.
        session_id: The session, 33 to 100 characters; `new_session_id` makes one.
        payload: What the entrypoint gets: an object, sent as JSON; a string, sent as ``{"prompt": ...}``; or bytes.
        text: As for `parse_stream`.
        **options: Further parameters of ``invoke_agent_runtime``, such as ``qualifier`` or ``runtimeUserId``.

    Returns:
        The events; what goes wrong is an `ErrorEvent`, a refused call too. The last is a `DoneEvent`.

    Raises:
        IdentityError: Runtime would refuse the session id.
        ConfigurationError: The ARN is missing or none, or the payload cannot be sent.
    """
    request = _request(arn, session_id, payload, options)
    return _Invocation(client, request, text).events()


def invoke_stream_async(
    client: Any,
    arn: str,
    session_id: str,
    payload: Mapping[str, Any] | str | bytes,
    *,
    text: TextForm = "auto",
    **options: Any,
) -> AsyncGenerator[StreamEvent, None]:
    """Do what `invoke_stream` does without blocking the event loop: boto3 is read in threads.

    Args:
        client: A boto3 client of ``bedrock-agentcore``.
        arn: The agent runtime's ARN.
        session_id: The session, 33 to 100 characters.
        payload: What the entrypoint gets.
        text: As for `parse_stream`.
        **options: Further parameters of ``invoke_agent_runtime``.

    Returns:
        The events.

    Raises:
        IdentityError: Runtime would refuse the session id.
        ConfigurationError: The ARN is missing or none, or the payload cannot be sent.
    """
    request = _request(arn, session_id, payload, options)
    return _read_in_threads(_Invocation(client, request, text))


def _request(arn: str, session_id: str, payload: Any, options: dict[str, Any]) -> dict[str, Any]:
    validate_session_id(session_id, runtime=True)
    if not isinstance(arn, str) or not arn.startswith("arn:"):
        raise ConfigurationError(f"arn = {arn!r}: give the agent runtime's ARN, arn:aws:bedrock-agentcore:...")
    if isinstance(payload, str):
        payload = {"prompt": payload}
    if not isinstance(payload, bytes):
        try:
            payload = json.dumps(payload).encode()
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"the payload cannot be written as JSON ({error}); send bytes instead.") from error
    return {
        "contentType": "application/json",
        "accept": _ACCEPT,
        **options,
        "agentRuntimeArn": arn,
        "runtimeSessionId": session_id,
        "payload": payload,
    }


class _Invocation:
    """One call of Runtime, read in one thread and interrupted from another."""

    def __init__(self, client: Any, request: dict[str, Any], text: TextForm) -> None:
        self._client = client
        self._request = request
        self._text = text
        self._raw: Any = None

    def events(self) -> Generator[StreamEvent, None, None]:
        """Invoke the agent and yield its events."""
        try:
            body = self._client.invoke_agent_runtime(**self._request)["response"]
        except (BotoCoreError, ClientError) as failure:
            yield from _refused(self._request, failure)
            return
        with contextlib.closing(parse_stream(self._pieces(body), text=self._text)) as events:
            yield from events

    def interrupt(self) -> None:
        """Make a read that waits in another thread return."""
        with contextlib.suppress(Exception):  # it may just have ended, and urllib3 before 2.3 cannot
            self._raw.shutdown()

    def _pieces(self, body: Any) -> Iterator[bytes]:
        """Yield what has arrived, as soon as it has; then close the connection.

        ``iter_chunks(1024)`` and ``iter_lines()`` wait for 1,024 bytes, which is a paragraph late.
        """
        with body as raw:
            self._raw = raw
            read = getattr(raw, "read1", None)
            while piece := (read(_PIECE) if read is not None else raw.read(1)):
                yield piece


async def _read_in_threads(invocation: _Invocation) -> AsyncGenerator[StreamEvent, None]:
    events = invocation.events()
    reading: asyncio.Future[StreamEvent | None] | None = None
    try:
        while True:
            reading = asyncio.ensure_future(asyncio.to_thread(next, events, None))
            event = await asyncio.shield(reading)
            if event is None:
                return
            yield event
    finally:
        with anyio.CancelScope(shield=True):
            if reading is not None and not reading.done():
                invocation.interrupt()
                await asyncio.wait({reading})  # a generator cannot be closed while it runs in a thread
            await asyncio.to_thread(events.close)


def _refused(request: dict[str, Any], failure: Exception) -> Iterator[StreamEvent]:
    code = failure.response["Error"].get("Code") if isinstance(failure, ClientError) else None
    kind = code or type(failure).__name__
    _log.warning("session=<%s>, error=<%s> | the agent could not be invoked", request["runtimeSessionId"], kind)
    yield ErrorEvent("The agent could not be reached. Try again in a moment.", kind)
    yield DoneEvent()
