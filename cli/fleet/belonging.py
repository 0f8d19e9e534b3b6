"""Which cluster the fleet's verbs mean, and whether the fleet file's machines are its own.

Machines come from the state folder, pods and nodes from a kubeconfig: were the two of different clusters, a verb would
drain a node of one and wipe the machine of that name of the other. So the state folder's own kubeconfig goes before
$KUBECONFIG, and another one is refused when another authority vouches for its cluster.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from cli.session import find_kubeconfig
from master.identity.ca import fingerprint
from master.provision import fleet
from master.provision.inventory import Inventory
from schemas.errors import KubusError

from . import state


class OtherCluster(KubusError):
    """The kubeconfig and the fleet file are of different clusters; names both files."""


def kubeconfig(asked: str) -> Path:
    """What was asked for; else the fleet's own; else what every other verb would take. Raises NoCluster."""
    own = _own()
    return own if own is not None and not asked else find_kubeconfig(asked)


def check(path: Path, context: str) -> None:
    """Raises OtherCluster. What cannot be compared (no machines yet, no authority in either file) passes."""
    inventory, own = Inventory(state.inventory()), _own()
    if own == path or not inventory.machines():
        return
    ours = _hash(own, "") if own is not None else str(fleet.shared(inventory.read()).get("kubus_ca_hash") or "")
    theirs = _hash(path, context)
    if ours and theirs and ours != theirs:
        raise OtherCluster(
            f"the kubeconfig {path} is of another cluster than the machines in {inventory.path} (its authority is "
            f"{theirs}, theirs {ours}); name the kubeconfig of theirs, or with KUBUS_STATE the other state folder")


def _own() -> Path | None:
    """The fleet's kubeconfig in the state folder: not that of a `kubus up` beside it, which has no machines."""
    path = state.kubeconfig()
    if not path.exists() or state.is_local_cluster() or not Inventory(state.inventory()).machines():
        return None
    return path


def _hash(path: Path, context: str) -> str:
    pem = authority(path, context)
    return fingerprint(pem) if pem else ""


def authority(path: Path, context: str) -> bytes:
    """The CA, as PEM, of the cluster that this context (else the current one) means; b"" when the file names none."""
    import yaml

    content = yaml.safe_load(path.read_text()) or {}
    chosen = _named(content.get("contexts"), context or content.get("current-context")).get("context") or {}
    cluster = _named(content.get("clusters"), chosen.get("cluster")).get("cluster") or {}
    if told := cluster.get("certificate-authority-data"):
        return base64.b64decode(told)
    file = cluster.get("certificate-authority")
    return (path.parent / file).read_bytes() if file else b""


def _named(entries: Any, name: Any) -> dict[str, Any]:
    return next((entry for entry in entries or () if entry.get("name") == name), {})
