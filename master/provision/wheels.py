<<<<<<< HEAD
"""A folder of wheels that makes a master or a worker without an index: `python -m master.provision.wheels FOLDER`.

Builds Kubus' own wheel from this checkout, fetches the locked libraries for each Python and processor asked for, and
pip itself (a machine's environment is made with it, so that no python3-venv package is needed there). Reads the
checkout and PyPI; writes only into the folder. Refuses to run outside a checkout: an installed Kubus has no source.
=======
"""The folder of wheels that goes to the machines: our own wheel, made from what runs here, and the operator's.

The wheel is packed by hand from the running packages and this installation's metadata: no build tool, no network, and
the same source gives the same bytes, so that a second run changes nothing on a machine. A kubus wheel that the operator
put into the folder is taken as it is.
>>>>>>> 4e1c7e3 (Provisioning: targets, facts over SSH, preflight, plan, fleet file, plays and their progress, our own wheel)
"""

from __future__ import annotations

<<<<<<< HEAD
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
PIP = "pip==25.3"
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
    content = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks) + PIP.encode()).hexdigest()[:16]
    done = into / f".complete-{python}-{arch}-{content}"
    if done.exists():
        return
    pure = [pin for lock in locks for pin in lock.read_text().split() if pin.split("==")[0] in SOURCE_ONLY]
    _pip("wheel", "--no-deps", "--wheel-dir", str(into), *dict.fromkeys(pure))
    tags = [word for name in _PLATFORMS for word in ("--platform", f"{name}_{arch}")]
    wants = [word for lock in locks for word in ("-r", str(lock))]
    _pip("download", "--no-deps", "--only-binary", ":all:", "--python-version", python, "--implementation", "cp", *tags,
         "--find-links", str(into), "--dest", str(into), PIP, *wants)
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
=======
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
    """`folder`, holding the given folder's wheels and ours. Raises NoWheel."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted(given.glob("*.whl")) if given else []
    if given and not sources:
        raise NoWheel(f"there is no wheel in {given}; fill it with `pip wheel -r requirements-agent.lock -w {given}`")
    ours = [path for path in sources if path.name.startswith("kubus-")]
    name, content = (ours[-1].name, ours[-1].read_bytes()) if ours else own()
    wanted = {path.name for path in sources if path not in ours} | {name}
    for old in folder.glob("*.whl"):
        if old.name not in wanted:
            old.unlink()
    for path in sources:
        if path not in ours and not _same(path, folder / path.name):
            shutil.copy2(path, folder / path.name)
    if not (folder / name).exists() or (folder / name).read_bytes() != content:
        (folder / name).write_bytes(content)
    return folder


def own() -> tuple[str, bytes]:
    """(file name, bytes) of the kubus wheel. Raises NoWheel."""
    try:
        installed = importlib.metadata.distribution("kubus")
    except importlib.metadata.PackageNotFoundError as error:
        raise NoWheel("kubus is not installed in this Python; install it (`pip install -e .` in a checkout)") from error
    stem = f"kubus-{installed.version}"
    info = f"{stem}.dist-info"
    files = dict(_sources())
    files.update({f"{stem}.data/data/{name}": content for name, content in _roles()})
    for name in ("METADATA", "entry_points.txt"):
        text = installed.read_text(name)
        if text is None:
            raise NoWheel(f"this installation of kubus lacks its {name}; install it again")
        files[f"{info}/{name}"] = text.encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: kubus\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files[f"{info}/RECORD"] = _record(files, info).encode()
    return f"{stem}-py3-none-any.whl", _zip(files)


def _sources() -> Iterator[tuple[str, bytes]]:
    root = Path(__file__).resolve().parents[2]
    for package in PACKAGES:
        yield from _tree(root, root / package)


def _roles() -> Iterator[tuple[str, bytes]]:
    folder = ansible_folder()
    for name, content in _tree(folder.parent, folder):
        yield f"{SHARE}/{name}", content


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
>>>>>>> 4e1c7e3 (Provisioning: targets, facts over SSH, preflight, plan, fleet file, plays and their progress, our own wheel)
