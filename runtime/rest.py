"""A synchronous API client for people's commands: the standard library's HTTP, one kept-alive TLS connection.

Reads a kubeconfig; speaks JSON values, not structs, so that a command starts fast (no asyncio, no aiohttp).
When a server does not answer the cluster's others are tried, in turn; what may have been done is never sent again.
Refuses plain http: credentials must not travel in the clear.
"""

from __future__ import annotations

import base64
import http.client
import json
import math
import os
import select
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from schemas.errors import KubusError, Unreachable

from .refusals import error_of

SECONDS = 30.0
CONNECT_SECONDS = 3.0
"""For one of several servers; the only one gets SECONDS."""
GRACE_SECONDS = 5.0
"""How much later than it was asked to a server may end a watch before it counts as silent."""


STALE = '299 - "stale: '
"""How the Warning header of such an answer begins (master/api/verbs/stale.py)."""


class Stale(Unreachable):
    """The answer may be older than what was acknowledged before it."""


class BadKubeconfig(KubusError):
    """The kubeconfig cannot be read or lacks something; says which file and what."""


class Rest:
    """One cluster, one user. `server` is the one in use, `others` are those that may take its place."""

    def __init__(self, server: str, context: ssl.SSLContext, *, token: str = "", namespace: str = "",
                 others: Sequence[str] = ()) -> None:
        self._servers = [_address(url) for url in dict.fromkeys((server, *others))]
        self._turn = 0
        self.namespace = namespace
        self._context, self._token = context, token
        self._link: http.client.HTTPSConnection | None = None
        self._sock: socket.socket | None = None  # the link's; it lets go of it when an answer ends with the connection

    @classmethod
    def from_kubeconfig(cls, path: Path, *, context: str = "") -> Rest:
        """Raises BadKubeconfig."""
        text = _read(path)
        try:
            chosen = _pick(text["contexts"], context or text.get("current-context", ""))["context"]
            cluster = _pick(text["clusters"], chosen["cluster"])["cluster"]
            user = _pick(text["users"], chosen["user"])["user"]
            tls = _tls(cluster, user)
            others = _others(cluster, text["clusters"]) if not context else ()
            return cls(cluster["server"], tls, token=user.get("token", ""), namespace=chosen.get("namespace", ""),
                       others=others)
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise BadKubeconfig(f"kubeconfig {path}: {error}") from error

    @property
    def server(self) -> str:
        """The URL in use."""
        return self._servers[self._turn % len(self._servers)].url

    def json(self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None,
             accept: str = "application/json", content_type: str = "application/json", fresh: bool = False) -> Any:
        """One call, answered as a JSON value. Raises the ApiError tree, or Unreachable. `fresh`: what the API server
        remembers while its store is away is no answer; raises Stale."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Accept": accept, **({"Content-Type": content_type} if content is not None else {})}
        answer = self._send(method, _target(path, query), content, headers, seconds=SECONDS)
        raw = answer.read()
        if answer.status >= 400:
            raise error_of(answer.status, raw)
        if fresh and STALE in (answer.getheader("Warning") or ""):
            raise Stale(f"{self.server} cannot reach its store and answers from memory")
        return json.loads(raw) if raw else None

    def watch(self, path: str, *, query: Mapping[str, str], accept: str = "application/json",
              seconds: float | None = None) -> Iterator[Any]:
        """Frames as JSON values until the server ends the stream, after whole `seconds`; None: when it likes.

        Raises the ApiError tree, also for an ERROR frame; Unreachable when it was cut, or the server fell silent. Then
        the next call goes to the next server.
        """
        fresh = Rest(self.server, self._context, token=self._token, others=[s.url for s in self._servers])
        if seconds is not None:
            seconds = max(1, math.ceil(seconds))
            query = {**query, "timeoutSeconds": str(seconds)}
        try:
            yield from fresh._frames(_target(path, query), accept, seconds)
        except Unreachable:
            if fresh.server == self.server:
                self.close()
                self._turn += 1
            raise
        finally:
            fresh.close()

    def _frames(self, target: str, accept: str, seconds: float | None) -> Iterator[Any]:
        patience = None if seconds is None else seconds + GRACE_SECONDS
        end = None if patience is None else time.monotonic() + patience
        answer = self._send("GET", target, None, {"Accept": accept}, seconds=patience)
        if answer.status >= 400:
            raise error_of(answer.status, answer.read())
        try:
            while line := answer.readline():
                frame = json.loads(line)
                if frame["type"] == "ERROR":
                    raise error_of(frame["object"].get("code", 500), json.dumps(frame["object"]).encode())
                yield frame
                if end is not None and self._sock is not None:  # every frame would begin the patience anew
                    self._sock.settimeout(max(0.1, end - time.monotonic()))
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the watch on {self.server} was cut: {error}") from error

    def close(self) -> None:
        """Hang up."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _send(self, method: str, target: str, body: bytes | None, headers: dict[str, str], *,
              seconds: float | None) -> http.client.HTTPResponse:
        """What cannot be asked at all is asked elsewhere; what was asked and not answered only when it reads."""
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if self._link is not None and method != "GET" and _has_ended(self._link):
            self.close()
        failures: list[str] = []
        tries = len(self._servers) + (self._link is not None)  # a kept connection may have been closed while idle
        while True:
            kept, asked = self._link, False
            try:
                link = kept or self._connect(seconds)
                asked = True
                link.request(method, self._servers[self._turn % len(self._servers)].base + target, body, headers)
                return link.getresponse()
            except (OSError, http.client.HTTPException) as error:
                failures.append(f"{self.server}: {error}")
                self.close()
                self._turn += kept is None
                if len(failures) == tries or (asked and method != "GET"):
                    raise Unreachable(_unanswered(failures, asked and method != "GET")) from error

    def _connect(self, seconds: float | None) -> http.client.HTTPSConnection:
        address = self._servers[self._turn % len(self._servers)]
        patience = CONNECT_SECONDS if len(self._servers) > 1 else SECONDS
        link = http.client.HTTPSConnection(address.host, address.port, timeout=patience, context=self._context)
        link.connect()
        link.sock.settimeout(seconds)
        self._link, self._sock = link, link.sock
        return link


