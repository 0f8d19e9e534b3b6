"""What is settled when a cluster is founded, and whether a master that is there already agrees with a command. Pure.

Refuses, in words, what would make another cluster of a running master: other members, another address of one, another
name, another range for pods. The role certs asks the same of every inventory (roles/certs/tasks/founded.yml); here it
is asked before the fleet file is written, so that a refused command leaves no trace there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from master.install.topology import is_address

from .preflight import Finding

CLUSTER, POD_CIDR = "kubus", "10.244.0.0/16"
"""What a master.json means that says neither (master/install/topology.py)."""
TODO = ("leave that out to keep it as it is; other masters or addresses come by backup.yml, reset.yml on the old "
        "masters and restore.yml with the new ones; a machine that may forget its cluster: reset.yml")


class Founding(Struct, frozen=True, kw_only=True):
    """What `kubus master init` was told of the cluster; "" and () = as before, and at first the roles' defaults."""

    cluster: str = ""
    pod_cidr: str = ""
    server_names: Sequence[str] = ()

    def variables(self) -> Mapping[str, Any]:
        """For all machines of the fleet file. What was not said is not in it, so that what stands there stays."""
        said = {"kubus_cluster": self.cluster, "kubus_pod_cidr": self.pod_cidr,
                "kubus_server_names": list(self.server_names)}
        return {key: value for key, value in said.items() if value}


def differences(told: Mapping[str, Any], masters: Mapping[str, str], asked: Founding) -> tuple[Finding, ...]:
    """`told`: the machine's master.json; `masters`: name -> address as the command would have them, none = unknown."""
    if not told:
        return ()
    there = {str(member["name"]): str(member["address"]) for member in told.get("members", ())
             if isinstance(member, dict) and {"name", "address"} <= member.keys()}
    # a name is looked up by the machine itself: nobody here knows what it will find
    unknown = {name for name, address in masters.items() if not is_address(address)}
    here = {name: there.get(name, address) if name in unknown else address for name, address in masters.items()}
    wants = (
        ("its cluster has the masters", _list(there), _list(here)),
        ("its cluster is called", str(told.get("cluster", CLUSTER)), asked.cluster),
        ("its cluster's pods have", str(told.get("pod_cidr", POD_CIDR)), asked.pod_cidr),
    )
    return tuple(Finding("founded", True, f"{words} {old}, not {new}", TODO) for words, old, new in wants
                 if new and new != old)


def _list(members: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={address}" for name, address in sorted(members.items()))
