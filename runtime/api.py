"""The API client of services and agents: typed objects in and out, over the bus. The same verbs as over HTTPS.

Every call carries the request id of the work it belongs to (`log.request_id`), so that one id runs from a person's
command to the last container start, and a proof of who sends it (schemas/bus/proof.py).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from schemas import codec
from schemas.bus import proof
from schemas.bus.events import REQUEST
from schemas.bus.subjects import api_request
from schemas.kind import Kind
from schemas.meta.object import Resource

from .bus import Bus
from .log import request_id
from .refusals import error_of

SECONDS = 10.0
PAGE = 500
JSON = "application/json"
PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}


class Transport(Protocol):
    """Takes one request to an API server. Raises Unreachable when none answers."""

    async def send(self, method: str, path: str, query: Mapping[str, str], body: bytes,
                   content_type: str) -> tuple[int, bytes]: ...


class BusTransport:
    """Requests over the bus, signed. `timeout` in seconds, for each."""

    def __init__(self, bus: Bus, timeout: float = SECONDS) -> None:
        self._bus, self._timeout = bus, timeout
        file = bus.config.proof_key_file
        self._key = Path(file).read_bytes() if file else b""

    async def send(self, method: str, path: str, query: Mapping[str, str], body: bytes,
                   content_type: str) -> tuple[int, bytes]:
        """One request, one answer: (HTTP status, body)."""
        subject = api_request(self._bus.identity, method, path)
        said, request = urlencode(query), request_id.get() or secrets.token_hex(8)
        headers = {proof.QUERY: said, "Content-Type": content_type, REQUEST: request}

        def seal(reply: str) -> Mapping[str, str]:
            return {proof.PROOF: proof.sign(
                self._key, subject=subject, reply=reply, body=body, query=said, content_type=content_type,
                request_id=request, at_ms=int(time.time() * 1000), nonce=secrets.token_hex(8))}

        answer = await self._bus.request(subject, body, headers, self._timeout, seal=seal)
        return int(answer.headers.get(proof.STATUS, "500")), answer.data


class _List(Struct, rename="camel"):
    metadata: _ListMeta
    items: list[msgspec.Raw] = []


class _ListMeta(Struct, rename="camel"):
    resource_version: str = "0"
    continue_: str = msgspec.field(default="", name="continue")


class _Kind(Struct):
    kind: str = ""


class Api:
    """Typed calls. All raise the ApiError tree for an answer that is not success, and Unreachable for none."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def get(self, kind: Kind, namespace: str, name: str) -> Any:
        """The stored object."""
        return self._object(kind, await self._call("GET", kind.path(namespace, name)))

    async def list(self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "",
                   limit: int = 0) -> tuple[list[Any], int]:
        """(objects, revision), page after page; at most `limit` objects unless it is 0."""
        query = {"limit": str(min(limit or PAGE, PAGE))}
        query |= {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}
        found: list[Any] = []
        while True:
            page = codec.decode(_List, await self._call("GET", kind.path(namespace), query))
            found += [codec.decode(kind.type, item) for item in page.items]
            if not page.metadata.continue_ or 0 < limit <= len(found):
                return (found[:limit] if limit else found), int(page.metadata.resource_version)
            query["continue"] = page.metadata.continue_

    async def create(self, kind: Kind, obj: Any, *, subresource: str = "", name: str = "") -> Any:
        """The object as stored; for a subresource (`binding`, `eviction`) the Status or object answered."""
        path = kind.path(obj.metadata.namespace, name or (obj.metadata.name if subresource else ""), subresource)
        raw = await self._call("POST", path, body=codec.encode(obj))
        return None if subresource else self._object(kind, raw)

    async def update(self, kind: Kind, obj: Any, *, subresource: str = "") -> Any:
        """Replace; Conflict if the object's resourceVersion is no longer the stored one."""
        path = kind.path(obj.metadata.namespace, obj.metadata.name, subresource)
        return self._object(kind, await self._call("PUT", path, body=codec.encode(obj)))

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Any, *, subresource: str = "",
                    type: Literal["merge", "strategic", "json"] = "merge") -> Any:
        """Change a part; bound to a uid or resourceVersion if the patch says one."""
        path = kind.path(namespace, name, subresource)
        raw = await self._call("PATCH", path, body=codec.encode(patch), content_type=PATCHES[type])
        return self._object(kind, raw)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "", resource_version: str = "",
                     grace: int | None = None, propagation: str = "") -> Any:
        """The object if it still has to end, None if it is gone."""
        preconditions = {k: v for k, v in (("uid", uid), ("resourceVersion", resource_version)) if v}
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options |= {"preconditions": preconditions} if preconditions else {}
        options |= {"gracePeriodSeconds": grace} if grace is not None else {}
        options |= {"propagationPolicy": propagation} if propagation else {}
        raw = await self._call("DELETE", kind.path(namespace, name), body=codec.encode(options))
        return self._object(kind, raw) if codec.decode(_Kind, raw).kind == kind.kind else None

    async def _call(self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes = b"",
                    content_type: str = JSON) -> bytes:
        code, raw = await self._transport.send(method, path, query or {}, body, content_type)
        if code >= 400:
            raise error_of(code, raw)
        return raw

    @staticmethod
    def _object(kind: Kind, raw: bytes) -> Resource:
        return codec.decode(kind.type, raw)
