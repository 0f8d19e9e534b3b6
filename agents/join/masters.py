"""HTTPS to the API servers with the standard library: for join, leave, and a renewal when the bus lets us in no more.

Several servers are tried in turn. Whoever has not got the CA yet believes a server only as far as to fetch it, and
compares its digest before anything else is said. Synchronous; raises the ApiError tree and Unreachable.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import ssl
import time
from collections.abc import Sequence
from hmac import compare_digest
from typing import Any
from urllib.parse import urlsplit

import msgspec

from runtime.refusals import error_of
from schemas.errors import ApiError, KubusError, TooManyRequests, Unreachable
from schemas.join import CA

SECONDS = 10.0
TRIES, PAUSE = 5, 0.5
"""How often servers are asked when one is there but cannot now (429, 5xx, cut off), and seconds between."""
MOST_CA = 256 * 1024


class WrongCa(KubusError):
    """The server's CA is not the one that was meant: another cluster, or somebody in between."""


class BadServer(KubusError):
    """Not an https URL."""


def fetch_ca(servers: Sequence[str], digest: str) -> str:
    """The cluster's CA, PEM. Raises WrongCa, Unreachable."""
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    said = ask(servers, stranger, "GET", CA)
    ca = only_certificate(str(said.get("ca", "")) if isinstance(said, dict) else "")
    found = fingerprint(ca)
    if not compare_digest(found, digest):
        raise WrongCa(f"the CA at {', '.join(servers)} has the digest {found}, not {digest}: another cluster, or "
                      "somebody in between; nothing was told to it")
    return ca


def only_certificate(pem: str) -> str:
    """The same, written anew from what is in it. Raises WrongCa unless that is one certificate and nothing else: a
    context trusts every certificate it is given, and the digest is of the first."""
    try:
        der = base64.b64decode("".join(pem.strip().removeprefix(ssl.PEM_HEADER).removesuffix(ssl.PEM_FOOTER).split()),
                               validate=True)
        if _element(der, 0)[2] != len(der):
            raise WrongCa("the server sent more than one certificate")
    except (ValueError, IndexError) as error:
        raise WrongCa("the server sent something else than one certificate; nothing was told to it") from error
    return ssl.DER_cert_to_PEM_cert(der)


def fingerprint(ca: str) -> str:
    """`sha256:<hex>` over the certificate's public key, as the join line has it."""
    try:
        return "sha256:" + hashlib.sha256(_public_key(ssl.PEM_cert_to_DER_cert(ca))).hexdigest()
    except (ValueError, IndexError) as error:
        raise WrongCa("the server sent no certificate") from error


def trusting(ca: str) -> ssl.SSLContext:
    """A context that believes that CA only."""
    try:
        return ssl.create_default_context(cadata=ca)
    except ssl.SSLError as error:
        raise WrongCa(f"the CA cannot be read: {error}") from error


def ask(servers: Sequence[str], context: ssl.SSLContext, method: str, path: str, body: Any = None) -> Any:
    """One answer of the first server that gives one, as a JSON value. What a server refuses, all would refuse."""
    for left in reversed(range(TRIES)):
        failures: list[str] = []
        busy = False
        for server in servers:
            try:
                return _once(server, context, method, path, body)
            except (OSError, http.client.HTTPException) as error:
                failures.append(f"{server}: {error}")
                busy |= isinstance(error, ConnectionResetError)  # it stops, or starts
            except ApiError as error:
                if not isinstance(error, TooManyRequests) and error.code < 500:
                    raise
                failures.append(f"{server}: {error}")
                busy = True
        if not busy or not left:
            break  # nobody is there: the caller knows better than we when to come again
        time.sleep(PAUSE)
    raise Unreachable(f"no API server answers: {'; '.join(failures)}")


def _once(server: str, context: ssl.SSLContext, method: str, path: str, body: Any) -> Any:
    host, port = _place(server)
    link = http.client.HTTPSConnection(host, port, timeout=SECONDS, context=context)
    try:
        content = msgspec.json.encode(body) if body is not None else None
        link.request(method, path, content, {"Content-Type": "application/json"})
        answer = link.getresponse()
        raw = answer.read(MOST_CA)
    finally:
        link.close()
    if answer.status >= 400:
        raise error_of(answer.status, raw)
    try:
        return json.loads(raw)
    except ValueError as error:
        raise http.client.HTTPException(f"what it answers to {path} is no JSON: is this a Kubus API server?") from error


def _place(server: str) -> tuple[str, int]:
    """Host and port. Raises BadServer."""
    parts = urlsplit(server)
    try:
        host, port = parts.hostname, parts.port or 443
    except ValueError:  # of a port that is none
        host = port = None
    if parts.scheme != "https" or not host or not port:
        raise BadServer(f"an API server is https://HOST:PORT, not {server!r}")
    return host, port


def _public_key(der: bytes) -> bytes:
    """SubjectPublicKeyInfo of a certificate: the sixth (or seventh, after a version) member of its first part."""
    _, tbs, _ = _element(_element(der, 0)[1], 0)
    at, members = 0, []
    while at < len(tbs):
        tag, _, end = _element(tbs, at)
        members.append((tag, tbs[at:end]))
        at = end
    return members[6 if members[0][0] == 0xA0 else 5][1]


def _element(der: bytes, at: int) -> tuple[int, bytes, int]:
    """(tag, content, end) of the DER element at `at` (X.690 §8.1)."""
    tag, size, start = der[at], der[at + 1], at + 2
    if size & 0x80:
        width = size & 0x7F
        size, start = int.from_bytes(der[start : start + width], "big"), start + width
    if start + size > len(der):
        raise ValueError("a certificate that ends too early")
    return tag, der[start : start + size], start + size


def claims_of(jwt: str) -> dict[str, Any]:
    """What a JWT says, unchecked: our own, from our own disk. {} when it is none."""
    try:
        middle = jwt.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    except (IndexError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
