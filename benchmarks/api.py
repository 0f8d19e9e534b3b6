"""The API server as a process beside a real etcd and NATS: creates/s, latency of single-object calls at 500/s, a list
of 10,000 pods, memory. Baselines in the same run: the same writes and reads straight at etcd.

    python -m benchmarks.api [--pods 10000] [--seconds 10]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import uvloop

from benchmarks.bed import median, quantile, report
from master.store.etcd import EtcdStore
from runtime.api import Api, BusTransport
from runtime.bus import Bus
from schemas import codec
from schemas.core.pod import POD, Pod
from tests.api.processes import Master
from tests.servers import start_etcd, start_nats

IN_FLIGHT = 64
RATE = 500
PODS = "/api/v1/namespaces/default/pods"
TARGET_P99_MS = 20.0


def pod(name: str) -> dict[str, Any]:
    """About what a Deployment's pod looks like when it is created: 1 kB."""
    container = {"name": "app", "image": "registry.example/team/app:1.2.3", "ports": [{"containerPort": 8080}],
                 "env": [{"name": "MODE", "value": "production"}],
                 "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                 "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web", "hash": "7d9f"}},
            "spec": {"containers": [container]}}


class Bench:
    """A running master and the ways to it."""

    def __init__(self, master: Master, etcd: str) -> None:
        self.master = master
        self.store = EtcdStore([etcd])
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=master.context(), limit=IN_FLIGHT), base_url=master.url)

    async def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> bytes:
        """One call over HTTPS."""
        raw = None if body is None else json.dumps(body)
        async with self.session.request(method, path, data=raw, headers={"Content-Type": kind}) as answer:
            content = await answer.read()
            assert answer.status < 300, content
            return content

    async def close(self) -> None:
        await self.session.close()
        await self.store.close()


async def rate(count: int, one: Callable[[int], Awaitable[Any]]) -> float:
    """Calls per second with IN_FLIGHT at once."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await one(number)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return count / (time.perf_counter() - began)


async def paced(seconds: float, one: Callable[[int], Awaitable[Any]]) -> list[float]:
    """Milliseconds of each call, begun at RATE per second whether or not earlier ones are done (open loop)."""
    taken: list[float] = []

    async def timed(number: int, due: float) -> None:
        await one(number)
        taken.append((time.perf_counter() - due) * 1000)

    began, tasks = time.perf_counter(), []
    for number in range(int(seconds * RATE)):
        due = began + number / RATE
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(timed(number, due)))
    await asyncio.gather(*tasks)
    return taken


async def creates(bench: Bench, count: int) -> None:
    """Pods created per second: straight at etcd, over HTTPS, over the bus."""
    raw = codec.encode(codec.decode(Pod, json.dumps(pod("x")).encode()))
    bare = await rate(count, lambda i: bench.store.create(f"/bench/{i}", raw, request="r"))
    https = await rate(count, lambda i: bench.call("POST", PODS, pod(f"h{i}")))
    bus = await Bus.connect(bench.master.bus_config("master.controllers"))
    api = Api(BusTransport(bus))
    plain = codec.decode(Pod, json.dumps(pod("b")).encode())

    async def create(number: int) -> None:
        meta = msgspec.structs.replace(plain.metadata, name=f"b{number}", namespace="default")
        await api.create(POD, msgspec.structs.replace(plain, metadata=meta))

    over_bus = await rate(count, create)
    await bus.close()
    for name, figure in (("HTTPS", https), ("bus", over_bus)):
        report(f"pods created over {name}", f"{figure:.0f}/s", f"{bare:.0f}/s straight at etcd",
               f"{figure / bare:.2f} of it", "none", True)


async def latency(bench: Bench, seconds: float) -> None:
    """Single-object calls at RATE/s: of ten, seven reads, two patches, one create and its delete in turn."""
    raw = b"x" * 1000
    await bench.store.transact([], request="")
    await bench.store.create("/bench/one", raw)

    async def bare(number: int) -> None:
        if number % 10 < 7:
            await bench.store.get("/bench/one")
        else:
            await bench.store.create(f"/bench/l{number}", raw)

    async def call(number: int) -> None:
        match number % 10:
            case 0:
                await bench.call("POST", PODS, pod(f"l{number}"))
            case 1 | 2:
                patch = {"metadata": {"annotations": {"n": str(number)}}}
                await bench.call("PATCH", f"{PODS}/h{number % 100}", patch, "application/merge-patch+json")
            case _:
                await bench.call("GET", f"{PODS}/h{number % 1000}")

    await paced(2, call)
    for number in range(0, 2 * RATE, 10):
        await bench.call("DELETE", f"{PODS}/l{number}")
    straight, found = await paced(seconds, bare), await paced(seconds, call)
    p50, p99 = median(found), quantile(found, 0.99)
    base = quantile(straight, 0.99)
    report(f"single-object calls at {RATE}/s, p99", f"{p99:.1f} ms (p50 {p50:.1f} ms)",
           f"p99 {base:.1f} ms straight at etcd", f"{p99 / base:.1f} times", f"<= {TARGET_P99_MS:.0f} ms",
           p99 <= TARGET_P99_MS)


async def lists(bench: Bench, pods: int) -> None:
    """All pods in one list: plain, with a label selector, as a table."""
    have = len(json.loads(await bench.call("GET", PODS))["items"])
    await rate(max(pods - have, 0), lambda i: bench.call("POST", PODS, pod(f"m{i}")))

    async def taken(what: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
        times, answer = [], None
        for _ in range(5):
            began = time.perf_counter()
            answer = await what()
            times.append((time.perf_counter() - began) * 1000)
        return median(times), answer

    bare, _ = await taken(lambda: bench.store.list("/registry/core/pods/"))
    for name, path, accept in (
            ("plain", PODS, "application/json"), ("by label", f"{PODS}?labelSelector=app%3Dweb", "application/json"),
            ("table", PODS, "application/json;as=Table;v=v1;g=meta.k8s.io")):
        bench.session.headers["Accept"] = accept
        took, raw = await taken(lambda path=path: bench.call("GET", path))  # type: ignore[misc]
        report(f"list of {pods} pods, {name}", f"{took:.0f} ms, {len(raw) / 1e6:.1f} MB",
               f"{bare:.0f} ms the range straight at etcd", f"{took / bare:.1f} times", "none", True)
    bench.session.headers.pop("Accept")


async def main(pods: int, seconds: float) -> None:
    """All of it."""
    folder = Path(tempfile.mkdtemp(prefix="kubus-api-"))
    etcd, nats = start_etcd(folder), start_nats(folder)
    master = Master(folder, etcd.endpoint, nats.url)
    master.apiserver.start()
    master.publisher.start()
    try:
        await asyncio.to_thread(master.until, "/readyz")
        await asyncio.sleep(1)
        idle = master.apiserver.rss_mb()
        bench = Bench(master, etcd.endpoint)
        await creates(bench, 3000)
        await latency(bench, seconds)
        await lists(bench, pods)
        await bench.close()
        full = master.apiserver.rss_mb()
        report("memory of the API server", f"{idle:.0f} MB idle, {full:.0f} MB with {pods} pods after the above",
               "350 MB for the whole master", f"{idle / 350:.2f} of it idle", "part of 350 MB", idle < 120)
    finally:
        master.stop()
        nats.kill()
        etcd.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    asked = parser.parse_args()
    uvloop.run(main(asked.pods, asked.seconds))
