"""`kubus node add`: look at all machines, let the roles work on those that may, wait until each is Ready.

Reads the cluster and the machines; writes the fleet file, the pinned host keys, tokens, and what join.yml does. A
machine that fails stops only itself; a second run goes on where the first stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from master.provision.inventory import Inventory
from master.provision.plan import Step, Wanted
from master.provision.ssh import Pins
from master.provision.target import Target

from . import cluster, state
from .cluster import Reach, Token
from .look import look
from .playing import play, tell_failures
from .report import Report
from .stock import Stock, shared
from .waiting import wait


class Add(Struct, frozen=True, kw_only=True):
    """What was asked."""

    targets: Sequence[Target]
    wanted: Wanted
    reach: Reach
    stock: Stock
    dry_run: bool = False
    seconds: float = 180.0


def add(asked: Add, report: Report) -> int:
    """0 when every machine is Ready. Raises KubusError for what concerns none of them (no cluster, no roles)."""
    session, pins = asked.reach.session(), Pins(state.known_hosts())
    world = cluster.world(asked.reach, session)
    report.begin([target.shown for target in asked.targets])
    try:
        steps = look(asked.targets, asked.wanted, world, pins, report)
        if asked.dry_run:
            for step in steps:
                report.tell(step.name, "done", words=f"would {', '.join(step.words)}")
        elif steps:
            _work(asked, steps, pins, report)
    finally:
        good = report.end()
    return 0 if good else 1


def _work(asked: Add, steps: Sequence[Step], pins: Pins, report: Report) -> None:
    session = asked.reach.session()
    for step in steps:
        report.say(f"  {step.name}: {', '.join(step.words)}", step.name)
        report.tell(step.name, "phase", phase="token")
    before = {step.name: cluster.renewed(session, step.name) for step in steps}
    tokens: dict[str, Token] = {}
    try:
        for step in steps:
            tokens[step.name] = cluster.token(session, step.name)
        failed = _play(asked, steps, tokens, before, report)
    finally:
        for token in tokens.values():
            cluster.drop_token(session, token)
    tell_failures({step.name: step.target for step in steps if step.name in failed}, pins, report)


def _play(asked: Add, steps: Sequence[Step], tokens: Mapping[str, Token], before: Mapping[str, str],
          report: Report) -> set[str]:
    """The fleet file, join.yml, Ready; the names of those that failed."""
    inventory, first = Inventory(state.inventory()), next(iter(tokens.values()))
    told = {"kubus_api_servers": list(first.servers), "kubus_ca_hash": first.ca_hash}
    inventory.put([step.machine for step in steps], {**shared(inventory, asked.stock), **told})
    told = {**_secrets(tokens), "kubus_ignore": list(asked.wanted.ignored)}
    outcome = play("join.yml", [step.name for step in steps], told, report)
    unchanged = [name for name, count in outcome.changed.items() if not count]
    return {*outcome.failed, *wait(asked.reach, before, unchanged, asked.seconds, report)}


def _secrets(tokens: Mapping[str, Token]) -> dict[str, Any]:
    """Each machine's own token as a variable that never touches the fleet file."""
    return {"kubus_tokens": {name: token.token for name, token in tokens.items()},
            "kubus_token": "{{ kubus_tokens[inventory_hostname] }}"}

