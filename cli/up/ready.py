"""When is a component ready? One probe a component; the truth is asked of the part itself, never of a clock."""

from __future__ import annotations

import asyncio
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from runtime.rest import Rest
from schemas.errors import ApiError, KubusError, Unreachable

Probe = Callable[[], bool]
POLL_SECONDS = 0.05


class NotReady(KubusError):
    """A component did not come up in time; the message ends with the tail of its log."""


def port_answers(port: int) -> bool:
    """Does something listen on this loopback port?"""
    with socket.socket() as link:
        link.settimeout(1.0)
        return link.connect_ex(("127.0.0.1", port)) == 0


def url_answers(url: str) -> bool:
    """Does a GET answer 200?"""
    try:
        with urllib.request.urlopen(url, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


async def wait_all(probes: Mapping[str, Probe], seconds: float, on_ready: Callable[[str, float], None],
                   why_not: Callable[[str], str]) -> None:
    """Ask every probe until it says yes; `on_ready` gets (name, seconds it took). Raises NotReady."""
    began = time.monotonic()

    async def one(name: str, probe: Probe) -> None:
        while not await asyncio.to_thread(probe):
            if time.monotonic() - began > seconds:
                raise NotReady(f"{name} was not ready after {seconds:.0f} s: {why_not(name)}")
            await asyncio.sleep(POLL_SECONDS)
        on_ready(name, time.monotonic() - began)

    try:
        async with asyncio.TaskGroup() as group:
            for name, probe in probes.items():
                group.create_task(one(name, probe), name=f"ready/{name}")
    except* NotReady as failures:
        raise NotReady(str(failures.exceptions[0])) from None


def node_ready(kubeconfig: Path, node: str) -> bool:
    """Does the API say that this node is Ready?"""
    try:
        status = Rest.from_kubeconfig(kubeconfig).json("GET", f"/api/v1/nodes/{node}").get("status", {})
    except (ApiError, Unreachable):
        return False
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
