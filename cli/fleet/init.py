"""`kubus master init`: the first masters of a cluster on bare machines, one or three, and the kubeconfig brought here.

Reads the machines; writes the fleet file, the pinned host keys, what site.yml does, and ~/.kubus/kubeconfig. Refuses a
state folder that already belongs to another cluster.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from cli.session import Session
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
    cluster: str = "kubus"
    pod_cidr: str = ""
    dry_run: bool = False


def init(asked: Init, report: Report) -> int:
    """0 when every master is laid down and the API answers here. Raises OtherCluster, BadTarget."""
    if len(asked.targets) not in NUMBERS:
        raise BadTarget(f"{len(asked.targets)} masters were named; etcd wants an odd number: 1, 3 or 5")
    inventory, pins = Inventory(state.inventory()), Pins(state.known_hosts())
    _ours(inventory, asked)
    report.begin([target.shown for target in asked.targets])
    try:
        steps = look(asked.targets, asked.wanted, World(), pins, report)
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
        report.say(_next(asked))
    return 0 if good else 1


def _ours(inventory: Inventory, asked: Init) -> None:
    if state.is_local_cluster():
        raise OtherCluster(f"{state.folder()} is the state folder of a cluster that `kubus up` made; name another with "
                           "KUBUS_STATE, or remove that one with `kubus down --purge`")
    masters = [machine.target.host for machine in inventory.machines() if machine.is_master]
    strange = [host for host in masters if host not in {target.host for target in asked.targets}]
    if strange:
        raise OtherCluster(f"{inventory.path} already has other masters ({', '.join(strange)}); name those again, or "
                           "name another state folder with KUBUS_STATE")


def _work(asked: Init, steps: Sequence[Step], inventory: Inventory, pins: Pins, report: Report) -> None:
    told = {"kubus_cluster": asked.cluster, **({"kubus_pod_cidr": asked.pod_cidr} if asked.pod_cidr else {})}
    inventory.put([step.machine for step in steps], {
        **shared(inventory, asked.stock), **told, "kubus_kubeconfig": str(state.kubeconfig()),
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


def _next(asked: Init) -> str:
    return (f"\nThe cluster {asked.cluster} answers. Its kubeconfig is {state.kubeconfig()}.\n"
            "Now bring machines into it:   kubus node add USER@HOST …\n"
            "See it:                       kubus node list; kubus get pods -A\n"
            f"With kubectl:                 export KUBECONFIG={state.kubeconfig()}")
