"""Preflight of all machines at once: one login each, then the plan."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from master.provision import ssh
from master.provision.facts import Visit, World
from master.provision.plan import Step, Wanted, plan
from master.provision.ssh import Pins
from master.provision.target import Target
from schemas.errors import KubusError

from .report import Report

AT_ONCE = 16


def look(targets: Sequence[Target], wanted: Wanted, world: World, pins: Pins, report: Report) -> list[Step]:
    """Steps of machines that may go on; what stands against the others was reported."""
    def visit(target: Target) -> Visit | None:
        report.tell(target.shown, "phase", phase="look")
        try:
            return ssh.look(target, pins, list(world.reach))
        except KubusError as error:
            report.tell(target.shown, "over", words=str(error))
            return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        seen = [(target, got) for target, got in zip(targets, pool.map(visit, targets), strict=True) if got]
    steps = plan(seen, wanted, world)
    for (_, got), step in zip(seen, steps, strict=True):
        _say(step, got, report)
    # two machines of one name would share a line of the board: the later keeps what it was called on the command line
    taken: dict[str, str] = {}
    for step in steps:
        if step.name not in taken.values():
            taken[step.target.shown] = step.name
    report.rename(taken)
    for step in steps:
        if step.refused:
            words = "; ".join(str(finding) for finding in step.findings if finding.refuses)
            report.tell(taken.get(step.target.shown, step.target.shown), "over", words=words)
    return [step for step in steps if not step.refused]


def _say(step: Step, visit: Visit, report: Report) -> None:
    if visit.pinned_now:
        report.say(f"  {step.name}: host key {visit.fingerprint} pinned", step.name)
    for finding in step.findings:
        if not finding.refuses:
            report.say(f"  {step.name}: warning ({finding.check}): {finding}", step.name)
