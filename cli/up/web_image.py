"""The demo's image: `nginx` where a registry answers, else a small web server built on the spot. Says which.

The small image is the machine's own static busybox in a tar: `httpd` serving one page.
"""

from __future__ import annotations

import asyncio
import io
import tarfile
from pathlib import Path

from agents.containers.containers import Containers, ContainersError
from schemas.errors import KubusError

NGINX = "nginx"
LOCAL = "kubus/web:1"
PULL_SECONDS = 60.0
PAGE = b"<!doctype html><title>Kubus</title><h1>It runs.</h1><p>A pod of Kubus served this page.</p>\n"
BUSYBOX = Path("/bin/busybox")


class NoImage(KubusError):
    """Neither a registry nor a static busybox."""


async def web_image(containers: Containers) -> tuple[str, str]:
    """(image, a sentence about where it is from). Raises NoImage with what to do."""
    for name, words in ((NGINX, "nginx is here already"), (LOCAL, "no registry: the small web image made earlier")):
        if await containers.image(name) is not None:
            return name, words
    try:
        await asyncio.wait_for(containers.pull(NGINX), PULL_SECONDS)
    except (ContainersError, TimeoutError) as error:
        busybox = await asyncio.to_thread(_read, BUSYBOX)
        if busybox is None:
            raise NoImage(
                f"nginx cannot be pulled ({error}) and there is no {BUSYBOX}: run `apt-get install busybox-static`"
            ) from error
        await containers.load(LOCAL, web_tar(busybox), {}, "/bin/web")
        return LOCAL, "no registry answers: built a small web image from this machine's busybox"
    return NGINX, "pulled nginx"


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def web_tar(busybox: bytes) -> bytes:
    """A root file system: busybox, its links, one page, and `/bin/web` that serves it on port 80."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("bin", "tmp", "www", "etc"):
            tar.addfile(_entry(folder, tarfile.DIRTYPE, 0o755))
        _add(tar, "bin/busybox", busybox, 0o755)
        for name in ("sh", "httpd", "wget", "ls", "cat", "sleep", "ip", "nslookup", "env", "hostname"):
            link = _entry(f"bin/{name}", tarfile.SYMTYPE, 0o777)
            link.linkname = "busybox"
            tar.addfile(link)
        _add(tar, "bin/web", b'#!/bin/sh\necho "serving on port 80"\nexec httpd -f -p 80 -h /www\n', 0o755)
        _add(tar, "www/index.html", PAGE, 0o644)
        _add(tar, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\n", 0o644)
    return out.getvalue()


def _entry(name: str, type_: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = type_, mode
    return entry


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = _entry(name, tarfile.REGTYPE, mode)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
