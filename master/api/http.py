"""The HTTPS door: Kubernetes REST for people and their tools. The only importer of aiohttp in the master.

Client certificates are asked for and, when sent, must be signed by the cluster's CA. Turns an HTTP request into a
`Request` and a `Response` into HTTP; streams are flushed frame by frame. Decides nothing.
"""

from __future__ import annotations

import logging
import ssl

from aiohttp import web

from schemas.errors import ApiError, BadRequest, KubusError, TooLarge

from . import authn, fail
from .handle import MOST_BODY, handle
from .request import Request, Response
from .server import Server

log = logging.getLogger("apiserver")
MOST_LINE = 64 * 1024
"""Bytes of the request line and of one header: selectors and page tokens travel in the URL."""
MOST_ASK = 16 * 1024
"""Bytes of a body on /kubus/: strangers may send there (schemas/join.py), and have little to say."""
SHUTDOWN_SECONDS = 2.0
"""Open watches are cut after this long when the process is told to stop."""


def server_context(ca: str, cert: str, key: str) -> ssl.SSLContext:
    """TLS 1.2+, client certificates optional but verified. File paths in. Raises OSError, ssl.SSLError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(cert, key)
    return context


class HttpDoor:
    """Listens, and hands every request to `handle`."""

    def __init__(self, server: Server, tokens: authn.Tokens | None = None) -> None:
        self._server, self._tokens = server, tokens
        self._runner: web.ServerRunner | None = None
        self.port = 0

    async def open(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        """Start to listen; `port` 0 takes a free one. Raises OSError when the address is taken."""
        self._runner = web.ServerRunner(
            web.Server(self._serve, access_log=None, handler_cancellation=True, max_line_size=MOST_LINE,
                       max_field_size=MOST_LINE),
            shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=context, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening and end what is open."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, http: web.BaseRequest) -> web.StreamResponse:
        try:
            request = await self._request(http)
        except ApiError as error:
            return _whole(fail.response(error))
        response = await handle(self._server, request)
        if response.stream is None:
            return _whole(response)
        return await _streamed(http, response)

    async def _request(self, http: web.BaseRequest) -> Request:
        transport = http.transport
        peer = transport.get_extra_info("peercert") if transport is not None else None
        user = authn.of_certificate(peer) or authn.of_header(http.headers.get("Authorization", ""), self._tokens)
        most = MOST_ASK if http.path.startswith("/kubus/") else MOST_BODY
        if (http.content_length or 0) > most:
            raise TooLarge(f"Request entity too large: limit is {most}")
        if http.headers.get("Expect", "").lower() == "100-continue" and transport is not None:
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _body(http, most) if http.can_read_body else b""
        raw_path, _, query = http.raw_path.partition("?")
        path = http.path if "%" in raw_path else raw_path
        if "\0" in path:
            raise BadRequest("the path holds a NUL")
        headers = {name.lower(): value for name, value in http.headers.items()}
        return Request(method=http.method, path=path, query=query, headers=headers, body=body, user=user,
                       peer=http.remote or "")


async def _body(http: web.BaseRequest, most: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is."""
    parts, size = [], 0
    async for part in http.content.iter_any():
        size += len(part)
        if size > most:
            raise TooLarge(f"Request entity too large: limit is {most}")
        parts.append(part)
    return b"".join(parts)


def _whole(response: Response) -> web.Response:
    return web.Response(status=response.status, body=response.body,
                        headers={**response.headers, "Content-Type": response.content_type})


async def _streamed(http: web.BaseRequest, response: Response) -> web.StreamResponse:
    """Chunked; every frame is flushed. A client that is gone ends the stream."""
    answer = web.StreamResponse(status=response.status,
                                headers={**response.headers, "Content-Type": response.content_type})
    answer.enable_chunked_encoding()
    stream = response.stream
    assert stream is not None
    try:
        await answer.prepare(http)
        async for chunk in stream:
            await answer.write(chunk)
        await answer.write_eof()
    except (ConnectionError, TimeoutError):
        log.debug("a client hung up in the middle of an answer", extra={"path": http.path})
    except KubusError as error:
        log.warning("an answer broke off", extra={"path": http.path, "cause": str(error)})
        if http.transport is not None:
            http.transport.abort()  # the client must not take the beginning for the whole
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
    return answer
