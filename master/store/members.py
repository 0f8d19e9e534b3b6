"""The members of an etcd cluster: who they are, and one put in another's place.

A member whose disk is lost must not simply start again: its fellows still count on what it had promised. It is removed,
and a new one added under the same address; that one then starts with `--initial-cluster-state existing`.
"""

from __future__ import annotations

from aetcd import rpc
from msgspec import Struct

from .connection import DEADLINE, Connection
from .store import StoreError


class Seen(Struct, frozen=True):
    """A member as the cluster knows it. `name` is "" until it has started for the first time."""

    id: int
    name: str
    peer_urls: tuple[str, ...]


class NoMember(StoreError):
    """The cluster has no member of that name, or would lose its majority without it."""


async def members(connection: Connection) -> list[Seen]:
    """All of them. Raises StoreUnavailable."""
    endpoint = connection.endpoint
    try:
        answer = await rpc.ClusterStub(connection.channel()).MemberList(
            rpc.MemberListRequest(), timeout=DEADLINE)
    except rpc.AioRpcError as error:
        raise connection.error(error, "list the members", endpoint) from None
    return [Seen(member.ID, member.name, tuple(member.peerURLs)) for member in answer.members]


async def replace_member(connection: Connection, name: str, peer_url: str) -> bool:
    """Remove the member of that name or address, and add one at `peer_url` that has nothing yet.

    False when one waits there already: nothing is done. Raises StoreUnavailable, NoMember.
    """
    known = await members(connection)
    if any(member.name == "" and peer_url in member.peer_urls for member in known):
        return False
    gone = next((member for member in known if member.name == name or peer_url in member.peer_urls), None)
    if gone is None and len(known) % 2:
        raise NoMember(f"etcd has no member {name}; it has {', '.join(sorted(member.name for member in known))}")
    stub, endpoint = rpc.ClusterStub(connection.channel()), connection.endpoint
    try:
        if gone is not None:
            await stub.MemberRemove(rpc.MemberRemoveRequest(ID=gone.id), timeout=DEADLINE)
        await stub.MemberAdd(rpc.MemberAddRequest(peerURLs=[peer_url]), timeout=DEADLINE)
    except rpc.AioRpcError as error:
        raise connection.error(error, f"replace the member {name}", endpoint) from None
    return True
