"""Worse than death: a member that keeps its connections and answers nothing; and the loss of the majority.

Frozen in turn: each is left behind by people, services and the node, which stays Ready throughout. With one of three
left nothing can be written, what runs runs on, and with a second one back all goes on.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from pathlib import Path

import pytest

from master.store.connection import DEADLINE
from master.store.etcd import ATTEMPT
from runtime.rest import Rest
from schemas.errors import ApiError, ServiceUnavailable, Unreachable

from .hollow import apps, hollow
from .machines import Machine, masters
from .world import DEPLOYMENTS, PODS, deployment, names, rolled_out, scale, until
from .writing import CONFIGMAPS, Writer

pytestmark = [pytest.mark.etcd, pytest.mark.nats]
FROZEN_SECONDS = 9.0
MOST_PAUSE = DEADLINE + ATTEMPT
"""Seconds for who talks to another member: etcd elects, lost proposals are asked again, and a write all of whose
attempts met the frozen member ends at the store's deadline; the next one is taken."""
MOST_CONNECT = 6.0
"""Seconds until a new command has left the frozen one: it waits three for it."""


class NodeEye(threading.Thread):
    """Looks at the node's Ready condition all the time, and remembers what it saw."""

    def __init__(self, kubeconfig: Path) -> None:
        super().__init__(name="node eye", daemon=True)
        self._rest, self._ends, self.seen = Rest.from_kubeconfig(kubeconfig), threading.Event(), set[str]()

    def run(self) -> None:
        while not self._ends.wait(0.2):
            try:
                node = self._rest.json("GET", "/api/v1/nodes/n1", query={"resourceVersion": "0"})
            except (ApiError, Unreachable):
                continue
            self.seen |= {c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready"}

    def close(self) -> None:
        self._ends.set()
        self.join(60)
        self._rest.close()


async def test_frozen_members_and_a_lost_majority(tmp_path: Path) -> None:
    machines = masters(tmp_path, ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    eye = NodeEye(machines[1].places.kubeconfig)
    rest = machines[2].rest()
    try:
        for machine in machines:
            machine.start()
        for machine in machines:
            await asyncio.to_thread(machine.wait)
        async with hollow(machines[0].agent_config("n1", tmp_path / "agent")) as (_, engine):
            await asyncio.to_thread(rest.json, "POST", DEPLOYMENTS, body=deployment("app:1", 3))
            await until(lambda: rolled_out(rest, "app:1", 3), "the rollout", 30)
            before = apps(engine)
            eye.start()
            promised = []
            for number, machine in enumerate(machines):
                promised += await _freeze(machine, Writer(machines[number - 1].places.kubeconfig, f"w{number}"))
            eye.close()
            assert set(promised) <= set(names(rest, CONFIGMAPS))
            assert eye.seen == {"True"}
            await _without_majority(machines, rest)
            assert before.items() <= apps(engine).items()
            await until(lambda: len(apps(engine)) == 4, "the fourth pod", 40)
            assert len(names(rest, PODS)) == 4
    finally:
        for machine in machines:
            machine.kill()


async def _freeze(machine: Machine, writer: Writer) -> list[str]:
    """What the writer, who talks to another member, was promised meanwhile."""
    writer.start()
    began = time.monotonic()
    machine.signal(signal.SIGSTOP)
    try:
        await asyncio.to_thread(names, machine.rest(), PODS)
        entered = time.monotonic() - began
        await asyncio.sleep(FROZEN_SECONDS - entered)
    finally:
        machine.signal(signal.SIGCONT)
        pause = writer.longest_pause(began, time.monotonic())
        writer.stop()
    print(f"{machine.name} frozen: writes paused {pause:.1f} s, a new command took {entered:.1f} s")
    assert pause < MOST_PAUSE
    assert entered < MOST_CONNECT
    await asyncio.to_thread(machine.wait)
    return writer.promised


async def _without_majority(machines: list[Machine], rest: Rest) -> None:
    first, second, third = machines
    for machine in (first, second):
        machine.kill()
    with pytest.raises((ServiceUnavailable, Unreachable)):
        await asyncio.to_thread(scale, rest, 4)
    assert len(await asyncio.to_thread(names, rest, PODS, resourceVersion="0")) == 3
    second.start()
    await asyncio.to_thread(third.wait)
    await until(lambda: scale(rest, 4) is None, "writes again", 20)
    first.start()
