"""One loopback HTTP listener a process: is it well, what does it do, what does it count.

    /healthz        200 once `ready()` says so, 503 with words before
    /metrics        Prometheus text, see metrics.py
    /debug/tasks    every asyncio task: name and where it waits
    /debug/state    what the parts registered, as JSON

A few lines over asyncio streams and not a web framework: it costs every process, also the agent on a small board.
Refuses anything but GET, and listens on the loopback only.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from . import metrics

REQUEST_SECONDS = 5.0
REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


class Debug:
    """The listener. `ready` returns "" when the process does its work, else why not yet."""

    def __init__(self, port: int, ready: Callable[[], str] = lambda: "", host: str = "127.0.0.1") -> None:
        self._host, self.port, self._ready = host, port, ready
        self._state: dict[str, Callable[[], Any]] = {}

    def show(self, name: str, state: Callable[[], Any]) -> None:
        """Add a part's state to /debug/state."""
        self._state[name] = state

    async def run(self) -> None:
        """Serve for ever; a `serve` task. Port 0: no listener. Raises OSError if the port is taken."""
        if not self.port:
            await asyncio.Event().wait()
        async with await asyncio.start_server(self._talk, self._host, self.port) as listener:
            await listener.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                method, path = await _request(reader)
                code, kind, body = self._answer(method, path)
                head = f"HTTP/1.1 {code} {REASONS[code]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
                await writer.drain()
        except (TimeoutError, ConnectionError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # a client that hung up or spoke something else; nobody is left to tell
        finally:
            writer.close()

    def _answer(self, method: str, path: str) -> tuple[int, str, bytes]:
        text = "text/plain; charset=utf-8"
        if method != "GET":
            return 405, text, b"only GET\n"
        match path.partition("?")[0]:
            case "/healthz":
                why = self._ready()
                return (503, text, f"{why}\n".encode()) if why else (200, text, b"ok\n")
            case "/metrics":
                return 200, "text/plain; version=0.0.4; charset=utf-8", metrics.exposition()
            case "/debug/tasks":
                return 200, text, _tasks().encode()
            case "/debug/state":
                return 200, "application/json", _json({name: state() for name, state in self._state.items()})
            case _:
                return 404, text, b"/healthz /metrics /debug/tasks /debug/state\n"


async def _request(reader: asyncio.StreamReader) -> tuple[str, str]:
    line = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)[0].decode("latin-1")
    method, path, _ = line.split(" ", 2)
    return method, path


def _tasks() -> str:
    out = io.StringIO()
    for task in sorted(asyncio.all_tasks(), key=lambda task: task.get_name()):
        out.write(f"{task.get_name()}\n")
        for frame in task.get_stack(limit=3):
            out.write(f"    {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}\n")
    return out.getvalue()


def _json(state: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(state, enc_hook=str), indent=2) + b"\n"
