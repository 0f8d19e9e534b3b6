"""NATS JWTs: claims as JSON, signed with an nkey. Bytes and text only; what the claims say is claims.py's business.

A token is `base64url(header).base64url(claims).base64url(signature)` with the header below; `jti` is a digest of the
claims without it, `iss` the signer's public key (https://docs.nats.io/running-a-nats-service/configuration/
securing_nats/auth_intro/jwt). The issuer is a public key, so a token can be checked by itself; whether its issuer is
trusted is the reader's question.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from runtime.nkey import public_of, sign
from schemas.errors import KubusError

_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}
_PREFIXES = {"O": 14 << 3, "A": 0, "U": 20 << 3}
"""First byte of a public key by its first letter."""


class BadToken(KubusError):
    """Not a NATS JWT, or not signed by whom it names."""


def encode(claims: Mapping[str, Any], seed: bytes) -> str:
    """The signed token; `iss` and `jti` are added."""
    said = {**claims, "iss": public_of(seed), "jti": ""}
    digest = hashlib.new("sha512_256", _json(said)).digest()
    said["jti"] = base64.b32encode(digest).decode().rstrip("=")
    signed = f"{_text(_json(_HEADER))}.{_text(_json(said))}"
    return f"{signed}.{_text(sign(seed, signed.encode()))}"


def decode(token: str) -> dict[str, Any]:
    """The claims of a token whose signature is its issuer's. Raises BadToken."""
    try:
        signed, _, signature = token.strip().rpartition(".")
        header, claims = (json.loads(_bytes(part)) for part in signed.split("."))
        if header != _HEADER or not isinstance(claims, dict):
            raise BadToken("not a NATS JWT")
        good = verified(str(claims.get("iss", "")), _bytes(signature), signed.encode())
    except ValueError as error:
        raise BadToken("not a NATS JWT") from error
    if not good:
        raise BadToken("the signature of a NATS JWT is not its issuer's")
    return claims


def verified(public: str, signature: bytes, content: bytes) -> bool:
    """Did the owner of this public nkey sign this? False also when the key is none."""
    try:
        Ed25519PublicKey.from_public_bytes(raw_key(public)).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def raw_key(public: str) -> bytes:
    """The 32 bytes of a public nkey. Raises ValueError when it is none: wrong letter, length or checksum."""
    try:
        raw = base64.b32decode(public + "=" * (-len(public) % 8))
    except binascii.Error as error:
        raise ValueError("a public nkey is base32") from error
    if len(raw) != 35 or raw[0] != _PREFIXES.get(public[:1]) or _crc16(raw[:33]) != int.from_bytes(raw[33:], "little"):
        raise ValueError("this is no public nkey")
    return raw[1:33]


def _crc16(content: bytes) -> int:
    """CRC-16/XMODEM, as nkeys ends with."""
    return binascii.crc_hqx(content, 0)


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
