"""The folder of wheels that goes to the machines: our own wheel, made from what runs here, and the operator's.

The wheel is packed by hand from the running packages and this installation's metadata: no build tool, no network, and
the same source gives the same bytes, so that a second run changes nothing on a machine. A kubus wheel that the operator
put into the folder is taken as it is.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

from .places import SHARE, ansible_folder
from .target import ProvisionError

PACKAGES = ("schemas", "runtime", "master", "agents", "cli")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time a zip can hold


class NoWheel(ProvisionError):
    """Our own wheel cannot be made, or the operator's folder is no folder of wheels."""


def gather(folder: Path, given: Path | None) -> Path:
    """`folder`, holding the given folder's wheels (none given: those it held before) and ours. Raises NoWheel."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted(given.glob("*.whl")) if given else []
    if given and not sources:
        raise NoWheel(f"there is no wheel in {given}; fill it with `python -m master.provision.wheels {given}`")
    ours = [path for path in sources if path.name.startswith("kubus-")]
    name, content = (ours[-1].name, ours[-1].read_bytes()) if ours else own()
    wanted = {path.name for path in sources if path not in ours} | {name}
    for old in folder.glob("*.whl"):
        if old.name not in wanted and (given or old.name.startswith("kubus-")):
            old.unlink()
    for path in sources:
        if path not in ours and not _same(path, folder / path.name):
            shutil.copy2(path, folder / path.name)
    if not (folder / name).exists() or (folder / name).read_bytes() != content:
        (folder / name).write_bytes(content)
    return folder


def own() -> tuple[str, bytes]:
    """(file name, bytes) of the kubus wheel. Raises NoWheel."""
    installed = _installed()
    stem = f"kubus-{installed.version}"
    info = f"{stem}.dist-info"
    files = dict(_sources())
    files.update({f"{stem}.data/data/{name}": content for name, content in _roles()})
    for name in ("METADATA", "entry_points.txt"):
        files[f"{info}/{name}"] = (installed.read_text(name) or "").encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: kubus\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = _record(files, info).encode()
    return f"{stem}-py3-none-any.whl", _zip(files)


def _installed() -> importlib.metadata.Distribution:
    """What pip knows of us. An egg-info folder that a build left in the working directory is found first, and is no
    installation. Raises NoWheel."""
    for found in importlib.metadata.distributions(name="kubus"):
        if found.read_text("METADATA") and found.read_text("entry_points.txt"):
            return found
    raise NoWheel("kubus is not installed in this Python; install it (`pip install -e .` in a checkout)")


def _sources() -> Iterator[tuple[str, bytes]]:
    root = Path(__file__).resolve().parents[2]
    for package in PACKAGES:
        yield from _tree(root, root / package)


def _roles() -> Iterator[tuple[str, bytes]]:
    folder = ansible_folder()
    for name, content in _tree(folder.parent, folder):
        yield f"{SHARE}/{name}", content
    for lock in sorted(folder.parent.glob("requirements-*.lock")):
        yield f"{SHARE}/{lock.name}", lock.read_bytes()


def _tree(root: Path, top: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(top.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(root)), path.read_bytes()


def _record(files: dict[str, bytes], info: str) -> str:
    """https://packaging.python.org/en/latest/specifications/recording-installed-packages/"""
    rows = []
    for name, content in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        rows.append(f"{name},sha256={digest},{len(content)}")
    return "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            executable = content.startswith(b"#!")
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return out.getvalue()


def _same(one: Path, other: Path) -> bool:
    return other.exists() and other.stat().st_size == one.stat().st_size and int(other.stat().st_mtime) == int(
        one.stat().st_mtime)
