"""`kubus agent leave`: the machine is no node any more. Safe to repeat, and works with the masters away.

The order: the agent stops, its containers and networks go, the master is told, the files go. A master that cannot be
told is named: its record of this node must be removed there (`kubus node remove`).
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable
from pathlib import Path

from runtime.config import AgentConfig, load
from schemas.errors import KubusError
from schemas.join import LEAVE

from . import joining, masters, places, unit
from .places import Places


def tell(config: AgentConfig, now: float) -> str:
    """"" when the master knows, else why it does not."""
    if not config.servers:
        return "no API server is known"
    try:
        context = ssl.create_default_context(cafile=config.bus.ca)
        masters.ask(config.servers, context, "POST", LEAVE, joining.ask_signed("leave", config, now))
    except (KubusError, OSError, ValueError) as error:
        return str(error)
    return ""


def leave(at: Places, purge: Callable[[AgentConfig], str], say: Callable[[str], None]) -> str:
    """"" when all is done, also at the master; else what the operator should still do. Raises UnitTrouble, BadConfig
    (what it names cannot be cleaned then), and what `purge` raises."""
    if unit.has_systemd():
        unit.stop()
    config = load(at.config, AgentConfig) if at.config.exists() else None
    if config is None:
        places.remove(at)
        say("this machine is no node")
        return ""
    say(purge(config))
    trouble = tell(config, time.time())
    places.remove(at)
    with contextlib.suppress(OSError):  # not ours to force: something else may lie or be mounted there
        Path(config.state).rmdir()
    if trouble:
        return f"the master was not told ({trouble}): run `kubus node remove {config.node}` there"
    say(f"the node {config.node} has left")
    return ""
