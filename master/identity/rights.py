"""What a node may say and hear on the bus. The one place; its JWT carries it (claims.py). Pure.

A node may publish under its own name, make named consumers on its own feed and on what all nodes may know, and hear
only what is sent to it (DESIGN §10). It cannot name another filter: the server refuses a consumer whose request
body differs from its subject. What it may publish *to* is guarded here; who really sent a request is proved by
schemas/bus/proof.py, because a responder can be made to publish onto any reply subject.

It may not answer what reaches it (no "response permissions"): JetStream's deliveries are answered on `$JS.ACK.…`, and
an acknowledgement may ask for an answer anywhere, `$JS.API.STREAM.DELETE.…` included. What a node has to say to a
request goes under its own name, `stream.<identity>.>`.
"""

from __future__ import annotations

from schemas.bus import subjects
from schemas.bus.proof import inbox
from schemas.bus.subjects import STREAM

SHARED = (
    subjects.interest("", "v1", "services", namespaced=True),
    subjects.interest("discovery.k8s.io", "v1", "endpointslices", namespaced=True),
    subjects.PEERS,
)
"""What every node may follow besides its own feed: where services lead, and where other nodes' pods are."""


def node_rights(identity: str) -> dict[str, dict[str, list[str]]]:
    """What one node may do. `identity`: `node.<name token>`."""
    name = identity.partition(".")[2]
    create = f"$JS.API.CONSUMER.CREATE.{STREAM}.*"
    follow = [f"watch.api.v1.nodes.{name}.>", f"watch.api.v1.nodes.{name}", *SHARED]
    return {
        "publish": {"allow": [
            f"api.{identity}.>", f"beat.{identity}", f"steps.{identity}", f"stream.{identity}.>",
            *(f"{create}.{subject}" for subject in follow), f"$JS.FC.{STREAM}.>",
        ]},
        "subscribe": {"allow": [f"{inbox(identity)}.>", f"{identity}.>"]},
    }
