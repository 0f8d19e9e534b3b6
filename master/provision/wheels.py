"""A folder of wheels that makes a master or a worker without an index: `python -m master.provision.wheels FOLDER`.

Builds Kubus' own wheel from this checkout and fetches the locked libraries for each Python and processor asked for.
Reads the checkout and PyPI; writes only into the folder. Refuses to run outside a checkout: an installed Kubus has no
source.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from schemas.errors import KubusError

from .places import source_tree

SOURCES = ("schemas", "runtime", "master", "agents", "cli", "ansible", "pyproject.toml", "setup.py", "README.md",
           "LICENSE", "requirements-agent.lock", "requirements-master.lock")
LOCKS = ("requirements-agent.lock", "requirements-master.lock")
SOURCE_ONLY = ("nkeys",)
"""Pure Python, but published without a wheel: built here once, good for every machine."""
HERE = (f"{sys.version_info.major}.{sys.version_info.minor}", platform.machine())
_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_26", "manylinux_2_24", "manylinux_2_17",
              "manylinux2014", "manylinux_2_12", "manylinux2010", "manylinux_2_5", "manylinux1")
"""Debian 12 has glibc 2.36, Ubuntu 22.04 has 2.35; pip, told a platform, does not think of older ones."""


class NoWheels(KubusError):
    """The folder could not be filled; says what pip said."""


def collect(into: Path, machines: Sequence[tuple[str, str]] = (HERE,), root: Path | None = None) -> Path:
    """Fill the folder for each (Python "3.11", processor "x86_64"). Raises NoWheels. Returns Kubus' own wheel."""
    root = root or source_tree()
    if root is None:
        raise NoWheels("this Kubus was installed without its source: run this in a checkout")
    into.mkdir(parents=True, exist_ok=True)
    for python, arch in machines:
        _libraries(root, into, python, arch)
    return build(root, into)


def build(root: Path, into: Path) -> Path:
    """Kubus' own wheel, from a clean copy: setuptools would pack what an earlier build left in `build/`."""
    with tempfile.TemporaryDirectory(prefix="kubus-wheel-") as scratch:
        copy, out = Path(scratch) / "source", Path(scratch) / "out"
        copy.mkdir()
        for name in SOURCES:
            if (root / name).is_dir():
                shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(root / name, copy / name)
        _pip("wheel", "--no-deps", "--wheel-dir", str(out), str(copy))
        (wheel,) = out.glob("kubus-*.whl")
        for old in into.glob("kubus-*.whl"):
            old.unlink()
        return Path(shutil.move(wheel, into / wheel.name))


def _libraries(root: Path, into: Path, python: str, arch: str) -> None:
    locks = [root / name for name in LOCKS]
    content = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()[:16]
    done = into / f".complete-{python}-{arch}-{content}"
    if done.exists():
        return
    pure = [pin for lock in locks for pin in lock.read_text().split() if pin.split("==")[0] in SOURCE_ONLY]
    _pip("wheel", "--no-deps", "--wheel-dir", str(into), *dict.fromkeys(pure))
    tags = [word for name in _PLATFORMS for word in ("--platform", f"{name}_{arch}")]
    wants = [word for lock in locks for word in ("-r", str(lock))]
    _pip("download", "--no-deps", "--only-binary", ":all:", "--python-version", python, "--implementation", "cp", *tags,
         "--find-links", str(into), "--dest", str(into), *wants)
    done.touch()


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *words]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise NoWheels(f"`pip {' '.join(words[:2])} …` failed: {_errors(ran.stderr)}")


def _errors(said: str) -> str:
    """What pip complains of, without its warnings."""
    return "; ".join(row for row in said.splitlines() if row.startswith("ERROR"))[-2000:] or said.strip()[-2000:]


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the folder is complete, 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m master.provision.wheels", description="Fill a folder with wheels.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", action="append", help="a machine's Python, as 3.11 (default: this one)")
    parser.add_argument("--arch", action="append", help="a machine's processor: x86_64 or aarch64 (default: this one)")
    asked = parser.parse_args(arguments)
    machines = [(python, arch) for python in asked.python or [HERE[0]] for arch in asked.arch or [HERE[1]]]
    try:
        sys.stdout.write(f"{collect(asked.folder, machines)}\n")
    except NoWheels as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
