"""How far each machine is: happenings in, a board out, and the board as lines of text. Pure; `now` in Unix seconds.

A *phase* is what a person waits for: a look at the machine, then the roles that are played there, then its first
heartbeat and Ready. Each phase's time is kept per machine, so that the end can say where the time went.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

Kind = Literal["phase", "task", "rest", "changed", "retry", "failed", "over", "done"]
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
TICK, CROSS = "✓", "✗"
WAIT, WAIT_SECONDS = "wait", 1.0
"""A machine that rested so long between two tasks waited for others (Ansible itself takes some 0.1 s)."""


class Happening(Struct, frozen=True, kw_only=True):
    """Something that happened on one machine at `at`. `words`: an error's message, or what was reached.

    A machine `rest`s when its task is done (`changed` says so too) and others still are at theirs. A `failed` task may
    yet be rescued by its playbook; `over`: the machine was given up, `done`: it was not.
    """

    host: str
    kind: Kind
    at: float
    phase: str = ""
    task: str = ""
    words: str = ""


class HostProgress(Struct, frozen=True, kw_only=True):
    """One machine. `phases` are finished ones with their seconds; `trouble` is the first task that failed, in words."""

    name: str
    began: float
    phase: str = ""
    since: float = 0.0
    task: str = ""
    changed: int = 0
    phases: tuple[tuple[str, float], ...] = ()
    rested: float = 0.0
    trouble: str = ""
    failure: str = ""
    reached: str = ""
    ended: float = 0.0

    @property
    def over(self) -> bool:
        """Will nothing more happen there?"""
        return bool(self.failure or self.reached)


Board = Mapping[str, HostProgress]


def start(names: Sequence[str], at: float) -> Board:
    """Machines about to be worked on."""
    return {name: HostProgress(name=name, began=at, since=at) for name in names}


def after(board: Board, happening: Happening) -> Board:
    """The board once that happened. Happenings of machines that are not on it, or are over, change nothing."""
    host = board.get(happening.host)
    if host is None or host.over:
        return board
    return {**board, host.name: _after(host, happening)}


def _after(host: HostProgress, happening: Happening) -> HostProgress:
    host = _enter(_waited(host, happening.at), happening.phase, happening.at)
    match happening.kind:
        case "task" | "retry":
            return replace(host, task=happening.task or host.task)
        case "rest":
            return replace(host, rested=happening.at)
        case "changed":
            return replace(host, changed=host.changed + 1, rested=happening.at)
        case "failed":
            task = f"{happening.task}: " if happening.task else ""
            return replace(host, trouble=host.trouble or f"{task}{happening.words}")
        case "over":
            words = host.trouble or happening.words or "given up"
            return replace(_enter(host, "", happening.at, close=True), failure=words, ended=happening.at)
        case "done":
            return replace(_enter(host, "", happening.at, close=True), reached=happening.words or "done",
                           ended=happening.at)
    return host


def _waited(host: HostProgress, at: float) -> HostProgress:
    """A long rest is no part of the phase: its time is kept as waiting."""
    rested = host.rested
    if not rested or at - rested < WAIT_SECONDS:
        return replace(host, rested=0.0)
    phases = dict(host.phases)
    phases[host.phase] = phases.get(host.phase, 0.0) + rested - host.since
    phases[WAIT] = phases.get(WAIT, 0.0) + at - rested
    return replace(host, rested=0.0, since=at, phases=tuple(phases.items()))


def _enter(host: HostProgress, phase: str, at: float, *, close: bool = False) -> HostProgress:
    """Close the phase that runs and begin another; the same phase again only goes on."""
    if not close and phase in ("", host.phase):
        return host
    phases = dict(host.phases)
    if host.phase:
        phases[host.phase] = phases.get(host.phase, 0.0) + at - host.since
    return replace(host, phase=phase, since=at, task="", phases=tuple(phases.items()))


def lines(board: Board, now: float, width: int = 120) -> list[str]:
    """One line a machine, for a terminal that is redrawn."""
    names = max((len(name) for name in board), default=0)
    return [_line(host, now, names)[:width] for host in board.values()]


def _line(host: HostProgress, now: float, names: int) -> str:
    seconds = (host.ended or now) - host.began
    name = f"{host.name:<{names}}"
    if host.failure:
        return f"{CROSS} {name}  {seconds:6.1f} s  {host.failure.splitlines()[0]}"
    if host.reached:
        return f"{TICK} {name}  {seconds:6.1f} s  {host.reached}"
    turn = SPINNER[int(now * 8) % len(SPINNER)]
    waits = host.rested and now - host.rested >= WAIT_SECONDS
    task = "waits for the others" if waits else host.task
    doing = f"failed: {host.trouble.splitlines()[0]}" if host.trouble else task
    return f"{turn} {name}  {seconds:6.1f} s  {host.phase or 'waiting'}{': ' + doing if doing else ''}"


def plain(before: Board, board: Board, happening: Happening) -> str | None:
    """What to print in a pipe: a line when a machine enters a phase or is over, else None."""
    was, host = before.get(happening.host), board.get(happening.host)
    if was is None or host is None or was == host:
        return None
    if host.over:
        times = spent(host)
        return _line(host, host.ended, len(host.name)) + (f"  ({times})" if times else "")
    return f"  {host.name}  {host.phase}" if host.phase != was.phase else None


def harmless(words: str) -> str:
    """Without what a terminal would obey: a machine that is looked at may say anything."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "\ufffd" for sign in words)


def spent(host: HostProgress) -> str:
    """`look 0.8 s, docker 12.1 s, …`; phases that took no time worth saying are left out."""
    return ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in host.phases if seconds >= 0.05)


def record(happening: Happening) -> dict[str, Any]:
    """One happening as a JSON value, empty words left out."""
    told = {"at": round(happening.at, 3), "host": happening.host, "event": happening.kind, "phase": happening.phase,
            "task": happening.task, "message": happening.words}
    return {key: value for key, value in told.items() if value != ""}


def summary(host: HostProgress, now: float) -> dict[str, Any]:
    """How it ended there, or how far it got, as a JSON value."""
    ended = {"failure": host.failure} if host.failure else {"result": host.reached or "unfinished"}
    return {"host": host.name, **ended, "changed": host.changed, "seconds": round((host.ended or now) - host.began, 2),
            "phases": {phase: round(seconds, 2) for phase, seconds in host.phases}}


def renamed(board: Board, names: Mapping[str, str]) -> Board:
    """The same board once machines have told their names; times go on."""
    found = {names.get(name, name): host for name, host in board.items()}
    return {name: replace(host, name=name) for name, host in found.items()}
