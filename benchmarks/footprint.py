"""Memory and idle CPU of every process, with 20 pods running and nothing happening; and how fast a verb answers.

Targets: idle agent <= 60 MB and <= 0.5 % of a core; all master processes with etcd and NATS <= 350 MB, each <= 0.5 %
of a core; `kubus get pods` <= 150 ms. Baselines: `sleep` costs nothing to speak of, so memory and CPU stand against
their budgets; the verb stands against `kubectl get pods` of the same run.
"""

from __future__ import annotations

import argparse
import subprocess
import time

from benchmarks.bed import cluster, cpu_seconds, engine, median, report, rss_mb
from benchmarks.pods import DEPLOYMENT, body
from cli.session import Session
from tests.cluster.cluster import KUBUS, Cluster, wait_for

PODS = 20


def memory_and_cpu(c: Cluster, seconds: float) -> None:
    components = c.run_file().components
    before = {name: cpu_seconds(p.pid) for name, p in components.items()}
    began = time.monotonic()
    time.sleep(seconds)
    spent = time.monotonic() - began
    master_mb = 0.0
    for name, process in components.items():
        mb = rss_mb(process.pid)
        cpu = (cpu_seconds(process.pid) - before[name]) / spent * 100
        most = 60.0 if name == "agent" else None
        master_mb += 0 if name == "agent" else mb
        target = f"<= {most:.0f} MB, <= 0.5 %" if most else "<= 0.5 %"
        met = cpu <= 0.5 and (most is None or mb <= most)
        figure = f"{mb:.0f} MB, {cpu:.2f} % of a core"
        report(f"idle {name}", figure, f"{seconds:.0f} s at {PODS} pods", "-", target, met)
    report("all master processes", f"{master_mb:.0f} MB", "budget 350 MB", f"{master_mb / 350:.2f} of it", "<= 350 MB",
           master_mb <= 350)


def verb(c: Cluster, rounds: int) -> None:
    ours, theirs = [], []
    for _ in range(rounds):
        for times, command in ((ours, str(KUBUS)), (theirs, str(c.kubectl_binary))):
            began = time.perf_counter()
            subprocess.run([command, "get", "pods"], env=c.environment, check=True, capture_output=True)
            times.append(time.perf_counter() - began)
    report("kubus get pods", f"p50 {median(ours) * 1000:.0f} ms", f"kubectl {median(theirs) * 1000:.0f} ms",
           f"{median(ours) / median(theirs):.2f} x kubectl's time", "<= 150 ms", median(ours) <= 0.15)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    _, _, image = engine()
    with cluster() as c:
        session = Session(str(c.layout.kubeconfig))
        session.create(DEPLOYMENT.path("default"), body("idle", image, PODS))

        def running() -> bool:
            status = session.get(DEPLOYMENT.path("default", "idle")).get("status", {})
            return bool(status.get("availableReplicas", 0) == PODS)

        wait_for(running, f"{PODS} pods", 120)
        time.sleep(10)  # what follows a burst (events, status, compaction) is not idleness
        memory_and_cpu(c, asked.seconds)
        verb(c, 15)


if __name__ == "__main__":
    main()
