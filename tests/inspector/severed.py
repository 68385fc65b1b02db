"""A wire in front of a server whose connections can be severed at any moment."""

from __future__ import annotations

import asyncio
import contextlib


@contextlib.asynccontextmanager
async def severable(port):
    """Forward connections to a port; yields the port to connect to and what severs all of them."""
    open_writers = set()

    async def pump(reader, writer):
        open_writers.add(writer)
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        open_writers.discard(writer)
        writer.close()

    async def forward(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    def sever():
        for writer in list(open_writers):
            writer.transport.abort()
        return len(open_writers)

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], sever
    finally:
        server.close()
        sever()
