"""The operator's kubeconfig: server, CA and client certificate in one file, as kubectl reads it.

Written as JSON, which every YAML reader takes: `kubus` then needs no YAML library to start (28 ms of its 110).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from msgspec import Struct

from .ca import Pair


class Server(Struct, frozen=True):
    """One API server: the master's name and `https://HOST:PORT`."""

    name: str
    url: str


def kubeconfig(cluster: str, server: str, ca_cert: bytes, operator: Pair, masters: Sequence[Server] = ()) -> str:
    """The file's text. https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/

    The context called like the cluster is `server`'s; each of several masters has one of its own besides.
    """
    user, authority = f"{cluster}-admin", _text(ca_cert)
    named = [(cluster, server), *((f"{cluster}-{master.name}", master.url) for master in masters)]
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "clusters": [
            {"name": name, "cluster": {"server": url, "certificate-authority-data": authority}} for name, url in named
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}} for name, _ in named],
        "users": [{
            "name": user,
            "user": {"client-certificate-data": _text(operator.cert), "client-key-data": _text(operator.key)},
        }],
    }
    return json.dumps(content, indent=2) + "\n"


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
