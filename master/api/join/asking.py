"""Join, renew, leave, revoke: who asks is found out here, by token, signature or the bus' proof. See schemas/join.py.

Nothing is handed out before the token is consumed and the record is stored. Every ask that needs no credential is
counted against its address first. A JWT alone is worth nothing, so an answer that is sent twice harms nobody.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, TypeVar

import msgspec

from master.identity import busjwt
from master.identity.ca import fingerprint
from master.store import keys
from schemas import codec
from schemas.core.node import NODE, Node
from schemas.errors import BadRequest, Forbidden, NotFound, ServiceUnavailable, Unauthorized
from schemas.join import NODES, WINDOW_SECONDS, JoinAsk, Joined, Renewed, SignedAsk, Word, signed, split_token
from schemas.meta import names

from ..authn import MASTERS
from ..authz import node_of
from ..fail import no_such_path, not_allowed
from ..request import Request, Response, User
from . import records, tokens
from .records import Record

if TYPE_CHECKING:
    from ..server import Server
    from .desk import Desk

T = TypeVar("T", JoinAsk, SignedAsk)


async def ca(server: Server, request: Request) -> Response:
    """The CA, PEM, and where the API servers are. Whoever asks from outside has the CA's digest from elsewhere, and
    believes nothing before it compared."""
    setup = _desk(server, request, "GET").setup
    return _answer({"ca": setup.ca, "caHash": fingerprint(setup.ca.encode()), "servers": setup.servers})


async def join(server: Server, request: Request) -> Response:
    """A machine becomes a node. Raises Unauthorized, Forbidden, Conflict, BadRequest, TooManyRequests."""
    desk = _desk(server, request, "POST")
    ask = _decoded(request, JoinAsk)
    _check_signature(desk, ask, "join", ask.token, ask.machine)
    if names.dns1123_subdomain(ask.node) or len(ask.node) > 63:
        raise BadRequest(f"{ask.node!r} cannot be a node's name: lower case letters, digits, `-` and `.`, at most 63")
    id_, secret = _token(ask)
    now, generation = desk.clock(), secrets.token_hex(8)
    other = await _is_another(server, ask)

    def decide(old: Record | None, token: tokens.Token) -> Record:
        return records.joined(old, ask, bound=token.node == ask.node, other=other, now=int(now), until=desk.until(),
                              generation=generation)

    token = await desk.token(id_)
    decide(await desk.record(ask.node), tokens.check(token, secret, ask, now))  # a refusal must not cost the token

    spent = await desk.spend(id_, lambda found: tokens.check(found, secret, ask, now), tokens.user(ask))
    record = await desk.change(ask.node, lambda old: decide(old, spent))
    setup = desk.setup
    return _answer(Joined(
        node=ask.node, cluster=setup.cluster, ca=setup.ca, bus=setup.bus, servers=setup.servers, jwt=desk.jwt(record),
        proof=desk.proof(record), expires=record.until, routed=setup.routed))


async def renew(server: Server, request: Request) -> Response:
    """A fresh JWT for the key that signed, over the bus or HTTPS. Raises Unauthorized, Forbidden."""
    desk = _desk(server, request, "POST")
    ask = _signed(desk, request, "renew")

    def decide(record: Record | None) -> Record:
        if record is None and not desk.vouches(ask):
            raise Unauthorized(f"no machine joined as {ask.node}")
        known = record or records.adopted(ask.node, ask.nkey, int(desk.clock()))
        return records.renewed(known, ask.nkey, desk.until())

    record = await desk.change(ask.node, decide)
    return _answer(Renewed(jwt=desk.jwt(record), expires=record.until, bus=desk.setup.bus, servers=desk.setup.servers))


async def leave(server: Server, request: Request) -> Response:
    """The node says goodbye: its credential is void and its Node goes. Safe to repeat."""
    desk = _desk(server, request, "POST")
    ask = _signed(desk, request, "leave")

    def decide(record: Record | None) -> Record:
        if record is None or record.nkey != ask.nkey:
            raise Forbidden(f"this key is not the node {ask.node}'s")
        return records.revoked(record, int(desk.clock()))

    await desk.change(ask.node, decide)
    await _forget(server, ask.node)
    return _answer({"node": ask.node, "left": True})


async def revoke(server: Server, request: Request) -> Response:
    """`/kubus/v1/nodes/<name>/revoke`: the operator's word (may_path let nobody else through). Safe to repeat."""
    match request.path.removeprefix(NODES).strip("/").split("/"):
        case [node, "revoke"] if MASTERS in request.user.groups:
            desk = _desk(server, request, "POST")
        case _:
            raise no_such_path()
    record = await desk.revoke(node)
    return _answer({"node": node, "revoked": record.revoked})


async def _forget(server: Server, node: str) -> None:
    """The Node, by the way every request takes."""
    from ..handle import handle

    user = User(name="system:apiserver", groups=(MASTERS,))
    answer = await handle(server, Request(method="DELETE", path=NODE.path("", node), user=user))
    if answer.status >= 400 and answer.status != NotFound.code:
        raise ServiceUnavailable(f"the credential of {node} is void, but its Node could not be deleted", retry_after=1)


async def _is_another(server: Server, ask: JoinAsk) -> bool:
    """Is there a Node of that name on another machine? For nodes that no record knows."""
    entry, _ = await server.store.get(keys.key(NODE, "", ask.node))
    if entry is None:
        return False
    status = codec.decode(Node, entry.value).status
    told = status.node_info if status is not None else None
    return told is None or ask.machine not in {told.system_uuid, told.machine_id} - {""}


def _desk(server: Server, request: Request, method: str) -> Desk:
    if request.method != method:
        raise not_allowed()
    if server.desk is None:
        raise ServiceUnavailable("this API server has no authority to let machines join (bus_authority_file)")
    if request.user.how != "bus" and MASTERS not in request.user.groups:
        server.desk.limiter.take(request.peer, server.heard())
    return server.desk


def _signed(desk: Desk, request: Request, word: Word) -> SignedAsk:
    """Who asks for itself: by its signature, and over the bus under its own name only."""
    ask = _decoded(request, SignedAsk)
    _check_signature(desk, ask, word)
    if request.user.how == "bus" and node_of(request.user) != ask.node:
        raise Forbidden(f"{request.user.name} cannot {word} for the node {ask.node}")
    return ask


def _check_signature(desk: Desk, ask: JoinAsk | SignedAsk, word: Word, *more: str) -> None:
    if abs(desk.clock() - ask.at / 1000) > WINDOW_SECONDS:
        raise Unauthorized("this was signed at another time: do the clocks of this machine and the master agree?")
    try:
        signature = bytes.fromhex(ask.signature)
    except ValueError as error:
        raise BadRequest("the signature is not hexadecimal") from error
    said = signed(word, ask.node, ask.nkey, ask.at, *more)
    if not ask.nkey.startswith("U") or not busjwt.verified(ask.nkey, signature, said):
        raise Unauthorized(f"the signature is not of the key {ask.nkey[:60]}")


def _token(ask: JoinAsk) -> tuple[str, str]:
    try:
        return split_token(ask.token)
    except ValueError as error:
        raise Unauthorized(str(error)) from error


def _decoded(request: Request, type_: type[T]) -> T:
    try:
        return codec.decode(type_, request.body)
    except msgspec.MsgspecError as error:
        raise BadRequest(f"{request.path}: {error}") from error


def _answer(said: object) -> Response:
    return Response(body=msgspec.json.encode(said))
