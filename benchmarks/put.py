"""Acknowledged writes per second, 64 in flight: `python -m benchmarks.put`.

Ours is a compare-and-swap of an object of 1.5 KB, the request id in the same transaction. Baseline of the same run
is aetcd's plain put of the same bytes on the same etcd, in turns. CPU is this process', per write.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aetcd
import uvloop

from benchmarks.bed import median, report
from master.store.etcd import EtcdStore
from tests.store.conftest import answering
from tests.store.process import Etcd

IN_FLIGHT = 64
WRITES = 4000
ROUNDS = 5
VALUE = b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"},"x":"' + b"x" * 1400 + b'"}'

Write = Callable[[int], Awaitable[None]]


async def rate(write: Write) -> tuple[float, float]:
    """(writes/s, CPU microseconds each)."""
    todo = iter(range(WRITES))

    async def worker(lane: int) -> None:
        for _ in todo:
            await write(lane)

    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker(lane) for lane in range(IN_FLIGHT)))
    return WRITES / (time.perf_counter() - began), (time.process_time() - cpu) / WRITES * 1e6


async def measure(etcd: Etcd) -> dict[str, list[tuple[float, float]]]:
    store = EtcdStore([etcd.endpoint])
    await answering(store)
    host, _, port = etcd.endpoint.partition("://")[2].partition(":")
    client = aetcd.Client(host=host, port=int(port))
    await client.connect()
    keys = [f"/registry/core/pods/d/p{lane}" for lane in range(IN_FLIGHT)]
    revisions = [await store.create(key, VALUE) for key in keys]

    async def plain(lane: int) -> None:
        await client.put(b"/plain/%d" % lane, VALUE)

    async def swap(lane: int) -> None:
        revisions[lane] = await store.update(keys[lane], VALUE, revisions[lane])

    async def swap_told(lane: int) -> None:
        revisions[lane] = await store.update(keys[lane], VALUE, revisions[lane], request="0123456789abcdef")

    ways = {"aetcd put": plain, "update": swap, "update with request id": swap_told}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, write in ways.items():
            found[name].append(await rate(write))
    await client.close()
    await store.close()
    return found


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="kubus-bench-") as folder:
        etcd = Etcd(Path(folder) / "etcd", fsync=True)
        etcd.start()
        try:
            found = uvloop.run(measure(etcd))
        finally:
            etcd.stop()
    (plain, plain_cpu), *_ = [(median([r for r, _ in runs]), median([c for _, c in runs])) for runs in found.values()]
    for name, runs in list(found.items())[1:]:
        puts, cpu = median([r for r, _ in runs]), median([c for _, c in runs])
        report(
            f"{name}, {IN_FLIGHT} in flight", f"{puts:.0f}/s at {cpu:.0f} us CPU",
            f"aetcd put {plain:.0f}/s at {plain_cpu:.0f} us CPU", f"{puts / plain:.2f} x", "0.8 x", puts >= 0.8 * plain,
        )


if __name__ == "__main__":
    main()
