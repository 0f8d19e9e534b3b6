"""From `kubus node add` to Ready on a machine whose packages are there, phase by phase; and a second run.

    KUBUS_LAB=0 python -m benchmarks.machines

Hosts are systemd-nspawn machines of the laboratory (root). Baselines of the same run, on the same hosts: a bare SSH
round trip, `ansible -m ping`, and what cannot be less: copying the wheels and pip installing them by hand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bed import report
from tests.hosts.operator import Operator
from tests.lab import Host, Lab
from tests.lab.cache import ROOT

MARGIN = 15
"""Seconds above the work by hand: the target from before anything was measured."""


def timed(work: Callable[[], Any]) -> float:
    """Seconds it took."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ssh(lab: Lab, host: Host) -> float:
    """One login by the system's ssh and back, median of five."""
    words = host.door.command("true")
    return sorted(timed(lambda: subprocess.run(words, check=True, capture_output=True)) for _ in range(5))[2]


def ping(operator: Operator) -> float:
    """`ansible -m ping` on all machines of the fleet."""
    program, fleet = Path(sys.executable).parent / "ansible", operator.state / "inventory.yml"
    words = [str(program), "-i", str(fleet), "all", "-m", "ping"]
    return timed(lambda: subprocess.run(words, check=True, capture_output=True, cwd=ROOT / "ansible",
                                        env=operator.environment))


def pip(lab: Lab, host: Host) -> float:
    """The worker's libraries and the product, copied and installed by hand into a new environment, removed again."""
    def work() -> None:
        host.put(lab.wheels(), "/root/wheels")
        host.put(ROOT / "requirements-agent.lock", "/root/wheels/agent.lock")
        host.run("python3 -m venv /root/venv && /root/venv/bin/pip install -q --no-index --find-links /root/wheels "
                 "--no-deps -r /root/wheels/agent.lock kubus")

    taken = timed(work)
    host.run("rm -rf /root/venv /root/wheels")
    return taken


def phases(result: dict[str, Any]) -> str:
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in result["phases"].items() if seconds >= 0.05)


def measure(operator: Operator, lab: Lab) -> None:
    """All of it."""
    one, two = operator.workers
    master = next(iter(operator.init().values()))
    round_trip, by_hand = ssh(lab, one), pip(lab, one)
    added = operator.add(one)[one.name]
    both = operator.add(one, two)
    again = operator.add(one, two)
    pinged = ping(operator)
    report("master init, Docker and Python there", f"{master['seconds']:.1f} s ({phases(master)})",
           f"pip alone {by_hand:.1f} s", f"{master['seconds'] / by_hand:.1f} x", "-", True)
    report("node add → Ready, packages there", f"{added['seconds']:.1f} s ({phases(added)})",
           f"wheels copied and installed by hand {by_hand:.1f} s, one login {round_trip:.2f} s",
           f"+{added['seconds'] - by_hand:.1f} s, {added['seconds'] / by_hand:.2f} x", f"baseline + {MARGIN} s",
           added["seconds"] <= by_hand + MARGIN, result=added)
    report("node add of a second machine beside a joined one", f"{both[two.name]['seconds']:.1f} s",
           f"the first alone {added['seconds']:.1f} s", f"{both[two.name]['seconds'] / added['seconds']:.2f} x", "-",
           True)
    slowest = max(result["seconds"] for result in again.values())
    changed = sum(result["changed"] for result in again.values())
    report("node add again, two joined machines", f"{slowest:.1f} s, {changed} changes ({phases(again[one.name])})",
           f"`ansible -m ping` {pinged:.1f} s", f"{slowest / pinged:.1f} x", "0 changes", changed == 0)


def main() -> int:
    if os.geteuid() != 0:
        print("hosts on this machine need root")
        return 1
    state = Path(tempfile.mkdtemp(prefix="kubus-bench-machines-"))
    try:
        with Lab() as lab:
            hosts = [lab.host(name, index) for name, index in (("bm", 31), ("b1", 32), ("b2", 33))]
            for host in hosts:
                host.start()
            for host in hosts:
                host.wait_ssh()
            lab.wheels()
            measure(Operator(lab, state, hosts), lab)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
