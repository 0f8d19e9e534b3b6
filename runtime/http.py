"""The API client's other door: HTTPS with aiohttp, for programs outside the bus (benchmarks, load, tools).

Services and agents use the bus; commands use rest.py, which starts faster. The only importer of aiohttp outside the
API server. Refuses plain http: credentials must not travel in the clear.
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp

from schemas.bus.events import REQUEST
from schemas.errors import KubusError, Unreachable

from .log import request_id


class HttpTransport:
    """A Transport (api.py) on one connection pool: `async with HttpTransport(…) as http: Api(http)`."""

    def __init__(self, server: str, context: ssl.SSLContext, *, token: str = "", timeout: float = 30.0,
                 connections: int = 32) -> None:
        if not server.startswith("https://"):
            raise KubusError(f"the server must be https://HOST:PORT, not {server}")
        self._server, self._context, self._token = server.rstrip("/"), context, token
        self._timeout, self._connections = aiohttp.ClientTimeout(total=timeout), connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._context, limit=self._connections)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout, headers=headers)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        if self._session:
            await self._session.close()
            self._session = None

    async def send(self, method: str, path: str, query: Mapping[str, str], body: bytes,
                   content_type: str) -> tuple[int, bytes]:
        """One request, one answer: (HTTP status, body). Raises Unreachable."""
        if self._session is None:
            raise Unreachable(f"the client of {self._server} is not open")
        headers = {"Content-Type": content_type, REQUEST: request_id.get() or secrets.token_hex(8)}
        try:
            async with self._session.request(
                method, self._server + path, params=dict(query), data=body or None, headers=headers,
            ) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(f"cannot reach {self._server}: {error or type(error).__name__}") from error
