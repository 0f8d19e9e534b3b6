"""`kubus node remove`: the node leaves the cluster and the machine is as it was before.

cordon, drain, reset.yml on the machine, revoke its credential, delete Node and Lease, forget it here. With --force, for
a machine that is gone: revoke and delete only. A master that is a worker too stops being a worker and serves on; itself
it goes with --with-masters, last, when nobody is left who needs it. Refuses to forget a machine whose cleaning failed.
"""

from __future__ import annotations

from contextlib import suppress

from msgspec import Struct

from cli.session import Session
from master.provision.fleet import Machine
from master.provision.inventory import Inventory
from master.provision.ssh import Pins, place, resolve
from schemas.coordination.lease import LEASE
from schemas.core.node import NODE
from schemas.errors import KubusError, NotFound

from . import state
from .cluster import LEASES, Reach
from .drain import drain
from .draining import Flags
from .playing import play, tell_failures
from .removing import Order, StillNeeded, nobody_else, order
from .report import Report


class Unmanaged(KubusError):
    """The node's machine was not provisioned from here, so it cannot be cleaned from here."""


class Remove(Struct, frozen=True, kw_only=True):
    """What was asked. `seconds` is for the drain of each node."""

    names: tuple[str, ...]
    reach: Reach
    verify: bool = False
    force: bool = False
    with_masters: bool = False
    seconds: float = 300.0


def remove(asked: Remove, report: Report) -> int:
    """One after the other; 0 when all are gone. What fails with one does not stop the others. Raises StillNeeded."""
    going = order(asked.names, Inventory(state.inventory()).machines(), with_masters=asked.with_masters)
    if going.masters and not asked.force:
        _ask_who_stays(asked, going)
    report.begin([*going.workers, *going.masters])
    try:
        for name in [*going.workers, *going.masters]:
            try:
                (_master if name in going.masters else _one)(asked, name, report)
            except KubusError as error:
                report.tell(name, "over", words=str(error))
    finally:  # Ctrl-C is no KubusError: it leaves the loop, and nobody after this machine is touched
        good = report.end()
    return 0 if good else 1


def _ask_who_stays(asked: Remove, going: Order) -> None:
    """Only the cluster knows the workers of others. Where its end began before it was asked, and may be silent now."""
    try:
        nodes = asked.reach.session().get(NODE.path())["items"]
    except KubusError as error:
        if state.ending().exists():
            return
        raise StillNeeded(f"nobody can tell whether other nodes need {', '.join(going.masters)}: {error}. To forget "
                          "the masters here and leave the machines as they are say --force; to clean machines of a "
                          "cluster that is dead play reset.yml") from error
    nobody_else(going.masters, asked.names, [node["metadata"]["name"] for node in nodes])
    state.ending().touch(mode=0o600)


def _master(asked: Remove, name: str, report: Report) -> None:
    """The cluster ends with it: nothing to drain or to revoke, and its kubeconfig is of no use any more."""
    inventory = Inventory(state.inventory())
    machine = inventory.machine(name)
    if machine is None or report.board[name].over:
        return
    masters = {each.name for each in inventory.machines() if each.is_master}
    left = [other for other, host in report.board.items() if host.failure and other not in masters]
    if left:
        raise StillNeeded(f"{', '.join(left)} could not be removed and still needs it")
    if not asked.force and not _clean(asked, machine, report):
        return
    _forget_here(inventory, machine)
    state.kubeconfig().unlink(missing_ok=True)
    if not any(each.is_master for each in inventory.machines()):
        state.ending().unlink(missing_ok=True)
    report.tell(name, "done", words=_ending(asked))


def _one(asked: Remove, name: str, report: Report) -> None:
    session, inventory = asked.reach.session(), Inventory(state.inventory())
    machine, there = inventory.machine(name), _exists(session, name)
    if machine is None and not there:
        raise state.NotInFleet(f'neither the cluster nor {state.inventory()} knows a node "{name}"')
    if machine is None and not asked.force:
        raise Unmanaged(f"{name} was not added from here ({state.inventory()} does not name it): run `kubus agent "
                        f"leave` there, or take it out of the cluster alone: `kubus node remove {name} --force`")
    if there and not asked.force:
        report.tell(name, "phase", phase="drain")
        # what is on the machine goes with it: only disruption budgets may hold this back
        flags = Flags(force=True, delete_emptydir=True)
        drain(session, name, flags, asked.seconds, lambda words: report.say(f"  {words}", name))
    stays = machine is not None and machine.is_master
    playbook = "leave.yml" if stays else "reset.yml"
    if machine is not None and not asked.force and not _clean(asked, machine, report, playbook):
        return
    report.tell(name, "phase", phase="revoke")
    _forget(session, name)
    if stays:
        inventory.keep_master(name)
    elif machine is not None:
        _forget_here(inventory, machine)
    report.tell(name, "done", words=_stayed(asked) if stays else _ending(asked))


def _forget_here(inventory: Inventory, machine: Machine) -> None:
    inventory.forget(machine.name)
    way = resolve(machine.target)
    Pins(state.known_hosts()).forget(place(way.host, way.port))


def _clean(asked: Remove, machine: Machine, report: Report, playbook: str = "reset.yml") -> bool:
    """The playbook there; a machine that could not be cleaned stays known and cordoned."""
    outcome = play(playbook, [machine.name], {"kubus_verify": asked.verify}, report)
    if machine.name not in outcome.failed:
        return True
    tell_failures({machine.name: machine.target}, Pins(state.known_hosts()), report)
    report.say(f"  if the machine is gone: `kubus node remove {machine.name} --force`", machine.name)
    return False


def _stayed(asked: Remove) -> str:
    if asked.force:
        return "revoked as a worker and stays a master; the machine itself was not touched"
    return "is a worker no more and stays a master"


def _ending(asked: Remove) -> str:
    if asked.force:
        return "revoked and forgotten; the machine itself was not touched"
    return "removed; nothing is left on the machine" if asked.verify else "removed"


def _exists(session: Session, name: str) -> bool:
    try:
        session.get(NODE.path("", name))
    except NotFound:
        return False
    return True


def _forget(session: Session, name: str) -> None:
    """Its credential first: an agent that still runs must not register again after the Node is deleted."""
    with suppress(NotFound):  # it never had one
        session.create(f"/kubus/v1/nodes/{name}/revoke", {}, {})
    for path in (NODE.path("", name), LEASE.path(LEASES, name)):
        with suppress(NotFound):
            session.delete(path, {})
