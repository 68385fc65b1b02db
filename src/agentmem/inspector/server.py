"""Serves the inspector on the loopback interface until it is stopped."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import uvicorn

from agentmem.errors import ConfigurationError
from agentmem.inspector.access import new_token
from agentmem.inspector.application import application

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentmem.config import MemoryConfig
    from agentmem.inspector.chat import ChatSettings

__all__ = ["InspectorServer"]

HOST = "127.0.0.1"
"""The only address it listens on."""

_STOP_SECONDS = 3


class InspectorServer:
    """The inspector's server.

    Attributes:
        url: Its address, with the token.
    """

    def __init__(self, config: MemoryConfig, chat: ChatSettings, *, port: int = 0, writable: bool = False) -> None:
        """Listen; nothing is answered before `run`.

        Args:
            config: The memory to show.
            chat: What the agents of the chat are made of.
            port: The port; 0 for any free one.
            writable: Whether the memory may be changed.

        Raises:
            ConfigurationError: The port cannot be listened on.
        """
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((HOST, port))
        except OSError as error:
            self._listener.close()
            raise ConfigurationError(
                f"cannot listen on {HOST}:{port} ({error.strerror or error}). Give another --port, or "
                "0 for any free one."
            ) from error
        token = new_token()
        self.base_url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        self.url = f"{self.base_url}/?token={token}"
        app = application(config, chat, token=token, writable=writable)
        # No access log: addresses hold what was searched for.
        self._server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                ws="none",
                timeout_graceful_shutdown=_STOP_SECONDS,
                lifespan="on",
            )
        )

    def run(self, started: Callable[[], object] = lambda: None) -> None:
        """Serve until `stop` is called or the process is told to end.

        Args:
            started: Called once the server answers.
        """
        self._server.on_start = started
        self._server.run(sockets=[self._listener])

    def run_in_thread(self) -> threading.Thread:
        """Serve in a thread and return it once the server answers."""
        ready = threading.Event()
        thread = threading.Thread(target=self.run, args=(ready.set,), name="agentmem-inspector", daemon=True)
        thread.start()
        ready.wait(10)
        return thread

    def stop(self) -> None:
        """Stop serving: streams under way get a few seconds."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """Tells when it answers."""

    on_start: Callable[[], object]

    async def startup(self, sockets: list[socket.socket] | None = None) -> Any:
        await super().startup(sockets)
        self.on_start()
