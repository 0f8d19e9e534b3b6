"""Runs one lifecycle hook: exec, HTTP GET, TCP connect or sleep. "" when it went well, else what went wrong."""

from __future__ import annotations

import asyncio

from schemas.core.container import Container
from schemas.core.probe import LifecycleHandler

from ..containers.containers import Containers, ContainersError, EngineDown
from .asking import ask_http, ask_tcp


async def run_hook(engine: Containers, id_: str, hook: LifecycleHandler, container: Container, address: str,
                   seconds: float) -> str:
    """At most that many seconds. Raises EngineDown."""
    try:
        async with asyncio.timeout(seconds):
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
    except TimeoutError:
        return f"timed out after {seconds:g}s"
    except EngineDown:
        raise
    except (ContainersError, OSError) as error:
        return str(error)
