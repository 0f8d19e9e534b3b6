"""What three masters cost and what they are good for: `python -m benchmarks.masters`.

Latency of a create over HTTPS, and idle CPU of etcd and nats-server, of a member of three against the same master
alone in the same run; all on one machine with its one disk, fsync on, so the ratios are the worst that three can do.
Then each member is killed -9 under a writer: the longest time between two acknowledged creates.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bed import median, report
from tests.masters.machines import Machine, masters
from tests.masters.writing import CONFIGMAPS, Writer

WRITES = 300
IDLE_SECONDS = 15.0
AFTER_SECONDS = 12.0
PARTS = ("etcd", "nats")


def _up(folder: Path, addresses: list[str]) -> list[Machine]:
    machines = masters(folder, addresses)
    for machine in machines:
        machine.fsync = True
        machine.start()
    for machine in machines:
        machine.wait()
    return machines


def _latency(machine: Machine, prefix: str) -> float:
    """p50 of a create, milliseconds, one after the other."""
    rest, took = machine.rest(), []
    for number in range(WRITES):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{prefix}-{number}"}}
        began = time.perf_counter()
        rest.json("POST", CONFIGMAPS, body=body)
        took.append((time.perf_counter() - began) * 1000)
    rest.close()
    return median(took)


def _ticks(machine: Machine, part: str) -> int:
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in machine.family(part)]
    return sum(int(stat[11]) + int(stat[12]) for stat in stats)


def _idle(machine: Machine) -> dict[str, float]:
    """Percent of a core while nobody asks for anything."""
    time.sleep(3.0)
    before = {part: _ticks(machine, part) for part in PARTS}
    time.sleep(IDLE_SECONDS)
    hertz = os.sysconf("SC_CLK_TCK")
    return {part: (_ticks(machine, part) - before[part]) / hertz / IDLE_SECONDS * 100 for part in PARTS}


def _alone(folder: Path) -> tuple[float, dict[str, float]]:
    (machine,) = machines = _up(folder, ["127.0.0.1"])
    try:
        return _latency(machine, "one"), _idle(machine)
    finally:
        for each in machines:
            each.kill()


def _pauses(machines: list[Machine]) -> list[float]:
    found = []
    writer = Writer(machines[0].places.kubeconfig)
    writer.start()
    try:
        for machine in machines:
            began = time.monotonic()
            machine.kill()
            time.sleep(AFTER_SECONDS)
            found.append(writer.longest_pause(began, time.monotonic()))
            machine.start()
            machine.wait()
    finally:
        writer.stop()
    return found


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="kubus-bench-") as folder:
        alone, idle_alone = _alone(Path(folder) / "one")
        machines = _up(Path(folder) / "three", ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
        try:
            three, idle = _latency(machines[0], "three"), _idle(machines[0])
            pauses = _pauses(machines)
        finally:
            for machine in machines:
                machine.kill()
    report("create, three masters, p50", f"{three:.1f} ms", f"one master {alone:.1f} ms", f"{three / alone:.2f} x",
           "3 x", three <= 3 * alone)
    for part in PARTS:
        report(f"idle {part}, one of three", f"{idle[part]:.2f} % of a core", f"alone {idle_alone[part]:.2f} %",
               f"{idle[part] / max(idle_alone[part], 0.01):.1f} x", "3 %", idle[part] <= 3.0)
    words = ", ".join(f"{pause:.1f}" for pause in pauses)
    report("a writer's pause, each of three killed", f"{words} s", "etcd's election 1-2 s", f"{max(pauses):.1f} s",
           "5 s", max(pauses) <= 5.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
