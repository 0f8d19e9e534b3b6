"""Join tokens: Secrets of Kubernetes' type in kube-system, holding a digest and never the secret itself. Pure.

    data: token-id, token-digest (hex sha256 of the secret), expiration (RFC 3339), [node], [reusable], [used-by]

`used-by` is the public nkey and the node that consumed a single-use token. It is written by compare-and-swap before
anything is handed out; the same two may ask again (an answer can get lost), nobody else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from datetime import datetime
from hmac import compare_digest

from msgspec import Struct
from msgspec.structs import replace

from schemas.core.secret import Secret
from schemas.errors import Forbidden, Unauthorized
from schemas.join import JoinAsk

TYPE, NAMESPACE, PREFIX = "bootstrap.kubernetes.io/token", "kube-system", "bootstrap-token-"
UNKNOWN = "the join token is not known or has ended; `kubus token create` makes another"
"""One sentence for every wrong token: a guesser must not learn which part was right."""


class Token(Struct, frozen=True, kw_only=True):
    """What the Secret says. `expires`: unix seconds, 0 when it says nothing that can be read: then it has ended."""

    id: str
    digest: str
    expires: float
    node: str = ""
    reusable: bool = False
    used_by: str = ""


def digest(secret: str) -> str:
    """Hex sha256. The secret has 128 bits and more, so a slow hash would add nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def token_of(secret: Secret) -> Token:
    """Inverse of how `kubus token create` writes it."""
    said = {key: _text(value) for key, value in secret.data.items()}
    return Token(id=said.get("token-id", ""), digest=said.get("token-digest", ""), node=said.get("node", ""),
                 expires=_moment(said.get("expiration", "")), reusable=said.get("reusable") == "true",
                 used_by=said.get("used-by", ""))


def user(ask: JoinAsk) -> str:
    """Who consumes a token."""
    return f"{ask.nkey} {ask.node}"


def used(secret: Secret, by: str) -> Secret:
    """The Secret with who consumed it."""
    return replace(secret, data={**secret.data, "used-by": base64.b64encode(by.encode()).decode()})


def check(token: Token | None, secret: str, ask: JoinAsk, now: float) -> Token:
    """The token, if it may let this node in. Raises Unauthorized, or Forbidden with what to do."""
    right = compare_digest(digest(secret), token.digest if token else "")
    if token is None or not right or now >= token.expires:
        raise Unauthorized(UNKNOWN)
    if token.node and token.node != ask.node:
        raise Forbidden(f"this token is for the node {token.node}, not for {ask.node}: use `--name {token.node}`, or "
                        f"make one with `kubus token create --node {ask.node}`")
    if token.used_by and not token.reusable and token.used_by != user(ask):
        raise Unauthorized("the join token was used already; `kubus token create` makes another")
    return token


def _text(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
