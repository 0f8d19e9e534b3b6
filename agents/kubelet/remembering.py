"""How memory changes: an action begins, an action ends, the world moved on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from msgspec.structs import replace

from .model import (
    Action,
    Clean,
    Create,
    CreateBox,
    Failure,
    Health,
    Hook,
    Kill,
    Memory,
    Observed,
    PrepareVolumes,
    Pull,
    Stop,
)

V = TypeVar("V")


def begin(memory: Memory, action: Action, now: float) -> Memory:
    """The action is about to run."""
    memory = replace(memory, in_flight=memory.in_flight | {action.key})
    match action:
        case Hook(id=id_, seconds=seconds):
            return replace(memory, stopping={**memory.stopping, id_: now + seconds})
        case Stop(id=id_, grace=grace):
            return replace(memory, stopping={**memory.stopping, id_: now + grace}, asked=memory.asked | {id_})
        case Kill(id=id_):
            return replace(memory, killed={**memory.killed, id_: now})
        case CreateBox() | Create() | PrepareVolumes():  # a pod that was wanted back after it had been cleaned up
            return replace(memory, cleaned=False)
        case _:
            return memory


def end(memory: Memory, action: Action, failure: Failure | None) -> Memory:
    """The action is through. `failure.count` is set here: how often in a row."""
    memory = replace(memory, in_flight=memory.in_flight - {action.key})
    if failure is not None:
        return _failed(memory, action, failure)
    if not isinstance(action, CreateBox):  # a sandbox is well only once it has started
        memory = replace(memory, failures=_without(memory.failures, {action.fails}))
    match action:
        case PrepareVolumes(version=version):
            return replace(memory, mounted=version)
        case Clean():
            return replace(memory, cleaned=True, mounted=None)
        case Pull(name=name, attempt=attempt):
            return replace(memory, pulled=memory.pulled | {f"{name}/{attempt}"})
        case _:
            return memory


def _failed(memory: Memory, action: Action, failure: Failure) -> Memory:
    before = memory.failures.get(action.fails)
    counted = replace(failure, count=before.count + 1 if before else 1)
    memory = replace(memory, failures={**memory.failures, action.fails: counted})
    if isinstance(action, Stop):  # never delivered: ask again, but the grace runs on
        return replace(memory, asked=memory.asked - {action.id})
    return memory


def retryable(memory: Memory, action: Action) -> Memory:
    """The engine did not answer: as if never tried."""
    memory = replace(memory, in_flight=memory.in_flight - {action.key})
    if isinstance(action, Kill):
        return replace(memory, killed=_without(memory.killed, {action.id}))
    if isinstance(action, Stop):
        return replace(memory, asked=memory.asked - {action.id}, stopping=_without(memory.stopping, {action.id}))
    return memory


def supplied(memory: Memory, version: str) -> Memory:
    """Config maps or secrets changed: what failed for want of them may be tried at once."""
    if version == memory.supplies:
        return memory
    kept = {k: f for k, f in memory.failures.items() if not (k == "volumes" or k.startswith("create "))}
    return replace(memory, supplies=version, failures=kept)


def hurried(memory: Memory, grace: float, now: float) -> Memory:
    """The deletion's grace was shortened: no running deadline may be later than that from now."""
    return replace(memory, stopping={id_: min(due, now + grace) for id_, due in memory.stopping.items()})


def clocked(memory: Memory, grace: float, now: float) -> Memory:
    """Nothing that was noted lies in the future, and no deadline is further away than the longest `grace`: when the
    clock is put back (a board without one meets NTP), waits begin anew instead of growing by the jump."""
    killed = {id_: min(at, now) for id_, at in memory.killed.items()}
    stopping = {id_: min(due, now + grace) for id_, due in memory.stopping.items()}
    failures = {k: replace(f, at=now) if f.at > now else f for k, f in memory.failures.items()}
    if (killed, stopping, failures) == (memory.killed, memory.stopping, memory.failures):
        return memory
    return replace(memory, killed=killed, stopping=stopping, failures=failures)


def dated(memory: Memory, observed: Observed) -> Memory:
    """Where nobody says since when the pod is here, its oldest container knows better than this agent."""
    oldest = min((c.created_at for c in observed.containers if c.created_at), default=memory.first_seen)
    return replace(memory, first_seen=oldest) if oldest < memory.first_seen else memory


def probed(memory: Memory, id_: str, health: Health) -> Memory:
    """A probe's verdict changed."""
    return replace(memory, health={**memory.health, id_: health})


def forgotten(memory: Memory, observed: Observed) -> Memory:
    """Without what is said of containers that are gone, so that memory does not grow with restarts."""
    ids = {c.id for c in observed.containers}
    running = {c.id for c in observed.containers if c.state == "running"}
    removed = {key for key in memory.failures if key.startswith("remove ")} - {f"remove {id_}" for id_ in ids}
    removed -= {f"remove {b.id}" for b in observed.boxes}
    if memory.stopping.keys() <= ids and memory.asked <= ids and memory.health.keys() <= running and not removed:
        return memory
    return replace(
        memory,
        failures=_without(memory.failures, removed),
        stopping={k: v for k, v in memory.stopping.items() if k in ids},
        asked=memory.asked & ids,
        killed={k: v for k, v in memory.killed.items() if k in ids},
        health={k: v for k, v in memory.health.items() if k in running},
    )


def _without(items: Mapping[str, V], keys: set[str]) -> Mapping[str, V]:
    return {k: v for k, v in items.items() if k not in keys}
