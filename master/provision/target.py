"""Which machine is meant and how it is reached: `[NAME=][USER@]HOST[:PORT]` and the options beside it. Pure.

Refuses what SSH or Kubernetes would refuse later with worse words: an empty host, a port that is none, a node name that
is no DNS label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from schemas.errors import KubusError
from schemas.meta import names

LONGEST_NAME = 63
"""A Node's name is also the value of its label kubernetes.io/hostname, and a label's value ends there."""
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


class ProvisionError(KubusError):
    """Root of what can go wrong with a machine that is being provisioned; each says which machine and what to do."""


class BadTarget(ProvisionError):
    """The command line names no machine that could exist."""


class Target(Struct, frozen=True, kw_only=True):
    """One machine as the operator named it. `name` "" = its hostname, not known yet; `port` 0 = SSH's own."""

    host: str
    user: str = ""
    port: int = 0
    key: str = ""
    name: str = ""
    address: str = ""
    host_key: str = ""

    @property
    def shown(self) -> str:
        """What a person calls it in messages."""
        return self.name or (f"{self.host}:{self.port}" if self.port else self.host)


def parse(text: str, *, key: str = "", port: int = 0, host_key: str = "", address: str = "") -> Target:
    """`n1=admin@10.0.0.5:2222` -> Target; IPv6 with a port in brackets. Raises BadTarget."""
    name, equals, rest = text.rpartition("=")
    user, _, place = rest.rpartition("@")
    host, said = _split(place)
    if not host or host.startswith("-") or user.startswith("-") or (equals and not name):
        raise BadTarget(f"{text!r} names no machine; write [NAME=][USER@]HOST[:PORT]")
    if name:
        check_name(name)
    return Target(host=host, user=user, port=said or port, key=key, name=name, address=address, host_key=host_key)


def check_name(name: str) -> str:
    """The name, if a Node may be called so. Raises BadTarget."""
    if names.dns1123_subdomain(name) or len(name) > LONGEST_NAME:
        raise BadTarget(f"a node cannot be called {name!r}: use lower-case letters, digits, '-' and '.', "
                        f"at the most {LONGEST_NAME}; give --name")
    return name


def _split(place: str) -> tuple[str, int]:
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    elif place.count(":") == 1:
        host, _, port = place.partition(":")
    else:
        host, port = place, ""
    if port and not (port.isdecimal() and 0 < int(port) < 65536):
        raise BadTarget(f"{place!r}: {port!r} is no port; write HOST:PORT")
    return host, int(port or 0)


def labels(texts: Sequence[str]) -> dict[str, str]:
    """`k=v,k2=v2` (several times) -> a mapping. Raises BadTarget."""
    found: dict[str, str] = {}
    for part in _parts(texts):
        key, equals, value = part.partition("=")
        if problems := (*names.qualified_name(key), *names.label_value(value)) if equals else ("there is no =",):
            raise BadTarget(f"{part!r} is no label; write KEY=VALUE ({'; '.join(problems)})")
        found[key] = value
    return found


def taints(texts: Sequence[str]) -> list[str]:
    """`k=v:Effect,k:Effect` (several times) -> each checked. Raises BadTarget."""
    found = _parts(texts)
    for part in found:  # as agents/join/said.py checks them again on the machine
        what, _, effect = part.rpartition(":")
        key, _, value = what.partition("=")
        if problems := (*names.qualified_name(key), *names.label_value(value)):
            raise BadTarget(f"{part!r} is no taint; write KEY[=VALUE]:EFFECT ({'; '.join(problems)})")
        if effect not in _EFFECTS:
            raise BadTarget(f"{part!r} is no taint; write KEY[=VALUE]:EFFECT, effects are {', '.join(_EFFECTS)}")
    return found


def joined(values: Mapping[str, str]) -> str:
    """Labels as one word for a command line, in a stable order."""
    return ",".join(f"{key}={value}" for key, value in sorted(values.items()))


def _parts(texts: Sequence[str]) -> list[str]:
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]
