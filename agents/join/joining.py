"""`kubus agent join`: from a token to a node's files and a running unit. Safe to repeat.

    is this the node already? ─yes─► nothing to do (its JWT is renewed; where the masters are is written down)
            │ no
    the CA, by its digest ─► a key of our own, on disk ─► token, name and public key ─► CA, places, JWT, proof key
                                                            agent.json last: without it there is no node

The seed never leaves the machine. It is written before the token is used, so that an answer that got lost can be asked
for again with the same key; and beside an older join's, which stays whole until the master has said yes to the new one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from runtime.config import AgentConfig, BadConfig, BusConfig, load
from runtime.nkey import new_seed, public_of, sign
from schemas.bus.subjects import node_identity
from schemas.errors import ApiError, Forbidden, Unauthorized, Unreachable
from schemas.join import JOIN, RENEW, JoinAsk, Joined, Renewed, SignedAsk, Word, proved, signed

from . import masters, places
from .moving import moved
from .places import Places

DEBUG_PORT = 10348
"""Loopback port of the agent's health: near the kubelet's own 10248, and not the same."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What the operator said. `servers`: API servers' URLs; `address` "": found by itself."""

    servers: tuple[str, ...]
    token: str
    ca_hash: str
    name: str
    labels: dict[str, str] = {}
    taints: tuple[dict[str, str], ...] = ()
    address: str = ""
    docker_host: str = ""
    state: Path = places.STATE


def join(wanted: Wanted, at: Places, machine: str, now: Callable[[], float] = time.time) -> bool:
    """Did anything change? Raises WrongCa, the ApiError tree, Unreachable, OSError."""
    if (renewed := renewed_as(wanted, at, now)) is not None:
        return _told(wanted, at, renewed)
    ca = masters.fetch_ca(wanted.servers, wanted.ca_hash)
    seed = _seed(at)
    nkey, moment = public_of(seed), int(now() * 1000)
    said = signed("join", wanted.name, nkey, moment, wanted.token, machine)
    ask = JoinAsk(token=wanted.token, node=wanted.name, nkey=nkey, machine=machine, at=moment,
                  signature=sign(seed, said).hex())
    answer = masters.ask(wanted.servers, masters.trusting(ca), "POST", JOIN, ask)
    _write(wanted, at, seed, msgspec.convert(answer, Joined))
    return True


def renewed_as(wanted: Wanted, at: Places, now: Callable[[], float]) -> Renewed | None:
    """What the master says to that node of that cluster; None: this machine is not it. The master is asked, because it
    may have removed the node, or may be restored from before the join; while none answers, a JWT that is good is
    believed."""
    config = joined_as(at)
    if config is None or config.node != wanted.name or not all(path.exists() for path in at.secrets()):
        return None
    if masters.fingerprint(at.ca.read_text()) != wanted.ca_hash:
        return None
    try:
        renewed = renewal(config, at, wanted.servers, now())
    except Unreachable:
        jwt = at.jwt.read_text()
        ends = int(masters.claims_of(jwt).get("exp", 0))
        return Renewed(jwt=jwt, expires=ends) if ends > now() else None
    if renewed is not None:
        places.write(at.jwt, renewed.jwt.encode())
    return renewed


def renewal(config: AgentConfig, at: Places, servers: Sequence[str], now: float) -> Renewed | None:
    """None: the masters know this node no more. Writes nothing. Raises Unreachable, ApiError, OSError."""
    try:
        context = masters.trusting(at.ca.read_text())
        answer = masters.ask(servers, context, "POST", RENEW, ask_signed("renew", config, now))
    except ApiError as error:
        if error.code not in (Unauthorized.code, Forbidden.code):
            raise
        return None
    return msgspec.convert(answer, Renewed)


def joined_as(at: Places) -> AgentConfig | None:
    """This machine's agent's config, None when it is no node."""
    try:
        return load(at.config, AgentConfig)
    except BadConfig:
        return None


def ask_signed(word: Word, config: AgentConfig, now: float) -> SignedAsk:
    """An ask that only the owner of the node's key can make. Raises OSError."""
    seed = Path(config.bus.nkey_seed_file).read_bytes()
    nkey, moment = public_of(seed), int(now * 1000)
    said = signed(word, config.node, nkey, moment)
    return SignedAsk(node=config.node, nkey=nkey, at=moment, signature=sign(seed, said).hex(),
                     proof=proved(Path(config.bus.proof_key_file).read_bytes(), said))


def _seed(at: Places) -> bytes:
    """The key of a join that was begun and not ended; else a new one: an old join's key may be revoked."""
    if at.coming.exists():
        return at.coming.read_bytes()
    seed = new_seed()
    places.write(at.coming, seed)
    return seed


def _write(wanted: Wanted, at: Places, seed: bytes, joined: Joined) -> None:
    """An old join's files are of no use any more; from here to the new config this machine is no node."""
    at.config.unlink(missing_ok=True)
    places.write(at.ca, joined.ca.encode())
    places.write(at.proof, bytes.fromhex(joined.proof))
    places.write(at.jwt, joined.jwt.encode())
    places.write(at.seed, seed)
    bus = BusConfig(url=joined.bus, ca=str(at.ca), nkey_seed_file=str(at.seed), jwt_file=str(at.jwt),
                    identity=node_identity(joined.node), proof_key_file=str(at.proof))
    config = AgentConfig(
        node=joined.node, cluster=joined.cluster, state=str(wanted.state), bus=bus,
        servers=joined.servers or wanted.servers, pod_network="routed" if joined.routed else "docker",
        debug_port=DEBUG_PORT,
    )
    places.write(at.config, msgspec.json.encode(_with(config, wanted)))
    at.coming.unlink(missing_ok=True)


def _told(wanted: Wanted, at: Places, renewed: Renewed) -> bool:
    """A join that was done before may say other labels, taints, address or Docker; and the masters may have moved."""
    config = moved(load(at.config, AgentConfig), renewed)
    return places.write(at.config, msgspec.json.encode(_with(config, wanted)))


def _with(config: AgentConfig, wanted: Wanted) -> AgentConfig:
    return msgspec.structs.replace(config, labels=wanted.labels, taints=wanted.taints, address=wanted.address,
                                   docker_host=wanted.docker_host, state=str(wanted.state))
