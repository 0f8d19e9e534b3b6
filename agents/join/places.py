"""Where a worker's agent keeps what it is told and who it is. Pure but for `write` and `remove`.

    <etc>/agent.json                              runtime.config.AgentConfig
    <etc>/agent/{ca.crt,node.nk,node.jwt,proof.key}   0600, the folder 0700
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from schemas.errors import KubusError

ETC, STATE = Path("/etc/kubus"), Path("/var/lib/kubus/agent")
UNIT = Path("/etc/systemd/system/kubus-agent.service")


class Places(Struct, frozen=True):
    """The paths below one folder of configs."""

    etc: Path = ETC

    @property
    def config(self) -> Path:
        return self.etc / "agent.json"

    @property
    def folder(self) -> Path:
        return self.etc / "agent"

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def seed(self) -> Path:
        return self.folder / "node.nk"

    @property
    def coming(self) -> Path:
        """The seed of a join that was begun: it becomes `seed` when the master has said yes."""
        return self.folder / "coming.nk"

    @property
    def jwt(self) -> Path:
        return self.folder / "node.jwt"

    @property
    def proof(self) -> Path:
        return self.folder / "proof.key"

    def secrets(self) -> tuple[Path, ...]:
        """Files that say who this node is; the config first, because it is what makes a node of the rest."""
        return (self.config, self.jwt, self.proof, self.seed, self.ca)


class CannotWrite(KubusError):
    """A file of ours cannot be written; says which and why."""


def write(path: Path, content: bytes, mode: int = 0o600) -> bool:
    """Atomic and durable; did it change anything? An equal file is left alone. Raises CannotWrite."""
    try:
        return _written(path, content, mode)
    except OSError as error:
        raise CannotWrite(f"cannot write {path}: {error.strerror}; is this root?") from error


def _written(path: Path, content: bytes, mode: int) -> bool:
    if path.exists() and path.read_bytes() == content:
        return False
    for folder in reversed([path.parent, *(folder for folder in path.parents if not folder.exists())]):
        folder.mkdir(exist_ok=True, mode=0o700)
    scratch = path.with_name(path.name + ".new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    scratch.replace(path)
    return True


def remove(places: Places) -> None:
    """Every file of ours; what is not there is fine."""
    for path in (*places.secrets(), places.coming):
        path.unlink(missing_ok=True)
        path.with_name(path.name + ".new").unlink(missing_ok=True)
    if places.folder.is_dir():
        places.folder.rmdir()
