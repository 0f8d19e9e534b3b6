"""A folder of Debian packages for machines without internet: `python -m master.provision.debs FOLDER`.

Fetches Docker and everything it needs, down to the C library, as if for an empty machine: each machine takes what it
lacks. Works with this machine's apt-get but not on it: lists, caches and the record of what is installed are scratch.
Reads the package sources; writes only into the folder. Refuses a machine without apt-get.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from schemas.errors import KubusError

PACKAGES = ("docker.io", "iptables", "nftables")
"""What the role docker installs."""


class NoDebs(KubusError):
    """The folder could not be filled; says what apt-get said."""


class Asked(Struct, frozen=True, kw_only=True):
    """`sources`: a file in apt's own words (.sources or .list) for another release; None: this machine's. `arch`: as
    dpkg says it; "": this machine's."""

    sources: Path | None = None
    arch: str = ""
    packages: Sequence[str] = PACKAGES


def collect(into: Path, asked: Asked) -> int:
    """Fill the folder; how many packages it has. Raises NoDebs."""
    if shutil.which("apt-get") is None:
        raise NoDebs("there is no apt-get here: run this on a Debian or Ubuntu that reaches the package sources")
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kubus-debs-") as name:
        scratch = Path(name)
        options = _options(scratch, asked)
        _apt(*options, "update")
        _apt(*options, "--download-only", "--no-install-recommends", "-y", "install", *asked.packages)
        for package in (scratch / "cache/archives").glob("*.deb"):
            for old in into.glob(f"{package.name.split('_')[0]}_*_{package.name.rpartition('_')[2]}"):
                old.unlink()
            shutil.move(package, into / package.name)
    return len(list(into.glob("*.deb")))


def _options(scratch: Path, asked: Asked) -> list[str]:
    for folder in ("state/lists/partial", "cache/archives/partial", "parts"):
        (scratch / folder).mkdir(parents=True)
    (scratch / "status").touch()
    said = {"Dir::State": scratch / "state", "Dir::State::status": scratch / "status", "Dir::Cache": scratch / "cache",
            "APT::Sandbox::User": "root", "APT::Get::List-Cleanup": "false"}
    if asked.sources:
        shutil.copy2(asked.sources, scratch / "parts" / asked.sources.name)
        said |= {"Dir::Etc::sourcelist": "/dev/null", "Dir::Etc::sourceparts": scratch / "parts"}
    if asked.arch:
        said |= {"APT::Architecture": asked.arch, "APT::Architectures": asked.arch}
    return ["-q", *(word for key, value in said.items() for word in ("-o", f"{key}={value}"))]


def _apt(*words: str) -> None:
    ran = subprocess.run(["apt-get", *words], capture_output=True, text=True, check=False,
                         env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})
    if ran.returncode:
        said = [row for row in ran.stderr.splitlines() if row.startswith("E:")] or ran.stderr.splitlines()[-10:]
        raise NoDebs(f"apt-get could not fetch the packages: {'; '.join(said)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the folder is complete, 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m master.provision.debs", description="Fill a folder with packages.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sources", type=Path, help="package sources of the machines' release (default: this one's)")
    parser.add_argument("--arch", default="", help="the machines' processor: amd64 or arm64 (default: this one)")
    parser.add_argument("packages", nargs="*", default=list(PACKAGES), help=f"default: {' '.join(PACKAGES)}")
    asked = parser.parse_args(arguments)
    try:
        count = collect(asked.folder, Asked(sources=asked.sources, arch=asked.arch, packages=asked.packages))
    except NoDebs as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{asked.folder}: {count} packages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
