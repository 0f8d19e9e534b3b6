"""Is a node alive? Decided from when it was last heard, and from how well we could hear. Pure.

    heard in time ───────────────► ALIVE
    not heard for `grace` s ─────► SILENT        counted from its last beat, or from when we began to listen well,
                                                 or from when we first saw the node: a new one has not spoken yet
    not heard, not yet for long ─► UNSURE        nothing is done about it

*We began to listen well* (`epoch`) is moved to now whenever the fault may be ours: at the start, after a stall of this
process (the tick came far too late), while the bus is away, and at the end of a disruption. So our own freeze never
makes a node NotReady, and afterwards every node must be silent for a whole grace period anew.

*Disruption*: all nodes, or more than two and at least 55 % of them, are silent or say that they are not ready. Then it
is more likely that the network around us failed, or that their Dockers are being restarted, than that so many machines
died; and there is hardly a node left to go to. Nobody is evicted (thresholds: kube-controller-manager's
--unhealthy-zone-threshold and its full disruption mode,
https://kubernetes.io/docs/concepts/architecture/nodes/#rate-limits-on-eviction).

A node that says it is not ready is given as long as a silent one before its pods are driven off: its Docker is mostly
just being restarted, which takes 1 to 3 s.

A node that beats on the bus is judged by its beats alone; one that never does (a foreign kubelet) by its Lease.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct


class State(Enum):
    """What we believe."""

    ALIVE = "alive"
    UNSURE = "unsure"
    SILENT = "silent"


class Timing(Struct, frozen=True):
    """Seconds. `hold`: extra silence (or not being ready) before pods are driven off, so that a mass failure shows
    itself as one."""

    grace: float = 4.0
    hold: float = 1.0
    tick: float = 0.5
    stall: float = 2.0
    share: float = 0.55


class Signs(Struct, frozen=True):
    """When (on our monotonic clock) a beat was last heard, and when the Lease was last seen renewed.

    `beats`: the node is known to beat. `lease_seconds`: how long its Lease is good for. `since`: when its Node was
    first seen; None: longer ago than anything else. `unready`: since when it says that it is not ready.
    """

    beat: float | None = None
    lease: float | None = None
    beats: bool = False
    lease_seconds: float = 40.0
    since: float | None = None
    unready: float | None = None


class Vital(Struct, frozen=True):
    """The verdict on one node. Seconds, as far as we can vouch for them: how long it has been silent, and how long it
    has said that it is not ready (None: it does not)."""

    state: State
    silence: float = 0.0
    unready: float | None = None

    @property
    def is_well(self) -> bool:
        """It is heard, and says nothing against itself."""
        return self.state is State.ALIVE and self.unready is None

    @property
    def is_unwell(self) -> bool:
        """We know that it cannot run pods now."""
        return self.state is State.SILENT or self.unready is not None


class Sight(Struct, frozen=True):
    """How well we see: since when, when we last looked, and whether a disruption is on."""

    epoch: float
    looked: float
    disrupted: bool = False


def look(before: Sight | None, now: float, *, hearing: bool, nodes: Mapping[str, Signs],
         timing: Timing) -> tuple[Sight, dict[str, Vital]]:
    """Judge all nodes. `hearing`: the bus is connected. Returns the new sight and the verdicts."""
    trusted = before is not None and hearing and now - before.looked <= timing.stall
    epoch = before.epoch if before is not None and trusted else now
    verdicts = {name: _verdict(signs, now, epoch, timing) for name, signs in nodes.items()}
    disrupted = _is_disrupted(verdicts, timing.share)
    if before is not None and before.disrupted:
        if not trusted or not any(v.is_well for v in verdicts.values()):
            disrupted = True  # nobody is well again yet
        elif not disrupted:
            epoch = now  # over: those still unwell get a fresh chance
            verdicts = {name: _verdict(signs, now, epoch, timing) for name, signs in nodes.items()}
    return Sight(epoch, now, disrupted and bool(nodes)), verdicts


def drives_off(vital: Vital, timing: Timing) -> bool:
    """It has been silent or not ready for so long that its pods have to go."""
    silence = vital.silence if vital.state is State.SILENT else 0.0
    return max(silence, vital.unready or 0.0) > timing.grace + timing.hold


def _verdict(signs: Signs, now: float, epoch: float, timing: Timing) -> Vital:
    unready = None if signs.unready is None else now - max(signs.unready, epoch)
    heard, patience = (signs.beat, timing.grace) if signs.beats or signs.beat is not None else (
        signs.lease, signs.lease_seconds)
    if heard is not None and now - heard <= patience:
        return Vital(State.ALIVE, now - heard, unready)
    silence = now - max(moment for moment in (heard, signs.since, epoch) if moment is not None)
    return Vital(State.SILENT if silence > patience else State.UNSURE, silence, unready)


def _is_disrupted(verdicts: Mapping[str, Vital], share: float) -> bool:
    unwell = sum(v.is_unwell for v in verdicts.values())
    if not unwell:
        return False
    return unwell == len(verdicts) or (unwell > 2 and unwell >= share * len(verdicts))
