"""AgentCore's Code Interpreter as far as an example needs it, over HTTP on loopback; it runs no code."""

from __future__ import annotations

import json
import struct
import threading
from binascii import crc32
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serve(output):
    """Serve sandboxes whose code prints `output`; yields the address and the operations called so far."""
    called = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self):
            self._read()
            operation = self.path.partition("?")[0].rsplit("/", 1)[-1]  # start or stop
            called.append(operation)
            answer = {"codeInterpreterIdentifier": "aws.codeinterpreter.v1", "sessionId": "sandbox-1"}
            times = {"start": "createdAt", "stop": "lastUpdatedAt"}
            self._answer(json.dumps({**answer, times[operation]: "2026-01-01T00:00:00Z"}).encode(), "application/json")

        def do_POST(self):
            body = json.loads(self._read())
            called.append(body["arguments"]["code"])
            result = {"content": [{"type": "text", "text": output}], "isError": False}
            self._answer(_event("result", result), "application/vnd.amazon.eventstream")

        def _read(self):
            return self.rfile.read(int(self.headers["content-length"] or 0))

        def _answer(self, body, kind):
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.send_header("x-amzn-code-interpreter-session-id", "sandbox-1")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", called
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _event(kind, value):
    """One message of the encoding application/vnd.amazon.eventstream."""
    fields = {":message-type": "event", ":event-type": kind, ":content-type": "application/json"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + b"\x07" + struct.pack("!H", len(text)) + text.encode()
        for name, text in fields.items()
    )
    payload = json.dumps(value).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return message + struct.pack("!I", crc32(message))
