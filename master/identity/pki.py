"""The folder that holds a cluster's secrets: CA, leaf certificates, bus users' seeds, the bus secret.

Everything is made once and kept; a leaf is issued again only when its names or its end of life ask for it.
Files are 0600, the folder 0700.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from schemas.bus.proof import session_key

from .busauth import new_user, public_of
from .ca import Pair, Want, issue, new_ca, still_good

SECRET_BYTES = 32


class Pki:
    """`ensure_…` makes what is missing and returns paths; a second call changes nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def ca_cert(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def secret_file(self) -> Path:
        """The bus secret, from which every identity's session key is derived."""
        return self.folder / "bus.secret"

    def ensure_ca(self, name: str, now: datetime) -> Pair:
        """The cluster's root, made on first use."""
        cert, key = self.ca_cert, self.folder / "ca.key"
        if not cert.exists() or not key.exists():
            pair = new_ca(name, now)
            write_secret(key, pair.key)
            write_secret(cert, pair.cert)
        if not self.secret_file.exists():
            write_secret(self.secret_file, os.urandom(SECRET_BYTES))
        return Pair(cert.read_bytes(), key.read_bytes())

    def ensure_leaf(self, ca: Pair, file: str, want: Want, now: datetime) -> tuple[Path, Path]:
        """(certificate, key) paths of a leaf called `file`."""
        cert, key = self.folder / f"{file}.crt", self.folder / f"{file}.key"
        if cert.exists() and key.exists() and still_good(Pair(cert.read_bytes(), key.read_bytes()), ca, want, now):
            return cert, key
        pair = issue(ca, want, now)
        write_secret(key, pair.key)
        write_secret(cert, pair.cert)
        return cert, key

    def ensure_bus_user(self, identity: str) -> tuple[Path, Path, str]:
        """(nkey seed file, session key file, public nkey) of a bus identity such as `node.n1`."""
        seed_file, key_file = self.folder / f"bus-{identity}.nk", self.folder / f"bus-{identity}.key"
        if not seed_file.exists():
            write_secret(seed_file, new_user())
        write_secret(key_file, session_key(self.secret_file.read_bytes(), identity))
        return seed_file, key_file, public_of(seed_file.read_bytes())

    def bus_users(self, identities: Iterable[str]) -> dict[str, str]:
        """identity -> public nkey."""
        return {identity: self.ensure_bus_user(identity)[2] for identity in identities}


def write_secret(path: Path, content: bytes) -> None:
    """Atomic, readable by the owner only; leaves an equal file alone."""
    if path.exists() and path.read_bytes() == content:
        return
    scratch = path.with_name(path.name + ".new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    scratch.replace(path)
