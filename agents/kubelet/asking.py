"""One question to a running container over the network: HTTP GET or TCP connect. "" is yes, else why not.

A few lines of HTTP/1.1 by hand: a probe needs the status code only, and a client library would cost the agent more
memory than all its probes. TLS is not verified, as in Kubernetes' HTTPS probes. Callers bring the deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from schemas.core.container import Container
from schemas.core.probe import HTTPGetAction, TCPSocketAction

USER_AGENT = "kube-probe/1.33"
BODY_BYTES = 1024


def port_of(port: int | str | None, container: Container) -> int:
    """A number, or the number of the container's named port. Raises OSError when there is none."""
    if isinstance(port, int):
        return port
    if port and port.isdecimal():
        return int(port)
    for known in container.ports:
        if known.name == port and known.container_port:
            return known.container_port
    raise OSError(f"couldn't find port: {port!r}")


async def ask_tcp(action: TCPSocketAction, container: Container, address: str) -> str:
    """Does anybody accept? Raises OSError."""
    _, writer = await asyncio.open_connection(action.host or address, port_of(action.port, container))
    await _close(writer)
    return ""


async def ask_http(action: HTTPGetAction, container: Container, address: str) -> str:
    """Is the answer 200..399? Raises OSError."""
    host, port = action.host or address, port_of(action.port, container)
    tls: ssl.SSLContext | None = None
    if action.scheme.upper() == "HTTPS":
        tls = ssl._create_unverified_context()
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        writer.write(_request(action, host, port))
        await writer.drain()
        status = await reader.readline()
        parts = status.split(b" ", 2)
        if len(parts) < 2 or not parts[1].isdigit():
            return f"malformed HTTP response {status[:64]!r}"
        code = int(parts[1])
        return "" if 200 <= code < 400 else f"HTTP probe failed with statuscode: {code}"
    except ValueError as error:  # a line longer than the stream's limit
        return f"malformed HTTP response: {error}"
    finally:
        await _close(writer)


def _request(action: HTTPGetAction, host: str, port: int) -> bytes:
    path = action.path or "/"
    headers = {"Host": f"{host}:{port}", "User-Agent": USER_AGENT, "Accept": "*/*", "Connection": "close"}
    for header in action.http_headers:
        headers[header.name] = header.value
    lines = [f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", errors="replace")


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()