class _Address(NamedTuple):
    url: str
    host: str
    port: int
    base: str


def _address(url: str) -> _Address:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise BadKubeconfig(f"the server must be https://HOST:PORT, not {url}")
    return _Address(url, parts.hostname, parts.port or 443, parts.path.rstrip("/"))


def _has_ended(link: http.client.HTTPSConnection) -> bool:
    """Nothing was asked, so whatever there is to read is the server's goodbye."""
    return bool(select.select([link.sock], [], [], 0)[0]) if link.sock else True


def _target(path: str, query: Mapping[str, str] | None) -> str:
    return path + ("?" + urlencode(query) if query else "")


def _unanswered(failures: Sequence[str], may_be_done: bool) -> str:
    words = f"cannot reach {'; '.join(failures)}"
    if may_be_done:
        return f"{words}; the request may have been carried out all the same: look before you repeat it"
    return f"{words}; is the cluster up (`kubus up`), is the kubeconfig its own?"


def _others(cluster: Mapping[str, Any], entries: Any) -> list[str]:
    """Servers of the same cluster: those that the same authority vouches for. A context that was asked for by name
    means that very server."""
    authority = cluster.get("certificate-authority-data")
    found = (entry["cluster"] for entry in entries)
    return [c["server"] for c in found if authority and c.get("certificate-authority-data") == authority]


def _read(path: Path) -> Any:
    try:
        text = path.read_text()
    except OSError as error:
        raise BadKubeconfig(f"cannot read the kubeconfig {path}: {error.strerror}") from error
    if text.lstrip().startswith("{"):
        return json.loads(text)
    import yaml

    try:
        return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise BadKubeconfig(f"kubeconfig {path} is not YAML: {error}") from error


def _pick(entries: Any, name: str) -> Any:
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError(f"no entry named {name!r}")


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    ca = cluster.get("certificate-authority-data")
    data = base64.b64decode(ca).decode() if ca else None
    context = ssl.create_default_context(cafile=cluster.get("certificate-authority"), cadata=data)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "client-certificate-data" in user:
        pair = [base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")]
        _load_pair(context, b"\n".join(pair))
    elif "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    return context


def _load_pair(context: ssl.SSLContext, pem: bytes) -> None:
    """The ssl module reads certificates from files only: a private one, in memory where the system has it."""
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.NamedTemporaryFile(dir=folder) as file:  # mode 0600
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
