"""An API server that keeps Leases in a dict with compare-and-swap, as slow, deaf or forgetful as a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from runtime.api import Api
from schemas.errors import Unreachable


class LeaseServer:
    """A Transport. `cut` names clients that get no answer; `lost` counts answers to lose after doing the work."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, object]] = {}
        self.revision = 0
        self.cut: set[str] = set()
        self.lost = 0
        self.holders: list[str] = []

    def client(self, name: str) -> Api:
        return Api(_Client(self, name))

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        key = path if method in {"GET", "PUT"} else f"{path}/{msgspec.json.decode(body)['metadata']['name']}"
        found = self.stored.get(key)
        if method == "GET":
            return (200, msgspec.json.encode(found)) if found else _status(404, "NotFound")
        sent = msgspec.json.decode(body)
        if method == "POST" and found:
            return _status(409, "AlreadyExists")
        if method == "PUT" and found and sent["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:  # type: ignore[index]
            return _status(409, "Conflict")
        self.revision += 1
        sent["metadata"]["resourceVersion"] = str(self.revision)
        self.stored[key] = sent
        self.holders.append(sent["spec"].get("holderIdentity", ""))
        return 200, msgspec.json.encode(sent)


class _Client:
    def __init__(self, server: LeaseServer, name: str) -> None:
        self._server, self._name = server, name

    async def send(self, method: str, path: str, query: Mapping[str, str], body: bytes,
                   content_type: str) -> tuple[int, bytes]:
        await asyncio.sleep(0)
        if self._name in self._server.cut:
            raise Unreachable("cut")
        answer = self._server.answer(method, path, body)
        if method != "GET" and self._server.lost:
            self._server.lost -= 1
            raise Unreachable("the answer was lost")
        return answer


def _status(code: int, reason: str) -> tuple[int, bytes]:
    return code, msgspec.json.encode({"kind": "Status", "code": code, "reason": reason, "message": reason})
