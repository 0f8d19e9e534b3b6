"""Scheduling decisions per second on 5, 500 and 5,000 nodes: `python -m benchmarks.scheduler [nodes …]`.

One decision = template lookup + `decide` + placing the pod in the table (what the service does between two bindings),
every default rule on, pods mixed as `SORTS` says. Seconds are CPU seconds of one core, because the machine is shared.
Then, in wall time: from the moment an informer tells of a pod to the moment its Binding leaves, one pod at a time and
in a burst, with an API that answers at once. Not measured here: the wire. Baselines of the same run: the reference of
the tests, which looks at one node and one pod at a time (written to be obvious, not quick, and left out at 5,000 nodes,
where one decision takes minutes); and the same columns without memory, every rule asked anew each time.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import asyncio
import random
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from benchmarks.bed import quantile, report, rss_mb
from master.scheduler import nodefacts
from master.scheduler.cycle import decide
from master.scheduler.podinfo import PodInfos
from master.scheduler.profile import DEFAULT
from master.scheduler.service import Scheduler
from master.scheduler.standing import Memory
from master.scheduler.table import NodeTable
from runtime.api import Api
from runtime.bus import Bus
from runtime.config import BusConfig
from runtime.leader import Leader
from schemas.core.node import Node
from schemas.core.pod import Pod
from schemas.meta.object import key_of
from tests.scheduler.reference import World, fitting
from tests.scheduler.reference_scores import totals
from tests.scheduler.world import HOST, ZONE, node, pod

TARGET = 5000
SECONDS = 3.0
BASELINE_SECONDS = 3.0
APPS = 10
"""Deployments of each sort; their pods come one by one in turn, or fifty of one at a time."""
BURST = 50
PODS_A_NODE = 20
"""When so many lie on the average node, each new pod replaces the oldest."""


def _apart(app: str) -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": HOST}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def _near(app: str) -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": ZONE}
    wish = {"weight": 50, "podAffinityTerm": term}
    return {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [wish]}}


def _spread(app: str) -> list[dict[str, Any]]:
    labels = {"matchLabels": {"app": app}}
    return [{"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": labels},
            {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": labels}]


SORTS = ("plain", "selector", "toleration", "apart", "near", "spread", "image", "port")


def made(sort: str, app: str, name: str) -> Pod:
    """A pod of a deployment of that sort."""
    more: dict[str, Any] = {
        "selector": {"nodeSelector": {"disk": "ssd"}},
        "toleration": {"tolerations": [{"key": "gpu", "operator": "Exists"}]},
        "apart": {"affinity": _apart(app)},
        "near": {"affinity": _near(app)},
        "spread": {"topologySpreadConstraints": _spread(app)},
        "image": {"image": "nginx"},
        "port": {"ports": [{"containerPort": 80, "hostPort": 8080}]},
    }.get(sort, {})
    return pod(name, labels={"app": app}, owner=app, cpu="100m", memory="64Mi", **more)


def machines(count: int) -> list[Node]:
    """A third with ssd, a tenth tainted, a third with the image, three zones."""
    return [node(f"n{i}", zone=f"z{i % 3}", cpu="16", memory="64Gi", labels={"disk": "ssd" if i % 3 == 0 else "hdd"},
                 taints=("gpu=yes:NoSchedule",) if i % 10 == 9 else (),
                 images={"nginx": 200_000_000} if i % 3 == 1 else {}) for i in range(count)]


def arrivals(sorts: tuple[str, ...], burst: int) -> Iterator[Pod]:
    """Pods for ever. Templates are built once; a copy has its own name and uid, as from the API."""
    chance = random.Random(1)
    templates = [made(sort, f"{sort}-{i}", "x") for i in range(APPS) for sort in sorts]
    number = 0
    while True:
        for template in templates:
            for _ in range(burst):
                number += 1
                uid = f"{chance.getrandbits(64):x}"
                meta = msgspec.structs.replace(template.metadata, name=f"p{number}", uid=uid)
                yield msgspec.structs.replace(template, metadata=meta)


class Bed:
    """A table with nodes and pods on them."""

    def __init__(self, nodes: list[Node]) -> None:
        self.table, self.infos = NodeTable(), PodInfos()
        for each in nodes:
            self.table.put_node(nodefacts.read(each))
        self.memory = Memory(self.table)
        self.order: deque[str] = deque()
        self.refused = 0

    def step(self, pod: Pod) -> None:
        """One decision, and the table after it."""
        template = self.infos.of(pod)
        decision = decide(template, self.table, DEFAULT, uid=pod.metadata.uid, memory=self.memory)
        if decision.node is None:
            self.refused += 1
            return
        self.table.put_pod(pod.metadata.name, template, decision.node)
        self.order.append(pod.metadata.name)
        if len(self.order) > PODS_A_NODE * self.table.nodes:
            self.table.drop_pod(self.order.popleft())


def rate(bed: Bed, pods: Iterator[Pod], seconds: float) -> tuple[float, list[float]]:
    """(decisions per second, microseconds of each), without the making of the pods."""
    times: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        batch = [next(pods) for _ in range(200)]
        for each in batch:
            began = time.thread_time()
            bed.step(each)
            times.append(time.thread_time() - began)
    return len(times) / sum(times), [t * 1e6 for t in times]


def baseline(nodes: list[Node]) -> float:
    """Decisions per second of the reference, on an empty cluster (where it is fastest)."""
    world, pods, count = World({n.metadata.name: n for n in nodes}, {}), arrivals(SORTS, 1), 0
    began = time.thread_time()
    while (spent := time.thread_time() - began) < BASELINE_SECONDS:
        asked = next(pods)
        fit = fitting(asked, world)
        count += 1
        if fit:
            points = totals(asked, world, fit)
            placed = msgspec.structs.replace(asked.spec, node_name=max(points, key=points.__getitem__))
            world.pods[asked.metadata.name] = msgspec.structs.replace(asked, spec=placed)
    return count / spent


def forgetful(bed: Bed, pods: Iterator[Pod]) -> float:
    """Decisions per second when nothing is remembered from one to the next."""
    count, began = 0, time.thread_time()
    while (spent := time.thread_time() - began) < BASELINE_SECONDS:
        asked = next(pods)
        decide(bed.infos.of(asked), bed.table, DEFAULT, uid=asked.metadata.uid)
        count += 1
    return count / spent


def measure(count: int) -> None:
    """All figures for one size of cluster."""
    nodes = machines(count)
    slow = baseline(nodes) if count <= 500 else 0.0
    bed = Bed(nodes)
    pods = arrivals(SORTS, 1)
    rate(bed, pods, 1.0)
    per_second, times = rate(bed, pods, SECONDS)
    bursts, _ = rate(bed, arrivals(SORTS, BURST), SECONDS)
    said = f"{per_second:,.0f}/s (p50 {quantile(times, 0.5):.0f} us, p99 {quantile(times, 0.99):.0f} us)"
    said += f", in bursts of {BURST}: {bursts:,.0f}/s, {bed.refused / len(times):.0%} refused"
    afresh = forgetful(bed, arrivals(SORTS, 1))
    against = f"{afresh:,.0f}/s without memory" + (f", {slow:,.1f}/s one node at a time" if slow else "")
    ratios = f"{per_second / afresh:,.1f}x" + (f", {per_second / slow:,.0f}x" if slow else "")
    report(f"decisions, {count} nodes", said, against, ratios, f">= {TARGET}/s at 5,000 nodes", per_second >= TARGET,
           per_second=per_second)
    for sort in SORTS:
        alone, _ = rate(Bed(nodes), arrivals((sort,), 1), SECONDS / 6)
        print(f"        only {sort:<10} {alone:>9,.0f}/s", flush=True)


class Wire:
    """An API that answers at once and notes when a binding reached it."""

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}
        self.news = asyncio.Event()

    async def send(self, method: str, path: str, query: Mapping[str, str], body: bytes,
                   content_type: str) -> tuple[int, bytes]:
        if path.endswith("/binding"):
            self.seen[path.split("/")[-2]] = time.perf_counter()
            self.news.set()
        return 201, b'{"kind":"Status","status":"Success"}'


class Started(Scheduler):
    """Leads at once: no lease, no mirror."""

    async def _catch_up(self, leader: Leader) -> None:
        return


async def latency(count: int) -> None:
    """Informer -> Binding request, milliseconds."""
    wire = Wire()
    api = Api(wire)
    scheduler = Started(Bus(BusConfig(identity="master.scheduler")), api)
    scheduler.informers.synced.set()
    for each in machines(count):
        scheduler.desk.node(each.metadata.name, each)
    leading = asyncio.create_task(scheduler.lead(Leader(api, "bench")), name="lead")
    pods = arrivals(("plain", "selector", "toleration", "near", "image"), 1)

    async def sent(burst: int) -> list[float]:
        """Told in one go; milliseconds until each binding left."""
        batch, told = [next(pods) for _ in range(burst)], time.perf_counter()
        for each in batch:
            scheduler._pod_changed(key_of(each), None, each)
        while any(each.metadata.name not in wire.seen for each in batch):
            wire.news.clear()
            await wire.news.wait()
        for each in batch:
            spec = msgspec.structs.replace(each.spec, node_name="n0")
            scheduler._pod_changed(key_of(each), each, msgspec.structs.replace(each, spec=spec))
            gone = msgspec.structs.replace(each, spec=spec)
            scheduler._pod_changed(key_of(each), gone, None)
        return [(wire.seen[each.metadata.name] - told) * 1000 for each in batch]

    await sent(50)
    alone = [value for _ in range(300) for value in await sent(1)]
    burst = [value for _ in range(5) for value in await sent(50)]
    leading.cancel()
    await asyncio.wait([leading])
    report(f"pod seen -> binding sent, {count} nodes",
           f"p50 {quantile(alone, 0.5):.2f} ms, p99 {quantile(alone, 0.99):.2f} ms; "
           f"burst of 50: first {min(burst):.2f} ms, last {quantile(burst, 1.0):.1f} ms",
           "-", "-", "<= 2 ms p50", quantile(alone, 0.5) <= 2)


def main() -> None:
    for count in [int(text) for text in sys.argv[1:]] or [5, 500, 5000]:
        measure(count)
        asyncio.run(latency(count))
    print(f"      this process, {rss_mb(os.getpid()):.0f} MB resident at the end")


if __name__ == "__main__":
    main()
