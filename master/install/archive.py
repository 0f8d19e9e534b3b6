"""The backup's file: a tar with a manifest first, which names every other part with its SHA-256.

    manifest.json  master.json  etcd.db  pki/<file>…        mode 0600: whoever reads it owns the cluster
Refuses parts that the manifest does not name, names that lead out of the folder, and any part that was changed.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import Struct

from schemas.errors import KubusError

FORMAT = 1
MANIFEST, TOPOLOGY, DATABASE, PKI = "manifest.json", "master.json", "etcd.db", "pki"


class BadArchive(KubusError):
    """The file is no backup, or not a whole one; says which part is wrong."""


class Manifest(Struct, frozen=True, kw_only=True):
    """What the backup is of. `made`: RFC 3339; `sums`: part -> SHA-256 in hex."""

    format: int = FORMAT
    id: str
    cluster: str
    made: str
    kubus: str
    etcd: str
    revision: int
    sums: Mapping[str, str]


def sums(folder: Path) -> dict[str, str]:
    """Of all parts below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {file.relative_to(folder).as_posix(): _sum(file) for file in files}


def pack(folder: Path, manifest: Manifest, file: Path) -> None:
    """Write the archive, whole or not at all. Raises OSError."""
    scratch = file.with_name(f".{file.name}.new")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as tar:
                raw = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
                tar.addfile(_entry(MANIFEST, len(raw)), io.BytesIO(raw))
                for part in manifest.sums:
                    source = folder / part
                    with source.open("rb") as content:
                        tar.addfile(_entry(part, source.stat().st_size), content)
            out.flush()
            os.fsync(out.fileno())
        scratch.replace(file)
    finally:
        scratch.unlink(missing_ok=True)


def unpack(file: Path, folder: Path) -> Manifest:
    """Lay the parts below an empty folder. Raises BadArchive, OSError."""
    try:
        with tarfile.open(file, mode="r:gz") as tar:
            first = tar.next()
            if first is None or first.name != MANIFEST:
                raise BadArchive(f"{file} does not begin with a manifest: it is no backup of Kubus")
            manifest = msgspec.json.decode(_content(tar, first), type=Manifest)
            _check(file, manifest)
            for entry in tar:
                if entry.name != MANIFEST:
                    _lay(tar, entry, manifest, folder)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, msgspec.MsgspecError) as error:
        if isinstance(error, OSError) and not file.exists():
            raise BadArchive(f"{file} is not there") from error
        if isinstance(error, OSError) and error.errno:  # of the machine (a full disk, no rights), not of the file
            raise
        raise BadArchive(f"{file} is no whole backup: {error}") from error
    found = sums(folder)
    wrong = sorted(set(manifest.sums.items()) ^ set(found.items()))
    if wrong:
        raise BadArchive(f"{file}: {wrong[0][0]} is missing or was changed")
    return manifest


def _check(file: Path, manifest: Manifest) -> None:
    if manifest.format != FORMAT:
        words = f"{file} has the format {manifest.format}, this Kubus reads {FORMAT}"
        raise BadArchive(f"{words}: use Kubus {manifest.kubus}")
    missing = {TOPOLOGY, DATABASE, f"{PKI}/ca.key"} - set(manifest.sums)
    if missing:
        raise BadArchive(f"{file} lacks {', '.join(sorted(missing))}")


def _lay(tar: tarfile.TarFile, entry: tarfile.TarInfo, manifest: Manifest, folder: Path) -> None:
    path = PurePosixPath(entry.name)
    if entry.name not in manifest.sums or path.is_absolute() or ".." in path.parts or not entry.isfile():
        raise BadArchive(f"{entry.name} does not belong into a backup")
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source = tar.extractfile(entry)
    assert source is not None
    with source, target.open("wb") as out:
        while block := source.read(1 << 20):
            out.write(block)


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    found = tar.extractfile(entry)
    return found.read() if found else b""


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def _sum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
