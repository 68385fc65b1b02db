"""Stands in for Bedrock's ConverseStream in a process of its own, so that its CPU time is not the agent's."""

from __future__ import annotations

import json
import multiprocessing
import struct
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection


@contextmanager
def bedrock_stand_in(text: str, chunk: int) -> Iterator[str]:
    """Serve a model that first calls the tool `look` and then says a text.

    Args:
        text: The text.
        chunk: Characters of a delta.

    Yields:
        The endpoint.
    """
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(theirs, text, chunk), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(parent: Connection, text: str, chunk: int) -> None:
    says = b"".join(_answer([{"text": text[at : at + chunk]} for at in range(0, len(text), chunk)], "end_turn"))
    calls = b"".join(_answer([{"toolUse": {"input": '{"query": "sea"}'}}], "tool_use"))

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answered = any("toolResult" in block for block in body["messages"][-1]["content"])
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.amazon.eventstream")
            self.end_headers()
            self.wfile.write(says if answered else calls)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    parent.send(server.server_port)
    server.serve_forever()


def _answer(deltas: list[dict[str, Any]], stop_reason: str) -> Iterator[bytes]:
    yield _frame("messageStart", {"role": "assistant"})
    if stop_reason == "tool_use":
        start = {"toolUse": {"toolUseId": "call-1", "name": "look"}}
        yield _frame("contentBlockStart", {"contentBlockIndex": 0, "start": start})
    for delta in deltas:
        yield _frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta})
    yield _frame("contentBlockStop", {"contentBlockIndex": 0})
    yield _frame("messageStop", {"stopReason": stop_reason})
    usage = {"inputTokens": 300, "outputTokens": 100, "totalTokens": 400}
    yield _frame("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})


def _frame(kind: str, value: dict[str, Any]) -> bytes:
    """Encode a message of application/vnd.amazon.eventstream."""
    names = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(text)) + text.encode()
        for name, text in names.items()
    )
    payload = json.dumps(value).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))
