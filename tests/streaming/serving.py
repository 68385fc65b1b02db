"""A real server of its own thread, and a wire in front of it that can be cut."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time

import uvicorn

SECONDS = 15.0


def until(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


@contextlib.contextmanager
def serve(app):
    """Run an ASGI application with uvicorn; yields its port."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", ws="none", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started or not thread.is_alive())
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(SECONDS)


class Client:
    """One request whose answer is read as it comes."""

    def __init__(self, port, path="/chat", body=None, method="POST", **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        payload = None if body is None else json.dumps(body)
        self.connection.request(method, path, payload, {"Content-Type": "application/json", **named})
        self.response = self.connection.getresponse()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hang_up()

    def hang_up(self):
        self.response.close()
        self.connection.close()

    def arrived(self):
        """What has arrived since the last time, at least a byte; nothing at the end."""
        return self.response.read1(65_536)

    def frames(self):
        """The frames as they come: id, event, data."""
        rest = ""
        while piece := self.arrived():
            rest += piece.decode()
            while "\n\n" in rest:
                frame, rest = rest.split("\n\n", 1)
                fields = dict(line.split(": ", 1) for line in frame.splitlines() if not line.startswith(":"))
                if "data" in fields:
                    yield fields.get("id"), fields.get("event"), json.loads(fields["data"])


@contextlib.contextmanager
def wire(port, cuts):
    """Forward connections to a port; the n-th is cut after ``cuts[n]`` bytes of the answer, later ones never.

    Yields the port to connect to. Cuts may be added to the list, None for a connection that is left alone.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    open_sockets = []

    def up(client, server):
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)

    def forward(client, limit):
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", port)) as server:
            open_sockets.append(server)
            threading.Thread(target=up, args=(client, server), daemon=True).start()
            left = limit
            while data := server.recv(65_536):
                if left is not None and len(data) >= left:
                    client.sendall(data[:left])
                    # Cut, not closed: the client sees a lost connection.
                    client.shutdown(socket.SHUT_RDWR)
                    server.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(data)
                left = None if left is None else left - len(data)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                open_sockets.append(client)
                limit = cuts.pop(0) if cuts else None
                threading.Thread(target=forward, args=(client, limit), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        for one in open_sockets:
            one.close()
