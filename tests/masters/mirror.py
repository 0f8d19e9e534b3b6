"""Is the mirror whole on every member? Asked of each nats-server's own monitor."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Sequence
from typing import Any

from .machines import Machine


def held(machine: Machine) -> tuple[int, int]:
    """(last sequence of this member's copy, copies that are current as this one sees it); (0, 0) without one."""
    url = f"http://127.0.0.1:{machine.topology.ports.nats_monitor}/jsz?accounts=1&streams=1&config=1"
    with urllib.request.urlopen(url, timeout=5) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    streams = [stream for account in found["account_details"] for stream in account.get("stream_detail") or ()]
    mirror = next((stream for stream in streams if stream["name"] == "WATCH"), None)
    if mirror is None:
        return 0, 0
    replicas = (mirror.get("cluster") or {}).get("replicas") or ()
    return mirror["state"]["last_seq"], 1 + sum(replica["current"] for replica in replicas)


def until_whole(machines: Sequence[Machine], seconds: float = 40.0) -> None:
    """Until each has a copy that grows with the others': ticks come every two seconds."""
    deadline = time.monotonic() + seconds
    began = max(held(machine)[0] for machine in machines)
    while not _is_whole(found := [held(machine)[0] for machine in machines], began):
        assert time.monotonic() < deadline, f"copies end at {found}, one was at {began} before"
        time.sleep(0.3)


def _is_whole(ends: Sequence[int], began: int) -> bool:
    return min(ends) > began + 1 and max(ends) - min(ends) <= 2
