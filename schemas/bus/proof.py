"""Who really sent a bus request. NATS permissions let a client publish only under its own subject, but any responder
can be made to publish onto a reply subject that its requester chose; so the subject names the user and this proves it.

A request carries `Kubus-Proof: <unix ms>.<nonce>.<hex hmac-sha256>` over subject, reply, body digest, query, content
type, request id, time and nonce, keyed by the identity's session key. The server refuses stale times and seen nonces.
"""

from __future__ import annotations

import hashlib
import hmac

PROOF = "Kubus-Proof"
QUERY = "Kubus-Query"
STATUS = "Kubus-Status"
WINDOW_SECONDS = 120


def session_key(secret: bytes, identity: str, generation: str = "") -> bytes:
    """The key of one identity (`node.n1`), derived from the cluster's bus secret so that API servers keep no table.

    `generation`: which join of a node; a key of an earlier one proves nothing. "": made beside the secret itself.
    """
    said = f"{identity}\0{generation}" if generation else identity
    return hmac.new(secret, b"kubus-bus-session\0" + said.encode(), hashlib.sha256).digest()


def sign(key: bytes, *, subject: str, reply: str, body: bytes, query: str, content_type: str, request_id: str,
         at_ms: int, nonce: str) -> str:
    """The header's value."""
    digest = hashlib.sha256(body).hexdigest()
    said = "\0".join((subject, reply, digest, query, content_type, request_id, str(at_ms), nonce))
    return f"{at_ms}.{nonce}.{hmac.new(key, said.encode(), hashlib.sha256).hexdigest()}"


def inbox(identity: str) -> str:
    """Prefix of every reply subject this identity may choose."""
    return f"_INBOX.{identity}"
