"""A person's connection to the API server: which cluster, which namespace, and calls that answer with JSON values.

The kubeconfig is, in this order: --kubeconfig, $KUBUS_KUBECONFIG, $KUBECONFIG, the local cluster's, ~/.kube/config.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from runtime.rest import Rest, Stale
from schemas.errors import Expired, KubusError, Unreachable

JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PATCHES = {
    "merge": "application/merge-patch+json", "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
}

WATCH_SECONDS = 15.0
"""One watch of a longer wait: a server that fell silent is noticed so much later (and its grace), another one asked."""
PAUSE_SECONDS = 1.0


class NoCluster(KubusError):
    """No kubeconfig to be found; the message says what to do."""


def options(function: click.decorators.FC) -> click.decorators.FC:
    """`-n`, `--kubeconfig`, `--context`: shared by every verb that talks to the API."""
    for option in (
        click.option("--context", default="", help="The kubeconfig's context to use."),
        click.option("--kubeconfig", default="", help="The kubeconfig file to use."),
        click.option("-n", "--namespace", default="", help="The namespace; default: the context's, or `default`."),
    ):
        function = option(function)
    return function


def find_kubeconfig(asked: str) -> Path:
    """The first that exists. Raises NoCluster."""
    if asked:
        return Path(asked)
    local = Path(os.environ.get("KUBUS_STATE", Path.home() / ".kubus")) / "kubeconfig"
    named = [os.environ.get(variable, "").split(os.pathsep)[0] for variable in ("KUBUS_KUBECONFIG", "KUBECONFIG")]
    candidates = [*(Path(name) for name in named if name), local, Path.home() / ".kube" / "config"]
    for path in candidates:
        if path.exists():
            return path
    raise NoCluster("no kubeconfig found: `kubus up` starts a cluster here, or set KUBECONFIG to one's file")


class Session:
    """Calls in JSON values. Raises the ApiError tree, and Unreachable when nobody answers."""

    def __init__(self, kubeconfig: str = "", namespace: str = "", context: str = "") -> None:
        self._rest = Rest.from_kubeconfig(find_kubeconfig(kubeconfig), context=context)
        self.namespace = namespace or self._rest.namespace or "default"
        self.server = self._rest.server

    def get(self, path: str, query: Mapping[str, str] | None = None, accept: str = JSON) -> Any:
        """GET, answered as a JSON value."""
        return self._rest.json("GET", path, query=query, accept=accept)

    def _now(self, path: str, query: Mapping[str, str]) -> Any:
        """The same, and None for what may be older than what was acknowledged before: no wait may end by that."""
        try:
            return self._rest.json("GET", path, query=query, fresh=True)
        except Stale:
            return None

    def create(self, path: str, body: Any, query: Mapping[str, str] | None = None) -> Any:
        """POST an object."""
        return self._rest.json("POST", path, query={"fieldManager": "kubus", **(query or {})}, body=body)

    def replace(self, path: str, body: Any, query: Mapping[str, str] | None = None) -> Any:
        """PUT an object."""
        return self._rest.json("PUT", path, query={"fieldManager": "kubus", **(query or {})}, body=body)

    def patch(self, path: str, body: Any, kind: str = "merge", query: Mapping[str, str] | None = None) -> Any:
        """PATCH with `merge`, `strategic` or `json`."""
        query = {"fieldManager": "kubus", **(query or {})}
        return self._rest.json("PATCH", path, query=query, body=body, content_type=PATCHES[kind])

    def delete(self, path: str, options: Mapping[str, Any], query: Mapping[str, str] | None = None) -> Any:
        """DELETE with DeleteOptions."""
        return self._rest.json("DELETE", path, query=query, body=dict(options))

    def watch(self, path: str, query: Mapping[str, str], accept: str = JSON,
              seconds: float | None = None) -> Iterator[dict[str, Any]]:
        """Watch frames until the server ends the stream, which it is asked to after `seconds`."""
        return self._rest.watch(path, query={**query, "watch": "true"}, accept=accept, seconds=seconds)

    def until(self, path: str, name: str, done: Callable[[dict[str, Any] | None], bool], seconds: float) -> bool:
        """Watch one object until `done(object or None)`; False when `seconds` pass first.

        Raises Unreachable when nobody answers at first; later only when the time is over.
        """
        deadline, query = time.monotonic() + seconds, {"fieldSelector": f"metadata.name={name}"}
        listed = self._now(path, query)
        while True:
            try:
                listed = listed or self._now(path, query)
                left = max(1.0, min(WATCH_SECONDS, deadline - time.monotonic()))
                if listed is None:
                    time.sleep(PAUSE_SECONDS)
                elif done(next(iter(listed["items"]), None)) or self._seen(path, query, listed, done, left):
                    return True
            except Unreachable:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(PAUSE_SECONDS)
            if time.monotonic() >= deadline:
                return False
            listed = None

    def _seen(self, path: str, query: Mapping[str, str], listed: Any, done: Callable[[dict[str, Any] | None], bool],
              seconds: float) -> bool:
        """Does `done` come true after the list?"""
        query = {**query, "resourceVersion": listed["metadata"]["resourceVersion"]}
        try:
            for frame in self.watch(path, query, seconds=seconds):
                if frame["type"] in {"ADDED", "MODIFIED", "DELETED"} and done(
                    None if frame["type"] == "DELETED" else frame["object"]
                ):
                    return True
        except Expired:  # the list was compacted away meanwhile: the caller lists again
            return False
        return False
