"""Model providers on a loopback port that say what a test scripts: OpenAI's API, Ollama's and Bedrock's Converse."""

from __future__ import annotations

import json
import struct
import threading
import time
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USAGE = (321, 7)
"""Prompt and answer tokens that every answer reports."""


class Endless:
    """An answer that goes on until the client hangs up."""


class Provider:
    """A server, and what it was asked.

    Attributes:
        url: Its address.
        requests: The bodies it received, in order.
        script: What it answers: a text, a ``(tool, arguments)`` call, an ``int`` for that HTTP status, or `Endless`.
    """

    def __init__(self, script):
        self.script = list(script)
        self.requests = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                provider.requests.append(body)
                wanted = provider.script.pop(0)
                if isinstance(wanted, int):
                    self.send_error(wanted)
                    return
                speak = {"/v1/chat/completions": _openai, "/api/chat": _ollama}.get(self.path, _bedrock)
                self.send_response(200)
                self.send_header("Content-Type", _TYPES[speak])
                self.end_headers()
                try:
                    for piece in speak(wanted):
                        self.wfile.write(piece)
                        self.wfile.flush()
                except OSError:
                    pass  # the client hung up

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


def _pieces(wanted):
    if isinstance(wanted, Endless):
        while True:
            time.sleep(0.02)
            yield "and so on "
    half = len(wanted) // 2
    yield from (wanted[:half], wanted[half:])


def _openai(wanted):
    def chunk(delta, finish=None):
        return {"index": 0, "delta": delta, "finish_reason": finish}

    if isinstance(wanted, tuple):
        name, arguments = wanted
        call = {"index": 0, "id": "call-1", "type": "function"}
        function = {"name": name, "arguments": json.dumps(arguments)}
        chunks = [chunk({"role": "assistant", "tool_calls": [{**call, "function": function}]}), chunk({}, "tool_calls")]
    else:
        chunks = (chunk({"role": "assistant", "content": piece}) for piece in _pieces(wanted))
    prompt, answer = USAGE
    usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    for one in chunks:
        yield _sse({**head, "choices": [one]})
    if not isinstance(wanted, tuple):
        yield _sse({**head, "choices": [chunk({}, "stop")]})
    yield _sse({**head, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


def _sse(value):
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _ollama(wanted):
    head = {"model": "m", "created_at": "2026-01-01T00:00:00Z"}
    for piece in _pieces(wanted):
        yield json.dumps({**head, "message": {"role": "assistant", "content": piece}, "done": False}).encode() + b"\n"
    prompt, answer = USAGE
    end = {"done_reason": "stop", "total_duration": 1, "prompt_eval_count": prompt, "eval_count": answer}
    yield json.dumps({**head, "message": {"role": "assistant", "content": ""}, "done": True, **end}).encode() + b"\n"


def _bedrock(wanted):
    yield _frame("messageStart", {"role": "assistant"})
    if isinstance(wanted, tuple):
        name, arguments = wanted
        start = {"toolUse": {"toolUseId": f"call-{time.monotonic_ns()}", "name": name}}
        yield _frame("contentBlockStart", {"contentBlockIndex": 0, "start": start})
        deltas = [{"toolUse": {"input": json.dumps(arguments)}}]
    else:
        deltas = ({"text": piece} for piece in _pieces(wanted))
    for delta in deltas:
        yield _frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta})
    yield _frame("contentBlockStop", {"contentBlockIndex": 0})
    yield _frame("messageStop", {"stopReason": "tool_use" if isinstance(wanted, tuple) else "end_turn"})
    prompt, answer = USAGE
    usage = {"inputTokens": prompt, "outputTokens": answer, "totalTokens": prompt + answer}
    yield _frame("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})


def _frame(kind, value):
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


_TYPES = {_openai: "text/event-stream", _ollama: "application/x-ndjson", _bedrock: "application/vnd.amazon.eventstream"}
