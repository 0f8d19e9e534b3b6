"""A folder from which pip can install Kubus on a host without reaching any index; made as an operator makes one.

The libraries are fetched once per content of the lock files; the product's own wheel is built from the source tree as
it is now, once per content of the sources.
"""

from __future__ import annotations

import os
from pathlib import Path

from master.provision.wheels import HERE, LOCKS, SOURCES, build, collect
from tests.lab import cache


def wheels() -> Path:
    """The folder: every library's wheel and one of Kubus."""
    locks = cache.key(*HERE, *((cache.ROOT / name).read_bytes() for name in LOCKS))
    libraries = cache.made("libraries", locks, _fetch)
    content = cache.key(locks, *(part for path in _sources() for part in (str(path), path.read_bytes())))
    return cache.made("wheels", content, lambda part: _assemble(libraries, part))


def _fetch(part: Path) -> None:
    collect(part)


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
