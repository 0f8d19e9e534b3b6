"""What every cluster has from its first second: the four namespaces. Made once, adopted ever after."""

from __future__ import annotations

from master.store import keys
from master.store.store import KeyExists
from schemas import codec
from schemas.core.namespace import NAMESPACE, Namespace
from schemas.meta.object import ObjectMeta

from . import admit, birth
from .server import Server

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


async def run(server: Server) -> None:
    """Create what is missing. Raises StoreError."""
    for name in NAMESPACES:
        sent = Namespace(metadata=ObjectMeta(name=name, labels={"kubernetes.io/metadata.name": name}))
        obj = birth.born(NAMESPACE, sent, name=name, now=server.now(), uid=server.new_uid())
        obj = admit.ready_new(NAMESPACE, obj)
        try:
            await server.store.create(keys.key(NAMESPACE, "", name), codec.encode(obj), request="bootstrap")
        except KeyExists:
            continue
