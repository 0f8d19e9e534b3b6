"""A folder from which pip can install Kubus on a host without reaching any index.

The libraries are those of requirements.lock, fetched once per content of that file; the product's own wheel is built
from the source tree as it is now, once per content of the sources.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.lab import cache
from tests.lab.shell import sh

ROOMS = ("schemas", "runtime", "master", "agents", "cli", "ansible")
FILES = ("pyproject.toml", "README.md", "LICENSE")
LOCK = cache.ROOT / "requirements.lock"


def wheels() -> Path:
    """The folder: every library's wheel and one of Kubus."""
    libraries = cache.made("libraries", cache.key(LOCK.read_bytes(), sys.version[:4]), _fetch)
    sources = _sources()
    content = cache.key(libraries.name, *(part for path in sources for part in (str(path), path.read_bytes())))
    return cache.made("wheels", content, lambda part: _assemble(libraries, part))


def _sources() -> list[Path]:
    """What goes into the product's wheel."""
    inside = (path for room in ROOMS for path in (cache.ROOT / room).rglob("*"))
    return sorted(path for path in (*inside, *(cache.ROOT / name for name in FILES))
                  if path.is_file() and "__pycache__" not in path.parts)


def _fetch(part: Path) -> None:
    # "wheel", not "download": a library published as source only is built here, for this Python
    sh(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", part, "-r", LOCK, timeout=1800)


def _assemble(libraries: Path, part: Path) -> None:
    part.mkdir()
    for wheel in libraries.glob("*.whl"):
        os.link(wheel, part / wheel.name)
    with tempfile.TemporaryDirectory(prefix="kubus-wheel-") as scratch:
        for path in _sources():  # a copy: setuptools leaves its folders where it builds
            target = Path(scratch) / path.relative_to(cache.ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
        sh(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", part, scratch, timeout=600)
