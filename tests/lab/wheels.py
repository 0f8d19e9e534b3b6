"""A folder from which pip can install Kubus on a host without reaching any index; made as an operator makes one.

The libraries are fetched once per content of the lock files; the product's own wheel is built from the source tree as
it is now, once per content of the sources.
"""

from __future__ import annotations

import os
from pathlib import Path

from master.provision.debs import PACKAGES, Asked
from master.provision.debs import collect as collect_debs
from master.provision.wheels import HERE, LOCKS, SOURCES, build, collect
from tests.lab import cache, roots

MACHINE = (roots.PYTHONS[roots.SUITE], HERE[1])


def wheels() -> Path:
    """The folder: every library's wheel and one of Kubus."""
    locks = cache.key(*MACHINE, *((cache.ROOT / name).read_bytes() for name in LOCKS))
    libraries = cache.made("libraries", locks, _fetch)
    content = cache.key(locks, *(part for path in _sources() for part in (str(path), path.read_bytes())))
    return cache.made("wheels", content, lambda part: _assemble(libraries, part))


def _fetch(part: Path) -> None:
    collect(part, [MACHINE])


def debs() -> Path:
    """The folder of Debian packages that a host without internet needs."""
    return cache.made("debs", cache.key(roots.sources(), *PACKAGES), _fetch_debs)


def _fetch_debs(part: Path) -> None:
    part.mkdir()
    sources = part / ("debian.sources" if "Types:" in roots.sources() else "debian.list")
    sources.write_text(roots.sources())
    collect_debs(part, Asked(sources=sources))


def _sources() -> list[Path]:
    """What goes into the product's wheel."""
    places = [cache.ROOT / name for name in SOURCES]
    inside = (path for place in places for path in ([place] if place.is_file() else place.rglob("*")))
    return sorted(path for path in inside if path.is_file() and "__pycache__" not in path.parts)


def _assemble(libraries: Path, part: Path) -> None:
    part.mkdir()
    for wheel in libraries.glob("*.whl"):
        os.link(wheel, part / wheel.name)
    build(cache.ROOT, part)
