"""Runs on the machine that is to be provisioned, sent over SSH to its own python3: tells what it is, as a JSON line.

Standard library only, and old Python too (3.7), because the answer may be "this Python is too old". Never imported.
Argument: JSON {"reach": [[host, port], …]}. Writes one 4 KiB file under /var/lib for the fsync time, and removes it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

REACH_SECONDS = 3.0
SYNCS = 12
PLACEHOLDERS = ("03000200-0400-0500-0006-000700080009", "ffffffff-ffff-ffff-ffff-ffffffffffff")
"""Ids that makers left in many machines alike; the role's kubus_preflight has the same."""
ENGINES = ("dockerd", "containerd", "crio", "podman", "kubelet", "k3s", "k3s-server", "k3s-agent", "rke2", "microk8s")


def text(path: str | Path, default: str = "") -> str:
    """A file's content, or the default where it may not be read or is not there."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return default


def os_release() -> dict[str, str]:
    """ID and VERSION_ID of /etc/os-release (os-release(5))."""
    found: dict[str, str] = {}
    for row in text("/etc/os-release").splitlines():
        key, _, value = row.partition("=")
        found[key] = value.strip("\"'")
    return found


def memory() -> list[int]:
    """Bytes of memory: all, and what can be had without swapping."""
    rows = dict(row.split(":", 1) for row in text("/proc/meminfo").splitlines() if ":" in row)
    return [int(rows.get(key, "0 kB").split()[0]) * 1024 for key in ("MemTotal", "MemAvailable")]


def fsync_ms(folder: str) -> float:
    """Median milliseconds of writing 4 KiB and fdatasync, as etcd does all day; -1 where it cannot be tried."""
    times: list[float] = []
    try:
        handle, path = tempfile.mkstemp(prefix=".kubus-fsync-", dir=folder)
        try:
            for _ in range(SYNCS):
                began = time.time()
                os.write(handle, b"k" * 4096)
                os.fdatasync(handle)
                times.append((time.time() - began) * 1000)
        finally:
            os.close(handle)
            Path(path).unlink()
    except OSError:
        return -1.0
    return sorted(times)[len(times) // 2]


def cgroups() -> tuple[str, list[str]]:
    """The hierarchy ("v2", "v1", "") and which of its controllers containers can be limited with."""
    unified = text("/sys/fs/cgroup/cgroup.controllers")
    if unified:
        return "v2", unified.split()
    enabled = [row.split()[0] for row in text("/proc/cgroups").splitlines()[1:] if row.split()[-1] == "1"]
    return ("v1" if enabled else ""), enabled


def running() -> list[str]:
    """Names of container engines and orchestrators that run."""
    names = {text(path) for path in Path("/proc").glob("[0-9]*/comm")}
    return sorted(names.intersection(ENGINES))


def docker() -> dict[str, Any]:
    """Version and number of containers of a Docker that answers, else empty."""
    if not shutil.which("docker"):
        return {}
    asked = ["docker", "info", "--format", '{"version":"{{.ServerVersion}}","containers":{{.Containers}}}']
    try:
        said = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10, check=True)
        answer: dict[str, Any] = json.loads(said.stdout.decode())
        return answer
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}


def reach(places: list[list[Any]]) -> list[str]:
    """For each [host, port]: "" when a TCP connection was made, else why not."""
    found = []
    for host, port in places:
        try:
            socket.create_connection((host, port), timeout=REACH_SECONDS).close()
            found.append("")
        except OSError as error:
            found.append(str(error))
    return found


def listening() -> list[int]:
    """TCP ports somebody listens on (state 0A of /proc/net/tcp)."""
    rows = [row.split() for path in ("/proc/net/tcp", "/proc/net/tcp6") for row in text(path).splitlines()[1:]]
    return sorted({int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"})


def address(towards: str) -> str:
    """Our address on the way to there (nothing is sent)."""
    try:
        kind = socket.getaddrinfo(towards, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(kind[0], kind[1]) as probe:
            probe.connect(kind[4])
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def agent() -> dict[str, Any]:
    """What an agent's config says of a cluster this machine already belongs to."""
    try:
        config: dict[str, Any] = json.loads(text("/etc/kubus/agent.json", "{}"))
        return config
    except ValueError:
        return {"node": "an unreadable /etc/kubus/agent.json"}


def firmware() -> str:
    """The firmware's id of the machine: DMI's, or a board's serial number; "" for none and a maker's placeholder."""
    places = ("/sys/class/dmi/id/product_uuid", "/proc/device-tree/serial-number")
    found = [text(place).rstrip("\0").lower() for place in places]
    return next((known for known in found if known.strip("0-") and known not in PLACEHOLDERS), "")


def free(path: str) -> int:
    """Bytes free for others than root on the file system that holds (or will hold) this path."""
    place = Path(path)
    while not place.exists():
        place = place.parent
    stat = os.statvfs(place)
    return stat.f_bavail * stat.f_frsize


def gather(asked: dict[str, Any]) -> dict[str, Any]:
    """Everything, as one JSON value; its words are master.provision.facts.Facts."""
    system, (hierarchy, controllers), (total, available) = os_release(), cgroups(), memory()
    places = asked.get("reach") or []
    return {
        "os": system.get("ID", ""), "os_like": system.get("ID_LIKE", ""), "os_version": system.get("VERSION_ID", ""),
        "os_name": system.get("PRETTY_NAME", ""), "kernel": platform.release(), "arch": platform.machine(),
        "python": list(sys.version_info[:3]), "root": os.geteuid() == 0, "hostname": socket.gethostname(),
        "systemd": Path("/run/systemd/system").is_dir(), "cgroups": hierarchy, "controllers": controllers,
        "cpus": os.cpu_count() or 1, "memory": total, "memory_free": available,
        "disk_free": min(free("/var/lib/docker"), free("/opt/kubus")), "fsync_ms": fsync_ms("/var/lib"),
        "machine_id": text("/etc/machine-id"),
        "system_uuid": firmware(),
        "engines": running(), "docker": docker(), "listening": listening(), "reach": reach(places),
        "address": address(places[0][0] if places else "192.0.2.1"), "agent": agent(),
        "agent_ca": text("/etc/kubus/agent/ca.crt"), "master": text("/etc/kubus/master.json"), "clock": time.time(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(gather(json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}"))) + "\n")
