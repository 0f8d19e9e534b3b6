"""What the machine is, read from the kernel's files: memory, addresses, ids, and what it will not let us do.

Reads /proc, /sys, /etc/machine-id and one unconnected UDP socket, and asks systemd one question. Writes nothing.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import urlsplit

LEAST_SCORE = -1000
_SYS_RESOURCE = 24
"""Bit of CAP_SYS_RESOURCE (capabilities(7)): without it nobody may lower an oom_score_adj (proc(5))."""


def least_oom_score(status: Path = Path("/proc/self/status")) -> int:
    """The lowest out-of-memory score a container can get on this machine."""
    for line in status.read_text().splitlines():
        if line.startswith("CapBnd:"):
            return LEAST_SCORE if int(line.split()[1], 16) >> _SYS_RESOURCE & 1 else 0
    return LEAST_SCORE


ANYWHERE = "192.0.2.1"
"""TEST-NET-1 (RFC 5737): nobody, so the way there is the default route."""


def address(towards: str = ANYWHERE) -> str:
    """Our address on the way to `towards`, an IPv4 address (nothing is sent); "" when there is no way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((towards, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def towards(urls: str) -> str:
    """Of several comma-separated URLs the first that leads to another machine by its IPv4 address; else the way out."""
    for url in urls.split(","):
        host = urlsplit(url.strip()).hostname or ""
        try:
            if not IPv4Address(host).is_loopback:
                return host
        except ValueError:
            continue
    return ANYWHERE


def free_memory(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that can be had without swapping."""
    for line in meminfo.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def disk(path: Path) -> tuple[int, int]:
    """(all, free) bytes of the file system that holds the nearest existing parent of `path`."""
    while not path.exists() and path != path.parent:
        path = path.parent
    usage = shutil.disk_usage(path)
    return usage.total, usage.free


def process_limit() -> int:
    """How many processes the kernel will number."""
    return _number(Path("/proc/sys/kernel/pid_max"), 32768)


def processes() -> int:
    """How many run now."""
    return sum(1 for entry in os.scandir("/proc") if entry.name.isdecimal())


def machine_id(root: Path = Path("/")) -> str:
    """systemd's id of this installation, "" if there is none."""
    return _text(root / "etc/machine-id")


def boot_id() -> str:
    """Changes with every boot."""
    return _text(Path("/proc/sys/kernel/random/boot_id"))


FIRMWARE = ("sys/class/dmi/id/product_uuid", "proc/device-tree/serial-number")
"""PCs and servers; boards without DMI (a Raspberry Pi), whose text ends with a NUL."""


def system_uuid(root: Path = Path("/")) -> str:
    """The firmware's id of the machine, "" if it has none (or one of zeros) or it may not be read."""
    found = (_text(root / file).rstrip("\0") for file in FIRMWARE)
    return next((text for text in found if text.strip("0-")), "")


def is_going_down() -> bool:
    """Is the machine being shut down? Then its pods will not run on. (systemctl(1), is-system-running: `stopping`)"""
    if not Path("/run/systemd/system").is_dir():
        return False
    try:
        ran = subprocess.run(["systemctl", "is-system-running"], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return True  # who cannot be asked is busy ending: better to be thought dead than to promise a return
    return ran.stdout.strip() == "stopping"


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _number(path: Path, otherwise: int) -> int:
    text = _text(path)
    return int(text) if text.isdecimal() else otherwise
