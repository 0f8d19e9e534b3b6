"""What our containers say about themselves. Identity lives in labels, so a restarted agent adopts what runs.

Pure. Label keys are stable: changing one orphans every running container of older agents.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

CLUSTER = "io.kubus.cluster"
NODE = "io.kubus.node"
ROLE = "io.kubus.role"
NAMESPACE = "io.kubus.pod.namespace"
POD = "io.kubus.pod.name"
UID = "io.kubus.pod.uid"
CONTAINER = "io.kubus.container.name"
HASH = "io.kubus.spec.hash"
ATTEMPT = "io.kubus.attempt"
CRASHES = "io.kubus.crashes"
JOINED = "io.kubus.sandbox"

SANDBOX, APP, NETWORK, IMAGE = "sandbox", "container", "network", "image"


class Identity(Struct, frozen=True):
    """Who a container is. `attempt` counts restarts; `crashes` counts quick deaths in a row (for the back-off).

    `joined` is the id of the sandbox an app container was made for.
    """

    role: str
    namespace: str
    pod: str
    uid: str
    container: str = ""
    spec_hash: str = ""
    attempt: int = 0
    crashes: int = 0
    joined: str = ""


class Owner(Struct, frozen=True):
    """Whose machine this is: several clusters or nodes may share one Docker daemon."""

    cluster: str
    node: str

    def labels(self) -> dict[str, str]:
        """The pair that every object of ours carries."""
        return {CLUSTER: self.cluster, NODE: self.node}


def write(owner: Owner, who: Identity) -> dict[str, str]:
    """Labels of a container; inverse of `read`."""
    return owner.labels() | {
        ROLE: who.role,
        NAMESPACE: who.namespace,
        POD: who.pod,
        UID: who.uid,
        CONTAINER: who.container,
        HASH: who.spec_hash,
        ATTEMPT: str(who.attempt),
        CRASHES: str(who.crashes),
        JOINED: who.joined,
    }


def read(labels: Mapping[str, str]) -> Identity | None:
    """Who this container is, or None when the labels are not ours."""
    if labels.get(ROLE) not in (SANDBOX, APP) or not labels.get(UID):
        return None
    return Identity(
        role=labels[ROLE],
        namespace=labels.get(NAMESPACE, ""),
        pod=labels.get(POD, ""),
        uid=labels[UID],
        container=labels.get(CONTAINER, ""),
        spec_hash=labels.get(HASH, ""),
        attempt=_number(labels.get(ATTEMPT, "")),
        crashes=_number(labels.get(CRASHES, "")),
        joined=labels.get(JOINED, ""),
    )


def name_of(who: Identity) -> str:
    """Docker's name for it: unique per pod, container and attempt, so that a repeated create collides, not doubles."""
    what = who.container or "POD"
    return f"kubus_{what}_{who.pod[:60]}_{who.namespace}_{who.uid}_{who.attempt}"


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
