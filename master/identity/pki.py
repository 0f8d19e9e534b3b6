"""The folder that holds a cluster's secrets: CA, leaf certificates, the bus' authority and secret, bus users' seeds.

Everything is made once and kept; a leaf is issued again only when its names or its end of life ask for it, a user's
JWT when it says something else than it should. Services' users live on a master beside the authority itself, so their
JWTs do not end; nodes' do.
Files are 0600, the folder 0700.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from runtime.nkey import new_seed, public_of
from schemas.bus.proof import session_key

from . import busjwt
from .authority import Authority, load_authority, new_authority
from .ca import Pair, Want, issue, new_ca, still_good

SECRET_BYTES = 32
SYSTEM = "system"
"""The bus user of the server's own account."""
NODE_SECONDS = 86_400
"""How long the JWT of a node is good that is made here: `kubus up`'s own, whose agent renews it as every other."""
AT_FIRST = 1
"""Unix seconds: what a server's config says is older than any account that was pushed, and the newer one wins."""


class BusUser(Struct, frozen=True):
    """Files of a bus identity: its nkey seed, its NATS JWT, the key of its proofs; and its public nkey."""

    seed: Path
    jwt: Path
    proof: Path
    public: str


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

    @property
    def authority_file(self) -> Path:
        """Who signs for the bus: operator, accounts, signing key."""
        return self.folder / "bus.authority"

    def ensure_authority(self) -> Authority:
        """The bus' root of trust, made on first use."""
        if not self.authority_file.exists():
            write_secret(self.authority_file, msgspec.json.encode(new_authority()))
        return load_authority(self.authority_file.read_bytes())

    def ensure_accounts(self) -> tuple[str, dict[str, str]]:
        """(operator's JWT, account public key -> JWT): what a nats-server knows from its first second."""
        authority = self.ensure_authority()
        accounts = {authority.system_key: authority.system_jwt(AT_FIRST),
                    authority.account_key: authority.account_jwt(AT_FIRST)}
        return authority.operator_jwt(AT_FIRST), accounts

    def ensure_bus_user(self, identity: str, now: datetime) -> BusUser:
        """A bus identity such as `node.n1`; `system` is the one that may push accounts. A node's JWT ends, and is made
        anew when a third of its life is over."""
        authority, at = self.ensure_authority(), int(now.timestamp())
        seed, proof = self.folder / f"bus-{identity}.nk", self.folder / f"bus-{identity}.key"
        if not seed.exists():
            write_secret(seed, new_seed())
        public = public_of(seed.read_bytes())
        write_secret(proof, session_key(self.secret_file.read_bytes(), identity))
        system = identity == SYSTEM
        until = at + NODE_SECONDS if identity.startswith("node.") else 0
        token = (authority.system_user_jwt(public, at) if system
                 else authority.user_jwt(identity, public, at, until=until))
        self._ensure_jwt(f"bus-{identity}.jwt", token, until)
        return BusUser(seed, self.folder / f"bus-{identity}.jwt", proof, public)

    def _ensure_jwt(self, name: str, wanted: str, until: int) -> None:
        """The kept token stays when it says the same but for its times, and is fresh."""
        file = self.folder / name
        if file.exists():
            kept = busjwt.decode(file.read_text())
            fresh = until - int(kept.get("exp", 0)) < NODE_SECONDS // 3
            if _said(kept) == _said(busjwt.decode(wanted)) and fresh:
                return
        write_secret(file, wanted.encode())


def _said(claims: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in claims.items() if key not in {"iat", "exp", "jti"}}


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
