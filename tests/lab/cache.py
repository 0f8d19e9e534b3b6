"""What is made once and used by every run: root trees, wheels, disks. Content decides the name; a lock, who builds.

    <cache>/<name>-<key>          finished: appeared by rename, never changed again
    <cache>/<name>-<key>.part     being built by whoever holds the lock of that name
    <cache>/locks/<name>          one builder at a time; the others wait and then find it finished

The place is KUBUS_LAB_CACHE, else `.cache/lab` of the source tree. Several runs, also of several source trees, may
share it: finished things are only read, and go when nobody asked for them in a week.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

KEEP_SECONDS = 7 * 86400.0
ROOT = Path(__file__).parent.parent.parent


def folder() -> Path:
    """Where the cache lies, absolute."""
    place = Path(os.environ.get("KUBUS_LAB_CACHE") or ROOT / ".cache" / "lab").absolute()
    (place / "locks").mkdir(parents=True, exist_ok=True)
    return place


def key(*parts: str | bytes) -> str:
    """A short name for this content."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
        digest.update(b"\0")
    return digest.hexdigest()[:12]


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Alone with this name, in all processes of this machine."""
    with (folder() / "locks" / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made(name: str, content: str, build: Callable[[Path], None]) -> Path:
    """The finished thing of that content; `build` writes it to the path it is given when it does not exist yet."""
    done = folder() / f"{name}-{content}"
    with locked(name):
        _forget_old(name)
        if done.exists():
            os.utime(done)
            return done
        part = folder() / f"{name}-{content}.part"
        remove(part)
        print(f"lab: making {name} …", file=sys.stderr, flush=True)
        start = time.monotonic()
        build(part)
        part.rename(done)
        os.utime(done)
        print(f"lab: made {name} in {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
    return done


def _forget_old(name: str) -> None:
    """What nobody asked for in a week: the sources went on."""
    for old in folder().glob(f"{name}-*"):
        if time.time() - old.stat().st_mtime > KEEP_SECONDS:
            remove(old)


def remove(path: Path) -> None:
    """A file or a tree, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
