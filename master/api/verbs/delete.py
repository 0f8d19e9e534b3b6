"""DELETE one object: at once, or marked and left to finalizers, kubelet or namespace controller."""

from __future__ import annotations

from ..fail import success
from ..options import delete_options
from ..request import Response
from ..server import Call, Server
from . import answer, write


async def run(server: Server, call: Call) -> Response:
    """Status Success when it is gone (pods: the object, as Kubernetes does), else the marked object."""
    written = await write.remove(server, call, call.route.name, delete_options(call.request))
    if written.gone and call.kind.plural not in ANSWERED_WITH_OBJECT:
        return answer.plain(call, success(call.kind, call.route.name, written.obj.metadata.uid))
    return answer.stored(server, call, written.value, written.revision)


ANSWERED_WITH_OBJECT = frozenset({"pods", "services", "serviceaccounts"})
"""Kinds whose storage returns the deleted object in Kubernetes (ReturnDeletedObject)."""
