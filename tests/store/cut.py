"""A cable that can be cut: a TCP relay to a server; `cut` resets every connection that runs through it, `deaf` lets
everything through to the server and nothing back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from urllib.parse import urlsplit


class Cable:
    """`async with Cable(endpoint) as cable`: use `cable.endpoint` instead."""

    def __init__(self, endpoint: str) -> None:
        self._to = urlsplit(endpoint)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.endpoint = ""
        self.deaf = False

    async def __aenter__(self) -> Cable:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.endpoint = f"{self._to.scheme}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Reset all connections now; new ones go through."""
        for writer in tuple(self._writers):
            writer.transport.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        far_reader, far_writer = await asyncio.open_connection(self._to.hostname, self._to.port)
        self._writers |= {writer, far_writer}
        await asyncio.gather(_copy(reader, far_writer, lambda: False), _copy(far_reader, writer, lambda: self.deaf))
        self._writers -= {writer, far_writer}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, swallows: Callable[[], bool]) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            if swallows():
                continue
            writer.write(piece)
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
