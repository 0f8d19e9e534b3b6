"""/healthz, /livez, /readyz: is this process alive, and can it serve?

`livez` says only that we answer: restarting us would not bring etcd back. `readyz` and `healthz` look at the store, the
bus and how far the watch cache is behind. `?verbose` lists the checks, `?exclude=x` leaves one out, `/readyz/x` asks
one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from master.store.store import StoreError

from .fail import no_such_path
from .request import Request, Response
from .server import Server

STORE_SECONDS = 2.0
Check = Callable[[Server], Awaitable[str]]
"""Says what is wrong, or ""."""


async def _ping(_server: Server) -> str:
    return ""


async def _etcd(server: Server) -> str:
    try:
        await asyncio.wait_for(server.store.get("/kubus/health"), STORE_SECONDS)
    except TimeoutError:
        return f"no answer in {STORE_SECONDS:g} s"
    except StoreError as error:
        return str(error)
    return ""


async def _bus(server: Server) -> str:
    return "" if server.bus_connected() else "not connected"


async def _watch_cache(server: Server) -> str:
    if not server.cache.synced.is_set():
        return "no snapshot yet: is the publisher running?"
    return server.lag()


READY: dict[str, Check] = {"ping": _ping, "etcd": _etcd, "bus": _bus, "watch-cache": _watch_cache}
LIVE: dict[str, Check] = {"ping": _ping}
CHECKS = {"healthz": READY, "readyz": READY, "livez": LIVE}


async def run(server: Server, request: Request) -> Response:
    """200 `ok`, or 500 with the checks. Raises NotFound for a check that does not exist."""
    top, _, one = request.path.strip("/").partition("/")
    checks = CHECKS[top]
    if one:
        if one not in checks:
            raise no_such_path()
        checks = {one: checks[one]}
    excluded = request.params.get("exclude", [])
    lines, failed = [], False
    for name, check in checks.items():
        if name in excluded:
            lines.append(f"[+]{name} excluded: ok")
            continue
        wrong = await check(server)
        failed = failed or bool(wrong)
        lines.append(f"[-]{name} failed: {wrong}" if wrong else f"[+]{name} ok")
    lines.append(f"{top} check {'failed' if failed else 'passed'}")
    verbose = "verbose" in request.params or failed
    text = "\n".join(lines) + "\n" if verbose else "ok"
    return Response(status=500 if failed else 200, body=text.encode(), content_type="text/plain; charset=utf-8",
                    headers={"X-Content-Type-Options": "nosniff"})
