"""Plays one of our playbooks on machines of the fleet; tells of those that failed: task, words, the journal there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from master.provision.places import ansible_folder
from master.provision.playbook import Interrupted, Outcome, Play
from master.provision.playbook import play as run
from master.provision.ssh import Pins, journal
from master.provision.target import Target
from schemas.errors import KubusError

from . import state
from .report import Report


def play(playbook: str, names: Sequence[str], variables: Mapping[str, Any], report: Report) -> Outcome:
    """Blocks; machines that failed are over on the board. Raises PlayBroken, RolesMissing, Interrupted."""
    wanted = Play(folder=ansible_folder(), playbook=playbook, inventory=state.inventory(), limit=names,
                  variables=variables, known_hosts=state.known_hosts(), forks=max(5, len(names)))
    try:
        outcome = run(wanted, report.told)
    except Interrupted as ended:
        report.say(f"  {ended}")
        raise
    for name in sorted(outcome.failed):
        report.tell(name, "over", words=f"{playbook} did not reach it")
    return outcome


def tell_failures(targets: Mapping[str, Target], pins: Pins, report: Report) -> None:
    """For each: what failed, what was done before, and the newest lines of its journal."""
    for name, target in targets.items():
        host = report.board[name]
        phases = [phase for phase, _ in host.phases] or ["the start"]
        before = f" (done before: {', '.join(phases[:-1])})" if phases[1:] else ""
        report.say(f"\n{name} failed in {phases[-1]}{before}\n{_indented(host.failure)}", name)
        try:
            tail = journal(target, pins)
        except KubusError as error:
            tail = f"(no journal: {error})"
        if tail:
            report.say(f"  the journal there:\n{_indented(tail)}", name)
        report.say("  what was done stays; the same command again goes on from there", name)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
