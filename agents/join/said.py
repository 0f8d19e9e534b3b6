"""What a person types to join: labels, taints, the words of the join line. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address

from schemas.errors import KubusError
from schemas.join import split_token
from schemas.meta import names

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


class BadWords(KubusError):
    """What was typed is not what it should be; says which and why."""


def labels(text: str) -> dict[str, str]:
    """`k=v,k2=v2`. Raises BadWords."""
    found: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        problems = (*names.qualified_name(key), *names.label_value(value))
        if not equals or problems:
            raise BadWords(f"{part!r} is no label (KEY=VALUE): {'; '.join(problems) or 'there is no ='}")
        found[key] = value
    return found


def taints(text: str) -> tuple[dict[str, str], ...]:
    """`k=v:NoSchedule,k2:NoExecute`. Raises BadWords."""
    found = []
    for part in filter(None, text.split(",")):
        what, _, effect = part.rpartition(":")
        key, _, value = what.partition("=")
        problems = (*names.qualified_name(key), *names.label_value(value))
        if effect not in EFFECTS or problems:
            why = "; ".join(problems) or f"the effect is one of {', '.join(EFFECTS)}"
            raise BadWords(f"{part!r} is no taint (KEY=VALUE:EFFECT): {why}")
        found.append({"key": key, "value": value, "effect": effect} if value else {"key": key, "effect": effect})
    return tuple(found)


def check(servers: str, token: str, ca_hash: str, name: str, address: str) -> None:
    """The rest of the join line, before anything is asked or written. Raises BadWords."""
    try:
        split_token(token)
        ip_address(address or "127.0.0.1")
    except ValueError as error:
        raise BadWords(str(error)) from error
    if not _DIGEST.fullmatch(ca_hash):
        raise BadWords(f"{ca_hash!r} is no digest of a CA: sha256: and 64 hexadecimal digits, as `kubus token create` "
                       "printed it")
    if problems := names.dns1123_subdomain(name):
        raise BadWords(f"{name!r} cannot be a node's name ({'; '.join(problems)}): give one with --name")
    if not servers.strip(", "):
        raise BadWords("no API server is named: https://HOST:PORT[,https://HOST:PORT…]")
