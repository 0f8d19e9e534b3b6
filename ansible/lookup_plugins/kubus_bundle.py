"""On the control machine: the wheels that one kind of machine needs, in one tar (one transfer, not thirty)."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tarfile
import time
import zipfile
from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

DOCUMENTATION = """
name: kubus_bundle
short_description: A tar of wheels (or of .deb files) and a digest of what is in it
options:
  _terms: {description: The folder., required: true}
  lock: {description: The lock file; absent when the folder holds .deb files., type: path}
  python: {description: The machine's Python, as 3.11.}
  arch: {description: The machine's processor, as x86_64.}
  index: {description: Whether the machine fetches libraries itself., type: bool, default: false}
"""

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubus" / "bundles"
KEPT_SECONDS = 24 * 3600
NEWEST_GLIBC = 35  # Ubuntu 22.04's, the oldest machine we provision


class LookupModule(LookupBase):
    """See DOCUMENTATION."""

    def run(self, terms, variables=None, **kwargs):
        """[{"path": tar, "digest": …}]."""
        self.set_options(var_options=variables, direct=kwargs)
        folder = Path(os.path.expanduser(terms[0] or ""))
        if not terms[0] or not folder.is_dir():
            raise AnsibleLookupError(f"no folder of wheels at '{terms[0]}': set kubus_wheels; `make wheels` fills one")
        lock = kwargs.get("lock")
        if not lock:
            return [bundle(sorted(folder.glob("*.deb")), None)]
        pins = Path(lock).read_text().split()
        tags = fitting(kwargs["python"], kwargs["arch"])
        wanted = ["kubus"] if kwargs.get("index") else [*pins, "kubus"]
        return [bundle([chosen(folder, pin, tags, kwargs) for pin in wanted], Path(lock))]


def fitting(python, arch):
    """Tags of wheels that run there, best first."""
    version = tuple(int(part) for part in python.split("."))
    old = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
    platforms = []
    for minor in range(NEWEST_GLIBC, 4, -1):
        platforms += [f"{name}_{arch}" for name in (f"manylinux_2_{minor}", old.get(minor)) if name]
    platforms.append(f"linux_{arch}")
    interpreter = f"cp{version[0]}{version[1]}"
    return [*cpython_tags(version, None, platforms), *compatible_tags(version, interpreter, platforms)]


def chosen(folder, pin, tags, asked):
    """The best wheel for a pin (`name==version`, or a bare name). Raises AnsibleLookupError."""
    name, _, version = pin.partition("==")
    found = []
    for path in folder.glob("*.whl"):
        known, release, _, offered = parse_wheel_filename(path.name)
        if known == canonicalize_name(name) and version in ("", str(release)):
            ranks = [tags.index(tag) for tag in offered if tag in tags]
            found += [(min(ranks), path)] if ranks else []
    if not found:
        raise AnsibleLookupError(
            f"{folder} has no wheel of {pin} for Python {asked['python']} on {asked['arch']}: "
            f"`.venv/bin/python -m master.provision.wheels {folder} --python {asked['python']} --arch {asked['arch']}`"
        )
    return min(found)[1]


def pip():
    """The control machine's own pip: with it a machine needs no python3-venv. Raises AnsibleLookupError."""
    found = importlib.util.find_spec("pip")
    if found is None or not found.submodule_search_locations:
        raise AnsibleLookupError("Ansible's own Python has no pip: install it there (`python3 -m ensurepip`)")
    return Path(found.submodule_search_locations[0])


def bundle(files, lock):
    """The tar, made once per content."""
    digest = hashlib.sha256(lock.read_bytes() if lock else b"")
    for path in files:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        if path.name.startswith("kubus-"):  # its version does not tell one build from the next
            with zipfile.ZipFile(path) as wheel:
                digest.update("".join(f"{i.filename} {i.CRC}\n" for i in wheel.infolist()).encode())
    name = digest.hexdigest()[:12]
    target = CACHE / f"{name}.tar"
    if not target.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        for old in CACHE.iterdir():
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                old.unlink(missing_ok=True)
        scratch = target.with_suffix(f".{os.getpid()}")
        with tarfile.open(scratch, "w") as packed:
            for path in files:
                packed.add(path, path.name)
            if lock:
                packed.add(lock, "requirements.lock")
                packed.add(pip(), "pip", filter=lambda member: None if "__pycache__" in member.name else member)
        scratch.rename(target)
    return {"path": str(target), "digest": name, "files": len(files)}
