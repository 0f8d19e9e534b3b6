"""What every benchmark stands on: a Docker daemon, a throw-away cluster, quantiles, and how a result is printed.

A result is one line: what, the figure, the baseline of the same run, their ratio, the target, and whether it is met.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import docker

from tests import dockerd
from tests.cluster.cluster import Cluster, kubectls

RESULTS = Path(__file__).parent / "results"


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile by rank (0.5 = median, 0.99 = p99)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def report(name: str, figure: str, baseline: str, ratio: str, target: str, met: bool, **raw: Any) -> None:
    """Print a result and keep it under benchmarks/results."""
    print(f"{'ok  ' if met else 'MISS'}  {name}: {figure}; baseline {baseline}; {ratio}; target {target}", flush=True)
    RESULTS.mkdir(exist_ok=True)
    entry = {"name": name, "figure": figure, "baseline": baseline, "ratio": ratio, "target": target, "met": met, **raw}
    with (RESULTS / "results.jsonl").open("a") as out:
        out.write(json.dumps({"at": time.strftime("%Y-%m-%dT%H:%M:%S"), **entry}) + "\n")


def engine() -> tuple[str, docker.APIClient, str]:
    """(address, client, image) of a Docker daemon with the test image."""
    host = dockerd.find_or_start()
    if host is None:
        raise SystemExit("no Docker daemon answers and none can be started here")
    return host, dockerd.client(host), dockerd.ensure_image(host)


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster of its own, purged afterwards."""
    host, _, _ = engine()
    state = Path(tempfile.mkdtemp(prefix="kubus-bench-"))
    made = Cluster(state, host, next(iter(kubectls().values()), Path("kubectl")))
    try:
        made.up()
        yield made
    finally:
        made.kubus("down", "--purge", timeout=180, check=False)
        shutil.rmtree(state, ignore_errors=True)


def rss_mb(pid: int) -> float:
    """Resident memory of a process in MB (VmRSS)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
