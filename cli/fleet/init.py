"""`kubus master init`: the first masters of a cluster on bare machines, one or three, and the kubeconfig brought here.

Reads the machines; writes the fleet file, the pinned host keys, what site.yml does, and ~/.kubus/kubeconfig. Safe to
repeat: what is not said again stays as it was. Refuses a state folder that already belongs to another cluster, and
other masters than its cluster has: etcd's members are not changed by naming them.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from cli.session import Session
from master.provision import fleet
from master.provision.facts import World
from master.provision.inventory import Inventory
from master.provision.plan import Step, Wanted
from master.provision.ssh import Pins
from master.provision.target import BadTarget, Target
from schemas.core.node import NODE
from schemas.errors import KubusError

from . import state
from .look import look
from .playing import play, tell_failures
from .report import Report
from .stock import Stock, shared

NUMBERS = (1, 3, 5)


class OtherCluster(KubusError):
    """The state folder already holds a cluster."""


class Init(Struct, frozen=True, kw_only=True):
    """What was asked."""

    targets: Sequence[Target]
    wanted: Wanted
    stock: Stock
    dry_run: bool = False


def init(asked: Init, report: Report) -> int:
    """0 when every master is laid down and the API answers here. Raises OtherCluster, BadTarget."""
    if len(asked.targets) not in NUMBERS:
        raise BadTarget(f"{len(asked.targets)} masters were named; etcd wants an odd number: 1, 3 or 5")
    inventory, pins = Inventory(state.inventory()), Pins(state.known_hosts())
    _ours(inventory, asked)
    asked = replace(asked, targets=[_known(target, inventory) for target in asked.targets])
    report.begin([target.shown for target in asked.targets])
    try:
        steps = look(asked.targets, replace(asked.wanted, machines=len(asked.targets)), World(), pins, report)
        if asked.dry_run:
            for step in steps:
                report.tell(step.name, "done", words=f"would {', '.join(step.words)}")
        elif len(steps) == len(asked.targets):
            _work(asked, steps, inventory, pins, report)
        else:  # a part of the masters is no cluster
            for step in steps:
                report.tell(step.name, "over", words="nothing was done: another master was refused")
    finally:
        good = report.end()
    if good and not asked.dry_run:
        report.say(_next(inventory))
    return 0 if good else 1


def _ours(inventory: Inventory, asked: Init) -> None:
    if state.is_local_cluster():
        raise OtherCluster(f"{state.folder()} is the state folder of a cluster that `kubus up` made; name another with "
                           "KUBUS_STATE, or remove that one with `kubus down --purge`")
    masters = [machine.target.host for machine in inventory.machines() if machine.is_master]
    named = {target.host for target in asked.targets}
    strange, new = [host for host in masters if host not in named], sorted(named - set(masters))
    if strange:
        raise OtherCluster(f"{inventory.path} already has other masters ({', '.join(strange)}); name those again, or "
                           "name another state folder with KUBUS_STATE")
    if masters and new:
        raise OtherCluster(
            f"{inventory.path} has the masters {', '.join(masters)}, and {', '.join(new)} cannot be added to them: the "
            "number of masters is settled when a cluster is founded. To have others: backup.yml, reset.yml on the old "
            "ones, restore.yml with the new ones. If that cluster never came up, move the file away and begin anew")


def _known(target: Target, inventory: Inventory) -> Target:
    """With the name and the address that the fleet file has, where the command line says none."""
    machine = next((each for each in inventory.machines() if each.is_master and each.target.host == target.host), None)
    if machine is None:
        return target
    return replace(target, name=target.name or machine.name, address=target.address or machine.target.address)


def _work(asked: Init, steps: Sequence[Step], inventory: Inventory, pins: Pins, report: Report) -> None:
    inventory.put([step.machine for step in steps], {
        **shared(inventory, asked.stock), **asked.wanted.founding.variables(),
        "kubus_kubeconfig": str(state.kubeconfig()),
    })
    outcome = play("site.yml", [step.name for step in steps], {"kubus_ignore": list(asked.wanted.ignored)}, report)
    if outcome.failed:
        tell_failures({step.name: step.target for step in steps if step.name in outcome.failed}, pins, report)
        return
    for name in report.open():
        report.tell(name, "phase", phase="answer")
    Session(str(state.kubeconfig())).get(NODE.path())
    for name in report.open():
        words = "is a master" if outcome.changed.get(name) else "is a master, nothing to change"
        report.tell(name, "done", words=words)


def _next(inventory: Inventory) -> str:
    name = str(fleet.shared(inventory.read()).get("kubus_cluster", ""))
    return (f"\nThe cluster{f' {name}' if name else ''} answers. Its kubeconfig is {state.kubeconfig()}.\n"
            "Now bring machines into it:   kubus node add USER@HOST …\n"
            "See it:                       kubus node list; kubus get pods -A\n"
            f"With kubectl:                 export KUBECONFIG={state.kubeconfig()}")
