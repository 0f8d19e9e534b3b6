"""Where things lie in the store. Pure; `parse(key(kind, ns, name))` gives the parts back.

    /registry/<group or core>/<plural>/[<namespace>/]<name>     objects: canonical JSON without resourceVersion
    /kubus/request                                              id of the request that made a revision (same txn)
    /kubus/tick                                                 the publisher's lease and tick, in one key

A watcher that wants objects with their request ids watches ROOT.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.kind import Kind

ROOT = "/"
REGISTRY = "/registry/"
REQUEST = "/kubus/request"
TICK = "/kubus/tick"

_CORE = "core"


class Location(NamedTuple):
    """What a key says about its object; core group and cluster-wide objects have ""."""

    group: str
    plural: str
    namespace: str
    name: str


def prefix(kind: Kind, namespace: str = "") -> str:
    """All objects of a kind, or of a kind in one namespace."""
    scope = f"{namespace}/" if kind.namespaced and namespace else ""
    return f"{REGISTRY}{kind.group or _CORE}/{kind.plural}/{scope}"


def path(group: str, plural: str, namespace: str, name: str) -> str:
    """One object's key, by the parts that `parse` gives."""
    scope = f"{namespace}/" if namespace else ""
    return f"{REGISTRY}{group or _CORE}/{plural}/{scope}{name}"


def key(kind: Kind, namespace: str, name: str) -> str:
    """One object. Raises ValueError for an empty name, or a namespaced kind without namespace."""
    if not name or (kind.namespaced and not namespace):
        raise ValueError(f"no key for {kind.plural} {namespace!r}/{name!r}")
    return prefix(kind, namespace) + name


def parse(text: str) -> Location:
    """Inverse of `key`. Raises ValueError for a key that is no object's."""
    match text.split("/"):
        case ["", "registry", group, plural, namespace, name]:
            return Location("" if group == _CORE else group, plural, namespace, name)
        case ["", "registry", group, plural, name]:
            return Location("" if group == _CORE else group, plural, "", name)
        case _:
            raise ValueError(f"not an object's key: {text}")


def encoded(text: str) -> bytes:
    """A key's bytes; inverse of `decoded`."""
    return text.encode("utf-8", "surrogateescape")


def decoded(raw: bytes) -> str:
    """A key's text, exact even for bytes that only a hand with etcdctl writes."""
    return raw.decode("utf-8", "surrogateescape")


def end(prefix_: str) -> str:
    """The first key after all keys that start with `prefix_` (the end of the half-open range)."""
    return prefix_[:-1] + chr(ord(prefix_[-1]) + 1)
