"""etcd commit -> an agent's handler, with 1,000 agents connected: `python -m benchmarks.line [agents] [writes/s]`.

Real etcd (fsync on), real nats-server, the publisher as its own process; every agent is a connection of its own that
follows its own node's feed. Pods of all nodes are updated at an even pace; an object carries the time before its put.
Baseline of the same run: the same put, acknowledged (before the publisher starts, and while it runs).

The crowd shares one process, where a thousand pings and heartbeats fall due in the same instant and handlers wait for
each other, as those of a thousand machines do not. So the figure is that of PROBES agents in a process of their own,
which get every second write; the crowd's own figure is printed below it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import uvloop

from benchmarks.bed import cpu_seconds, quantile, report, rss_mb
from master.store import keys
from master.store.etcd import EtcdStore
from master.store.store import Put
from runtime.bus import Bus, Frame, Mark
from runtime.config import BusConfig, Config, EtcdConfig
from schemas.bus.subjects import STREAM, feed_interest
from tests.store.conftest import answering
from tests.store.process import Etcd
from tests.watch.process import Nats

WRITES = 3000
PROBES = 50
PAD = "x" * 1200
"""A pod's usual size."""


def pod(node: int, number: int) -> tuple[str, bytes]:
    """An update of the one pod of a node; `number` and the time go along."""
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{node}", "namespace": "d", "annotations": {
        "number": str(number), "at": str(time.monotonic_ns())}}, "spec": {"nodeName": f"n{node}", "pad": PAD}}
    return keys.path("", "pods", "d", f"p{node}"), json.dumps(body, separators=(",", ":")).encode()


async def follow(url: str, first: int, end: int) -> None:
    """A process of agents: says when all follow; then, on a line from outside, what each handler saw when."""
    seen: dict[int, int] = {}
    marks = 0
    all_follow = asyncio.Event()

    async def agent(node: int) -> None:
        nonlocal marks
        bus = await Bus.connect(BusConfig(url=url, identity=f"node.n{node}"))
        async for item in bus.follow(STREAM, [feed_interest(f"n{node}")]):
            if isinstance(item, Frame):
                now = time.monotonic_ns()
                if item.type == "MODIFIED":
                    seen[int(msgspec.json.decode(item.object)["metadata"]["annotations"]["number"])] = now
            else:
                marks += item is Mark.SYNCED
                if marks == end - first:
                    all_follow.set()

    tasks = [asyncio.create_task(agent(node)) for node in range(first, end)]
    await all_follow.wait()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(json.dumps(seen), flush=True)
    for task in tasks:
        task.cancel()


async def paced(store: EtcdStore, agents: int, rate: float, count: int) -> dict[int, tuple[int, int]]:
    """number -> (before the put, acknowledged), ns."""
    found: dict[int, tuple[int, int]] = {}

    async def write(number: int) -> None:
        key, value = pod(number % (PROBES if number % 2 else agents), number)
        before = time.monotonic_ns()
        await store.transact((Put(key, value),), request=f"req-{number}")
        found[number] = before, time.monotonic_ns()

    began = time.monotonic()
    writes = []
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        writes.append(asyncio.create_task(write(number)))
    await asyncio.gather(*writes)
    return found


@contextmanager
def child(*argv: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def measure(etcd: Etcd, nats: Nats, folder: Path, agents: int, rate: float) -> None:
    store = EtcdStore([etcd.endpoint])
    await answering(store)
    for node in range(agents):
        await store.transact((Put(*pod(node, -1)),))
    bare = await paced(store, agents, rate, WRITES // 2)
    config = folder / "publisher.json"
    config.write_bytes(msgspec.json.encode(Config(
        etcd=EtcdConfig(endpoints=(etcd.endpoint,)), bus=BusConfig(url=nats.url))))
    with (
        child("-m", "master.cli", "publisher", "--config", str(config)) as publisher,
        child("-m", "benchmarks.line", "follow", nats.url, "0", str(PROBES)) as probes,
        child("-m", "benchmarks.line", "follow", nats.url, str(PROBES), str(agents)) as crowd,
    ):
        for followers in (probes, crowd):
            assert followers.stdout
            assert await asyncio.to_thread(followers.stdout.readline) == "ready\n"
        await asyncio.sleep(2)
        cpu, began = cpu_seconds(publisher.pid), time.monotonic()
        written = await paced(store, agents, rate, WRITES)
        cpu, spent = cpu_seconds(publisher.pid) - cpu, time.monotonic() - began
        await asyncio.sleep(1)
        memory = {name: rss_mb(pid) for name, pid in (
            ("publisher", publisher.pid), ("etcd", etcd.pid), ("nats", nats.pid), ("the crowd", crowd.pid))}
        handled, theirs = await answer(probes), await answer(crowd)
        missing = WRITES - len(handled) - len(theirs)
        assert not missing, f"{missing} of {WRITES} never reached a handler"
        tell(bare, written, handled, f"{agents} agents, {rate:g}/s")
    late = [(at - written[n][1]) / 1e6 for n, at in theirs.items()]
    sizes = ", ".join(f"{name} {size:.0f} MB" for name, size in memory.items())
    print(f"      the crowd: p50 {quantile(late, 0.5):.2f} ms, p99 {quantile(late, 0.99):.2f} ms above the put")
    print(f"      publisher {100 * cpu / spent:.1f} % of a core; memory: {sizes}")
    await store.close()


async def answer(process: subprocess.Popen[str]) -> dict[int, int]:
    """number -> when its handler had it, ns."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    seen = json.loads(await asyncio.to_thread(process.stdout.readline))
    return {int(n): at for n, at in seen.items() if int(n) >= 0}  # below: the pods that were there at the start


def tell(bare: dict[int, tuple[int, int]], written: dict[int, tuple[int, int]], handled: dict[int, int],
         where: str) -> None:
    def both(values: list[float]) -> tuple[float, float]:
        return quantile(values, 0.5) / 1e6, quantile(values, 0.99) / 1e6

    alone = both([acked - before for before, acked in bare.values()])
    put = both([acked - before for before, acked in written.values()])
    whole = both([at - written[n][0] for n, at in handled.items()])
    above = both([at - written[n][1] for n, at in handled.items()])
    baseline = (f"put {put[0]:.2f}/{put[1]:.2f} ms beside it, {alone[0]:.2f}/{alone[1]:.2f} ms before the publisher "
                "and the agents came")
    report(f"commit to handler, p50 above the put ({where})", f"{above[0]:.2f} ms (whole {whole[0]:.2f} ms)", baseline,
           f"{whole[0] / put[0]:.2f} x the put", "1 ms", above[0] <= 1.0)
    report(f"commit to handler, p99 above the put ({where})", f"{above[1]:.2f} ms (whole {whole[1]:.2f} ms)", baseline,
           f"{whole[1] / put[1]:.2f} x the put's p99", "10 ms", above[1] <= 10.0)


def main() -> None:
    if sys.argv[1:2] == ["follow"]:
        uvloop.run(follow(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
        return
    agents, rate = int((sys.argv[1:2] or ["1000"])[0]), float((sys.argv[2:3] or ["100"])[0])
    with tempfile.TemporaryDirectory(prefix="kubus-bench-") as name:
        folder = Path(name)
        etcd, nats = Etcd(folder / "etcd", fsync=True), Nats(folder / "nats")
        etcd.start()
        nats.start()
        try:
            uvloop.run(measure(etcd, nats, folder, agents, rate))
        finally:
            nats.kill()
            etcd.kill()


if __name__ == "__main__":
    main()
