"""Runs lifecycle hooks: exec, HTTP GET, TCP connect or sleep. "" when it went well, else what went wrong."""

from __future__ import annotations

import asyncio
import time

from schemas.core.container import Container
from schemas.core.probe import LifecycleHandler

from ..containers.containers import Containers, ContainersError, EngineDown
from .asking import ask_http, ask_tcp


class Hooks:
    """Those that run now, by container id. Their time can be cut: a deletion's grace may be shortened."""

    def __init__(self, engine: Containers) -> None:
        self._engine = engine
        self._limits: dict[str, asyncio.Timeout] = {}

    def hurry(self, id_: str, seconds: float) -> None:
        """No more than that from now on."""
        limit, end = self._limits.get(id_), asyncio.get_running_loop().time() + seconds
        if limit is not None and (before := limit.when()) is not None and end < before and not limit.expired():
            limit.reschedule(end)

    async def run(self, id_: str, hook: LifecycleHandler, container: Container, address: str, seconds: float) -> str:
        """At most that many seconds. Raises EngineDown."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds) as limit:
                self._limits[id_] = limit
                return await _ask(self._engine, id_, hook, container, address, seconds)
        except TimeoutError:
            return f"timed out after {time.monotonic() - began:.3g}s"
        except EngineDown:
            raise
        except (ContainersError, OSError) as error:
            return str(error)
        finally:
            self._limits.pop(id_, None)


async def _ask(engine: Containers, id_: str, hook: LifecycleHandler, container: Container, address: str,
               seconds: float) -> str:
    if hook.exec is not None:
        said = await engine.execute(id_, hook.exec.command, seconds, "hook")
        return "" if said.code == 0 else f"exit code {said.code}: {said.text.strip()}"
    if hook.http_get is not None:
        return await ask_http(hook.http_get, container, address)
    if hook.tcp_socket is not None:
        return await ask_tcp(hook.tcp_socket, container, address)
    if hook.sleep is not None:
        await asyncio.sleep(hook.sleep.seconds or 0)
    return ""
