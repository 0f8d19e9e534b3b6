"""Takes this node's part of the pods' network away, and names what there is of it. For purge, leave and reset.

Docker's network goes by label (kubelet/purge.py), the rest by name and route protocol (apply.py). Forwarding stays as
it is: Docker turned it on before us, and needs it.
"""

from __future__ import annotations

from pathlib import Path

from . import apply, memory
from .model import BRIDGE, NETWORK


def remove(state: Path | None) -> None:
    """Call when Docker's network is gone. Safe to repeat; works without Docker. Raises apply.NotDone."""
    apply.remove()
    if state is not None:
        memory.forget(state)


def owned() -> dict[str, list[str]]:
    """What there is of ours now: links, routes, tables, chains, networks. Raises apply.NotDone."""
    found = apply.owned()
    return {**found, "docker networks": [NETWORK] if BRIDGE in found["links"] else []}
