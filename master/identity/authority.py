"""Who signs for the bus: the seeds of the operator, its two accounts, and KUBUS' signing key, as one secret.

Whoever holds it decides who may speak on the bus: it lies with the CA's key on the masters, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from runtime.nkey import new_seed, public_of

from . import busjwt, claims


class Authority(Struct, frozen=True, forbid_unknown_fields=True):
    """Four seeds. Times are unix seconds."""

    operator: str
    system: str
    account: str
    signing: str

    @property
    def account_key(self) -> str:
        """Public key of the account in which everything happens."""
        return public_of(self.account.encode())

    @property
    def system_key(self) -> str:
        """Public key of the server's own account."""
        return public_of(self.system.encode())

    def operator_jwt(self, at: int) -> str:
        """Who the operator is: it signs itself."""
        seed = self.operator.encode()
        return busjwt.encode(claims.operator(public_of(seed), self.system_key, at), seed)

    def system_jwt(self, at: int) -> str:
        """The server's own account."""
        return busjwt.encode(claims.account("SYS", self.system_key, at), self.operator.encode())

    def account_jwt(self, at: int, revoked: Mapping[str, int] | None = None) -> str:
        """The account in which everything happens, with whom it no longer lets in."""
        said = claims.account("KUBUS", self.account_key, at, signing=public_of(self.signing.encode()), jetstream=True,
                              revoked=revoked)
        return busjwt.encode(said, self.operator.encode())

    def user_jwt(self, identity: str, public: str, at: int, *, until: int = 0) -> str:
        """A member of KUBUS; see claims.user."""
        return busjwt.encode(claims.user(identity, public, self.account_key, at, until=until), self.signing.encode())

    def system_user_jwt(self, public: str, at: int) -> str:
        """A user of the server's own account: who may push accounts."""
        return busjwt.encode(claims.user("system", public, self.system_key, at), self.system.encode())


def new_authority() -> Authority:
    """Fresh seeds."""
    return Authority(operator=new_seed("operator").decode(), system=new_seed("account").decode(),
                     account=new_seed("account").decode(), signing=new_seed("account").decode())


def load_authority(content: bytes) -> Authority:
    """Inverse of `msgspec.json.encode`. Raises msgspec.ValidationError."""
    return msgspec.json.decode(content, type=Authority)
