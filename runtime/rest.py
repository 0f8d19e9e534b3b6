"""A synchronous API client for people's commands: the standard library's HTTP, one kept-alive TLS connection.

Reads a kubeconfig; speaks JSON values, not structs, so that a command starts fast (no asyncio, no aiohttp).
Refuses plain http: credentials must not travel in the clear.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from schemas.errors import KubusError, Unreachable

from .refusals import error_of

SECONDS = 30.0


class BadKubeconfig(KubusError):
    """The kubeconfig cannot be read or lacks something; says which file and what."""


class Rest:
    """One server, one user."""

    def __init__(self, server: str, context: ssl.SSLContext, *, token: str = "", namespace: str = "") -> None:
        parts = urlsplit(server)
        if parts.scheme != "https" or not parts.hostname:
            raise BadKubeconfig(f"the server must be https://HOST:PORT, not {server}")
        self.server, self.namespace = server, namespace
        self._host, self._port, self._base = parts.hostname, parts.port or 443, parts.path.rstrip("/")
        self._context, self._token = context, token
        self._link: http.client.HTTPSConnection | None = None

    @classmethod
    def from_kubeconfig(cls, path: Path, *, context: str = "") -> Rest:
        """Raises BadKubeconfig."""
        text = _read(path)
        try:
            chosen = _pick(text["contexts"], context or text.get("current-context", ""))["context"]
            cluster = _pick(text["clusters"], chosen["cluster"])["cluster"]
            user = _pick(text["users"], chosen["user"])["user"]
            tls = _tls(cluster, user)
            return cls(cluster["server"], tls, token=user.get("token", ""), namespace=chosen.get("namespace", ""))
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise BadKubeconfig(f"kubeconfig {path}: {error}") from error

    def json(self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None,
             accept: str = "application/json", content_type: str = "application/json") -> Any:
        """One call, answered as a JSON value. Raises the ApiError tree, or Unreachable."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Accept": accept, **({"Content-Type": content_type} if content is not None else {})}
        answer = self._send(method, self._target(path, query), content, headers, seconds=SECONDS)
        raw = answer.read()
        if answer.status >= 400:
            raise error_of(answer.status, raw)
        return json.loads(raw) if raw else None

    def watch(self, path: str, *, query: Mapping[str, str], accept: str = "application/json") -> Iterator[Any]:
        """Frames as JSON values until the server ends the stream. Raises the ApiError tree, also for an ERROR frame."""
        fresh = Rest(self.server, self._context, token=self._token)
        answer = fresh._send("GET", self._target(path, query), None, {"Accept": accept}, seconds=None)
        try:
            if answer.status >= 400:
                raise error_of(answer.status, answer.read())
            for line in answer:
                frame = json.loads(line)
                if frame["type"] == "ERROR":
                    raise error_of(frame["object"].get("code", 500), json.dumps(frame["object"]).encode())
                yield frame
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the watch on {self.server} was cut: {error}") from error
        finally:
            fresh.close()

    def close(self) -> None:
        """Hang up."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _target(self, path: str, query: Mapping[str, str] | None) -> str:
        return self._base + path + ("?" + urlencode(query) if query else "")

    def _send(self, method: str, target: str, body: bytes | None, headers: dict[str, str], *,
              seconds: float | None) -> http.client.HTTPResponse:
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        again = self._link is not None and method == "GET"  # a kept connection may have been closed while idle
        if self._link is None:
            self._link = http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=self._context)
        try:
            self._link.request(method, target, body, headers)
            return self._link.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if again:
                return self._send(method, target, body, headers, seconds=seconds)
            raise Unreachable(
                f"cannot reach {self.server}: {error}; is the cluster up (`kubus up`), is the kubeconfig its own?"
            ) from error


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
