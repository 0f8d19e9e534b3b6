"""The operator's kubeconfig: server, CA and client certificate in one file, as kubectl reads it.

Written as JSON, which every YAML reader takes: `kubus` then needs no YAML library to start (28 ms of its 110).
"""

from __future__ import annotations

import base64
import json

from .ca import Pair


def kubeconfig(cluster: str, server: str, ca_cert: bytes, operator: Pair) -> str:
    """The file's text. https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/"""
    user = f"{cluster}-admin"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "clusters": [{
            "name": cluster, "cluster": {"server": server, "certificate-authority-data": _text(ca_cert)},
        }],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "users": [{
            "name": user,
            "user": {"client-certificate-data": _text(operator.cert), "client-key-data": _text(operator.key)},
        }],
    }
    return json.dumps(content, indent=2) + "\n"


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
