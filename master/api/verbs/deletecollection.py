"""DELETE a collection: every matching object, one by one, several at a time."""

from __future__ import annotations

import asyncio

from schemas import codec
from schemas.errors import NotFound

from .. import death
from ..options import delete_options, list_options
from ..request import Response
from ..server import Call, Server
from . import answer, list, write

AT_ONCE = 16


async def run(server: Server, call: Call) -> Response:
    """Status Success when all are deleted or marked. Raises what the first refused deletion raises."""
    options = delete_options(call.request)
    listed = list_options(call.request, watching=False)
    death.check_options(call.kind, "", options)
    page = await list.read(server, call.kind, call.route.namespace, listed, list.selection_of(call, listed))
    slots = asyncio.Semaphore(AT_ONCE)

    async def remove(name: str) -> None:
        async with slots:
            try:
                await write.remove(server, call, name, options)
            except NotFound:
                return  # somebody was faster

    try:
        async with asyncio.TaskGroup() as group:
            for body in page.bodies:
                group.create_task(remove(codec.decode(call.kind.type, body).metadata.name), name="deletecollection")
    except BaseExceptionGroup as refused:
        raise refused.exceptions[0] from None
    return answer.plain(call, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})
