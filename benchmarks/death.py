"""A machine loses its power: how long until it is NotReady, and until its pod runs elsewhere.

Three hosts of the laboratory (tests/lab), provisioned by the roles: m1 a master, w1 and w2 workers. Baseline of the
same run: the start of one pod, from `POST deployment` to Ready on w1, which is the part of a replacement that no
failure detector could save. Targets: NotReady ≤ 5 s, replacement ≤ 15 s. Needs root; half a minute per round.
"""

from __future__ import annotations

import argparse
import time

from benchmarks.bed import median, report
from tests.hosts.fleet import Fleet, nodes_of
from tests.hosts.workloads import deployment
from tests.lab import Lab

NOTICE_SECONDS, REPLACE_SECONDS = 5.0, 15.0


def main() -> None:
    parser = argparse.ArgumentParser(description="node death -> NotReady -> replacement")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with Lab() as lab:
        fleet = Fleet(lab)
        try:
            fleet.provision()
            starts = [_start(fleet, index) for index in range(rounds)]
            deaths = [_death(fleet) for _ in range(rounds)]
        finally:
            fleet.wipe()
    baseline = f"one pod's start p50 {median(starts):.1f} s"
    for what, seconds, most in (("NotReady", [noticed for noticed, _ in deaths], NOTICE_SECONDS),
                                ("replacement Ready", [replaced for _, replaced in deaths], REPLACE_SECONDS)):
        report(f"power lost to {what}", f"p50 {median(seconds):.1f} s, worst {max(seconds):.1f} s", baseline,
               f"{median(seconds) / median(starts):.1f} x", f"<= {most:.0f} s", max(seconds) <= most,
               seconds=seconds, starts=starts)


def _start(fleet: Fleet, index: int) -> float:
    """One pod on w1, from nothing."""
    app = f"start{index}"
    begun = time.monotonic()
    fleet.apply(deployment(app, 1, {"nodeSelector": {"kubernetes.io/hostname": "w1"}}))
    fleet.wait(lambda: fleet.running(app), app, 60)
    took = time.monotonic() - begun
    fleet.kubectl("delete", "deployment", app)
    return took


def _death(fleet: Fleet) -> tuple[float, float]:
    """Seconds from the loss of w2's power to its NotReady, and to its pod running and ready on w1."""
    fleet.apply(deployment("web", 2))
    fleet.wait(lambda: nodes_of(fleet.running("web")) == ["w1", "w2"], "web on both workers", 60)
    host, begun = fleet.workers["w2"], time.monotonic()
    host.kill()
    fleet.wait(lambda: fleet.ready("w2") == "Unknown", "w2 to be NotReady", 60)
    noticed = time.monotonic() - begun
    fleet.wait(lambda: nodes_of(fleet.running("web")) == ["w1", "w1"], "the replacement", 120)
    replaced = time.monotonic() - begun
    host.start()
    fleet.wait_ready("w2", 120)
    fleet.kubectl("delete", "deployment", "web")
    fleet.wait(lambda: not fleet.containers("w1") and not fleet.containers("w2"), "the hosts to be empty", 60)
    return noticed, replaced


if __name__ == "__main__":
    main()
