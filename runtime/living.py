"""Is the process that holds something still alive? Answerable only for one on this machine, in our view of processes.

A holder that died by kill -9 cannot give back what it held; whoever sees it gone need not wait for its lease to run
out. A holder elsewhere, or unknown, is never called gone.
"""

from __future__ import annotations

import os
from pathlib import Path


def process_name(pid: int) -> str:
    """A name that no other process has or will have: boot, pid namespace, pid and its start time."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    namespace = Path("/proc/self/ns/pid").readlink().name
    return f"{boot}/{namespace}/{pid}/{_started(pid)}"


def is_gone(name: str) -> bool:
    """Whether that process ran here and does no more."""
    parts = name.split("/")
    if len(parts) != 4 or parts[:2] != process_name(os.getpid()).split("/")[:2] or not parts[2].isdigit():
        return False
    return _started(int(parts[2])) != parts[3]


def _started(pid: int) -> str:
    """Clock ticks after boot at which a process began (proc(5), stat field 22), "" when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
