"""`kubus token`: what lets a machine join, printed once. It is kept as a Secret (master/api/join/tokens.py)."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import string
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from schemas.errors import KubusError
from schemas.meta import names

from ..output import aligned, emit
from ..session import Session, options

TYPE, PREFIX = "bootstrap.kubernetes.io/token", "bootstrap-token-"
PATH = "/api/v1/namespaces/kube-system/secrets"
ALPHABET = string.ascii_lowercase + string.digits
ID_SIZE, SECRET_SIZE = 6, 32
"""Characters of 36: Kubernetes' id, and 165 bits that nobody guesses."""
MOST_SECONDS = 365 * 86_400
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class BadTtl(KubusError):
    """Not a duration; says what one looks like."""


class BadNode(KubusError):
    """No node can be called so."""


@click.group()
def token() -> None:
    """Join tokens: what lets a machine become a node."""


@token.command()
@click.option("--ttl", default="24h", help="How long it is good: 30m, 24h, 7d.")
@click.option("--node", default="", help="Good for this node's name only; a reinstalled machine takes its name back.")
@click.option("--reusable", is_flag=True, help="Good for many machines, until it ends.")
@click.option("-o", "--output", type=click.Choice(["json"]), default=None, help="How to print.")
@options
def create(ttl: str, node: str, reusable: bool, output: str | None, kubeconfig: str, namespace: str,
           context: str) -> None:
    """Make a token and print, once, the line that joins a machine with it."""
    made = make(Session(kubeconfig, namespace, context), ttl, node, reusable=reusable)
    click.echo(json.dumps(made) if output == "json" else made["join"])


def make(session: Session, ttl: str, node: str = "", *, reusable: bool = False) -> dict[str, Any]:
    """A new token, its secret, and what a machine needs beside it. Raises BadTtl, BadNode and what the API answers."""
    if node and (problems := names.dns1123_subdomain(node)):
        raise BadNode(f"no node can be called {node!r}: {'; '.join(problems)}")
    id_, secret = _drawn(ID_SIZE), _drawn(SECRET_SIZE)
    expires = (datetime.now(UTC) + timedelta(seconds=seconds(ttl))).strftime("%Y-%m-%dT%H:%M:%SZ")
    values = {"token-id": id_, "token-digest": hashlib.sha256(secret.encode()).hexdigest(), "expiration": expires,
              **({"node": node} if node else {}), **({"reusable": "true"} if reusable else {})}
    cluster = session.get("/kubus/v1/ca")
    _sweep(session)
    session.create(PATH, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": PREFIX + id_}, "type": TYPE,
                          "stringData": values})
    servers = cluster["servers"] or [session.server]
    line = f"kubus agent join {','.join(servers)} --token {id_}.{secret} --ca-hash {cluster['caHash']}"
    line += f" --name {node}" if node else ""
    return {"token": f"{id_}.{secret}", "id": id_, "caHash": cluster["caHash"], "servers": servers, "join": line,
            "expires": expires}


@token.command(name="list")
@click.option("-o", "--output", type=click.Choice(["json"]), default=None, help="How to print.")
@options
def list_(output: str | None, kubeconfig: str, namespace: str, context: str) -> None:
    """Tokens that are there; their secrets are known to nobody any more."""
    found = [_said(item) for item in _tokens(Session(kubeconfig, namespace, context))]
    if output == "json":
        click.echo(json.dumps(found))
        return
    rows = [[t["id"], t["expires"], t["node"] or "<any>", t["usedBy"] or "<nobody>", "many" if t["reusable"] else "one"]
            for t in found]
    emit(aligned([["ID", "EXPIRES", "NODE", "USED BY", "FOR"], *rows]) if rows else ["no tokens"])


@token.command()
@click.argument("ids", nargs=-1, required=True)
@options
def delete(ids: tuple[str, ...], kubeconfig: str, namespace: str, context: str) -> None:
    """Delete tokens by their ids (or by the whole token)."""
    session = Session(kubeconfig, namespace, context)
    for each in ids:
        id_ = each.partition(".")[0]
        session.delete(f"{PATH}/{PREFIX}{id_}", {})
        click.echo(f"token {id_} deleted")


def seconds(ttl: str) -> float:
    """`30m` -> 1800. Raises BadTtl."""
    number, unit = ttl[:-1], ttl[-1:]
    if unit not in UNITS or not number.isdecimal() or not int(number):
        raise BadTtl(f"{ttl!r} is no duration: a whole number with s, m, h or d")
    if int(number) * UNITS[unit] > MOST_SECONDS:
        raise BadTtl(f"{ttl!r} is too long for a token: a year (365d) at the most")
    return int(number) * UNITS[unit]


def _drawn(size: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(size))


def _tokens(session: Session) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = session.get(PATH, {"fieldSelector": f"type={TYPE}"})["items"]
    return found


def _sweep(session: Session) -> None:
    """Tokens that have ended say nothing any more."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for item in _tokens(session):
        if _said(item)["expires"] < now:
            session.delete(f"{PATH}/{item['metadata']['name']}", {})


def _said(item: dict[str, Any]) -> dict[str, Any]:
    said = {key: base64.b64decode(value).decode() for key, value in (item.get("data") or {}).items()}
    return {"id": said.get("token-id", ""), "expires": said.get("expiration", ""), "node": said.get("node", ""),
            "reusable": said.get("reusable") == "true", "usedBy": said.get("used-by", "").partition(" ")[2]}
