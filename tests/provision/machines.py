"""Facts of a machine that is fine, to be spoilt one by one."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from master.provision.facts import Facts, Known, Visit, World
from master.provision.preflight import MIB

GIB = 1024 * MIB

GOOD = Facts(
    os="debian", os_version="12", os_name="Debian GNU/Linux 12 (bookworm)", kernel="6.1.0", arch="x86_64",
    python=(3, 11, 2), root=True, hostname="n1", systemd=True, cgroups="v2",
    controllers=("cpuset", "cpu", "io", "memory", "pids"), cpus=2, memory=4 * GIB, memory_free=3 * GIB,
    disk_free=20 * GIB, fsync_ms=1.0, machine_id="m-1", system_uuid="u-1", listening=(22,), reach=("", ""),
    address="10.0.0.11", clock=1000.0,
)
WORLD = World(nodes=(Known("n9", "m-9", "u-9", True),), ca_cert="CA", reach=(("10.0.0.1", 6443), ("10.0.0.1", 4222)))


def visit(*, sudo: bool = True, our_clock: float = 1000.0, fingerprint: str = "SHA256:one", **spoilt: Any) -> Visit:
    """One look at a machine whose other facts are good."""
    return Visit(facts=replace(GOOD, **spoilt), our_clock=our_clock, sudo=sudo, fingerprint=fingerprint)
