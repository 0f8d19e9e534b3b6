"""`kubus agent status`: what this machine's files, unit and agent say. Reads only."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from msgspec import Struct

from runtime.config import AgentConfig
from schemas.errors import KubusError

from ..ownership import recorded
from . import joining, masters, unit
from .places import Places


class Status(Struct, frozen=True, kw_only=True):
    """`expires`: unix seconds of the JWT, 0 when there is none. `owned`: the agent's record of what it made here.
    `known`: whether the masters know this node; None when they were not asked or do not answer."""

    node: str = ""
    unit: str = ""
    ready: bool = False
    trouble: str = ""
    expires: float = 0.0
    owned: dict[str, list[str]] = {}
    known: bool | None = None

    def words(self) -> dict[str, Any]:
        """For -o json."""
        return {"node": self.node, "unit": self.unit, "ready": self.ready, "trouble": self.trouble,
                "expires": self.expires, "owned": self.owned, "known": self.known}

    def sentence(self) -> str:
        """For people."""
        if not self.node:
            return "this machine is no node"
        state = "ready" if self.ready else f"not ready: {self.trouble}"
        return f"{self.node}: {state}; the unit is {self.unit or 'not used'}"


def status(at: Places, ask: bool = False) -> Status:
    """Never raises for what is missing: that is what it tells."""
    config = joining.joined_as(at)
    if config is None:
        return Status(trouble="not joined")
    state = unit.active() if unit.has_systemd() else ""
    expires = float(masters.claims_of(at.jwt.read_text()).get("exp", 0)) if at.jwt.exists() else 0.0
    trouble = _trouble(config.debug_port)
    if not trouble and expires and expires < time.time():
        trouble = "its credential has ended and no master renewed it"
    # its own health tells it only when a bus server answered: where none does, a removed node looks like any other
    known = _known(config, at) if ask else None
    if known is False:
        trouble = "the masters know this node no more: it was removed"
    return Status(node=config.node, unit=state, ready=not trouble, trouble=trouble, expires=expires, known=known,
                  owned=recorded(Path(config.state)))


def _known(config: AgentConfig, at: Places) -> bool | None:
    try:
        return joining.renewal(config, at, config.servers, time.time()) is not None
    except (KubusError, OSError):
        return None


def _trouble(port: int) -> str:
    """What the agent's own health says, "" when it is ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2.0):
            return ""
    except urllib.error.HTTPError as error:
        return error.read().decode(errors="replace").strip() or f"status {error.code}"
    except OSError:
        return "the agent does not answer"
