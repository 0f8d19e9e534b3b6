"""etcd commit -> an agent's handler, with 1,000 agents connected: `python -m benchmarks.line [agents] [writes/s]`.

Real etcd (fsync on), real nats-server, the publisher as its own process, the agents in a third: each a connection of
its own that follows its own node's feed. Pods of all nodes in turn are updated at an even pace; every object carries
the time before its put. Baseline of the same run: the same put, acknowledged (before the publisher starts, and while
it runs).
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

WRITES = 2000
PAD = "x" * 1200
"""A pod's usual size."""


def pod(node: int, number: int) -> tuple[str, bytes]:
    """An update of the one pod of a node; `number` and the time go along."""
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{node}", "namespace": "d", "annotations": {
        "number": str(number), "at": str(time.monotonic_ns())}}, "spec": {"nodeName": f"n{node}", "pad": PAD}}
    return keys.path("", "pods", "d", f"p{node}"), json.dumps(body, separators=(",", ":")).encode()


async def follow(url: str, agents: int) -> None:
    """The agents' process: says how many follow, then, on a line from outside, what each handler saw when."""
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
                if marks == agents:
                    all_follow.set()

    tasks = [asyncio.create_task(agent(node)) for node in range(agents)]
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
        key, value = pod(number % agents, number)
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
                               stderr=sys.stderr)
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
        child("-m", "benchmarks.line", "follow", nats.url, str(agents)) as followers,
    ):
        assert followers.stdout
        assert followers.stdin
        assert await asyncio.to_thread(followers.stdout.readline) == "ready\n"
        await asyncio.sleep(2)
        cpu, began = cpu_seconds(publisher.pid), time.monotonic()
        written = await paced(store, agents, rate, WRITES)
        cpu, spent = cpu_seconds(publisher.pid) - cpu, time.monotonic() - began
        await asyncio.sleep(1)
        followers.stdin.write("\n")
        followers.stdin.flush()
        handled = {int(n): at for n, at in json.loads(await asyncio.to_thread(followers.stdout.readline)).items()}
        missing = [n for n in written if n not in handled]
        assert not missing, f"{len(missing)} of {WRITES} never reached a handler"
        memory = {name: rss_mb(pid) for name, pid in (
            ("publisher", publisher.pid), ("etcd", etcd.pid), ("nats", nats.pid), ("all agents", followers.pid))}
        tell(bare, written, handled, memory, f"{agents} agents, {rate:g}/s", cpu / spent)
    await store.close()


def tell(bare: dict[int, tuple[int, int]], written: dict[int, tuple[int, int]], handled: dict[int, int],
         memory: dict[str, float], where: str, cpu: float) -> None:
    def both(values: list[float]) -> tuple[float, float]:
        return quantile(values, 0.5) / 1e6, quantile(values, 0.99) / 1e6

    alone = both([acked - before for before, acked in bare.values()])
    put = both([acked - before for before, acked in written.values()])
    whole = both([handled[n] - before for n, (before, _) in written.items()])
    above = both([handled[n] - acked for n, (_, acked) in written.items()])
    baseline = (f"put {put[0]:.2f}/{put[1]:.2f} ms beside it, {alone[0]:.2f}/{alone[1]:.2f} ms before the publisher "
                "and the agents came")
    report(f"commit to handler, p50 above the put ({where})", f"{above[0]:.2f} ms (whole {whole[0]:.2f} ms)", baseline,
           f"{whole[0] / put[0]:.2f} x the put", "1 ms", above[0] <= 1.0)
    report(f"commit to handler, p99 above the put ({where})", f"{above[1]:.2f} ms (whole {whole[1]:.2f} ms)", baseline,
           f"{whole[1] / put[1]:.2f} x the put's p99", "10 ms", above[1] <= 10.0)
    sizes = ", ".join(f"{name} {size:.0f} MB" for name, size in memory.items())
    print(f"      publisher {100 * cpu:.1f} % of a core; memory: {sizes}")


def main() -> None:
    if sys.argv[1:2] == ["follow"]:
        uvloop.run(follow(sys.argv[2], int(sys.argv[3])))
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
